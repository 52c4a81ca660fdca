//! x
mod admission;
mod builder;
mod error;
mod executor;
mod handle;
mod pool;
mod primitive;
mod sync;
mod task;
mod unwind;

pub use builder::Builder;
pub use error::{
    AcquireError, CancelReason, JoinError, TryAcquireError, TrySubmitError, WouldDeadlock,
};
pub use executor::{PoolRef, ThreadPoolExecutor, current, worker_index};
pub use handle::JoinHandle;
pub use pool::Overflow;
pub use sync::semaphore::{Acquire, Permit, Semaphore};
