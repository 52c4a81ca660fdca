//! Handles can do more than join: cancel from elsewhere, be shared, call back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures_lite::future::{self, block_on};
use workmill::{Builder, CancelReason, Overflow, ThreadPoolExecutor};

use crate::child::in_child;
use crate::support::{Bomb, Drops, Flag, add_one, limited, occupy};

#[test]
fn a_cancel_handle_agrees_with_what_happens() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for round in 0..10_000_u32 {
            let runs = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&runs);
            let handle = pool.submit(move || add_one(&seen));
            let (first, second) = (handle.cancel_handle(), handle.cancel_handle().clone());
            (0..round % 300).for_each(|_| std::hint::spin_loop());
            let said = first.cancel();
            assert_eq!(second.cancel(), said);
            assert_eq!(handle.join().is_err(), said);
            assert_eq!(runs.load(Ordering::SeqCst), usize::from(!said));
            assert!(first.is_finished() && !second.is_running());
            assert_eq!(first.cancel(), said, "also after the outcome was given");
        }
    });
}

#[test]
fn a_cancel_handle_may_outlive_everything_else() {
    limited(|| {
        let drops = Drops::default();
        let (capture, result) = (drops.value(), drops.value());
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let handle = pool.submit(move || {
            drop(capture);
            result
        });
        let stop = handle.cancel_handle();
        drop(handle);
        drop(pool);
        assert_eq!(drops.count(), 2);
        assert!(stop.is_finished());
        stop.cancel();
    });
}

#[test]
fn a_handle_that_cancels_on_drop_cancels_what_has_not_begun() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (release, drops) = (occupy(&pool), Drops::default());
        let capture = drops.value();
        let wanted = pool.submit(move || drop(capture)).cancel_on_drop();
        assert!(!wanted.is_finished());
        drop(wanted);
        assert_eq!(drops.count(), 1);
        let kept = pool.submit(|| 42).cancel_on_drop().detach();
        let joined = pool.submit(|| 43).cancel_on_drop();
        let awaited = pool.submit(|| 44).cancel_on_drop();
        release.set();
        assert_eq!(kept.join().unwrap(), 42);
        assert_eq!(joined.join().unwrap(), 43);
        assert_eq!(block_on(awaited).unwrap(), 44);
    });
}

#[test]
fn a_callback_is_called_once_where_the_task_ends() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, calls) = mpsc::channel();
        let tell = |name: &'static str| {
            let sender = sender.clone();
            move |outcome: Result<i32, _>| {
                let thread = thread::current().name().map(str::to_owned);
                let outcome = outcome.map_err(|error: workmill::JoinError| error.cancel_reason());
                sender.send((name, thread, outcome)).unwrap();
            }
        };
        let here = thread::current().name().map(str::to_owned);
        let there = Some("workmill-0".to_owned());
        let release = occupy(&pool);
        pool.submit(|| 1).on_done(tell("ran"));
        let cancelled = pool.submit(|| 2);
        let stop = cancelled.cancel_handle();
        cancelled.on_done(tell("cancelled"));
        assert!(stop.cancel());
        // The canceller has called it by the time it knows.
        let reason = Some(CancelReason::Cancelled);
        assert_eq!(
            calls.try_recv().unwrap(),
            ("cancelled", here.clone(), Err(reason))
        );
        release.set();
        assert_eq!(calls.recv().unwrap(), ("ran", there, Ok(1)));
        let done = pool.submit(|| 3);
        pool.wait_idle().unwrap();
        done.on_done(tell("late"));
        assert_eq!(calls.try_recv().unwrap(), ("late", here.clone(), Ok(3)));
        pool.shutdown();
        pool.submit(|| 4).on_done(tell("refused"));
        let reason = Some(CancelReason::Shutdown);
        assert_eq!(calls.try_recv().unwrap(), ("refused", here, Err(reason)));
        drop(sender);
        assert!(calls.try_recv().is_err());
    });
}

#[test]
fn callbacks_have_returned_when_the_pool_is_idle_and_the_captures_are_gone() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (drops, called) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..10_000 {
            let (capture, gone, called) = (drops.value(), drops.clone(), Arc::clone(&called));
            let alone = Arc::new(AtomicUsize::new(0));
            let mine = Arc::clone(&alone);
            let handle = pool.submit(move || {
                let _captures = (capture, mine);
            });
            handle.on_done(move |outcome| {
                outcome.unwrap();
                assert_eq!(Arc::strong_count(&alone), 1);
                assert!(gone.count() > 0);
                add_one(&called);
            });
        }
        pool.wait_idle().unwrap();
        assert_eq!(called.load(Ordering::SeqCst), 10_000);
        assert_eq!(drops.count(), 10_000);
    });
}

#[test]
fn a_callback_that_panics_is_reported_and_the_others_run() {
    limited(|| {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&reports);
        let builder = Builder::new().threads(1).panic_handler(move |payload| {
            let message = payload.downcast::<&str>().map_or_else(
                |bomb| {
                    std::mem::forget(bomb);
                    "a bomb"
                },
                |text| *text,
            );
            seen.lock().unwrap().push(message);
        });
        let pool = builder.build().unwrap();
        let release = occupy(&pool);
        let called = Arc::new(AtomicUsize::new(0));
        pool.submit(|| 1).on_done(|_| panic!("on the pool"));
        pool.submit(|| 2)
            .on_done(|_| std::panic::panic_any(Bomb { depth: 3 }));
        let cancelled = pool.submit(|| 3);
        let stop = cancelled.cancel_handle();
        cancelled.on_done(|_| panic!("on the canceller"));
        let seen = Arc::clone(&called);
        pool.submit(|| 4).on_done(move |_| add_one(&seen));
        assert!(stop.cancel());
        assert_eq!(*reports.lock().unwrap(), ["on the canceller"]);
        release.set();
        pool.wait_idle().unwrap();
        assert_eq!(
            *reports.lock().unwrap(),
            ["on the canceller", "on the pool", "a bomb"]
        );
        assert_eq!(called.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_callback_may_do_anything_that_a_task_may() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let owner = pool.clone();
        // The callback is there before the task ends, so that the worker calls it.
        let release = occupy(&pool);
        pool.submit(|| 40).on_done(move |outcome| {
            let child = owner.submit(|| 2);
            let sum = outcome.unwrap() + child.join().unwrap();
            assert!(owner.wait_idle().is_err());
            let grandchild = owner.submit(|| ());
            grandchild.on_done(move |_| sender.send(sum).unwrap());
            owner.shutdown();
            // The last owner may be dropped here.
            drop(owner);
        });
        release.set();
        drop(pool);
        assert_eq!(receiver.recv().unwrap(), 42);
    });
}

#[test]
fn a_shared_handle_gives_everyone_the_outcome_however_they_ask() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let handle = pool.submit(move || {
            add_one(&seen);
            vec![1, 2, 3]
        });
        let handle = handle.shared();
        assert!(handle.try_join().is_none() && !handle.is_finished());
        assert!(handle.join_timeout(Duration::ZERO).is_none());
        thread::scope(|scope| {
            let joiner = scope.spawn(|| handle.join().unwrap());
            let timed = scope.spawn(|| handle.join_timeout(Duration::MAX).unwrap().unwrap());
            let awaiting = handle.clone();
            let awaiter = scope.spawn(move || block_on(awaiting).unwrap());
            // A joiner that gives up leaves the others to be woken.
            assert!(handle.join_timeout(Duration::from_millis(20)).is_none());
            let mut dropped = handle.clone();
            assert!(block_on(future::poll_once(&mut dropped)).is_none());
            drop(dropped);
            release.set();
            for thread in [joiner, timed, awaiter] {
                assert_eq!(thread.join().unwrap(), [1, 2, 3]);
            }
        });
        assert_eq!(handle.try_join().unwrap().unwrap(), [1, 2, 3]);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!(block_on(handle).unwrap(), [1, 2, 3]);
    });
}

#[test]
fn a_shared_handle_is_joined_inline_inside_the_pool() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let sum = pool.submit(|| {
            let shared = workmill::current().unwrap().submit(|| 21).shared();
            shared.join().unwrap() + shared.join().unwrap()
        });
        assert_eq!(sum.join().unwrap(), 42);
    });
}

#[test]
fn a_shared_panic_is_told_to_all_and_its_payload_given_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let handle = pool.submit(|| -> i32 { panic!("out of flour") }).shared();
        let errors = [(); 3].map(|()| handle.join().unwrap_err());
        for error in &errors {
            assert!(error.is_panic());
            assert_eq!(error.panic_message(), Some("out of flour"));
        }
        let [first, second, third] = errors.map(|error| error.into_panic());
        assert_eq!(*first.downcast::<&str>().unwrap(), "out of flour");
        assert_eq!(*second.downcast::<String>().unwrap(), "out of flour");
        assert_eq!(*third.downcast::<String>().unwrap(), "out of flour");
        let release = occupy(&pool);
        let cancelled = pool.submit(|| 1).shared();
        assert!(cancelled.cancel() && cancelled.cancel_handle().cancel());
        assert!(cancelled.join().unwrap_err().is_cancelled());
        release.set();
    });
}

#[test]
fn installing_runs_there_with_what_it_borrows_and_waits_here() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (mut sum, numbers) = (0, vec![1, 2, 3]);
        let index = pool.install(|| {
            sum = numbers.iter().sum();
            // Inside it is a plain call.
            let inner = workmill::current().unwrap().install(workmill::worker_index);
            inner.unwrap()
        });
        assert_eq!((index.unwrap(), sum), (Some(0), 6));
        let error = pool.install(|| panic!("{}", numbers.len())).unwrap_err();
        assert_eq!(error.panic_message(), Some("3"));
        let inside = pool.submit(|| workmill::current().unwrap().install(|| panic!("inside")));
        assert!(inside.join().unwrap().unwrap_err().is_panic());
        pool.shutdown();
        let (drops, ran) = (Drops::default(), Flag::default());
        let capture = drops.value();
        let refused = pool.install(|| {
            drop(capture);
            ran.set();
        });
        assert!(refused.unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn what_is_installed_is_let_go_of_when_it_is_cancelled() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.overflow(Overflow::DropOldest).build().unwrap();
        let (release, drops) = (occupy(&pool), Drops::default());
        let text = String::from("on the waiter's stack");
        thread::scope(|scope| {
            let capture = drops.value();
            let waiter = scope.spawn(|| {
                let borrowed = &text;
                pool.install(move || {
                    let _capture = capture;
                    borrowed.len()
                })
            });
            // Once it is queued the next submission drops it, but not before it has had to wait.
            while !waiter.is_finished() {
                (0..1000).for_each(|_| thread::yield_now());
                pool.execute(|| ());
            }
            assert!(waiter.join().unwrap().unwrap_err().is_cancelled());
            assert_eq!(drops.count(), 1);
        });
        release.set();
    });
}

#[test]
fn a_shared_result_that_panics_in_drop_is_contained() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let shared = pool.submit(|| Arc::new(Bomb { depth: 2 })).shared();
        pool.wait_idle().unwrap();
        drop(shared.clone());
        let last = pool.submit(move || drop(shared));
        last.join().unwrap();
    });
}

#[test]
fn a_late_callback_that_panics_is_none_of_another_pools_business() {
    in_child(&[], || {
        let first = ThreadPoolExecutor::new(1).unwrap();
        let handle = first.submit(|| 42);
        drop(first);
        let panics = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&panics);
        let builder = Builder::new().threads(1);
        let second = builder
            .panic_handler(move |_| add_one(&seen))
            .build()
            .unwrap();
        handle.on_done(|_| panic!("long after"));
        drop(second);
        assert_eq!(panics.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn callbacks_of_a_shared_handle_are_called_in_order_also_after_the_end() {
    limited(|| {
        let panics = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&panics);
        let builder = Builder::new().threads(1);
        let pool = builder
            .panic_handler(move |_| add_one(&seen))
            .build()
            .unwrap();
        let release = occupy(&pool);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let note = |number: u32| {
            let calls = Arc::clone(&calls);
            move |outcome: Result<u32, workmill::JoinError>| {
                let thread = thread::current().id();
                calls
                    .lock()
                    .unwrap()
                    .push((number, outcome.unwrap(), thread));
                assert!(number != 1, "contained");
            }
        };
        let shared = pool.submit(|| 42).shared();
        shared.on_done(note(0));
        shared.on_done(note(1));
        let (nested, late) = (shared.clone(), note(9));
        shared.on_done(move |_| nested.on_done(late));
        shared.on_done(note(2));
        release.set();
        pool.wait_idle().unwrap();
        shared.on_done(note(3));
        let worker = pool.submit(|| thread::current().id()).join().unwrap();
        let here = thread::current().id();
        let expected = [
            (0, worker),
            (1, worker),
            (9, worker),
            (2, worker),
            (3, here),
        ];
        let expected = expected.map(|(number, thread)| (number, 42, thread));
        assert_eq!(*calls.lock().unwrap(), expected);
        assert_eq!(panics.load(Ordering::SeqCst), 1);
        // Also when nobody has a handle any more, and for a task that is cancelled.
        let (release, (sender, receiver)) = (occupy(&pool), mpsc::channel());
        let dropped = pool.submit(|| 42).shared();
        let tell = sender.clone();
        dropped.on_done(move |outcome| tell.send(outcome.is_ok()).unwrap());
        drop(dropped);
        release.set();
        assert_eq!(receiver.recv(), Ok(true));
        let release = occupy(&pool);
        let cancelled = pool.submit(|| 42).shared();
        cancelled.on_done(move |outcome| sender.send(outcome.is_ok()).unwrap());
        assert!(cancelled.cancel());
        assert_eq!(receiver.try_recv(), Ok(false), "by the thread that cancels");
        release.set();
    });
}
