//! What can be asked, and done, inside a task without having its pool.

use std::sync::Arc;

use super::PoolRef;
use crate::admission::Capacity;
use crate::pool::Local;
use crate::wait::Blocking;

/// Returns the pool that runs the task that this is called from, if any.
///
/// Inside a task that is the pool that runs it, so tasks can submit more without
/// having been given the pool; also where a full pool has its submitter run the task, see
/// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns).
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert!(workmill::current().is_none());
/// let threads = pool.submit(|| workmill::current().unwrap().threads());
/// assert_eq!(threads.join()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn current() -> Option<PoolRef> {
    Local::with(|local| {
        let pool = Arc::clone(&local?.shared);
        let capacity = Capacity::of(&pool);
        Some(PoolRef { pool, capacity })
    })
}

/// Returns which place among those that run tasks this thread has in its pool, from 0 to one less than
/// [`threads`](PoolRef::threads) said at most; `None` if it is no thread of a pool, or has no place.
///
/// No two threads of a pool have the same place at the same time. A task that has waited may go on in
/// another place, or in none.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert_eq!(workmill::worker_index(), None);
/// assert_eq!(pool.submit(workmill::worker_index).join()?, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn worker_index() -> Option<usize> {
    Local::with(|local| local?.slot_index())
}

/// Calls `wait`, which blocks, and gives this thread's place in the pool to other tasks meanwhile.
///
/// For waits inside tasks that this crate cannot see: on locks and channels of std, files, sockets,
/// processes, [`sleep`](std::thread::sleep). The waits of this crate do the same by themselves. Another
/// thread is started for the place if there is work for it and no thread to spare, as long as fewer
/// wait than [`max_spare_threads`](crate::Builder::max_spare_threads) says. Afterwards the task goes on
/// at once, with a place or without one; so for a moment more tasks may run than the pool has threads.
///
/// Outside of pools, and within another wait, it just calls `wait`. So a library may use it not
/// knowing who calls. It costs some hundred nanoseconds: not for what seldom takes longer.
///
/// Like tokio's `block_in_place`, or `ForkJoinPool.managedBlock` in Java.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (sender, receiver) = mpsc::channel();
/// let waits = pool.submit(move || workmill::blocking(|| receiver.recv()));
/// let sends = pool.submit(move || sender.send(42)); // the only place is free for this
/// sends.join()??;
/// assert_eq!(waits.join()??, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blocking<R>(wait: impl FnOnce() -> R) -> R {
    let _blocking = Blocking::begin();
    wait()
}
