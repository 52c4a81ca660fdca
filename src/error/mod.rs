//! The ways in which a task or a pool can fail.
//!
//! [`join`] is the error of a task, and [`lost`] says how a task was lost with its process.
//!
//! An error that refuses a value carries the value back, and its `Debug` and `Display` do not use
//! the value's. The errors of [`sync`](crate::sync) and of the timer are in their folders.

mod join;
mod lost;

use std::error::Error;
use std::fmt;
use std::panic::{Location, RefUnwindSafe};
use std::time::Duration;

use sync_wrapper::SyncWrapper;

pub use join::JoinError;
pub use lost::Lost;

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
    pub fn reason(&self) -> CancelReason {
        self.reason
    }

    /// Runs the closure on this thread.
    ///
    /// # Panics
    ///
    /// Panics if the closure panics.
    pub fn run(self) {
        (self.closure)();
    }

    /// Returns the closure.
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
    pub fn reason(&self) -> CancelReason {
        self.reason
    }

    /// Returns `true` if the pool was full. A later try may succeed.
    pub fn is_full(&self) -> bool {
        self.reason == CancelReason::Rejected
    }

    /// Returns `true` if the pool was shut down. No later try will succeed.
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

/// An error returned by
/// [`ThreadPoolExecutor::shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout): the pool
/// had not ended in time. It says what the pool was doing.
///
/// This is a snapshot and may be stale.
///
/// # Examples
///
/// ```
/// # use std::sync::mpsc;
/// use std::time::Duration;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// # let (started, begun) = mpsc::channel();
/// # let (go, wait) = mpsc::channel::<()>();
/// fn grind() {}
/// let busy = pool.submit(move || {
/// #   started.send(()).unwrap(); wait.recv().unwrap();
///     grind()
/// });
/// # begun.recv()?;
/// let error = pool.shutdown_timeout(Duration::from_millis(10)).unwrap_err();
/// assert_eq!(error.busy().len(), 1);
/// assert_eq!(error.busy()[0].thread(), "workmill-0");
/// eprintln!("{error}"); // … workmill-0 runs my_program::main::{{closure}}
/// # go.send(())?;
/// # busy.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillRunning {
    unfinished: usize,
    threads: usize,
    busy: Vec<BusyThread>,
}

impl StillRunning {
    pub(crate) fn new(unfinished: usize, threads: usize, busy: Vec<BusyThread>) -> Self {
        Self {
            unfinished,
            threads,
            busy,
        }
    }

    /// Returns the number of accepted tasks that had not ended, running or waiting. This includes
    /// cancelled tasks that no thread has met since.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Returns the number of threads that had not left the pool.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Returns the threads that ran tasks.
    pub fn busy(&self) -> &[BusyThread] {
        &self.busy
    }
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unfinished,
            threads,
            busy,
        } = self;
        write!(
            f,
            "the pool has not ended: {unfinished} unfinished tasks, {threads} threads"
        )?;
        for (index, busy) in busy.iter().enumerate() {
            let before = if index == 0 { ";" } else { "," };
            write!(f, "{before} {busy}")?;
        }
        f.write_str(
            "; a task that looks at `workmill::cancelled()` can end early, and `shutdown_now` \
             cancels what has not begun",
        )
    }
}

impl Error for StillRunning {}

/// A worker, and the task that it ran at a moment. Returned by [`StillRunning::busy`], and passed
/// to the function of [`Builder::on_long_task`](crate::Builder::on_long_task).
///
/// # Display
///
/// Shows all of it, as in `workmill-0 runs bake (src/bakery.rs:12) of group 3 for 2.1s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyThread(Busy);

/// The fields of a [`BusyThread`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) thread: String,
    pub(crate) task: &'static str,
    pub(crate) place: Option<&'static Location<'static>>,
    pub(crate) running_for: Duration,
    pub(crate) group: Option<usize>,
    pub(crate) waits: bool,
}

impl BusyThread {
    pub(crate) fn new(busy: Busy) -> Self {
        Self(busy)
    }

    /// Returns the name of the thread.
    pub fn thread(&self) -> &str {
        &self.0.thread
    }

    /// Returns the name of the task: that of its view ([`PoolRef::named`](crate::PoolRef::named)),
    /// or else the type of its closure or future, which says in which function that is.
    ///
    /// The name of a type comes from [`std::any::type_name`]: it is for people to read, and must
    /// not be relied on.
    pub fn task(&self) -> &'static str {
        self.0.task
    }

    /// Returns the place in the source where the task's name was given by
    /// [`PoolRef::named`](crate::PoolRef::named), if it was.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.0.place
    }

    /// Returns a time for which the task has been running at least. It counts waits in the task;
    /// for a future, it is that of the poll.
    ///
    /// No task notes when it begins. The time is exact if the worker had nothing to do before; else
    /// it is the time since somebody looked: the beginning of the shutdown that returned this, or
    /// the looks of [`on_long_task`](crate::Builder::on_long_task). If nobody has looked it is
    /// zero.
    pub fn running_for(&self) -> Duration {
        self.0.running_for
    }

    /// Returns the [number](crate::GroupMetrics::number) of the task's group, if it is in one.
    pub fn group(&self) -> Option<usize> {
        self.0.group
    }

    /// Returns `true` if the task waits for something of this crate.
    pub fn waits(&self) -> bool {
        self.0.waits
    }
}

impl fmt::Display for BusyThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = &self.0;
        let verb = if busy.waits { "waits in" } else { "runs" };
        write!(f, "{} {verb} {}", busy.thread, busy.task)?;
        if let Some(place) = busy.place {
            write!(f, " ({}:{})", place.file(), place.line())?;
        }
        if let Some(group) = busy.group {
            write!(f, " of group {group}")?;
        }
        match busy.running_for.is_zero() {
            true => Ok(()),
            false => write!(f, " for {:.1?}", busy.running_for),
        }
    }
}
