//! The cell of a future, which holds what is polled, and its wakers.
//!
//! One heap block holds the state word that every cell has, the future, whose bytes later hold its
//! outcome, and a [second word](PollState) that says whether the future is to be polled. A waker is
//! a [counted reference](TaskRef) to the cell, so the block lives as long as any waker.
//!
//! # Fields
//! | field | which thread may access it, and when |
//! |---|---|
//! | `header`, `extra` | as in any [`cell`](crate::task::cell) |
//! | `schedule`, `poll_state` | any that has a reference, at any time |
//! | `key` | written before the task is handed out, then read by the runnable reference |
//! | `token` | rule 2 |
//! | `stage.future` | rule 1 |
//! | `stage.outcome` | as in any [`cell`](crate::task::cell) |
//!
//! # Access rules
//! Those of [`cell`](crate::task::cell), with these instead of the first:
//!
//! 1. The future belongs to the runnable reference, which is in a queue, or polls, or rests in the
//!    cell.
//! 2. The token, which the future holds while it waits for its first poll, belongs to the thread
//!    that moved the stage out of QUEUED.

#![expect(
    unsafe_code,
    reason = "a future, its outcome and its wakers share one block of memory"
)]

use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context as PollContext, Poll, RawWaker, RawWakerVTable, Waker};

use crate::error::{CancelReason, JoinError};
use crate::name::Name;
use crate::primitive::{AtomicUsize, Ordering, UnsafeCell, thread_cell};
use crate::task::aligned;
use crate::task::cell::{
    FutureVtable, HandleRef, Header, Outcome, Runnable, TaskRef, Vtable, drop_outcome_at, error_of,
};
use crate::task::context::{Context, End, Extra, Gone, Look, Ran, Token};
use crate::task::erased::{Task, Work};
use crate::task::poll_state::PollState;
use crate::task::state::{CancelRequest, State};
use crate::trace::FutureSpan;
use crate::unwind::{self, Payload};

// The cell whose future is polled on this thread, the innermost one. The pointer is one byte
// further once that future has woken itself.
thread_cell!(POLLED: *const () = std::ptr::null());

/// `repr(C)` so that a pointer to the cell is a pointer to its header, and so that the fields that
/// do not depend on the future come first.
///
/// Its memory is [`aligned`] to a cache line, because a cell is polled again and again, and its
/// neighbour by another thread.
#[repr(C)]
struct Cell<F: Future, P: Token, S> {
    header: Header,
    /// Something that the task has beside the future. Never changed.
    extra: P::Extra,
    /// Called with the task whenever it was woken.
    schedule: S,
    /// The key under which the future is registered. Written before the task is handed out.
    key: AtomicUsize,
    poll_state: PollState,
    span: FutureSpan,
    /// The token that the future holds until it is polled for the first time.
    token: UnsafeCell<Option<P>>,
    stage: UnsafeCell<Stage<F>>,
}

/// `repr(C)` so that a pointer to the union is a pointer to either field.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    outcome: ManuallyDrop<Outcome<F::Output>>,
}

/// The functions for such a cell. Their duties are those of [`Vtable`].
struct Functions<F, P, S, Cx>(PhantomData<(F, P, S, Cx)>);

impl<F, P, S, Cx> Functions<F, P, S, Cx>
where
    F: Future<Output: Send> + Send + 'static,
    P: Token,
    S: Fn(Task<Cx>) + Send + Sync + 'static,
    Cx: Context + 'static,
{
    const VTABLE: &'static Vtable = &Vtable {
        name: &Name::of::<F>(),
        extra: match size_of::<P::Extra>() {
            0 => None,
            _ => Some(Self::extra),
        },
        is_plain: false,
        run: Self::run,
        cancel: Self::cancel,
        future: Some(&FutureVtable {
            release: Self::release,
            wake: Self::wake,
        }),
        promise: None,
        take: Self::take,
        error: Self::error,
        outcome: Self::outcome,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
    };

    const WAKER: &'static RawWakerVTable = &RawWakerVTable::new(
        Self::waker_clone,
        Self::waker_wake,
        Self::waker_wake_by_ref,
        Self::waker_drop,
    );

    /// # Safety
    /// The first duty of [`Vtable`].
    unsafe fn cell<'a>(header: NonNull<Header>) -> &'a Cell<F, P, S> {
        // SAFETY: by duty 1 the header begins a live cell of this type. The whole cell can be
        // reached from it, by `repr(C)` and because the pointer comes from `Task::future`.
        unsafe { header.cast().as_ref() }
    }

    /// # Safety
    /// The first duty of [`Vtable`].
    unsafe fn extra(header: NonNull<Header>) -> *const dyn Extra {
        // SAFETY: duty 1 is ours.
        unsafe { &Self::cell(header).extra }
    }

    /// # Safety
    /// None. It is never called, because there is no closure.
    unsafe fn run(_: NonNull<Header>) {
        unreachable!("a future is not run inline");
    }

    /// # Safety
    /// None. It is never called, because there is no closure.
    unsafe fn cancel(_: NonNull<Header>, _: CancelReason) {
        unreachable!("a future is cancelled by request");
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn release(header: NonNull<Header>) {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        // SAFETY: by duty 2 we moved the stage out of QUEUED (rule 2).
        drop(unsafe { cell.take_token() });
    }

    /// # Safety
    /// The first duty of [`Vtable`].
    unsafe fn wake(header: NonNull<Header>) {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        if cell.poll_state.wake() {
            (cell.schedule)(Self::task(header));
        }
    }

    fn task(header: NonNull<Header>) -> Task<Cx> {
        Task::new(RunnableFuture::<F, P, S, Cx> {
            header,
            functions: PhantomData,
        })
    }

    /// # Safety
    /// The duties of [`Vtable`], and `room` is writable and aligned for an outcome.
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with(|stage| {
            let outcome = stage.cast::<Outcome<F::Output>>();
            // SAFETY: by duty 2 the outcome is stored and ours, and it is read once. By our duty
            // `room` is writable and aligned for it.
            unsafe { std::ptr::copy_nonoverlapping(outcome, room.cast(), 1) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn error(header: NonNull<Header>) -> *const JoinError {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with(|stage| {
            // SAFETY: by duty 2 the outcome is stored and ours.
            error_of(unsafe { &*stage.cast::<Outcome<F::Output>>() })
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn outcome(header: NonNull<Header>) -> *const () {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with(|stage| stage.cast())
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) -> Option<Payload> {
        // SAFETY: duty 1 is ours.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with_mut(|stage| {
            // SAFETY: by duty 2 the outcome is stored and ours, and it is not read again.
            unsafe { drop_outcome_at(stage.cast::<Outcome<F::Output>>()) }
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        let cell = header.cast::<Cell<F, P, S>>();
        // SAFETY: by duty 1 the cell is live, and by duty 2 no other reference is left, so it is
        // not used again.
        unwind::contain(|| unsafe { cell.drop_in_place() });
        // SAFETY: `Task::future` got the block from `aligned::new`, and the cell was dropped.
        unsafe { aligned::free(cell) };
    }

    /// Returns the header that a waker's pointer leads to.
    fn header(waker: *const ()) -> NonNull<Header> {
        NonNull::new(waker.cast_mut().cast()).expect("a waker leads to its cell")
    }

    /// # Safety
    /// The pointer is that of a waker of this cell, which lives during the call.
    unsafe fn waker_clone(waker: *const ()) -> RawWaker {
        // SAFETY: the waker is a counted reference, or borrows the runnable reference, which polls.
        unsafe { Self::cell(Self::header(waker)) }
            .header
            .state
            .add_ref();
        RawWaker::new(waker, Self::WAKER)
    }

    /// # Safety
    /// The pointer is that of a waker of this cell that is a counted reference. It is consumed.
    unsafe fn waker_wake(waker: *const ()) {
        // SAFETY: by our duty the waker lives during the call.
        unsafe { Self::waker_wake_by_ref(waker) };
        // SAFETY: by our duty the waker is consumed.
        unsafe { Self::waker_drop(waker) };
    }

    /// # Safety
    /// The pointer is that of a waker of this cell, which lives during the call.
    unsafe fn waker_wake_by_ref(waker: *const ()) {
        let polled = POLLED.with(std::cell::Cell::get);
        if polled == waker || polled == yielding(waker) {
            // The future wakes itself: it is polled further up on this stack.
            return POLLED.with(|polled| polled.set(yielding(waker)));
        }
        // SAFETY: the waker is a counted reference, or borrows the runnable reference, which polls.
        unsafe { Self::wake(Self::header(waker)) };
    }

    /// # Safety
    /// The pointer is that of a waker of this cell that is a counted reference. It is consumed.
    unsafe fn waker_drop(waker: *const ()) {
        // SAFETY: by our duty the waker was counted as a reference, and keeps the cell until now.
        drop(unsafe { TaskRef::from_header(Self::header(waker)) });
    }
}

/// Returns the value of [`POLLED`] once the future of `cell` has woken itself.
fn yielding(cell: *const ()) -> *const () {
    cell.map_addr(|address| address + 1)
}

impl<F: Future, P: Token, S> Cell<F, P, S> {
    /// Returns the name of the future.
    #[inline]
    fn name(&self) -> &'static Name {
        self.extra.name().unwrap_or(self.header.vtable.name)
    }

    /// Returns the error of a future for which a cancel was requested.
    fn cancelled(&self) -> JoinError {
        JoinError::of_cancel(self.header.state.reason().0, self.name())
    }

    /// Reports that the future has panicked or was cancelled, and returns which.
    #[cold]
    #[inline(never)]
    fn report_failure(&self, failure: Failure, cx: &impl Context) -> End {
        match failure {
            Failure::Panicked => {
                self.extra.failed();
                cx.failed();
                End::Returned
            }
            Failure::Cancelled => {
                let (reason, begun) = self.header.state.reason();
                cx.met_cancelled(reason, begun);
                End::Cancelled { reason, begun }
            }
        }
    }

    /// # Safety
    /// The caller has moved the stage out of QUEUED.
    unsafe fn take_token(&self) -> Option<P> {
        self.token.with_mut(|token| {
            // SAFETY: by our duty the token is ours (rule 2).
            unsafe { (*token).take() }
        })
    }

    /// Polls the future unless it was cancelled. Returns `None` if it is pending. Otherwise drops
    /// it where it is, and stores its outcome there. A panic that comes too late for the handle
    /// goes to `panicked`.
    ///
    /// # Safety
    /// The caller has the runnable reference, and calls this again only if the answer is `None`.
    unsafe fn poll(
        &self,
        waker: &Waker,
        panicked: impl FnOnce(Payload),
    ) -> Option<Result<(), Failure>> {
        let state = &self.header.state;
        let mut outcome = None;
        if !state.is_cancelled() {
            let polled = self.stage.with_mut(|stage| {
                unwind::catch(|| {
                    // SAFETY: by our duty the future is there, and ours (rule 1).
                    let future = unsafe { &mut *stage.cast::<F>() };
                    // SAFETY: the future stays where it is until it is dropped.
                    let future = unsafe { Pin::new_unchecked(future) };
                    future.poll(&mut PollContext::from_waker(waker))
                })
            });
            outcome = match polled {
                // If the future was cancelled meanwhile, it was woken as well, and is run again.
                Ok(Poll::Pending) => return None,
                Ok(Poll::Ready(value)) => Some(Ok(value)),
                Err(payload) => Some(Err(JoinError::of_panic(payload, self.name()))),
            };
        }
        if outcome.is_some() && !state.deliver() {
            let late = outcome.take();
            if let Some(Err(error)) = &late {
                if let Some(payload) = error.take_payload() {
                    panicked(payload);
                }
            }
            unwind::discard(late);
        }
        // SAFETY: by our duty we have the runnable reference. The future is there, and is not
        // polled again unless we return `None`.
        unsafe { self.drop_future() };
        let end = match &outcome {
            Some(Ok(_)) => Ok(()),
            Some(Err(_)) => Err(Failure::Panicked),
            None => Err(Failure::Cancelled),
        };
        let outcome = outcome.unwrap_or_else(|| Err(self.cancelled()));
        // SAFETY: by our duty we have the runnable reference, and the future was just dropped.
        unsafe { self.store(outcome) };
        Some(end)
    }

    /// Drops the future where it is. Never unwinds.
    ///
    /// # Safety
    /// The caller has the runnable reference, and the future is there. It is not used again.
    unsafe fn drop_future(&self) {
        self.stage.with_mut(|stage| {
            unwind::contain(|| {
                // SAFETY: by our duty the future is ours (rule 1), and is not used again.
                unsafe { std::ptr::drop_in_place(stage.cast::<F>()) };
            });
        });
    }

    /// Stores the outcome.
    ///
    /// # Safety
    /// The caller has the runnable reference, and has dropped the future.
    unsafe fn store(&self, outcome: Outcome<F::Output>) {
        self.stage.with_mut(|stage| {
            // SAFETY: by our duty the future is gone from these bytes, and they are not read before
            // DONE.
            unsafe { stage.cast::<Outcome<F::Output>>().write(outcome) };
        });
    }
}

/// The way in which a future has ended without a value.
enum Failure {
    Panicked,
    Cancelled,
}

/// The runnable reference to a future's cell, while it does not rest there.
struct RunnableFuture<F, P, S, Cx> {
    header: NonNull<Header>,
    functions: PhantomData<Functions<F, P, S, Cx>>,
}

// SAFETY: the future, its outcome and the token are `Send`, and `schedule` is `Send` and `Sync`, by
// the bounds of `Task::future`. The two words decide which thread may access them.
unsafe impl<F, P, S, Cx> Send for RunnableFuture<F, P, S, Cx> {}

impl<F, P, S, Cx> RunnableFuture<F, P, S, Cx>
where
    F: Future<Output: Send> + Send + 'static,
    P: Token,
    S: Fn(Task<Cx>) + Send + Sync + 'static,
    Cx: Context + 'static,
{
    #[inline]
    fn cell<'a>(&self) -> &'a Cell<F, P, S> {
        // SAFETY: the runnable reference keeps the cell, and the callers do not use it once that
        // has gone.
        unsafe { Functions::<F, P, S, Cx>::cell(self.header) }
    }

    /// Cancels the future, which is to be run once more then. Returns `false` if it was cancelled
    /// before.
    fn request_cancel_here(&self, reason: CancelReason) -> bool {
        let request = self.cell().header.state.request_cancel(reason);
        if request == CancelRequest::Unbegun {
            // The future has not begun. We are responsible for the token that it holds.
            // SAFETY: `request_cancel` moved the stage out of QUEUED.
            drop(unsafe { self.cell().take_token() });
        }
        matches!(request, CancelRequest::Unbegun | CancelRequest::Begun)
    }

    /// Cancels the future unless it has begun.
    #[cold]
    fn request_cancel_unbegun(&self, reason: CancelReason) {
        if self.cell().header.state.is_queued() {
            self.request_cancel_here(reason);
        }
    }

    /// Takes the token, if this is the first poll.
    #[inline]
    fn token(&self) -> Option<P> {
        if !self.cell().header.state.start() {
            return None;
        }
        // SAFETY: `start` moved the stage out of QUEUED.
        unsafe { self.cell().take_token() }
    }
}

impl<F, P, S, Cx> Work<Cx> for RunnableFuture<F, P, S, Cx>
where
    F: Future<Output: Send> + Send + 'static,
    P: Token,
    S: Fn(Task<Cx>) + Send + Sync + 'static,
    Cx: Context + 'static,
{
    fn run(self, cx: &Cx) -> Ran {
        let cell = self.cell();
        let id = self.header.as_ptr().cast_const().cast();
        let mut kept = None;
        // A future that yielded was polled before, so it holds no token.
        if cell.poll_state.begin_poll() {
            if let Some(reason) = cell.extra.forbids() {
                // Nothing to do if the future has begun: what may go on is not decided here.
                self.request_cancel_unbegun(reason);
            }
            let token = self.token();
            if token.is_some() {
                cx.future_begins();
            }
            kept = token.map(Token::begin);
        }
        cx.polls(cell.name());
        cx.can_be_joined(id);
        // SAFETY: the functions keep the contract of `RawWaker`. The waker is not dropped, because
        // it is no counted reference: it borrows the runnable reference.
        let waker = unsafe { Waker::new(id, Functions::<F, P, S, Cx>::WAKER) };
        let waker = ManuallyDrop::new(waker);
        // The future may poll others on this thread meanwhile.
        let outer = POLLED.with(|polled| polled.replace(id));
        // SAFETY: the runnable reference is ours. Unless the answer is `None`, the future is not
        // polled again.
        let poll = || unsafe { cell.poll(&waker, |payload| cx.panicked(payload)) };
        let ended = cell.span.within(poll);
        let yields = POLLED.with(|polled| polled.replace(outer)) == yielding(id);
        drop(kept);
        cx.returned();
        let Some(ended) = ended else {
            // A future that woke itself, or was woken meanwhile, keeps its runnable reference here.
            if yields || !cell.poll_state.rest() {
                return Ran::Yields;
            }
            // Another thread may have the runnable reference already, and the cell may be gone.
            return Ran::GoesOn;
        };
        let end = match ended {
            Ok(()) => End::Returned,
            Err(failure) => cell.report_failure(failure, cx),
        };
        cell.poll_state.end();
        cx.future_ended(cell.key.load(Ordering::Relaxed));
        // The cell may be gone when the outcome is published.
        let extra = cell.extra.clone();
        if let Some(payload) = ManuallyDrop::new(Runnable(self.header)).finish() {
            cx.panicked(payload);
        }
        extra.ended(end);
        Ran::Ended
    }

    fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        let request = self.request_cancel_here(reason);
        let cell = self.cell();
        // SAFETY: the runnable reference is ours, and has not ended the future.
        unsafe { cell.drop_future() };
        cell.span.end();
        // SAFETY: the runnable reference is ours, and the future was just dropped.
        unsafe { cell.store(Err(cell.cancelled())) };
        cell.poll_state.end();
        let (extra, (reason, begun)) = (cell.extra.clone(), cell.header.state.reason());
        drop(ManuallyDrop::new(Runnable(self.header)).finish());
        extra.ended(End::Cancelled { reason, begun });
        match request {
            true => Ok(()),
            false => Err(Gone::Cancelled(reason)),
        }
    }

    fn request_cancel(&self, reason: CancelReason) -> bool {
        self.request_cancel_here(reason)
    }

    fn gone(&self) -> Option<Gone> {
        None
    }

    fn look(&self) -> Result<Look, Gone> {
        let header = &self.cell().header;
        Ok(Look {
            name: self.cell().name(),
            is_future: true,
            waits: header.state.is_queued(),
        })
    }
}

impl<Cx: Context> Task<Cx> {
    /// Creates a task of a future, which holds `token` until it is polled for the first time, and
    /// the handle's reference to the cell for its outcome.
    ///
    /// `schedule` is called with the task whenever it was woken by something else than its own
    /// poll. `register` is called with a counted reference, before any other thread knows the cell.
    /// The key that it returns is passed to [`Context::future_ended`].
    pub(crate) fn future<P, F, S>(
        token: P,
        future: F,
        schedule: S,
        register: impl FnOnce(TaskRef) -> usize,
    ) -> (Self, HandleRef<F::Output>)
    where
        P: Token,
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        S: Fn(Self) + Send + Sync + 'static,
        Cx: 'static,
    {
        let (extra, name) = (token.extra(), const { &Name::of::<F>() });
        let name = extra.name().unwrap_or(name);
        let cell = aligned::new(Cell {
            extra,
            header: Header::new(State::queued(), Functions::<F, P, S, Cx>::VTABLE),
            poll_state: PollState::queued(),
            schedule,
            span: FutureSpan::new(name),
            token: UnsafeCell::new(Some(token)),
            key: AtomicUsize::new(0),
            stage: UnsafeCell::new(Stage {
                future: ManuallyDrop::new(future),
            }),
        });
        let header = cell.cast();
        let handle = HandleRef::new(header);
        let key = register(handle.task_ref());
        // SAFETY: the cell is live, because we have its references.
        let cell = unsafe { Functions::<F, P, S, Cx>::cell(header) };
        cell.key.store(key, Ordering::Relaxed);
        (Functions::<F, P, S, Cx>::task(header), handle)
    }
}
