//! One piece of work, of whatever type: run or cancelled, exactly once.
//!
//! A [`Task`] is four words that go through the queues by value. Small closures lie in it;
//! larger ones are boxed and called through the box, so that a large closure is never
//! copied to a worker's stack. A task with a result is one word that points at its
//! [`cell`].
//!
//! The task is generic in the [`context`] that it runs in, so this room knows no pool.
//!
//! A [`future`] is a task whenever it has been woken. It is polled, and may go on after that, as another
//! task. Whoever cancels it only says so: it is run once more, on a thread of the pool, to be dropped.

mod aligned;
pub(crate) mod cell;
mod context;
mod erased;
mod future;
#[cfg(all(test, workmill_loom))]
mod model;
mod state;
mod wakes;

pub(crate) use context::{Context, Name, Ran, Token};
#[cfg(all(test, workmill_loom))]
pub(crate) use context::{Nowhere, job};
pub(crate) use erased::{Task, Word};
