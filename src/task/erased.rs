//! A task of whatever type, in a few words: [`Task`].
//!
//! In place of a table of functions a task has one that takes an [`Op`]: one load less on the way to the
//! closure.

#![expect(
    unsafe_code,
    reason = "closures of all types are kept in the same words"
)]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::error::CancelReason;
use crate::task::cell::{self, HandleRef, Runnable};
use crate::task::context::{Closure, Context, Job, Look, Ran, Token};
use crate::unwind;

/// The words that hold a closure, or the way to it.
type Words = [MaybeUninit<usize>; 3];

/// One word, which holds the way to a cell.
pub(crate) type Word = MaybeUninit<usize>;

/// Closures with results that are larger than this, in bytes, are boxed beside their cell, so
/// that taking them out to run them moves a pointer.
const LARGE: usize = 1024;

/// A piece of work that runs in a context `Cx`; in three words, or in one if it [fits](Self::narrow).
///
/// Dropped unrun it is cancelled.
pub(crate) struct Task<Cx, W = Words> {
    /// Duties: the words begin with what the function was made for, and are not used again.
    call: unsafe fn(NonNull<()>, Op<'_, Cx>) -> Ran,
    words: W,
    /// What the words hold need not be `Sync`.
    not_sync: PhantomData<*mut ()>,
}

/// What to do with the work. Each has a reference, so that two registers hold any.
enum Op<'a, Cx> {
    /// Run it, which consumes it unless it yields.
    Run(&'a Cx),
    /// Cancel it here, which consumes it.
    Cancel(&'a CancelReason),
    /// Cancel it if it is a future, which leaves it where it is; a tombstone if nothing has come of that.
    RequestCancel(&'a CancelReason),
    /// Look at it, which leaves it where it is.
    Look(&'a mut Option<Look>),
    /// Move it to one word if it fits, which consumes it; a tombstone if not.
    Narrow(&'a mut Word),
}

// SAFETY: what the words hold is `Work`, which is `Send`.
unsafe impl<Cx, W> Send for Task<Cx, W> {}

/// What can lie in the words of a task.
pub(super) trait Work<Cx>: Send + Sized + 'static {
    /// Never unwinds. If the answer is [`Ran::Yields`] whoever kept a copy of it has it still.
    fn run(self, cx: &Cx) -> Ran;
    /// Never unwinds. `false` if there was nothing left to cancel.
    fn cancel(self, reason: CancelReason) -> bool;
    /// Cancels a future that is to be run once more then; `false` if it was cancelled before, or is none.
    fn request_cancel(&self, _: CancelReason) -> bool {
        false
    }
    /// What can be seen of it; nothing if there is nothing left to run.
    fn look(&self) -> Option<Look>;
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
    pub(crate) fn with_handle<P, F, T>(token: P, closure: F) -> (Self, HandleRef<T>)
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
    pub(super) fn new<W: Work<Cx>>(work: W) -> Self {
        assert!(fits::<W>(), "the caller boxes what does not fit");
        let mut words: Words = [MaybeUninit::uninit(); 3];
        // SAFETY: the words are large enough and aligned for `W`, as was just asserted.
        unsafe { words.as_mut_ptr().cast::<W>().write(work) };
        Self {
            call: call::<W, Cx>,
            words,
            not_sync: PhantomData,
        }
    }

    /// Runs the work in the place where it lies, and leaves the place empty, unless the work is a future
    /// that [yields](Ran::Yields).
    ///
    /// A tombstone, whose work was claimed or cancelled elsewhere, does nothing. In place, because a copy
    /// of four words that were just written one by one stalls the processor.
    #[inline]
    pub(crate) fn run(place: &mut Option<Self>, cx: &Cx) -> Ran {
        let Some(task) = place else {
            return Ran::Ended;
        };
        // SAFETY: `new` paired the function with the words, and if it consumes them they are not used
        // again: it never unwinds, and the place is overwritten next.
        let ran = unsafe { (task.call)(NonNull::from(&mut task.words).cast(), Op::Run(cx)) };
        if ran != Ran::Yields {
            // SAFETY: the place is borrowed mutably; what was in it is consumed, so not dropped.
            unsafe { std::ptr::write(place, None) };
        }
        ran
    }

    /// What can be seen of the work, unless it was claimed or cancelled elsewhere.
    pub(crate) fn look(&self) -> Option<Look> {
        let (words, mut look) = (NonNull::from(&self.words).cast(), None);
        // SAFETY: `new` paired the function with the words, which a look leaves as they are.
        unsafe { (self.call)(words, Op::Look(&mut look)) };
        look
    }

    /// Cancels a future, which is to be run once more; `false` if it was cancelled before.
    pub(crate) fn request_cancel(&self, reason: CancelReason) -> bool {
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words, which this leaves as they are.
        unsafe { (self.call)(words, Op::RequestCancel(&reason)) == Ran::Ended }
    }

    /// Tells whether the work was claimed or cancelled elsewhere, so that dropping the task only
    /// frees memory.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.look().is_none()
    }

    /// Cancels the work; `false` if it was a tombstone.
    pub(crate) fn cancel(self, reason: CancelReason) -> bool {
        let mut task = ManuallyDrop::new(self);
        let call = task.call;
        // SAFETY: `new` paired the function with the words, and nobody uses them after this.
        unsafe { call(NonNull::from(&mut task.words).cast(), Op::Cancel(&reason)) == Ran::Ended }
    }

    /// The same in one word, if it fits, as futures do.
    pub(crate) fn narrow(self) -> Result<Task<Cx, Word>, Self> {
        let mut word = MaybeUninit::uninit();
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words, and if it consumes them the task is forgotten.
        if unsafe { (self.call)(words, Op::Narrow(&mut word)) } == Ran::Tombstone {
            return Err(self);
        }
        let task = ManuallyDrop::new(self);
        Ok(Task {
            call: task.call,
            words: word,
            not_sync: PhantomData,
        })
    }
}

impl<Cx> Task<Cx, Word> {
    /// Runs the work, and gives it back if it yields.
    #[inline]
    pub(crate) fn run_once(self, cx: &Cx) -> Result<Ran, Self> {
        let task = ManuallyDrop::new(self);
        // A copy, so that the task itself may stay in registers.
        let mut words = task.words;
        // SAFETY: `new` paired the function with the words. If it consumes them, the task is forgotten;
        // else the copy is, of which it has changed nothing.
        let ran = unsafe { (task.call)(NonNull::from(&mut words).cast(), Op::Run(cx)) };
        match ran {
            Ran::Yields => Err(ManuallyDrop::into_inner(task)),
            ran => Ok(ran),
        }
    }

    /// The same in as many words as others.
    pub(crate) fn widen(self) -> Task<Cx> {
        let task = ManuallyDrop::new(self);
        let mut words = [MaybeUninit::uninit(); 3];
        words[0] = task.words;
        Task {
            call: task.call,
            words,
            not_sync: PhantomData,
        }
    }
}

impl<Cx, W> Drop for Task<Cx, W> {
    fn drop(&mut self) {
        let op = Op::Cancel(&CancelReason::Shutdown);
        // SAFETY: `new` paired the function with the words; whoever consumes them leaves no task to drop.
        unsafe { (self.call)(NonNull::from(&mut self.words).cast(), op) };
    }
}

/// # Safety
/// The words hold a `W`, which is not used again after any [`Op`] that consumes it.
unsafe fn call<W: Work<Cx>, Cx>(words: NonNull<()>, op: Op<'_, Cx>) -> Ran {
    // SAFETY: by our duty there is a `W`. It is used once, or left where it is, and the copy forgotten.
    let work = ManuallyDrop::new(unsafe { words.cast::<W>().read() });
    match op {
        Op::Run(cx) => ManuallyDrop::into_inner(work).run(cx),
        _ => do_other(work, op),
    }
}

/// All but to run it. By itself, because nearly all calls are to run it.
#[cold]
fn do_other<W: Work<Cx>, Cx>(work: ManuallyDrop<W>, op: Op<'_, Cx>) -> Ran {
    let unless = |tombstone| {
        if tombstone {
            Ran::Tombstone
        } else {
            Ran::Ended
        }
    };
    match op {
        Op::Run(_) => unreachable!("it is not for this"),
        Op::Cancel(reason) => unless(!ManuallyDrop::into_inner(work).cancel(*reason)),
        Op::RequestCancel(reason) => unless(!work.request_cancel(*reason)),
        Op::Look(look) => {
            *look = work.look();
            unless(look.is_none())
        }
        Op::Narrow(word) => {
            let fits = fits_in::<W, Word>();
            if fits {
                let word = word.as_mut_ptr().cast::<W>();
                // SAFETY: the word is large enough and aligned for `W`.
                unsafe { word.write(ManuallyDrop::into_inner(work)) };
            }
            unless(!fits)
        }
    }
}

const fn fits<W>() -> bool {
    fits_in::<W, Words>()
}

const fn fits_in<W, Room>() -> bool {
    size_of::<W>() <= size_of::<Room>() && align_of::<W>() <= align_of::<Room>()
}

/// A closure without a handle.
struct Detached<J>(J);

impl<J: Closure<()>, Cx: Context> Work<Cx> for Detached<J> {
    #[inline]
    fn run(self, cx: &Cx) -> Ran {
        cx.begins(J::NAME);
        if let Err(payload) = unwind::catch(|| self.0.call()) {
            cx.panicked(payload);
        }
        Ran::Ended
    }

    fn cancel(self, _: CancelReason) -> bool {
        unwind::discard(self.0);
        true
    }

    fn look(&self) -> Option<Look> {
        Some(Look::of_closure(J::NAME))
    }
}

impl<Cx: Context> Work<Cx> for Runnable {
    #[inline]
    fn run(self, cx: &Cx) -> Ran {
        match Self::run(self, cx) {
            true => Ran::Ended,
            false => Ran::Tombstone,
        }
    }

    fn cancel(self, reason: CancelReason) -> bool {
        Self::cancel(self, reason)
    }

    fn look(&self) -> Option<Look> {
        self.is_queued().then(|| Look::of_closure(self.name()))
    }
}
