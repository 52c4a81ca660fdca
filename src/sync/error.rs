//! The errors of semaphores and queues.
//!
//! An error that refuses an item carries the item back, and its `Debug` and `Display` do not use
//! the item's.

use std::error::Error;
use std::fmt;
use std::panic::RefUnwindSafe;

use crate::error::ByValue;

/// An error returned by [`Semaphore::acquire`](crate::Semaphore::acquire): the permits will never
/// be granted.
///
/// # Examples
///
/// ```
/// use workmill::{AcquireError, Semaphore};
///
/// let semaphore = Semaphore::new(1);
/// semaphore.close();
/// assert_eq!(semaphore.acquire().unwrap_err(), AcquireError::Closed);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// The semaphore was closed.
    Closed,
    /// More permits were requested than the semaphore can ever have.
    TooMany,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TryAcquireError::from(*self).fmt(f)
    }
}

impl Error for AcquireError {}

/// An error returned by [`Semaphore::try_acquire`](crate::Semaphore::try_acquire) and
/// [`Semaphore::acquire_timeout`](crate::Semaphore::acquire_timeout): the permits were not granted
/// without waiting, or in time.
///
/// # Examples
///
/// ```
/// use workmill::{Semaphore, TryAcquireError};
///
/// let semaphore = Semaphore::new(0);
/// assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// Too few permits were free, or other callers were waiting for permits.
    NoPermits,
    /// The semaphore was closed.
    Closed,
    /// More permits were requested than the semaphore can ever have.
    TooMany,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPermits => "no permit is free; `acquire` waits for one",
            Self::Closed => "the semaphore was closed; it gives no more permits",
            Self::TooMany => {
                "more permits were requested than the semaphore can ever have; request fewer"
            }
        })
    }
}

impl Error for TryAcquireError {}

impl TryAcquireError {
    /// Returns the error for a caller that waits, or `None` if waiting may help.
    pub(crate) fn for_good(self) -> Option<AcquireError> {
        match self {
            Self::NoPermits => None,
            Self::Closed => Some(AcquireError::Closed),
            Self::TooMany => Some(AcquireError::TooMany),
        }
    }
}

impl From<AcquireError> for TryAcquireError {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Closed => Self::Closed,
            AcquireError::TooMany => Self::TooMany,
        }
    }
}

/// An error returned by [`Semaphore::add_permits`](crate::Semaphore::add_permits): there would be
/// more permits than the semaphore can have. Nothing has changed.
///
/// # Examples
///
/// ```
/// use workmill::{BoundedSemaphore, ReleaseError};
///
/// let semaphore = BoundedSemaphore::new(1);
/// assert_eq!(semaphore.release(1), Err(ReleaseError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseError;

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more permits were released than the semaphore can have; release each once")
    }
}

impl Error for ReleaseError {}

/// An error returned by [`Queue::put`](crate::Queue::put): the queue was closed. It contains the
/// item.
///
/// It returns the item by value only, so it can be shared between threads even if the item cannot,
/// and `?` converts it into a `Box<dyn Error + Send + Sync>`.
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::unbounded();
/// queue.close();
/// let refused = queue.put("bread").unwrap_err();
/// assert_eq!(refused.into_inner(), "bread");
/// ```
pub struct PutError<T>(ByValue<T>);

// A shared reference shows nothing of the item, so nothing half changed either.
impl<T> RefUnwindSafe for PutError<T> {}
impl<T> RefUnwindSafe for TryPutError<T> {}

impl<T> PutError<T> {
    /// Creates the error that contains `item`, for a queue that is built on this crate's. It
    /// converts into a [`TryPutError`] of a closed queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{PutError, TryPutError};
    ///
    /// let refused = TryPutError::from(PutError::new("bread"));
    /// assert!(refused.is_closed());
    /// assert_eq!(refused.into_inner(), "bread");
    /// ```
    pub fn new(item: T) -> Self {
        Self(ByValue::new(item))
    }

    /// Returns the item.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.close();
    /// assert_eq!(queue.put("bread").unwrap_err().into_inner(), "bread");
    /// ```
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was closed; `into_inner` has the item")
    }
}

impl<T> Error for PutError<T> {}

/// An error returned by [`Queue::try_put`](crate::Queue::try_put) and
/// [`Queue::put_timeout`](crate::Queue::put_timeout): the item was not put without waiting, or in
/// time. It contains the item.
///
/// It returns the item by value only, so it can be shared between threads even if the item cannot,
/// and `?` converts it into a `Box<dyn Error + Send + Sync>`.
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::bounded(1);
/// queue.put("bread")?;
/// let refused = queue.try_put("cake").unwrap_err();
/// assert!(refused.is_full());
/// assert_eq!(refused.into_inner(), "cake");
/// # Ok::<(), workmill::PutError<&str>>(())
/// ```
pub struct TryPutError<T> {
    is_closed: bool,
    item: ByValue<T>,
}

impl<T> TryPutError<T> {
    /// Creates the error that contains `item`, for which there was no room, for a queue that is
    /// built on this crate's.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{PutError, TryPutError};
    ///
    /// let full = TryPutError::full("bread");
    /// assert!(full.is_full());
    /// let closed = TryPutError::from(PutError::new(full.into_inner()));
    /// assert!(closed.is_closed());
    /// ```
    pub fn full(item: T) -> Self {
        Self {
            is_closed: false,
            item: ByValue::new(item),
        }
    }

    /// Returns the item.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("bread")?;
    /// assert_eq!(queue.try_put("a bun").unwrap_err().into_inner(), "a bun");
    /// # Ok::<(), workmill::PutError<&str>>(())
    /// ```
    pub fn into_inner(self) -> T {
        self.item.into_inner()
    }

    /// Returns the error that contains what `map` makes of the item.
    pub(crate) fn map<U>(self, map: impl FnOnce(T) -> U) -> TryPutError<U> {
        TryPutError {
            is_closed: self.is_closed,
            item: ByValue::new(map(self.into_inner())),
        }
    }

    /// Returns `true` if there was no room in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("bread")?;
    /// assert!(queue.try_put("a bun").unwrap_err().is_full());
    /// # Ok::<(), workmill::PutError<&str>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        !self.is_closed
    }

    /// Returns `true` if the queue was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.close();
    /// assert!(queue.try_put("bread").unwrap_err().is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl<T> From<PutError<T>> for TryPutError<T> {
    fn from(PutError(item): PutError<T>) -> Self {
        Self {
            is_closed: true,
            item,
        }
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TryPutError")
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_closed {
            false => "the queue was full; `put` waits for room",
            true => "the queue was closed; `into_inner` has the item",
        })
    }
}

impl<T> Error for TryPutError<T> {}

/// An item that was not put, as the queue itself passes it on: to be matched, which users cannot do
/// with what contains their item.
pub(crate) enum NotPut<T> {
    /// There was no room.
    Full(T),
    /// The queue was closed.
    Closed(T),
}

impl<T> From<NotPut<T>> for TryPutError<T> {
    fn from(not_put: NotPut<T>) -> Self {
        match not_put {
            NotPut::Full(item) => Self::full(item),
            NotPut::Closed(item) => PutError::new(item).into(),
        }
    }
}

/// An error returned by [`Queue::get`](crate::Queue::get): the queue is closed and empty.
///
/// # Examples
///
/// ```
/// use workmill::{GetError, JoinableQueue};
///
/// let queue = JoinableQueue::<u32>::unbounded();
/// queue.close();
/// assert_eq!(queue.get(), Err(GetError)); // closed and empty
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetError;

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is closed and empty; nothing more will come")
    }
}

impl Error for GetError {}

/// An error returned by [`Queue::try_get`](crate::Queue::try_get) and
/// [`Queue::get_timeout`](crate::Queue::get_timeout): there was no item without waiting, or in
/// time.
///
/// # Examples
///
/// ```
/// use workmill::{JoinableQueue, TryGetError};
///
/// let queue = JoinableQueue::<u32>::unbounded();
/// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
/// queue.close();
/// assert_eq!(queue.try_get(), Err(TryGetError::Closed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryGetError {
    /// There was no item in the queue.
    Empty,
    /// The queue is closed and empty.
    Closed,
}

impl From<GetError> for TryGetError {
    fn from(GetError: GetError) -> Self {
        Self::Closed
    }
}

impl fmt::Display for TryGetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the queue was empty; `get` waits for an item"),
            Self::Closed => GetError.fmt(f),
        }
    }
}

impl Error for TryGetError {}

/// An error returned by [`Queue::task_done`](crate::Queue::task_done): more items would be reported
/// done than were taken. Nothing has changed.
///
/// # Examples
///
/// ```
/// use workmill::{JoinableQueue, TaskDoneError};
///
/// let queue = JoinableQueue::unbounded();
/// queue.put("bread").unwrap();
/// assert_eq!(queue.task_done(), Err(TaskDoneError)); // nothing was taken
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskDoneError;

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more items were reported done than were taken; report each once")
    }
}

impl Error for TaskDoneError {}

/// An error returned by [`Queue::join`](crate::Queue::join): the last [`Consumer`](crate::Consumer)
/// of the queue has gone while an item was unfinished.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use workmill::{AbandonedError, JoinableQueue};
///
/// let queue = Arc::new(JoinableQueue::unbounded());
/// queue.put("bread").unwrap();
/// drop(queue.consumer()); // nobody will eat it
/// assert_eq!(queue.join(), Err(AbandonedError));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbandonedError;

impl fmt::Display for AbandonedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the last consumer of the queue has gone, and items are unfinished; keep a consumer \
             until all are done",
        )
    }
}

impl Error for AbandonedError {}
