//! The form in which many outcomes are awaited.
//!
//! [`PollNext`] is public only inside the crate, so nobody outside can implement or call it.

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::trampoline;
use crate::wait::{Cause, pending};

/// Something whose items can be awaited.
pub trait PollNext {
    type Item;

    fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Self::Item>>;

    fn size_hint(&self) -> (usize, Option<usize>);
}

/// Outcomes of tasks that are awaited, one after the other. Created by the `into_stream` methods.
///
/// With the feature `futures-core` it is a `futures::Stream`.
///
/// # Dropping
///
/// Does what the drop of the iterator does that it was made from.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mut squares = pool.map(1..=3, |n| n * n).into_stream();
/// let sum = workmill::block_on(async {
///     let mut sum = 0;
///     while let Some(square) = squares.next().await {
///         sum += square?;
///     }
///     Ok::<_, workmill::JoinError>(sum)
/// });
/// assert_eq!(sum?, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "streams do nothing unless they are polled"]
pub struct TaskStream<S> {
    source: S,
}

impl<S> Unpin for TaskStream<S> {}

impl<S> TaskStream<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source }
    }
}

impl<S: PollNext> TaskStream<S> {
    /// Waits for the next outcome, without blocking the thread. Returns `None` when there are no
    /// more.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut squares = pool.map(1..=2, |n| n * n).into_stream();
    /// let first = workmill::block_on(squares.next()).unwrap();
    /// assert_eq!(first?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn next(&mut self) -> Option<S::Item> {
        poll_fn(|cx| self.poll(cx.waker())).await
    }

    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Option<S::Item>> {
        trampoline::catch_up();
        match self.source.poll_next(waker) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => pending(Cause::Arrival),
        }
    }

    /// Returns the bounds on the number of outcomes that are left.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let squares = pool.map(1..=3, |n| n * n).into_stream();
    /// assert_eq!(squares.size_hint(), (3, Some(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.size_hint()
    }
}

impl<S: fmt::Debug> fmt::Debug for TaskStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskStream").field(&self.source).finish()
    }
}
