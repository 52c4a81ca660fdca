//! A running task hears by its token that its pool stops, and only then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use workmill::{
    Builder, CancelToken, DropBehavior, Overflow, ThreadPoolExecutor, block_on, cancelled, current,
    with_cancelled,
};

#[cfg(unix)]
use crate::child::alone;
#[cfg(unix)]
use crate::forking::fork;
use crate::support::{Flag, limited, until};

/// Computes until the token of the task is cancelled.
fn loop_until_cancelled(begins: &Flag) {
    let token = cancelled();
    assert!(!token.is_cancelled());
    begins.set();
    until(|| token.is_cancelled());
    assert!(cancelled().is_cancelled());
}

/// A pool of one thread whose task loops until it is to end.
fn looping(on_drop: DropBehavior) -> (ThreadPoolExecutor, workmill::JoinHandle<()>) {
    let pool = Builder::new().threads(1).on_drop(on_drop).build().unwrap();
    let begun = Flag::default();
    let begins = begun.clone();
    let loops = pool.submit(move || loop_until_cancelled(&begins));
    begun.wait();
    (pool, loops)
}

#[test]
fn a_closure_that_loops_ends_at_shutdown_now() {
    limited(|| {
        let (pool, loops) = looping(DropBehavior::Join);
        pool.shutdown_now();
        loops.join().unwrap();
        pool.shutdown();
    });
}

#[test]
fn a_closure_that_loops_ends_when_an_owner_that_cancels_is_dropped() {
    limited(|| {
        let (pool, loops) = looping(DropBehavior::Cancel);
        drop(pool);
        loops.join().unwrap();
    });
}

#[test]
fn a_closure_that_loops_ends_when_its_owner_unwinds() {
    limited(|| {
        let (pool, loops) = looping(DropBehavior::Join);
        let unwinds = AssertUnwindSafe(|| {
            let _pool = pool;
            panic!("on the way out");
        });
        catch_unwind(unwinds).unwrap_err();
        loops.join().unwrap();
    });
}

#[test]
fn a_closure_that_waits_for_its_token_ends_and_keeps_no_slot() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let waits = pool.submit(|| cancelled().wait());
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        pool.shutdown_now();
        if let Err(error) = waits.join() {
            // It had not begun.
            assert!(error.is_cancelled());
        }
        pool.shutdown();
    });
}

#[test]
fn a_future_may_ask_while_it_is_polled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let begun = Flag::default();
        let begins = begun.clone();
        let (sender, receiver) = mpsc::channel();
        drop(pool.spawn(async move {
            loop_until_cancelled(&begins);
            sender.send(cancelled()).unwrap();
        }));
        begun.wait();
        pool.shutdown_now();
        let token = receiver.recv().unwrap();
        block_on(token.wait_async());
        assert!(token.is_cancelled());
        pool.shutdown();
    });
}

#[test]
fn a_shutdown_that_finishes_the_tasks_cancels_no_token() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let token = pool.submit(cancelled).join().unwrap();
        pool.shutdown();
        assert!(pool.is_terminated() && !token.is_cancelled());
        pool.shutdown_now();
        assert!(token.is_cancelled(), "late, but said");
    });
}

#[test]
fn a_task_that_asks_first_when_its_pool_has_been_stopped_hears_the_truth() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begun, go) = (Flag::default(), Flag::default());
        let (begins, wait) = (begun.clone(), go.clone());
        let asks = pool.submit(move || {
            begins.set();
            wait.wait();
            cancelled().is_cancelled()
        });
        begun.wait();
        pool.shutdown_now();
        go.set();
        assert!(asks.join().unwrap());
    });
}

#[test]
fn outside_of_tasks_no_token_is_cancelled() {
    limited(|| {
        let before = cancelled();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown_now();
        assert!(!cancelled().is_cancelled() && !before.is_cancelled());
        // The tokens of no pool are not one token.
        before.cancel();
        assert!(!cancelled().is_cancelled());
    });
}

#[test]
fn a_task_of_a_pool_within_a_task_of_another_has_the_token_of_its_own() {
    limited(|| {
        let outer = ThreadPoolExecutor::new(1).unwrap();
        let builder = Builder::new().threads(1).queue_capacity(0);
        let inner = builder.overflow(Overflow::CallerRuns).build().unwrap();
        let release = crate::support::occupy(&inner);
        let part = inner.handle();
        let tokens = outer.submit(move || {
            let before = cancelled();
            let caller = thread::current().id();
            let ran_here = part.submit(move || (cancelled(), thread::current().id()));
            let (within, ran_on) = ran_here.join().unwrap();
            assert_eq!(ran_on, caller, "the pool is full, so the submitter runs it");
            (before, within, cancelled())
        });
        let (before, within, after) = tokens.join().unwrap();
        let all = |token: &CancelToken| token.is_cancelled();
        inner.shutdown_now();
        assert!(all(&within) && !all(&before) && !all(&after));
        outer.shutdown_now();
        assert!(all(&before) && all(&after));
        release.set();
    });
}

#[test]
fn a_task_that_a_join_runs_inline_has_the_token_of_its_pool() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let tokens = pool.submit(|| {
            let within = current().unwrap().submit(cancelled);
            (cancelled(), within.join().unwrap())
        });
        let (own, within) = tokens.join().unwrap();
        pool.shutdown_now();
        assert!(own.is_cancelled() && within.is_cancelled());
    });
}

#[test]
fn callbacks_of_the_token_may_ask_for_the_end_and_panic() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let token = pool.submit(cancelled).join().unwrap();
        let (sender, receiver) = mpsc::channel();
        let inside = pool.clone();
        let first = token.on_cancel(move || {
            inside.shutdown();
            assert_eq!(inside.shutdown_now(), 0);
            assert!(inside.wait_idle().is_err(), "it counts as a task");
            sender.send(thread::current().id()).unwrap();
            panic!("in a callback");
        });
        let waits = pool.spawn(std::future::pending::<()>());
        pool.shutdown_now();
        assert_eq!(receiver.recv().unwrap(), thread::current().id());
        assert!(waits.join().unwrap_err().is_cancelled());
        drop(first);
        pool.shutdown();
    });
}

/// The drop of the capture would wait forever if the running task did not hear of the end first.
#[test]
fn running_tasks_hear_of_the_end_before_captures_are_dropped() {
    struct Joins(Option<workmill::JoinHandle<()>>);
    impl Drop for Joins {
        fn drop(&mut self) {
            if let Some(handle) = self.0.take() {
                handle.join().unwrap();
            }
        }
    }
    limited(|| {
        let (pool, loops) = looping(DropBehavior::Join);
        let waits = Joins(Some(loops));
        pool.execute(move || drop(waits));
        pool.shutdown_now();
        pool.shutdown();
    });
}

#[cfg(unix)]
#[test]
fn in_a_forked_child_no_token_is_cancelled() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (child, token) = pool
            .submit(|| {
                let asked = cancelled();
                let child = fork(|| assert!(!cancelled().is_cancelled() && !asked.is_cancelled()));
                (child, asked)
            })
            .join()
            .unwrap();
        child.ends_well();
        pool.shutdown_now();
        assert!(token.is_cancelled());
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let child = pool.submit(|| {
            let stops = current().unwrap();
            fork(move || assert!(stops.is_shutdown() && !cancelled().is_cancelled()))
        });
        child.join().unwrap().ends_well();
    });
}

#[test]
fn code_has_the_token_that_it_was_given_and_its_tasks_have_their_own() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.submit(|| {
            let (outer, inner) = (CancelToken::new(), CancelToken::new());
            outer.cancel();
            let is_asked = || cancelled().is_cancelled();
            assert!(!is_asked());
            with_cancelled(&outer, || {
                assert!(is_asked());
                // Run inline, as this is the only thread.
                let task = current().unwrap().submit(|| cancelled().is_cancelled());
                assert!(!task.join().unwrap());
                assert!(!with_cancelled(&inner, is_asked));
                let unwinds = || with_cancelled(&inner, || panic!("in the function"));
                assert!(catch_unwind(AssertUnwindSafe(unwinds)).is_err());
                assert!(is_asked());
            });
            assert!(!is_asked());
        });
        inside.join().unwrap();

        let stop = CancelToken::new();
        stop.cancel();
        with_cancelled(&stop, || assert!(cancelled().is_cancelled()));
        assert!(!cancelled().is_cancelled());
    });
}
