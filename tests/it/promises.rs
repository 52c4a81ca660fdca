//! Promises: a handle to an outcome that comes from elsewhere is a handle like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill::{
    Builder, CancelReason, JoinError, Lost, ThreadPoolExecutor, promise, promise_in, worker_index,
};

use crate::support::{Bomb, Drops, add_one, limited, until};

#[test]
fn an_answer_comes_to_each_way_of_waiting() {
    limited(|| {
        let answer = |promise: workmill::Promise<u32>| {
            thread::spawn(move || promise.complete(42).unwrap());
        };
        let (given, handle) = promise();
        answer(given);
        assert_eq!(handle.join().unwrap(), 42);
        let (given, mut handle) = promise();
        assert!(handle.try_join().is_none() && !handle.is_finished());
        assert!(handle.join_timeout(Duration::from_millis(1)).is_none());
        answer(given);
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 42);
        let (given, handle) = promise();
        answer(given);
        assert_eq!(block_on(handle).unwrap(), 42);
        let (given, handle) = promise();
        let shared = handle.shared();
        answer(given);
        assert_eq!(shared.clone().join().unwrap() + shared.join().unwrap(), 84);
        let (given, handle) = promise();
        let (send, receive) = mpsc::channel();
        handle.on_done(move |outcome| send.send(outcome.unwrap()).unwrap());
        answer(given);
        assert_eq!(receive.recv().unwrap(), 42);
    });
}

#[test]
fn a_cancel_and_an_answer_agree_which_came_first() {
    limited(|| {
        for round in 0..10_000_u32 {
            let (given, handle) = promise();
            let answerer = thread::scope(|scope| {
                let answerer = scope.spawn(move || given.complete(42));
                (0..round % 100).for_each(|_| std::hint::spin_loop());
                let cancelled = handle.cancel();
                (cancelled, answerer.join().unwrap())
            });
            match answerer {
                (true, Err(42)) => assert!(handle.join().unwrap_err().is_cancelled()),
                (false, Ok(())) => assert_eq!(handle.join().unwrap(), 42),
                wrong => panic!("{wrong:?}"),
            }
        }
    });
}

#[test]
fn a_promise_hears_of_its_cancel() {
    limited(|| {
        let (given, handle) = promise::<u32>();
        let calls = Arc::new(AtomicUsize::new(0));
        let called = Arc::clone(&calls);
        given.on_cancel(move || add_one(&called));
        given.on_cancel(|| panic!("contained"));
        let token = given.cancelled();
        assert!(!given.is_cancelled() && !token.is_cancelled());
        assert!(handle.cancel());
        assert!(given.is_cancelled() && token.is_cancelled());
        let called = Arc::clone(&calls);
        given.on_cancel(move || add_one(&called));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        assert!(handle.cancel(), "still true");
        assert!(handle.join().unwrap_err().is_cancelled());
        assert_eq!(given.complete(42), Err(42));
    });
}

#[test]
fn a_promise_that_is_answered_calls_no_cancel_callback() {
    limited(|| {
        let drops = Drops::default();
        let (given, handle) = promise();
        let capture = drops.value();
        given.on_cancel(move || panic!("{capture:p} is not cancelled", capture = &capture));
        given.complete(1).unwrap();
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 1);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_promise_set_running_is_not_cancelled() {
    limited(|| {
        let (mut given, handle) = promise();
        assert!(!handle.is_running());
        assert!(given.set_running() && given.set_running());
        assert!(handle.is_running() && !handle.cancel());
        given.complete(1).unwrap();
        assert_eq!(handle.join().unwrap(), 1);
        let (mut given, handle) = promise::<u32>();
        assert!(handle.cancel());
        assert!(!given.set_running());
    });
}

#[test]
fn a_promise_with_a_request_function_decides_about_cancels() {
    limited(|| {
        let granted = Arc::new(AtomicBool::new(false));
        let (mut given, handle) = promise();
        let consents = Arc::clone(&granted);
        given.on_cancel_request(move || consents.load(Ordering::SeqCst));
        assert!(!handle.cancel(), "refused, although it is not running");
        assert!(given.set_running());
        assert!(!handle.cancel());
        granted.store(true, Ordering::SeqCst);
        assert!(handle.cancel(), "granted, although it is running");
        assert_eq!(given.complete(1), Err(1));
        let reason = handle.join().unwrap_err().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Cancelled));
        // Granted later.
        let (given, handle) = promise::<u32>();
        given.on_cancel_request(|| false);
        assert!(!handle.cancel());
        given
            .fail(JoinError::cancelled(CancelReason::Cancelled))
            .unwrap();
        assert!(handle.join().unwrap_err().is_cancelled());
        // A panic refuses.
        let (given, handle) = promise();
        given.on_cancel_request(|| panic!("contained"));
        assert!(!handle.cancel());
        given.complete(1).unwrap();
        assert!(!handle.cancel(), "nobody is asked any more");
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn a_promise_that_is_dropped_is_abandoned() {
    limited(|| {
        let (given, handle) = promise::<u32>();
        let thread = thread::spawn(move || {
            let _given = given;
            panic!("before the answer");
        });
        let error = handle.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Abandoned));
        assert!(error.to_string().contains("abandoned"), "{error}");
        thread.join().unwrap_err();
    });
}

#[test]
fn an_answer_that_nobody_wants_is_dropped_at_once() {
    limited(|| {
        let drops = Drops::default();
        let (given, handle) = promise();
        drop(handle);
        given.complete(drops.value()).map_err(drop).unwrap();
        assert_eq!(drops.count(), 1);
        let (given, handle) = promise();
        given.complete(Bomb { depth: 2 }).map_err(drop).unwrap();
        drop(handle);
    });
}

#[test]
fn the_callback_of_a_promise_in_a_pool_runs_there() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for late in [false, true] {
            let (given, handle) = promise_in(&pool);
            let (send, receive) = mpsc::channel();
            let mut given = Some(given);
            if late {
                given.take().unwrap().complete(1).unwrap();
            }
            handle.on_done(move |outcome| send.send((outcome.unwrap(), worker_index())).unwrap());
            given.into_iter().for_each(|it| it.complete(1).unwrap());
            assert_eq!(receive.recv().unwrap(), (1, Some(0)), "late: {late}");
        }
        // Without the pool it is called here.
        let (given, handle) = promise_in(&pool);
        pool.shutdown();
        let seen = Arc::new(Mutex::new(None));
        let sees = Arc::clone(&seen);
        handle.on_done(move |outcome| {
            *sees.lock().unwrap() = Some((outcome.unwrap(), worker_index()));
        });
        given.complete(1).unwrap();
        assert_eq!(*seen.lock().unwrap(), Some((1, None)));
    });
}

#[test]
fn a_pool_does_not_wait_for_a_promise() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (given, handle) = promise_in(&pool);
        pool.wait_idle().unwrap();
        pool.shutdown_now();
        pool.shutdown();
        drop(pool);
        given.complete(1).unwrap();
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn a_task_that_joins_a_promise_gives_its_slot_away() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (given, handle) = promise();
        let waits = pool.submit(move || handle.join().unwrap());
        pool.execute(move || given.complete(42).unwrap());
        assert_eq!(waits.join().unwrap(), 42);
    });
}

#[test]
fn a_mapped_handle_maps_where_the_outcome_is_taken() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let here = thread::current().id();
        let mapped = pool.submit(|| 20).map(move |n| {
            assert_eq!(thread::current().id(), here);
            n + 1
        });
        let twice = mapped.map(|n| n * 2);
        assert_eq!(twice.join().unwrap(), 42);
        // Dropped: never called.
        let drops = Drops::default();
        let (capture, calls) = (drops.value(), Arc::new(AtomicUsize::new(0)));
        let called = Arc::clone(&calls);
        let dropped = pool.submit(|| 1).map(move |_| {
            let _capture = &capture;
            add_one(&called);
        });
        pool.wait_idle().unwrap();
        drop(dropped);
        assert_eq!((drops.count(), calls.load(Ordering::SeqCst)), (1, 0));
        let panics = pool.submit(|| 1).map(|_| -> u32 { panic!("in the map") });
        assert_eq!(
            panics.join().unwrap_err().panic_message(),
            Some("in the map")
        );
        let of_panic = pool
            .submit(|| -> u32 { panic!("in the task") })
            .map(|n| n + 1);
        assert_eq!(
            of_panic.join().unwrap_err().panic_message(),
            Some("in the task")
        );
    });
}

#[test]
fn a_mapped_handle_cancels_its_task() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = crate::support::occupy(&pool);
        let mapped = pool.submit(|| 1).map(|n| n + 1);
        assert!(mapped.cancel() && mapped.cancel());
        assert!(mapped.join().unwrap_err().is_cancelled());
        release.set();
        let (begun, waits) = (workmill::Latch::new(1), workmill::Latch::new(1));
        let (begun, waits) = (Arc::new(begun), Arc::new(waits));
        let (begins, go) = (Arc::clone(&begun), Arc::clone(&waits));
        let mapped = pool
            .submit(move || {
                begins.count_down();
                go.wait();
                1
            })
            .map(|n| n + 1);
        begun.wait();
        assert!(!mapped.cancel(), "it has begun");
        waits.count_down();
        assert_eq!(mapped.join().unwrap(), 2);
    });
}

#[test]
fn a_panic_that_no_handle_returns_goes_to_the_handler() {
    limited(|| {
        let (send, receive) = mpsc::channel();
        let pool = Builder::new()
            .threads(1)
            .panic_handler(move |_| send.send(()).unwrap())
            .build()
            .unwrap();
        drop(pool.submit(|| panic!("unseen")).map(|()| 1));
        receive.recv().unwrap();
    });
}

#[test]
fn errors_from_elsewhere_say_what_they_are() {
    let lost = Lost::new("the process 7", "exited with 3").with_standard_error("out of flour");
    let error = JoinError::lost(lost).with_task_name("bake");
    assert!(error.is_lost() && !error.is_cancelled() && !error.is_panic());
    assert_eq!(
        error.as_lost().unwrap().standard_error(),
        Some("out of flour")
    );
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "the process 7 exited with 3");
    assert!(source.downcast_ref::<Lost>().is_some());
    assert_eq!(
        error.to_string(),
        "the task bake was lost: the process 7 exited with 3"
    );

    let error = JoinError::panicked("out of flour").with_task_name("bake");
    assert!(error.is_panic() && error.panic_message() == Some("out of flour"));
    let payload = error.into_panic();
    assert_eq!(payload.downcast_ref::<String>().unwrap(), "out of flour");

    let error = JoinError::refused("no such job");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Rejected));
    assert_eq!(
        error.to_string(),
        "the task <unnamed> was refused: no such job"
    );

    let error = JoinError::cancelled(CancelReason::Shutdown).with_task_name("bake");
    assert_eq!(
        error.to_string(),
        "the task bake was cancelled because the pool was shut down; `shutdown` runs all that \
         came before it"
    );
    let panics = catch_unwind(AssertUnwindSafe(|| error.into_panic()));
    assert!(panics.is_err(), "it did not panic");
}

#[test]
fn the_callback_of_a_promise_is_called_although_the_pool_drops_its_task() {
    limited(|| {
        for by_shutdown in [false, true] {
            let pool = Builder::new()
                .threads(1)
                .queue_capacity(1)
                .overflow(workmill::Overflow::DropOldest)
                .build()
                .unwrap();
            let release = crate::support::occupy(&pool);
            let (given, handle) = promise_in(&pool);
            let (send, receive) = mpsc::channel();
            handle.on_done(move |outcome| send.send(outcome.unwrap()).unwrap());
            given.complete(42).unwrap();
            if by_shutdown {
                pool.shutdown_now();
            } else {
                (0..3).for_each(|_| pool.execute(|| ()));
            }
            release.set();
            assert_eq!(receive.recv().unwrap(), 42);
        }
    });
}

#[test]
fn a_mapped_handle_calls_back_where_its_task_ends_and_is_joined_inline() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .max_spare_threads(0)
            .build()
            .unwrap();
        let seen = Arc::new(Mutex::new(None));
        let (ended, sees) = (pool.submit(|| 1), Arc::clone(&seen));
        pool.wait_idle().unwrap();
        ended
            .map(|n| n + 1)
            .on_done(move |outcome| *sees.lock().unwrap() = Some(outcome.unwrap()));
        assert_eq!(*seen.lock().unwrap(), Some(2), "before `on_done` returns");
        // Without a free thread.
        fn nested(depth: u32) -> u32 {
            match depth.checked_sub(1) {
                Some(depth) => {
                    let pool = workmill::current().unwrap();
                    let child = pool.submit(move || nested(depth));
                    child.map(|n| n + 1).map(|n| n + 1).join().unwrap()
                }
                None => 0,
            }
        }
        assert_eq!(pool.submit(|| nested(20)).join().unwrap(), 40);
    });
}

#[test]
fn a_token_of_a_promise_cancels_no_promise() {
    limited(|| {
        let (given, handle) = promise();
        let calls = Arc::new(AtomicUsize::new(0));
        let called = Arc::clone(&calls);
        given.on_cancel(move || add_one(&called));
        given.cancelled().cancel();
        assert!(!given.is_cancelled() && calls.load(Ordering::SeqCst) == 0);
        given.complete(1).unwrap();
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn an_outcome_that_a_task_returns_is_that_of_the_handle_made_of_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let length = |outcome: Result<String, JoinError>| {
            let length = outcome
                .map_err(|error| error.with_task_name("length"))?
                .len();
            match length {
                0 => Err(JoinError::refused("nothing to measure")),
                length => Ok(length),
            }
        };
        let measured = |text: &'static str| pool.submit(move || Ok(text.to_owned())).then(length);
        assert_eq!(measured("four").join().unwrap(), 4);
        assert!(measured("").join().unwrap_err().is_cancelled());
        let lost = || Err(JoinError::lost(Lost::new("mill 2", "is gone")));
        let error = pool.submit(lost).then(length).join().unwrap_err();
        assert_eq!((error.is_lost(), error.task_name()), (true, "length"));
        let panics = || -> Result<String, JoinError> { panic!("out of flour") };
        let error = pool.submit(panics).then(length).join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of flour"));
        // A loss is a failure for those that wait, before anybody takes it.
        let one = pool.submit(lost).then(length);
        let (never, other) = promise::<usize>();
        let done = workmill::wait(&mut [one, other], workmill::WaitFor::FirstFailure);
        assert_eq!(done, [0]);
        drop(never);
        // A cancel goes to the task.
        let (go, gate) = mpsc::channel::<()>();
        let busy = pool.submit(move || gate.recv()).map(Result::unwrap);
        until(|| busy.is_running());
        let queued = measured("four");
        assert!(queued.cancel());
        assert!(!queued.is_running());
        go.send(()).unwrap();
        busy.join().unwrap();
        let error = queued.join().unwrap_err();
        assert_eq!((error.is_cancelled(), error.task_name()), (true, "length"));
    });
}
