//! A piece of work whose type is erased: [`Task`].
//!
//! A task has one function, which takes an [`Op`], instead of a pointer to a table of functions:
//! one load less on the way to the closure.

#![expect(
    unsafe_code,
    reason = "closures of all types are kept in the same words"
)]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::error::CancelReason;
use crate::name::Name;
use crate::task::cell::{self, HandleRef, Runnable};
use crate::task::context::{Closure, Context, End, Extra, Gone, Job, Look, Ran, Token};
use crate::trace::traced;
use crate::unwind::{self, Payload};

/// The words that hold a closure, or a pointer to it.
type Words = [MaybeUninit<usize>; 3];

/// One word, which holds a pointer to a cell.
pub(crate) type Word = MaybeUninit<usize>;

/// The size in bytes above which a closure with a result is boxed beside its cell, so that taking
/// it out to run it moves only a pointer.
pub(crate) const LARGE: usize = 1024;

/// A piece of work that runs in a context `Cx`. It is stored in three words, or in one if it
/// [fits](Self::narrow).
///
/// A task that is dropped before it was run is cancelled.
pub(crate) struct Task<Cx, W = Words> {
    /// Duties of the caller: the words begin with the `Work` that the function was made for. They
    /// are not used again after an [`Op`] that consumes it.
    call: unsafe fn(NonNull<()>, Op<'_, Cx>) -> Ran,
    words: W,
    /// The work in the words need not be `Sync`.
    not_sync: PhantomData<*mut ()>,
}

/// An operation on the work. Each variant has one reference, so that any fits in two registers.
enum Op<'a, Cx> {
    /// Run the work. This consumes it, unless it yields.
    Run(&'a Cx),
    /// Cancel the work on this thread. This consumes it.
    Cancel(&'a mut Cancel),
    /// Cancel the work if there is something left of it, and say nothing. This consumes it.
    Drop,
    /// Cancel the work if it is a future. This leaves it where it is. The answer is
    /// [`Ran::Tombstone`] if it is no future, or was cancelled before.
    RequestCancel(&'a CancelReason),
    /// Mark the work as due, if it is a closure. This leaves it where it is.
    ComeDue,
    /// Look at the work. This leaves it where it is.
    Look(&'a mut Result<Look, Gone>),
    /// Report the work as met if it has gone. The answer is [`Ran::Tombstone`] then. This leaves it
    /// where it is.
    Meet(&'a Cx),
    /// Move the work to one word, which consumes it. The answer is [`Ran::Tombstone`], and the work
    /// is where it was, if it does not fit.
    Narrow(&'a mut Word),
}

/// A cancel, and what came of it.
struct Cancel {
    reason: CancelReason,
    /// Set if there was nothing left to cancel.
    gone: Option<Gone>,
}

impl Cancel {
    fn new(reason: CancelReason) -> Self {
        let gone = None;
        Self { reason, gone }
    }
}

// SAFETY: the words hold a `Work`, which is `Send`.
unsafe impl<Cx, W> Send for Task<Cx, W> {}

/// Work that the words of a task can hold.
pub(crate) trait Work<Cx>: Send + Sized {
    /// Runs the work. Never unwinds. After [`Ran::Yields`] the bytes that `self` was copied from
    /// hold the work still.
    fn run(self, cx: &Cx) -> Ran;
    /// Cancels the work. Returns an error if there was nothing left to cancel. Never unwinds.
    fn cancel(self, reason: CancelReason) -> Result<(), Gone>;
    /// Cancels a future, which is to be run once more then. Returns `false` if it was cancelled
    /// before, or if the work is no future.
    fn request_cancel(&self, _: CancelReason) -> bool {
        false
    }
    /// Marks a closure that was [postponed](cell::RawTask::postpone) as due.
    fn come_due(&self) {}
    /// Returns how the work has gone, if there is nothing left to run.
    fn gone(&self) -> Option<Gone>;
    /// Returns what can be seen of the work, or an error if there is nothing left to run.
    fn look(&self) -> Result<Look, Gone>;
}

impl<Cx: Context> Task<Cx> {
    /// Creates a task without a handle. It holds `token` until it begins.
    #[inline]
    pub(crate) fn detached<P, F>(token: P, closure: F) -> Self
    where
        P: Token,
        F: FnOnce() + Send + 'static,
    {
        let closure = traced(const { &Name::of::<F>() }, closure);
        Self::detached_as::<F, _, _>(token, closure)
    }

    /// Creates a task without a handle, with the name of the type `N`.
    #[inline(always)]
    fn detached_as<N, P, F>(token: P, closure: F) -> Self
    where
        N: 'static,
        P: Token,
        F: FnOnce() + Send + 'static,
    {
        // `const`, here and below, so that only the branch that is taken is compiled.
        if const { fits::<Detached<Job<N, P, F>>>() } {
            Self::new(Detached(Job::<N, _, _>::new(token, closure)))
        } else {
            let boxed: Box<dyn FnOnce() + Send> = Box::new(closure);
            Self::new(Detached(Job::<N, _, _>::new(token, boxed)))
        }
    }

    /// Creates a task, which holds `token` until it begins, and the handle's reference to the cell
    /// for its outcome.
    pub(crate) fn with_handle<P, F, T>(token: P, closure: F) -> (Self, HandleRef<T>)
    where
        P: Token,
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let extra = token.extra();
        let name = const { &Name::of::<F>() };
        let name = match cfg!(feature = "tracing") {
            true => extra.name().unwrap_or(name),
            false => name,
        };
        let closure = traced(name, closure);
        let (runnable, handle) = if const { size_of::<F>() <= LARGE } {
            cell::pair(Job::<F, _, _>::new(token, closure))
        } else {
            let boxed: Box<dyn FnOnce() -> T + Send> = Box::new(closure);
            cell::pair(Job::<F, _, _>::new(token, boxed))
        };
        let task = match const { size_of::<P::Extra>() } {
            0 => Self::new(runnable),
            _ => Self::new(WithExtra { runnable, extra }),
        };
        (task, handle)
    }

    #[inline]
    pub(crate) fn new<W: Work<Cx> + 'static>(work: W) -> Self {
        // SAFETY: it borrows nothing.
        unsafe { Self::borrowing(work) }
    }

    /// Creates a task whose work may borrow.
    ///
    /// # Safety
    /// The caller keeps alive what the work borrows until it was consumed: run, cancelled or
    /// dropped.
    #[inline]
    pub(crate) unsafe fn borrowing<W: Work<Cx>>(work: W) -> Self {
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

    /// Runs the work where it lies in memory, and leaves `place` empty, unless the work is a future
    /// that [yields](Ran::Yields).
    ///
    /// A tombstone, whose work was run or cancelled elsewhere, does nothing. The task is not moved,
    /// because a copy of four words that were just written one by one stalls the processor.
    #[inline]
    pub(crate) fn run(place: &mut Option<Self>, cx: &Cx) -> Ran {
        let Some(task) = place else {
            return Ran::Ended;
        };
        // SAFETY: `new` paired the function with the words. If it consumes them they are not used
        // again: it never unwinds, and the place is overwritten next.
        let ran = unsafe { (task.call)(NonNull::from(&mut task.words).cast(), Op::Run(cx)) };
        if ran != Ran::Yields {
            // SAFETY: the place is borrowed mutably. The task in it was consumed, so it is not
            // dropped.
            unsafe { std::ptr::write(place, None) };
        }
        ran
    }

    /// Returns what can be seen of the work, or `None` if it was run or cancelled elsewhere.
    pub(crate) fn look(&self) -> Option<Look> {
        self.look_or_gone().ok()
    }

    /// Returns how the work has gone, if it was run or cancelled elsewhere, so that dropping the
    /// task only frees memory.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.look_or_gone().err()
    }

    /// Reports the work to `cx` as met if it has gone. Returns `true` if it has, so that the task
    /// is to be dropped.
    pub(crate) fn meet_if_gone(&self, cx: &Cx) -> bool {
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words, which this does not consume.
        unsafe { (self.call)(words, Op::Meet(cx)) == Ran::Tombstone }
    }

    fn look_or_gone(&self) -> Result<Look, Gone> {
        let (words, mut look) = (NonNull::from(&self.words).cast(), Err(Gone::Begun));
        // SAFETY: `new` paired the function with the words, which a look does not consume.
        unsafe { (self.call)(words, Op::Look(&mut look)) };
        look
    }

    /// Cancels a future, which is to be run once more then. Returns `false` if it was cancelled
    /// before, or if the work is no future.
    pub(crate) fn request_cancel(&self, reason: CancelReason) -> bool {
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words, which a request does not consume.
        unsafe { (self.call)(words, Op::RequestCancel(&reason)) == Ran::Ended }
    }

    /// Marks a closure that was postponed as due.
    pub(crate) fn come_due(&self) {
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words, which this does not consume.
        unsafe { (self.call)(words, Op::ComeDue) };
    }

    /// Returns `true` if the work is a future that has begun, or was cancelled, and is to be run
    /// again.
    pub(crate) fn has_begun(&self) -> bool {
        self.look().is_some_and(|look| !look.waits)
    }

    /// Cancels the work. Returns an error if it was a tombstone.
    pub(crate) fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        let mut task = ManuallyDrop::new(self);
        let (call, mut cancel) = (task.call, Cancel::new(reason));
        let op = Op::Cancel(&mut cancel);
        // SAFETY: `new` paired the function with the words, and the task is forgotten.
        unsafe { call(NonNull::from(&mut task.words).cast(), op) };
        cancel.gone.map_or(Ok(()), Err)
    }

    /// Returns the task in one word, as futures fit, or an error with the task if its work does
    /// not.
    pub(crate) fn narrow(self) -> Result<Task<Cx, Word>, Self> {
        let mut word = MaybeUninit::uninit();
        let words = NonNull::from(&self.words).cast();
        // SAFETY: `new` paired the function with the words. If it consumes them, the task is
        // forgotten below.
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
    /// Runs the work, and returns the task as an error if it yields.
    #[inline]
    pub(crate) fn run_once(self, cx: &Cx) -> Result<Ran, Self> {
        let task = ManuallyDrop::new(self);
        // A copy, so that the task itself can stay in registers.
        let mut words = task.words;
        // SAFETY: `new` paired the function with the words. If it consumes them, the task is
        // forgotten. If not, the copy is forgotten, which the function has not changed.
        let ran = unsafe { (task.call)(NonNull::from(&mut words).cast(), Op::Run(cx)) };
        match ran {
            Ran::Yields => Err(ManuallyDrop::into_inner(task)),
            ran => Ok(ran),
        }
    }

    /// Returns the task in three words.
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
        let op = Op::Drop;
        // SAFETY: `new` paired the function with the words. They were not consumed: each method
        // that consumes them forgets the task or overwrites it.
        unsafe { (self.call)(NonNull::from(&mut self.words).cast(), op) };
    }
}

/// Does with the work in the words what `op` says.
///
/// # Safety
/// The words hold a `W`, which is not used again after any [`Op`] that consumes it.
unsafe fn call<W: Work<Cx>, Cx: Context>(words: NonNull<()>, op: Op<'_, Cx>) -> Ran {
    // SAFETY: by our duty the words hold a `W`. Either this copy is used, once, or it is forgotten
    // and the work stays where it is.
    let work = ManuallyDrop::new(unsafe { words.cast::<W>().read() });
    match op {
        Op::Run(cx) => ManuallyDrop::into_inner(work).run(cx),
        _ => do_other(work, op),
    }
}

/// Does everything except running the work. A function of its own, because nearly all calls run it.
#[cold]
fn do_other<W: Work<Cx>, Cx: Context>(work: ManuallyDrop<W>, op: Op<'_, Cx>) -> Ran {
    let unless = |tombstone| {
        if tombstone {
            Ran::Tombstone
        } else {
            Ran::Ended
        }
    };
    match op {
        Op::Run(_) => unreachable!("`call` runs the work"),
        Op::Cancel(cancel) => {
            let cancelled = ManuallyDrop::into_inner(work).cancel(cancel.reason);
            cancel.gone = cancelled.err();
            Ran::Ended
        }
        Op::Drop => {
            let _ = ManuallyDrop::into_inner(work).cancel(CancelReason::Shutdown);
            Ran::Ended
        }
        Op::RequestCancel(reason) => unless(!work.request_cancel(*reason)),
        Op::ComeDue => {
            work.come_due();
            Ran::Ended
        }
        Op::Look(look) => {
            *look = work.look();
            Ran::Ended
        }
        Op::Meet(cx) => {
            let gone = work.gone();
            if let Some(gone) = gone {
                met(gone, cx);
            }
            unless(gone.is_some())
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

/// Returns `true` if the words of a task can hold a `W`.
pub(crate) const fn fits<W>() -> bool {
    fits_in::<W, Words>()
}

const fn fits_in<W, Room>() -> bool {
    size_of::<W>() <= size_of::<Room>() && align_of::<W>() <= align_of::<Room>()
}

/// Reports a panic that no handle returns. A function of its own, so that [`call`] saves no
/// registers for it.
#[cold]
#[inline(never)]
fn fail_unseen(cx: &impl Context, payload: Payload) -> Ran {
    cx.failed();
    cx.panicked(payload);
    Ran::Failed
}

/// A closure without a handle.
struct Detached<J>(J);

impl<J: Closure<()> + 'static, Cx: Context> Work<Cx> for Detached<J> {
    #[inline]
    fn run(self, cx: &Cx) -> Ran {
        cx.begins(J::NAME);
        match unwind::catch(|| self.0.call()) {
            Ok(()) => Ran::Ended,
            Err(payload) => fail_unseen(cx, payload),
        }
    }

    fn cancel(self, _: CancelReason) -> Result<(), Gone> {
        unwind::discard(self.0);
        Ok(())
    }

    fn gone(&self) -> Option<Gone> {
        None
    }

    fn look(&self) -> Result<Look, Gone> {
        Ok(Look::of_closure(J::NAME))
    }
}

impl<Cx: Context> Work<Cx> for Runnable {
    #[inline]
    fn run(self, cx: &Cx) -> Ran {
        match Self::run(self, cx) {
            Ok(()) => Ran::Ended,
            Err(gone) => met(gone, cx),
        }
    }

    fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        Self::cancel(self, reason)
    }

    fn gone(&self) -> Option<Gone> {
        Self::gone(self)
    }

    fn look(&self) -> Result<Look, Gone> {
        match Self::gone(self) {
            None => Ok(Look::of_closure(self.name())),
            Some(gone) => Err(gone),
        }
    }
}

/// Reports a task that had gone when it was to be run.
#[inline]
pub(crate) fn met(gone: Gone, cx: &impl Context) -> Ran {
    match gone {
        Gone::Begun => {
            cx.met_spent();
            Ran::Ended
        }
        Gone::Cancelled(reason) => {
            cx.met_cancelled(reason, false);
            Ran::Tombstone
        }
        Gone::Dropped | Gone::Aside => Ran::Ended,
    }
}

/// A closure with a handle, and what its task has beside it.
struct WithExtra<X> {
    runnable: Runnable,
    extra: X,
}

impl<X: Extra, Cx: Context> Work<Cx> for WithExtra<X> {
    fn run(self, cx: &Cx) -> Ran {
        let Self { runnable, extra } = self;
        if let Some(reason) = extra.forbids() {
            return match end_unrun(runnable, &extra, reason) {
                Ok(()) => {
                    cx.met_cancelled(reason, false);
                    Ran::Ended
                }
                Err(gone) => met(gone, cx),
            };
        }
        let name = extra.name().unwrap_or(runnable.name());
        match runnable.run_as(name, cx) {
            Ok(()) => {
                extra.ended(End::Returned);
                Ran::Ended
            }
            Err(gone) => met(gone, cx),
        }
    }

    fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        end_unrun(self.runnable, &self.extra, reason)
    }

    fn come_due(&self) {
        self.runnable.come_due();
    }

    fn gone(&self) -> Option<Gone> {
        self.runnable.gone()
    }

    fn look(&self) -> Result<Look, Gone> {
        match self.runnable.gone() {
            None => Ok(Look::of_closure(
                self.extra.name().unwrap_or(self.runnable.name()),
            )),
            Some(gone) => Err(gone),
        }
    }
}

/// Cancels the closure if it has not begun.
fn end_unrun<X: Extra>(runnable: Runnable, extra: &X, reason: CancelReason) -> Result<(), Gone> {
    runnable.cancel(reason)?;
    extra.ended(End::unbegun(reason));
    Ok(())
}
