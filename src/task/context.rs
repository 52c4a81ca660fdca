//! The vocabulary of a task and the pool that runs it: what the task reports, what it holds, its
//! name, and the result of running it.

use std::any::Any;
use std::marker::PhantomData;

use crate::error::CancelReason;
use crate::name::Name;
use crate::unwind::Payload;

/// The events that a task reports to the thread that runs it.
pub(crate) trait Context {
    /// The closure with this name is about to be called.
    fn begins(&self, name: &'static Name);

    /// The future with this name is about to be polled, or to be dropped since it was cancelled.
    fn polls(&self, name: &'static Name);

    /// The future that is about to be polled has not been polled before.
    fn future_begins(&self);

    /// A task was met that has ended elsewhere, without having been cancelled.
    fn met_spent(&self);

    /// A task was met that was cancelled, here or elsewhere. `had_begun` says whether it is a
    /// future that had been polled.
    fn met_cancelled(&self, reason: CancelReason, had_begun: bool);

    /// The task that was run has panicked, whether or not a handle returns that.
    fn failed(&self);

    /// The closure that has begun has a handle, which can be joined. `cell` identifies its cell
    /// until the closure has [returned](Self::returned).
    fn can_be_joined(&self, cell: *const ());

    /// The closure that could be joined has returned, and its outcome is about to be published.
    fn returned(&self);

    /// A task whose handle does not exist, or was dropped, has panicked.
    fn panicked(&self, payload: Payload);

    /// The future that was registered under `key` is about to publish its outcome.
    fn future_ended(&self, key: usize);
}

/// The result of running a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// The task has ended.
    Ended,
    /// The task is a closure without a handle, which has panicked. It has ended.
    Failed,
    /// There was nothing left to run: the work was run or cancelled elsewhere.
    Tombstone,
    /// The task is a future that was polled, has not ended, and waits to be woken.
    GoesOn,
    /// The task is a future that is to be polled again, after others. It was not moved.
    Yields,
}

/// The way in which a task has gone that lies in a queue and has nothing left to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It was begun by a thread that waited for it.
    Begun,
    /// It was cancelled.
    Cancelled(CancelReason),
    /// It was begun to be dropped at once, by a thread that has counted it.
    Dropped,
    /// It was no task of the user's.
    Aside,
}

/// The way in which a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Returned,
    Panicked,
    /// `begun` says whether it is a future that had been polled.
    Cancelled {
        reason: CancelReason,
        begun: bool,
    },
}

impl End {
    /// The end of a task that was cancelled before it began.
    pub(crate) fn unbegun(reason: CancelReason) -> Self {
        let begun = false;
        Self::Cancelled { reason, begun }
    }
}

/// A view of a task that has something left to run.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) name: &'static Name,
    /// The task is a future: if it is cancelled, a worker has to run it.
    pub(crate) is_future: bool,
    /// The task has not begun.
    pub(crate) waits: bool,
}

impl Look {
    pub(crate) fn of_closure(name: &'static Name) -> Self {
        Self {
            name,
            is_future: false,
            waits: true,
        }
    }
}

/// The answer to the question whether the work of a promise can still be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// It has not begun, as far as this side knows: cancel it if it was not set running.
    IfQueued,
    /// It will never begin, or was stopped.
    Granted,
    /// It was stopped, and the end of that is about to resolve the handle.
    GrantedElsewhere,
    /// It goes on. It may still be stopped later.
    Refused,
}

/// Something that a task holds while it waits, such as a permit.
pub(crate) trait Token: Send + 'static {
    /// The part of the token that is kept until the closure has returned.
    type Kept;

    /// The part that every reference to the task can read, for as long as the task is in memory.
    type Extra: Extra + Clone;

    /// Returns that part. Called once, when the task is made.
    fn extra(&self) -> Self::Extra;

    /// The task begins.
    fn begin(self) -> Self::Kept;
}

/// Holds nothing.
impl Token for () {
    type Kept = ();
    type Extra = ();

    fn extra(&self) {}

    fn begin(self) {}
}

/// Something that a task has beside its closure or future. `()` is nothing, and costs nothing.
pub(crate) trait Extra: Send + Sync + 'static {
    /// Returns the name of the task, if that is not the name of its type.
    fn name(&self) -> Option<&'static Name>;

    /// Returns the reason for which the task must not begin any more, if there is one.
    fn forbids(&self) -> Option<CancelReason>;

    /// The task has panicked, and is about to end.
    fn failed(&self);

    /// The task has ended, and its outcome is published. Called once, by the thread that has ended
    /// the task, with [`End::Returned`] if it was not cancelled.
    fn ended(&self, end: End);

    /// Returns this itself, for the modules above that know its type.
    fn as_any(&self) -> Option<&(dyn Any + Send + Sync)>;
}

impl Extra for () {
    fn name(&self) -> Option<&'static Name> {
        None
    }

    fn forbids(&self) -> Option<CancelReason> {
        None
    }

    fn failed(&self) {}

    fn ended(&self, _: End) {}

    fn as_any(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
}

/// A closure in the form in which a cell keeps it.
pub(crate) trait Closure<T>: Send {
    /// The name of the user's closure.
    const NAME: &'static Name;

    /// Something that the task has beside the closure.
    type Extra: Extra;

    /// Returns that. Called once, when the cell is made.
    fn extra(&self) -> Self::Extra;

    fn call(self) -> T;
}

/// A closure, what it holds while it waits, and the type `N` that it had before it was boxed.
pub(crate) struct Job<N, P, F> {
    token: P,
    closure: F,
    named: PhantomData<fn() -> N>,
}

impl<N, P, F> Job<N, P, F> {
    #[inline]
    pub(crate) fn new(token: P, closure: F) -> Self {
        Self {
            token,
            closure,
            named: PhantomData,
        }
    }
}

impl<N, P, F, T> Closure<T> for Job<N, P, F>
where
    P: Token,
    F: FnOnce() -> T + Send,
{
    const NAME: &'static Name = &Name::of::<N>();

    type Extra = P::Extra;

    #[inline]
    fn extra(&self) -> P::Extra {
        self.token.extra()
    }

    #[inline]
    fn call(self) -> T {
        let _kept = self.token.begin();
        (self.closure)()
    }
}

/// The context of a task in a model.
#[cfg(all(test, workmill_loom))]
pub(crate) struct Nowhere;

#[cfg(all(test, workmill_loom))]
impl Context for Nowhere {
    fn begins(&self, _: &'static Name) {}

    fn polls(&self, _: &'static Name) {}

    fn future_begins(&self) {}

    fn met_spent(&self) {}

    fn met_cancelled(&self, _: CancelReason, _: bool) {}

    fn failed(&self) {}

    fn can_be_joined(&self, _: *const ()) {}

    fn returned(&self) {}

    fn panicked(&self, _: Payload) {}

    fn future_ended(&self, _: usize) {}
}

/// Returns `closure` in the form in which a cell keeps it, for models.
#[cfg(all(test, workmill_loom))]
pub(crate) fn job<P, F, T>(token: P, closure: F) -> impl Closure<T>
where
    P: Token,
    F: FnOnce() -> T + Send + 'static,
{
    Job::<F, _, _>::new(token, closure)
}
