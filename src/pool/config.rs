//! A pool as it is to be, as plain data.
//!
//! [`Builder`](crate::Builder) fills it, so that nothing down here needs to know the builder.

use std::any::Any;
use std::io;
use std::time::Duration;

use crate::attributes::Attributes;
use crate::error::{Rejected, Warning};

/// What happens to a task that is submitted while as many wait as
/// [`queue_capacity`](crate::Builder::queue_capacity) allows.
///
/// Tasks that a pool's own tasks submit are never turned away by it: they are admitted over
/// capacity, because a task that waited for room could wait for itself. They count all the same, so
/// there is no room for others until as many have begun. The `try_` and `_timeout` forms are not
/// concerned; they give the closure back whatever the policy.
///
/// Java's `ThreadPoolExecutor` has the same policies but the first, by the names of
/// `AbortPolicy`, `CallerRunsPolicy`, `DiscardOldestPolicy` and `DiscardPolicy`.
///
/// # Examples
///
/// ```
/// use workmill::{Builder, CancelReason, Overflow};
///
/// let builder = Builder::new().threads(1).queue_capacity(1);
/// let pool = builder.overflow(Overflow::Reject).build()?;
/// let handles: Vec<_> = (0..1000).map(|n| pool.submit(move || n)).collect();
/// for handle in handles {
///     if let Err(error) = handle.join() {
///         assert_eq!(error.cancel_reason(), Some(CancelReason::Rejected));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The submitter waits until there is room. Those who wait are served in order of arrival.
    #[default]
    Block,
    /// The task is turned away: its handle resolves to cancelled, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected), and a closure without a handle
    /// goes to [`on_rejected`](crate::Builder::on_rejected).
    Reject,
    /// The submitter runs the task itself, before the call returns: it is slowed down to the
    /// pace of the pool. Inside, [`current`](crate::current) is the pool, as for any of its tasks.
    CallerRuns,
    /// The task that has waited longest is cancelled in favour of the new one, one for one, with
    /// [`CancelReason::Rejected`](crate::CancelReason::Rejected); nobody is told but its handle. It is
    /// dropped by the submitter, before the call returns. When every waiting task is already in
    /// the hands of some thread, or was submitted by one, the new one is dropped.
    DropOldest,
    /// The new task is dropped: like `Reject`, but it does not go to
    /// [`on_rejected`](crate::Builder::on_rejected).
    DropNewest,
}

/// What the drop of a pool's last owner does.
///
/// Whatever it is, dropped while the thread unwinds from a panic the pool also cancels what has not
/// begun; and on a thread of the pool itself the drop never waits.
///
/// # Examples
///
/// ```
/// use workmill::{Builder, DropBehavior};
///
/// let pool = Builder::new().threads(1).on_drop(DropBehavior::Cancel).build()?;
/// let handles: Vec<_> = (0..1000).map(|n| pool.submit(move || n)).collect();
/// drop(pool); // waits for the one that runs, at most
/// assert!(handles.iter().all(|handle| handle.is_finished()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DropBehavior {
    /// Waits until everything that was accepted has run, as
    /// [`shutdown`](crate::PoolRef::shutdown) does.
    #[default]
    Join,
    /// Cancels what has not begun, as [`shutdown_now`](crate::PoolRef::shutdown_now) does, and
    /// waits for what runs.
    Cancel,
    /// Waits for nothing: what was accepted is run in the background, and the threads then end. A
    /// process that leaves `main` meanwhile takes them with it.
    Detach,
}

/// What a pool is made from.
pub(crate) struct Config {
    pub(crate) queue_capacity: Option<usize>,
    pub(crate) overflow: Overflow,
    pub(crate) on_drop: DropBehavior,
    /// How many tasks may run at a time.
    pub(crate) threads: usize,
    /// How many that may become.
    pub(crate) max_threads: usize,
    /// How many threads stay, however long they have nothing to do; one at least.
    pub(crate) min_threads: usize,
    /// How many threads may be away from their slots.
    pub(crate) max_spare_threads: usize,
    /// How long a thread has nothing to do before it ends.
    pub(crate) keep_alive: Duration,
    /// Of the threads with the first numbers.
    pub(crate) first_names: Vec<String>,
    /// Of each thread, in bytes.
    pub(crate) stack_size: usize,
    /// What all threads have, whoever starts them.
    pub(crate) attributes: Attributes,
    /// How many processors the threads may run on.
    pub(crate) processors: usize,
    pub(crate) hooks: Hooks,
}

/// What the user wants called, and when.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) thread_start: Option<Box<ThreadStart>>,
    pub(crate) thread_stop: Option<Box<dyn Fn(usize) + Send + Sync>>,
    pub(crate) thread_name: Option<Box<ThreadName>>,
    pub(crate) panic: Option<Box<PanicHandler>>,
    pub(crate) rejected: Option<Box<dyn Fn(Rejected) + Send + Sync>>,
    pub(crate) warning: Option<Box<dyn Fn(Warning) + Send + Sync>>,
}

/// Takes what a panic was called with.
type PanicHandler = dyn Fn(Box<dyn Any + Send>) + Send + Sync;

/// What the thread of that number is called.
type ThreadName = dyn Fn(usize) -> String + Send + Sync;

/// Says whether the thread of that number may run tasks.
type ThreadStart = dyn Fn(usize) -> io::Result<()> + Send + Sync;

/// What a thread is called if the user says nothing.
pub(crate) fn default_name(number: usize) -> String {
    format!("workmill-{number}")
}
