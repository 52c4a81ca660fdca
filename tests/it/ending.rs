//! A pool ends in order: accepted tasks resolve, and all threads that wait for the end return.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake};
use std::thread;
use std::time::Duration;

use futures_lite::future::{self, block_on};
use workmill::{
    Builder, CancelReason, DropBehavior, Every, JoinError, JoinHandle, PoolRef, SharedHandle,
    ThreadPoolExecutor, WouldDeadlock,
};

use crate::child::{assert_success, in_child_then};
use crate::support::{Drops, Flag, add_one, limited, occupy, until};

#[test]
fn shutdown_runs_what_was_accepted() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..10_000 {
                let ran = Arc::clone(&ran);
                pool.execute(move || add_one(&ran));
            }
            pool.shutdown();
            assert_eq!(ran.load(Ordering::Relaxed), 10_000);
            assert!(pool.is_shutdown() && pool.is_terminated());
        }
    });
}

#[test]
fn shutdown_from_many_threads_returns_everywhere_when_all_is_done() {
    limited(|| {
        for _ in 0..200 {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let release = occupy(&pool);
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..20 {
                let ran = Arc::clone(&ran);
                pool.execute(move || add_one(&ran));
            }
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        pool.shutdown();
                        assert_eq!(ran.load(Ordering::SeqCst), 20);
                        assert!(pool.is_terminated());
                    });
                }
                until(|| pool.is_shutdown());
                release.set();
            });
            pool.shutdown();
        }
    });
}

#[test]
fn shutdown_from_a_task_closes_and_returns() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let inside = pool.clone();
        let closer = pool.submit(move || {
            inside.shutdown();
            assert!(inside.is_shutdown() && !inside.is_terminated());
            // It may still submit: it is inside.
            inside.submit(|| 42)
        });
        let before = pool.submit(|| 7);
        release.set();
        assert_eq!(closer.join().unwrap().join().unwrap(), 42);
        assert_eq!(before.join().unwrap(), 7);
        assert!(pool.submit(|| 8).join().unwrap_err().is_cancelled());
        // No thread waits for the end, and it comes.
        until(|| pool.is_terminated());
    });
}

#[test]
fn the_last_owner_may_be_dropped_inside_a_task() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let (weak, ran) = (pool.handle(), Arc::new(AtomicUsize::new(0)));
            let (release, seen) = (Flag::default(), Arc::clone(&ran));
            let go = release.clone();
            pool.clone().execute(move || {
                go.wait();
                for _ in 0..10 {
                    let seen = Arc::clone(&seen);
                    pool.execute(move || add_one(&seen));
                }
                drop(pool);
            });
            release.set();
            until(|| weak.is_terminated());
            assert_eq!(ran.load(Ordering::SeqCst), 10);
            // A reference may still be used to wait.
            weak.wait_idle().unwrap();
        }
    });
}

#[test]
fn submission_against_shutdown_loses_nothing() {
    limited(|| {
        for round in 0..500_u32 {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let ran = Arc::new(AtomicUsize::new(0));
            let (accepted, given_back) = thread::scope(|scope| {
                let submitter = scope.spawn(|| {
                    let (mut accepted, mut given_back) = (Vec::new(), 0);
                    loop {
                        let ran = Arc::clone(&ran);
                        match pool.try_submit(move || ran.fetch_add(1, Ordering::SeqCst)) {
                            Ok(handle) => accepted.push(handle),
                            Err(refused) if refused.is_shutdown() => {
                                given_back += 1;
                                drop(refused.into_inner());
                                break (accepted, given_back);
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
                (0..round * 20).for_each(|_| std::hint::spin_loop());
                pool.shutdown();
                submitter.join().unwrap()
            });
            assert_eq!(given_back, 1);
            assert_eq!(ran.load(Ordering::SeqCst), accepted.len());
            for handle in accepted {
                assert!(handle.is_finished());
                handle.join().unwrap();
            }
        }
    });
}

#[test]
fn a_submission_after_the_end_is_refused_and_dropped() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let reference = pool.handle();
        drop(pool);
        assert!(reference.is_terminated());
        let drops = Drops::default();
        let (first, second, third) = (drops.value(), drops.value(), drops.value());
        let error = reference.submit(move || drop(first)).join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        let text = error.to_string();
        assert!(
            text.contains(" was cancelled because the pool was shut down; "),
            "{text}"
        );
        reference.execute(move || drop(second));
        assert_eq!(drops.count(), 2);
        let refused = reference.try_execute(move || drop(third)).unwrap_err();
        assert!(refused.is_shutdown() && !refused.is_full());
        assert_eq!(drops.count(), 2, "given back, not dropped");
        refused.into_inner()();
        assert_eq!(drops.count(), 3);
        reference.wait_idle().unwrap();
    });
}

#[test]
fn shutdown_now_cancels_what_has_not_begun_and_leaves_running_tasks_alone() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let releases = [occupy(&pool), occupy(&pool)];
        let drops = Drops::default();
        let queued: Vec<_> = (0..50)
            .map(|_| {
                let capture = drops.value();
                pool.submit(move || drop(capture))
            })
            .collect();
        assert_eq!(pool.shutdown_now(), 50);
        assert_eq!(drops.count(), 50);
        for handle in queued {
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        }
        assert!(pool.is_shutdown() && !pool.is_terminated());
        assert_eq!(pool.shutdown_now(), 0);
        releases.iter().for_each(Flag::set);
        pool.shutdown();
        assert!(pool.is_terminated());
    });
}

#[test]
fn shutdown_now_refuses_children() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (arrived, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (arrived.clone(), release.clone());
        let parent = pool.submit(move || {
            arrives.set();
            go.wait();
            workmill::current().unwrap().submit(|| 42).join()
        });
        arrived.wait();
        assert_eq!(pool.shutdown_now(), 0);
        release.set();
        let error = parent.join().unwrap().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        pool.shutdown();
    });
}

#[test]
fn dropping_the_last_owner_waits_for_everything() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let other = pool.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let ran = Arc::clone(&ran);
            pool.execute(move || add_one(&ran));
        }
        drop(pool);
        assert!(!other.is_shutdown());
        drop(other);
        assert_eq!(ran.load(Ordering::Relaxed), 1000);
    });
}

#[test]
fn dropping_while_unwinding_cancels_what_has_not_begun() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, ran) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let handles: Vec<_> = (0..10)
            .map(|_| {
                let ran = Arc::clone(&ran);
                pool.submit(move || ran.fetch_add(1, Ordering::SeqCst))
            })
            .collect();
        let reference = pool.handle();
        let unwinder = thread::spawn(move || {
            let _pool = pool;
            panic!("on the way out");
        });
        until(|| handles.iter().all(|handle| handle.is_finished()));
        release.set();
        unwinder.join().unwrap_err();
        assert!(reference.is_terminated());
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn a_submitter_that_waits_for_room_is_woken_by_shutdown() {
    limited(|| {
        let pool = Builder::new().threads(1).queue_capacity(1).build().unwrap();
        let release = occupy(&pool);
        let queued = pool.submit(|| 42);
        let (waiter, late) = (pool.clone(), Drops::default());
        let capture = late.value();
        let submitter = thread::spawn(move || waiter.submit(move || drop(capture)).join());
        // Nothing shows that it waits; if the shutdown comes first, the submission is refused.
        let ender = thread::spawn(move || pool.shutdown());
        let error = submitter.join().unwrap().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        assert_eq!(late.count(), 1);
        release.set();
        ender.join().unwrap();
        assert_eq!(queued.join().unwrap(), 42);
    });
}

#[test]
fn leaving_a_process_with_tasks_running_prints_nothing() {
    let body = || {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let _releases = [occupy(&pool), occupy(&pool)];
        pool.execute(|| unreachable!());
        std::mem::forget(pool);
        std::process::exit(0);
    };
    in_child_then(&[], body, |output| {
        assert_success(&output);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    });
}

#[test]
fn returning_from_main_with_tasks_running_prints_nothing() {
    let body = || {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let _releases = [occupy(&pool), occupy(&pool)];
        std::mem::forget(pool);
    };
    in_child_then(&[], body, |output| {
        assert_success(&output);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    });
}

/// Calls a function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn shutdown_now_may_drop_an_owner_with_a_capture() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, owner) = (occupy(&pool), pool.clone());
        pool.execute(move || drop(owner));
        assert_eq!(pool.shutdown_now(), 1);
        release.set();
        pool.shutdown();
        assert!(pool.is_terminated());
    });
}

#[test]
fn captures_that_are_cancelled_may_ask_for_the_end_and_do_not_wait_for_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        for _ in 0..10_000 {
            let inside = pool.clone();
            let guard = OnDrop(move || {
                assert!(inside.wait_idle().is_err());
                assert_eq!(inside.shutdown_now(), 0);
                inside.shutdown();
            });
            pool.execute(move || drop(guard));
        }
        assert_eq!(pool.shutdown_now(), 10_000);
        release.set();
        // Once the cancelling is over, waits are real again.
        pool.shutdown();
        assert!(pool.is_terminated());
    });
}

#[test]
fn thread_locals_of_a_worker_may_call_the_pool_while_it_ends() {
    thread_local!(static LATE: std::cell::RefCell<Vec<Box<dyn std::any::Any>>> = const {
        std::cell::RefCell::new(Vec::new())
    });
    limited(|| {
        for _ in 0..50 {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let called = Arc::new(AtomicUsize::new(0));
            let (release, arrived) = (Flag::default(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..2 {
                let (inside, called) = (pool.clone(), Arc::clone(&called));
                let (go, arrived) = (release.clone(), Arc::clone(&arrived));
                pool.execute(move || {
                    let late = OnDrop(move || {
                        assert!(inside.submit(|| 42).join().unwrap_err().is_cancelled());
                        inside.shutdown();
                        add_one(&called);
                    });
                    LATE.with_borrow_mut(|values| values.push(Box::new(late)));
                    // Each of the two threads has to take one.
                    add_one(&arrived);
                    go.wait();
                });
            }
            until(|| arrived.load(Ordering::SeqCst) == 2);
            release.set();
            pool.shutdown();
            // The shutdown waited for the end of the threads, thread-locals included.
            assert_eq!(called.load(Ordering::SeqCst), 2);
        }
    });
}

#[test]
fn tasks_of_a_bounded_pool_may_ask_for_more_while_it_ends() {
    limited(|| {
        let pool = Builder::new().threads(1).queue_capacity(1).build().unwrap();
        let (arrived, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (arrived.clone(), release.clone());
        let parent = pool.submit(move || {
            arrives.set();
            go.wait();
            workmill::current().unwrap().try_submit(|| 42).unwrap()
        });
        arrived.wait();
        let reference = pool.handle();
        let ender = thread::spawn(move || pool.shutdown());
        until(|| reference.is_shutdown());
        // The capacity is closed a moment later; the point is what happens to a request while it is
        // closed.
        until(|| {
            reference
                .try_execute(|| ())
                .is_err_and(|refused| refused.is_shutdown())
        });
        release.set();
        ender.join().unwrap();
        assert_eq!(parent.join().unwrap().join().unwrap(), 42);
    });
}

#[test]
fn a_shutdown_that_takes_too_long_names_the_busy_threads_and_their_tasks() {
    limited(|| {
        let builder = Builder::new()
            .threads(3)
            .thread_name(|i| format!("mill-{i}"));
        let pool = builder.build().unwrap();
        let releases = [occupy(&pool), occupy(&pool)];
        let queued = pool.submit(|| ());
        queued.join().unwrap();
        let timed_out = || {
            let timeout = Duration::from_millis(20);
            pool.shutdown_timeout(timeout).unwrap_err()
        };
        let mut error = timed_out();
        assert!(pool.is_shutdown() && !pool.is_terminated());
        // The worker that ran the third task has told its outcome, and may not yet have counted it.
        while error.unfinished() > 2 || error.busy().len() > 2 {
            error = timed_out();
        }
        assert_eq!((error.unfinished(), error.threads()), (2, 3));
        assert_eq!(error.busy().len(), 2);
        for busy in error.busy() {
            assert!(busy.thread().starts_with("mill-"), "{error}");
            assert!(busy.task().contains("it::support::occupy"), "{error}");
        }
        let text = error.to_string();
        let start = "the pool has not ended: 2 unfinished tasks, 3 threads; mill-";
        assert!(text.starts_with(start), "{text}");
        // Nothing was cancelled; it may be waited for again.
        assert!(pool.shutdown_timeout(Duration::ZERO).is_err());
        releases.iter().for_each(Flag::set);
        pool.shutdown_timeout(Duration::MAX).unwrap();
        assert!(pool.is_terminated());
        pool.shutdown_timeout(Duration::ZERO).unwrap();
    });
}

#[test]
fn large_bounded_and_handled_tasks_are_named_by_the_users_closure() {
    limited(|| {
        fn named(pool: &ThreadPoolExecutor, start: impl FnOnce(Flag, Flag)) -> &'static str {
            let (arrived, release) = (Flag::default(), Flag::default());
            start(arrived.clone(), release.clone());
            arrived.wait();
            let error = pool.shutdown_timeout(Duration::ZERO).unwrap_err();
            release.set();
            error.busy()[0].task()
        }
        for large in [false, true] {
            for handled in [false, true] {
                let builder = Builder::new().threads(1).queue_capacity(4);
                let pool = builder.build().unwrap();
                let filling = [7_u8; 2000];
                let name = named(&pool, |arrived, release| {
                    let work = move || {
                        arrived.set();
                        release.wait();
                    };
                    let heavy = move |work: &dyn Fn()| {
                        work();
                        std::hint::black_box(&filling);
                    };
                    match (large, handled) {
                        (false, false) => pool.execute(work),
                        (false, true) => drop(pool.submit(work)),
                        (true, false) => pool.execute(move || heavy(&work)),
                        (true, true) => drop(pool.submit(move || heavy(&work))),
                    }
                });
                let user = "it::ending::large_bounded_and_handled_tasks";
                assert!(name.starts_with(user), "{name}");
            }
        }
    });
}

#[test]
fn a_timed_shutdown_from_inside_closes_and_does_not_wait() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.clone();
        let error = pool.submit(move || inside.shutdown_timeout(Duration::MAX).unwrap_err());
        let error = error.join().unwrap();
        assert_eq!((error.unfinished(), error.busy().len()), (1, 1));
        until(|| pool.is_terminated());
    });
}

#[test]
fn the_end_and_idleness_can_be_awaited() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        block_on(pool.wait_idle_async()).unwrap();
        let (release, ran) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&ran);
        pool.execute(move || add_one(&seen));
        // A wait that is given up leaves the others alone.
        let mut given_up = Box::pin(pool.wait_idle_async());
        assert!(block_on(future::poll_once(&mut given_up)).is_none());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| block_on(pool.wait_idle_async()));
            let mut ending = Box::pin(pool.shutdown_async());
            assert!(!pool.is_shutdown(), "a future does nothing unless polled");
            assert!(block_on(future::poll_once(&mut ending)).is_none());
            assert!(pool.is_shutdown());
            drop(given_up);
            release.set();
            block_on(ending);
            assert!(pool.is_terminated());
            waiter.join().unwrap().unwrap();
        });
        assert_eq!(ran.load(Ordering::SeqCst), 1);
        block_on(pool.shutdown_async());
    });
}

#[test]
fn awaiting_the_own_pool_inside_is_refused_or_does_not_wait() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.clone();
        let waits = pool.submit(move || {
            let idle = block_on(inside.wait_idle_async());
            block_on(inside.shutdown_async());
            idle
        });
        assert_eq!(waits.join().unwrap(), Err(WouldDeadlock));
        until(|| pool.is_terminated());
    });
}

#[test]
fn a_shutdown_in_the_background_runs_everything_and_waits_for_nothing() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, reference) = (occupy(&pool), pool.handle());
        let queued = pool.submit(|| 42);
        pool.shutdown_background();
        assert!(pool.submit(|| 1).join().unwrap_err().is_cancelled());
        drop(pool);
        assert!(!reference.is_terminated());
        release.set();
        assert_eq!(queued.join().unwrap(), 42);
        until(|| reference.is_terminated());
    });
}

#[test]
fn the_last_drop_does_what_it_was_told() {
    limited(|| {
        for behavior in [
            DropBehavior::Join,
            DropBehavior::Cancel,
            DropBehavior::Detach,
        ] {
            let builder = Builder::new().threads(1).on_drop(behavior);
            let pool = builder.build().unwrap();
            let (release, reference) = (occupy(&pool), pool.handle());
            let queued = pool.submit(|| 42);
            let other = pool.clone();
            drop(pool);
            assert!(!reference.is_shutdown(), "an owner is left");
            let dropper = thread::spawn(move || drop(other));
            until(|| reference.is_shutdown());
            match behavior {
                DropBehavior::Join => {
                    release.set();
                    dropper.join().unwrap();
                    assert!(reference.is_terminated());
                    assert_eq!(queued.join().unwrap(), 42);
                }
                DropBehavior::Cancel => {
                    until(|| queued.is_finished());
                    let error = queued.join().unwrap_err();
                    assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
                    assert!(!reference.is_terminated());
                    release.set();
                    dropper.join().unwrap();
                    assert!(reference.is_terminated());
                }
                _ => {
                    dropper.join().unwrap();
                    assert!(!reference.is_terminated() && !queued.is_finished());
                    release.set();
                    assert_eq!(queued.join().unwrap(), 42);
                    until(|| reference.is_terminated());
                }
            }
        }
    });
}

#[test]
fn unwinding_through_a_detached_pool_cancels_and_does_not_wait() {
    limited(|| {
        let builder = Builder::new().threads(1).on_drop(DropBehavior::Detach);
        let pool = builder.build().unwrap();
        let (release, reference) = (occupy(&pool), pool.handle());
        let queued = pool.submit(|| 42);
        let unwinder = thread::spawn(move || {
            let _pool = pool;
            panic!("on the way out");
        });
        unwinder.join().unwrap_err();
        assert!(queued.join().unwrap_err().is_cancelled());
        assert!(!reference.is_terminated());
        release.set();
        until(|| reference.is_terminated());
    });
}

#[test]
fn clones_in_queued_tasks_keep_the_pool_until_they_have_run() {
    limited(|| {
        for stopped in [false, true] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let (releases, reference) = ([occupy(&pool), occupy(&pool)], pool.handle());
            let ran = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    let (owner, ran) = (pool.clone(), Arc::clone(&ran));
                    pool.submit(move || {
                        add_one(&ran);
                        drop(owner);
                    })
                })
                .collect();
            let stopper = stopped.then(|| pool.clone());
            drop(pool);
            assert!(!reference.is_shutdown());
            if let Some(owner) = &stopper {
                // Drops all the other owners here, with the captures.
                assert_eq!(owner.shutdown_now(), 100);
            }
            releases.iter().for_each(Flag::set);
            until(|| reference.is_terminated());
            let run = if stopped { 0 } else { 100 };
            assert_eq!(ran.load(Ordering::SeqCst), run);
            assert!(tasks.iter().all(|task| task.is_finished()));
            stopper.iter().for_each(|owner| owner.shutdown());
        }
    });
}

#[test]
fn what_shutdown_now_cancels_shows_everywhere_at_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let called = Arc::new(AtomicUsize::new(0));
        let count = |reason| {
            let called = Arc::clone(&called);
            move |outcome: Result<i32, JoinError>| {
                assert_eq!(outcome.unwrap_err().cancel_reason(), Some(reason));
                add_one(&called);
            }
        };
        for n in 0..50 {
            pool.submit(move || n)
                .on_done(count(CancelReason::Shutdown));
        }
        let shared = pool.submit(|| 1).shared();
        let (plain, mut timed) = (pool.submit(|| 2), pool.submit(|| 3));
        let stop = pool.submit(|| 4).cancel_handle();
        thread::scope(|scope| {
            let joiner = scope.spawn(|| shared.join().unwrap_err().cancel_reason());
            let awaiter = scope.spawn(|| block_on(plain).unwrap_err().cancel_reason());
            assert_eq!(pool.shutdown_now(), 54);
            // While a worker is still busy: the canceller wakes the threads that wait.
            assert_eq!(called.load(Ordering::SeqCst), 50);
            assert_eq!(joiner.join().unwrap(), Some(CancelReason::Shutdown));
            assert_eq!(awaiter.join().unwrap(), Some(CancelReason::Shutdown));
            assert!(timed.join_timeout(Duration::ZERO).unwrap().is_err());
            assert!(stop.is_finished() && stop.cancel());
        });
        release.set();
        pool.shutdown();
    });
}

#[test]
fn the_last_owner_may_be_dropped_inside_a_task_however_it_is_to_end() {
    limited(|| {
        for behavior in [
            DropBehavior::Join,
            DropBehavior::Cancel,
            DropBehavior::Detach,
        ] {
            let builder = Builder::new().threads(1).on_drop(behavior);
            let pool = builder.build().unwrap();
            let (reference, release) = (pool.handle(), occupy(&pool));
            let owner = pool.clone();
            let dropper = pool.submit(move || drop(owner));
            let behind = pool.submit(|| 42);
            drop(pool);
            release.set();
            dropper.join().unwrap();
            let cancelled = behavior == DropBehavior::Cancel;
            assert_eq!(behind.join().is_err(), cancelled);
            until(|| reference.is_terminated());
        }
    });
}

#[test]
fn what_was_sent_to_the_background_survives_a_panicking_owner() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, queued) = (occupy(&pool), pool.submit(|| 42));
        let unwinder = thread::spawn(move || {
            pool.shutdown_background();
            panic!("on the way out");
        });
        unwinder.join().unwrap_err();
        release.set();
        assert_eq!(queued.join().unwrap(), 42);
    });
}

/// Calls a function when it is woken, on whichever thread that is.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Waits for the pool to become idle, with a waker that calls `on_wake`.
fn wake_when_idle(pool: &PoolRef, on_wake: impl Fn() + Send + Sync + 'static) {
    let waker = Arc::new(OnWake(on_wake)).into();
    let (release, waiting) = (occupy(pool), pool.clone());
    let mut idle = Box::pin(async move { waiting.wait_idle_async().await });
    let mut context = Context::from_waker(&waker);
    assert!(idle.as_mut().poll(&mut context).is_pending());
    release.set();
    // It stays in the queue until it is woken.
    std::mem::forget(idle);
}

#[test]
fn a_waker_that_takes_its_time_holds_up_nobody_but_its_thread() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (entered, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (entered.clone(), release.clone());
        wake_when_idle(&pool, move || {
            arrives.set();
            go.wait();
        });
        entered.wait();
        for _ in 0..100 {
            pool.submit(|| ()).join().unwrap();
        }
        let opens = pool.submit(move || release.set());
        opens.join().unwrap();
    });
}

/// The worker may be searching, or on its way to sleep, when it finds that it has to wake a waiter.
#[test]
fn a_waker_that_waits_for_a_task_waits_for_the_other_thread() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for round in 0..20_000_u32 {
            let release = Flag::default();
            let go = release.clone();
            let waker = Arc::new(OnWake(move || go.wait())).into();
            (0..round % 3).for_each(|_| pool.execute(|| ()));
            let mut idle = Box::pin(pool.wait_idle_async());
            let pending = idle
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending();
            (0..round % 50).for_each(|_| std::hint::spin_loop());
            pool.execute(move || release.set());
            if pending {
                pool.wait_idle().unwrap();
            }
        }
    });
}

#[test]
fn a_waker_is_outside_of_the_pool_that_calls_it() {
    limited(|| {
        for _ in 0..200 {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let (sender, handles) = mpsc::channel();
            let (reference, idle) = (pool.handle(), pool.clone());
            wake_when_idle(&pool, move || {
                assert!(workmill::current().is_none());
                sender.send(reference.submit(|| 42)).unwrap();
                // Polled where it is woken: the pool is idle, or goes on with the task that was
                // just submitted.
                let mut again = Box::pin(idle.wait_idle_async());
                let _ = block_on(future::poll_once(&mut again));
                // Must not wait: that would be for this very thread.
                idle.shutdown();
            });
            pool.shutdown();
            // Accepted before the end or refused after it, but not lost.
            let handle = handles.recv().unwrap();
            assert!(handle.is_finished());
            match handle.join() {
                Ok(value) => assert_eq!(value, 42),
                Err(error) => assert!(error.is_cancelled()),
            }
        }
    });
}

#[test]
fn all_threads_leave_though_somebody_waits_until_the_pool_is_idle_when_it_ends() {
    limited(|| {
        for _ in 0..3_000 {
            let pool = ThreadPoolExecutor::new(3).unwrap();
            thread::scope(|scope| {
                (0..3).for_each(|_| drop(pool.submit(|| ())));
                scope.spawn(|| pool.shutdown_now());
                pool.wait_idle().unwrap();
            });
            pool.shutdown();
        }
    });
}

/// Cancels the owner of the pool, while a task of that pool is about to join it.
fn cancel_the_owner(own: impl FnOnce(&PoolRef, ThreadPoolExecutor) -> JoinHandle<()>) {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let (release, reference) = (Flag::default(), pool.handle());
    let (give, take) = mpsc::channel::<SharedHandle<()>>();
    let go = release.clone();
    let joins = reference.submit(move || {
        go.wait();
        take.recv().unwrap().join()
    });
    let owns = own(&reference, pool).shared();
    give.send(owns.clone()).unwrap();
    assert!(owns.cancel());
    assert!(reference.is_shutdown() && !reference.is_terminated());
    release.set();
    assert!(joins.join().unwrap().unwrap_err().is_cancelled());
    until(|| reference.is_terminated());
}

#[test]
fn a_cancel_that_drops_the_last_owner_does_not_wait_for_a_task_that_joins_the_cancelled_one() {
    limited(|| {
        let hour = Duration::from_secs(3600);
        cancel_the_owner(|pool, owner| pool.submit(move || drop(owner)));
        cancel_the_owner(|pool, owner| pool.submit_after(hour, move || drop(owner)));
        cancel_the_owner(|pool, owner| {
            pool.submit_every(Every::delay(hour).first_after(hour), move || {
                let _owner = &owner;
            })
        });
    });
}

#[test]
fn a_wait_for_the_end_does_not_bring_it_about() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (reference, waits) = (pool.handle(), pool.handle());
        assert_eq!(reference.wait_terminated_timeout(Duration::ZERO), Ok(false));
        let mut future = Box::pin(reference.wait_terminated_async());
        assert!(block_on(future::poll_once(&mut future)).is_none());
        let release = occupy(&pool);
        let waiter = thread::spawn(move || waits.wait_terminated());
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42, "it is open");
        pool.shutdown_background();
        assert_eq!(reference.wait_terminated_timeout(Duration::ZERO), Ok(false));
        assert!(!waiter.is_finished());
        release.set();
        waiter.join().unwrap().unwrap();
        assert!(reference.is_terminated());
        assert_eq!(block_on(future), Ok(()));
        assert_eq!(reference.wait_terminated_timeout(Duration::MAX), Ok(true));
        assert_eq!(reference.wait_terminated(), Ok(()));
    });
}

#[test]
fn a_wait_for_the_end_is_over_when_the_thread_locals_of_the_threads_are_gone() {
    thread_local!(static LATE: std::cell::RefCell<Option<Box<dyn std::any::Any>>> = const {
        std::cell::RefCell::new(None)
    });
    limited(|| {
        for _ in 0..50 {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let (gone, reference) = (Arc::new(AtomicUsize::new(0)), pool.handle());
            let (count, inside) = (Arc::clone(&gone), pool.handle());
            pool.execute(move || {
                let late = OnDrop(move || {
                    assert!(inside.is_terminated());
                    assert_eq!(inside.wait_terminated(), Ok(()));
                    add_one(&count);
                });
                LATE.set(Some(Box::new(late)));
            });
            pool.shutdown_background();
            reference.wait_terminated().unwrap();
            assert_eq!(gone.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn a_task_does_not_wait_for_the_end_of_its_own_pool() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.submit(|| {
            let pool = workmill::current().unwrap();
            let timed = pool.wait_terminated_timeout(Duration::MAX);
            (pool.wait_terminated(), timed)
        });
        let refused = (Err(WouldDeadlock), Err(WouldDeadlock));
        assert_eq!(inside.join().unwrap(), refused);
        let reference = pool.handle();
        let polled = pool.spawn(async move { reference.wait_terminated_async().await });
        assert_eq!(polled.join().unwrap(), Err(WouldDeadlock));
    });
}
