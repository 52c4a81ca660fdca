//! Queues that threads and futures put items into and take them from, and that can be joined.
//!
//! The public types are in `basic`, `many`, `task`, `ends`, `put` and `prioritized`. The work is
//! done in [`engine`].

mod basic;
mod direct;
mod ends;
mod engine;
mod ledger;
mod many;
pub(crate) mod order;
mod prioritized;
mod put;
mod smallest;
mod task;

pub use self::basic::{Iter, JoinableQueue, LifoQueue, PriorityQueue, Queue};
pub use self::ends::{Consumer, IntoIter, Producer};
pub use self::prioritized::Prioritized;
pub use self::put::Put;
pub use self::smallest::SmallestFirst;
pub use self::task::{IterTasks, OwnedTaskGuard, TaskGuard};
