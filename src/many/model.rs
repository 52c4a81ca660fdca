//! Models of several tasks that end while somebody waits for them.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/many.txt` puts them
//! back.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use loom::thread;

use super::ended::Ended;
use super::unordered::Unordered;
use super::wait::{WaitFor, wait, wait_timeout};
use crate::error::CancelReason;
use crate::handle::JoinHandle;
use crate::pool::PoolLink;
use crate::primitive::AtomicBool;
use crate::task::cell::{Cancelled, Runnable, TaskRef, pair};
use crate::task::{Nowhere, job};
use crate::wait::Deadline;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

fn task(result: usize) -> (Runnable, JoinHandle<usize>) {
    let (task, _, handle) = task_to_cancel(result);
    (task, handle)
}

fn task_to_cancel(result: usize) -> (Runnable, TaskRef, JoinHandle<usize>) {
    let (task, handle) = pair(job((), move || result));
    let stop = handle.task_ref();
    (task, stop, JoinHandle::new(handle, PoolLink::nowhere()))
}

/// Bug: a task that ends does not wake the waiter.
#[test]
fn a_waiter_is_woken_by_whichever_task_ends_first() {
    model(|| {
        let ((one, first), (two, second)) = (task(1), task(2));
        let mut handles = Unordered::new();
        handles.insert(1, first);
        handles.insert(2, second);
        let runners = [one, two].map(|task| thread::spawn(move || task.run(&Nowhere)));
        let mut sum = 0;
        while let Some((number, handle)) = handles.next(Deadline::NEVER) {
            assert_eq!(handle.join().unwrap(), number);
            sum += number;
        }
        assert_eq!(sum, 3);
        for runner in runners {
            let _ = runner.join().unwrap();
        }
    });
}

/// Bug: a task that had ended before its handle came is not noted.
#[test]
fn a_task_that_is_cancelled_has_ended() {
    model(|| {
        let (runnable, stop, handle) = task_to_cancel(1);
        let canceller = thread::spawn(move || stop.cancel(CancelReason::Cancelled));
        let mut handles = Unordered::new();
        handles.insert((), handle);
        let ((), handle) = handles.next(Deadline::NEVER).unwrap();
        assert!(handle.join().unwrap_err().is_cancelled());
        assert!(handles.next(Deadline::NEVER).is_none());
        assert_eq!(canceller.join().unwrap(), Cancelled::Now);
        drop(runnable);
    });
}

/// Loom has no clock: a timeout is a wait that is given up at any moment.
///
/// Bug: a task that had ended before the wait is not noted.
#[test]
fn a_wait_that_is_given_up_leaves_the_handles_good() {
    model(|| {
        let ((one, first), (two, second)) = (task(1), task(2));
        assert!(two.cancel(CancelReason::Cancelled).is_ok());
        let mut handles = [first];
        let runner = thread::spawn(move || one.run(&Nowhere));
        let early = wait_timeout(&mut handles, WaitFor::Any, Duration::ZERO);
        let [first] = handles;
        let mut both = [first, second];
        assert_eq!(wait(&mut both, WaitFor::FirstFailure).last(), Some(&1));
        let [first, _] = both;
        assert!(early.is_empty() || first.is_finished());
        assert_eq!(first.join().unwrap(), 1);
        let _ = runner.join().unwrap();
    });
}

/// A waker that notes that it was called.
struct Noted(AtomicBool);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Bug: a waker that replaces another is left without a look at the keys.
#[test]
fn a_waker_that_replaces_another_is_called_if_there_are_no_keys() {
    model(|| {
        let ended = Ended::new();
        let old = Waker::from(Arc::new(Noted(AtomicBool::new(false))));
        let (mut keys, mut later) = (Vec::new(), Vec::new());
        ended.take(&mut keys, Some(&old));
        let teller = ended.waker(7);
        let runner = thread::spawn(move || teller.wake());
        let new = Arc::new(Noted(AtomicBool::new(false)));
        ended.take(&mut keys, Some(&Waker::from(Arc::clone(&new))));
        runner.join().unwrap();
        let was_woken = new.0.load(std::sync::atomic::Ordering::SeqCst);
        assert!(was_woken || !keys.is_empty(), "nobody would look again");
        ended.take(&mut later, None);
        assert_eq!(keys.len() + later.len(), 1);
    });
}
