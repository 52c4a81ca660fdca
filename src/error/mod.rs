//! The ways in which a task or a pool can fail.
//!
//! [`join`] is the error of a task, and [`lost`] says how a task was lost with its process.
//!
//! An error that refuses a value carries the value back, and its `Debug` and `Display` do not use
//! the value's. The errors of [`sync`](crate::sync) and of the timer are in their folders.

mod join;
mod lost;
mod running;

use std::error::Error;
use std::fmt;
use std::panic::RefUnwindSafe;

use sync_wrapper::SyncWrapper;

pub use join::{JoinError, note_panic_places};
pub use lost::Lost;
pub(crate) use running::Busy;
pub use running::{BusyThread, StillRunning};

/// The reason for which a task was cancelled.
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
    /// The task was cancelled by [`JoinHandle::cancel`](crate::JoinHandle::cancel), or by the token
    /// of its view ([`PoolRef::cancel_with`](crate::PoolRef::cancel_with)).
    Cancelled,
    /// The pool, or the [`Group`](crate::Group), was shut down.
    Shutdown,
    /// The pool, or the group, was full, and its [`Overflow`](crate::Overflow) policy rejected the
    /// task.
    Rejected,
    /// Tasks join each other in a cycle, and this join gave up. The task that it waited for has not
    /// been cancelled: it goes on if the others do.
    Deadlock,
    /// The pool belongs to the process that this one was forked from, and has no threads here.
    Forked,
    /// The [`Promise`](crate::Promise) of the outcome was dropped without an answer.
    Abandoned,
    /// Another task of its scope panicked, and the scope
    /// [cancels the others then](crate::Scope::cancel_on_panic).
    ScopeFailed,
    /// The task had not begun in time ([`PoolRef::start_within`](crate::PoolRef::start_within)).
    Expired,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled by its handle, or by the token of its view",
            Self::Shutdown => {
                "cancelled because the pool was shut down; `shutdown` runs all that came before it"
            }
            Self::Rejected => {
                "rejected because the pool was full; `submit_timeout` waits for room, and a larger \
                 `queue_capacity` has more"
            }
            Self::Deadlock => {
                "not joined because it waits for this very join; of tasks that join each other, \
                 one has to go on without the other's result"
            }
            Self::Forked => {
                "lost to this process, which was forked from the pool's; build a pool after the \
                 fork"
            }
            Self::Abandoned => {
                "abandoned: its promise was dropped without an answer; call `complete` or `fail` \
                 on each path"
            }
            Self::ScopeFailed => {
                "cancelled because another task of its scope panicked; that panic says why"
            }
            Self::Expired => {
                "cancelled because it had not begun in time; allow more by `start_within`, or let \
                 more threads begin it sooner"
            }
        })
    }
}

/// A closure without a handle that the pool did not accept.
///
/// It is passed to the function of [`Builder::on_rejected`](crate::Builder::on_rejected), which may
/// keep it, run it, or drop it.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use workmill::{Builder, Rejected};
///
/// let (sender, refused) = mpsc::channel::<Rejected>();
/// let pool = Builder::new()
///     .threads(1)
///     .on_rejected(move |rejected| sender.send(rejected).unwrap())
///     .build()?;
/// pool.shutdown();
/// pool.execute(|| println!("too late for the pool"));
/// refused.recv()?.run();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rejected {
    closure: Box<dyn FnOnce() + Send>,
    reason: CancelReason,
}

impl Rejected {
    /// Creates a rejected closure.
    pub(crate) fn new(closure: Box<dyn FnOnce() + Send>, reason: CancelReason) -> Self {
        Self { closure, reason }
    }

    /// Returns why the closure was not accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, CancelReason};
    ///
    /// let builder = Builder::new().threads(1);
    /// let check = |it: workmill::Rejected| assert_eq!(it.reason(), CancelReason::Shutdown);
    /// let pool = builder.on_rejected(check).build()?;
    /// pool.shutdown();
    /// pool.execute(|| println!("too late"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reason(&self) -> CancelReason {
        self.reason
    }

    /// Runs the closure on this thread.
    ///
    /// # Panics
    ///
    /// Panics if the closure panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let builder = workmill::Builder::new().threads(1);
    /// let pool = builder.on_rejected(|rejected| rejected.run()).build()?;
    /// pool.shutdown();
    /// pool.execute(|| println!("too late for the pool, so on this thread"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(self) {
        (self.closure)();
    }

    /// Returns the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// let (keep, kept) = std::sync::mpsc::channel();
    /// let builder = workmill::Builder::new().threads(1);
    /// let pool = builder.on_rejected(move |it| keep.send(it.into_inner()).unwrap()).build()?;
    /// pool.shutdown();
    /// pool.execute(|| println!("for another pool"));
    /// let closure = kept.recv()?;
    /// closure();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> Box<dyn FnOnce() + Send> {
        self.closure
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// An error returned by [`PoolRef::try_submit`](crate::PoolRef::try_submit) and other methods: the
/// pool did not accept the closure, which the error contains.
///
/// It returns the closure by value only, so it can be shared between threads even if the closure
/// cannot, and `?` converts it into a `Box<dyn Error + Send + Sync>`.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// pool.shutdown();
/// let refused = pool.try_submit(|| 6 * 7).unwrap_err();
/// assert!(refused.is_shutdown());
/// let closure = refused.into_inner();
/// assert_eq!(closure(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TrySubmitError<F> {
    reason: CancelReason,
    closure: ByValue<F>,
}

// A shared reference shows nothing of the closure, so nothing half changed either.
impl<F> RefUnwindSafe for TrySubmitError<F> {}

impl<F> TrySubmitError<F> {
    /// Creates the error that contains `closure`. It is for executors that are built on this crate,
    /// whose queue may be elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{CancelReason, TrySubmitError};
    ///
    /// let error = TrySubmitError::new(CancelReason::Rejected, "a sack");
    /// assert!(error.is_full());
    /// assert_eq!(error.into_inner(), "a sack");
    /// ```
    pub fn new(reason: CancelReason, closure: F) -> Self {
        let closure = ByValue::new(closure);
        Self { reason, closure }
    }

    /// Returns the closure.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// let closure = pool.try_submit(|| 6 * 7).unwrap_err().into_inner();
    /// assert_eq!(closure(), 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> F {
        self.closure.into_inner()
    }

    /// Returns an error for the same reason, with what `f` makes of the closure. It is for code
    /// that wraps what its callers submit.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// let sack = String::from("flour");
    /// let grind = move || sack; // a closure of ours, in which the caller's sack lies
    /// let error = pool.try_submit(grind).unwrap_err().map(|grind| grind());
    /// assert!(error.is_shutdown());
    /// assert_eq!(error.into_inner(), "flour");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn map<G>(self, f: impl FnOnce(F) -> G) -> TrySubmitError<G> {
        TrySubmitError::new(self.reason, f(self.closure.into_inner()))
    }

    /// Returns why the closure was not accepted: [`CancelReason::Rejected`] if the pool was full,
    /// [`CancelReason::Shutdown`], or [`CancelReason::Forked`].
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::CancelReason;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// assert_eq!(pool.try_submit(|| 42).unwrap_err().reason(), CancelReason::Shutdown);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reason(&self) -> CancelReason {
        self.reason
    }

    /// Returns `true` if the pool was full. A later try may succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(100).build()?;
    /// match pool.try_submit(|| 6 * 7) {
    ///     Ok(handle) => assert_eq!(handle.join()?, 42),
    ///     Err(refused) if refused.is_full() => println!("come again later"),
    ///     Err(refused) => return Err(refused.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.reason == CancelReason::Rejected
    }

    /// Returns `true` if the pool was shut down. No later try will succeed.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// assert!(pool.try_submit(|| 42).unwrap_err().is_shutdown());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_shutdown(&self) -> bool {
        self.reason == CancelReason::Shutdown
    }
}

impl<F> fmt::Debug for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrySubmitError")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Display for TrySubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            CancelReason::Shutdown => "the pool was shut down; `into_inner` has the closure",
            CancelReason::Forked => {
                "the pool is in the process that this one was forked from; build a pool in this one"
            }
            _ => "the pool is full; try later, or wait for room with `submit_timeout`",
        })
    }
}

impl<F> Error for TrySubmitError<F> {}

/// A value that an error contains, and that can be had back by value only. So threads may share it
/// even if they may not share the value itself.
pub(crate) type ByValue<T> = SyncWrapper<T>;

/// An error returned by [`PoolRef::wait_idle`](crate::PoolRef::wait_idle),
/// [`PoolRef::wait_terminated`](crate::PoolRef::wait_terminated) and their other forms: the wait
/// was refused because it could never end.
///
/// A task that waits until its own pool is idle, or has ended, would wait for itself. In a child
/// process that was made by a fork, a pool of the parent never makes progress.
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
        f.write_str(
            "the pool cannot become idle, or end, while this waits for it; wait outside its tasks",
        )
    }
}

impl Error for WouldDeadlock {}
