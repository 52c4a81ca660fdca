//! The pool's public face: the methods that owners and tasks call.
//!
//! A [`PoolRef`] refers to a pool: it submits ([`submit`], [`futures`]), waits until the pool is
//! idle ([`ending`]), and observes. A [`ThreadPoolExecutor`] owns a pool ([`owner`]): it
//! dereferences to a `PoolRef`, resizes the pool ([`owner`]), and shuts it down ([`ending`]).
//! [Views](views) are references that add something to their tasks; a [`Group`] owns a group of
//! tasks.
//! [`here`] has the functions for code inside a task, which need neither.

#[cfg(any(feature = "futures-task", feature = "hyper"))]
mod detached;
mod ending;
mod futures;
mod group;
mod here;
mod join;
mod owner;
mod promises;
mod scoped;
mod submit;
mod views;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub use self::group::Group;
pub use self::here::{blocking, cancelled, current, worker_index};
pub use self::owner::{DropBehavior, ThreadPoolExecutor};
pub use self::promises::promise_in;
use crate::admission::View;
use crate::pool::Pool;

/// A reference to a pool that does not own it.
///
/// It submits to the pool, waits until it is idle, and observes it. It does not keep the pool from
/// being shut down, and can neither shut it down nor resize it: only an owner, a
/// [`ThreadPoolExecutor`], can. Created by [`handle`](Self::handle), and inside tasks by
/// [`current`].
///
/// # Views
///
/// A reference may add something to each task that is submitted by it: a
/// [priority](Self::priority), a [name](Self::named), a [time limit](Self::start_within) until it
/// begins, a [token](Self::cancel_with), or a [group](Self::limited). Each of these methods returns
/// a reference to the same pool, a *view*, which has what this one has and one thing more; so they
/// can be chained. Views hold for all ways to submit, for [`map`](Self::map) and for a
/// [`JoinSet`](crate::JoinSet). Tasks of a [`scope`](Self::scope), and the closures of
/// [`join`](Self::join), are parts of the task that calls it, and have nothing of a view: they run
/// under the permit of that task, which does not count them. Views change nothing else; only a view
/// of a group waits for [the group](Group) to be idle. [`current`] has none of this.
///
/// # Dropping
///
/// Dropping a reference has no effect on the pool.
///
/// # Refusals
///
/// [`submit`](Self::submit) and [`execute`](Self::execute) never fail at the call. The `try_` forms
/// never wait, and their errors return the closure.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let parent = pool.submit(|| {
///     let pool = workmill::current().unwrap();
///     pool.submit(|| 42) // the pool may be dropped before this ends
/// });
/// assert_eq!(parent.join()?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PoolRef {
    pub(crate) pool: Arc<Pool>,
    /// The things that this reference adds to the pool, if it adds any.
    pub(crate) view: Option<Arc<View>>,
}

// A panic that is caught leaves nothing changed by half behind a reference. Closures, futures and
// hooks are the user's; the crate catches their panics where it calls them, never under a lock, and
// a pool that has caught one goes on (`unwind.rs`). The clone of a waker may panic through it, as
// may a future in `block_on`, and both leave the pool as it was.
impl UnwindSafe for PoolRef {}
impl RefUnwindSafe for PoolRef {}

impl PoolRef {
    /// Returns counts of events since the pool was started, and the number of its threads.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, Overflow};
    ///
    /// let builder = Builder::new().threads(1).queue_capacity(10);
    /// let pool = builder.overflow(Overflow::DropNewest).build()?;
    /// for _ in 0..1000 {
    ///     pool.execute(|| ());
    /// }
    /// println!("{} of 1000 were dropped", pool.metrics().rejected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        let incidents = &self.pool.incidents;
        let (lent_slots, lending) = self.pool.lending();
        Metrics {
            rejected: incidents.rejected.get(),
            over_capacity: incidents.over_capacity.get(),
            failed_starts: incidents.failed_starts.get(),
            uncovered_waits: incidents.uncovered_waits.get(),
            skipped_runs: incidents.skipped.get(),
            live_threads: self.pool.alive_threads(),
            lent_slots,
            given_slots: lending.given,
            longest_lent: Duration::from_nanos(lending.longest),
        }
    }

    /// Returns the number of tasks that may run at a time.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Returns a reference to the pool that does not own it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let reference = pool.handle();
    /// assert_eq!(reference.submit(|| 42).join()?, 42);
    /// drop(pool); // the only owner
    /// assert!(reference.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Self {
        self.clone()
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("threads", &self.threads())
            .field("is_shutdown", &self.is_shutdown())
            .field("is_terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PoolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("PoolRef", f)
    }
}

/// Counts of events since a pool was started, and the number of its threads. Returned by
/// [`PoolRef::metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// The number of closures and futures that the pool refused without returning them to the
    /// caller, because it was full or shut down, and of queued tasks that were dropped in favour of
    /// newer ones.
    pub rejected: usize,
    /// The number of tasks that were accepted although the pool was full: those that its own tasks
    /// submitted, and closures that came due.
    pub over_capacity: usize,
    /// The number of threads that the system failed to start, or that
    /// [`on_thread_start`](crate::Builder::on_thread_start) refused, when there was work for them.
    /// The existing threads run the tasks, and each push that needs another thread tries again.
    pub failed_starts: usize,
    /// The number of waits in tasks that kept their slots, because as many threads as
    /// [`max_spare_threads`](crate::Builder::max_spare_threads) allows were without one.
    pub uncovered_waits: usize,
    /// The number of runs of series ([`submit_every`](PoolRef::submit_every)) that were skipped
    /// because the pool was full when they were due, or dropped from the queue in favour of newer
    /// tasks or by the pool's end.
    pub skipped_runs: usize,
    /// The number of threads that are alive now: those that run tasks, wait in tasks, or have
    /// nothing to do.
    pub live_threads: usize,
    /// The number of slots that are lent now: those of tasks that wait for room.
    pub lent_slots: usize,
    /// The number of times that the slot of a task which waited for room was given away.
    pub given_slots: usize,
    /// The longest time for which a task has waited for room.
    pub longest_lent: Duration,
}
