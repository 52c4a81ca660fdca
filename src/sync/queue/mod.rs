//! Queues that threads and futures put items into and take them from, and that can be joined.
//!
//! The public types are in `basic`, `task`, `ends` and `put`; the work is done in [`engine`].

mod basic;
mod direct;
mod ends;
mod engine;
mod ledger;
pub(crate) mod order;
mod put;
mod task;

pub use self::basic::{Iter, JoinableQueue, LifoQueue, PriorityQueue, Queue};
pub use self::ends::{Consumer, IntoIter, Producer};
pub use self::put::Put;
pub use self::task::{IterTasks, OwnedTaskGuard, TaskGuard};
