//! What can fail in a semaphore or a queue.
//!
//! An error that refuses an item carries it back, and is formatted without the item's help.

use std::error::Error;
use std::fmt;

/// Says why no permit will ever be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcquireError {
    /// The semaphore was closed.
    Closed,
    /// More permits were asked for than the semaphore can ever have.
    TooMany,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TryAcquireError::from(*self).fmt(f)
    }
}

impl Error for AcquireError {}

/// Says why no permit was given without waiting, or in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// Too few permits were free, or others wait for some already.
    NoPermits,
    /// The semaphore was closed.
    Closed,
    /// More permits were asked for than the semaphore can ever have.
    TooMany,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPermits => "no permit is free",
            Self::Closed => "the semaphore was closed",
            Self::TooMany => "the semaphore never has so many permits",
        })
    }
}

impl Error for TryAcquireError {}

impl TryAcquireError {
    /// The same for one who waits, unless waiting helps.
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

/// Says that more permits were added than the semaphore can have; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseError;

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more permits were released than the semaphore can have")
    }
}

impl Error for ReleaseError {}

/// Says that a queue was closed, and gives the item back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PutError<T>(pub T);

impl<T> PutError<T> {
    /// Gives the item back.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PutError(..)")
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was closed")
    }
}

impl<T> Error for PutError<T> {}

/// Says why a queue did not take an item without waiting, or in time, and gives it back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryPutError<T> {
    /// There was no room.
    Full(T),
    /// The queue was closed.
    Closed(T),
}

impl<T> TryPutError<T> {
    /// Gives the item back.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }

    /// Tells whether there was no room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Tells whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> From<PutError<T>> for TryPutError<T> {
    fn from(error: PutError<T>) -> Self {
        Self::Closed(error.0)
    }
}

impl<T> fmt::Debug for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for TryPutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue was full",
            Self::Closed(_) => "the queue was closed",
        })
    }
}

impl<T> Error for TryPutError<T> {}

/// Says that a queue was closed and that nothing is left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetError;

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue was closed, and is empty")
    }
}

impl Error for GetError {}

/// Says why a queue gave no item without waiting, or in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryGetError {
    /// There was no item.
    Empty,
    /// The queue was closed, and nothing is left in it.
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
            Self::Empty => f.write_str("the queue was empty"),
            Self::Closed => GetError.fmt(f),
        }
    }
}

impl Error for TryGetError {}

/// Says that more items were reported done than were taken; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskDoneError;

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more items were reported done than were taken")
    }
}

impl Error for TaskDoneError {}
