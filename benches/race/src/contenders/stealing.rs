//! The work-stealing pool for data parallelism: rayon.

use std::sync::Arc;

use super::{Contender, Execute, Reach};

impl Contender for Arc<rayon::ThreadPool> {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        Self::new(builder.build().expect("threads start"))
    }

    fn pool(&self) -> Self {
        Self::clone(self)
    }

    /// The threads are told to end, and nobody waits for them.
    fn stop(self) {}
}

impl Execute for Arc<rayon::ThreadPool> {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.spawn(closure);
    }
}

/// Nothing: inside a pool, the crate's own function spawns there.
pub(crate) struct RayonCurrent;

impl Execute for RayonCurrent {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        rayon::spawn(closure);
    }
}

impl Reach<Arc<rayon::ThreadPool>> for RayonCurrent {
    type Inside = Self;

    fn from_outside(_pool: &Arc<rayon::ThreadPool>) -> Self {
        Self
    }

    fn from_inside(_pool: &Self) -> Self {
        Self
    }

    fn open(self) -> Self {
        self
    }
}
