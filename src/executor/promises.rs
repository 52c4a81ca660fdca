//! Promises whose callbacks a pool runs.

use super::PoolRef;
use crate::handle::{JoinHandle, Promise, promise_with};

/// Creates a promise, as [`promise`](crate::promise) does, whose handle belongs to a pool:
/// callbacks of the handle are tasks of the pool, so the thread that answers runs no code of the
/// user's.
///
/// Callbacks of a [shared](JoinHandle::shared) handle, and the function of a
/// [mapped](JoinHandle::map) one, are called by the thread that answers. If the pool has been shut
/// down, or drops the task, a callback is called on the thread that does that.
/// [Views](PoolRef#views) have no effect on callbacks. A callback that is registered after the
/// answer is a task of the pool as well. The pool waits for no answer: a promise that is not
/// answered keeps neither [`wait_idle`](PoolRef::wait_idle) nor
/// [`shutdown`](crate::ThreadPoolExecutor::shutdown) waiting, and is not cancelled by the end of
/// the pool.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (promise, handle) = workmill::promise_in::<u32>(&pool);
/// let (send, receive) = std::sync::mpsc::channel();
/// handle.on_done(move |outcome| {
///     assert_eq!(workmill::worker_index(), Some(0));
///     send.send(outcome.unwrap()).unwrap();
/// });
/// promise.complete(42).unwrap();
/// assert_eq!(receive.recv()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn promise_in<T: Send + 'static>(pool: &PoolRef) -> (Promise<T>, JoinHandle<T>) {
    promise_with(pool.pool.link)
}
