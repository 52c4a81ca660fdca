//! Work-stealing pools for data parallelism: rayon and chili.

use std::num::NonZero;
use std::sync::Arc;

use super::{Contender, Execute, Reach};
use crate::measure::Sample;
use crate::workloads::{Countdown, Row, Setup, Turn, WARM_UP, idle_after, repeated};

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

pub(super) fn chili_turn(row: Row) -> Option<Turn> {
    match row {
        Row::Idle => Some(chili_idle),
        Row::StartStop => Some(chili_start_stop),
        _ => None,
    }
}

fn chili(threads: usize) -> chili::ThreadPool {
    chili::ThreadPool::with_config(chili::Config {
        // The thread that calls `join` counts there.
        thread_count: NonZero::new(threads + 1),
        ..chili::Config::default()
    })
}

/// Joins two tasks, one of which counts down.
fn chili_task(pool: &chili::ThreadPool, countdown: &'static Countdown) {
    pool.scope().join(|_| countdown.one_done(), |_| ());
}

fn chili_idle(setup: &Setup, millis: usize) -> Sample {
    let pool = chili(setup.threads);
    let countdown = Countdown::from(WARM_UP);
    for _ in 0..WARM_UP {
        chili_task(&pool, countdown);
    }
    countdown.wait();
    idle_after(setup, millis)
}

/// The drop of the pool waits for its threads.
fn chili_start_stop(setup: &Setup, cycles: usize) -> Sample {
    repeated(setup, cycles, |countdown| {
        chili_task(&chili(setup.threads), countdown);
    })
}
