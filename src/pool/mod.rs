//! The machine: threads that hold slots, find tasks and run them.
//!
//! In reading order: [`lanes`] and [`tally`] are the two halves of [`task_queue`]; [`idle`] says
//! who sleeps and whom to wake; [`slots`] are the right to run; [`roster`] knows which threads
//! live; [`shared`] is all of it together; [`worker`] is one thread's life; [`threads`] starts
//! and ends them.

mod config;
mod idle;
mod lanes;
#[cfg(all(test, workmill_loom))]
mod model;
mod roster;
mod shared;
mod slots;
mod tally;
mod task_queue;
mod threads;
mod worker;

pub(crate) use config::Config;
pub use config::Overflow;
pub(crate) use idle::MAX_SLOTS;
pub(crate) use shared::{Gate, Local, PoolId, PoolTask, Shared};
pub(crate) use threads::start;
