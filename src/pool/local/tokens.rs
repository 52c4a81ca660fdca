//! The tokens of tasks with extras, and how a future of a group is polled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use super::current::{Runs, current, forget_ending, note_ending};
use super::extras::Extras;
use crate::task::Token;

/// The token of a closure.
pub(crate) struct ClosureToken(Option<Arc<Extras>>);

/// Kept while a closure runs. With its drop the task holds nothing any more.
pub(crate) struct RunsClosure {
    extras: Arc<Extras>,
    runs: Option<Runs>,
}

impl ClosureToken {
    pub(crate) fn new(extras: Arc<Extras>) -> Self {
        Self(Some(extras))
    }
}

impl Token for ClosureToken {
    type Kept = RunsClosure;
    type Extra = Arc<Extras>;

    fn extra(&self) -> Arc<Extras> {
        self.0
            .clone()
            .expect("a token has its extras until it begins")
    }

    fn begin(mut self) -> RunsClosure {
        let extras = self.0.take().expect("a token begins once");
        extras.begin();
        let runs = Some(Runs::begin(Arc::clone(&extras)));
        RunsClosure { extras, runs }
    }
}

impl Drop for ClosureToken {
    fn drop(&mut self) {
        self.0.iter().for_each(|extras| extras.release());
    }
}

impl Drop for RunsClosure {
    fn drop(&mut self) {
        drop(self.runs.take());
        self.extras.release();
    }
}

/// The token of a bare task.
pub(super) struct BareToken;

/// Kept while the closure of a bare task runs. If that panics, its drop gives the permits back, so
/// that nobody waits for them while the panic is told.
pub(crate) struct RunsBareClosure(());

impl Token for BareToken {
    type Kept = RunsBareClosure;
    type Extra = ();

    fn extra(&self) {}

    fn begin(self) -> RunsBareClosure {
        RunsBareClosure(())
    }
}

impl Drop for RunsBareClosure {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() {
            release_here();
        }
    }
}

/// The task that runs on this thread holds nothing any more.
#[cold]
fn release_here() {
    current().iter().for_each(|extras| extras.release());
}

/// The token of a future. If it is dropped before the first poll, the task holds nothing any more.
pub(crate) struct FutureToken(Option<Arc<Extras>>);

/// Kept during the first poll of a future. Its drop gives back the room that the task takes up,
/// unless that is in a group: a task with permits keeps all until [its end](in_group).
pub(crate) struct FirstPoll(Arc<Extras>);

impl FutureToken {
    pub(crate) fn new(extras: Arc<Extras>) -> Self {
        Self(Some(extras))
    }
}

impl Token for FutureToken {
    type Kept = FirstPoll;
    type Extra = Arc<Extras>;

    fn extra(&self) -> Arc<Extras> {
        self.0
            .clone()
            .expect("a token has its extras until it begins")
    }

    fn begin(mut self) -> FirstPoll {
        let extras = self.0.take().expect("a token begins once");
        extras.begin();
        FirstPoll(extras)
    }
}

impl Drop for FutureToken {
    fn drop(&mut self) {
        self.0.iter().for_each(|extras| extras.release());
    }
}

impl Drop for FirstPoll {
    fn drop(&mut self) {
        if self.0.ticket.get().is_none() {
            self.0.release_bounds();
        }
    }
}

/// A future of a group, which gives its permits back when it is dropped. The fields are dropped in
/// this order.
struct Grouped<F> {
    drops: Drops,
    future: F,
    holds: Holds,
}

/// Dropped before the future: the drop of that holds the group up.
struct Drops(Arc<Extras>);

impl Drop for Drops {
    fn drop(&mut self) {
        note_ending(&self.0);
    }
}

/// Dropped after the future.
struct Holds(Arc<Extras>);

impl Drop for Holds {
    fn drop(&mut self) {
        forget_ending(&self.0);
        self.0.release();
    }
}

/// Returns the future of a task in a group: it is polled only while the task has its permits, and
/// lends them before it waits for another task of the group.
pub(crate) fn in_group<F: Future>(
    extras: Arc<Extras>,
    future: F,
) -> impl Future<Output = F::Output> {
    let grouped = Grouped {
        drops: Drops(Arc::clone(&extras)),
        future,
        holds: Holds(extras),
    };
    async move {
        // Moved as a whole, so that it is dropped in order if it is never polled.
        let whole = grouped;
        let Grouped {
            drops,
            future,
            holds,
        } = whole;
        let mut future = pin!(future);
        // Behind the future, so that it is dropped before.
        let _drops = drops;
        let extras = &holds.0;
        poll_fn(|cx| {
            let ticket = extras.ticket.get();
            if !ticket.is_none_or(|ticket| ticket.has_permits(cx.waker())) {
                return Poll::Pending;
            }
            let runs = Runs::begin(Arc::clone(extras));
            let answer = future.as_mut().poll(cx);
            drop(runs);
            if answer.is_pending() {
                extras.lend_to_wanted();
            }
            answer
        })
        .await
    }
}
