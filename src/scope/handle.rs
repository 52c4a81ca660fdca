//! The handle to a task of a scope.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::scoped_task::{DoomedTask, Listed};
use super::tasks::Tasks;
use crate::error::{CancelReason, JoinError};
use crate::handle::JoinHandle;
use crate::pool::{Local, Pool};
use crate::task::cell::Cancelled;
use crate::trampoline;

/// A handle to a task of a [`Scope`](crate::Scope), which waits for its result, and can cancel it
/// before it begins.
///
/// Created by [`Scope::submit`](crate::Scope::submit). It is a [`JoinHandle`] whose task may
/// borrow; and a future, like that. It has no callbacks and cannot be shared, because these may
/// outlive the scope.
///
/// # Dropping
///
/// Dropping the handle detaches it from the task, which runs all the same, and which the scope
/// waits for. If the task panicked, the scope resumes the panic when it ends, unless another panic
/// came first; then the [`panic_handler`](crate::Builder::panic_handler) is called.
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
/// let text = String::from("flour");
/// let length = pool.scope(|scope| scope.submit(|| text.len()).join());
/// assert_eq!(length?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ScopedJoinHandle<'scope, T> {
    /// `None` only while the handle is taken apart.
    handle: Option<JoinHandle<T>>,
    tasks: &'scope Tasks<'scope>,
}

// A panic that is caught leaves nothing changed by half behind the handle, for the reason that is
// given at `JoinHandle`.
impl<T> UnwindSafe for ScopedJoinHandle<'_, T> {}
impl<T> RefUnwindSafe for ScopedJoinHandle<'_, T> {}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    /// `handle` is that of one of `tasks`.
    pub(super) fn new(handle: JoinHandle<T>, tasks: &'scope Tasks<'scope>) -> Self {
        let handle = Some(handle);
        Self { handle, tasks }
    }

    /// Blocks until the task has ended, and returns its result.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended. A task of the pool runs the closure inline if no thread has
    /// begun it. In any other wait a task gives its slot to another thread, and its own thread runs
    /// nothing else; see the [guide](crate::guide::waiting).
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled. With [`CancelReason::Deadlock`] if
    /// tasks join each other in a cycle, or a task joins itself: one of the joins then gives up,
    /// though its task has not ended. With [`CancelReason::Forked`] in a child process of the one
    /// that submitted.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let sacks = [3, 4];
    /// pool.scope(|scope| {
    ///     let sum = scope.submit(|| sacks.iter().sum::<i32>());
    ///     assert_eq!(sum.join().unwrap(), 7);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn join(mut self) -> Result<T, JoinError> {
        let tasks = self.tasks;
        let handle = self.handle.take().expect("it is whole until here");
        handle.join_after(|task| Local::run_inline(tasks.from, &Listed::new(task, tasks)))
    }

    /// Blocks until the task has ended, but no longer than `timeout`, and returns its result.
    ///
    /// Returns `None` when the time is over: the task goes on, and the handle can be used again.
    /// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the task has ended or the time is over. Never runs the task inline.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let sack = String::from("rye");
    /// pool.scope(|scope| {
    ///     let mut length = scope.submit(|| sack.len());
    ///     if let Some(length) = length.join_timeout(Duration::from_secs(10)) {
    ///         assert_eq!(length.unwrap(), 3);
    ///     }
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<T, JoinError>> {
        self.handle_mut().join_timeout(timeout)
    }

    /// Returns the task's result if the task has ended. Never waits.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let sack = String::from("rye");
    /// pool.scope(|scope| {
    ///     let mut length = scope.submit(|| sack.len());
    ///     match length.try_join() {
    ///         Some(length) => assert_eq!(length.unwrap(), 3),
    ///         None => println!("not yet"),
    ///     }
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join(&mut self) -> Option<Result<T, JoinError>> {
        self.handle_mut().try_join()
    }

    /// Returns `true` if the task has ended, so that `join` would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let sack = String::from("rye");
    /// pool.scope(|scope| {
    ///     let length = scope.submit(|| sack.len());
    ///     println!("{}", if length.is_finished() { "already" } else { "not yet" });
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("done"))]
    pub fn is_finished(&self) -> bool {
        self.handle().is_finished()
    }

    /// Returns `true` if the task is running; a snapshot, may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let sack = String::from("rye");
    /// pool.scope(|scope| {
    ///     let length = scope.submit(|| sack.len());
    ///     println!("{}", if length.is_running() { "at this moment" } else { "before or after" });
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_running(&self) -> bool {
        self.handle().is_running()
    }

    /// Cancels the task unless it has begun. Returns `true` if the closure never ran and never
    /// will.
    ///
    /// After `true`, the handle returns a [`JoinError`] with [`CancelReason::Cancelled`], or with
    /// the reason of an earlier cancel, and the captures of the task have been dropped on this
    /// thread, or are about to be by the thread that cancelled it before. (In a long chain of such
    /// drops this may be put off, as described at [`JoinHandle::on_done`]; never beyond the end of
    /// the scope.) `false` means that the task has begun, that its outcome was returned before, or
    /// that a thread is about to cancel it because the scope
    /// [has failed](crate::Scope::has_failed), and changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let text = String::from("flour");
    /// pool.scope(|scope| {
    ///     let length = scope.submit(|| text.len());
    ///     let never_ran = length.cancel();
    ///     assert_eq!(length.join().is_err(), never_ran);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&self) -> bool {
        let from = self.tasks.from;
        let Some(task) = self.handle().task_if_unspent() else {
            return false;
        };
        match task.doom(CancelReason::Cancelled) {
            Ok(doomed) => {
                let doomed = DoomedTask::new(doomed, self.tasks);
                trampoline::call(move || Local::in_the_way(from, || doomed.end()));
                if from.tombstone_left() {
                    Pool::sweep(from);
                }
                true
            }
            Err(cancelled) => cancelled != Cancelled::Never,
        }
    }

    fn handle(&self) -> &JoinHandle<T> {
        self.handle
            .as_ref()
            .expect("it is whole until it is joined")
    }

    fn handle_mut(&mut self) -> &mut JoinHandle<T> {
        self.handle
            .as_mut()
            .expect("it is whole until it is joined")
    }
}

impl<T> Drop for ScopedJoinHandle<'_, T> {
    fn drop(&mut self) {
        let handle = self.handle.take();
        let handle = handle.filter(|handle| handle.task_if_unspent().is_some());
        let panic = handle.and_then(|handle| handle.into_task().abandon());
        panic.into_iter().for_each(|it| self.tasks.keep_panic(it));
    }
}

impl<T> Unpin for ScopedJoinHandle<'_, T> {}

/// Resolves to the task's result. Dropping the handle instead leaves the task to the scope.
///
/// Polling it again after it was ready panics.
impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.handle_mut()).poll(cx)
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("finished", &self.is_finished())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}
