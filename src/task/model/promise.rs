//! Models of a promise: its answer, cancels, and the drop of either side.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/task/promise.txt`
//! puts them back.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use loom::thread;

use crate::error::CancelReason;
use crate::name::Name;
use crate::task::Consent;
use crate::task::cell::{Cancelled, Outcome, RawTask};
use crate::task::promise::{Answer, Canceller, pair};

/// Counts cancels, and consents as it was made to.
struct Cancels {
    consent: Consent,
    count: Arc<AtomicUsize>,
}

impl Canceller for Cancels {
    const NAME: &'static Name = &Name::of::<Self>();

    const IN_POOL: bool = false;

    fn task(&self) -> Option<&RawTask> {
        None
    }

    fn ask(&self) -> Consent {
        self.consent
    }

    fn was_cancelled(&self) {
        self.count.fetch_add(1, Relaxed);
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

type Promised = Answer<Cancels, Outcome<usize>>;

/// One thread answers as `answer` says, which returns whether the answer was taken; another
/// cancels.
fn answer_against_cancel(
    consent: Consent,
    answer: impl Fn(Promised) -> Option<bool> + Copy + Send + Sync + 'static,
) {
    model(move || {
        let count = Arc::new(AtomicUsize::new(0));
        let (promise, mut handle) = pair::<_, Outcome<usize>>(Cancels {
            consent,
            count: Arc::clone(&count),
        });
        let stop = handle.task_ref();
        let answerer = thread::spawn(move || answer(promise));
        let canceller = thread::spawn(move || stop.cancel(CancelReason::Cancelled));
        let ended = handle.poll(Waker::noop());
        let answered = answerer.join().unwrap();
        let cancelled = canceller.join().unwrap() == Cancelled::Now;
        assert!(!ended || handle.is_done());
        let Ok(outcome) = handle.try_take() else {
            panic!("both have ended, and one of them resolved the handle");
        };
        assert_eq!(count.load(Relaxed), usize::from(cancelled));
        if let Some(answered) = answered {
            assert_eq!(answered, !cancelled);
        }
        match outcome {
            Ok(value) => assert_eq!((value, answered), (42, Some(true))),
            Err(error) => {
                let reason = match cancelled {
                    true => CancelReason::Cancelled,
                    false => CancelReason::Abandoned,
                };
                assert_eq!(error.cancel_reason(), Some(reason));
            }
        }
    });
}

/// Bug: an answer is taken although the promise was cancelled. Bug: an answer that comes too late
/// does not give up its reference to the cell.
#[test]
fn of_answer_and_cancel_one_comes_first() {
    answer_against_cancel(Consent::IfQueued, |promise| {
        Some(promise.give(Ok(42)).is_ok())
    });
}

/// Bug: a cancel with consent does not look whether the promise was answered.
#[test]
fn a_running_promise_is_cancelled_only_with_consent() {
    answer_against_cancel(Consent::Granted, |promise| {
        let running = promise.set_running();
        let taken = promise.give(Ok(42)).is_ok();
        assert!(running || !taken);
        Some(taken)
    });
}

/// Bug: the drop of a promise stores nothing.
#[test]
fn a_promise_that_is_dropped_resolves_its_handle() {
    answer_against_cancel(Consent::IfQueued, |promise| {
        drop(promise);
        None
    });
}

/// Bug: an answer that finds the handle gone keeps the outcome.
#[test]
fn an_answer_that_nobody_wants_is_dropped() {
    model(|| {
        let value = Arc::new(());
        let (promise, handle) = pair::<_, Outcome<Arc<()>>>(Cancels {
            consent: Consent::Refused,
            count: Arc::default(),
        });
        let given = Arc::clone(&value);
        let answerer = thread::spawn(move || promise.give(Ok(given)).is_ok());
        drop(handle);
        assert!(answerer.join().unwrap());
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
