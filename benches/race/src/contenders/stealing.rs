//! The work-stealing pool for data parallelism: rayon.

use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::{Borrow, Contender, Execute, Fork, Halve, Reach};

impl Contender for Arc<rayon::ThreadPool> {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
        Self::new(builder.build().expect("threads start"))
    }

    fn pool(&self) -> Self {
        Self::clone(self)
    }

    /// The drop tells the threads to end, and does not wait for them.
    fn stop(self) {}
}

impl Execute for Arc<rayon::ThreadPool> {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.spawn(closure);
    }
}

/// A task holds nothing: `rayon::spawn` finds the pool that it runs on.
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

/// Each task that is not a leaf opens a scope.
pub(crate) struct RayonScope;

impl Halve<Arc<rayon::ThreadPool>> for RayonScope {
    fn leaves(pool: &Arc<rayon::ThreadPool>, levels: u32) -> usize {
        fn halve(levels: u32) -> usize {
            if levels == 0 {
                return 1;
            }
            let (mut one, mut other) = (0, 0);
            rayon::scope(|scope| {
                scope.spawn(|_| one = halve(levels - 1));
                other = halve(levels - 1);
            });
            one + other
        }
        pool.install(|| halve(levels))
    }
}

/// `rayon::join`, whose tasks are on the stack and have no handles.
pub(crate) struct RayonJoin;

impl Halve<Arc<rayon::ThreadPool>> for RayonJoin {
    fn leaves(pool: &Arc<rayon::ThreadPool>, levels: u32) -> usize {
        fn halve(levels: u32) -> usize {
            if levels == 0 {
                return 1;
            }
            let (one, other) = rayon::join(|| halve(levels - 1), || halve(levels - 1));
            one + other
        }
        pool.install(|| halve(levels))
    }
}

impl Fork for RayonJoin {
    type Pool = Arc<rayon::ThreadPool>;

    fn with_threads(threads: usize) -> Self::Pool {
        Contender::start(threads)
    }

    fn enter<R: Send>(pool: &Self::Pool, closure: impl FnOnce() -> R + Send) -> R {
        pool.install(closure)
    }

    fn join<A: Send, B: Send>(
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        rayon::join(one, other)
    }
}

impl Borrow<Arc<rayon::ThreadPool>> for RayonScope {
    fn inside(pool: &Arc<rayon::ThreadPool>, body: impl FnOnce(&Arc<rayon::ThreadPool>) + Send) {
        pool.install(|| body(pool));
    }

    fn wave(_pool: &Arc<rayon::ThreadPool>, tasks: usize, task: impl Fn(usize) + Sync) {
        let task = &task;
        rayon::in_place_scope(|scope| {
            for n in 0..tasks {
                scope.spawn(move |_| task(n));
            }
        });
    }

    fn both(
        pool: &Arc<rayon::ThreadPool>,
        one: impl FnOnce(&Arc<rayon::ThreadPool>),
        other: impl FnOnce(&Arc<rayon::ThreadPool>) + Send,
    ) {
        rayon::in_place_scope(|scope| {
            scope.spawn(|_| other(pool));
            one(pool);
        });
    }

    fn map(
        _pool: &Arc<rayon::ThreadPool>,
        items: &[u64],
        f: impl Fn(&u64) -> u64 + Send + Sync,
    ) -> Vec<u64> {
        items.par_iter().map(f).collect()
    }
}
