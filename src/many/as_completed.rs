//! Outcomes in the order in which they come, of handles that are there already.

use std::fmt;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::stream::{PollNext, TaskStream};
use super::unordered::Unordered;
use crate::handle::Handle;
use crate::wait::Deadline;

/// Returns an iterator over the outcomes of tasks in the order in which the tasks end. Each comes
/// with the index of its handle.
///
/// Those that have ended already come first, in the order of the handles. The handles may come from
/// different pools, and from promises. A cancelled task has ended at once. It is like Python's
/// `concurrent.futures.as_completed`, and like Java's `ExecutorCompletionService`. A
/// [`JoinSet`](crate::JoinSet) takes further tasks meanwhile.
///
/// # Blocking
///
/// The iterator blocks until the next task has ended. A task that iterates gives its slot to
/// another thread meanwhile; it runs nothing inline. [`AsCompleted::into_stream`] awaits instead.
///
/// # Dropping
///
/// Dropping the iterator detaches the tasks that are left. [`AsCompleted::into_pending`] returns
/// their handles instead.
///
/// # Examples
///
/// ```
/// use workmill::as_completed;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let handles: Vec<_> = (0..10).map(|n| pool.submit(move || n * n)).collect();
/// for (n, square) in as_completed(handles) {
///     assert_eq!(square?, n * n);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("ExecutorCompletionService", "FuturesUnordered"))]
pub fn as_completed<H: Handle>(handles: impl IntoIterator<Item = H>) -> AsCompleted<H> {
    let mut unordered = Unordered::new();
    for (index, handle) in handles.into_iter().enumerate() {
        unordered.insert(index, handle);
    }
    AsCompleted {
        handles: unordered,
        deadline: Deadline::NEVER,
    }
}

/// Blocks until all tasks have ended, and returns their outcomes in the order of the handles.
///
/// It joins one handle after the other. An error ends nothing: each outcome is returned.
/// [`wait_async`](crate::wait_async) waits for all without blocking.
///
/// # Blocking
///
/// Blocks until all tasks have ended. A task runs those that are closures of its own pool and have
/// not begun inline.
///
/// # Errors
///
/// Each outcome is that of the handle's `join`.
///
/// # Examples
///
/// ```
/// use workmill::join_all;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let handles = ["wheat", "rye"].map(|grain| pool.submit(move || grain.len()));
/// let lengths: Vec<usize> = join_all(handles).into_iter().collect::<Result<_, _>>()?;
/// assert_eq!(lengths, [5, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("invokeAll"))]
#[must_use = "the outcomes tell of the errors"]
#[doc(alias("gather", "joinall", "try_join_all"))]
pub fn join_all<H: Handle>(
    handles: impl IntoIterator<Item = H>,
) -> Vec<Result<H::Value, H::Error>> {
    // All are submitted before the first is waited for.
    let handles: Vec<_> = handles.into_iter().collect();
    handles.into_iter().map(H::wait_and_take).collect()
}

/// Blocks until a task has returned a result, cancels the others, and returns the result.
///
/// With a [`FlatHandle`](crate::FlatHandle), a task that returns an error has not succeeded. Tasks
/// that have begun are not stopped. It is like Java's `invokeAny`. For a limit in time use
/// [`as_completed`] with a [`timeout`](AsCompleted::timeout).
///
/// # Blocking
///
/// Blocks until a task has returned a result, or all have failed. Runs nothing inline.
///
/// # Errors
///
/// The errors of all tasks, in the order of the handles, if none has returned a result. There are
/// none if there are no handles.
///
/// # Examples
///
/// ```
/// use workmill::first_ok;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let mills = ["7x", "8", "nine"].map(|text| pool.submit(move || text.parse::<u32>()).flat());
/// assert_eq!(first_ok(mills).unwrap(), 8);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("invokeAny", "race"))]
#[doc(alias = "select_ok")]
pub fn first_ok<H: Handle>(
    handles: impl IntoIterator<Item = H>,
) -> Result<H::Value, Vec<H::Error>> {
    let mut completed = as_completed(handles);
    let mut errors = Vec::new();
    while let Some((index, outcome)) = completed.next() {
        match outcome {
            Ok(value) => {
                completed.cancel_all();
                return Ok(value);
            }
            Err(error) => errors.push((index, error)),
        }
    }
    errors.sort_unstable_by_key(|(index, _)| *index);
    Err(errors.into_iter().map(|(_, error)| error).collect())
}

/// An iterator over the outcomes of tasks in the order in which the tasks end. Created by
/// [`as_completed`].
///
/// # Dropping
///
/// Detaches the tasks that are left.
///
/// # Examples
///
/// ```
/// use workmill::as_completed;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let handles: Vec<_> = (0..3).map(|n| pool.submit(move || n * n)).collect();
/// for (index, square) in as_completed(handles) {
///     assert_eq!(square?, index * index);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "iterators do nothing unless they are used"]
pub struct AsCompleted<H: Handle> {
    handles: Unordered<usize, H>,
    deadline: Deadline,
}

impl<H: Handle> AsCompleted<H> {
    /// Ends the iteration `timeout` from now. [`Duration::MAX`] sets no limit.
    ///
    /// The iterator then returns `None` although tasks are left, unless some have ended already,
    /// and goes on if one ends later. [`into_pending`](Self::into_pending) returns their handles.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (never, handle) = workmill::promise();
    /// let handles = [handle, pool.submit(|| 42)];
    /// let mut completed = as_completed(handles).timeout(Duration::from_millis(50));
    /// let in_time: Vec<_> = completed.by_ref().map(|(index, _)| index).collect();
    /// # if in_time.len() == 1 {
    /// assert_eq!(in_time, [1]);
    /// let (index, late) = completed.into_pending().remove(0);
    /// assert!(index == 0 && late.cancel());
    /// # }
    /// # drop(never);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn timeout(self, timeout: Duration) -> Self {
        let deadline = Deadline::after(timeout);
        Self { deadline, ..self }
    }

    /// Ends the iteration at `deadline`, as [`timeout`](Self::timeout) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let never = pool.submit_after(Duration::MAX, || 42);
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// let mut outcomes = as_completed([never]).deadline(soon);
    /// assert!(outcomes.next().is_none()); // the time is over
    /// assert_eq!(outcomes.pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deadline(self, deadline: Instant) -> Self {
        let deadline = Deadline::at(deadline);
        Self { deadline, ..self }
    }

    /// Returns the number of outcomes that were not returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let mut outcomes = as_completed([pool.submit(|| 6), pool.submit(|| 7)]);
    /// assert_eq!(outcomes.pending(), 2);
    /// outcomes.next();
    /// assert_eq!(outcomes.pending(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pending(&self) -> usize {
        self.handles.len()
    }

    /// Returns the handles whose outcomes were not returned, each with its index, in the order of
    /// the indices.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handles = [pool.submit(|| 42), pool.submit_after(Duration::MAX, || 43)];
    /// let mut outcomes = as_completed(handles).timeout(Duration::from_millis(100));
    /// while outcomes.next().is_some() {}
    /// for (index, late) in outcomes.into_pending() {
    ///     println!("{index} comes too late");
    ///     late.cancel();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_pending(self) -> Vec<(usize, H)> {
        let mut pending = self.handles.into_rest();
        pending.sort_unstable_by_key(|(index, _)| *index);
        pending
    }

    /// Cancels the tasks that have not begun. They come as cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handles = [pool.submit(|| 42), pool.submit_after(Duration::MAX, || 43)];
    /// let mut outcomes = as_completed(handles);
    /// assert_eq!(outcomes.next().unwrap().1?, 42);
    /// outcomes.cancel_all(); // the first will do
    /// assert!(outcomes.next().unwrap().1.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_all(&mut self) {
        self.handles
            .iter_mut()
            .for_each(|(_, handle)| handle.request_cancel());
    }

    /// Returns a stream that awaits the outcomes. A deadline does not hold there.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::as_completed;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handles = [6, 7].map(|n| pool.submit(move || n));
    /// let product = workmill::block_on(async {
    ///     let mut outcomes = as_completed(handles).into_stream();
    ///     let mut product = 1;
    ///     while let Some((_, outcome)) = outcomes.next().await {
    ///         product *= outcome?;
    ///     }
    ///     Ok::<_, workmill::JoinError>(product)
    /// });
    /// assert_eq!(product?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_stream(self) -> TaskStream<Self> {
        TaskStream::new(self)
    }
}

/// Returns the outcome of a handle whose task has ended, or will never end in this process.
pub(super) fn outcome_of<H: Handle>(mut handle: H) -> Result<H::Value, H::Error> {
    match handle.take() {
        Some(outcome) => outcome,
        None => handle.wait_and_take(),
    }
}

impl<H: Handle> Iterator for AsCompleted<H> {
    type Item = (usize, Result<H::Value, H::Error>);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, handle) = self.handles.next(self.deadline)?;
        Some((index, outcome_of(handle)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let most = self.pending();
        let least = if self.deadline.is_never() { most } else { 0 };
        (least, Some(most))
    }
}

impl<H: Handle> PollNext for AsCompleted<H> {
    type Item = (usize, Result<H::Value, H::Error>);

    fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Self::Item>> {
        match self.handles.poll_next(Some(waker)) {
            Some((index, handle)) => Poll::Ready(Some((index, outcome_of(handle)))),
            None if self.handles.len() == 0 => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pending(), Some(self.pending()))
    }
}

impl<H: Handle> fmt::Debug for AsCompleted<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
