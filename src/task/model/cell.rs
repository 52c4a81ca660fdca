//! Models of a cell: every schedule of threads that meet at one task.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/task/cell.txt` puts
//! them back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::task::{Wake, Waker};

use loom::thread;

use crate::error::{CancelReason, JoinError};
use crate::task::cell::{Cancelled, HandleRef, Runnable, pair};
use crate::task::{Nowhere, job};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until};

/// Counts its drops. A second drop, or a missing one, shows at the end.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Counts its drop, and panics in it. The payload of that panic counts its drop too, and panics
/// again.
pub(super) struct Bomb {
    drops: Arc<AtomicUsize>,
    is_payload: bool,
}

impl Bomb {
    pub(super) fn new(drops: Arc<AtomicUsize>) -> Self {
        Self {
            drops,
            is_payload: false,
        }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Relaxed);
        let payload: Box<dyn std::any::Any + Send> = match self.is_payload {
            true => Box::new("in the drop of a payload"),
            false => Box::new(Self {
                drops: Arc::clone(&self.drops),
                is_payload: true,
            }),
        };
        // Like `panic!`, but without a message to the user in each schedule.
        std::panic::resume_unwind(payload);
    }
}

/// Counts the runs of a task's closure, and the drops of its captures and its results.
#[derive(Default, Clone)]
struct Seen {
    runs: Arc<AtomicUsize>,
    captures: Arc<AtomicUsize>,
    results: Arc<AtomicUsize>,
}

impl Seen {
    /// Returns a task that captures a value and returns a value.
    fn task(&self) -> (Runnable, HandleRef<Counted>) {
        self.task_with(Counted)
    }

    fn task_with<T: Send + 'static>(
        &self,
        result: fn(Arc<AtomicUsize>) -> T,
    ) -> (Runnable, HandleRef<T>) {
        let (seen, capture) = (self.clone(), Counted(self.captures.clone()));
        pair(job((), move || {
            let _capture = capture;
            seen.runs.fetch_add(1, Relaxed);
            result(seen.results)
        }))
    }

    fn assert(&self, runs: usize) {
        assert_eq!(self.runs.load(Relaxed), runs, "runs");
        assert_eq!(self.captures.load(Relaxed), 1, "drops of the captures");
        assert_eq!(self.results.load(Relaxed), runs, "drops of the result");
    }
}

/// Explores schedules with at most three preemptions. With three threads, more would take minutes.
fn bounded_model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

fn join<T>(mut handle: HandleRef<T>) -> Result<T, JoinError> {
    block_until(Cause::Arrival, Deadline::NEVER, |waker| {
        handle.poll(waker).then_some(())
    });
    handle
        .try_take()
        .unwrap_or_else(|_| panic!("the task has ended"))
}

/// Bug: `finish` publishes with Relaxed. Bug: `set_waiter` ignores that DONE came first.
#[test]
fn a_joiner_gets_the_result_after_the_captures_are_gone() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let runner = thread::spawn(move || task.run(&Nowhere));
        let result = join(handle).expect("the task returns");
        assert_eq!(seen.captures.load(Relaxed), 1);
        drop(result);
        let _ = runner.join().unwrap();
        seen.assert(1);
    });
}

/// Bug: `leave_queue` stores instead of exchanging.
#[test]
fn a_task_is_either_cancelled_or_run() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let runner = thread::spawn(move || task.run(&Nowhere));
        let cancelled = handle.cancel(CancelReason::Cancelled) == Cancelled::Now;
        let outcome = join(handle);
        assert_eq!(cancelled, outcome.is_err());
        drop(outcome);
        let _ = runner.join().unwrap();
        seen.assert(usize::from(!cancelled));
    });
}

/// Bug: `leave_queue` stores instead of exchanging.
#[test]
fn a_task_run_inline_as_a_worker_takes_it_runs_once() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let runner = thread::spawn(move || task.run(&Nowhere));
        handle.run_inline(&Nowhere);
        drop(join(handle));
        let _ = runner.join().unwrap();
        seen.assert(1);
    });
}

/// Bug: `leave` sets HANDLE_GONE without checking whether DONE came first. Bug: `finish` does not
/// check HANDLE_GONE.
#[test]
fn a_dropped_handle_leaves_nothing_behind() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let runner = thread::spawn(move || task.run(&Nowhere));
        drop(handle);
        let _ = runner.join().unwrap();
        seen.assert(1);
    });
}

/// The result is dropped by the handle if the task has ended before. Otherwise the ender drops it.
///
/// Bug: a panic in the drop of the outcome is not contained. Bug: its payload is dropped, not
/// forgotten.
#[test]
fn a_result_that_panics_in_its_drop_is_contained_whichever_reference_drops_it() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task_with(Bomb::new);
        let runner = thread::spawn(move || unwind::catch(|| task.run(&Nowhere)).is_ok());
        assert!(unwind::catch(|| drop(handle)).is_ok());
        assert!(runner.join().unwrap());
        seen.assert(1);
    });
}

/// A waker whose use is an access to a tracked cell, so that a use after its last drop shows.
struct Tracked(loom::sync::atomic::AtomicUsize);

impl Wake for Tracked {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Release);
    }
}

/// Bug: `poll` replaces the waker without clearing WAITER first.
#[test]
fn a_waiter_changes_its_waker_or_leaves_while_the_task_ends() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, mut handle) = seen.task();
        let wakers = [(); 2].map(|()| Arc::new(Tracked(Default::default())));
        let waiting = !handle.poll(&Waker::from(wakers[0].clone()));
        assert!(waiting);
        let runner = thread::spawn(move || task.run(&Nowhere));
        let waiting = !handle.poll(&Waker::from(wakers[1].clone()));
        drop(handle);
        let _ = runner.join().unwrap();
        seen.assert(1);
        let woken = wakers.each_ref().map(|waker| waker.0.load(Relaxed));
        assert!(woken[0] + woken[1] <= 1);
        if !waiting {
            assert_eq!(woken[1], 0, "the second waker was not left behind");
        }
    });
}

/// Bug: RUNNABLE_GONE is set together with DONE although there is a waker to take out.
#[test]
fn a_waiter_may_free_the_cell_as_soon_as_the_task_is_done() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, mut handle) = seen.task();
        let waker = Arc::new(Tracked(Default::default()));
        let done = handle.poll(&Waker::from(waker.clone()));
        assert!(!done);
        let runner = thread::spawn(move || task.run(&Nowhere));
        match handle.try_take() {
            Ok(result) => drop(result),
            Err(handle) => drop(join(handle)),
        }
        let _ = runner.join().unwrap();
        seen.assert(1);
    });
}

/// Bug: the runnable reference of a tombstone never frees the cell.
#[test]
fn a_cancelled_tombstone_and_its_handle_go_in_any_order() {
    loom::model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        assert_eq!(handle.cancel(CancelReason::Cancelled), Cancelled::Now);
        let finder = thread::spawn(move || task.cancel(CancelReason::Shutdown));
        drop(handle);
        assert!(
            finder.join().unwrap().is_err(),
            "a tombstone has nothing left to cancel"
        );
        seen.assert(0);
    });
}

/// A `TaskRef` cancels while the task starts and the handle is dropped. The last reference frees
/// the cell, and exactly one drops the result.
///
/// Bug: the other references ignore a `TaskRef` when they check whether they are the last.
#[test]
fn a_task_ref_cancels_while_the_task_starts_and_the_handle_goes() {
    bounded_model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let task_ref = handle.task_ref();
        let runner = thread::spawn(move || task.run(&Nowhere));
        let canceller = thread::spawn(move || task_ref.cancel(CancelReason::Cancelled));
        drop(handle);
        let cancelled = canceller.join().unwrap() == Cancelled::Now;
        let _ = runner.join().unwrap();
        seen.assert(usize::from(!cancelled));
    });
}

/// Bug: a `TaskRef` that is last does not free the cell.
#[test]
fn a_task_ref_that_is_last_frees_the_cell() {
    bounded_model(|| {
        let seen = Seen::default();
        let (task, handle) = seen.task();
        let (task_ref, other) = (handle.task_ref(), handle.task_ref().task_ref());
        let runner = thread::spawn(move || task.run(&Nowhere));
        let leaver = thread::spawn(move || drop(task_ref));
        drop(join(handle));
        drop(other);
        leaver.join().unwrap();
        let _ = runner.join().unwrap();
        seen.assert(1);
    });
}
