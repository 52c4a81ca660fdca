//! The vocabulary of a task and the pool that runs it: what the task reports, what it holds, its
//! name, and the result of running it.

use std::marker::PhantomData;

use crate::name::Name;
use crate::unwind::Payload;

/// The events that a task reports to the thread that runs it.
pub(crate) trait Context {
    /// The closure with this name is about to be called.
    fn begins(&self, name: &'static Name);

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
    /// There was nothing left to run: the work was run or cancelled elsewhere.
    Tombstone,
    /// The task is a future that was polled, has not ended, and waits to be woken.
    GoesOn,
    /// The task is a future that is to be polled again, after others. It was not moved.
    Yields,
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

    /// The task begins.
    fn begin(self) -> Self::Kept;
}

/// Holds nothing.
impl Token for () {
    type Kept = ();

    fn begin(self) {}
}

/// A closure in the form in which a cell keeps it.
pub(crate) trait Closure<T>: Send {
    /// The name of the user's closure.
    const NAME: &'static Name;

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
