//! The words in which a task and the pool that runs it speak to each other: what a task tells, what it
//! holds, what it is called, and what became of it.

use std::marker::PhantomData;

use crate::unwind::Payload;

/// What a task can tell the one who runs it.
pub(crate) trait Context {
    /// The closure that is called `name` is about to be called.
    fn begins(&self, name: &'static Name);

    /// The closure that has begun has a handle, which can be joined: what tells its cell from others
    /// until it [returns](Self::returned).
    fn can_be_joined(&self, cell: *const ());

    /// The closure that could be joined has returned, and its outcome is about to be told.
    fn returned(&self);

    /// A task panicked that has no handle, or none any more.
    fn panicked(&self, payload: Payload);

    /// The future that was registered under `key` is about to tell its outcome.
    fn future_ended(&self, key: usize);
}

/// What became of a task that was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// It has ended.
    Ended,
    /// There was nothing left of it: it had been cancelled elsewhere.
    Tombstone,
    /// It is a future that has been polled, has not ended, and waits to be woken.
    GoesOn,
    /// It is a future that is to be polled again, after others: it is where it was.
    Yields,
}

/// What can be seen of a task that has something left to run.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) name: &'static Name,
    /// It is a future: if it is cancelled, a thread of the pool has to run it.
    pub(crate) is_future: bool,
    /// It has not begun.
    pub(crate) waits: bool,
}

impl Look {
    pub(super) fn of_closure(name: &'static Name) -> Self {
        Self {
            name,
            is_future: false,
            waits: true,
        }
    }
}

/// What a closure is called: by its type, for want of anything better.
///
/// A function, since only then it can be a constant; it is called when somebody wants to know.
pub(crate) struct Name(fn() -> &'static str);

impl Name {
    /// Returns the name of the type `N`.
    pub(super) const fn of<N>() -> Self {
        Self(std::any::type_name::<N>)
    }

    pub(crate) fn get(&self) -> &'static str {
        (self.0)()
    }
}

/// What a task holds while it waits, such as a permit.
pub(crate) trait Token: Send + 'static {
    /// What of it is kept until the closure has returned.
    type Kept;

    /// The task begins.
    fn begin(self) -> Self::Kept;
}

/// Nothing is held.
impl Token for () {
    type Kept = ();

    fn begin(self) {}
}

/// A closure as a cell keeps it.
pub(crate) trait Closure<T>: Send + 'static {
    /// By the type that the user's closure has.
    const NAME: &'static Name;

    fn call(self) -> T;
}

/// A closure with what it holds while it waits, and the type `N` that it had before it was boxed.
pub(super) struct Job<N, P, F> {
    token: P,
    closure: F,
    named: PhantomData<fn() -> N>,
}

impl<N, P, F> Job<N, P, F> {
    #[inline]
    pub(super) fn new(token: P, closure: F) -> Self {
        Self {
            token,
            closure,
            named: PhantomData,
        }
    }
}

impl<N, P, F, T> Closure<T> for Job<N, P, F>
where
    N: 'static,
    P: Token,
    F: FnOnce() -> T + Send + 'static,
{
    const NAME: &'static Name = &Name::of::<N>();

    #[inline]
    fn call(self) -> T {
        let _kept = self.token.begin();
        (self.closure)()
    }
}

/// The context of a model's task.
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

/// A closure as a model's cell keeps it.
#[cfg(all(test, workmill_loom))]
pub(crate) fn job<P, F, T>(token: P, closure: F) -> impl Closure<T>
where
    P: Token,
    F: FnOnce() -> T + Send + 'static,
{
    Job::<F, _, _>::new(token, closure)
}
