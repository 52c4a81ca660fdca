//! The memory that a task shares with its handle.
//!
//! One heap block holds the state word, the waiter field, and the closure, whose bytes later hold
//! its outcome. [`pair`] makes it, and returns a [`Runnable`] and a [`HandleRef`]. There may be
//! [`TaskRef`]s as well. The last reference to go frees the block. The unsafe code stays in this
//! file: all references have safe interfaces, and [`state`](crate::task::state) decides which
//! thread may access what, and when.
//!
//! # Fields
//! | field | which thread may access it, and when |
//! |---|---|
//! | `state`, `vtable` | any that has a reference, at any time |
//! | `extra` | any that has a reference, at any time: it is never changed |
//! | `waiter` | rule 3 |
//! | `stage.closure` | rule 1 |
//! | `stage.outcome` | rule 2 |
//!
//! # Access rules
//! 1. `closure` belongs to the thread that moved the stage out of QUEUED.
//! 2. `outcome` is written by that owner before DONE. After DONE it belongs to the handle, or to
//!    the ender that was told [`Finish::Abandoned`].
//! 3. `waiter` belongs to the ender that was told [`Finish::Wake`]. Otherwise it belongs to the
//!    handle while WAITER is clear, or after `set_waiter` returned that DONE came first; and to the
//!    reference that frees the block.
//! 4. The block is freed by the reference that was told that the others are gone.
//!
//! A future has a cell of another layout, to which the same rules apply (`task/future.rs`), and so
//! has a promise (`task/promise.rs`).

#![expect(
    unsafe_code,
    reason = "several threads share one block of memory, which is the purpose of this file"
)]

use std::any::Any;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::task::Waker;

use crate::error::{CancelReason, JoinError};
use crate::fork::NotInherited;
use crate::name::Name;
use crate::primitive::UnsafeCell;
use crate::task::context::{Closure, Consent, Context, End, Extra, Gone, Job};
use crate::task::state::{CancelRequest, Ender, Finish, Leave, State};
use crate::unwind::{self, Payload};

/// The result that a task's handle returns in the end.
pub(crate) type Outcome<T> = Result<T, JoinError>;

/// The part of a cell that is the same for every task.
pub(super) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// A pointer to the heap, because every cell has this field, and most tasks end before it is
    /// filled.
    pub(super) waiter: UnsafeCell<Option<Box<Waiter>>>,
    /// Makes the model fail if a cell is never freed.
    #[cfg(workmill_loom)]
    _leak_check: crate::primitive::Track<()>,
}

/// The waker of the thread or future that waits for the handle. In a forked child it is not called:
/// it belongs to the parent, and may take locks that are held there.
pub(super) type Waiter = NotInherited<Waker>;

impl Header {
    pub(super) fn new(state: State, vtable: &'static Vtable) -> Self {
        Self {
            state,
            vtable,
            waiter: UnsafeCell::new(None),
            #[cfg(workmill_loom)]
            _leak_check: crate::primitive::Track::new(()),
        }
    }
}

/// `repr(C)` so that a pointer to the cell is a pointer to its header.
#[repr(C)]
struct Cell<F: Closure<T>, T> {
    header: Header,
    extra: F::Extra,
    stage: UnsafeCell<Stage<F, T>>,
}

/// `repr(C)` so that a pointer to the union is a pointer to either field.
#[repr(C)]
union Stage<F, T> {
    closure: ManuallyDrop<F>,
    outcome: ManuallyDrop<Outcome<T>>,
}

/// The functions of a cell, for callers that do not know its types.
///
/// Each function has these duties:
/// 1. The header is that of a live cell that was made with the vtable's types.
/// 2. The access rules of the module allow the caller to access what the function accesses.
pub(super) struct Vtable {
    /// The name of the closure's type. No duties.
    pub(super) name: &'static Name,
    /// Returns the address of the extra part of the cell, if it has one. That part is never
    /// changed.
    pub(super) extra: Option<unsafe fn(NonNull<Header>) -> *const dyn Extra>,
    /// Whether the task is a closure, and has nothing else. No duties.
    pub(super) is_plain: bool,
    /// Takes the closure out, calls it and stores the outcome. Never unwinds.
    pub(super) run: unsafe fn(NonNull<Header>),
    /// Drops the closure, and stores that the task was cancelled. Never unwinds.
    pub(super) cancel: unsafe fn(NonNull<Header>, CancelReason),
    /// The functions that replace these two if the task is a future.
    pub(super) future: Option<&'static FutureVtable>,
    /// The functions of a promise.
    pub(super) promise: Option<&'static PromiseVtable>,
    /// Moves the outcome to where the second pointer leads, which has room for one.
    pub(super) take: unsafe fn(NonNull<Header>, *mut ()),
    /// Returns the address of the outcome's error, or null if it is none.
    pub(super) error: unsafe fn(NonNull<Header>) -> *const JoinError,
    /// Returns the address of the outcome, or null if it is not stored as such.
    pub(super) outcome: unsafe fn(NonNull<Header>) -> *const (),
    /// Drops the outcome, and returns the payload if the task panicked. Never unwinds.
    pub(super) drop_outcome: unsafe fn(NonNull<Header>) -> Option<Payload>,
    /// Frees the block, with the waiter if there is one. Never unwinds.
    pub(super) free: unsafe fn(NonNull<Header>),
}

/// The functions of a promise's cell (`task/promise.rs`), with the duties of [`Vtable`].
pub(super) struct PromiseVtable {
    /// Asks whether the work can be stopped. Never unwinds.
    pub(super) ask: unsafe fn(NonNull<Header>) -> Consent,
    /// Returns a reference to the task whose end answers the promise, if there is one.
    pub(super) task: unsafe fn(NonNull<Header>) -> Option<TaskRef>,
    /// Whether the pool of the handle calls its callback. No duties.
    pub(super) in_pool: bool,
}

/// The functions of a future's cell (`task/future.rs`), with the duties of [`Vtable`].
pub(super) struct FutureVtable {
    /// Drops the token that the future held while it waited.
    pub(super) release: unsafe fn(NonNull<Header>),
    /// Wakes the future, so that it looks at the state. Never unwinds.
    pub(super) wake: unsafe fn(NonNull<Header>),
}

impl<F: Closure<T>, T> Cell<F, T> {
    const VTABLE: &'static Vtable = &Vtable {
        name: F::NAME,
        extra: match size_of::<F::Extra>() {
            0 => None,
            _ => Some(Self::extra),
        },
        is_plain: size_of::<F::Extra>() == 0,
        run: Self::run,
        cancel: Self::cancel,
        future: None,
        promise: None,
        take: Self::take,
        error: Self::error,
        outcome: Self::outcome,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
    };

    fn allocate(state: State, extra: F::Extra, stage: Stage<F, T>) -> NonNull<Header> {
        let cell = Box::new(Self {
            header: Header::new(state, Self::VTABLE),
            extra,
            stage: UnsafeCell::new(stage),
        });
        NonNull::from(Box::leak(cell)).cast()
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn stage<'a>(header: NonNull<Header>) -> &'a UnsafeCell<Stage<F, T>> {
        // SAFETY: by duty 1 the header begins a live `Cell<F, T>`. The whole cell can be reached
        // from it, by `repr(C)` and because the pointer comes from `allocate`.
        unsafe { &(*header.cast::<Self>().as_ptr()).stage }
    }

    /// # Safety
    /// Duty 1 of [`Vtable`].
    unsafe fn extra(header: NonNull<Header>) -> *const dyn Extra {
        // SAFETY: our duty is that of `typed_extra`.
        unsafe { Self::typed_extra(header) }
    }

    /// # Safety
    /// Duty 1 of [`Vtable`].
    unsafe fn typed_extra<'a>(header: NonNull<Header>) -> &'a F::Extra {
        // SAFETY: by duty 1 the header begins a live `Cell<F, T>`, whose `extra` is never changed.
        unsafe { &(*header.cast::<Self>().as_ptr()).extra }
    }

    /// # Safety
    /// Duty 1 of [`Vtable`].
    unsafe fn name(header: NonNull<Header>) -> &'static Name {
        // SAFETY: our duty is that of `typed_extra`.
        unsafe { Self::typed_extra(header) }
            .name()
            .unwrap_or(F::NAME)
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn run(header: NonNull<Header>) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        let closure = stage.with(|stage| {
            // SAFETY: by duty 2 the closure is ours (rule 1), and it is not read again.
            unsafe { std::ptr::read(stage.cast::<F>()) }
        });
        let outcome = unwind::catch(|| closure.call()).map_err(|payload| {
            // SAFETY: our duty is that of `typed_extra`.
            unsafe { Self::typed_extra(header) }.failed();
            tell_failure();
            // SAFETY: our duties are those of `name`.
            JoinError::of_panic(payload, unsafe { Self::name(header) })
        });
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
                // SAFETY: by duty 2 the closure is ours (rule 1), and it is not read again.
                unsafe { std::ptr::drop_in_place(stage.cast::<F>()) };
            });
        });
        // SAFETY: our duties are those of `name`.
        let name = unsafe { Self::name(header) };
        // SAFETY: our duties are those of `store`.
        unsafe { Self::store(header, Err(JoinError::of_cancel(reason, name))) };
    }

    /// # Safety
    /// The duties of [`Vtable`], and the closure was moved out or dropped.
    unsafe fn store(header: NonNull<Header>, outcome: Outcome<T>) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with_mut(|stage| {
            // SAFETY: rule 2 allows the ender to write. The bytes hold nothing any more, by our
            // duty.
            unsafe { stage.cast::<Outcome<T>>().write(outcome) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`], and `room` is writable and aligned for an `Outcome<T>`.
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with(|stage| {
            // SAFETY: by duty 2 the outcome is ours (rule 2), and it is read once. By our duty
            // `room` is writable and aligned for it.
            unsafe { std::ptr::copy_nonoverlapping(stage.cast::<Outcome<T>>(), room.cast(), 1) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn error(header: NonNull<Header>) -> *const JoinError {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with(|stage| {
            // SAFETY: by duty 2 the outcome is there, and ours (rule 2).
            error_of(unsafe { &*stage.cast::<Outcome<T>>() })
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn outcome(header: NonNull<Header>) -> *const () {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with(|stage| stage.cast())
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) -> Option<Payload> {
        // SAFETY: our duties are those of `stage`.
        let stage = unsafe { Self::stage(header) };
        stage.with_mut(|stage| {
            // SAFETY: by duty 2 the outcome is ours (rule 2), and it is not read again.
            unsafe { drop_outcome_at(stage.cast::<Outcome<T>>()) }
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: `allocate` leaked this box. By duty 2 and rule 4 no other reference is left.
        let cell = unsafe { Box::from_raw(header.cast::<Self>().as_ptr()) };
        unwind::discard(cell);
    }
}

/// Creates a cell for `closure`, and returns its two references.
pub(crate) fn pair<F, T>(closure: F) -> (Runnable, HandleRef<T>)
where
    F: Closure<T> + 'static,
    T: Send + 'static,
{
    let extra = closure.extra();
    let closure = ManuallyDrop::new(closure);
    let header = Cell::<F, T>::allocate(State::queued(), extra, Stage { closure });
    (Runnable(header), HandleRef::new(header))
}

/// Creates a cell for a closure that may borrow, with a runnable, a handle and a counted reference.
/// The closure is run inline only by those who [know that it borrows](RawTask::run_unless).
///
/// # Safety
/// Until the closure is gone, and with it the outcome unless that belongs to the handle, the caller
/// keeps alive what the closure and its outcome borrow.
pub(crate) unsafe fn scoped_pair<F, T>(closure: F) -> (Runnable, HandleRef<T>, TaskRef)
where
    F: Closure<T>,
    T: Send,
{
    let extra = closure.extra();
    let closure = ManuallyDrop::new(closure);
    let header = Cell::<F, T>::allocate(State::scoped(), extra, Stage { closure });
    (
        Runnable(header),
        HandleRef::new(header),
        TaskRef(RawTask(header)),
    )
}

/// Creates a cell for a closure that may borrow, as [`scoped_pair`] does, without a handle
/// reference.
///
/// # Safety
/// Until the closure is gone, the caller keeps alive what it borrows.
pub(crate) unsafe fn scoped_alone<F: Closure<()>>(closure: F) -> (Runnable, TaskRef) {
    let extra = closure.extra();
    let closure = ManuallyDrop::new(closure);
    let header = Cell::<F, ()>::allocate(State::scoped_alone(), extra, Stage { closure });
    (Runnable(header), TaskRef(RawTask(header)))
}

/// Creates a handle reference that has already resolved to cancelled. `name` is that of the task
/// that was refused.
pub(crate) fn refused<T: Send + 'static>(
    reason: CancelReason,
    name: &'static Name,
) -> HandleRef<T> {
    let outcome = ManuallyDrop::new(Err(JoinError::of_cancel(reason, name)));
    let stage = Stage { outcome };
    let header = Cell::<Job<(), (), fn() -> T>, T>::allocate(State::refused(), (), stage);
    HandleRef::new(header)
}

/// Drops an outcome where it is, and returns the payload if the task panicked. Never unwinds.
///
/// # Safety
/// `outcome` leads to an outcome, which belongs to the caller and is not read again.
pub(super) unsafe fn drop_outcome_at<T>(outcome: *mut Outcome<T>) -> Option<Payload> {
    // SAFETY: by our duty the outcome is there and belongs to the caller.
    let panic = match unsafe { &*outcome } {
        Err(error) => error.take_payload(),
        Ok(_) => None,
    };
    unwind::contain(|| {
        // SAFETY: by our duty the outcome belongs to the caller, and is dropped once.
        unsafe { std::ptr::drop_in_place(outcome) };
    });
    panic
}

/// Takes the waker out, drops the runnable reference if the ender acts for it, and wakes.
///
/// # Safety
/// 1. `header` is that of a live cell, and [`State::finish`] for `ender` has told the caller to
///    wake.
/// 2. With [`Ender::Other`] the caller keeps its own reference during the call.
unsafe fn wake_waiter(header: NonNull<Header>, ender: Ender) {
    // SAFETY: by duty 1 the cell is live. Our reference keeps it until `drop_runnable`, or by duty
    // 2 during the call.
    let cell = unsafe { header.as_ref() };
    let waker = cell.waiter.with_mut(|waiter| {
        // SAFETY: rule 3 gives the field to an ender that was told to wake.
        unsafe { (*waiter).take() }
    });
    let vtable = cell.vtable;
    if ender == Ender::Runnable && cell.state.drop_runnable() {
        // SAFETY: duty 1: we are responsible for freeing the cell, so it is live. Duty 2: rule 4.
        unsafe { (vtable.free)(header) };
    }
    // The cell may be gone by now. Nothing of it is used below this line.
    if let Some(waker) = waker.and_then(|waiter| waiter.into_inner()) {
        unwind::wake(waker);
    }
}

/// The function that is called when a closure with a handle has panicked.
static ON_FAILURE: OnceLock<fn()> = OnceLock::new();

/// Sets the function that is called, on the thread that has called it, when a closure with a handle
/// has panicked. A cell does not know the context in which it is run, and to tell it there with
/// each outcome would cost every task what only these should.
pub(crate) fn set_on_failure(on_failure: fn()) {
    let _ = ON_FAILURE.set(on_failure);
}

#[cold]
fn tell_failure() {
    if let Some(on_failure) = ON_FAILURE.get() {
        on_failure();
    }
}

/// Runs a closure, or drops it, and stores the outcome.
///
/// # Safety
/// The duties of [`Vtable::run`].
unsafe fn run_or_drop(header: NonNull<Header>, doomed: Option<CancelReason>) {
    // SAFETY: the header is that of a live cell, by our duty.
    let vtable = unsafe { header.as_ref() }.vtable;
    match doomed {
        // SAFETY: our duties are those of `run`.
        None => unsafe { (vtable.run)(header) },
        Some(reason) => {
            // SAFETY: the header is that of a live cell, by our duty.
            unsafe { header.as_ref() }.state.note_dropped(reason);
            // SAFETY: our duties are those of `cancel`, too: the closure is ours.
            unsafe { (vtable.cancel)(header, reason) }
        }
    }
}

/// The runnable reference to a cell. It is run or cancelled, exactly once.
///
/// Its drop cancels the task, because a pool that forgets a task was shut down.
pub(crate) struct Runnable(pub(super) NonNull<Header>);

// SAFETY: the closure and the outcome behind the pointer are `Send` by the bounds of `pair`, and
// wakers are. The state word decides which thread may access them.
unsafe impl Send for Runnable {}

impl Runnable {
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the block is live as long as the runnable reference is there (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// Returns the name of the closure's type.
    pub(crate) fn name(&self) -> &'static Name {
        self.header().vtable.name
    }

    /// Returns how the closure has gone, if it was begun or cancelled.
    #[inline]
    pub(crate) fn gone(&self) -> Option<Gone> {
        let state = &self.header().state;
        (!state.is_queued()).then(|| state.gone())
    }

    /// Marks the closure as due, so that it may be run inline.
    pub(super) fn come_due(&self) {
        self.header().state.come_due();
    }

    /// Runs the closure. Returns an error if it was begun or cancelled before.
    pub(crate) fn run(self, cx: &impl Context) -> Result<(), Gone> {
        let name = self.name();
        self.run_as(name, cx)
    }

    /// Runs the closure as [`run`](Self::run) does, by another name.
    #[inline(always)]
    pub(super) fn run_as(self, name: &'static Name, cx: &impl Context) -> Result<(), Gone> {
        let this = ManuallyDrop::new(self);
        if this.header().state.start() {
            cx.begins(name);
            cx.can_be_joined(this.0.as_ptr().cast());
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: `start` gave us the closure.
            unsafe { (this.header().vtable.run)(this.0) };
            cx.returned();
            if let Some(payload) = this.finish() {
                cx.panicked(payload);
            }
            return Ok(());
        }
        let gone = this.header().state.gone();
        this.leave();
        Err(gone)
    }

    /// Runs the closure, or drops it if `doomed` returns why. Does neither if it was begun or
    /// cancelled before. A panic is returned, not reported.
    pub(crate) fn run_unless(
        self,
        cx: &impl Context,
        doomed: impl FnOnce() -> Option<CancelReason>,
    ) -> Result<Option<Payload>, Gone> {
        let this = ManuallyDrop::new(self);
        if !this.header().state.start() {
            let gone = this.header().state.gone();
            this.leave();
            return Err(gone);
        }
        let doomed = doomed();
        match doomed {
            None => cx.begins(this.name()),
            Some(_) => cx.polls(this.name()),
        }
        cx.can_be_joined(this.0.as_ptr().cast());
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: `start` gave us the closure.
        unsafe { run_or_drop(this.0, doomed) };
        cx.returned();
        if let Some(reason) = doomed {
            cx.met_cancelled(reason, false);
        }
        Ok(this.finish())
    }

    /// Cancels the task. Returns an error if it was begun or cancelled before.
    #[inline]
    pub(crate) fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        let this = ManuallyDrop::new(self);
        match this.header().state.cancel(reason) {
            true => {
                this.end_cancelled(reason);
                Ok(())
            }
            false => {
                let gone = this.header().state.gone();
                this.leave();
                Err(gone)
            }
        }
    }

    /// Drops the closure of a task that was just cancelled. The runnable reference is gone after
    /// that.
    fn end_cancelled(&self, reason: CancelReason) {
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: `cancel` gave us the closure.
        unsafe { (self.header().vtable.cancel)(self.0, reason) };
        drop(self.finish());
    }

    /// Publishes the outcome. The runnable reference is gone after that. Returns the payload of a
    /// panic that no handle will return.
    #[must_use]
    pub(super) fn finish(&self) -> Option<Payload> {
        match self.header().state.finish(Ender::Runnable) {
            // The outcome belongs to the handle. The cell may be gone by now.
            Finish::Published => None,
            // The handle waits. We are responsible for waking it.
            Finish::Wake => {
                // SAFETY: duty 1: `finish` has just told us to wake, and our reference keeps the
                // cell. Duty 2 does not apply.
                unsafe { wake_waiter(self.0, Ender::Runnable) };
                None
            }
            // The handle was already dropped. We are responsible for the outcome.
            Finish::Abandoned => {
                // SAFETY: duty 1: our reference keeps the cell. Duty 2: rule 2.
                let panic = unsafe { (self.header().vtable.drop_outcome)(self.0) };
                self.leave();
                panic
            }
        }
    }

    /// Drops a runnable reference that has nothing left to run.
    pub(super) fn leave(&self) {
        let vtable = self.header().vtable;
        if self.header().state.drop_runnable() {
            // SAFETY: duty 1: we are responsible for freeing the cell, so it is live. Duty 2:
            // rule 4.
            unsafe { (vtable.free)(self.0) };
        }
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        match self.header().state.cancel(CancelReason::Shutdown) {
            true => self.end_cancelled(CancelReason::Shutdown),
            false => self.leave(),
        }
    }
}

/// The operations of every reference except the runnable: see how far the task has come, cancel it,
/// and run it inline.
pub(crate) struct RawTask(NonNull<Header>);

// SAFETY: a `RawTask` reads the state word, cancels and runs. The thread that wins the exchange for
// that owns the closure, stores an outcome and may take the waker. These are `Send`, by the bounds
// of `pair`. No outcome is read through a `RawTask`. At most it is dropped, if the handle has gone.
unsafe impl Send for RawTask {}
// SAFETY: all that is done through a shared `RawTask` is decided by exchanges of the state word, as
// for `Send`.
unsafe impl Sync for RawTask {}

impl RawTask {
    fn header(&self) -> &Header {
        // SAFETY: the block is live as long as the reference that this is part of (rule 4).
        unsafe { self.0.as_ref() }
    }

    /// Returns an address that identifies the cell as long as it lives.
    pub(crate) fn id(&self) -> *const () {
        self.0.as_ptr().cast()
    }

    /// Returns the name of the closure or future.
    pub(crate) fn name(&self) -> &'static Name {
        let named = self.extra().and_then(Extra::name);
        named.unwrap_or(self.header().vtable.name)
    }

    /// Returns what the task has beside a closure or a future, if it has anything.
    pub(crate) fn extra(&self) -> Option<&dyn Extra> {
        let extra = self.header().vtable.extra?;
        // SAFETY: duty 1: our reference keeps the cell.
        let extra = unsafe { extra(self.0) };
        // SAFETY: it is part of the cell, which our reference keeps for as long as `self` is
        // borrowed, and is never changed.
        Some(unsafe { &*extra })
    }

    /// Returns what the task has, as [`extra`](Self::extra) does, for the modules above.
    pub(crate) fn extra_as_any(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.extra()?.as_any()
    }

    /// Returns `true` if the task is a closure with nothing else, and can run inline.
    #[inline]
    pub(crate) fn is_plain_and_due(&self) -> bool {
        self.header().vtable.is_plain && self.header().state.is_due()
    }

    /// Returns `true` if the task is a closure that is due and was neither begun nor cancelled.
    pub(crate) fn can_run_inline(&self) -> bool {
        self.header().vtable.future.is_none() && self.header().state.is_due()
    }

    /// Returns `true` if the task has neither begun nor was cancelled.
    pub(crate) fn is_queued(&self) -> bool {
        self.header().state.is_queued()
    }

    /// Returns `true` if a thread or a future waits for the handle; a snapshot, may be stale.
    pub(crate) fn is_awaited(&self) -> bool {
        self.header().state.has_waiter()
    }

    /// Prevents a closure from being run inline until it [comes due](Self::come_due).
    pub(crate) fn postpone(&self) {
        if !self.is_future() {
            self.header().state.postpone();
        }
    }

    pub(crate) fn is_future(&self) -> bool {
        self.header().vtable.future.is_some()
    }

    /// Returns `true` if the task has more than its closure or future.
    #[inline]
    pub(crate) fn has_extra(&self) -> bool {
        self.header().vtable.extra.is_some()
    }

    /// Marks the closure as due, so that it may be run inline.
    pub(crate) fn come_due(&self) {
        self.header().state.come_due();
    }

    /// Returns `true` if this is the cell of a promise.
    pub(crate) fn is_promise(&self) -> bool {
        self.header().vtable.promise.is_some()
    }

    /// Returns `true` if this is a promise whose callback the pool of the handle calls.
    pub(crate) fn calls_back_in_pool(&self) -> bool {
        let promise = self.header().vtable.promise;
        promise.is_some_and(|promise| promise.in_pool)
    }

    /// Returns a reference to the task whose end answers this promise, if it is that of a task. No
    /// task is behind that.
    pub(crate) fn task_behind(&self) -> Option<TaskRef> {
        let promise = self.header().vtable.promise?;
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: the part of a promise that takes
        // cancels may be accessed at any time.
        unsafe { (promise.task)(self.0) }
    }

    /// Returns `true` if the task has begun and has not ended, or the one whose end answers this
    /// promise.
    pub(crate) fn is_running(&self) -> bool {
        let state = &self.header().state;
        let is_answered_by = || self.task_behind().is_some_and(|task| task.is_running());
        state.is_running() || !state.is_done() && is_answered_by()
    }

    /// Returns `true` if the task has begun, or the one whose end answers this promise. It may have
    /// ended.
    pub(crate) fn has_begun(&self) -> bool {
        let behind = self.task_behind();
        let state = &behind.as_deref().unwrap_or(self).header().state;
        !state.is_queued() && (!state.is_cancelled() || state.reason().1)
    }

    /// Returns `true` if the outcome is there.
    pub(crate) fn is_done(&self) -> bool {
        self.header().state.is_done()
    }

    /// Runs the closure on this thread, if [possible](Self::can_run_inline). Returns `true` if it
    /// was run.
    pub(crate) fn run_inline(&self, cx: &impl Context) -> bool {
        let ours = self.can_run_inline() && self.header().state.start();
        if ours {
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: the task is a closure, which
            // `start` gave us.
            unsafe { (self.header().vtable.run)(self.0) };
            if let Some(payload) = self.finish() {
                cx.panicked(payload);
            }
            self.tell_extra(End::Returned);
        }
        ours
    }

    /// Runs the closure on this thread, or drops it if `doomed` returns why. Does neither, and
    /// returns `None`, if it was begun or cancelled before. A panic is returned, not reported.
    ///
    /// The task is a closure, and the caller knows what has to be done when it has ended.
    pub(crate) fn run_unless(
        &self,
        doomed: impl FnOnce() -> Option<CancelReason>,
    ) -> Option<Option<Payload>> {
        if !self.header().state.start() {
            return None;
        }
        debug_assert!(self.header().vtable.future.is_none(), "a closure");
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: the task is a closure, which
        // `start` gave us.
        unsafe { run_or_drop(self.0, doomed()) };
        Some(self.finish())
    }

    /// Notifies the extra part that the task has ended.
    fn tell_extra(&self, end: End) {
        if let Some(extra) = self.extra() {
            extra.ended(end);
        }
    }

    /// Wakes the task if it is a future.
    pub(crate) fn wake(&self) {
        if let Some(future) = self.header().vtable.future {
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: waking accesses the
            // second word and `schedule`, which any reference may.
            unsafe { (future.wake)(self.0) };
        }
    }

    /// Cancels the task, unless it has begun. A future is cancelled unless it has returned its
    /// output.
    pub(crate) fn cancel(&self, reason: CancelReason) -> Cancelled {
        match self.doom(reason) {
            Ok(doomed) => {
                doomed.end();
                Cancelled::Now
            }
            Err(cancelled) => cancelled,
        }
    }

    /// Cancels the task as [`cancel`](Self::cancel) does, but leaves it to the caller to drop a
    /// closure that will never run.
    pub(crate) fn doom(&self, reason: CancelReason) -> Result<Doomed, Cancelled> {
        if let Some(future) = self.header().vtable.future {
            return Err(self.request_cancel(future, reason));
        }
        let state = &self.header().state;
        let cancelled = match self.ask() {
            Consent::IfQueued => state.cancel(reason),
            Consent::Granted => state.cancel_begun(),
            Consent::GrantedElsewhere => return Err(Cancelled::Soon),
            Consent::Refused => false,
        };
        if cancelled {
            let task = self.task_ref();
            return Ok(Doomed { task, reason });
        }
        Err(match state.is_cancelled() {
            true => Cancelled::Before,
            false => Cancelled::Never,
        })
    }

    /// Asks whether the task can be cancelled: a closure while it is queued.
    fn ask(&self) -> Consent {
        match self.header().vtable.promise {
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: the part of a promise that
            // takes cancels may be accessed at any time.
            Some(promise) if !self.is_done() => unsafe { (promise.ask)(self.0) },
            _ => Consent::IfQueued,
        }
    }

    fn request_cancel(&self, future: &FutureVtable, reason: CancelReason) -> Cancelled {
        let request = self.header().state.request_cancel(reason);
        if request == CancelRequest::Unbegun {
            // The future has not begun. We are responsible for the token that it holds.
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: `request_cancel` gave us the
            // token.
            unsafe { (future.release)(self.0) };
        }
        match request {
            // The next run will drop the future. We are responsible for waking it.
            CancelRequest::Unbegun | CancelRequest::Begun => {
                // SAFETY: duty 1: our reference keeps the cell. Duty 2: waking accesses the
                // second word and `schedule`, which any reference may.
                unsafe { (future.wake)(self.0) };
                Cancelled::Soon
            }
            CancelRequest::Before => Cancelled::Before,
            CancelRequest::TooLate => Cancelled::Never,
        }
    }

    /// Publishes the outcome. Returns the payload of a panic that no handle will return.
    #[must_use]
    #[inline(always)]
    fn finish(&self) -> Option<Payload> {
        match self.header().state.finish(Ender::Other) {
            // The outcome belongs to the handle.
            Finish::Published => None,
            // The handle waits. We are responsible for waking it.
            Finish::Wake => {
                // SAFETY: duty 1: `finish` has just told us to wake, and our reference keeps the
                // cell. Duty 2: our reference is borrowed for the call.
                unsafe { wake_waiter(self.0, Ender::Other) };
                None
            }
            // The handle was already dropped. We are responsible for the outcome.
            // SAFETY: duty 1: our reference keeps the cell. Duty 2: rule 2.
            Finish::Abandoned => unsafe { (self.header().vtable.drop_outcome)(self.0) },
        }
    }

    /// Creates a counted reference to the same cell.
    pub(crate) fn task_ref(&self) -> TaskRef {
        self.header().state.add_ref();
        TaskRef(Self(self.0))
    }
}

/// A closure that was cancelled and is still to be dropped. Its drop, by [`end`](Self::end) or by
/// that of this value, ends the task.
#[must_use]
pub(crate) struct Doomed {
    task: TaskRef,
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
        let task = &self.task;
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: the thread that moved the stage to
        // CANCELLED made this value, once, so the closure is ours.
        unsafe { (task.header().vtable.cancel)(task.0.0, self.reason) };
        drop(task.finish());
        task.tell_extra(End::unbegun(self.reason));
    }
}

/// The result of [`RawTask::cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// The task was queued, and will never run.
    Now,
    /// The task is a future, which a worker is going to drop, or the handle of a promise is about
    /// to resolve.
    Soon,
    /// The task was cancelled before.
    Before,
    /// The task has begun, or is a future that has returned its output. It is not cancelled.
    Never,
}

/// A counted reference to a cell. It never sees the outcome.
pub(crate) struct TaskRef(RawTask);

impl TaskRef {
    /// # Safety
    /// The cell is live, and a reference was counted for this value alone.
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
            // SAFETY: duty 1: we are responsible for freeing the cell, so it is live. Duty 2:
            // rule 4.
            unsafe { (vtable.free)(self.0.0) };
        }
    }
}

/// The handle reference to a cell. It waits for the outcome and takes it.
pub(crate) struct HandleRef<T> {
    task: RawTask,
    outcome: PhantomData<Outcome<T>>,
}

// SAFETY: a `RawTask` is `Send`. Beside it, sending a `HandleRef` sends the right to take a `T`.
unsafe impl<T: Send> Send for HandleRef<T> {}
// SAFETY: a `RawTask` is `Sync`, and no `T` is reached through a shared `HandleRef`.
unsafe impl<T: Send> Sync for HandleRef<T> {}

impl<T> Deref for HandleRef<T> {
    type Target = RawTask;

    fn deref(&self) -> &RawTask {
        &self.task
    }
}

/// Returns the address of the error, or null if the outcome is none.
pub(super) fn error_of<T>(outcome: &Outcome<T>) -> *const JoinError {
    outcome
        .as_ref()
        .err()
        .map_or(std::ptr::null(), std::ptr::from_ref)
}

impl<T> HandleRef<T> {
    pub(super) fn new(header: NonNull<Header>) -> Self {
        Self {
            task: RawTask(header),
            outcome: PhantomData,
        }
    }

    /// Returns `true` if the outcome is there. If not, `waker` is called when it is.
    pub(crate) fn poll(&mut self, waker: &Waker) -> bool {
        let state = &self.header().state;
        if state.is_done() {
            return true;
        }
        if state.has_waiter() && !state.clear_waiter() {
            // The task ended first, and its ender owns the waiter field.
            return true;
        }
        let same = self.header().waiter.with(|waiter| {
            // SAFETY: rule 3: WAITER is clear.
            unsafe { (*waiter).as_ref() }.is_some_and(|old| old.will_wake(waker))
        });
        if !same {
            let new = NotInherited::new(waker.clone());
            let old = self.replace_waiter(Some(Box::new(new)));
            unwind::discard(old);
        }
        // This exchange is also the last look at DONE: see "No wake-up is lost" in `state`.
        if self.header().state.set_waiter() {
            return false;
        }
        // The task ended before WAITER was set, so the waiter field is still ours.
        unwind::discard(self.replace_waiter(None));
        true
    }

    /// Takes back the waker that [`poll`](Self::poll) left, and drops it.
    pub(crate) fn stop_waiting(&mut self) {
        let state = &self.header().state;
        // Without WAITER there is an old waker only if the clone of a new one panicked. It is not
        // touched once DONE is set, because an ender may own the field.
        let ours = match state.has_waiter() {
            true => state.clear_waiter(),
            false => !state.is_done(),
        };
        if ours {
            unwind::discard(self.replace_waiter(None));
        }
    }

    /// Returns the error, which stays where it is, if the outcome is there and is one. A result
    /// that is still to be made of a value is none.
    pub(crate) fn error(&self) -> Option<&JoinError> {
        if !self.is_done() {
            return None;
        }
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: DONE was seen, so the outcome
        // belongs to the handle (rule 2), which is borrowed.
        let error = unsafe { (self.header().vtable.error)(self.task.0) };
        // SAFETY: it is null, or leads to the error, which nobody changes or drops while the handle
        // is borrowed. An error is `Sync`, and no `T` is reached.
        unsafe { error.as_ref() }
    }

    /// Returns `true` if the outcome is there and is an error.
    pub(crate) fn has_failed(&self) -> bool {
        self.error().is_some()
    }

    /// Returns the outcome, which stays where it is, if it is there. Returns `None` as well if it
    /// is still to be made.
    pub(crate) fn peek(&mut self) -> Option<&Outcome<T>> {
        if !self.is_done() {
            return None;
        }
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: DONE was seen, so the outcome
        // belongs to the handle (rule 2).
        let outcome = unsafe { (self.header().vtable.outcome)(self.task.0) };
        let outcome = outcome.cast::<Outcome<T>>();
        // SAFETY: it is null, or leads to the outcome, which nobody changes while the handle is
        // borrowed mutably.
        unsafe { outcome.as_ref() }
    }

    fn replace_waiter(&mut self, new: Option<Box<Waiter>>) -> Option<Box<Waiter>> {
        self.header().waiter.with_mut(|waiter| {
            // SAFETY: rule 3: WAITER is clear in all callers, or `set_waiter` has just told them
            // that DONE came first. The handle is borrowed mutably.
            unsafe { std::mem::replace(&mut *waiter, new) }
        })
    }

    /// Takes the outcome and drops the handle reference, or returns it as an error if the task has
    /// not ended.
    pub(crate) fn try_take(self) -> Result<Outcome<T>, Self> {
        if !self.is_done() {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        let mut room = MaybeUninit::<Outcome<T>>::uninit();
        // SAFETY: duty 1: our reference keeps the cell. Duty 2: DONE was seen, so rule 2. The room
        // is writable and aligned for an outcome.
        unsafe { (this.header().vtable.take)(this.task.0, room.as_mut_ptr().cast()) };
        this.free_if_last();
        // SAFETY: `take` has moved an outcome there.
        Ok(unsafe { room.assume_init() })
    }

    /// Drops the handle reference, whose outcome is gone.
    fn free_if_last(&self) {
        let vtable = self.header().vtable;
        if self.header().state.drop_handle() {
            // SAFETY: duty 1: we are responsible for freeing the cell, so it is live. Duty 2:
            // rule 4.
            unsafe { (vtable.free)(self.task.0) };
        }
    }
}

impl<T> HandleRef<T> {
    /// Drops the handle reference, and the outcome if it is there. Returns the payload if it is a
    /// panic.
    pub(crate) fn abandon(self) -> Option<Payload> {
        ManuallyDrop::new(self).leave()
    }

    fn leave(&mut self) -> Option<Payload> {
        self.stop_waiting();
        match self.header().state.leave() {
            // The task has not ended. Its ender is responsible for the outcome.
            Leave::ToTask => None,
            // The task has ended. We are responsible for the outcome.
            Leave::WithOutcome => {
                // SAFETY: duty 1: our reference keeps the cell. Duty 2: DONE was seen, so rule 2,
                // and `try_take` does not come here once it has taken the outcome.
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
