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
    /// A closure without a handle panicked.
    fn panicked(&self, payload: Payload);
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

/// What to do with the work, which is consumed either way.
enum Op<'a, Cx> {
    Run(&'a Cx),
    Cancel(CancelReason),
}

// SAFETY: what the words hold is `Work`, which is `Send`.
unsafe impl<Cx> Send for Task<Cx> {}

/// What can lie in the words of a task.
trait Work<Cx>: Send + Sized + 'static {
    /// Never unwinds.
    fn run(self, cx: &Cx);
    /// Never unwinds. `false` if there was nothing left to cancel.
    fn cancel(self, reason: CancelReason) -> bool;
}

impl<Cx: Context> Task<Cx> {
    /// Makes a task of a closure whose end nobody waits for.
    #[inline]
    pub(crate) fn detached<F: FnOnce() + Send + 'static>(closure: F) -> Self {
        if fits::<Detached<F>>() {
            Self::new(Detached(closure))
        } else {
            let boxed: Box<dyn FnOnce() + Send> = Box::new(closure);
            Self::new(Detached(boxed))
        }
    }

    /// Makes a task of a closure, and the handle's end of the cell for its outcome.
    pub(crate) fn with_handle<F, T>(closure: F) -> (Self, HandleEnd<T>)
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, handle) = if size_of::<F>() <= LARGE {
            cell::pair(closure)
        } else {
            let boxed: Box<dyn FnOnce() -> T + Send> = Box::new(closure);
            cell::pair(boxed)
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
    /// A shell, whose work was claimed or cancelled elsewhere, does nothing. In place,
    /// because a copy of four words that were just written one by one stalls the processor.
    #[inline]
    pub(crate) fn run(place: &mut Option<Self>, cx: &Cx) {
        if let Some(task) = place {
            // SAFETY: `new` paired the function with the words, and they are not used again: the
            // function never unwinds, and the place is overwritten next.
            unsafe { (task.call)(NonNull::from(&mut task.words), Op::Run(cx)) };
            // SAFETY: the place is borrowed mutably; what was in it is consumed, so not dropped.
            unsafe { std::ptr::write(place, None) };
        }
    }
}

impl<Cx> Task<Cx> {
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
/// The words hold a `W`, which is not used again.
unsafe fn call<W: Work<Cx>, Cx>(words: NonNull<Words>, op: Op<'_, Cx>) -> bool {
    // SAFETY: by our duty there is a `W`, and it is moved out once.
    let work = unsafe { words.cast::<W>().read() };
    match op {
        Op::Run(cx) => {
            work.run(cx);
            true
        }
        Op::Cancel(reason) => work.cancel(reason),
    }
}

const fn fits<W>() -> bool {
    size_of::<W>() <= size_of::<Words>() && align_of::<W>() <= align_of::<Words>()
}

/// A closure without a handle.
struct Detached<F>(F);

impl<F: FnOnce() + Send + 'static, Cx: Context> Work<Cx> for Detached<F> {
    #[inline]
    fn run(self, cx: &Cx) {
        if let Err(payload) = unwind::catch(self.0) {
            cx.panicked(payload);
        }
    }

    fn cancel(self, _: CancelReason) -> bool {
        unwind::discard(self.0);
        true
    }
}

impl<Cx: Context> Work<Cx> for TaskEnd {
    #[inline]
    fn run(self, _: &Cx) {
        Self::run(self);
    }

    fn cancel(self, reason: CancelReason) -> bool {
        Self::cancel(self, reason)
    }
}
