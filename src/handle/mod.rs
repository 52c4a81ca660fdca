//! The handles to a task: the handle that waits for the outcome, and those that can be made from
//! it.
//!
//! [`join`] is the handle itself, and describes how a thread may wait. The others add to it:
//! [`callback`] waits without a thread, [`cancel`] cancels, [`shared`] returns one outcome to many
//! handles, [`look`] leaves the outcome there, [`mod@promise`] makes handles to outcomes that come
//! from elsewhere. [`flat`] joins two `Result`s to one, and [`any`] says what all handles have in
//! common. [`cycle`] finds joins that would never end.

mod any;
mod callback;
mod cancel;
mod cycle;
mod flat;
mod join;
mod look;
#[cfg(all(test, workmill_loom))]
mod model;
mod promise;
mod shared;

pub(crate) use any::sealed::Awaited;
pub use any::{AnyHandle, Handle};
pub(crate) use cancel::cancel_for;
pub use cancel::{CancelHandle, CancelOnDrop};
pub use flat::{FlatHandle, TaskError};
pub use join::JoinHandle;
pub(crate) use join::look_for_a_while;
pub use look::{TaskId, TaskState, task_id};
pub(crate) use promise::promise_with;
pub use promise::{Promise, promise};
pub use shared::SharedHandle;
