//! The memory that a task and its handle share.
//!
//! One heap block holds the state word, the waiter's place, and first the closure, then
//! in the same bytes what became of it. [`pair`] makes it and parts it into a [`Runnable`] and a
//! [`HandleRef`], beside which there may be [`TaskRef`]s; the last of them to go frees it.
//! Everything unsafe about that stays here: all ends have safe faces, and who may touch what when
//! is decided in [`state`](crate::task::state).
//!
//! # Access rules
//! 1. `closure` belongs to whoever moved the stage out of QUEUED.
//! 2. `outcome` is written by that owner before DONE; after DONE it belongs to the handle, or
//!    to the ender that was told [`Finish::Abandoned`].
//! 3. `waiter` belongs to the ender that was told [`Finish::Wake`]; else to the handle while WAITER
//!    is clear, or after `set_waiter` has said that DONE came first; and to whoever frees the cell.
//! 4. The block is freed by the end that was told that the others are gone.
//!
//! A future has a cell of another make, to which the same rules apply (`task/future.rs`).

#![expect(
    unsafe_code,
    reason = "two owners on two threads share one block of memory, which is the purpose of this room"
)]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::Waker;

use crate::error::{CancelReason, JoinError};
use crate::fork::NotInherited;
use crate::primitive::UnsafeCell;
use crate::task::context::{Closure, Context, Job, Name};
use crate::task::state::{CancelRequest, Ender, Finish, Leave, State};
use crate::unwind::{self, Payload};

/// What a task's handle gives in the end.
pub(crate) type Outcome<T> = Result<T, JoinError>;

/// The part of a cell that is the same for every task.
pub(super) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// On the heap, because most tasks are never waited for that long, and every cell has the place.
    pub(super) waiter: UnsafeCell<Option<Box<Waiter>>>,
    /// Tells the model of a cell that is never freed.
    #[cfg(workmill_loom)]
    _leak_check: loom::alloc::Track<()>,
}

/// Whoever waits at the handle. In a forked child it is not woken: it is a thread or a future of the
/// parent, and its waker may take locks that are held there.
pub(super) type Waiter = NotInherited<Waker>;

impl Header {
    pub(super) fn new(state: State, vtable: &'static Vtable) -> Self {
        Self {
            state,
            vtable,
            waiter: UnsafeCell::new(None),
            #[cfg(workmill_loom)]
            _leak_check: loom::alloc::Track::new(()),
        }
    }
}

/// `repr(C)` so that a pointer to the cell is one to its header.
#[repr(C)]
struct Cell<F, T> {
    header: Header,
    stage: UnsafeCell<Stage<F, T>>,
}

/// `repr(C)` so that a pointer to it is one to either field.
#[repr(C)]
union Stage<F, T> {
    closure: ManuallyDrop<F>,
    outcome: ManuallyDrop<Outcome<T>>,
}

/// What can be done to a cell by someone who does not know its types.
///
/// Each function has these duties:
/// 1. the header is that of a live cell made with the vtable's types;
/// 2. the access rules of the module give the caller what the function touches.
pub(super) struct Vtable {
    /// What the closure is called. No duties.
    pub(super) name: &'static Name,
    /// Takes the closure out, calls it, stores the outcome. Never unwinds.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the closure, stores that it was cancelled. Never unwinds.
    pub(super) cancel: unsafe fn(NonNull<Header>, CancelReason),
    /// What there is in place of these two if the task is a future.
    pub(super) future: Option<&'static FutureVtable>,
    /// Moves the outcome to where the second pointer says, which is room for one.
    pub(super) take: unsafe fn(NonNull<Header>, *mut ()),
    /// Drops the outcome, and gives back what the task panicked with if it did. Never unwinds.
    pub(super) drop_outcome: unsafe fn(NonNull<Header>) -> Option<Payload>,
    /// Frees the block, with the waiter if one is left. Never unwinds.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// As [`Vtable`], of a future's cell (`task/future.rs`).
pub(super) struct FutureVtable {
    /// Drops what the future held while it waited.
    pub(super) release: unsafe fn(NonNull<Header>),
    /// Has the task's end look at the state again. Never unwinds.
    pub(super) wake: unsafe fn(NonNull<Header>),
}

impl<F: Closure<T>, T> Cell<F, T> {
    const VTABLE: &'static Vtable = &Vtable {
        name: F::NAME,
        run: Self::run,
        cancel: Self::cancel,
        future: None,
        take: Self::take,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
    };

    fn allocate(state: State, stage: Stage<F, T>) -> NonNull<Header> {
        let cell = Box::new(Self {
            header: Header::new(state, Self::VTABLE),
            stage: UnsafeCell::new(stage),
        });
        NonNull::from(Box::leak(cell)).cast()
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn stage<'a>(header: NonNull<Header>) -> &'a UnsafeCell<Stage<F, T>> {
        // SAFETY: by duty 1 the header begins a live `Cell<F, T>`, and `repr(C)` with the
        // pointer of `allocate` makes the whole cell reachable from it.
        unsafe { &(*header.cast::<Self>().as_ptr()).stage }
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        let closure = stage.with(|stage| {
            // SAFETY: by duty 2 the closure is ours (rule 1), and nobody reads it again.
            unsafe { std::ptr::read(stage.cast::<F>()) }
        });
        let outcome = unwind::catch(|| closure.call()).map_err(JoinError::panicked);
        // SAFETY: our duties are those of `store`.
        unsafe { Self::store(header, outcome) };
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn cancel(header: NonNull<Header>, reason: CancelReason) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with_mut(|stage| {
            unwind::contain(|| {
                // SAFETY: by duty 2 the closure is ours (rule 1), and nobody reads it again.
                unsafe { std::ptr::drop_in_place(stage.cast::<F>()) };
            });
        });
        // SAFETY: our duties are those of `store`.
        unsafe { Self::store(header, Err(JoinError::cancelled(reason))) };
    }

    /// # Safety
    /// The duties of [`Vtable`]; the closure has been taken out.
    unsafe fn store(header: NonNull<Header>, outcome: Outcome<T>) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with_mut(|stage| {
            // SAFETY: rule 2 lets the ender write, and what the bytes held has been moved out.
            unsafe { stage.cast::<Outcome<T>>().write(outcome) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`], and `room` is writable and aligned for an `Outcome<T>`.
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with(|stage| {
            // SAFETY: by duty 2 the outcome is ours (rule 2) and is read once; `room` is fit.
            unsafe { std::ptr::copy_nonoverlapping(stage.cast::<Outcome<T>>(), room.cast(), 1) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) -> Option<Payload> {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with_mut(|stage| {
            // SAFETY: by duty 2 the outcome is ours (rule 2), and nobody reads it again.
            unsafe { drop_outcome_at(stage.cast::<Outcome<T>>()) }
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: `allocate` leaked this box, and by duty 2 and rule 4 nobody else has it.
        let cell = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        unwind::discard(cell);
    }
}

/// Makes a cell for `closure` and parts it into its two ends.
pub(crate) fn pair<F, T>(closure: F) -> (Runnable, HandleRef<T>)
where
    F: Closure<T>,
    T: Send + 'static,
{
    let closure = ManuallyDrop::new(closure);
    let header = Cell::allocate(State::queued(), Stage { closure });
    (Runnable(header), HandleRef::new(header))
}

/// Makes a handle's end that has resolved to cancelled at once.
pub(crate) fn refused<T: Send + 'static>(reason: CancelReason) -> HandleRef<T> {
    let outcome = ManuallyDrop::new(Err(JoinError::cancelled(reason)));
    let header = Cell::<Job<(), (), fn() -> T>, T>::allocate(State::refused(), Stage { outcome });
    HandleRef::new(header)
}

/// Drops an outcome where it is, and gives back what the task panicked with if it did.
///
/// # Safety
/// There is an outcome, which is the caller's, and nobody reads it again.
pub(super) unsafe fn drop_outcome_at<T>(outcome: *mut Outcome<T>) -> Option<Payload> {
    // SAFETY: by our duty the outcome is there, and nobody else has it.
    let panic = match unsafe { &*outcome } {
        Err(error) => error.take_payload(),
        Ok(_) => None,
    };
    unwind::contain(|| {
        // SAFETY: our duty; it is dropped once.
        unsafe { std::ptr::drop_in_place(outcome) };
    });
    panic
}

/// Takes the waker out, gives up the task's end if it acts for it, and wakes.
///
/// # Safety
/// 1. `header` is that of a live cell, and [`State::finish`] for `ender` has told the
///    caller to wake.
/// 2. With [`Ender::Other`] the caller keeps its own end alive for the call.
unsafe fn wake_waiter(header: NonNull<Header>, ender: Ender) {
    // SAFETY: by duty 1 the cell is live; our end keeps it so until `drop_runnable`.
    let cell = unsafe { header.as_ref() };
    let waker = cell.waiter.with_mut(|waiter| {
        // SAFETY: rule 3 gives the place to an ender that was told to wake.
        unsafe { (*waiter).take() }
    });
    let vtable = cell.vtable;
    if ender == Ender::Runnable && cell.state.drop_runnable() {
        // SAFETY: duty 1, the others left the freeing to us; duty 2, rule 4.
        unsafe { (vtable.free)(header) };
    }
    // The cell may be gone by now: nothing of it is used below this line.
    if let Some(waker) = waker.and_then(|waiter| waiter.into_inner()) {
        unwind::wake(waker);
    }
}

/// The task's end of a cell: runs or is cancelled, exactly once.
///
/// Dropped unrun it cancels the task, because a pool that forgets a task has been shut down.
pub(crate) struct Runnable(pub(super) NonNull<Header>);

// SAFETY: the closure and the outcome behind the pointer are `Send` by the bounds of `pair`,
// wakers are, and the state word says which thread may touch them.
unsafe impl Send for Runnable {}

impl Runnable {
    fn header(&self) -> &Header {
        // SAFETY: the block is live as long as the task's end is there (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// What the closure is called.
    pub(super) fn name(&self) -> &'static Name {
        self.header().vtable.name
    }

    pub(super) fn is_queued(&self) -> bool {
        self.header().state.is_queued()
    }

    /// Runs the closure, unless it was claimed or cancelled before; `false` if it was cancelled.
    pub(crate) fn run(self, cx: &impl Context) -> bool {
        let end = ManuallyDrop::new(self);
        if end.header().state.start() {
            cx.begins(end.name());
            cx.can_be_joined(end.0.as_ptr().cast());
            // SAFETY: duty 1, the cell is live; duty 2, `start` gave us the closure.
            unsafe { (end.header().vtable.run)(end.0) };
            cx.returned();
            if let Some(payload) = end.finish() {
                cx.panicked(payload);
            }
            return true;
        }
        let cancelled = end.header().state.is_cancelled();
        end.leave();
        !cancelled
    }

    /// Cancels the task; `false` if it was claimed or cancelled before.
    pub(crate) fn cancel(self, reason: CancelReason) -> bool {
        ManuallyDrop::new(self).end_unrun(reason)
    }

    /// Cancels what is left; this end is gone afterwards.
    #[inline]
    fn end_unrun(&self, reason: CancelReason) -> bool {
        let live = self.header().state.cancel();
        if live {
            // SAFETY: duty 1, the cell is live; duty 2, `cancel` gave us the closure.
            unsafe { (self.header().vtable.cancel)(self.0, reason) };
            drop(self.finish());
        } else {
            self.leave();
        }
        live
    }

    /// Publishes the outcome; this end is gone afterwards. A panic that no handle will show comes back.
    #[must_use]
    pub(super) fn finish(&self) -> Option<Payload> {
        match self.header().state.finish(Ender::Runnable) {
            // The cell may be gone by now.
            Finish::Published => None,
            Finish::Wake => {
                // SAFETY: duty 1, we were just told to; duty 2 does not apply.
                unsafe { wake_waiter(self.0, Ender::Runnable) };
                None
            }
            Finish::Abandoned => {
                // SAFETY: duty 1, our end keeps the cell; duty 2, rule 2.
                let panic = unsafe { (self.header().vtable.drop_outcome)(self.0) };
                self.leave();
                panic
            }
        }
    }

    /// Gives up an end that has nothing left to run.
    fn leave(&self) {
        let vtable = self.header().vtable;
        if self.header().state.drop_runnable() {
            // SAFETY: duty 1, the others left the freeing to us; duty 2, rule 4.
            unsafe { (vtable.free)(self.0) };
        }
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        self.end_unrun(CancelReason::Shutdown);
    }
}

/// What every end but the task's can do: see how far the task is, cancel it, run it in place.
pub(crate) struct RawTask(NonNull<Header>);

// SAFETY: a remote reads the state word, cancels and runs. Whoever wins the exchange for that owns
// the closure, which is `Send` by the bounds of `pair`, stores an outcome, which is too, and may take
// the waker, which is too. No outcome is read through it.
unsafe impl Send for RawTask {}
// SAFETY: the same.
unsafe impl Sync for RawTask {}

impl RawTask {
    fn header(&self) -> &Header {
        // SAFETY: the block is live as long as the end that the remote is part of (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// Tells this cell from others, while it lives.
    pub(crate) fn id(&self) -> *const () {
        self.0.as_ptr().cast()
    }

    /// Tells whether the task is a closure that is due, and nobody has begun it.
    pub(crate) fn can_run_inline(&self) -> bool {
        self.header().vtable.future.is_none() && self.header().state.is_due()
    }

    /// The closure is not to be run in place until it [comes due](Self::come_due).
    pub(crate) fn postpone(&self) {
        self.header().state.postpone();
    }

    pub(crate) fn come_due(&self) {
        self.header().state.come_due();
    }

    pub(crate) fn is_running(&self) -> bool {
        self.header().state.is_running()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.header().state.is_done()
    }

    /// Runs the closure on this thread if nobody has begun it; `true` if so.
    pub(crate) fn run_inline(&self, cx: &impl Context) -> bool {
        let ours = self.can_run_inline() && self.header().state.start();
        if ours {
            // SAFETY: duty 1, the cell is live; duty 2, it has a closure, which `start` gave us.
            unsafe { (self.header().vtable.run)(self.0) };
            if let Some(payload) = self.finish() {
                cx.panicked(payload);
            }
        }
        ours
    }

    /// Has a future polled, as its waker does.
    pub(crate) fn wake(&self) {
        if let Some(future) = self.header().vtable.future {
            // SAFETY: duty 1, the cell is live; waking touches nothing that is somebody's.
            unsafe { (future.wake)(self.0) };
        }
    }

    /// Cancels the task unless it has begun, or is a future that has given its output.
    pub(crate) fn cancel(&self, reason: CancelReason) -> Cancelled {
        match self.doom(reason) {
            Ok(doomed) => {
                doomed.end();
                Cancelled::Now
            }
            Err(cancelled) => cancelled,
        }
    }

    /// As [`cancel`](Self::cancel), but a closure that will never run is still to be dropped.
    pub(crate) fn doom(&self, reason: CancelReason) -> Result<Doomed, Cancelled> {
        if let Some(future) = self.header().vtable.future {
            return Err(self.request_cancel(future, reason));
        }
        if self.header().state.cancel() {
            let end = self.task_ref();
            return Ok(Doomed { end, reason });
        }
        Err(match self.header().state.is_cancelled() {
            true => Cancelled::Before,
            false => Cancelled::Never,
        })
    }

    fn request_cancel(&self, future: &FutureVtable, reason: CancelReason) -> Cancelled {
        let request = self.header().state.request_cancel(reason);
        if request == CancelRequest::Unbegun {
            // SAFETY: duty 1, the cell is live; duty 2, we were just told.
            unsafe { (future.release)(self.0) };
        }
        match request {
            CancelRequest::Unbegun | CancelRequest::Begun => {
                // SAFETY: duty 1, the cell is live; waking touches nothing that is somebody's.
                unsafe { (future.wake)(self.0) };
                Cancelled::Soon
            }
            CancelRequest::Before => Cancelled::Before,
            CancelRequest::TooLate => Cancelled::Never,
        }
    }

    /// Publishes the outcome. A panic that no handle will show comes back.
    #[must_use]
    #[inline(always)]
    fn finish(&self) -> Option<Payload> {
        match self.header().state.finish(Ender::Other) {
            Finish::Published => None,
            Finish::Wake => {
                // SAFETY: duty 1, we were just told to; duty 2, we are borrowed for the call.
                unsafe { wake_waiter(self.0, Ender::Other) };
                None
            }
            // SAFETY: duty 1, our end keeps the cell; duty 2, rule 2.
            Finish::Abandoned => unsafe { (self.header().vtable.drop_outcome)(self.0) },
        }
    }

    /// Makes an extra end of the same cell.
    pub(crate) fn task_ref(&self) -> TaskRef {
        self.header().state.add_ref();
        TaskRef(Self(self.0))
    }
}

/// A closure that was cancelled and is to be dropped, which ends its task; when this is dropped, if not
/// before.
#[must_use]
pub(crate) struct Doomed {
    end: TaskRef,
    reason: CancelReason,
}

impl Doomed {
    /// Drops the closure, and resolves the handle. Never unwinds.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        let end = &self.end;
        // SAFETY: duty 1, our end keeps the cell; duty 2, this was made by whoever moved the stage to
        // CANCELLED, once, so the closure is ours.
        unsafe { (end.header().vtable.cancel)(end.0.0, self.reason) };
        drop(end.finish());
    }
}

/// What [`RawTask::cancel`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// The task was queued, and will never run.
    Now,
    /// The task is a future, which a thread of the pool is going to drop.
    Soon,
    /// The task was cancelled already.
    Before,
    /// The task has begun.
    Never,
}

/// One end more, which never sees the outcome.
pub(crate) struct TaskRef(RawTask);

impl TaskRef {
    /// # Safety
    /// The cell is live, and such an end was counted that nobody else gives up.
    pub(super) unsafe fn from_header(header: NonNull<Header>) -> Self {
        Self(RawTask(header))
    }
}

impl Deref for TaskRef {
    type Target = RawTask;

    fn deref(&self) -> &RawTask {
        &self.0
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        let vtable = self.header().vtable;
        if self.header().state.drop_ref() {
            // SAFETY: duty 1, the others left the freeing to us; duty 2, rule 4.
            unsafe { (vtable.free)(self.0.0) };
        }
    }
}

/// The handle's end of a cell: waits for the outcome and takes it.
pub(crate) struct HandleRef<T> {
    task: RawTask,
    outcome: PhantomData<Outcome<T>>,
}

// SAFETY: beside what a remote can do, sending the end sends the right to take a `T`.
unsafe impl<T: Send> Send for HandleRef<T> {}
// SAFETY: no `T` is reached through a shared end, only what a remote can do.
unsafe impl<T: Send> Sync for HandleRef<T> {}

impl<T> Deref for HandleRef<T> {
    type Target = RawTask;

    fn deref(&self) -> &RawTask {
        &self.task
    }
}

impl<T> HandleRef<T> {
    pub(super) fn new(header: NonNull<Header>) -> Self {
        Self {
            task: RawTask(header),
            outcome: PhantomData,
        }
    }

    /// Tells whether the outcome is there; if not, `waker` is called when it is.
    pub(crate) fn poll(&mut self, waker: &Waker) -> bool {
        let state = &self.header().state;
        if state.is_done() {
            return true;
        }
        if state.has_waiter() && !state.clear_waiter() {
            return true;
        }
        let same = self.header().waiter.with(|waiter| {
            // SAFETY: rule 3, WAITER is clear.
            unsafe { (*waiter).as_ref() }.is_some_and(|old| old.will_wake(waker))
        });
        if !same {
            let new = NotInherited::new(waker.clone());
            let old = self.replace_waiter(Some(Box::new(new)));
            unwind::discard(old);
        }
        // An exchange, which is at the same time the last look: see "No wake-up is lost" in `state`.
        if self.header().state.set_waiter() {
            return false;
        }
        // The task ended before it could see the waker, so the place is still ours.
        unwind::discard(self.replace_waiter(None));
        true
    }

    /// Takes back what [`poll`](Self::poll) left, so that the waker is not kept.
    pub(crate) fn stop_waiting(&mut self) {
        let state = &self.header().state;
        // Without WAITER something is left only if the clone of a new waker panicked; and then it is
        // not touched once DONE is set, because an ender may have it.
        let ours = match state.has_waiter() {
            true => state.clear_waiter(),
            false => !state.is_done(),
        };
        if ours {
            unwind::discard(self.replace_waiter(None));
        }
    }

    fn replace_waiter(&mut self, new: Option<Box<Waiter>>) -> Option<Box<Waiter>> {
        self.header().waiter.with_mut(|waiter| {
            // SAFETY: rule 3: all callers have WAITER clear, or were just told by `set_waiter`
            // that DONE came first; and the handle is borrowed mutably.
            unsafe { std::mem::replace(&mut *waiter, new) }
        })
    }

    /// Takes the outcome and frees what is left, or gives the end back if it is too early.
    pub(crate) fn try_take(self) -> Result<Outcome<T>, Self> {
        if !self.is_done() {
            return Err(self);
        }
        let end = ManuallyDrop::new(self);
        let mut room = MaybeUninit::<Outcome<T>>::uninit();
        // SAFETY: duty 1, the cell is live; duty 2, DONE was seen, so rule 2; the room is fit.
        unsafe { (end.header().vtable.take)(end.task.0, room.as_mut_ptr().cast()) };
        end.free_if_last();
        // SAFETY: `take` has moved an outcome there.
        Ok(unsafe { room.assume_init() })
    }

    /// Gives up the handle's end, with the outcome gone.
    fn free_if_last(&self) {
        let vtable = self.header().vtable;
        if self.header().state.drop_handle() {
            // SAFETY: duty 1, the others left the freeing to us; duty 2, rule 4.
            unsafe { (vtable.free)(self.task.0) };
        }
    }
}

impl<T> HandleRef<T> {
    /// Gives up the end with what may be there. A panic that nobody was shown comes back.
    pub(crate) fn abandon(self) -> Option<Payload> {
        ManuallyDrop::new(self).leave()
    }

    fn leave(&mut self) -> Option<Payload> {
        self.stop_waiting();
        match self.header().state.leave() {
            Leave::ToTask => None,
            Leave::WithOutcome => {
                // SAFETY: duty 1, the cell is live; duty 2, DONE was seen, so rule 2, and
                // `try_take` does not come here once it has taken.
                let panic = unsafe { (self.header().vtable.drop_outcome)(self.task.0) };
                self.free_if_last();
                panic
            }
        }
    }
}

impl<T> Drop for HandleRef<T> {
    fn drop(&mut self) {
        drop(self.leave());
    }
}
