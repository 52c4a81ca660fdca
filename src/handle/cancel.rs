//! Cancelling: by a handle, by a handle that only cancels, and by a handle that cancels when it is
//! dropped.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::join::{JoinHandle, look_again};
use crate::error::{CancelReason, JoinError};
use crate::pool::{Local, Pool, PoolLink};
use crate::task::cell::{Cancelled, RawTask, TaskRef};
use crate::trampoline;

/// Cancels the task unless it has begun. Returns `true` if the closure never ran and never will.
///
/// The task's captures are dropped on this thread, and other threads may wait for that. So if a
/// capture was the pool's last owner, its drop does not wait for those threads.
pub(super) fn cancel(task: &RawTask, from: PoolLink) -> bool {
    let cancelled = cancel_for(CancelReason::Cancelled, task, from);
    if cancelled == Cancelled::Now && !task.is_promise() && from.tombstone_left() {
        Pool::sweep(from);
    }
    cancelled != Cancelled::Never
}

/// Cancels the task unless it has begun, with the given reason, and returns what it found. The
/// caller takes care of the tombstone.
pub(crate) fn cancel_for(reason: CancelReason, task: &RawTask, from: PoolLink) -> Cancelled {
    match task.doom(reason) {
        Ok(doomed) => {
            trampoline::call(move || Local::in_the_way(from, || doomed.end()));
            Cancelled::Now
        }
        Err(cancelled) => cancelled,
    }
}

impl<T> JoinHandle<T> {
    /// Cancels the task unless it has begun. Returns `true` if the closure never ran and never
    /// will.
    ///
    /// After `true`, the handle returns a [`JoinError`] with [`CancelReason::Cancelled`], or with
    /// the reason of an earlier cancel. `false` means that the task has begun, or that its outcome
    /// was returned before, and changes nothing. If this call has cancelled the task, then before
    /// it returns the closure and its captures have been dropped on this thread, any panic in that
    /// drop was contained, and the thread or task that waits for the handle has been woken. (In a
    /// long chain, in which the drop of one task's captures cancels the next task and so on, this
    /// may be put off, as described at [`on_done`](Self::on_done).)
    ///
    /// The tombstone of the task, of up to a kilobyte, may lie in a queue until a worker meets it.
    /// There are at most about a thousand tombstones, or as many as there are other tasks.
    ///
    /// A capture may own the pool. If it is the last owner, its drop shuts the pool down and does
    /// not wait, since this handle resolves only afterwards, and tasks may wait for that.
    ///
    /// A future can be cancelled until it has produced its output. It is then not polled again, and
    /// a worker drops it; the handle resolves after that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (go, wait) = mpsc::channel();
    /// let busy = pool.submit(move || wait.recv().unwrap());
    /// let behind = pool.submit(|| unreachable!());
    /// assert!(behind.cancel());
    /// assert!(behind.join().unwrap_err().is_cancelled());
    /// go.send(())?;
    /// busy.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        self.task_if_unspent()
            .is_some_and(|task| cancel(task, self.link()))
    }

    /// Returns a handle that can only cancel the task, and can be kept elsewhere.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit_after(std::time::Duration::from_secs(3600), || 42);
    /// let cancel = handle.cancel_handle();
    /// std::thread::spawn(move || cancel.cancel()); // from elsewhere
    /// assert!(handle.join().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle::new(self.unspent().task_ref(), self.link())
    }

    /// Wraps the handle so that its drop cancels the task unless it has begun.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let hour = std::time::Duration::from_secs(3600);
    /// let handle = pool.submit_after(hour, || unreachable!()).cancel_on_drop();
    /// drop(handle);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop::new(self)
    }
}

/// A handle that can only cancel a task. Created by [`JoinHandle::cancel_handle`].
///
/// Clones cancel the same task. They keep neither the result nor the pool alive.
///
/// # Dropping
///
/// Dropping it has no effect on the task.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// # let (go, wait) = mpsc::channel::<()>();
/// # pool.execute(move || drop(wait.recv()));
/// let handle = pool.submit(|| 42);
/// let stop = handle.cancel_handle();
/// let watchdog = std::thread::spawn(move || stop.cancel());
/// let cancelled = watchdog.join().unwrap();
/// # drop(go);
/// assert_eq!(handle.join().is_err(), cancelled);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "AbortHandle")]
pub struct CancelHandle {
    task: TaskRef,
    from: PoolLink,
}

// A panic that is caught leaves nothing changed by half behind the handle, for the reason that is
// given at `JoinHandle`.
impl UnwindSafe for CancelHandle {}
impl RefUnwindSafe for CancelHandle {}

impl CancelHandle {
    pub(super) fn new(task: TaskRef, from: PoolLink) -> Self {
        Self { task, from }
    }

    pub(super) fn task(&self) -> &RawTask {
        &self.task
    }

    /// Cancels the task unless it has begun. Returns `true` if the closure never ran and never
    /// will, as described at [`JoinHandle::cancel`].
    ///
    /// The answer is true after the outcome was returned, too.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit_after(std::time::Duration::from_secs(3600), || 42);
    /// assert!(handle.cancel_handle().cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "abort")]
    pub fn cancel(&self) -> bool {
        cancel(&self.task, self.from)
    }

    /// Returns `true` if the task has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42);
    /// let cancel = handle.cancel_handle();
    /// handle.join()?;
    /// assert!(cancel.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        look_again(&self.task)
    }

    /// Returns `true` if the task is running; a snapshot, may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit_after(std::time::Duration::from_secs(3600), || 42);
    /// assert!(!handle.cancel_handle().is_running());
    /// # handle.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.task.is_running()
    }
}

impl Clone for CancelHandle {
    fn clone(&self) -> Self {
        Self::new(self.task.task_ref(), self.from)
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHandle")
            .field("finished", &self.is_finished())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

/// A [`JoinHandle`] whose drop cancels the task. Created by [`JoinHandle::cancel_on_drop`].
///
/// It dereferences to the handle, and is a future like it.
///
/// # Dropping
///
/// Cancels the task, like [`JoinHandle::cancel`]: a closure that has not begun, and a future that
/// has not returned. A closure that runs is detached.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (go, wait) = mpsc::channel::<()>();
/// pool.execute(move || wait.recv().unwrap());
/// let wanted = pool.submit(|| unreachable!()).cancel_on_drop();
/// drop(wanted); // nobody wants it any more
/// go.send(())?;
/// pool.shutdown();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the task is cancelled when this is dropped: keep it by `let handle = …`, since \
              `let _ = …` drops it at once"]
#[doc(alias = "AbortOnDropHandle")]
pub struct CancelOnDrop<T> {
    /// `None` only while the wrapper is taken apart.
    handle: Option<JoinHandle<T>>,
}

impl<T> CancelOnDrop<T> {
    pub(super) fn new(handle: JoinHandle<T>) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    /// Blocks until the task has ended, and returns its result, like [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Deadlock`] if
    /// tasks join each other in a cycle: one of the joins then gives up. With
    /// [`CancelReason::Forked`] in a child process of the process that submitted.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.submit(|| 42).cancel_on_drop().join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(self) -> Result<T, JoinError> {
        self.detach().join()
    }

    /// Returns the handle, whose drop detaches the task instead of cancelling it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| 42).cancel_on_drop();
    /// let handle = handle.detach(); // whose drop cancels nothing
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn detach(mut self) -> JoinHandle<T> {
        self.handle
            .take()
            .expect("the handle is there until it is detached")
    }
}

impl<T> Deref for CancelOnDrop<T> {
    type Target = JoinHandle<T>;

    fn deref(&self) -> &JoinHandle<T> {
        self.handle
            .as_ref()
            .expect("the handle is there until it is detached")
    }
}

impl<T> DerefMut for CancelOnDrop<T> {
    fn deref_mut(&mut self) -> &mut JoinHandle<T> {
        self.handle
            .as_mut()
            .expect("the handle is there until it is detached")
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}

/// Resolves to the task's result. Dropping it before cancels the task unless it has begun.
impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut **self).poll(cx)
    }
}

impl<T> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelOnDrop").field(&**self).finish()
    }
}
