//! The machine: threads that hold slots, find tasks and run them.
//!
//! In reading order: [`local queues`] and [`tally`] are the two halves of [`task_queue`]; [`idle`] says
//! who sleeps and whom to wake; [`slots`] are the right to run; [`spares`] are the threads that wait
//! for one; [`roster`] knows which threads live; [`link`] is what handles keep of a pool; [`shared`] is all of it together; [`local`] is
//! what one thread has of it; [`worker`] is one thread's life; [`threads`] starts and ends them.

mod config;
mod idle;
mod lanes;
mod link;
mod local;
#[cfg(all(test, workmill_loom))]
mod model;
mod roster;
mod scheduled;
mod shared;
mod slots;
mod spares;
mod spawned;
mod tally;
mod task_queue;
mod threads;
mod worker;

pub(crate) use config::{Config, Hooks, default_name};
pub use config::{DropBehavior, Overflow};
pub(crate) use idle::MAX_SLOTS;
pub(crate) use link::PoolLink;
pub(crate) use local::{Local, Pool, PoolTask};
pub(crate) use scheduled::Postponed;
pub(crate) use shared::Capacity;
pub(crate) use threads::start;
