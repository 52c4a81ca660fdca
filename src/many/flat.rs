//! One `Result` in place of two, for iterators and streams.

use std::task::{Poll, Waker};

use super::stream::{PollNext, TaskStream};
use crate::error::JoinError;
use crate::handle::TaskError;

/// An iterator over the results of tasks that return a `Result`, with one error for all ways in
/// which a task can fail. Created by the `flat` methods.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let numbers = pool.map(["6", "7"], |text| text.parse::<u32>()).flat();
/// assert_eq!(numbers.collect::<Result<Vec<_>, _>>()?, [6, 7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless they are used"]
pub struct Flat<I> {
    inner: I,
}

impl<I> Flat<I> {
    pub(super) fn new(inner: I) -> Self {
        Self { inner }
    }

    /// Returns a stream that awaits the results.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut numbers = pool.map(["42"], |text| text.parse::<u32>()).flat().into_stream();
    /// assert_eq!(workmill::block_on(numbers.next()).unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_stream(self) -> TaskStream<Self> {
        TaskStream::new(self)
    }
}

impl<I, T, E> Iterator for Flat<I>
where
    I: Iterator<Item = Result<Result<T, E>, JoinError>>,
{
    type Item = Result<T, TaskError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.inner.next().map(TaskError::flatten)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<I, T, E> PollNext for Flat<I>
where
    I: PollNext<Item = Result<Result<T, E>, JoinError>>,
{
    type Item = Result<T, TaskError<E>>;

    fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Self::Item>> {
        let next = self.inner.poll_next(waker);
        next.map(|item| item.map(TaskError::flatten))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
