//! The turns of chili, which has `join` only.

use std::num::NonZero;

use crate::families::inside::halved;
use crate::families::upkeep::{idle_after, repeated};
use crate::measure::Sample;
use crate::rig::{Countdown, Setup, WARM_UP};

/// Creates a pool whose tasks the given number of threads run, the caller of `join` included.
fn start(threads: usize) -> chili::ThreadPool {
    chili::ThreadPool::with_config(chili::Config {
        thread_count: NonZero::new(threads),
        ..chili::Config::default()
    })
}

pub(crate) fn nested_join(setup: &Setup, leaves: usize) -> Sample {
    fn halve(scope: &mut chili::Scope, levels: u32) -> usize {
        if levels == 0 {
            return 1;
        }
        let (one, other) = scope.join(
            |scope| halve(scope, levels - 1),
            |scope| halve(scope, levels - 1),
        );
        one + other
    }
    let pool = start(setup.threads);
    halved(setup, leaves, |levels| halve(&mut pool.scope(), levels))
}

/// Joins two tasks, one of which counts down.
fn run_task(pool: &chili::ThreadPool, countdown: &'static Countdown) {
    pool.scope().join(|_| countdown.one_done(), |_| ());
}

pub(crate) fn idle(setup: &Setup, millis: usize) -> Sample {
    let pool = start(setup.threads + 1);
    let countdown = Countdown::from(WARM_UP);
    for _ in 0..WARM_UP {
        run_task(&pool, countdown);
    }
    countdown.wait();
    idle_after(setup, millis)
}

/// The drop of the pool waits for its threads.
pub(crate) fn start_stop(setup: &Setup, cycles: usize) -> Sample {
    repeated(setup, cycles, |countdown| {
        run_task(&start(setup.threads + 1), countdown);
    })
}
