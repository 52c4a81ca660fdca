//! A future's cell, and its task's end.
//!
//! async-task makes the block and counts who may still wake the future; what it calls *metadata* is the
//! part of ours that a handle knows, so a future with its handle is one allocation. The rules of access
//! are those of [`cell`](super::cell), with these in place of the first:
//!
//! 1. The future belongs to the task's end: to whoever has async-task's `Runnable`, of which there is
//!    at most one, and which comes back through the schedule function when the future is woken.
//! 2. What the future held while it waited belongs to whoever moved the stage out of QUEUED.
//! 3. The keeper is written before anyone else knows the cell, and taken by the end that frees it. It
//!    is one of async-task's wakers: by it the block outlives the future for as long as one of our ends
//!    is there, and with it the task's end is called to look at a future that was cancelled.
//!
//! async-task's own handle is let go of at once, and its output is nothing: the outcome is stored where
//! the cell's handle takes it. So it never drops a future by itself, nor a value of the user's.

use std::future::Future;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context as PollContext, Poll, Waker};

use async_task::Runnable;

use super::cell::{ExtraEnd, FutureVtable, HandleEnd, Header, Outcome, TaskEnd, Vtable};
use super::state::{CalledOff, State};
use super::{Context, Look, Name, Ran, Task, Token, Work};
use crate::error::{CancelReason, JoinError};
use crate::primitive::{AtomicUsize, Ordering, UnsafeCell, thread_pointer};
use crate::unwind;

// Not null once the future that is polled on this thread has ended.
thread_pointer!(ENDED);

/// `repr(C)` so that a pointer to the cell is one to its header.
#[repr(C)]
struct FutureCell<T, P, S> {
    header: Header,
    outcome: UnsafeCell<MaybeUninit<Outcome<T>>>,
    /// Held while the future waits to be polled for the first time.
    token: UnsafeCell<Option<P>>,
    keeper: UnsafeCell<Option<Waker>>,
    /// Where the future goes when it is woken. Here, because async-task counts one waker more for every
    /// call of a function that captures something.
    schedule: S,
    /// Where the future is registered. Written before anyone else knows the cell.
    key: AtomicUsize,
}

// SAFETY: the rules of access say which thread may touch what is in the cells, and all of it is `Send`
// then: wakers are.
unsafe impl<T: Send, P: Send, S: Send> Send for FutureCell<T, P, S> {}
// SAFETY: the same; none of it is touched by two threads at a time.
unsafe impl<T: Send, P: Send, S: Sync> Sync for FutureCell<T, P, S> {}

/// The functions for the cell of such a future; their duties are those of [`Vtable`].
impl<F, P, S> Body<F, P, S>
where
    F: Future<Output: Send> + Send + 'static,
    P: Token,
{
    const VTABLE: &'static Vtable = &Vtable {
        name: &Name(std::any::type_name::<F>),
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

    /// # Safety
    /// The first duty of [`Vtable`].
    unsafe fn cell<'a>(header: NonNull<Header>) -> &'a FutureCell<F::Output, P, S> {
        // SAFETY: by duty 1 the header begins a live cell of this type, and the pointer was made from
        // one to the whole of it.
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
    /// The duties of [`Vtable`].
    unsafe fn wake(header: NonNull<Header>) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        // SAFETY: rule 3: the keeper is not written while the caller has an end.
        let keeper = cell.keeper.with(|keeper| unsafe { (*keeper).clone() });
        keeper.into_iter().for_each(unwind::wake);
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn take(header: NonNull<Header>, room: *mut ()) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        cell.outcome.with(|outcome| {
            // SAFETY: by duty 2 the outcome is stored and ours, and is read once; `room` is fit.
            unsafe {
                let outcome = outcome.cast::<Outcome<F::Output>>();
                std::ptr::copy_nonoverlapping(outcome, room.cast(), 1);
            }
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn drop_outcome(header: NonNull<Header>) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        cell.outcome.with_mut(|outcome| {
            unwind::contain(|| {
                // SAFETY: by duty 2 the outcome is stored and ours, and nobody reads it again.
                unsafe { std::ptr::drop_in_place(outcome.cast::<Outcome<F::Output>>()) };
            });
        });
    }

    /// # Safety
    /// The duties of [`Vtable`].
    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: duty 1.
        let cell = unsafe { Self::cell(header) };
        // SAFETY: by duty 2 all ends have gone, so nobody else has the waiter.
        let waiter = cell
            .header
            .waiter
            .with_mut(|waiter| unsafe { (*waiter).take() });
        // SAFETY: rule 3.
        let keeper = cell.keeper.with_mut(|keeper| unsafe { (*keeper).take() });
        unwind::discard(waiter);
        // The block is freed here, or by who has the last of the future's wakers.
        drop(keeper);
    }
}

impl<T, P, S> FutureCell<T, P, S> {
    /// # Safety
    /// The caller has moved the stage out of QUEUED.
    unsafe fn take_token(&self) -> Option<P> {
        self.token.with_mut(|token| {
            // SAFETY: by our duty it is ours.
            unsafe { (*token).take() }
        })
    }

    /// # Safety
    /// The caller has the task's end, and stores nothing else before or after.
    unsafe fn store(&self, outcome: Outcome<T>) {
        self.outcome.with_mut(|room| {
            // SAFETY: by our duty nobody reads it before DONE, and nothing is overwritten.
            unsafe { (*room).write(outcome) };
        });
    }
}

/// What async-task polls: the user's future, which is dropped here too, and whose outcome is stored.
struct Body<F: Future, P, S> {
    /// `None` once it has ended.
    future: Option<F>,
    cell: NonNull<FutureCell<F::Output, P, S>>,
}

// SAFETY: the future is, and the cell may be known to any thread.
unsafe impl<F: Future + Send, P, S> Send for Body<F, P, S> {}

impl<F: Future, P, S> Future for Body<F, P, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<()> {
        // SAFETY: the future in it is not moved below, only pinned again, or dropped where it is.
        let body = unsafe { self.get_unchecked_mut() };
        // SAFETY: the cell lies in the block that this body is in (`spawn`), and outlives it.
        let cell = unsafe { body.cell.as_ref() };
        let state = &cell.header.state;
        let mut outcome = None;
        if let Some(future) = body.future.as_mut().filter(|_| !state.is_cancelled()) {
            // SAFETY: the body is pinned, and with it what is in it.
            let future = unsafe { Pin::new_unchecked(future) };
            outcome = match unwind::catch(|| future.poll(cx)) {
                Ok(Poll::Pending) if !state.is_cancelled() => return Poll::Pending,
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(value)) => Some(Ok(value)),
                Err(payload) => Some(Err(JoinError::panicked(payload))),
            };
        }
        if outcome.is_some() && !state.deliver() {
            unwind::discard(outcome.take());
        }
        body.drop_future();
        let outcome = outcome.unwrap_or_else(|| Err(JoinError::cancelled(state.reason())));
        // SAFETY: we are polled by the task's end, which is told next that this is the only outcome.
        unsafe { cell.store(outcome) };
        ENDED.with(|ended| ended.set(std::ptr::dangling()));
        Poll::Ready(())
    }
}

impl<F: Future, P, S> Body<F, P, S> {
    fn drop_future(&mut self) {
        unwind::contain(|| self.future = None);
    }
}

impl<F: Future, P, S> Drop for Body<F, P, S> {
    fn drop(&mut self) {
        self.drop_future();
    }
}

/// The task's end of a future's cell: polls the future when it is woken.
struct FutureEnd<T, P, S>(Runnable<FutureCell<T, P, S>>);

impl<T: Send + 'static, P: Token, S: Send + Sync + 'static> FutureEnd<T, P, S> {
    fn cell(&self) -> &FutureCell<T, P, S> {
        self.0.metadata()
    }

    /// Cancels the future, which is then to be run once more; `true` if nobody had done so.
    fn call_off_here(&self, reason: CancelReason) -> bool {
        let called_off = self.cell().header.state.call_off(reason);
        if called_off == CalledOff::Unbegun {
            // SAFETY: we were just told that it is ours.
            drop(unsafe { self.cell().take_token() });
        }
        matches!(called_off, CalledOff::Unbegun | CalledOff::Begun)
    }

    fn token(&self) -> Option<P> {
        if !self.cell().header.state.start() {
            return None;
        }
        // SAFETY: we have moved the stage out of QUEUED.
        unsafe { self.cell().take_token() }
    }
}

impl<T: Send + 'static, P: Token, S: Send + Sync + 'static, Cx: Context> Work<Cx>
    for FutureEnd<T, P, S>
{
    fn run(self, cx: &Cx) -> Ran {
        let cell = self.cell();
        let (header, key) = (
            NonNull::from(cell).cast::<Header>(),
            cell.key.load(Ordering::Relaxed),
        );
        let kept = self.token().map(Token::begin);
        cx.begins(cell.header.vtable.name);
        cx.can_be_joined(header.as_ptr().cast());
        // Others may be polled on this thread meanwhile.
        let outer = ENDED.with(|ended| ended.replace(std::ptr::null()));
        self.0.run();
        let has_ended = !ENDED.with(|ended| ended.replace(outer)).is_null();
        drop(kept);
        cx.returned();
        if !has_ended {
            // Another thread may have it already; the cell may be gone.
            return Ran::GoesOn;
        }
        cx.future_ended(key);
        // The task's end was that of the runnable that has just ended.
        ManuallyDrop::new(TaskEnd(header)).finish();
        Ran::Ended
    }

    fn cancel(self, reason: CancelReason) -> bool {
        let called_off = self.call_off_here(reason);
        let cell = NonNull::from(self.cell());
        // SAFETY: the keeper holds the block until `finish`.
        let known = unsafe { cell.as_ref() };
        // This drops the future.
        drop(self);
        // SAFETY: the task's end is ours, and the future was not polled to its end.
        unsafe { known.store(Err(JoinError::cancelled(known.header.state.reason()))) };
        ManuallyDrop::new(TaskEnd(cell.cast())).finish();
        called_off
    }

    fn call_off(&self, reason: CancelReason) -> bool {
        self.call_off_here(reason)
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

/// Makes a cell for `future`, which holds `token` until it is polled first, and parts it into its ends.
///
/// `schedule` is called with the task whenever it has been woken; `register` with an extra end, before
/// anyone else knows the cell, and what it answers is told when the future has [ended].
///
/// [ended]: Context::future_ended
pub(super) fn spawn<P, F, S, Cx>(
    token: P,
    future: F,
    schedule: S,
    register: impl FnOnce(ExtraEnd) -> usize,
) -> (Task<Cx>, HandleEnd<F::Output>)
where
    P: Token,
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Fn(Task<Cx>) + Copy + Send + Sync + 'static,
    Cx: Context + 'static,
{
    let cell = FutureCell {
        header: Header::new(State::queued(), Body::<F, P, S>::VTABLE),
        outcome: UnsafeCell::new(MaybeUninit::uninit()),
        token: UnsafeCell::new(Some(token)),
        keeper: UnsafeCell::new(None),
        schedule,
        key: AtomicUsize::new(0),
    };
    let body = |cell: &FutureCell<F::Output, P, S>| Body {
        future: Some(future),
        cell: NonNull::from(cell),
    };
    let schedule = |runnable: Runnable<FutureCell<F::Output, P, S>>| {
        let schedule = runnable.metadata().schedule;
        schedule(Task::new(FutureEnd(runnable)));
    };
    let builder = async_task::Builder::new().metadata(cell);
    // SAFETY: the future and the schedule function may go to other threads and live for ever, by the
    // bounds above, and wakers may be dropped anywhere.
    let (runnable, task) = unsafe { builder.spawn_unchecked(body, schedule) };
    task.detach();
    let waker = runnable.waker();
    let cell = runnable.metadata();
    cell.keeper.with_mut(|keeper| {
        // SAFETY: rule 3: nobody else knows the cell yet.
        unsafe { *keeper = Some(waker) };
    });
    let end = HandleEnd::new(NonNull::from(cell).cast());
    cell.key.store(register(end.extra()), Ordering::Relaxed);
    (Task::new(FutureEnd(runnable)), end)
}
