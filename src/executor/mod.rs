//! The pool's public face: what owners and tasks call.
//!
//! [`PoolRef`] refers to a pool; it submits ([`submit`], [`futures`]), waits and observes. A
//! [`ThreadPoolExecutor`] owns a pool ([`owner`]), dereferences to its `PoolRef`, and ends it
//! ([`ending`]). [`here`] has what a task can ask without either.

#[cfg(any(feature = "futures-task", feature = "hyper"))]
mod detached;
mod ending;
mod futures;
mod here;
mod owner;
mod submit;

use std::fmt;
use std::sync::Arc;

pub use self::here::{blocking, current, worker_index};
pub use self::owner::{DropBehavior, ThreadPoolExecutor};
use crate::admission::Capacity;
use crate::pool::Pool;

/// Refers to a pool without owning it.
///
/// Submits to it like an owner, and does not keep it from being shut down: then it refuses. Made by
/// [`handle`](Self::handle), and inside tasks by [`current`].
///
/// # Dropping
///
/// Does nothing.
///
/// # Refusals
///
/// [`submit`](Self::submit) and [`execute`](Self::execute) never fail at the call. The `try_` forms
/// give the closure back instead, and never wait.
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
    /// The bound on what is submitted by this reference, if there is one.
    pub(crate) capacity: Option<Arc<Capacity>>,
}

impl PoolRef {
    /// Counts what happened to the pool that may deserve attention.
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
        let counts = &self.pool.counts;
        Metrics {
            rejected: counts.rejected.get(),
            over_capacity: counts.over_capacity.get(),
            failed_starts: counts.failed_starts.get(),
            uncovered_waits: counts.uncovered_waits.get(),
            skipped_runs: counts.skipped.get(),
            live_threads: self.pool.alive_threads(),
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

/// Counts of what happened to a pool since it was started, and of its threads; given by [`PoolRef::metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that [`submit`](PoolRef::submit) or [`execute`](PoolRef::execute) turned away, because
    /// the pool was full or shut down, and queued tasks that were dropped for newer ones.
    pub rejected: usize,
    /// Tasks of the pool's own that were admitted although it was full.
    pub over_capacity: usize,
    /// Threads that the system would not start when there was work for them. The tasks are run by
    /// those there are, and each push that would need another thread tries again.
    pub failed_starts: usize,
    /// Waits in tasks that kept their place in the pool, because as many threads were away from theirs
    /// as [`max_spare_threads`](crate::Builder::max_spare_threads) says.
    pub uncovered_waits: usize,
    /// Runs of series ([`submit_every`](PoolRef::submit_every)) that were left out, because the pool was
    /// full when they were due.
    pub skipped_runs: usize,
    /// Threads that live at this moment: those that run tasks, wait in them, or have nothing to do.
    pub live_threads: usize,
}
