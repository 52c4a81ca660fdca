//! Tasks that wait for room lend their slots: back-pressure holds inside tasks, and a program that
//! finishes with a thread for each task still finishes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use workmill::{
    Builder, CancelToken, Event, JoinableQueue, Overflow, Semaphore, ThreadPoolExecutor, Warning,
    block_on, yield_now,
};

use crate::support::{Flag, limited, occupy, until};

/// How long a consumer holds what it has taken.
const HOLD: Duration = Duration::from_millis(20);

/// The number of tasks that produce a result each.
const FILES: usize = 600;

/// Counts values that are in memory, and the most at a time.
#[derive(Clone, Default)]
struct Census(Arc<(AtomicUsize, AtomicUsize)>);

/// A value that is counted.
struct Counted(Census);

impl Census {
    fn value(&self) -> Counted {
        let (now, most) = &*self.0;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Counted(self.clone())
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn pool_of_2_with_16_places() -> ThreadPoolExecutor {
    let builder = Builder::new().threads(2).queue_capacity(16);
    builder.build().unwrap()
}

/// Two threads with a result each, 16 places and two threads that take them; and one more for each
/// loan that became a gift, of which there are few.
#[track_caller]
fn assert_bounded(census: &Census, pool: &ThreadPoolExecutor) {
    let (most, given) = (census.most(), pool.metrics().given_slots);
    assert!(most <= 2 + 16 + 2 + given, "{most} results, {given} gifts");
    assert!(given <= 6, "{given} gifts");
}

#[test]
fn results_for_a_second_pool_that_is_full_do_not_pile_up() {
    for shuts_down in [false, true] {
        limited(move || {
            let (first, second) = (pool_of_2_with_16_places(), pool_of_2_with_16_places());
            let (census, done) = (Census::default(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..FILES {
                let (census, second, done) = (census.clone(), second.handle(), Arc::clone(&done));
                first.execute(move || {
                    let result = census.value();
                    second.execute(move || {
                        thread::sleep(HOLD);
                        drop(result);
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                });
            }
            match shuts_down {
                true => first.shutdown(),
                false => first.wait_idle().unwrap(),
            }
            second.wait_idle().unwrap();
            assert_eq!(done.load(Ordering::SeqCst), FILES);
            assert_bounded(&census, &first);
            assert_eq!(first.metrics().lent_slots, 0);
        });
    }
}

#[test]
fn results_for_a_queue_that_is_full_do_not_pile_up() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (census, queue) = (Census::default(), Arc::new(JoinableQueue::bounded(16)));
        let consumers: Vec<_> = (0..2)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    while let Ok(result) = queue.get() {
                        thread::sleep(HOLD);
                        drop::<Counted>(result);
                    }
                })
            })
            .collect();
        for _ in 0..FILES {
            let (census, queue) = (census.clone(), Arc::clone(&queue));
            pool.execute(move || queue.put(census.value()).unwrap());
        }
        pool.shutdown();
        queue.close();
        consumers.into_iter().for_each(|it| it.join().unwrap());
        assert_bounded(&census, &pool);
        assert!(pool.metrics().longest_lent >= HOLD / 2);
    });
}

#[test]
fn tasks_at_a_semaphore_are_no_more_than_the_threads() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let keys = Arc::new(Semaphore::new(2));
        for _ in 0..1000 {
            let keys = Arc::clone(&keys);
            pool.execute(move || {
                let _key = keys.acquire().unwrap();
                thread::yield_now();
            });
        }
        pool.wait_idle().unwrap();
        assert!(pool.metrics().live_threads <= 4);
        assert_eq!(pool.metrics().given_slots, 0);
    });
}

/// Runs producers that are queued ahead of their consumer.
fn producers_ahead(pool: &ThreadPoolExecutor, producers: usize) {
    let queue = Arc::new(JoinableQueue::bounded(1));
    let held: Vec<_> = (0..pool.threads()).map(|_| occupy(pool)).collect();
    for item in 0..producers {
        let queue = Arc::clone(&queue);
        pool.execute(move || queue.put(item).unwrap());
    }
    let consumer = pool.submit(move || (0..producers).map(|_| queue.get().unwrap()).sum());
    held.iter().for_each(Flag::set);
    let sum: usize = consumer.join().unwrap();
    assert_eq!(sum, producers * (producers - 1) / 2);
}

#[test]
fn producers_that_are_queued_ahead_of_their_consumer_end() {
    limited(|| {
        let warned = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&warned);
        let builder = Builder::new().threads(4).on_warning(move |warning| {
            if let Warning::GaveWay(gave_way) = warning {
                tell.lock().unwrap().push(gave_way);
            }
        });
        let pool = builder.build().unwrap();
        producers_ahead(&pool, 50);
        assert!(pool.metrics().given_slots > 0);
        pool.shutdown();
        let warned = warned.lock().unwrap();
        assert_eq!(warned.len(), 1, "told once");
        assert!(warned[0].task.contains("producers_ahead"), "{warned:?}");
        assert_eq!(warned[0].awaited, "room in a queue");

        let builder = Builder::new().threads(4);
        let pool = builder.give_way(Duration::from_millis(20)).build().unwrap();
        producers_ahead(&pool, 300);
    });
}

#[test]
fn a_pool_that_never_gives_way_keeps_its_tasks_waiting() {
    limited(|| {
        let builder = Builder::new().threads(1).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let queue = Arc::new(JoinableQueue::bounded(1));
        queue.put(0).unwrap();
        let (full, ran) = (Arc::clone(&queue), Arc::new(AtomicBool::new(false)));
        let producer = pool.submit(move || full.put(1));
        until(|| pool.metrics().lent_slots == 1);
        let seen = Arc::clone(&ran);
        let behind = pool.submit(move || seen.store(true, Ordering::SeqCst));
        thread::sleep(HOLD);
        assert!(!ran.load(Ordering::SeqCst));
        assert_eq!(queue.get().unwrap(), 0);
        producer.join().unwrap().unwrap();
        behind.join().unwrap();
        assert_eq!(pool.metrics().given_slots, 0);
        assert_eq!(pool.metrics().live_threads, 1);
    });
}

#[test]
fn a_future_that_has_begun_goes_on_in_a_lent_slot() {
    limited(|| {
        let pool = Builder::new()
            .threads(2)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let queue = Arc::new(JoinableQueue::bounded(1));
        let (begun, go) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (tell, wait, items) = (Arc::clone(&begun), Arc::clone(&go), Arc::clone(&queue));
        let consumer = pool.spawn(async move {
            tell.set();
            wait.wait_async().await;
            let mut sum = 0;
            for _ in 0..600 {
                sum += items.get_async().await.unwrap();
                yield_now().await;
            }
            sum
        });
        begun.wait();
        for item in 0..600 {
            let queue = Arc::clone(&queue);
            pool.execute(move || queue.put(item).unwrap());
        }
        until(|| pool.metrics().lent_slots == 2);
        go.set();
        assert_eq!(consumer.join().unwrap(), 600 * 599 / 2);
        pool.wait_idle().unwrap();
        assert_eq!(pool.metrics().given_slots, 0);
        let threads = pool.metrics().live_threads;
        assert!(threads <= 8, "{threads} threads");
    });
}

#[test]
fn attempts_that_fail_add_up() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (queue, attempts) = (Arc::new(JoinableQueue::bounded(0)), AtomicUsize::new(0));
        let items = Arc::clone(&queue);
        let stubborn = pool.submit(move || {
            let mut item = 42;
            while let Err(back) = items.put_timeout(item, Duration::from_millis(1)) {
                item = back.into_inner();
                attempts.fetch_add(1, Ordering::SeqCst);
            }
            attempts.into_inner()
        });
        let consumer = pool.submit(move || queue.get().unwrap());
        assert_eq!(consumer.join().unwrap(), 42);
        assert!(stubborn.join().unwrap() > 1);
    });
}

#[test]
fn three_tasks_that_stand_beside_a_fourth_that_is_served_give_way() {
    limited(|| {
        let builder = Builder::new()
            .threads(4)
            .give_way(Duration::from_millis(200));
        let pool = builder.build().unwrap();
        let (stuck, lively) = (JoinableQueue::bounded(0), JoinableQueue::bounded(1));
        let (stuck, lively) = (Arc::new(stuck), Arc::new(lively));
        let taken = Arc::clone(&lively);
        let steady = thread::spawn(move || while taken.get().is_ok() {});
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, items) = (Arc::clone(&stop), Arc::clone(&lively));
        let fourth = pool.submit(move || {
            while !stopped.load(Ordering::SeqCst) {
                items.put(1).unwrap();
            }
        });
        for item in 0..3 {
            let stuck = Arc::clone(&stuck);
            pool.execute(move || stuck.put(item).unwrap());
        }
        let consumer = pool.submit(move || (0..3).map(|_| stuck.get().unwrap()).sum::<i32>());
        assert_eq!(consumer.join().unwrap(), 3);
        stop.store(true, Ordering::SeqCst);
        fourth.join().unwrap();
        lively.close();
        steady.join().unwrap();
    });
}

#[test]
fn two_pools_that_are_bounded_by_each_other_end() {
    limited(|| {
        let pool = || Builder::new().threads(2).queue_capacity(2).build().unwrap();
        let (one, other) = (pool(), pool());
        let ran = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for (from, to) in [(&one, &other), (&other, &one)] {
                let ran = &ran;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let (to, ran) = (to.handle(), Arc::clone(ran));
                        from.execute(move || {
                            let ran = Arc::clone(&ran);
                            to.execute(move || {
                                ran.fetch_add(1, Ordering::SeqCst);
                            });
                        });
                    }
                });
            }
        });
        one.wait_idle().unwrap();
        other.wait_idle().unwrap();
        one.wait_idle().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_begun_future_that_blocks_on_another_lends_on() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let queue = Arc::new(JoinableQueue::bounded(0));
        let (both, go) = (Arc::new(Semaphore::new(0)), Arc::new(Event::new()));
        let (begun, wait) = (Arc::clone(&both), Arc::clone(&go));
        let other = pool.spawn(async move {
            begun.add_permits(1).unwrap();
            wait.wait_async().await;
            yield_now().await;
            41
        });
        let (begun, wait, items) = (Arc::clone(&both), Arc::clone(&go), Arc::clone(&queue));
        let blocks = pool.spawn(async move {
            begun.add_permits(1).unwrap();
            wait.wait_async().await;
            let sum = other.join().unwrap() + 1; // not awaited: it blocks a thread
            assert_eq!(items.get_async().await.unwrap(), 7);
            sum
        });
        both.acquire_many(2).unwrap().forget();
        let producer = pool.submit(move || queue.put(7));
        until(|| pool.metrics().lent_slots == 1);
        go.set();
        assert_eq!(blocks.join().unwrap(), 42);
        producer.join().unwrap().unwrap();
        assert_eq!(pool.metrics().given_slots, 0);
    });
}

#[test]
fn a_semaphore_of_signals_gives_slots_away_at_once() {
    limited(|| {
        for signals in [Semaphore::new(0), Semaphore::signals(0)] {
            let builder = Builder::new().threads(2).give_way(Duration::MAX);
            let pool = builder.build().unwrap();
            let signal = Arc::new(signals);
            for _ in 0..300 {
                let signal = Arc::clone(&signal);
                pool.execute(move || signal.acquire().unwrap().forget());
            }
            let sends = pool.submit(move || signal.add_permits(300).unwrap());
            sends.join().unwrap();
            pool.wait_idle().unwrap();
            assert_eq!(pool.metrics().given_slots, 0);
        }
    });
}

#[test]
fn a_limit_of_none_at_first_lends() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let limit = Arc::new(Semaphore::limit(0));
        let keys = Arc::clone(&limit);
        let waits = pool.submit(move || keys.acquire().unwrap().forget());
        until(|| pool.metrics().lent_slots == 1);
        limit.add_permits(1).unwrap();
        waits.join().unwrap();
        assert_eq!(pool.metrics().lent_slots, 0);
    });
}

#[test]
fn fewer_threads_take_lent_slots_first() {
    limited(|| {
        // None gives its slot away before the last has begun to wait.
        let builder = Builder::new().threads(3).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let queue = Arc::new(JoinableQueue::bounded(0));
        for item in 0..3 {
            let queue = Arc::clone(&queue);
            pool.execute(move || queue.put(item).unwrap());
        }
        until(|| pool.metrics().lent_slots == 3);
        pool.set_threads(1).unwrap();
        assert_eq!(pool.metrics().lent_slots, 1);
        let sum: i32 = (0..3).map(|_| queue.get().unwrap()).sum();
        assert_eq!(sum, 3);
        pool.wait_idle().unwrap();
        assert_eq!(pool.submit(|| 4).join().unwrap(), 4);
        pool.set_threads(3).unwrap();
        let barrier = Arc::new(std::sync::Barrier::new(3));
        for _ in 0..3 {
            let barrier = Arc::clone(&barrier);
            pool.execute(move || {
                barrier.wait();
            });
        }
        pool.shutdown();
    });
}

#[test]
fn a_pool_that_is_stopped_gives_its_loans_away() {
    limited(|| {
        let builder = Builder::new().threads(1).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let queue = Arc::new(JoinableQueue::bounded(0));
        let items = Arc::clone(&queue);
        let producer = pool.submit(move || items.put(1).is_err());
        until(|| pool.metrics().lent_slots == 1);
        let (sender, receiver) = mpsc::channel::<()>();
        let behind = pool.submit(move || drop(sender));
        pool.shutdown_now();
        assert!(behind.join().unwrap_err().cancel_reason().is_some());
        assert!(receiver.recv().is_err());
        queue.close();
        assert!(producer.join().unwrap());
        pool.shutdown();
    });
}

#[test]
fn without_capacity_a_lent_slot_is_not_free_until_it_is_given() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(0);
        let pool = builder.build().unwrap();
        let queue = Arc::new(JoinableQueue::bounded(0));
        let items = Arc::clone(&queue);
        let producer = pool.submit(move || items.put(1).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        assert!(pool.try_submit(|| ()).is_err());
        // It waits for a free thread, which there is when the producer gives way.
        let consumer = pool.submit(move || queue.get().unwrap());
        assert_eq!(consumer.join().unwrap(), 1);
        producer.join().unwrap();
        assert_eq!(pool.metrics().given_slots, 1);
        pool.wait_idle().unwrap();
        until(|| pool.try_submit(|| ()).is_ok());
    });
}

#[test]
fn a_wait_in_block_on_is_what_its_futures_wait_for() {
    limited(|| {
        let builder = Builder::new().threads(1).give_way(Duration::MAX);
        let pool = builder.build().unwrap();
        let queue = Arc::new(JoinableQueue::bounded(0));
        let items = Arc::clone(&queue);
        let lends = pool.submit(move || block_on(items.put_async(1)).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        assert_eq!(queue.get().unwrap(), 1);
        lends.join().unwrap();

        // The token only ends the wait early.
        let (token, items) = (CancelToken::new(), Arc::clone(&queue));
        let lends = pool.submit(move || block_on(token.run_until_cancelled(items.put_async(3))));
        until(|| pool.metrics().lent_slots == 1);
        assert_eq!(queue.get().unwrap(), 3);
        lends.join().unwrap().unwrap().unwrap();

        let (event, items) = (Arc::new(Event::new()), Arc::clone(&queue));
        let sets = Arc::clone(&event);
        let gives = pool.submit(move || {
            block_on(async {
                let put = items.put_async(2);
                let set = event.wait_async();
                futures_lite::future::zip(put, set).await.0.unwrap();
            });
        });
        let behind = pool.submit(move || sets.set());
        behind.join().unwrap();
        assert_eq!(queue.get().unwrap(), 2);
        gives.join().unwrap();
    });
}

#[test]
fn results_for_a_group_of_the_same_pool_that_is_full_do_not_pile_up() {
    for overflow in [Overflow::Block, Overflow::CallerRuns] {
        limited(move || {
            // While all workers wait, a hundredth of that: a busy machine does not use it up.
            let builder = Builder::new().threads(4).give_way(Duration::from_secs(30));
            let pool = builder.build().unwrap();
            let group = pool.limited(2).queue_capacity(16).overflow(overflow);
            let (census, done) = (Census::default(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..FILES {
                let (census, group, done) = (census.clone(), group.clone(), Arc::clone(&done));
                pool.execute(move || {
                    let result = census.value();
                    group.execute(move || {
                        thread::sleep(HOLD);
                        drop(result);
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                });
            }
            pool.wait_idle().unwrap();
            assert_eq!(done.load(Ordering::SeqCst), FILES);
            let (most, given) = (census.most(), pool.metrics().given_slots);
            assert!(most <= 4 + 16 + 2 + given, "{most} results, {given} gifts");
            assert!(given <= 6, "{given} gifts");
        });
    }
}
