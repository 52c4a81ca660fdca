//! The owner of a pool, which keeps it, resizes it, and shuts it down.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use super::PoolRef;
use crate::admission::{Capacity, View};
use crate::pool::{self, Config};
use crate::primitive::{AtomicBool, Ordering};

/// The behavior of a pool when its last owner is dropped.
///
/// With any of these, a drop while the thread unwinds from a panic also cancels the tasks that have
/// not begun, and a drop on a worker of the pool does not wait.
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
    /// Shuts the pool down and waits until every accepted task has run, like
    /// [`shutdown`](crate::ThreadPoolExecutor::shutdown).
    #[default]
    Join,
    /// Cancels the tasks that have not begun, like
    /// [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now), and waits for the running ones,
    /// whose token, [`cancelled`](crate::cancelled()), is cancelled.
    Cancel,
    /// Does not wait: the accepted tasks run in the background, and the threads then end. If the
    /// process returns from `main` before, the tasks are lost.
    #[doc(alias = "daemon")]
    Detach,
}

/// An owner of a pool of threads, which run closures and futures.
///
/// It is known from Python's `concurrent.futures` and Java's `ExecutorService`. It dereferences to
/// a [`PoolRef`], so that all methods of that type can be called on it. Only an owner can shut the
/// pool down and [resize](ThreadPoolExecutor::set_threads) it. A clone owns the same pool.
///
/// # Dropping
///
/// When the last owner is dropped, the pool is shut down, and the drop blocks until every accepted
/// task has run, like [`shutdown`](ThreadPoolExecutor::shutdown).
/// [`Builder::on_drop`](crate::Builder::on_drop) chooses another behavior. While the thread unwinds
/// from a panic, the tasks that have not begun are cancelled. A drop that waits for five seconds
/// warns with [`Warning::StillWaiting`](crate::Warning::StillWaiting). On a worker of the pool, and
/// in the drop of a capture of a cancelled task, the drop does not wait; the threads end by
/// themselves.
///
/// A task that owns a clone of its pool keeps the pool from being dropped until the task has run.
///
/// # Order of tasks
///
/// Tasks that one thread outside the pool submits begin in the order of their submission, as far as
/// several threads can begin anything in order. Tasks that a task submits go to the queue of the
/// worker that it runs on, first in, first out, and are stolen from there by workers that have
/// nothing to do.
///
/// # Examples
///
/// ```
/// use workmill::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new(4)?;
/// let squares: Vec<_> = (0..10_u32).map(|n| pool.submit(move || n * n)).collect();
/// let sum: u32 = squares.into_iter().map(|handle| handle.join().unwrap()).sum();
/// assert_eq!(sum, 285);
/// pool.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "the pool is shut down when its last owner is dropped: keep it by `let pool = …`, \
              since `let _ = …` drops it at once"]
#[doc(alias(
    "ExecutorService",
    "ForkJoinPool",
    "ThreadPool",
    "newFixedThreadPool",
    "Runtime"
))]
pub struct ThreadPoolExecutor {
    owner: Arc<Owner>,
}

/// The part of a [`ThreadPoolExecutor`] that its clones share; dropped with the last of them.
struct Owner {
    pool: PoolRef,
    on_drop: DropBehavior,
    /// Whether the drop does nothing, because the pool ends in the background.
    is_in_background: AtomicBool,
}

impl ThreadPoolExecutor {
    pub(crate) fn start(
        mut config: Config,
        capacity: Option<Arc<Capacity>>,
        on_drop: DropBehavior,
    ) -> io::Result<Self> {
        let view = capacity.map(View::bound);
        config.observer = view.clone().map(|view| view as _);
        let pool = pool::start(config)?;
        Ok(Self {
            owner: Arc::new(Owner {
                pool: PoolRef { pool, view },
                on_drop,
                is_in_background: AtomicBool::new(false),
            }),
        })
    }

    /// Makes the drop of the last owner do nothing.
    pub(super) fn leave_in_background(&self) {
        let flag = &self.owner.is_in_background;
        flag.store(true, Ordering::Relaxed);
    }

    /// Changes the number of tasks that run at a time: from 1 to
    /// [`max_threads`](crate::Builder::max_threads).
    ///
    /// If the number grows and tasks wait, threads are started for them at once. If it shrinks,
    /// running tasks are finished, and surplus workers then take no other task; they end after
    /// [`keep_alive`](crate::Builder::keep_alive). A pool with a queue capacity of 0 accepts more
    /// or fewer tasks accordingly. Does not wait.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the number is out of its limits; nothing changes then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).max_threads(8).build()?;
    /// pool.set_threads(3)?;
    /// assert_eq!(pool.threads(), 3);
    /// assert!(pool.set_threads(9).is_err() && pool.set_threads(0).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias("setMaximumPoolSize", "set_num_threads", "resize"))]
    pub fn set_threads(&self, threads: usize) -> io::Result<()> {
        let most = self.pool.max_threads();
        if !(1..=most).contains(&threads) {
            let message = format!("this pool can have 1 to {most} threads, not {threads}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if !self.pool.is_forked() {
            self.pool.set_threads(threads);
        }
        Ok(())
    }
}

impl Deref for ThreadPoolExecutor {
    type Target = PoolRef;

    fn deref(&self) -> &PoolRef {
        &self.owner.pool
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("ThreadPoolExecutor", f)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let pool = &self.pool.pool;
        if self.is_in_background.load(Ordering::Relaxed) || pool.is_forked() {
            return;
        }
        if std::thread::panicking() || self.on_drop == DropBehavior::Cancel {
            pool.stop();
        }
        if self.on_drop == DropBehavior::Detach {
            return pool.close();
        }
        self.pool.close_and_join();
        // If this is a worker of the pool, no other thread is left to join the workers.
        pool.join_others_from_here();
    }
}
