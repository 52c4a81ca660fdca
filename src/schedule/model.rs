//! Models of a series: a run against a cancel of the handle.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use loom::thread;

use super::Every;
use super::series::Series;
use crate::error::{CancelReason, JoinError};
use crate::pool::PoolLink;
use crate::task::cell::{Cancelled, HandleRef};
use crate::wait::{Cause, Deadline, block_until};

/// Counts of what has happened to the closure. They are relaxed, since the models order them by
/// other means.
#[derive(Default, Clone)]
struct Seen {
    begun: Arc<AtomicUsize>,
    over: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
}

struct Counted(Seen);

impl Drop for Counted {
    fn drop(&mut self) {
        // Other threads may look while the closure is not gone yet.
        thread::yield_now();
        self.0.drops.fetch_add(1, Relaxed);
    }
}

impl Seen {
    /// Creates a series without a timer, as the model has no clock: there is no run after the
    /// first.
    fn series(
        &self,
        every: Every,
        panics: bool,
    ) -> (Arc<Series<impl FnMut() + Send + 'static>>, HandleRef<()>) {
        let (seen, held) = (self.clone(), Counted(self.clone()));
        Series::new(PoolLink::new(), None, every, move || {
            let _held = &held;
            seen.begun.fetch_add(1, Relaxed);
            thread::yield_now();
            seen.over.fetch_add(1, Relaxed);
            if panics {
                std::panic::resume_unwind(Box::new("in the run"));
            }
        })
    }

    /// Asserts, after the handle has resolved, that nothing runs any more and nothing is left.
    fn assert_over(&self) {
        assert_eq!(
            self.begun.load(Relaxed),
            self.over.load(Relaxed),
            "runs that are over"
        );
        assert_eq!(self.drops.load(Relaxed), 1, "drops of the captures");
    }
}

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

fn join(mut handle: HandleRef<()>) -> Result<(), JoinError> {
    block_until(Cause::Arrival, Deadline::NEVER, |waker| {
        handle.poll(waker).then_some(())
    });
    let outcome = handle.try_take();
    outcome.unwrap_or_else(|_| panic!("the series has ended"))
}

/// Bug: a cancel resolves the handle whether a run is under way or not.
#[test]
fn a_series_that_is_cancelled_in_a_run_ends_after_it() {
    model(|| {
        let seen = Seen::default();
        let (series, handle) = seen.series(Every::delay(Duration::MAX), false);
        let runs = thread::spawn(move || series.run());
        assert_eq!(handle.cancel(CancelReason::Cancelled), Cancelled::Soon);
        assert!(join(handle).unwrap_err().is_cancelled());
        seen.assert_over();
        runs.join().unwrap();
        assert_eq!(seen.drops.load(Relaxed), 1);
    });
}

/// Bug: the last run wakes nobody.
#[test]
fn a_series_that_ends_by_a_panic_wakes_its_waiter() {
    model(|| {
        let seen = Seen::default();
        let every = Every::delay(Duration::MAX).end_on_panic();
        let (series, handle) = seen.series(every, true);
        let runs = thread::spawn(move || series.run());
        assert!(join(handle).unwrap_err().is_panic());
        seen.assert_over();
        runs.join().unwrap();
    });
}

/// Bug: the run counts as over before the closure is gone.
#[test]
fn a_series_that_panics_as_it_is_cancelled_resolves_to_one_of_the_two() {
    model(|| {
        let seen = Seen::default();
        let every = Every::delay(Duration::MAX).end_on_panic();
        let (series, handle) = seen.series(every, true);
        let runs = thread::spawn(move || series.run());
        let extra = handle.task_ref();
        let cancels = thread::spawn(move || extra.cancel(CancelReason::Cancelled));
        let error = join(handle).unwrap_err();
        seen.assert_over();
        let said = cancels.join().unwrap();
        assert_eq!(said == Cancelled::Soon, error.is_cancelled());
        runs.join().unwrap();
    });
}
