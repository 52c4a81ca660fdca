//! The machine: threads that hold slots, find tasks and run them.
//!
//! A pool in five nouns: tasks wait in a [`queue`]; a thread that holds a [slot](slots) runs them;
//! [`idle`] counts the threads that sleep or search, so that a push wakes one thread at most;
//! [`spares`] stand in for threads that wait; and the [`roster`]
//! knows all threads.
//!
//! In reading order, each module using those before: [`config`], [`hooks`] (the user's functions),
//! [`incidents`] and [`observer`] (what the pool knows of a capacity) are plain data; [`queue`] has
//! the order of tasks, and the tally that knows when all are done; [`idle`], [`slots`],
//! [`sleepers`], [`resting`], [`roster`] and [`lenders`] have an argument each; [`link`] is what
//! handles keep of a pool; [`spawned`] are the futures that have not ended, [`postponed`] what is
//! not due; [`shared`] is all of it together; [`spares`] gives threads to vacant slots; [`lending`]
//! lends slots, and gives them away in the end; [`staffing`] decides how many threads there may be;
//! [`local`] is what one thread has of the pool; [`worker`] is one thread's loop;
//! [`thread_lifecycle`] starts and ends them.

mod config;
mod group;
mod hooks;
mod idle;
mod incidents;
mod lenders;
mod lending;
mod link;
mod local;
mod meter;
mod metering;
#[cfg(all(test, workmill_loom))]
mod model;
mod observer;
mod postponed;
mod priority;
mod queue;
mod registry;
mod resting;
mod roster;
mod samples;
mod shared;
mod sleepers;
mod slots;
mod spares;
mod spawned;
mod staffing;
mod thread_lifecycle;
mod watch;
mod watcher;
mod worker;

pub(crate) use config::{Config, Limits, ThreadSetup};
pub(crate) use hooks::{Hooks, default_name};
pub(crate) use idle::MAX_SLOTS;
pub(crate) use link::PoolLink;
pub(crate) use local::{
    Bound, ClosureToken, Ending, Extras, FutureToken, Inline, Level, Local, Make, MakeWith, Maker,
    Newest, Pool, PoolTask, Roll, TaskGroup, holds_up, in_group, runs_task_near, runs_task_of,
};
pub(crate) use observer::PoolObserver;
pub(crate) use postponed::Postponed;
pub use priority::Priority;
pub(crate) use registry::Registry;
pub(crate) use thread_lifecycle::start;
