//! Lent slots at their edges: borrowers that wait, attempts, other queues, counts and limits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use workmill::{
    Builder, Event, JoinHandle, JoinableQueue, Semaphore, ThreadPoolExecutor, Warning, block_on,
    current, timer, yield_now,
};

use crate::support::{Flag, limited, occupy, until};

const MS: Duration = Duration::from_millis(1);

fn queue(places: usize) -> Arc<JoinableQueue<i32>> {
    Arc::new(JoinableQueue::bounded(places))
}

/// The lender is back, so the slot of the borrower is one like any other.
#[test]
fn a_borrower_that_waits_after_its_lender_is_back_leaves_its_slot() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (go, begun) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (wait, tell) = (Arc::clone(&go), Arc::clone(&begun));
        let items = queue(0);
        let (taken, back) = (Arc::clone(&items), Flag::default());
        let (arrived, signal) = (back.clone(), Arc::new(Event::new()));
        let sig = Arc::clone(&signal);
        let future = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
            assert_eq!(taken.get().unwrap(), 1); // makes room: an offer stands there
            arrived.wait(); // the lender is back
            sig.wait(); // not awaited: blocks a thread
        });
        begun.wait();
        let producer = pool.submit(move || {
            items.put(1).unwrap();
            back.set();
        });
        until(|| pool.metrics().lent_slots == 1);
        let sets = pool.submit(move || signal.set());
        go.set();
        producer.join().unwrap();
        future.join().unwrap();
        sets.join().unwrap();
    });
}

/// One of several futures that were woken blocks, while the next is behind it in the local queue.
#[test]
fn futures_that_were_taken_in_a_batch_go_on_in_a_lent_slot() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let begun = Arc::new(Semaphore::new(0));
        let items = queue(0);
        let mut gos = Vec::new();
        let mut futures = Vec::new();
        for n in 0..8 {
            let (go, begun, items) = (
                Arc::new(Event::new()),
                Arc::clone(&begun),
                Arc::clone(&items),
            );
            gos.push(Arc::clone(&go));
            futures.push(pool.spawn(async move {
                begun.add_permits(1).unwrap();
                go.wait_async().await;
                match n {
                    0 => items.put(7).unwrap(), // blocks: lends
                    1 => assert_eq!(items.get_async().await.unwrap(), 7),
                    _ => {}
                }
            }));
        }
        begun.acquire_many(8).unwrap().forget();
        let busy = occupy(&pool);
        gos.iter().for_each(|go| go.set());
        busy.set();
        futures.into_iter().for_each(|it| it.join().unwrap());
    });
}

/// The future is stolen along with a task that stands.
#[test]
fn a_future_that_was_stolen_goes_on_in_a_lent_slot() {
    limited(|| {
        let pool = Builder::new()
            .threads(2)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let items = queue(0);
        let (tell, wait, gets) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&items));
        let consumer = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
            gets.get_async().await.unwrap()
        });
        begun.wait();
        let done = Arc::new(Event::new());
        let (tells, other) = (Arc::clone(&done), occupy(&pool));
        let long = Flag::default();
        let (stays, stay) = (long.clone(), Flag::default());
        let stayed = stay.clone();
        // The other worker: a task in its local queue, then the woken future, then two more.
        pool.execute(move || {
            let pool = current().unwrap();
            let puts = Arc::clone(&items);
            pool.execute(move || {
                puts.put(5).unwrap();
                tells.set();
            });
            go.set();
            pool.execute(|| {});
            pool.execute(|| {});
            stayed.set();
            stays.wait(); // computes
        });
        stay.wait();
        other.set(); // this worker steals
        done.wait();
        long.set();
        assert_eq!(consumer.join().unwrap(), 5);
    });
}

#[test]
fn a_wait_for_something_that_arrives_within_a_wait_for_room_gives_the_slot_away() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let full = queue(0);
        let (event, waker) = (Arc::new(Event::new()), Arc::new(Mutex::new(None::<Waker>)));
        let (waits, notes) = (Arc::clone(&event), Arc::clone(&waker));
        let outer = pool.submit(move || {
            block_on(async {
                let mut put = pin!(full.put_async(1));
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    if polls > 1 {
                        waits.wait(); // not awaited: it blocks
                        return Poll::Ready(());
                    }
                    *notes.lock().unwrap() = Some(cx.waker().clone());
                    put.as_mut().poll(cx).map(drop)
                })
                .await;
            });
        });
        until(|| pool.metrics().lent_slots == 1);
        waker.lock().unwrap().take().unwrap().wake();
        thread::sleep(20 * MS);
        let sets = pool.submit(move || event.set());
        outer.join().unwrap();
        sets.join().unwrap();
    });
}

/// The first queue serves others all the time.
#[test]
fn a_future_that_goes_on_to_another_queue_stands_there() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (lively, stuck) = (Arc::new(JoinableQueue::bounded(1)), queue(0));
        lively.put(0).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (a, b) = (Arc::clone(&lively), Arc::clone(&stuck));
        let task = pool.submit(move || {
            block_on(async {
                a.put_async(1).await.unwrap();
                b.put_async(2).await.unwrap();
            });
        });
        until(|| pool.metrics().lent_slots == 1);
        let threads: Vec<_> = (0..3)
            .map(|n| {
                let (q, stop) = (Arc::clone(&lively), Arc::clone(&stop));
                thread::spawn(move || {
                    while !stop.load(SeqCst) {
                        match n {
                            0 => {
                                thread::sleep(MS);
                                let _ = q.get_timeout(MS);
                            }
                            _ => drop(q.put_timeout(3, 50 * MS)),
                        }
                    }
                })
            })
            .collect();
        let consumer = pool.submit(move || stuck.get().unwrap());
        consumer.join().unwrap();
        stop.store(true, SeqCst);
        threads.into_iter().for_each(|it| it.join().unwrap());
        task.join().unwrap();
    });
}

/// Submits a task that tries to put an item again and again, and calls `pause` in between.
fn stubborn(
    pool: &ThreadPoolExecutor,
    items: &Arc<JoinableQueue<i32>>,
    pause: impl Fn() + Send + 'static,
) {
    let items = Arc::clone(items);
    pool.execute(move || {
        let mut item = 42;
        while let Err(back) = items.put_timeout(item, MS) {
            item = back.into_inner();
            pause();
        }
    });
}

#[test]
fn two_tasks_that_try_again_and_again_give_way() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let items = queue(0);
        let busy = [occupy(&pool), occupy(&pool)];
        stubborn(&pool, &items, || {});
        stubborn(&pool, &items, || {});
        busy.iter().for_each(Flag::set);
        until(|| pool.metrics().lent_slots == 2);
        let consumer = pool.submit(move || items.get().unwrap() + items.get().unwrap());
        consumer.join().unwrap();
    });
}

#[test]
fn tasks_that_are_run_inline_between_attempts_are_no_progress() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let items = queue(0);
        let busy = occupy(&pool);
        stubborn(&pool, &items, || {
            (0..200).for_each(|_| current().unwrap().submit(|| ()).join().unwrap());
        });
        busy.set();
        until(|| pool.metrics().lent_slots == 1);
        let consumer = pool.submit(move || items.get().unwrap());
        consumer.join().unwrap();
    });
}

#[test]
fn tasks_that_another_worker_runs_inline_are_no_progress() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let items = queue(0);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        pool.execute(move || {
            while !stopped.load(SeqCst) {
                current().unwrap().submit(|| ()).join().unwrap();
                thread::sleep(MS);
            }
        });
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        let consumer = pool.submit(move || items.get().unwrap());
        consumer.join().unwrap();
        stop.store(true, SeqCst);
        producer.join().unwrap();
    });
}

#[test]
fn a_lender_that_comes_later_with_less_patience_gives_way_first() {
    limited(|| {
        let pool = Builder::new()
            .threads(2)
            .give_way(100 * MS)
            .build()
            .unwrap();
        let (slow, stuck) = (queue(0), queue(0));
        let puts = Arc::clone(&slow);
        let first = pool.submit(move || {
            puts.put(1).unwrap();
            let _ = puts.put(2);
        });
        until(|| pool.metrics().lent_slots == 1);
        thread::sleep(Duration::from_secs(1)); // the longest pause: its patience is 4 s
        assert_eq!(slow.get().unwrap(), 1);
        let (go, here) = (Flag::default(), Flag::default());
        let (goes, tells, puts) = (go.clone(), here.clone(), Arc::clone(&stuck));
        let second = pool.submit(move || {
            tells.set();
            goes.wait();
            puts.put(3).unwrap();
        });
        here.wait();
        let consumer = pool.submit(move || stuck.get().unwrap());
        thread::sleep(50 * MS); // the first ticks
        let began = Instant::now();
        go.set();
        assert_eq!(consumer.join().unwrap(), 3);
        let took = began.elapsed();
        slow.close();
        first.join().unwrap();
        second.join().unwrap();
        assert!(
            took < Duration::from_secs(3),
            "{took:?}, as long as the first"
        );
    });
}

#[test]
fn a_task_pushed_while_a_borrower_refuses_to_start_begins_in_the_end() {
    limited(|| {
        let (starts, refused, inside) = (
            Arc::new(AtomicUsize::new(0)),
            Flag::default(),
            Flag::default(),
        );
        let (count, go, tell) = (Arc::clone(&starts), refused.clone(), inside.clone());
        let builder =
            Builder::new()
                .threads(1)
                .on_thread_start(move |_| match count.fetch_add(1, SeqCst) {
                    1 => {
                        tell.set();
                        go.wait();
                        Err(std::io::Error::other("not now"))
                    }
                    _ => Ok(()),
                });
        let pool = builder.build().unwrap();
        let (go, begun, items) = (Arc::new(Event::new()), Arc::new(Event::new()), queue(0));
        let (wait, tell) = (Arc::clone(&go), Arc::clone(&begun));
        let future = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
        });
        begun.wait();
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        go.set(); // a borrower starts
        inside.wait();
        let consumer = pool.submit(move || items.get().unwrap());
        refused.set();
        assert_eq!(consumer.join().unwrap(), 1);
        producer.join().unwrap();
        future.join().unwrap();
    });
}

/// The spare threads were used up for a moment, and the user is told.
#[test]
fn a_gift_that_was_not_allowed_is_made_later() {
    limited(|| {
        let (tell, told) = mpsc::channel();
        let builder = Builder::new().threads(1).max_spare_threads(1);
        let builder = builder.on_warning(move |warning| tell.send(warning).unwrap());
        let pool = builder.build().unwrap();
        let (event, items) = (Arc::new(Event::new()), queue(0));
        let waits = Arc::clone(&event);
        let first = pool.submit(move || waits.wait());
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        let consumer = pool.submit(move || items.get().unwrap());
        until(|| pool.metrics().uncovered_waits == 1);
        event.set();
        first.join().unwrap();
        consumer.join().unwrap();
        producer.join().unwrap();
        pool.shutdown();
        assert!(matches!(told.recv(), Ok(Warning::SpareThreadsUsedUp(1))));
    });
}

#[test]
fn lenders_whose_slots_were_disabled_do_not_keep_borrowers_from_starting() {
    limited(|| {
        let pool = Builder::new()
            .threads(3)
            .max_spare_threads(0)
            .build()
            .unwrap();
        let (go, begun, items) = (Arc::new(Event::new()), Arc::new(Event::new()), queue(0));
        let (wait, tell, gets) = (Arc::clone(&go), Arc::clone(&begun), Arc::clone(&items));
        let future = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
            (0..3).map(|_| gets.get().unwrap()).sum::<i32>()
        });
        begun.wait();
        for n in 0..3 {
            let puts = Arc::clone(&items);
            pool.execute(move || puts.put(n).unwrap());
        }
        until(|| pool.metrics().lent_slots == 3);
        pool.set_threads(1).unwrap();
        go.set();
        assert_eq!(future.join().unwrap(), 3);
    });
}

#[test]
fn the_tasks_behind_a_future_keep_their_order_when_the_slot_is_lent() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let (go, begun, items) = (Arc::new(Event::new()), Arc::new(Event::new()), queue(0));
        let (wait, tell, gets) = (Arc::clone(&go), Arc::clone(&begun), Arc::clone(&items));
        let future = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
            gets.get_async().await.unwrap()
        });
        begun.wait();
        let busy = occupy(&pool);
        let order = Arc::new(Mutex::new(Vec::new()));
        pool.execute(move || {
            go.set(); // the future comes to the local queue
            items.put(1).unwrap();
        });
        for n in 0..20 {
            let order = Arc::clone(&order);
            pool.execute(move || order.lock().unwrap().push(n));
        }
        busy.set();
        future.join().unwrap();
        pool.wait_idle().unwrap();
        let order = order.lock().unwrap();
        assert!(order.is_sorted(), "{order:?}");
    });
}

#[test]
fn three_tasks_that_try_again_and_again_beside_one_that_computes_give_way() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let items = queue(0);
        let busy: Vec<_> = (0..4).map(|_| occupy(&pool)).collect();
        (0..3).for_each(|_| stubborn(&pool, &items, || {}));
        busy[..3].iter().for_each(Flag::set);
        until(|| pool.metrics().lent_slots == 3);
        let consumer = pool.submit(move || (0..3).map(|_| items.get().unwrap()).sum::<i32>());
        consumer.join().unwrap();
        busy[3].set();
    });
}

#[test]
fn a_borrower_that_waits_twice_makes_way_for_another_each_time() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(0);
        let pool = builder
            .keep_alive(Duration::ZERO)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let go = Arc::new(Event::new());
        let begun = Arc::new(Semaphore::new(0));
        let other = || {
            let (begun, go) = (Arc::clone(&begun), Arc::new(Event::new()));
            let waits = Arc::clone(&go);
            let handle = pool.spawn(async move {
                begun.add_permits(1).unwrap();
                waits.wait_async().await;
                1
            });
            (handle, go)
        };
        let ((a, go_a), (b, go_b)) = (other(), other());
        let (tells, waits) = (Arc::clone(&begun), Arc::clone(&go));
        let both = pool.spawn(async move {
            tells.add_permits(1).unwrap();
            waits.wait_async().await;
            go_a.set();
            let a = a.join().unwrap();
            thread::sleep(100 * MS); // the thread that ran it leaves
            go_b.set();
            a + b.join().unwrap()
        });
        begun.acquire_many(3).unwrap().forget();
        let items = queue(0);
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        go.set();
        assert_eq!(both.join().unwrap(), 2);
        items.get().unwrap();
        producer.join().unwrap();
    });
}

/// A future that gives way again and again until it is stopped, and has begun.
fn spin(pool: &ThreadPoolExecutor, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let (stopped, begun) = (Arc::clone(stop), Flag::default());
    let begins = begun.clone();
    let spins = pool.spawn(async move {
        begins.set();
        while !stopped.load(SeqCst) {
            yield_now().await;
        }
    });
    begun.wait();
    spins
}

#[test]
fn a_borrower_that_is_always_busy_hides_no_task() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let spins = spin(&pool, &stop);
        let items = queue(0);
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        let consumer = pool.submit(move || {
            items.get().unwrap();
            stop.store(true, SeqCst);
        });
        consumer.join().unwrap();
        producer.join().unwrap();
        spins.join().unwrap();
    });
}

/// Each attempt ends while a borrower has the slot, and the next begins without one.
#[test]
fn attempts_beside_a_borrower_that_is_always_busy_let_no_task_begin() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(0);
        let pool = builder.give_way(Duration::MAX).build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let spins = spin(&pool, &stop);
        let (items, begun) = (queue(0), Arc::new(AtomicUsize::new(0)));
        let attempts = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let (items, begun) = (Arc::clone(&items), Arc::clone(&begun));
            let (attempts, stop) = (Arc::clone(&attempts), Arc::clone(&stop));
            pool.execute(move || {
                begun.fetch_add(1, SeqCst);
                while !stop.load(SeqCst) && items.put_timeout(1, MS).is_err() {
                    attempts.fetch_add(1, SeqCst);
                }
            });
        }
        until(|| attempts.load(SeqCst) > 200);
        let (begun, threads) = (begun.load(SeqCst), pool.metrics().live_threads);
        stop.store(true, SeqCst);
        spins.join().unwrap();
        pool.wait_idle().unwrap();
        assert_eq!(begun, 1);
        assert!(threads <= 3, "{threads} threads");
    });
}

#[test]
fn a_submitter_that_comes_while_the_slot_is_borrowed_is_served_in_the_end() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(0);
        let pool = builder.build().unwrap();
        let (go, begun) = (Arc::new(Event::new()), Flag::default());
        let (wait, begins) = (Arc::clone(&go), begun.clone());
        let (inside, leave) = (Flag::default(), Flag::default());
        let (is_inside, left) = (inside.clone(), leave.clone());
        let future = pool.spawn(async move {
            begins.set();
            wait.wait_async().await;
            is_inside.set();
            left.wait(); // computes
        });
        begun.wait();
        let items = queue(0);
        let puts = Arc::clone(&items);
        let producer = pool.submit(move || puts.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        go.set();
        inside.wait();
        let mut consumes = Box::pin(pool.submit_async(move || items.get().unwrap()));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(consumes.as_mut().poll(&mut cx).is_pending());
        leave.set();
        future.join().unwrap();
        assert_eq!(block_on(consumes).unwrap().join().unwrap(), 1);
        producer.join().unwrap();
    });
}

/// The future runs behind a task that computes, unless it is put where borrowers look.
#[test]
fn a_future_that_gives_way_while_a_slot_is_lent_goes_on_there() {
    limited(|| {
        let builder = Builder::new().threads(2).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let items = queue(0);
        let (inside, go) = (Flag::default(), Flag::default());
        let (is_inside, goes, puts) = (inside.clone(), go.clone(), Arc::clone(&items));
        let producer = pool.submit(move || {
            is_inside.set();
            goes.wait();
            puts.put(5).unwrap();
        });
        inside.wait();
        let done = Flag::default();
        let waits = done.clone();
        let consumer = pool.spawn(async move {
            for _ in 0..1000 {
                yield_now().await;
            }
            let pool = current().unwrap();
            pool.execute(move || waits.wait()); // computes
            go.set();
            until(|| pool.metrics().lent_slots == 1);
            yield_now().await;
            items.get_async().await.unwrap()
        });
        assert_eq!(consumer.join().unwrap(), 5);
        done.set();
        producer.join().unwrap();
    });
}

/// It polls its two puts in turn, each time the other one first.
#[test]
fn a_future_that_waits_for_room_in_either_of_two_queues_gives_way() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (one, other) = (queue(0), queue(0));
        let (puts, also_puts) = (Arc::clone(&one), Arc::clone(&other));
        let task = pool.submit(move || {
            let mut puts = [puts.put_async(1), also_puts.put_async(2)].map(Box::pin);
            let mut beat = timer::sleep(MS);
            block_on(poll_fn(|cx| {
                while pin!(&mut beat).poll(cx).is_ready() {
                    beat = timer::sleep(3 * MS);
                }
                puts.reverse();
                let polls = puts.each_mut().map(|put| put.as_mut().poll(cx));
                match polls.iter().any(Poll::is_ready) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
        });
        until(|| pool.metrics().lent_slots == 1);
        let consumer = pool.submit(move || one.get().unwrap());
        assert_eq!(consumer.join().unwrap(), 1);
        task.join().unwrap();
        other.close();
    });
}

#[test]
fn borrowers_that_are_always_busy_return_slots_that_are_no_longer_wanted() {
    limited(|| {
        // None gives its slot away before the last has begun to wait.
        let builder = Builder::new().threads(3).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let [begun, now, most] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
        for _ in 0..6 {
            let (stop, begun) = (Arc::clone(&stop), Arc::clone(&begun));
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            drop(pool.spawn(async move {
                begun.fetch_add(1, SeqCst);
                while !stop.load(SeqCst) {
                    most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, SeqCst);
                    yield_now().await;
                }
            }));
        }
        until(|| begun.load(SeqCst) == 6);
        let items = queue(0);
        for item in 0..3 {
            let puts = Arc::clone(&items);
            pool.execute(move || assert!(puts.put(item).is_err()));
        }
        until(|| pool.metrics().lent_slots == 3);
        pool.set_threads(1).unwrap();
        // A poll at a time from some moment on: for a thousand looks in a row.
        let mut looks = 0;
        until(|| {
            looks += 1;
            if now.load(SeqCst) > 1 {
                looks = 0;
            }
            looks > 1000
        });
        stop.store(true, SeqCst);
        items.close();
        pool.wait_idle().unwrap();
        assert!(most.load(SeqCst) <= 3);
    });
}
