//! A future's cell: what is polled, what is known of it, and whom it wakes.
//!
//! One block holds the state word that every cell has, the future and then in the same bytes its
//! outcome, and a second word that says whether the future is to be polled. A waker is an
//! [extra end](crate::task::cell::TaskRef) of the cell, counted like the others, so the block lives as long
//! as anybody may wake it. The rules of access are those of [`cell`](crate::task::cell), with these in place
//! of the first:
//!
//! 1. The future belongs to the task's end, which is in a queue, or polls, or rests in the block.
//! 2. What the future held while it waited belongs to whoever moved the stage out of QUEUED.

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
use crate::primitive::{AtomicUsize, Ordering, UnsafeCell, thread_cell};
use crate::task::aligned;
use crate::task::cell::{
    FutureVtable, HandleRef, Header, Outcome, Runnable, TaskRef, Vtable, drop_outcome_at,
};
use crate::task::context::{Context, Look, Name, Ran, Token};
use crate::task::erased::{Task, Work};
use crate::task::state::{CancelRequest, State};
use crate::task::wakes::Wakes;
use crate::unwind::{self, Payload};

// The cell whose future is polled on this thread, innermost; one byte further once that has woken itself.
thread_cell!(POLLED: *const () = std::ptr::null());

/// `repr(C)` so that a pointer to the cell is one to its header, and to what does not depend on the future.
///
/// In a [`aligned`]: a cell is polled again and again, and its neighbour by another thread.
#[repr(C)]
struct Cell<F: Future, P, S> {
    header: Header,
    /// Where the task goes when it is woken.
    schedule: S,
    /// Where the future is registered. Written before anyone else knows the cell.
    key: AtomicUsize,
    wakes: Wakes,
    /// Held while the future waits to be polled for the first time.
    token: UnsafeCell<Option<P>>,
    stage: UnsafeCell<Stage<F>>,
}

/// `repr(C)` so that a pointer to it is one to either field.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    outcome: ManuallyDrop<Outcome<F::Output>>,
}

/// The functions for such a cell; their duties are those of [`Vtable`].
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
        run: Self::run,
        cancel: Self::cancel,
        future: Some(&FutureVtable {
            release: Self::release,
            wake: Self::wake,
        }),
        take: Self::take,
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
        // SAFETY: by duty 1 the header begins a live cell of this type, and `repr(C)` with the pointer
        // of `spawn` makes the whole of it reachable from it.
        unsafe { header.cast().as_ref() }
    }

    /// # Safety
    /// None: it is not called, since there is no closure.
    unsafe fn run(_: NonNull<Header>) {
        unreachable!("a future is not run in place");
    }

    /// # Safety
    /// None, as for `run`.
    unsafe fn cancel(_: NonNull<Header>, _: CancelReason) {
        unreachable!("a future is called off");
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn release(header: NonNull<Header>) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        // SAFETY: duty 2: rule 2.
        drop(unsafe { cell.take_token() });
    }

    /// # Safety
    /// The first duty of [`Vtable`].
    unsafe fn wake(header: NonNull<Header>) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        if cell.wakes.wake() {
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
    /// The duties of [`Vtable`].
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with(|stage| {
            let outcome = stage.cast::<Outcome<F::Output>>();
            // SAFETY: by duty 2 the outcome is stored and ours, and is read once; `room` is fit.
            unsafe { std::ptr::copy_nonoverlapping(outcome, room.cast(), 1) };
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) -> Option<Payload> {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        cell.stage.with_mut(|stage| {
            // SAFETY: by duty 2 the outcome is stored and ours, and nobody reads it again.
            unsafe { drop_outcome_at(stage.cast::<Outcome<F::Output>>()) }
        })
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        let cell = header.cast::<Cell<F, P, S>>();
        // SAFETY: duty 1; by duty 2 nobody else has it, and nobody looks at it again.
        unwind::contain(|| unsafe { cell.drop_in_place() });
        // SAFETY: `spawn` had the block from there, and the cell was dropped.
        unsafe { aligned::free(cell) };
    }

    /// The header that a waker's pointer leads to.
    fn header(waker: *const ()) -> NonNull<Header> {
        NonNull::new(waker.cast_mut().cast()).expect("a waker leads to its cell")
    }

    /// # Safety
    /// The pointer is that of a waker of this cell, which lives for the call.
    unsafe fn waker_clone(waker: *const ()) -> RawWaker {
        // SAFETY: the waker is an end of the cell, or borrowed from one that polls it.
        unsafe { Self::cell(Self::header(waker)) }
            .header
            .state
            .add_ref();
        RawWaker::new(waker, Self::WAKER)
    }

    /// # Safety
    /// The same; it is used up.
    unsafe fn waker_wake(waker: *const ()) {
        // SAFETY: our duty.
        unsafe { Self::waker_wake_by_ref(waker) };
        // SAFETY: our duty.
        unsafe { Self::waker_drop(waker) };
    }

    /// # Safety
    /// The same as for a clone.
    unsafe fn waker_wake_by_ref(waker: *const ()) {
        let polled = POLLED.with(std::cell::Cell::get);
        if polled == waker || polled == yielding(waker) {
            // It is polled further up on this very stack.
            return POLLED.with(|polled| polled.set(yielding(waker)));
        }
        // SAFETY: the waker is an end of the cell.
        unsafe { Self::wake(Self::header(waker)) };
    }

    /// # Safety
    /// The pointer is that of a waker of this cell, which is an end, and is used up.
    unsafe fn waker_drop(waker: *const ()) {
        // SAFETY: it counts as one, which goes.
        drop(unsafe { TaskRef::from_header(Self::header(waker)) });
    }
}

/// What [`POLLED`] is once the cell's future has woken itself.
fn yielding(cell: *const ()) -> *const () {
    cell.map_addr(|address| address + 1)
}

impl<F: Future, P, S> Cell<F, P, S> {
    /// # Safety
    /// The caller has moved the stage out of QUEUED.
    unsafe fn take_token(&self) -> Option<P> {
        self.token.with_mut(|token| {
            // SAFETY: by our duty it is ours.
            unsafe { (*token).take() }
        })
    }

    /// Polls the future, unless it was cancelled, and drops it where it is once it has ended or was. A panic
    /// that comes too late for the handle goes to `panicked`.
    ///
    /// # Safety
    /// The caller has the task's end, and calls this again only if the answer is `None`.
    unsafe fn poll(
        &self,
        waker: &Waker,
        panicked: impl FnOnce(Payload),
    ) -> Option<Outcome<F::Output>> {
        let state = &self.header.state;
        let mut outcome = None;
        if !state.is_cancelled() {
            let polled = self.stage.with_mut(|stage| {
                unwind::catch(|| {
                    // SAFETY: rule 1: by our duty the future is there and ours.
                    let future = unsafe { &mut *stage.cast::<F>() };
                    // SAFETY: it stays in this place until it is dropped.
                    let future = unsafe { Pin::new_unchecked(future) };
                    future.poll(&mut PollContext::from_waker(waker))
                })
            });
            outcome = match polled {
                // If it was cancelled meanwhile it was woken, too.
                Ok(Poll::Pending) => return None,
                Ok(Poll::Ready(value)) => Some(Ok(value)),
                Err(payload) => Some(Err(JoinError::panicked(payload))),
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
        // SAFETY: our duty.
        unsafe { self.drop_future() };
        Some(outcome.unwrap_or_else(|| Err(JoinError::cancelled(state.reason()))))
    }

    /// # Safety
    /// The caller has the task's end, and the future is there.
    unsafe fn drop_future(&self) {
        self.stage.with_mut(|stage| {
            unwind::contain(|| {
                // SAFETY: rule 1; by our duty nobody looks at it again.
                unsafe { std::ptr::drop_in_place(stage.cast::<F>()) };
            });
        });
    }

    /// Stores the outcome and takes note of the end.
    ///
    /// # Safety
    /// The caller has the task's end, and has dropped the future.
    unsafe fn end(&self, outcome: Outcome<F::Output>) {
        self.stage.with_mut(|stage| {
            // SAFETY: what the bytes held is gone, and nobody reads them before DONE.
            unsafe { stage.cast::<Outcome<F::Output>>().write(outcome) };
        });
        self.wakes.end();
    }
}

/// The task's end of a future's cell, while it is not at rest.
struct RunnableFuture<F, P, S, Cx> {
    header: NonNull<Header>,
    functions: PhantomData<Functions<F, P, S, Cx>>,
}

// SAFETY: the future, its outcome and what it holds are `Send` by the bounds of `spawn`, and the two words
// say which thread may touch them.
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
        // SAFETY: the task's end keeps the cell, and callers leave it alone once that has gone.
        unsafe { Functions::<F, P, S, Cx>::cell(self.header) }
    }

    /// Calls the future off, which is then to be run once more; `true` if nobody had done so.
    fn request_cancel_here(&self, reason: CancelReason) -> bool {
        let request = self.cell().header.state.request_cancel(reason);
        if request == CancelRequest::Unbegun {
            // SAFETY: we were just told that it is ours.
            drop(unsafe { self.cell().take_token() });
        }
        matches!(request, CancelRequest::Unbegun | CancelRequest::Begun)
    }

    /// What it held while it waited, if this is the first poll.
    #[inline]
    fn token(&self) -> Option<P> {
        if !self.cell().header.state.start() {
            return None;
        }
        // SAFETY: we have moved the stage out of QUEUED.
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
        // One that gave way has been polled before.
        if cell.wakes.begin_poll() {
            kept = self.token().map(Token::begin);
        }
        cx.begins(cell.header.vtable.name);
        cx.can_be_joined(id);
        // SAFETY: the functions keep what a waker promises. It is not dropped, since it is none of the
        // ends: it is borrowed from the task's.
        let waker = unsafe { Waker::new(id, Functions::<F, P, S, Cx>::WAKER) };
        let waker = ManuallyDrop::new(waker);
        // Others may be polled on this thread meanwhile.
        let outer = POLLED.with(|polled| polled.replace(id));
        // SAFETY: the task's end is ours, and `end` is called when the answer is an outcome.
        let outcome = unsafe { cell.poll(&waker, |payload| cx.panicked(payload)) };
        let yields = POLLED.with(|polled| polled.replace(outer)) == yielding(id);
        drop(kept);
        cx.returned();
        let Some(outcome) = outcome else {
            if yields || !cell.wakes.rest() {
                return Ran::Yields;
            }
            // Another thread may have it already; the cell may be gone.
            return Ran::GoesOn;
        };
        // SAFETY: `poll` has dropped the future.
        unsafe { cell.end(outcome) };
        cx.future_ended(cell.key.load(Ordering::Relaxed));
        if let Some(payload) = ManuallyDrop::new(Runnable(self.header)).finish() {
            cx.panicked(payload);
        }
        Ran::Ended
    }

    fn cancel(self, reason: CancelReason) -> bool {
        let request = self.request_cancel_here(reason);
        let cell = self.cell();
        // SAFETY: the task's end is ours, and has not ended the future.
        unsafe { cell.drop_future() };
        // SAFETY: just done.
        unsafe { cell.end(Err(JoinError::cancelled(cell.header.state.reason()))) };
        drop(ManuallyDrop::new(Runnable(self.header)).finish());
        request
    }

    fn request_cancel(&self, reason: CancelReason) -> bool {
        self.request_cancel_here(reason)
    }

    fn look(&self) -> Option<Look> {
        let header = &self.cell().header;
        Some(Look {
            name: header.vtable.name,
            is_future: true,
            waits: header.state.is_queued(),
        })
    }
}

impl<Cx: Context> Task<Cx> {
    /// Makes a task of a future, which holds `token` until it is polled first, and the handle's end of
    /// the cell for its outcome.
    ///
    /// `schedule` is called with the task whenever it was woken; `register` with an extra end, first of
    /// all, and what it answers comes with [`Context::future_ended`].
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
        let cell = aligned::new(Cell {
            header: Header::new(State::queued(), Functions::<F, P, S, Cx>::VTABLE),
            wakes: Wakes::queued(),
            schedule,
            token: UnsafeCell::new(Some(token)),
            key: AtomicUsize::new(0),
            stage: UnsafeCell::new(Stage {
                future: ManuallyDrop::new(future),
            }),
        });
        let header = cell.cast();
        let end = HandleRef::new(header);
        let key = register(end.task_ref());
        // SAFETY: the cell is live, since we have its ends.
        let cell = unsafe { Functions::<F, P, S, Cx>::cell(header) };
        cell.key.store(key, Ordering::Relaxed);
        (Functions::<F, P, S, Cx>::task(header), end)
    }
}
