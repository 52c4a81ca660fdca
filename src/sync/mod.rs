//! What threads and tasks wait for, each in four forms.
//!
//! The plain verb blocks, `try_` never waits, `_timeout` waits so long, `_async` returns a
//! future; all four work on one object at once. They need no pool. Under all of them lies one
//! waiting core, the [`wait_list`].

pub(crate) mod cancel;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod latch;
#[cfg(all(test, workmill_loom))]
mod model;
pub(crate) mod permits;
pub(crate) mod queue;
pub(crate) mod semaphore;
pub(crate) mod wait_list;
pub(crate) mod wait_queue;
