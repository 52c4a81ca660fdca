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

pub use self::group::Group;
pub use self::here::{blocking, cancelled, current, with_cancelled, worker_index};
pub use self::owner::{DropBehavior, ThreadPoolExecutor};
pub use self::promises::promise_in;
use crate::admission::View;
use crate::metrics::Metrics;
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
    /// Returns counts of tasks, of threads and of trouble since the pool was started: in sum, for
    /// each worker, and for each group.
    ///
    /// The pool counts always; for a task, each thread writes to memory that no other thread
    /// writes. The call itself looks at every worker. A view of a group returns the numbers
    /// of the whole pool; [`Group::metrics`] those of the group.
    ///
    /// # Blocking
    ///
    /// Never blocks. In a forked child process the lists of workers and groups are empty.
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
    /// println!("{}", pool.metrics()); // all of it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("getActiveCount", "getCompletedTaskCount", "getQueue"))]
    pub fn metrics(&self) -> Metrics {
        self.pool.metrics()
    }

    /// Returns the number of tasks that may run at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// assert_eq!(pool.threads(), 2);
    /// pool.set_threads(4)?;
    /// assert_eq!(pool.threads(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
