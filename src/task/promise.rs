//! The cell of a promise, which has no task: its outcome comes from elsewhere.
//!
//! The state word, the waiter and the references are those of `task/cell.rs`, and so are the access
//! rules. The runnable reference is an [`Answer`], which lies in no queue: the thread that has it
//! stores the outcome. In place of a closure the cell has a [`Canceller`], which any thread that
//! has a reference may call: it says whether the work elsewhere can still be stopped, and hears
//! that the promise was cancelled.
//!
//! The stored value need not be the one that the handle returns. With a function beside it, the
//! outcome is made by the thread that takes it ([`Stored`]), so the thread that answers runs no
//! code of the user's. A promise is never due, so no thread tries to run it inline.

#![expect(
    unsafe_code,
    reason = "several threads share one block of memory, as in task/cell.rs"
)]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use crate::error::{CancelReason, JoinError};
use crate::name::Name;
use crate::primitive::UnsafeCell;
use crate::task::cell::{
    HandleRef, Header, Outcome, PromiseVtable, RawTask, Runnable, TaskRef, Vtable,
};
use crate::task::context::Consent;
use crate::task::state::State;
use crate::unwind::{self, Payload};

/// The part of a promise that takes cancels. Called on any thread, never under a lock.
pub(crate) trait Canceller: Send + Sync + 'static {
    /// The name of the promise.
    const NAME: &'static Name;

    /// Whether the pool of the handle calls its callback.
    const IN_POOL: bool;

    /// Returns the task whose end answers the promise, if it is that of a task.
    fn task(&self) -> Option<&RawTask>;

    /// Returns whether the work can be stopped. May be called any number of times.
    fn ask(&self) -> Consent;

    /// Hears that the promise was cancelled, once, before its handle resolves.
    fn was_cancelled(&self);
}

/// An outcome in the form in which the cell of a promise keeps it.
pub(crate) trait Stored: Send + 'static {
    type Value;

    /// Whether this is an `Outcome<Self::Value>`.
    const IS_OUTCOME: bool;

    fn failed(error: JoinError) -> Self;

    /// Returns the error if the outcome is one, as far as that is known without making it.
    fn error(&self) -> Option<&JoinError>;

    /// Makes the outcome. Never unwinds.
    fn into_outcome(self) -> Outcome<Self::Value>;

    /// Drops it, and returns the payload if it is a panic. Never unwinds.
    fn abandon(self) -> Option<Payload>;
}

impl<T: Send + 'static> Stored for Outcome<T> {
    type Value = T;

    const IS_OUTCOME: bool = true;

    fn failed(error: JoinError) -> Self {
        Err(error)
    }

    fn error(&self) -> Option<&JoinError> {
        self.as_ref().err()
    }

    fn into_outcome(self) -> Self {
        self
    }

    fn abandon(self) -> Option<Payload> {
        let panic = self.as_ref().err().and_then(JoinError::take_payload);
        unwind::discard(self);
        panic
    }
}

/// The outcome of another cell, which is there, and the function that makes the result of it.
pub(crate) enum Mapped<T, F> {
    Ended(HandleRef<T>, F),
    Failed(JoinError),
}

impl<T, F, U> Stored for Mapped<T, F>
where
    T: Send + 'static,
    F: FnOnce(T) -> U + Send + 'static,
{
    type Value = U;

    const IS_OUTCOME: bool = false;

    fn failed(error: JoinError) -> Self {
        Self::Failed(error)
    }

    fn error(&self) -> Option<&JoinError> {
        match self {
            Self::Ended(end, _) => end.error(),
            Self::Failed(error) => Some(error),
        }
    }

    fn into_outcome(self) -> Outcome<U> {
        let (end, f) = match self {
            Self::Ended(end, f) => (end, f),
            Self::Failed(error) => return Err(error),
        };
        let outcome = end.try_take();
        let name = const { &Name::of::<F>() };
        unwind::catch(|| {
            let value = outcome.unwrap_or_else(|_| unreachable!("the task has ended"))?;
            Ok(f(value))
        })
        .unwrap_or_else(|payload| Err(JoinError::of_panic(payload, name)))
    }

    fn abandon(self) -> Option<Payload> {
        match self {
            Self::Ended(end, f) => {
                unwind::discard(f);
                end.abandon()
            }
            Self::Failed(error) => error.take_payload(),
        }
    }
}

/// An outcome that is there, and the function that makes another of it.
pub(crate) enum Then<T, F> {
    Ended(Outcome<T>, F),
    Failed(JoinError),
}

impl<T, F, U> Stored for Then<T, F>
where
    T: Send + 'static,
    F: FnOnce(Outcome<T>) -> Outcome<U> + Send + 'static,
{
    type Value = U;

    const IS_OUTCOME: bool = false;

    fn failed(error: JoinError) -> Self {
        Self::Failed(error)
    }

    fn error(&self) -> Option<&JoinError> {
        match self {
            Self::Ended(outcome, _) => outcome.as_ref().err(),
            Self::Failed(error) => Some(error),
        }
    }

    fn into_outcome(self) -> Outcome<U> {
        match self {
            Self::Ended(outcome, f) => {
                let name = const { &Name::of::<F>() };
                unwind::catch(|| f(outcome))
                    .unwrap_or_else(|payload| Err(JoinError::of_panic(payload, name)))
            }
            Self::Failed(error) => Err(error),
        }
    }

    fn abandon(self) -> Option<Payload> {
        match self {
            Self::Ended(outcome, f) => {
                unwind::discard(f);
                outcome.abandon()
            }
            Self::Failed(error) => error.take_payload(),
        }
    }
}

/// `repr(C)` so that a pointer to the cell is a pointer to its header.
#[repr(C)]
struct Cell<C, S> {
    header: Header,
    canceller: C,
    outcome: UnsafeCell<MaybeUninit<S>>,
}

impl<C: Canceller, S: Stored> Cell<C, S> {
    const VTABLE: &'static Vtable = &Vtable {
        name: C::NAME,
        extra: None,
        is_plain: false,
        run: Self::run,
        cancel: Self::cancel,
        future: None,
        promise: Some(&PromiseVtable {
            ask: Self::ask,
            task: Self::task,
            in_pool: C::IN_POOL,
        }),
        take: Self::take,
        error: Self::error,
        outcome: Self::outcome,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
    };

    fn allocate(canceller: C) -> NonNull<Header> {
        let state = State::queued();
        // It is never due: there is nothing to run.
        state.postpone();
        let cell = Box::new(Self {
            header: Header::new(state, Self::VTABLE),
            canceller,
            outcome: UnsafeCell::new(MaybeUninit::uninit()),
        });
        NonNull::from(Box::leak(cell)).cast()
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn at<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: by duty 1 the header begins a live `Cell<C, S>`. The whole cell can be reached
        // from it, by `repr(C)` and because the pointer comes from `allocate`. Only the outcome is
        // changed, which is in an `UnsafeCell`.
        unsafe { &*header.cast::<Self>().as_ptr() }
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn run(_: NonNull<Header>) {
        unreachable!("a promise is never due, and lies in no queue");
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn cancel(header: NonNull<Header>, reason: CancelReason) {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        unwind::contain(|| cell.canceller.was_cancelled());
        let outcome = S::failed(JoinError::of_cancel(reason, C::NAME));
        // SAFETY: our duties are those of `store`.
        unsafe { Self::store(header, outcome) };
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn ask(header: NonNull<Header>) -> Consent {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        unwind::catch(|| cell.canceller.ask()).unwrap_or(Consent::Refused)
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn task(header: NonNull<Header>) -> Option<TaskRef> {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        cell.canceller.task().map(RawTask::task_ref)
    }

    /// # Safety
    /// The duties of [`Vtable`], for a caller that has moved the stage to CANCELLED or RETURNED.
    unsafe fn store(header: NonNull<Header>, outcome: S) {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        cell.outcome.with_mut(|stored| {
            // SAFETY: rule 2 allows the ender to write.
            unsafe { stored.cast::<S>().write(outcome) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`], and `room` is writable and aligned for an `Outcome<S::Value>`.
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        let stored = cell.outcome.with(|stored| {
            // SAFETY: by duty 2 the outcome is ours (rule 2), and it is read once.
            unsafe { stored.cast::<S>().read() }
        });
        let outcome = stored.into_outcome();
        // SAFETY: by our duty `room` is writable and aligned for it.
        unsafe { room.cast::<Outcome<S::Value>>().write(outcome) };
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn error(header: NonNull<Header>) -> *const JoinError {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        cell.outcome.with(|stored| {
            // SAFETY: by duty 2 the outcome is there, and ours (rule 2).
            let error = unsafe { &*stored.cast::<S>() }.error();
            error.map_or(std::ptr::null(), std::ptr::from_ref)
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn outcome(header: NonNull<Header>) -> *const () {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        match S::IS_OUTCOME {
            true => cell.outcome.with(|stored| stored.cast()),
            false => std::ptr::null(),
        }
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) -> Option<Payload> {
        // SAFETY: our duties are those of `at`.
        let cell = unsafe { Self::at(header) };
        let stored = cell.outcome.with(|stored| {
            // SAFETY: by duty 2 the outcome is ours (rule 2), and it is read once.
            unsafe { stored.cast::<S>().read() }
        });
        stored.abandon()
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: `allocate` leaked this box. By duty 2 and rule 4 no other reference is left.
        let cell = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        unwind::discard(cell);
    }
}

/// The right and the duty to store the outcome of a promise. Its drop stores that the promise was
/// abandoned.
pub(crate) struct Answer<C: Canceller, S: Stored> {
    cell: ManuallyDrop<Runnable>,
    types: PhantomData<fn() -> (C, S)>,
}

/// Creates the cell of a promise, and returns its two references.
pub(crate) fn pair<C: Canceller, S: Stored>(canceller: C) -> (Answer<C, S>, HandleRef<S::Value>) {
    let header = Cell::<C, S>::allocate(canceller);
    let answer = Answer {
        cell: ManuallyDrop::new(Runnable(header)),
        types: PhantomData,
    };
    (answer, HandleRef::new(header))
}

impl<C: Canceller, S: Stored> Answer<C, S> {
    /// Returns the part of the promise that takes cancels.
    pub(crate) fn canceller(&self) -> &C {
        // SAFETY: duty 1: `pair` made the cell with these types, and our reference keeps it for as
        // long as `self` is borrowed. Duty 2: the canceller may be accessed at any time.
        unsafe { &Cell::<C, S>::at(self.cell.0).canceller }
    }

    /// Notes that the work has begun. Returns `false` if the promise was cancelled before.
    pub(crate) fn set_running(&self) -> bool {
        let state = &self.cell.header().state;
        state.start() || !state.is_cancelled()
    }

    /// Returns `true` if the promise was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cell.header().state.is_cancelled()
    }

    /// Stores the outcome and wakes the handle. Returns the payload of a panic that no handle will
    /// return. The error is the outcome, if the promise was cancelled.
    pub(crate) fn give(self, outcome: S) -> Result<Option<Payload>, S> {
        ManuallyDrop::new(self).store(outcome)
    }

    /// Stores the outcome. The runnable reference is gone after that.
    fn store(&self, outcome: S) -> Result<Option<Payload>, S> {
        let state = &self.cell.header().state;
        let is_cancelled = outcome.error().is_some_and(JoinError::is_cancelled);
        let ends = match is_cancelled {
            true => state.cancel_begun(),
            false => state.answer(),
        };
        if ends {
            // SAFETY: duty 1: `pair` made the cell with these types, and our reference keeps it.
            // Duty 2: we have moved the stage, so the outcome is ours to write (rule 2).
            unsafe { Cell::<C, S>::store(self.cell.0, outcome) };
            Ok(self.cell.finish())
        } else {
            self.cell.leave();
            Err(outcome)
        }
    }
}

impl<C: Canceller, S: Stored> Drop for Answer<C, S> {
    fn drop(&mut self) {
        let abandoned = JoinError::of_cancel(CancelReason::Abandoned, C::NAME);
        drop(self.store(S::failed(abandoned)));
    }
}
