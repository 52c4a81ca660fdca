//! The rows of a pool's costs besides the time of its tasks: processor time while there is little
//! or nothing to do, the heap, the start and the end.

use std::thread;
use std::time::{Duration, Instant};

use crate::contenders::{Contender, Execute, Submit};
use crate::measure::{Sample, measured};
use crate::rig::{Countdown, Setup, hold_threads, join_all, with_pool, with_results};

pub(crate) fn sparse_cpu<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
    const PACE: Duration = Duration::from_micros(200);
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || {
            let mut deadline = Instant::now();
            for _ in 0..tasks {
                pool.execute(|| countdown.one_done());
                deadline += PACE;
                thread::sleep(deadline.saturating_duration_since(Instant::now()));
            }
            countdown.wait();
        })
    })
}

pub(crate) fn idle<C: Contender>(setup: &Setup, millis: usize) -> Sample {
    with_pool::<C>(setup, |_| idle_after(setup, millis))
}

/// Measures a pool that has had something to do before, and has nothing now.
pub(crate) fn idle_after(setup: &Setup, millis: usize) -> Sample {
    thread::sleep(Duration::from_millis(300));
    measured(millis, setup.counting, || {
        thread::sleep(Duration::from_millis(millis as u64));
    })
}

pub(crate) fn memory_execute<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        let held = hold_threads(pool, setup.threads);
        let sample = measured(tasks, true, || {
            for _ in 0..tasks {
                pool.execute(|| countdown.one_done());
            }
        });
        held.wait();
        countdown.wait();
        sample
    })
}

pub(crate) fn memory_submit<C: Contender, S: Submit<C::Pool>>(
    setup: &Setup,
    tasks: usize,
) -> Sample {
    with_results::<C, S>(setup, |pool| {
        let mut handles = Vec::with_capacity(tasks);
        let held = hold_threads(pool, setup.threads);
        let sample = measured(tasks, true, || {
            handles.extend((0..tasks).map(|n| S::submit(pool, move || n)));
        });
        held.wait();
        join_all::<_, S>(handles);
        sample
    })
}

pub(crate) fn start_stop<C: Contender>(setup: &Setup, cycles: usize) -> Sample {
    repeated(setup, cycles, |countdown| {
        let contender = C::start(setup.threads);
        contender.pool().execute(|| countdown.one_done());
        countdown.wait();
        contender.stop();
    })
}

/// Measures a cycle that counts down once, repeated `cycles` times.
pub(crate) fn repeated(setup: &Setup, cycles: usize, cycle: impl Fn(&'static Countdown)) -> Sample {
    let countdowns: Vec<_> = (0..cycles).map(|_| Countdown::from(1)).collect();
    measured(cycles, setup.counting, || {
        countdowns.into_iter().for_each(cycle);
    })
}
