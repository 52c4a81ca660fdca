//! One piece of work, of whatever type: run or cancelled, exactly once.
//!
//! A [`Task`] is four words that go through the queues by value. Small closures lie in it;
//! larger ones are boxed and called through the box, so that a large closure is never
//! copied to a worker's stack. A task with a result is one word that points at its
//! [`cell`].
//!
//! The task is generic in the context that it runs in, so this room knows no pool.
//! In place of a table of functions it has one that takes an [`Op`]: one load less
//! on the way to the closure.

#![expect(
    unsafe_code,
    reason = "closures of all types are kept in the same words"
)]

pub(crate) mod cell;
#[cfg(all(test, workmill_loom))]
mod model;
mod state;

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::error::CancelReason;
use crate::unwind::{self, Payload};
use cell::{HandleEnd, TaskEnd};

/// What a task can tell the one who runs it.
pub(crate) trait Context {
    /// The closure that is called `name` is about to be called.
    fn begins(&self, name: &'static Name);

    /// The closure that has begun has a handle, which can be joined: what tells its cell from others
    /// until it [returns](Self::returned).
    fn can_be_joined(&self, cell: *const ());

    /// The closure that could be joined has returned, and its outcome is about to be told.
    fn returned(&self);

    /// A closure without a handle panicked.
    fn panicked(&self, payload: Payload);
}

/// What a closure is called: by its type, for want of anything better.
///
/// A function, since only then it can be a constant; it is called when somebody wants to know.
pub(crate) struct Name(fn() -> &'static str);

impl Name {
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
struct Job<N, P, F> {
    token: P,
    closure: F,
    named: PhantomData<fn() -> N>,
}

impl<N, P, F> Job<N, P, F> {
    #[inline]
    fn new(token: P, closure: F) -> Self {
        Self {
            token,
            closure,
            named: PhantomData,
        }
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

impl<N, P, F, T> Closure<T> for Job<N, P, F>
where
    N: 'static,
    P: Token,
    F: FnOnce() -> T + Send + 'static,
{
    const NAME: &'static Name = &Name(std::any::type_name::<N>);

    #[inline]
    fn call(self) -> T {
        let _kept = self.token.begin();
        (self.closure)()
    }
}

/// The words that hold a closure, or the way to it.
type Words = [MaybeUninit<usize>; 3];

/// Closures with results that are larger than this, in bytes, are boxed beside their cell, so
/// that taking them out to run them moves a pointer.
const LARGE: usize = 1024;

/// A piece of work that runs in a context `Cx`.
///
/// Dropped unrun it is cancelled.
pub(crate) struct Task<Cx> {
    /// Duties: the words hold what the function was made for, and are not used again.
    call: unsafe fn(NonNull<Words>, Op<'_, Cx>) -> bool,
    words: Words,
    /// What the words hold need not be `Sync`.
    not_sync: PhantomData<*mut ()>,
}

/// What to do with the work.
enum Op<'a, Cx> {
    /// Run it, which consumes it; the answer is `false` if it was a shell.
    Run(&'a Cx),
    /// Cancel it, which consumes it; the answer is `false` if it was a shell.
    Cancel(CancelReason),
    /// Look at it, and say what it is called; the answer is `false` if it is a shell.
    Look(&'a mut Option<&'static Name>),
}

// SAFETY: what the words hold is `Work`, which is `Send`.
unsafe impl<Cx> Send for Task<Cx> {}

/// What can lie in the words of a task.
trait Work<Cx>: Send + Sized + 'static {
    /// Never unwinds. `false` if someone had cancelled it before.
    fn run(self, cx: &Cx) -> bool;
    /// Never unwinds. `false` if there was nothing left to cancel.
    fn cancel(self, reason: CancelReason) -> bool;
    /// What it is called; nothing if there is nothing left to run.
    fn name(&self) -> Option<&'static Name>;
}

impl<Cx: Context> Task<Cx> {
    /// Makes a task of a closure whose end nobody waits for, and which holds `token` until then.
    #[inline]
    pub(crate) fn detached<P, F>(token: P, closure: F) -> Self
    where
        P: Token,
        F: FnOnce() + Send + 'static,
    {
        if fits::<Detached<Job<F, P, F>>>() {
            Self::new(Detached(Job::<F, _, _>::new(token, closure)))
        } else {
            let boxed: Box<dyn FnOnce() + Send> = Box::new(closure);
            Self::new(Detached(Job::<F, _, _>::new(token, boxed)))
        }
    }

    /// Makes a task of a closure, which holds `token` until it begins, and the handle's end of the
    /// cell for its outcome.
    pub(crate) fn with_handle<P, F, T>(token: P, closure: F) -> (Self, HandleEnd<T>)
    where
        P: Token,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, handle) = if size_of::<F>() <= LARGE {
            cell::pair(Job::<F, _, _>::new(token, closure))
        } else {
            let boxed: Box<dyn FnOnce() -> T + Send> = Box::new(closure);
            cell::pair(Job::<F, _, _>::new(token, boxed))
        };
        (Self::new(task), handle)
    }

    #[inline]
    fn new<W: Work<Cx>>(work: W) -> Self {
        assert!(fits::<W>(), "the caller boxes what does not fit");
        let mut words = [MaybeUninit::uninit(); 3];
        // SAFETY: the words are large enough and aligned for `W`, as was just asserted.
        unsafe { words.as_mut_ptr().cast::<W>().write(work) };
        Self {
            call: call::<W, Cx>,
            words,
            not_sync: PhantomData,
        }
    }

    /// Runs the work in the place where it lies, and leaves the place empty.
    ///
    /// A shell, whose work was claimed or cancelled elsewhere, does nothing; `false` if it was
    /// cancelled. In place, because a copy of four words that were just written one by one stalls
    /// the processor.
    #[inline]
    pub(crate) fn run(place: &mut Option<Self>, cx: &Cx) -> bool {
        let Some(task) = place else {
            return true;
        };
        // SAFETY: `new` paired the function with the words, and they are not used again: the
        // function never unwinds, and the place is overwritten next.
        let live = unsafe { (task.call)(NonNull::from(&mut task.words), Op::Run(cx)) };
        // SAFETY: the place is borrowed mutably; what was in it is consumed, so not dropped.
        unsafe { std::ptr::write(place, None) };
        live
    }
}

impl<Cx> Task<Cx> {
    /// What the work is called, unless it was claimed or cancelled elsewhere.
    pub(crate) fn name(&self) -> Option<&'static Name> {
        let (words, mut name) = (NonNull::from(&self.words), None);
        // SAFETY: `new` paired the function with the words, which a look leaves as they are.
        unsafe { (self.call)(words, Op::Look(&mut name)) };
        name
    }

    /// Tells whether the work was claimed or cancelled elsewhere, so that dropping the task only
    /// frees memory.
    pub(crate) fn is_shell(&self) -> bool {
        self.name().is_none()
    }

    /// Cancels the work; `false` if it was a shell.
    pub(crate) fn cancel(self, reason: CancelReason) -> bool {
        let mut task = ManuallyDrop::new(self);
        let call = task.call;
        // SAFETY: `new` paired the function with the words, and nobody uses them after this.
        unsafe { call(NonNull::from(&mut task.words), Op::Cancel(reason)) }
    }
}

impl<Cx> Drop for Task<Cx> {
    fn drop(&mut self) {
        let op = Op::Cancel(CancelReason::Shutdown);
        // SAFETY: `new` paired the function with the words; `run` and `cancel` do not come here.
        unsafe { (self.call)(NonNull::from(&mut self.words), op) };
    }
}

/// # Safety
/// The words hold a `W`, which is not used again after any [`Op`] but a look.
unsafe fn call<W: Work<Cx>, Cx>(words: NonNull<Words>, op: Op<'_, Cx>) -> bool {
    // SAFETY: by our duty there is a `W`. It is used once, or left where it is by a look, after
    // which the copy is forgotten.
    let work = ManuallyDrop::new(unsafe { words.cast::<W>().read() });
    match op {
        Op::Run(cx) => ManuallyDrop::into_inner(work).run(cx),
        Op::Cancel(reason) => ManuallyDrop::into_inner(work).cancel(reason),
        Op::Look(name) => {
            *name = work.name();
            name.is_some()
        }
    }
}

const fn fits<W>() -> bool {
    size_of::<W>() <= size_of::<Words>() && align_of::<W>() <= align_of::<Words>()
}

/// A closure without a handle.
struct Detached<J>(J);

impl<J: Closure<()>, Cx: Context> Work<Cx> for Detached<J> {
    #[inline]
    fn run(self, cx: &Cx) -> bool {
        cx.begins(J::NAME);
        if let Err(payload) = unwind::catch(|| self.0.call()) {
            cx.panicked(payload);
        }
        true
    }

    fn cancel(self, _: CancelReason) -> bool {
        unwind::discard(self.0);
        true
    }

    fn name(&self) -> Option<&'static Name> {
        Some(J::NAME)
    }
}

impl<Cx: Context> Work<Cx> for TaskEnd {
    #[inline]
    fn run(self, cx: &Cx) -> bool {
        Self::run(self, cx)
    }

    fn cancel(self, reason: CancelReason) -> bool {
        Self::cancel(self, reason)
    }

    fn name(&self) -> Option<&'static Name> {
        self.is_queued().then(|| self.name())
    }
}
