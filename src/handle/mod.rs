//! The handles to a task: the handle that waits for the outcome, and those that can be made from
//! it.
//!
//! [`join`] is the handle itself, and describes how a thread may wait. The others add to it:
//! [`callback`] waits without a thread, [`cancel`] cancels, [`shared`] returns one
//! outcome to many handles. [`cycle`] finds joins that would never end.

mod callback;
mod cancel;
mod cycle;
mod join;
#[cfg(all(test, workmill_loom))]
mod model;
mod shared;

pub(crate) use cancel::cancel_for;
pub use cancel::{CancelHandle, CancelOnDrop};
pub use join::JoinHandle;
pub(crate) use join::look_for_a_while;
pub use shared::SharedHandle;
