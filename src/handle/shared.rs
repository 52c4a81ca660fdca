//! Shared handles: handles to one outcome, which can be cloned, and call back.
//!
//! Callbacks wait in a list. The end of the task sets the outcome, and takes the list away under
//! its lock after that. A callback is added under the lock while the list is there. So each is
//! either found by the end, or its thread finds that the list has gone, sees the outcome, and calls
//! it.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
// Plain std under the model too: nothing here orders anything except the lock of the outcome.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::callback::{Call, attach};
use super::cancel::CancelHandle;
use super::cancel::cancel;
use super::join::{
    JoinHandle, look_for_a_while, prepare_to_join, prepare_to_join_behind, wait_for_good,
};
use crate::error::{CancelReason, JoinError};
use crate::name::Name;
use crate::pool::{Local, PoolLink};
use crate::primitive::{Mutex, lock};
use crate::sync::wait_list::Ticket;
use crate::sync::wait_queue::WaitQueue;
use crate::task::cell::{Outcome, RawTask, TaskRef};
use crate::trampoline;
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until, pending};

impl<T> JoinHandle<T> {
    /// Converts the handle into one that can be cloned; each clone returns a clone of the task's
    /// result.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let answer = pool.submit(|| 42).shared();
    /// let other = answer.clone();
    /// assert_eq!((answer.join()?, other.join()?), (42, 42));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "dropping the handle detaches the task"]
    pub fn shared(self) -> SharedHandle<T>
    where
        T: Clone + Send + Sync + 'static,
    {
        let (task, from) = (self.unspent().task_ref(), self.link());
        SharedHandle::new(self, task, from)
    }
}

/// A handle to a task that can be cloned, and returns clones of the task's result.
///
/// Created by [`JoinHandle::shared`]. Clones wait for the same task. It is like `shared` in the
/// futures crate. The outcome stays with the handles until the last of them is dropped, so it can
/// be asked for any number of times.
///
/// # Dropping
///
/// Dropping a handle has no effect on the others. Dropping the last one detaches the task. If the
/// task panicked, and no handle has returned the panic, the
/// [`panic_handler`](crate::Builder::panic_handler) is called.
///
/// # Ordering
///
/// Everything that the task did, including the drop of its captures, happens before its outcome is
/// returned.
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
    /// This handle's entry in the wait queue, while it is awaited.
    ticket: Option<Ticket>,
}

// A panic that is caught leaves nothing changed by half behind the handle, for the reason that is
// given at `JoinHandle`, except in the result itself: handles share it, and its clone is user code.
impl<T: RefUnwindSafe> UnwindSafe for SharedHandle<T> {}
impl<T: RefUnwindSafe> RefUnwindSafe for SharedHandle<T> {}

struct Common<T> {
    outcome: Arc<Awaited<T>>,
    task: TaskRef,
    from: PoolLink,
}

impl<T> Common<T> {
    /// Returns the error of a handle in a child process, where the task will not end.
    fn forked(&self) -> JoinError {
        JoinError::of_cancel(CancelReason::Forked, self.task.name())
    }
}

/// The outcome, and the handles that wait for it.
struct Awaited<T> {
    outcome: OnceLock<Outcome<T>>,
    /// Whether a handle has returned the panic. Orders nothing.
    was_shown: AtomicBool,
    waiters: WaitQueue,
    /// The callbacks in the order in which they were registered, until the task has ended.
    callbacks: Mutex<Option<Vec<SharedCallback<T>>>>,
    from: PoolLink,
    /// The name of the task.
    name: &'static Name,
}

type SharedCallback<T> = Box<dyn FnOnce(Outcome<T>) + Send>;

impl<T: Clone + Send + Sync + 'static> SharedHandle<T> {
    pub(super) fn new(handle: JoinHandle<T>, task: TaskRef, from: PoolLink) -> Self {
        let outcome = Arc::new(Awaited {
            outcome: OnceLock::new(),
            was_shown: AtomicBool::new(false),
            waiters: WaitQueue::new(),
            callbacks: Mutex::new(Some(Vec::new())),
            from,
            name: task.name(),
        });
        let filled = Arc::clone(&outcome);
        // Not put off, unlike users' callbacks: it only keeps the outcome, wakes, and leaves these
        // callbacks to the trampoline.
        attach(handle.into_task(), from, Call::AtOnce, move |outcome| {
            let first = filled.outcome.set(outcome);
            debug_assert!(first.is_ok(), "a task ends once");
            let callbacks = lock(&filled.callbacks).take();
            filled.waiters.notify_all();
            let callbacks = callbacks.into_iter().flatten();
            callbacks.for_each(|callback| filled.call(callback));
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

    /// Blocks until the task has ended, and returns a clone of its result.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended. A task that joins a closure of its own pool which has not
    /// begun runs the closure inline. In any other wait the task gives its slot to another thread;
    /// see the [guide](crate::guide::waiting).
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Deadlock`] if
    /// tasks join each other in a cycle, or a task joins itself: one of the joins then gives up,
    /// though its task has not ended. With [`CancelReason::Forked`] in a child process of the one
    /// that submitted.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let answer = pool.submit(|| 42).shared();
    /// assert_eq!(answer.join()?, answer.join()?); // as often as one likes
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<T, JoinError> {
        self.wait_inline()
            .map_err(|reason| JoinError::of_cancel(reason, self.common.task.name()))?;
        self.try_join()
            .expect("a wait without a limit ends with the task")
    }

    /// Runs the task inline if that is possible, and waits until it has ended.
    pub(super) fn wait_inline(&self) -> Result<(), CancelReason> {
        let Common { task, from, .. } = &*self.common;
        let is_special = prepare_to_join(*from, task) || prepare_to_join_behind(*from, task);
        if !look_for_a_while(*from, || self.is_finished()) {
            wait_for_good(*from, task.task_ref(), |deadline| self.wait(deadline))?;
        }
        if is_special {
            Local::regain_permits();
        }
        Ok(())
    }

    /// Blocks until the task has ended, but no longer than `timeout`, and returns a clone of its
    /// result.
    ///
    /// Returns `None` when the time is over. [`Duration::ZERO`] checks once; [`Duration::MAX`]
    /// waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended or the time is over. Never runs the task inline.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Forked`] in a
    /// child process of the one that submitted. If the time has no end, as with [`Duration::MAX`],
    /// also with [`CancelReason::Deadlock`] if tasks join each other in a cycle.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (promise, handle) = workmill::promise();
    /// let handle = handle.shared();
    /// assert!(handle.join_timeout(Duration::from_millis(1)).is_none());
    /// promise.complete(42).unwrap();
    /// assert_eq!(handle.join_timeout(Duration::ZERO).unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Option<Result<T, JoinError>> {
        if !self.is_finished() && self.common.from.is_forked() {
            return Some(Err(self.common.forked()));
        }
        let deadline = Deadline::after(timeout);
        if !deadline.is_never() {
            self.wait(deadline);
        } else if !self.is_finished() {
            let Common { task, from, .. } = &*self.common;
            let wait = |deadline| self.wait(deadline);
            if let Err(reason) = wait_for_good(*from, task.task_ref(), wait) {
                return Some(Err(JoinError::of_cancel(reason, task.name())));
            }
        }
        self.try_join()
    }

    /// Returns a clone of the task's result if the task has ended. Never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let (promise, handle) = workmill::promise();
    /// let handle = handle.shared();
    /// assert!(handle.try_join().is_none());
    /// promise.complete(42).unwrap();
    /// assert_eq!(handle.try_join().unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join(&self) -> Option<Result<T, JoinError>> {
        self.is_finished().then(|| self.common.outcome.get())?
    }

    /// Calls `callback` with a clone of the outcome, once, as soon as there is one.
    ///
    /// A handle and its clones may register any number of callbacks. Those that are registered
    /// before the task ends are called in the order of their registration, on the thread that ends
    /// the task. If the task has ended, the callback is called on this thread before `on_done`
    /// returns. The callbacks are called although the handles were dropped. In all else they are
    /// like those of [`JoinHandle::on_done`], also in long chains. In a child process of the one
    /// that submitted, the callback of a task that has not ended is called at once, with
    /// [`CancelReason::Forked`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (sender, receiver) = mpsc::channel();
    /// let shared = pool.submit(|| 6 * 7).shared();
    /// for _ in 0..2 {
    ///     let sender = sender.clone();
    ///     shared.on_done(move |outcome| sender.send(outcome.unwrap()).unwrap());
    /// }
    /// assert_eq!([receiver.recv()?, receiver.recv()?], [42, 42]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_done(&self, callback: impl FnOnce(Result<T, JoinError>) + Send + 'static) {
        let Common { outcome, from, .. } = &*self.common;
        let callback: SharedCallback<T> = Box::new(callback);
        if from.is_forked() {
            // The lock may be held forever.
            return outcome.call(callback);
        }
        let late = match &mut *lock(&outcome.callbacks) {
            Some(callbacks) => {
                callbacks.push(callback);
                None
            }
            None => Some(callback),
        };
        late.into_iter().for_each(|late| outcome.call(late));
    }

    /// Waits until `deadline`. Returns `true` if the task has ended by then.
    fn wait(&self, deadline: Deadline) -> bool {
        let mut waiter = self.common.outcome.waiters.waiter();
        let look = || self.is_finished().then_some(());
        block_until(Cause::Arrival, deadline, |waker| {
            waiter.look_or_enqueue(waker, look)
        })
        .is_some()
    }
}

impl<T> SharedHandle<T> {
    /// Returns `true` if the task has ended, so that `join` would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42).shared();
    /// handle.join()?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        let outcome = &self.common.outcome.outcome;
        outcome.get().is_some() || {
            // A call that this thread has put off may be what ends the task.
            trampoline::catch_up();
            outcome.get().is_some()
        }
    }

    /// Returns `true` if the task is running; a snapshot, may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42).shared();
    /// handle.join()?;
    /// assert!(!handle.is_running());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.common.task.is_running()
    }

    /// Cancels the task unless it has begun, for all its handles. Returns `true` if the closure
    /// never ran and never will, as described at [`JoinHandle::cancel`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit_after(std::time::Duration::from_secs(3600), || 42).shared();
    /// assert!(handle.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        cancel(&self.common.task, self.common.from)
    }

    /// Returns a handle that can only cancel the task.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit_after(std::time::Duration::from_secs(3600), || 42).shared();
    /// assert!(handle.cancel_handle().cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.common.task.task_ref(), self.common.from)
    }
}

/// The last handle may be dropped anywhere. A panic in the drop of a result is contained, as it is
/// in the drop of a [`JoinHandle`].
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

impl<T: Clone + 'static> Awaited<T> {
    /// Calls a callback in turn. Without an outcome this is a child process.
    fn call(self: &Arc<Self>, callback: SharedCallback<T>) {
        let this = Arc::clone(self);
        trampoline::call(move || {
            let call = || {
                let forked = || Err(JoinError::of_cancel(CancelReason::Forked, this.name));
                callback(this.get().unwrap_or_else(forked));
            };
            if let Err(payload) = unwind::catch(call) {
                this.from.report(payload);
            }
        });
    }
}

impl<T: Clone + Send + Sync + 'static> Future for SharedHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.is_finished() && this.common.from.is_forked() {
            return Poll::Ready(Err(this.common.forked()));
        }
        if !this.poll_task(cx.waker()) {
            Local::note_wanted(&this.common.task);
            return pending(Cause::Arrival);
        }
        Poll::Ready(this.try_join().expect("the task has ended"))
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
    /// Returns `true` if the outcome is there and is an error.
    pub(super) fn has_failed(&self) -> bool {
        self.outcome().is_some_and(Result::is_err)
    }

    /// Returns the outcome if it is there.
    pub(super) fn outcome(&self) -> Option<&Outcome<T>> {
        self.common.outcome.outcome.get()
    }

    pub(super) fn task(&self) -> &RawTask {
        &self.common.task
    }

    /// Returns `true` if the task has ended. If not, `waker` is called when it has, or was called
    /// just now.
    pub(super) fn poll_task(&mut self, waker: &Waker) -> bool {
        if self.is_finished() {
            self.stop_waiting();
            return true;
        }
        if self.common.from.is_forked() {
            return false;
        }
        let waiters = &self.common.outcome.waiters;
        // The look that follows comes after the fence in there.
        waiters.enqueue(&mut self.ticket, waker);
        // If the waker was called meanwhile, that tells of the end, and must not be told twice.
        self.is_finished() && waiters.leave(&mut self.ticket).is_none()
    }

    /// Notes that the future which is polled on this thread waits for the task.
    pub(super) fn note_wanted(&self) {
        Local::note_wanted(&self.common.task);
    }

    /// Returns the link to the pool of the task.
    pub(super) fn link(&self) -> PoolLink {
        self.common.from
    }

    /// Leaves the wait queue, except in a child process: a thread of the parent may hold its lock.
    pub(super) fn stop_waiting(&mut self) {
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
