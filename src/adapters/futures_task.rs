//! The trait of futures-task, on which `futures::task::SpawnExt` is built.

use futures_task::{FutureObj, Spawn, SpawnError};

use crate::executor::{PoolRef, ThreadPoolExecutor};
use crate::trampoline;

/// Spawns futures into the pool, also with `futures::task::SpawnExt`.
///
/// A full pool applies its [`Overflow`](crate::Overflow) policy, like [`PoolRef::spawn`]. A panic
/// goes to the [`panic_handler`](crate::Builder::panic_handler), except that `spawn_with_handle`
/// catches it first, for its handle.
///
/// `SpawnExt::spawn` and [`PoolRef::spawn`] have one name, and `pool.spawn(future)` calls the
/// latter. Write `SpawnExt::spawn(&pool, future)` for the former, or pass the pool to code that is
/// generic over the trait.
///
/// # Errors
///
/// `SpawnError` for a future that the pool refuses; the future is dropped here. The error always
/// says that the pool was shut down, since the type has no other reason. The pool may also be full,
/// with a policy that refuses tasks, or belong to a parent process.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use futures_task::Spawn;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let (sender, receiver) = mpsc::channel();
/// let future = async move { sender.send(6 * 7).unwrap() };
/// assert!(pool.spawn_obj(Box::pin(future).into()).is_ok());
/// assert_eq!(receiver.recv()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Spawn for PoolRef {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn_detached(future).map_err(|(_, future)| {
            trampoline::call(move || drop(future));
            SpawnError::shutdown()
        })
    }

    /// Returns `Ok` if a future that this thread spawns would be accepted, provided that there is
    /// room.
    ///
    /// Tasks of a pool that is shut down may go on spawning until they have ended.
    fn status(&self) -> Result<(), SpawnError> {
        match self.is_open_here() {
            true => Ok(()),
            false => Err(SpawnError::shutdown()),
        }
    }
}

/// Spawns futures into the pool, as the implementation for [`PoolRef`] does.
impl Spawn for ThreadPoolExecutor {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        (**self).spawn_obj(future)
    }

    fn status(&self) -> Result<(), SpawnError> {
        (**self).status()
    }
}
