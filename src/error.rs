//! Every way to fail.
//!
//! An error that refuses something carries it back, and formats without asking anything of
//! what it carries.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::unwind::Payload;

/// Says why a task gave no value: it panicked, or it was cancelled.
///
/// Given by [`JoinHandle::join`](crate::JoinHandle::join) and its siblings. Dropping the
/// error drops what the task panicked with; a panic in that drop is contained.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let error = pool.submit(|| panic!("out of flour")).join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.panic_message(), Some("out of flour"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct JoinError {
    cause: Cause,
}

enum Cause {
    Panicked(Box<Panicked>),
    Cancelled(CancelReason),
}

/// Boxed: a panic is rare, and the error lies in every result cell.
struct Panicked {
    message: Option<String>,
    /// In a lock because a payload may be unfit for sharing; nobody ever waits for it.
    payload: Mutex<Payload>,
}

impl JoinError {
    pub(crate) fn panicked(payload: Payload) -> Self {
        let message = payload.message().map(str::to_owned);
        let payload = Mutex::new(payload);
        Self {
            cause: Cause::Panicked(Box::new(Panicked { message, payload })),
        }
    }

    pub(crate) fn cancelled(reason: CancelReason) -> Self {
        Self {
            cause: Cause::Cancelled(reason),
        }
    }

    /// Tells whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// Tells whether the task was cancelled before it began.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled(_))
    }

    /// Says why the task was cancelled, or `None` if it panicked.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match self.cause {
            Cause::Cancelled(reason) => Some(reason),
            Cause::Panicked(_) => None,
        }
    }

    /// Gives what the task panicked with, to look at or to resume with.
    ///
    /// # Panics
    ///
    /// If the task did not panic; ask [`is_panic`](Self::is_panic) first.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let error = pool.submit(|| std::panic::panic_any(7_u32)).join().unwrap_err();
    /// assert_eq!(*error.into_panic().downcast::<u32>().unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.cause {
            Cause::Panicked(panicked) => panicked
                .payload
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .into_inner(),
            Cause::Cancelled(reason) => panic!("the task did not panic, it was {reason}"),
        }
    }

    /// Gives the text that the task panicked with, if it was text.
    pub fn panic_message(&self) -> Option<&str> {
        match &self.cause {
            Cause::Panicked(panicked) => panicked.message.as_deref(),
            Cause::Cancelled(_) => None,
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Panicked(panicked) => {
                f.debug_tuple("Panicked").field(&panicked.message).finish()
            }
            Cause::Cancelled(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Panicked(panicked) => match &panicked.message {
                Some(message) => write!(f, "the task panicked: {message}"),
                None => f.write_str("the task panicked"),
            },
            Cause::Cancelled(reason) => write!(f, "the task was {reason}"),
        }
    }
}

impl Error for JoinError {}

/// Says who cancelled a task, and why.
///
/// # Examples
///
/// ```
/// use workmill::CancelReason;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.shutdown();
/// let error = pool.submit(|| 42).join().unwrap_err();
/// assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// [`JoinHandle::cancel`](crate::JoinHandle::cancel) came before a thread did.
    Cancelled,
    /// The pool was shut down.
    Shutdown,
    /// The pool was full and its [`Overflow`](crate::Overflow) policy turned the task away.
    Rejected,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled by its handle",
            Self::Shutdown => "cancelled because the pool was shut down",
            Self::Rejected => "rejected because the pool was full",
        })
    }
}

/// Gives a closure back that the pool did not take.
///
/// # Examples
///
/// ```
/// use workmill::TrySubmitError;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.shutdown();
/// match pool.try_submit(|| 6 * 7) {
///     Err(TrySubmitError::Shutdown(closure)) => assert_eq!(closure(), 42),
///     other => panic!("a pool that was shut down took {other:?}"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySubmitError<F> {
    /// As many tasks wait as the pool's capacity allows.
    Full(F),
    /// The pool was shut down.
    Shutdown(F),
}

impl<F> TrySubmitError<F> {
    /// Gives the closure back.
    pub fn into_inner(self) -> F {
        match self {
            Self::Full(closure) | Self::Shutdown(closure) => closure,
        }
    }

    /// Tells whether the pool was full, so that a later try may succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Tells whether the pool was shut down, so that no later try will succeed.
    pub fn is_shutdown(&self) -> bool {
        matches!(self, Self::Shutdown(_))
    }
}

impl<F> fmt::Debug for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Shutdown(_) => "Shutdown(..)",
        })
    }
}

impl<F> fmt::Display for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the pool is full",
            Self::Shutdown(_) => "the pool was shut down",
        })
    }
}

impl<F> Error for TrySubmitError<F> {}

/// Says that a wait was refused because it could never end.
///
/// A task that waits until its own pool is idle waits for itself.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let inside = pool.submit(|| workmill::current().unwrap().wait_idle());
/// assert_eq!(inside.join()?, Err(workmill::WouldDeadlock));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WouldDeadlock;

impl fmt::Display for WouldDeadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a task cannot wait until its own pool is idle")
    }
}

impl Error for WouldDeadlock {}

/// Says that a semaphore was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcquireError;

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore was closed")
    }
}

impl Error for AcquireError {}

/// Says why no permit was given without waiting, or in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryAcquireError {
    /// No permit was free, or others wait for one already.
    NoPermits,
    /// The semaphore was closed.
    Closed,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPermits => "no permit is free",
            Self::Closed => "the semaphore was closed",
        })
    }
}

impl Error for TryAcquireError {}
