//! One outcome for many: a handle that can be cloned.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
// Plain std under the model too: nothing here orders anything but the lock of the outcome.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use super::callback::{Call, attach};
use super::cancel::CancelHandle;
use super::join::{JoinHandle, cancel, look_for_a_while, wait_for_good};
use crate::error::{CancelReason, JoinError};
use crate::pool::{Local, PoolLink};
use crate::sync::wait_list::Ticket;
use crate::sync::wait_queue::WaitQueue;
use crate::task::cell::{Outcome, TaskRef};
use crate::trampoline;
use crate::unwind;
use crate::wait::{Deadline, block_until};

impl<T> JoinHandle<T> {
    /// Returns a handle that can be cloned; each clone gives a clone of what the task returned.
    ///
    /// # Panics
    ///
    /// If the outcome was given before.
    pub fn shared(self) -> SharedHandle<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let (task, from) = (self.unspent().task_ref(), self.link());
        SharedHandle::new(self, task, from)
    }
}

/// Waits for a task together with others, and gives each a clone of what it returned.
///
/// Made by [`JoinHandle::shared`]; clones wait for the same task. Like `shared` in the futures crate.
/// The outcome stays with the handles until the last of them is dropped, so it can be asked for any
/// number of times.
///
/// # Dropping
///
/// Leaves the others alone. The last one detaches; if the task panicked, and none of them has given
/// that, the [`panic_handler`](crate::Builder::panic_handler) is called.
///
/// # Ordering
///
/// As for a [`JoinHandle`].
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let flour = pool.submit(|| String::from("flour")).shared();
/// let bakers: Vec<_> = ["bread", "cake"]
///     .map(|thing| {
///         let flour = flour.clone();
///         pool.submit(move || format!("{thing} from {}", flour.join().unwrap()))
///     })
///     .into();
/// let baked: Vec<_> = bakers.into_iter().map(|baker| baker.join().unwrap()).collect();
/// assert_eq!(baked, ["bread from flour", "cake from flour"]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct SharedHandle<T> {
    common: Arc<Common<T>>,
    /// This handle's place in the line, while it is awaited.
    ticket: Option<Ticket>,
}

struct Common<T> {
    outcome: Arc<Awaited<T>>,
    task: TaskRef,
    from: PoolLink,
}

/// The outcome, and who waits for it.
struct Awaited<T> {
    outcome: OnceLock<Outcome<T>>,
    /// Whether anybody has been given a panic. Orders nothing.
    was_shown: AtomicBool,
    waiters: WaitQueue,
    from: PoolLink,
}

impl<T: Clone + Send + Sync + 'static> SharedHandle<T> {
    pub(super) fn new(handle: JoinHandle<T>, task: TaskRef, from: PoolLink) -> Self {
        let outcome = Arc::new(Awaited {
            outcome: OnceLock::new(),
            was_shown: AtomicBool::new(false),
            waiters: WaitQueue::new(),
            from,
        });
        let filled = Arc::clone(&outcome);
        // Not put off, as users' callbacks may be: it only fills, and wakes.
        attach(handle.into_end(), from, Call::AtOnce, move |outcome| {
            let first = filled.outcome.set(outcome);
            debug_assert!(first.is_ok(), "a task ends once");
            filled.waiters.notify_all();
        });
        Self {
            common: Arc::new(Common {
                outcome,
                task,
                from,
            }),
            ticket: None,
        }
    }

    /// Waits until the task has ended and gives a clone of what it returned.
    ///
    /// # Blocking
    ///
    /// As [`JoinHandle::join`]: inside the pool a task that has not begun is run in place.
    ///
    /// # Errors
    ///
    /// As [`JoinHandle::join`].
    pub fn join(&self) -> Result<T, JoinError> {
        let Common { task, from, .. } = &*self.common;
        let from = *from;
        Local::run_inline(from, task);
        if !look_for_a_while(from, || self.is_finished()) {
            let wait = |deadline| self.wait(deadline);
            wait_for_good(from, task.task_ref(), wait).map_err(JoinError::cancelled)?;
        }
        self.try_join()
            .expect("a wait without a limit ends with the task")
    }

    /// Waits until the task has ended, but no longer than `timeout`.
    ///
    /// `None` when the time is over. [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for
    /// ever.
    ///
    /// # Blocking
    ///
    /// Until the task has ended or the time is over. Never runs the task in place.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    pub fn join_timeout(&self, timeout: Duration) -> Option<Result<T, JoinError>> {
        if !self.is_finished() && self.common.from.is_forked() {
            return Some(Err(JoinError::cancelled(CancelReason::Forked)));
        }
        let deadline = Deadline::after(timeout);
        if !deadline.is_never() {
            self.wait(deadline);
        } else if !self.is_finished() {
            let Common { task, from, .. } = &*self.common;
            let wait = |deadline| self.wait(deadline);
            if let Err(reason) = wait_for_good(*from, task.task_ref(), wait) {
                return Some(Err(JoinError::cancelled(reason)));
            }
        }
        self.try_join()
    }

    /// Gives a clone of what the task returned if it has ended; never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    pub fn try_join(&self) -> Option<Result<T, JoinError>> {
        self.is_finished().then(|| self.common.outcome.get())?
    }

    /// Tells whether the task has ended by `deadline`.
    fn wait(&self, deadline: Deadline) -> bool {
        let mut waiter = self.common.outcome.waiters.waiter();
        let look = || self.is_finished().then_some(());
        block_until(deadline, |waker| waiter.look_or_enqueue(waker, look)).is_some()
    }
}

impl<T> SharedHandle<T> {
    /// Tells whether the task has ended, so that `join` would not wait.
    pub fn is_finished(&self) -> bool {
        let outcome = &self.common.outcome.outcome;
        outcome.get().is_some() || {
            // What this thread has put off may be what ends the task.
            trampoline::catch_up();
            outcome.get().is_some()
        }
    }

    /// Tells whether the task runs, a snapshot, may be stale.
    pub fn is_running(&self) -> bool {
        self.common.task.is_running()
    }

    /// Cancels the task unless it has begun, for all who wait; as [`JoinHandle::cancel`].
    pub fn cancel(&self) -> bool {
        cancel(&self.common.task, self.common.from)
    }

    /// Returns a handle that can only cancel.
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.common.task.task_ref(), self.common.from)
    }
}

/// The last handle may go anywhere, and a panic in the drop of a result ends here as it does there.
impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        let outcome = self.outcome.take();
        if let Some(Err(error)) = &outcome {
            let unseen = !self.was_shown.load(Ordering::Relaxed);
            let payload = unseen.then(|| error.take_payload()).flatten();
            payload
                .into_iter()
                .for_each(|payload| self.from.report(payload));
        }
        unwind::discard(outcome);
    }
}

impl<T: Clone> Awaited<T> {
    fn get(&self) -> Option<Outcome<T>> {
        let outcome = self.outcome.get()?;
        if outcome.is_err() {
            self.was_shown.store(true, Ordering::Relaxed);
        }
        Some(outcome.as_ref().map_err(JoinError::share).cloned())
    }
}

impl<T: Clone + Send + Sync + 'static> Future for SharedHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.is_finished() {
            if this.common.from.is_forked() {
                return Poll::Ready(Err(JoinError::cancelled(CancelReason::Forked)));
            }
            let waiters = &this.common.outcome.waiters;
            // The look that follows is behind the fence in there.
            waiters.enqueue(&mut this.ticket, cx.waker());
        }
        match this.try_join() {
            Some(outcome) => {
                this.stop_waiting();
                Poll::Ready(outcome)
            }
            None => Poll::Pending,
        }
    }
}

impl<T> Unpin for SharedHandle<T> {}

impl<T> Clone for SharedHandle<T> {
    fn clone(&self) -> Self {
        Self {
            common: Arc::clone(&self.common),
            ticket: None,
        }
    }
}

impl<T> SharedHandle<T> {
    /// Leaves the line, but not in a child process: a thread of the parent may hold its lock.
    fn stop_waiting(&mut self) {
        if !self.common.from.is_forked() {
            self.common.outcome.waiters.leave(&mut self.ticket);
        }
    }
}

impl<T> Drop for SharedHandle<T> {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

impl<T> fmt::Debug for SharedHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedHandle")
            .field("finished", &self.is_finished())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
