//! Objects that threads and tasks wait for, each in four forms.
//!
//! The plain verb blocks, `try_` never waits, `_timeout` waits for at most the given time, and
//! `_async` returns a future. All four work on one object at once. Nothing here needs a pool, and
//! everything is built on one waiting core, the [`wait_list`].
//!
//! A blocking wait lets the pool know in [`wait::block_until`](crate::wait::block_until), which
//! calls a hook that the pool sets.

pub(crate) mod barrier;
pub(crate) mod cancel;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod latch;
#[cfg(all(test, workmill_loom))]
mod model;
pub(crate) mod notify;
pub(crate) mod permits;
pub(crate) mod queue;
pub(crate) mod semaphore;
pub(crate) mod wait_list;
pub(crate) mod wait_queue;
