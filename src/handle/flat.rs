//! Tasks that return a `Result`: one error for both ways in which they can fail.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::join::JoinHandle;
use crate::error::JoinError;
use crate::task::cell::Outcome;

/// The error of a task that returns a `Result`: it returned an error, or it ended without
/// returning.
///
/// Returned by a [`FlatHandle`], and by the iterators on which `flat` was called. With `?` it
/// becomes a `Box<dyn Error>` if the task's error is an [`Error`], or an [`io::Error`] if that can
/// become one. A `Box<dyn Error + Send + Sync>` is no [`Error`] itself: for a task that returns it,
/// see [a task that fails](crate::guide::first_steps#a-task-that-fails).
///
/// # Examples
///
/// ```
/// use workmill::TaskError;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let parse = |text: &'static str| pool.submit(move || text.parse::<i32>()).flat();
/// assert_eq!(parse("7").join()?, 7);
/// assert!(matches!(parse("seven").join(), Err(TaskError::Returned(_))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TaskError<E> {
    /// The task returned this error.
    Returned(E),
    /// The task panicked, was cancelled, or was lost.
    Join(JoinError),
}

impl<E> TaskError<E> {
    /// Makes one `Result` of the outcome of a task that returns a `Result`.
    pub(crate) fn flatten<T>(outcome: Outcome<Result<T, E>>) -> Result<T, Self> {
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Self::Returned(error)),
            Err(error) => Err(Self::Join(error)),
        }
    }
}

impl<E: fmt::Display> fmt::Display for TaskError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(error) => error.fmt(f),
            Self::Join(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for TaskError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Returned(error) => error.source(),
            Self::Join(error) => error.source(),
        }
    }
}

impl<E: Into<io::Error>> From<TaskError<E>> for io::Error {
    fn from(error: TaskError<E>) -> Self {
        match error {
            TaskError::Returned(error) => error.into(),
            TaskError::Join(error) => error.into(),
        }
    }
}

impl<T, E> JoinHandle<Result<T, E>> {
    /// Returns a handle that makes one `Result` of two: that of the task, and that of the join.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// fn length(path: &'static str) -> std::io::Result<u64> {
    ///     Ok(std::fs::metadata(path)?.len())
    /// }
    ///
    /// fn main() -> std::io::Result<()> {
    ///     let pool = workmill::ThreadPoolExecutor::new(2)?;
    ///     let handle = pool.submit(|| length("/")).flat();
    ///     println!("{} bytes", handle.join()?);
    ///     Ok(())
    /// }
    /// ```
    #[must_use = "dropping the handle detaches the task"]
    #[doc(alias = "flatten")]
    pub fn flat(self) -> FlatHandle<T, E> {
        let _ = self.unspent();
        FlatHandle { handle: self }
    }
}

/// A handle to a task that returns a `Result`, with one error for all ways in which the task can
/// fail. Created by [`JoinHandle::flat`].
///
/// # Dropping
///
/// Dropping the handle detaches the task, as with a [`JoinHandle`].
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let flour = pool.submit(|| "42".parse::<u32>()).flat();
/// assert_eq!(flour.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FlatHandle<T, E> {
    handle: JoinHandle<Result<T, E>>,
}

impl<T, E> FlatHandle<T, E> {
    /// Blocks until the task has ended, and returns its result, like [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// [`TaskError::Returned`] if the task returned an error, and [`TaskError::Join`] if it
    /// panicked, was cancelled or was lost, or if the join was refused.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::TaskError;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| "wheat".parse::<u32>()).flat();
    /// assert!(matches!(handle.join(), Err(TaskError::Returned(_)))); // or Join, if it panicked
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(self) -> Result<T, TaskError<E>> {
        TaskError::flatten(self.handle.join())
    }

    /// Blocks until the task has ended, but no longer than `timeout`, and returns its result, like
    /// [`JoinHandle::join_timeout`]. Returns `None` when the time is over.
    ///
    /// # Errors
    ///
    /// [`TaskError::Returned`] if the task returned an error, and [`TaskError::Join`] if it
    /// panicked, was cancelled or was lost, or if the join was refused.
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
    /// let mut handle = pool.submit(|| "42".parse::<u32>()).flat();
    /// if let Some(outcome) = handle.join_timeout(Duration::from_secs(10)) {
    ///     assert_eq!(outcome?, 42);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<T, TaskError<E>>> {
        let outcome = self.handle.join_timeout(timeout);
        outcome.map(TaskError::flatten)
    }

    /// Returns the task's result if the task has ended, like [`JoinHandle::try_join`]. Never waits.
    ///
    /// # Errors
    ///
    /// [`TaskError::Returned`] if the task returned an error, and [`TaskError::Join`] if it
    /// panicked, was cancelled or was lost.
    ///
    /// # Panics
    ///
    /// Panics if the outcome was returned before.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let mut handle = pool.submit(|| "42".parse::<u32>()).flat();
    /// pool.wait_idle()?;
    /// assert_eq!(handle.try_join().unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_join(&mut self) -> Option<Result<T, TaskError<E>>> {
        self.handle.try_join().map(TaskError::flatten)
    }

    /// Returns `true` if the task has ended, so that `join` would not wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.submit(|| "42".parse::<u32>()).flat();
    /// pool.wait_idle()?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Cancels the task unless it has begun, like [`JoinHandle::cancel`].
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let hour = std::time::Duration::from_secs(3600);
    /// let handle = pool.submit_after(hour, || "42".parse::<u32>()).flat();
    /// assert!(handle.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.handle.cancel()
    }

    /// Returns `true` if the task has ended without a result, or has returned an error.
    pub(super) fn has_failed(&mut self) -> bool {
        self.handle.has_failed() || matches!(self.handle.peek(), Some(Ok(Err(_))))
    }

    pub(super) fn inner(&self) -> &JoinHandle<Result<T, E>> {
        &self.handle
    }

    pub(super) fn inner_mut(&mut self) -> &mut JoinHandle<Result<T, E>> {
        &mut self.handle
    }
}

impl<T, E> Unpin for FlatHandle<T, E> {}

/// Resolves to the task's result. Dropping the handle instead detaches the task.
///
/// Polling it again after it was ready panics.
impl<T, E> Future for FlatHandle<T, E> {
    type Output = Result<T, TaskError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(cx).map(TaskError::flatten)
    }
}

impl<T, E> fmt::Debug for FlatHandle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlatHandle").field(&self.handle).finish()
    }
}
