//! The owner of a pool: who keeps it, resizes it, and ends it.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

use super::PoolRef;
use crate::admission::Capacity;
use crate::pool::{self, Config};
use crate::primitive::{AtomicBool, Ordering};

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
    /// [`shutdown`](crate::ThreadPoolExecutor::shutdown) does.
    #[default]
    Join,
    /// Cancels what has not begun, as [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now) does, and
    /// waits for what runs.
    Cancel,
    /// Waits for nothing: what was accepted is run in the background, and the threads then end. A
    /// process that leaves `main` meanwhile takes them with it.
    Detach,
}

/// Owns a pool of threads that run closures.
///
/// Known from Python's `concurrent.futures` and Java's `ExecutorService`. All methods of
/// [`PoolRef`] can be called on it. A clone owns the same pool.
///
/// # Dropping
///
/// When the last owner is dropped the pool is shut down as by [`shutdown`](ThreadPoolExecutor::shutdown): all
/// that was accepted is run first. [`Builder::on_drop`](crate::Builder::on_drop) knows other
/// endings. While the thread unwinds from a panic, what has not begun is cancelled. On one of the
/// pool's own threads the drop does not wait, nor as part of what a cancelled task captured; the threads
/// end by themselves.
///
/// A task that owns a clone of its pool keeps it from being dropped until it has run.
///
/// # Order
///
/// Tasks from one thread outside begin in the order in which they were submitted, as far as several
/// threads can begin anything in order. Tasks that a task submits go to the thread it runs on,
/// first in, first out, and are stolen from there by threads that have nothing to do.
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
pub struct ThreadPoolExecutor {
    owner: Arc<Owner>,
}

/// What the clones of a [`ThreadPoolExecutor`] share; dropped with the last of them.
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
        config.bound = capacity.clone().map(|capacity| capacity as _);
        let pool = pool::start(config)?;
        Ok(Self {
            owner: Arc::new(Owner {
                pool: PoolRef { pool, capacity },
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

    /// Changes how many tasks run at a time, from 1 to
    /// [`max_threads`](crate::Builder::max_threads), from now on.
    ///
    /// More: if tasks wait, threads are started for them at once. Fewer: tasks that run are finished, and
    /// as each of them ends its thread takes no other; it ends too when
    /// [`keep_alive`](crate::Builder::keep_alive) has run out. A pool without capacity (0) takes more or
    /// fewer tasks accordingly.
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
