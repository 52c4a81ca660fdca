//! Functions for code inside a task, which need no reference to its pool.

use std::sync::Arc;

use super::PoolRef;
use crate::admission::Capacity;
use crate::pool::Local;
use crate::wait::{Blocking, Cause};

/// Returns the pool whose task calls this, or `None` outside of tasks.
///
/// A task can so submit to its own pool without having been given a reference. A task that is run
/// by its submitter, because the pool is full (see
/// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns)), counts as a task of that pool.
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

/// Returns the index of the slot that this thread holds in its pool, or `None` if this thread is
/// not a worker of a pool or runs its task without a slot.
///
/// A slot is the right to run a task. The index is less than the largest value that
/// [`threads`](PoolRef::threads) has had. No two threads of a pool hold one slot at the same time.
/// A task that has waited may go on with another slot, or with none.
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

/// Calls `wait`, and gives this task's slot, its right to run, to another thread meanwhile.
///
/// Use it for waits inside tasks that this crate cannot see: on locks and channels of std, files,
/// sockets, processes, [`sleep`](std::thread::sleep). The waits of this crate give the slot away by
/// themselves. If there is work and no spare thread, another thread is started for the slot, as
/// long as fewer threads wait than [`max_spare_threads`](crate::Builder::max_spare_threads) allows.
/// Afterwards the task goes on at once, with a slot or without one; so for a moment more tasks may
/// run than the pool has slots.
///
/// Outside of pools, and within another wait, it only calls `wait`, so a library may use it without
/// knowing its callers. It costs some hundred nanoseconds, and is not worth it for waits that
/// seldom take longer.
///
/// It is like tokio's `block_in_place`, and `ForkJoinPool.managedBlock` in Java.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (sender, receiver) = mpsc::channel();
/// let waits = pool.submit(move || workmill::blocking(|| receiver.recv()));
/// let sends = pool.submit(move || sender.send(42)); // has the only slot meanwhile
/// sends.join()??;
/// assert_eq!(waits.join()??, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blocking<R>(wait: impl FnOnce() -> R) -> R {
    let _blocking = Blocking::begin(Cause::Return);
    wait()
}
