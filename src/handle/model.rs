//! Models of a handle's waiter (a callback, a timed wait, a shared handle), against the end of the
//! task.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/handle.txt` puts them
//! back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use loom::thread;

use super::{JoinHandle, callback};
use crate::error::{CancelReason, JoinError};
use crate::pool::PoolLink;
use crate::task::cell::{HandleRef, Runnable, pair};
use crate::task::{Nowhere, job};

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

fn task() -> (Runnable, HandleRef<usize>) {
    pair(job((), || 42))
}

/// Bug: the callback is not called when the task had ended before. Bug: a thread that wakes the
/// callback while it is being attached finds no reference in it and does nothing.
#[test]
fn a_callback_is_called_once_whichever_thread_ends_the_task() {
    model(|| {
        let (task, handle) = task();
        let stop = handle.task_ref();
        let (calls, values) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let runner = thread::spawn(move || task.run(&Nowhere));
        let canceller = thread::spawn(move || stop.cancel(CancelReason::Cancelled));
        let (called, seen) = (Arc::clone(&calls), Arc::clone(&values));
        callback::attach(
            handle,
            PoolLink::new(),
            callback::Call::InTurn,
            move |outcome: Result<_, JoinError>| {
                called.fetch_add(1, Relaxed);
                seen.fetch_add(outcome.unwrap_or(0), Relaxed);
            },
        );
        let _ = runner.join().unwrap();
        canceller.join().unwrap();
        assert_eq!(calls.load(Relaxed), 1);
        assert!([0, 42].contains(&values.load(Relaxed)));
        assert_eq!(Arc::strong_count(&calls), 1, "the cycle is broken");
    });
}

/// Loom has no clock: a timeout is a wait that is given up at any moment.
///
/// Bug: `stop_waiting` takes the waker back from an ender that owns it.
#[test]
fn a_wait_that_is_given_up_while_the_task_ends_leaves_the_handle_good() {
    model(|| {
        let (task, handle) = task();
        let mut handle = JoinHandle::new(handle, PoolLink::new());
        let runner = thread::spawn(move || task.run(&Nowhere));
        let waiter = thread::spawn(move || {
            let outcome = handle.join_timeout(std::time::Duration::ZERO);
            let outcome = outcome.unwrap_or_else(|| handle.join());
            assert_eq!(outcome.unwrap(), 42);
        });
        let _ = runner.join().unwrap();
        waiter.join().unwrap();
    });
}

/// Bug: the outcome is set without waking the waiters.
#[test]
fn of_two_who_share_a_handle_one_gives_up_and_the_other_is_woken() {
    model(|| {
        let (task, handle) = task();
        let shared = JoinHandle::new(handle, PoolLink::new()).shared();
        let other = shared.clone();
        let waiter = thread::spawn(move || other.join().unwrap());
        let leaver = thread::spawn(move || {
            let timed = shared.join_timeout(std::time::Duration::ZERO);
            assert!(timed.is_none_or(|value| value.unwrap() == 42));
        });
        let _ = task.run(&Nowhere);
        assert_eq!(waiter.join().unwrap(), 42);
        leaver.join().unwrap();
    });
}

/// Bug: a callback that comes after the end is only kept. Bug: a callback that is registered while
/// the task ends is added to a list that nobody takes.
#[test]
fn callbacks_of_a_shared_handle_are_each_called_once() {
    model(|| {
        let (task, handle) = task();
        let shared = JoinHandle::new(handle, PoolLink::new()).shared();
        let calls = Arc::new(AtomicUsize::new(0));
        let register = |calls: &Arc<AtomicUsize>| {
            let called = Arc::clone(calls);
            shared.on_done(move |outcome| {
                called.fetch_add(outcome.unwrap(), Relaxed);
            });
        };
        register(&calls);
        let runner = thread::spawn(move || task.run(&Nowhere));
        register(&calls);
        let _ = runner.join().unwrap();
        assert_eq!(calls.load(Relaxed), 84);
        assert_eq!(Arc::strong_count(&calls), 1, "they are gone");
    });
}
