//! A group runs no more tasks at a time than it is limited to, however they wait for each other and
//! however they end, and each of its tasks has one outcome.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use workmill::{
    Builder, CancelReason, CancelToken, Event, Every, Group, JoinHandle, Overflow, PoolRef,
    Priority, ThreadPoolExecutor, Warning, WouldDeadlock, block_on, current, yield_now,
};

use crate::support::{Flag, limited, occupy, until};

/// Counts what runs at the same time.
#[derive(Clone, Default)]
struct Meter(Arc<(AtomicUsize, AtomicUsize)>);

struct Running(Meter);

impl Meter {
    fn begin(&self) -> Running {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Running(self.clone())
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

#[test]
fn no_more_closures_run_than_the_limit() {
    limited(|| {
        let (pool, meter) = (pool(4), Meter::default());
        let group = pool.limited(2);
        for _ in 0..2000 {
            let meter = meter.clone();
            group.execute(move || {
                let _running = meter.begin();
                thread::yield_now();
            });
        }
        group.wait_idle().unwrap();
        assert!((1..=2).contains(&meter.most()), "{}", meter.most());
    });
}

#[test]
fn no_more_futures_run_than_the_limit_from_the_first_poll_to_the_end() {
    limited(|| {
        let (pool, meter) = (pool(4), Meter::default());
        let group = pool.limited(2);
        let futures: Vec<_> = (0..200)
            .map(|n| {
                let meter = meter.clone();
                group.spawn(async move {
                    let _running = meter.begin();
                    yield_now().await;
                    workmill::timer::sleep(Duration::from_micros(100)).await;
                    n
                })
            })
            .collect();
        for (n, future) in futures.into_iter().enumerate() {
            assert_eq!(future.join().unwrap(), n);
        }
        assert_eq!(meter.most(), 2);
    });
}

#[test]
fn what_waits_for_a_permit_holds_no_thread() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let release = occupy(&group);
        let waiting: Vec<_> = (0..1000).map(|n| group.submit(move || n)).collect();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        assert!(pool.metrics().live_threads <= 2);
        assert!(waiting.iter().all(|handle| !handle.is_finished()));
        release.set();
        for (n, handle) in waiting.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
    });
}

#[test]
fn tasks_of_a_group_of_one_run_in_order_each_before_the_next() {
    limited(|| {
        let pool = pool(4);
        let group = pool.limited(1);
        let sum = Arc::new(AtomicUsize::new(0));
        for n in 0..10_000 {
            let sum = Arc::clone(&sum);
            group.execute(move || {
                // No exchange: two at a time would lose a step.
                let before = sum.load(Ordering::Relaxed);
                assert_eq!(before, n);
                sum.store(before + 1, Ordering::Relaxed);
            });
        }
        group.wait_idle().unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 10_000);
    });
}

#[test]
fn a_task_of_a_group_within_needs_a_permit_of_each() {
    limited(|| {
        let (pool, all, some) = (pool(4), Meter::default(), Meter::default());
        let outer = pool.limited(2);
        let inner = [outer.limited(1), outer.priority(Priority::High).limited(3)];
        for n in 0..600 {
            let (all, some) = (all.clone(), some.clone());
            let task = move || {
                let _running = all.begin();
                let _first = (n % 3 == 0).then(|| some.begin());
                thread::yield_now();
            };
            match n % 3 {
                0 => inner[0].execute(task),
                1 => inner[1].execute(task),
                _ => outer.execute(task),
            }
        }
        outer.wait_idle().unwrap();
        assert!(all.most() <= 2 && some.most() == 1, "{}", all.most());
        // All are counted in the group around.
        inner[0].wait_idle().unwrap();
    });
}

#[test]
fn a_task_that_joins_another_of_its_group_lends_it_its_permit() {
    fn descend(group: &Group, meter: &Meter, depth: usize) -> usize {
        let (below, meter) = (group.clone(), meter.clone());
        let child = group.submit(move || {
            let running = meter.begin();
            drop(running);
            match depth {
                0 => 0,
                depth => descend(&below, &meter, depth - 1) + 1,
            }
        });
        child.join().unwrap()
    }
    limited(|| {
        for limit in 1..=2 {
            let (pool, meter) = (pool(2), Meter::default());
            let group = pool.limited(limit);
            let (top, counts) = (group.clone(), meter.clone());
            let depth = group.submit(move || descend(&top, &counts, 3000));
            assert_eq!(depth.join().unwrap(), 3000);
            assert!(meter.most() <= limit);
        }
    });
}

#[test]
fn a_borrower_runs_on_the_thread_of_the_join_and_before_those_that_wait() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let (inside, order) = (group.clone(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&order);
        let parent = group.submit(move || {
            let note = |n: u32| {
                let seen = Arc::clone(&seen);
                move || {
                    seen.lock().unwrap().push(n);
                    thread::current().id()
                }
            };
            let first = inside.submit(note(1));
            let second = inside.submit(note(2));
            assert_eq!(second.join().unwrap(), thread::current().id());
            first
        });
        parent.join().unwrap().join().unwrap();
        assert_eq!(*order.lock().unwrap(), [2, 1]);
    });
}

#[test]
fn a_task_that_joins_one_of_a_group_within_lends_it_what_it_has() {
    limited(|| {
        let pool = pool(2);
        let outer = pool.limited(1);
        let inner = outer.limited(1);
        let below = inner.clone();
        let parent = outer.submit(move || below.submit(|| below_is(41)).join().unwrap() + 1);
        assert_eq!(parent.join().unwrap(), 42);
        // The permit of the group within is taken, by a task that waits for something else.
        let go = Arc::new(Event::new());
        let (waits, sets) = (Arc::clone(&go), Arc::clone(&go));
        let outer2 = pool.limited(2);
        let inner2 = outer2.limited(1);
        let holder = inner2.submit(move || waits.wait());
        let joins = outer2.submit(move || inner2.submit(|| 7).join().unwrap());
        assert_eq!(inner.submit(|| 1).join().unwrap(), 1);
        sets.set();
        holder.join().unwrap();
        assert_eq!(joins.join().unwrap(), 7);
    });
}

fn below_is(n: u32) -> u32 {
    n
}

#[test]
fn a_future_that_awaits_others_of_its_group_lends_them_its_permit() {
    limited(|| {
        for limit in 1..=3 {
            let (pool, meter) = (pool(2), Meter::default());
            let group = pool.limited(limit);
            let (inside, counts) = (group.clone(), meter.clone());
            let sum = group.spawn(async move {
                let mut handles: Vec<JoinHandle<usize>> = (0..100)
                    .map(|n| {
                        let counts = counts.clone();
                        match n % 2 {
                            0 => inside.submit(move || {
                                let _running = counts.begin();
                                n
                            }),
                            _ => inside.spawn(async move {
                                let _running = counts.begin();
                                yield_now().await;
                                n
                            }),
                        }
                    })
                    .collect();
                let mut sum = 0;
                // All at once, the last first.
                poll_fn(|cx| {
                    for index in (0..handles.len()).rev() {
                        let handle = std::pin::Pin::new(&mut handles[index]);
                        if let Poll::Ready(n) = Future::poll(handle, cx) {
                            sum += n.unwrap();
                            drop(handles.remove(index));
                        }
                    }
                    match handles.is_empty() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
                .await;
                sum
            });
            assert_eq!(sum.join().unwrap(), 4950);
            assert!(meter.most() <= limit, "{} of {limit}", meter.most());
        }
    });
}

#[test]
fn a_future_is_not_polled_while_its_permit_is_lent() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let (inside, go) = (group.clone(), Arc::new(Event::new()));
        let (waits, polls) = (Arc::clone(&go), Arc::new(AtomicUsize::new(0)));
        let (begun, counted) = (Arc::new(Event::new()), Arc::clone(&polls));
        let (begins, waker) = (Arc::clone(&begun), Arc::new(Mutex::new(None)));
        let keeps = Arc::clone(&waker);
        let lender = group.spawn(async move {
            let mut child = inside.submit(move || {
                begins.set();
                waits.wait();
            });
            poll_fn(|cx| {
                counted.fetch_add(1, Ordering::SeqCst);
                *keeps.lock().unwrap() = Some(cx.waker().clone());
                Future::poll(std::pin::Pin::new(&mut child), cx)
            })
            .await
        });
        begun.wait();
        let wakes = waker.lock().unwrap().take().unwrap();
        wakes.wake();
        // A worker takes the future up, and puts it aside.
        for _ in 0..10 {
            pool.submit(|| ()).join().unwrap();
        }
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        go.set();
        lender.join().unwrap().unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_task_lends_its_permit_through_a_mapped_handle_and_one_with_callbacks() {
    type Wait = fn(&Group) -> u32;
    let waits: [Wait; 7] = [
        |group| group.submit(|| 1).map(|n| n + 1).join().unwrap(),
        |group| group.submit(|| 2).inspect(|_| ()).join().unwrap(),
        |group| {
            let handle = group.submit(|| 2).inspect(|_| ());
            handle.shared().join().unwrap()
        },
        |group| {
            let handle = group.spawn(async { 1 }).inspect(|_| ());
            handle.map(|n| n + 1).join().unwrap()
        },
        |group| {
            let handles = [group.submit(|| 2).inspect(|_| ())];
            workmill::join_all(handles).remove(0).unwrap()
        },
        |group| block_on(group.submit(|| 1).map(|n| n + 1)).unwrap(),
        |group| block_on(group.spawn(async { 2 }).inspect(|_| ()).shared()).unwrap(),
    ];
    limited(move || {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let group = pool.limited(1);
        for wait in waits {
            let inside = group.clone();
            assert_eq!(group.submit(move || wait(&inside)).join().unwrap(), 2);
        }
        let inside = group.clone();
        let awaits = group.spawn(async move { inside.submit(|| 1).map(|n| n + 1).await.unwrap() });
        assert_eq!(awaits.join().unwrap(), 2);
        group.wait_idle().unwrap();
        // The permit is back.
        assert_eq!(group.submit(|| 2).join().unwrap(), 2);
    });
}

#[test]
fn a_callback_that_installs_a_closure_in_the_group_of_its_task_needs_a_permit() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (group, meter) = (pool.limited(1), Meter::default());
        let release = occupy(&group);
        let (begun, go) = (Flag::default(), Flag::default());
        let ran = Arc::new(AtomicBool::new(false));
        let (next_begun, runs, inside) = (begun.clone(), Arc::clone(&ran), group.clone());
        let installs = meter.clone();
        group.submit(|| ()).on_done(move |_| {
            next_begun.wait();
            inside
                .install(|| {
                    let _running = installs.begin();
                    runs.store(true, Ordering::SeqCst);
                })
                .unwrap();
        });
        let (begins, goes, runs) = (begun, go.clone(), meter.clone());
        let next = group.submit(move || {
            let _running = runs.begin();
            begins.set();
            goes.wait();
        });
        release.set();
        let has_run = || ran.load(Ordering::SeqCst);
        until(|| has_run() || next.is_running() && group.metrics().queued == 1);
        go.set();
        group.wait_idle().unwrap();
        assert!(has_run());
        assert_eq!(meter.most(), 1);
    });
}

#[test]
fn a_lender_that_is_cancelled_leaves_its_permit_to_the_borrower() {
    limited(|| {
        let (pool, meter) = (pool(4), Meter::default());
        let group = pool.limited(1);
        let (inside, go, begun) = (
            group.clone(),
            Arc::new(Event::new()),
            Arc::new(Event::new()),
        );
        let (waits, begins, counts) = (Arc::clone(&go), Arc::clone(&begun), meter.clone());
        let lender = group.spawn(async move {
            let child = inside.submit(move || {
                let _running = counts.begin();
                begins.set();
                waits.wait();
            });
            child.await
        });
        begun.wait();
        assert!(lender.cancel());
        assert!(lender.join().unwrap_err().is_cancelled());
        let counts = meter.clone();
        let next = group.submit(move || drop(counts.begin()));
        pool.submit(|| ()).join().unwrap();
        assert!(!next.is_finished());
        go.set();
        next.join().unwrap();
        assert_eq!(meter.most(), 1);
        group.wait_idle().unwrap();
    });
}

#[test]
fn a_lender_goes_on_when_its_permit_is_back_though_the_borrower_that_lent_it_on_is_cancelled() {
    limited(|| {
        let (pool, meter) = (pool(2), Meter::default());
        let group = pool.limited(1);
        let (go, begun) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let (waits, begins) = (Arc::clone(&go), Arc::clone(&begun));
        let (cancels, cancel) = mpsc::channel();
        let (inside, counts) = (group.clone(), meter.clone());
        let lender = group.submit(move || {
            let (deeper, deep) = (inside.clone(), counts.clone());
            let child = inside.spawn(async move {
                let grandchild = deeper.submit(move || {
                    let _running = deep.begin();
                    begins.set();
                    waits.wait();
                });
                grandchild.await
            });
            cancels.send(child.cancel_handle()).unwrap();
            assert!(child.join().unwrap_err().is_cancelled());
            let _running = counts.begin();
            inside.submit(|| 42).join().unwrap()
        });
        begun.wait();
        assert!(cancel.recv().unwrap().cancel());
        for _ in 0..10 {
            pool.submit(|| ()).join().unwrap();
        }
        assert!(!lender.is_finished());
        go.set();
        assert_eq!(lender.join().unwrap(), 42);
        assert_eq!(meter.most(), 1);
    });
}

#[test]
fn a_closure_that_blocks_on_a_handle_lends_its_permit() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let inside = group.clone();
        let outcome = group.submit(move || {
            let handles: Vec<_> = (0..10).map(|n| inside.submit(move || n)).collect();
            block_on(async move {
                let mut sum = 0;
                for handle in handles.into_iter().rev() {
                    sum += handle.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(outcome.join().unwrap(), 45);
    });
}

#[test]
fn a_joiner_without_a_permit_waits() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let release = occupy(&group);
        let behind = group.submit(|| thread::current().id());
        let (joining, joins) = mpsc::channel();
        let joiner = pool.submit(move || {
            joining.send(()).unwrap();
            (behind.join().unwrap(), thread::current().id())
        });
        joins.recv().unwrap();
        for _ in 0..10 {
            pool.submit(|| ()).join().unwrap();
        }
        assert!(!joiner.is_finished());
        release.set();
        let (ran, joined) = joiner.join().unwrap();
        let _ = (ran, joined);
    });
}

#[test]
fn cancelling_what_waits_drops_it_and_leaves_nothing() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let release = occupy(&group);
        let drops = Arc::new(());
        for _ in 0..5000 {
            let captured = Arc::clone(&drops);
            let handle = group.submit(move || drop(captured));
            assert!(handle.cancel());
            assert_eq!(Arc::strong_count(&drops), 1);
        }
        let captured = Arc::clone(&drops);
        let future = group.spawn(async move { drop(captured) });
        assert!(future.cancel());
        let error = future.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
        assert_eq!(Arc::strong_count(&drops), 1);
        release.set();
        group.wait_idle().unwrap();
        pool.wait_idle().unwrap();
        assert_eq!(group.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn a_panic_gives_the_permit_back() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        for _ in 0..10 {
            assert!(
                group
                    .submit(|| panic!("on purpose"))
                    .join()
                    .unwrap_err()
                    .is_panic()
            );
            let future = group.spawn(async { panic!("on purpose") });
            assert!(future.join().unwrap_err().is_panic());
        }
        assert_eq!(group.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn the_end_of_the_pool_runs_what_waits_or_cancels_it() {
    limited(|| {
        for stops in [false, true] {
            let pool = pool(2);
            let group = pool.limited(1);
            let inner = group.limited(1);
            let release = occupy(&group);
            let closures: Vec<_> = (0..100).map(|n| group.submit(move || n)).collect();
            let futures: Vec<_> = (0..100).map(|n| inner.spawn(async move { n })).collect();
            drop((group, inner));
            if stops {
                assert_eq!(pool.shutdown_now(), 200);
            }
            release.set();
            pool.shutdown();
            for (n, handle) in closures.into_iter().enumerate() {
                let outcome = handle.join();
                assert_eq!(outcome.is_err(), stops);
                assert!(outcome.is_ok_and(|value| value == n) || stops);
            }
            for handle in futures {
                let reason = handle.join().err().map(|it| it.cancel_reason());
                assert_eq!(reason, stops.then_some(Some(CancelReason::Shutdown)));
            }
        }
    });
}

#[test]
fn a_group_that_is_shut_down_refuses_and_the_pool_goes_on() {
    limited(|| {
        let pool = pool(2);
        let (group, other) = (pool.limited(1), pool.limited(1));
        let inner = group.limited(1);
        let handles: Vec<_> = (0..100).map(|n| group.submit(move || n)).collect();
        group.shutdown();
        assert!(handles.iter().all(JoinHandle::is_finished));
        assert!(group.is_shutdown() && inner.is_shutdown() && !pool.is_shutdown());
        for refuses in [&group, &inner] {
            let error = refuses.submit(|| ()).join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
            assert!(refuses.try_submit(|| ()).unwrap_err().is_shutdown());
        }
        group.wait_idle().unwrap();
        assert_eq!(other.submit(|| 42).join().unwrap(), 42);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        // Its own tasks may submit until they have ended.
        let inside = other.clone();
        let (closing, closed) = (Flag::default(), Flag::default());
        let (closes, waits) = (closing.clone(), closed.clone());
        let parent = other.submit(move || {
            closes.set();
            waits.wait();
            inside.submit(|| 7).join().unwrap()
        });
        closing.wait();
        assert!(!other.shutdown_timeout(Duration::ZERO));
        closed.set();
        assert_eq!(parent.join().unwrap(), 7);
        assert!(other.shutdown_timeout(Duration::MAX));
    });
}

#[test]
fn a_group_that_is_stopped_cancels_what_has_not_begun_and_its_futures() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(2);
        let release = occupy(&group);
        let (begun, begins) = mpsc::channel();
        let pending = group.spawn(async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        begins.recv().unwrap();
        let waiting: Vec<_> = (0..10).map(|_| group.submit(|| ())).collect();
        assert_eq!(group.shutdown_now(), 11);
        for handle in waiting {
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        }
        assert!(pending.join().unwrap_err().is_cancelled());
        release.set();
        group.wait_idle().unwrap();
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn a_task_cannot_wait_for_its_own_group() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(2);
        let (inside, inner) = (group.clone(), group.limited(1));
        let waits =
            inner.submit(move || (inside.wait_idle(), inside.shutdown_timeout(Duration::MAX)));
        assert_eq!(waits.join().unwrap(), (Err(WouldDeadlock), false));
        let (group, other) = (pool.limited(1), pool.limited(1));
        let handle = other.submit(|| ());
        assert_eq!(
            group.submit(move || other.wait_idle()).join().unwrap(),
            Ok(())
        );
        handle.join().unwrap();
        block_on(group.wait_idle_async()).unwrap();
        let inside = group.clone();
        let waits = group.spawn(async move { inside.wait_idle_async().await });
        assert_eq!(waits.join().unwrap(), Err(WouldDeadlock));
    });
}

/// A callback of a group's task runs before the task has ended for the group.
#[test]
fn a_callback_cannot_wait_for_the_group_of_its_task() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let answers = mpsc::channel();
        let waits = |asked: &'static str| {
            let (group, sender) = (group.clone(), answers.0.clone());
            move || sender.send((asked, group.wait_idle())).unwrap()
        };
        let release = occupy(&group);
        let on_done = waits("on_done");
        group.submit(|| ()).on_done(move |_| on_done());
        let mapped = waits("mapped");
        let handle = group.spawn(async { 1 }).map(|n| n + 1);
        handle.on_done(move |_| mapped());
        let (shared, inspected) = (waits("shared"), waits("inspected"));
        group.submit(|| ()).shared().on_done(move |_| shared());
        let handle = group.submit(|| ()).inspect(move |_| inspected());
        let cancelled = waits("cancelled");
        let doomed = group.submit(|| ());
        let cancels = doomed.cancel_handle();
        doomed.on_done(move |_| cancelled());
        assert!(cancels.cancel());
        release.set();
        handle.join().unwrap();
        group.wait_idle().unwrap();
        let answers: Vec<_> = answers.1.try_iter().collect();
        assert_eq!(answers.len(), 5, "{answers:?}");
        assert!(
            answers.iter().all(|(_, it)| *it == Err(WouldDeadlock)),
            "{answers:?}"
        );

        // The task has ended for the group, or ends on another thread.
        let handle = group.submit(|| ());
        group.wait_idle().unwrap();
        let (idle, sender) = (group.clone(), mpsc::channel());
        let tells = sender.0.clone();
        handle.on_done(move |_| tells.send(idle.wait_idle()).unwrap());
        assert_eq!(sender.1.recv().unwrap(), Ok(()));
    });
}

/// Waits for a group when it is dropped, and tells what that has answered.
struct WaitsOnDrop(Group, mpsc::Sender<Result<(), WouldDeadlock>>);

impl Drop for WaitsOnDrop {
    fn drop(&mut self) {
        let _ = self.1.send(self.0.wait_idle());
    }
}

#[test]
fn a_drop_of_a_task_cannot_wait_for_its_group() {
    limited(|| {
        for stops in 0..6 {
            let pool = pool(1);
            let group = pool
                .limited(1)
                .queue_capacity(2)
                .overflow(Overflow::DropOldest);
            let token = CancelToken::new();
            let view = group.cancel_with(&token);
            let release = occupy(&group);
            let (sender, answers) = mpsc::channel();
            let waits = || WaitsOnDrop(group.clone(), sender.clone());
            let (first, second) = (waits(), waits());
            let closure = view.submit(move || drop(first));
            let future = view.spawn(async move { drop(second) });
            match stops {
                0 => assert!(pool.shutdown_now() > 0),
                1 => assert_eq!(group.shutdown_now(), 2),
                2 => assert!(closure.cancel() && future.cancel()),
                3 => token.cancel(),
                // Each takes the place of one.
                4 => (0..2).for_each(|_| group.execute(|| ())),
                _ => {
                    let cancels = [closure.cancel_handle(), future.cancel_handle()];
                    let inside = ThreadPoolExecutor::new(1).unwrap();
                    let cancel = move || assert!(cancels.iter().all(|it| it.cancel()));
                    inside.submit(cancel).join().unwrap();
                }
            }
            release.set();
            for _ in 0..2 {
                let answer = answers.recv().unwrap();
                assert_eq!(answer, Err(WouldDeadlock), "{stops}");
            }
            group.shutdown();
        }
    });
}

#[test]
fn idle_means_that_every_handle_has_resolved() {
    limited(|| {
        let pool = pool(4);
        for _ in 0..200 {
            let group = pool.limited(2);
            let handles: Vec<_> = (0..20)
                .map(|n| match n % 2 {
                    0 => group.submit(|| ()),
                    _ => group.spawn(async { yield_now().await }),
                })
                .collect();
            group.wait_idle().unwrap();
            assert!(handles.iter().all(JoinHandle::is_finished));
        }
    });
}

/// Submits more than there is room for to a group that is occupied, and returns what became of the
/// tasks, and of one that was submitted after room had come.
fn overflowing(overflow: Overflow) -> Vec<Option<CancelReason>> {
    let pool = pool(2);
    let group = pool.limited(1).queue_capacity(2).overflow(overflow);
    let release = occupy(&group);
    let handles: Vec<_> = (0..4).map(|_| group.submit(|| ())).collect();
    release.set();
    let outcomes = handles.into_iter().map(JoinHandle::join);
    outcomes
        .map(|it| it.err().and_then(|it| it.cancel_reason()))
        .collect()
}

#[test]
fn a_full_group_does_as_its_policy_says() {
    limited(|| {
        let rejected = Some(CancelReason::Rejected);
        let reject = overflowing(Overflow::Reject);
        assert_eq!(reject, [None, None, rejected, rejected]);
        assert_eq!(overflowing(Overflow::DropNewest), reject);
        assert_eq!(
            overflowing(Overflow::DropOldest),
            [rejected, rejected, None, None]
        );
    });
}

#[test]
fn a_task_that_waits_in_a_group_makes_room_in_a_pool_that_is_full_of_such() {
    limited(|| {
        let builder = Builder::new().threads(2).queue_capacity(2);
        let pool = builder.overflow(Overflow::DropOldest).build().unwrap();
        let (outer, other) = (pool.limited(1), pool.limited(1));
        let inner = outer.limited(1);
        let release = [occupy(&outer), occupy(&other)];
        let waits = [inner.submit(|| ()), other.submit(|| ())];
        let newest = pool.submit(|| 42);
        let [of_inner, of_other] = waits;
        let error = of_inner.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Rejected));
        release.iter().for_each(Flag::set);
        assert!(of_other.join().is_ok() && newest.join().is_ok());
        assert_eq!(pool.metrics().rejected, 1);
    });
}

#[test]
fn a_submitter_runs_its_task_when_the_group_has_a_permit() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1).queue_capacity(1);
        let group = group.overflow(Overflow::CallerRuns);
        let release = occupy(&group);
        let first = group.submit(|| ());
        let (inside, began) = (group.clone(), Arc::new(AtomicBool::new(false)));
        let begins = Arc::clone(&began);
        let caller = thread::spawn(move || {
            begins.store(true, Ordering::SeqCst);
            let ran = inside.submit(|| (thread::current().id(), current().is_some()));
            ran.join().unwrap() == (thread::current().id(), true)
        });
        while !began.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert!(!first.is_finished());
        release.set();
        caller.join().unwrap();
        group.wait_idle().unwrap();
    });
}

#[test]
fn outsiders_wait_for_room_and_tasks_of_the_group_do_not() {
    limited(|| {
        let pool = Builder::new()
            .threads(2)
            .queue_capacity(1000)
            .build()
            .unwrap();
        let group = pool.limited(1).queue_capacity(2);
        let inside = group.clone();
        let parent = group.submit(move || {
            let many: Vec<_> = (0..50).map(|n| inside.submit(move || n)).collect();
            assert!(inside.try_submit(|| ()).unwrap_err().is_full());
            many
        });
        let many = parent.join().unwrap();
        // From here the room has to come first.
        let late = group.submit_timeout(|| 7, Duration::MAX).unwrap();
        assert_eq!(late.join().unwrap(), 7);
        for (n, handle) in many.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        let release = occupy(&group);
        let room: Vec<_> = (0..2).map(|n| group.submit(move || n)).collect();
        let timeout = Duration::from_millis(1);
        assert!(group.submit_timeout(|| 0, timeout).unwrap_err().is_full());
        release.set();
        let waits = block_on(group.submit_async(|| 8)).unwrap();
        assert_eq!(waits.join().unwrap(), 8);
        drop(room);
    });
}

#[test]
fn closures_that_come_due_later_wait_for_a_permit_too() {
    limited(|| {
        let (pool, meter) = (pool(4), Meter::default());
        let group = pool.limited(1);
        let after: Vec<_> = (0..50)
            .map(|n| {
                let meter = meter.clone();
                group.submit_after(Duration::from_millis(1), move || {
                    let _running = meter.begin();
                    thread::yield_now();
                    n
                })
            })
            .collect();
        let (counts, (ran, runs)) = (meter.clone(), mpsc::channel());
        let series = group.submit_every(Every::rate(Duration::from_millis(1)), move || {
            let _running = counts.begin();
            let _ = ran.send(());
        });
        for (n, handle) in after.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        runs.iter().take(3).for_each(drop);
        assert!(series.cancel());
        assert!(series.join().unwrap_err().is_cancelled());
        assert_eq!(meter.most(), 1);
        let later = group.submit_after(Duration::from_millis(1), || ());
        group.shutdown();
        let error = later.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
    });
}

#[test]
fn a_series_ends_after_its_group() {
    limited(|| {
        for (capacity, now) in [(None, false), (Some(1), false), (None, true)] {
            let (pool, runs) = (pool(1), Arc::new(AtomicUsize::new(0)));
            let group = pool.limited(1);
            let group = match capacity {
                None => group,
                Some(tasks) => group.queue_capacity(tasks),
            };
            let counts = Arc::clone(&runs);
            let series = group.submit_every(Every::rate(Duration::from_millis(1)), move || {
                counts.fetch_add(1, Ordering::SeqCst);
            });
            while runs.load(Ordering::SeqCst) < 3 {
                thread::yield_now();
            }
            match now {
                true => drop(group.shutdown_now()),
                false => group.shutdown(),
            }
            let error = series.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        }
    });
}

#[test]
fn a_closure_that_is_cancelled_as_it_comes_due_leaves_nothing_in_its_group() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1).queue_capacity(2);
        for n in 0..300 {
            let moment = Duration::from_micros(1000);
            let handles: Vec<_> = (0..8).map(|_| group.submit_after(moment, || ())).collect();
            // About when they come due.
            thread::sleep(Duration::from_micros(900 + n));
            for handle in handles {
                handle.cancel();
            }
            group.wait_idle().unwrap();
        }
        assert_eq!(group.submit(|| 42).join().unwrap(), 42);
        assert!(group.shutdown_timeout(Duration::MAX));
    });
}

#[test]
fn a_flooded_group_delays_another_by_few_tasks() {
    limited(|| {
        let pool = pool(1);
        let outer = pool.limited(1);
        let (flooded, other) = (outer.limited(1), outer.limited(1));
        let release = occupy(&outer);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let ran = Arc::clone(&ran);
            flooded.execute(move || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        let seen = Arc::clone(&ran);
        let late = other.submit(move || seen.load(Ordering::SeqCst));
        // And one that shares nothing with them.
        let seen = Arc::clone(&ran);
        let apart = pool.limited(1).submit(move || seen.load(Ordering::SeqCst));
        release.set();
        let (late, apart) = (late.join().unwrap(), apart.join().unwrap());
        // The turn of what came from outside is that far away.
        assert!(late <= 2 && apart <= 64, "{late} {apart}");
        outer.wait_idle().unwrap();
    });
}

#[test]
fn a_group_survives_its_last_owner_and_its_tasks_the_views() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let view: PoolRef = group.named("grind");
        let release = occupy(&view);
        let handle = view.submit(|| 42);
        drop((group, view));
        release.set();
        assert_eq!(handle.join().unwrap(), 42);
    });
}

#[test]
fn a_borrowing_closure_runs_under_the_permit() {
    limited(|| {
        let pool = pool(2);
        let group = pool.limited(1);
        let grains = [1, 2, 3];
        let sum: i32 = group.install(|| grains.iter().sum()).unwrap();
        assert_eq!(sum, 6);
        // A task of the pool that is not of the group needs a permit, and one of the group around
        // lends its own.
        let (release, inside) = (occupy(&group), group.clone());
        let installs = pool.submit(move || inside.install(|| 7).unwrap());
        pool.submit(|| ()).join().unwrap();
        assert!(!installs.is_finished());
        release.set();
        assert_eq!(installs.join().unwrap(), 7);
        let inner = group.limited(1);
        let installs = group.submit(move || inner.install(|| 8).unwrap());
        assert_eq!(installs.join().unwrap(), 8);
    });
}

#[test]
fn the_user_is_warned_of_a_group_whose_running_tasks_have_all_waited_for_long() {
    limited(|| {
        let (hear, told) = mpsc::channel();
        let tell = move |warning: Warning| match warning {
            Warning::GroupStands(limit) => hear.send(limit).unwrap(),
            other => panic!("{other}"),
        };
        let pool = Builder::new().threads(2).on_warning(tell).build().unwrap();
        let event = Arc::new(Event::new());
        let outer = pool.limited(2);
        let mut tasks = Vec::new();
        for (group, waiters) in [(pool.limited(1), 1), (outer.limited(5), 2)] {
            for _ in 0..waiters {
                let event = Arc::clone(&event);
                tasks.push(group.submit(move || event.wait()));
            }
            // It would wake them.
            tasks.push(group.submit(|| ()));
        }
        let mut limits = [told.recv().unwrap(), told.recv().unwrap()];
        limits.sort_unstable();
        assert_eq!(limits, [1, 2]);
        event.set();
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert!(told.try_recv().is_err());
    });
}
