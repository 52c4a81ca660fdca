//! Models of a future's cell: wake-ups, polls, cancels, and the departures of its references.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/task/future.txt` puts
//! them back.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as PollContext, Poll, Waker};

use loom::sync::Mutex;
use loom::thread;

use crate::error::{CancelReason, JoinError};
use crate::task::cell::{Cancelled, HandleRef, TaskRef};
use crate::task::model::cell::Bomb;
use crate::task::{Nowhere, Ran, Task, Token};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until};

/// Explores schedules with at most `preemptions` preemptions. With three threads, more would take
/// minutes.
fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// Counts its drops. A second drop, or a missing one, shows at the end. The count is no part of the
/// model.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

impl Token for Counted {
    type Extra = ();

    fn extra(&self) {}

    type Kept = ();

    fn begin(self) {}
}

/// The queue of a model's futures, and counts of what they have gone through.
#[derive(Clone)]
struct Stage {
    queue: Arc<Mutex<VecDeque<Task<Nowhere>>>>,
    polls: Arc<AtomicUsize>,
    futures: Arc<AtomicUsize>,
    outputs: Arc<AtomicUsize>,
    tokens: Arc<AtomicUsize>,
    /// A waker of the future, once it was polled.
    waker: Arc<Mutex<Option<Waker>>>,
}

/// A future that is pending until `is_over` is not 0.
struct Waits {
    stage: Stage,
    /// Read and written without an order: the wake-up must provide it.
    is_over: Arc<loom::sync::atomic::AtomicUsize>,
    /// Whether the future has stored its waker. It does so only once, because that takes a lock,
    /// which orders.
    is_known: bool,
    _kept: Counted,
}

impl Future for Waits {
    type Output = Counted;

    fn poll(mut self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<Counted> {
        self.stage.polls.fetch_add(1, Relaxed);
        if !std::mem::replace(&mut self.is_known, true) {
            *self.stage.waker.lock().unwrap() = Some(cx.waker().clone());
        }
        match self.is_over.load(Relaxed) {
            0 => Poll::Pending,
            _ => Poll::Ready(Counted(self.stage.outputs.clone())),
        }
    }
}

impl Stage {
    fn new() -> Self {
        Self {
            queue: Arc::new(Mutex::new(VecDeque::new())),
            polls: Arc::default(),
            futures: Arc::default(),
            outputs: Arc::default(),
            tokens: Arc::default(),
            waker: Arc::new(Mutex::new(None)),
        }
    }

    /// Returns a future that is pending until `is_over` is not 0.
    fn spawn(
        &self,
        is_over: &Arc<loom::sync::atomic::AtomicUsize>,
    ) -> (Task<Nowhere>, HandleRef<Counted>) {
        let future = Waits {
            stage: self.clone(),
            is_over: Arc::clone(is_over),
            is_known: false,
            _kept: Counted(self.futures.clone()),
        };
        let queue = Arc::clone(&self.queue);
        let schedule = move |task| queue.lock().unwrap().push_back(task);
        let token = Counted(self.tokens.clone());
        Task::future(token, future, schedule, |_: TaskRef| 0)
    }

    /// Runs the queued tasks. Returns `true` if the future has ended.
    fn run_all(&self) -> bool {
        let mut has_ended = false;
        loop {
            let mut place = self.queue.lock().unwrap().pop_front();
            if place.is_none() {
                return has_ended;
            }
            let ran = Task::run(&mut place, &Nowhere);
            assert!(!has_ended, "it was run after its end");
            has_ended = ran == Ran::Ended;
            if ran == Ran::Yields {
                self.queue.lock().unwrap().extend(place);
            }
        }
    }

    fn run(&self, task: Task<Nowhere>) -> bool {
        self.queue.lock().unwrap().push_back(task);
        self.run_all()
    }

    /// Starts a thread that runs the queued tasks, and `task`.
    fn start(&self, task: Option<Task<Nowhere>>) -> thread::JoinHandle<bool> {
        let stage = self.clone();
        thread::spawn(move || {
            stage.queue.lock().unwrap().extend(task);
            stage.run_all()
        })
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Asserts that the queue is empty, and that the future, its outputs and its token were dropped
    /// as often as expected.
    fn assert(self, outputs: usize) {
        assert!(self.queue.lock().unwrap().is_empty(), "nothing is queued");
        drop(self.waker.lock().unwrap().take());
        assert_eq!(self.futures.load(Relaxed), 1, "drops of the future");
        assert_eq!(self.outputs.load(Relaxed), outputs, "drops of the output");
        assert_eq!(self.tokens.load(Relaxed), 1, "drops of the token");
    }
}

fn join<T>(mut handle: HandleRef<T>) -> Result<T, JoinError> {
    block_until(Cause::Arrival, Deadline::NEVER, |waker| {
        handle.poll(waker).then_some(())
    });
    let taken = handle.try_take();
    taken.unwrap_or_else(|_| panic!("the future has ended"))
}

fn is_over(now: usize) -> Arc<loom::sync::atomic::AtomicUsize> {
    Arc::new(loom::sync::atomic::AtomicUsize::new(now))
}

/// A pending future is made ready and woken while it is polled again.
///
/// Bug: a future goes to rest although it was woken. Bug: a wake-up is not scheduled. Bug: a poll
/// may not see what was done before the wake-up.
#[test]
fn a_future_woken_while_it_is_polled_is_polled_again() {
    model(2, || {
        let (stage, over) = (Stage::new(), is_over(0));
        let (task, handle) = stage.spawn(&over);
        assert!(!stage.run(task));
        // Woken without a cause, so that a poll is on its way.
        stage.wake();
        let runner = stage.start(None);
        over.fetch_add(1, Relaxed);
        stage.wake();
        let ended_here = stage.run_all();
        assert!(runner.join().unwrap() != ended_here, "it ends once");
        assert!(join(handle).is_ok());
        assert!((2..=3).contains(&stage.polls.load(Relaxed)));
        stage.assert(1);
    });
}

/// A waker is used while the future ends, and dropped when all other references have gone.
///
/// Bug: the drop of a waker does not drop its reference.
#[test]
fn a_waker_may_be_used_and_dropped_while_the_future_ends_and_after_it() {
    model(3, || {
        let (stage, over) = (Stage::new(), is_over(0));
        let (task, handle) = stage.spawn(&over);
        assert!(!stage.run(task));
        over.fetch_add(1, Relaxed);
        let waker = stage.waker.lock().unwrap().clone().unwrap();
        stage.wake();
        let late = thread::spawn(move || {
            waker.wake_by_ref();
            drop(waker);
        });
        let ended = stage.run_all();
        assert!(ended);
        assert!(join(handle).is_ok());
        stage.wake();
        assert!(!stage.run_all(), "nobody runs it again");
        late.join().unwrap();
        stage.assert(1);
    });
}

/// Bug: a future that was cancelled during its poll publishes its output. Bug: a cancel does not
/// wake the future.
#[test]
fn a_future_that_is_polled_is_cancelled_as_cancel_says() {
    for ready in [0, 1] {
        model(3, move || {
            let (stage, over) = (Stage::new(), is_over(0));
            let (task, handle) = stage.spawn(&over);
            assert!(!stage.run(task));
            over.fetch_add(ready, Relaxed);
            stage.wake();
            let runner = stage.start(None);
            let said = handle.cancel(CancelReason::Cancelled);
            let ended_here = stage.run_all();
            assert!(runner.join().unwrap() != ended_here, "it ends once");
            let outcome = join(handle);
            assert_eq!(said == Cancelled::Soon, outcome.is_err());
            assert!(ready == 1 || outcome.is_err());
            drop(outcome);
            // The future may have returned its output, and been cancelled after that.
            let outputs = stage.outputs.load(Relaxed);
            assert!(said == Cancelled::Soon || outputs == 1);
            stage.assert(outputs);
        });
    }
}

/// The token is dropped once, by the first poll or by the cancel.
///
/// Bug: the first poll takes the token although the future was cancelled. Bug: a cancel does not
/// take the token.
#[test]
fn a_future_that_is_cancelled_before_or_in_its_first_poll_gives_its_token_back_once() {
    model(3, || {
        let (stage, over) = (Stage::new(), is_over(1));
        let (task, handle) = stage.spawn(&over);
        let task_ref = handle.task_ref();
        let runner = stage.start(Some(task));
        let canceller = {
            let tokens = stage.tokens.clone();
            thread::spawn(move || {
                let said = task_ref.cancel(CancelReason::Shutdown);
                (said, tokens.load(Relaxed))
            })
        };
        let outcome = join(handle);
        let (said, tokens) = canceller.join().unwrap();
        assert!(tokens == 1, "it is back by then");
        assert_eq!(said == Cancelled::Soon, outcome.is_err());
        let reason = outcome.err().and_then(|error| error.cancel_reason());
        assert!(reason.is_none_or(|reason| reason == CancelReason::Shutdown));
        assert!(runner.join().unwrap());
        let outputs = stage.outputs.load(Relaxed);
        stage.assert(outputs);
    });
}

/// Bug: a panic in the drop of the outcome is not contained.
#[test]
fn an_output_that_panics_in_its_drop_is_contained_whichever_reference_drops_it() {
    model(3, || {
        let (outputs, tokens) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let output = Arc::clone(&outputs);
        let future = async move { Bomb::new(output) };
        let schedule = |_: Task<Nowhere>| unreachable!("it is ready at once");
        let token = Counted(Arc::clone(&tokens));
        let (task, handle) = Task::future(token, future, schedule, |_: TaskRef| 0);
        let runner = thread::spawn(move || {
            let mut place = Some(task);
            unwind::catch(|| Task::run(&mut place, &Nowhere)).is_ok()
        });
        assert!(unwind::catch(|| drop(handle)).is_ok());
        assert!(runner.join().unwrap());
        assert_eq!((outputs.load(Relaxed), tokens.load(Relaxed)), (1, 1));
    });
}

/// Bug: `finish` does not check HANDLE_GONE.
#[test]
fn a_dropped_handle_of_a_future_leaves_nothing_behind() {
    model(3, || {
        let (stage, over) = (Stage::new(), is_over(1));
        let (task, handle) = stage.spawn(&over);
        let task_ref = handle.task_ref();
        let runner = stage.start(Some(task));
        let leaver = thread::spawn(move || drop(task_ref));
        drop(handle);
        leaver.join().unwrap();
        assert!(runner.join().unwrap());
        stage.assert(1);
    });
}

/// A task is dropped before it was run, while another thread cancels it.
///
/// Bug: the second of two cancels returns that it was the first.
#[test]
fn a_future_that_is_never_run_is_cancelled_once() {
    model(3, || {
        let (stage, over) = (Stage::new(), is_over(1));
        let (task, handle) = stage.spawn(&over);
        let dropper = thread::spawn(move || task.cancel(CancelReason::Shutdown));
        let said = handle.cancel(CancelReason::Cancelled);
        let dropped = dropper.join().unwrap().is_ok();
        assert!(dropped != (said == Cancelled::Soon));
        let reason = join(handle).err().and_then(|error| error.cancel_reason());
        let first = match dropped {
            true => CancelReason::Shutdown,
            false => CancelReason::Cancelled,
        };
        assert_eq!(reason, Some(first));
        assert_eq!(stage.polls.load(Relaxed), 0);
        stage.assert(0);
    });
}
