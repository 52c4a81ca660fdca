//! The handles to a task: one that waits for its outcome, and what can be made of it.
//!
//! [`join`] is the handle itself, and how a thread may wait. The others add to it: [`callback`] waits
//! without a thread, [`cancel`] cancels from elsewhere, [`shared`] gives one outcome to many. [`cycle`]
//! knows which joins would never end.

mod callback;
mod cancel;
mod cycle;
mod join;
#[cfg(all(test, workmill_loom))]
mod model;
mod shared;

pub use cancel::{CancelHandle, CancelOnDrop};
pub use join::JoinHandle;
pub(crate) use join::cancel_for;
pub use shared::SharedHandle;
