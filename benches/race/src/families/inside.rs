//! The rows in which tasks wait: for each other, for time to pass, and for permits.
//!
//! # The contenders
//! Contenders have different answers to a task that waits, and not all have an answer to each
//! question.
//!
//! *For each other:* workmill runs a joined task that has not begun inline. If the task runs
//! already, another thread takes the slot of the task that waits. The threads of rayon and of chili
//! run other tasks meanwhile. Tokio's tasks are futures. The other pools would stand still. The
//! `join` of rayon and of chili makes no handle, and leaves its tasks on the stack.
//!
//! *For time to pass:* workmill has up to 512 threads beside the two that have slots, and starts a
//! thread when there is a slot for it. Tokio has up to 512 that only run tasks that block.
//! Rusty_pool may have 512 beside its two, all alike, so that all may compute at a time. It starts
//! a thread for each task that finds no idle thread when it comes in, so their number is a matter
//! of luck. With *threads*, two threads compute, and each task that sleeps is a thread. The pool by
//! hand does nothing about it: its two threads sleep.
//!
//! *For permits:* four threads wait, with every contender. The row measures the cost of waiting as
//! a thread of a pool. Futures that await a permit do not take part, since no thread waits.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use workmill::ThreadPoolExecutor;

use crate::contenders::{Block, Contender, Execute, Halve};
use crate::families::waiting::{Crowd, hold_for_a_while};
use crate::measure::{Sample, measured};
use crate::rig::{
    Countdown, LIGHT, OUTSIDE_THREADS, Setup, StartBarrier, WARM_UP, compute, with_pool,
};

/// Halves the work, down to the given number of leaves. The number of tasks is that of the leaves,
/// with the root, so an operation is a task.
pub(crate) fn nested_join<C: Contender, H: Halve<C::Pool>>(setup: &Setup, leaves: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        halved(setup, leaves, |levels| H::leaves(pool, levels))
    })
}

/// Measures a function that counts the leaves of a number of levels, after a few to warm up.
pub(crate) fn halved(setup: &Setup, leaves: usize, count: impl Fn(u32) -> usize) -> Sample {
    let levels = WARM_UP.ilog2();
    assert_eq!(count(levels), 1 << levels);
    let levels = leaves.ilog2();
    measured(leaves, setup.counting, || assert_eq!(count(levels), leaves))
}

/// One task in ten sleeps. The pool has run some of both kinds before, so it has threads for some
/// of the tasks that sleep, if not for all.
pub(crate) fn blocking_mix<C: Contender<Pool: Block>>(setup: &Setup, tasks: usize) -> Sample {
    const SLEEP: Duration = Duration::from_millis(1);
    let mix = |pool: &C::Pool, tasks, countdown: &'static Countdown| {
        for n in 0..tasks {
            if n % 10 == 0 {
                pool.execute_blocking(|| {
                    thread::sleep(SLEEP);
                    countdown.one_done();
                });
            } else {
                pool.execute(|| {
                    compute(10 * LIGHT);
                    countdown.one_done();
                });
            }
        }
        countdown.wait();
    };
    with_pool::<C>(setup, |pool| {
        mix(pool, WARM_UP, Countdown::from(WARM_UP));
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || mix(pool, tasks, countdown))
    })
}

/// Four tasks on a pool of [`Setup::threads`].
///
/// All have begun when the clock starts, though only as many tasks may run at a time as the pool
/// has threads: the tasks that wait for the start give their slots up, too.
pub(crate) fn contended_tasks(setup: &Setup, times: usize) -> Sample {
    with_pool::<ThreadPoolExecutor>(setup, |pool| {
        let crowd = Crowd::<workmill::Semaphore, _>::new(times, hold_for_a_while);
        let crowd = Arc::new(crowd);
        for _ in 0..OUTSIDE_THREADS {
            let crowd = Arc::clone(&crowd);
            let wait = |start: &StartBarrier| workmill::blocking(|| start.wait());
            pool.execute(move || crowd.take_part(wait));
        }
        crowd.measured(setup)
    })
}

/// Four tasks on a pool that has a thread for each.
pub(crate) fn contended_tasks4(setup: &Setup, times: usize) -> Sample {
    let setup = Setup {
        threads: OUTSIDE_THREADS,
        ..*setup
    };
    contended_tasks(&setup, times)
}
