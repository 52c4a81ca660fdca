//! The trait of futures-task: what `futures::task::SpawnExt` stands on.

use futures_task::{FutureObj, Spawn, SpawnError};

use crate::executor::{PoolRef, ThreadPoolExecutor};
use crate::trampoline;

/// Spawns into the pool, also by `futures::task::SpawnExt`.
///
/// A pool that is full does what its [`Overflow`](crate::Overflow) policy says, as in
/// [`PoolRef::spawn`]. A panic goes to the [`panic_handler`](crate::Builder::panic_handler); but
/// `spawn_with_handle` catches it first, for its handle.
///
/// `SpawnExt::spawn` has the same name as [`PoolRef::spawn`], which is meant when the method is called
/// on a pool: write `SpawnExt::spawn(&pool, future)` for the other, or hand the pool to what is generic
/// in the trait.
///
/// # Errors
///
/// `SpawnError` for a future that the pool does not take, which is dropped here. It always says that
/// the pool was shut down, since the type knows no other reason; it may also be full, with a policy
/// that turns away, or be the pool of a parent process.
///
/// # Examples
///
/// ```
/// use futures_util::task::SpawnExt;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let handle = pool.spawn_with_handle(async { 6 * 7 })?;
/// assert_eq!(workmill::block_on(handle), 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl Spawn for PoolRef {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.spawn_detached(future).map_err(|(_, future)| {
            trampoline::call(move || drop(future));
            SpawnError::shutdown()
        })
    }

    /// Tells whether a future that is spawned on this thread would be taken, if there is room.
    ///
    /// Tasks of a pool that is shut down may go on spawning until they have ended.
    fn status(&self) -> Result<(), SpawnError> {
        match self.is_open_here() {
            true => Ok(()),
            false => Err(SpawnError::shutdown()),
        }
    }
}

/// As by its [`PoolRef`].
impl Spawn for ThreadPoolExecutor {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        (**self).spawn_obj(future)
    }

    fn status(&self) -> Result<(), SpawnError> {
        (**self).status()
    }
}
