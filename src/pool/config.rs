//! A pool as it is to be, as plain data.
//!
//! [`Builder`](crate::Builder) fills it, so no module of the pool needs to know the builder.

use std::sync::Arc;
use std::time::Duration;

use super::hooks::Hooks;
use super::observer::PoolObserver;
use crate::attributes::Attributes;

/// The settings from which a pool is made.
pub(crate) struct Config {
    /// The number of tasks that may run at a time.
    pub(crate) threads: usize,
    /// The largest number that `threads` can be changed to.
    pub(crate) max_threads: usize,
    pub(crate) limits: Limits,
    pub(crate) setup: ThreadSetup,
    /// The names of the first threads.
    pub(crate) first_names: Vec<String>,
    pub(crate) hooks: Hooks,
    /// The observer of the pool, if it has one: its capacity.
    pub(crate) observer: Option<Arc<dyn PoolObserver>>,
}

/// How many threads a pool may have, and for how long.
pub(crate) struct Limits {
    /// The number of threads that stay, however long they have nothing to do; at least one.
    pub(crate) min_threads: usize,
    /// The number of threads that may be away from their slots.
    pub(crate) max_spare_threads: usize,
    /// How long a thread has nothing to do before it ends.
    pub(crate) keep_alive: Duration,
    /// How long a task waits for room before another may begin in its place.
    pub(crate) give_way: Duration,
}

/// The settings with which each worker is started, no matter which thread starts it.
pub(crate) struct ThreadSetup {
    /// In bytes.
    pub(crate) stack_size: usize,
    pub(crate) attributes: Attributes,
    /// The number of processors that the threads may run on.
    pub(crate) processors: usize,
}
