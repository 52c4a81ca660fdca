//! The rows of many closures, which reach the pool in several ways: from outside, from tasks, and
//! with results.

use std::collections::VecDeque;
use std::hint::black_box;
use std::thread;

use crate::contenders::{Contender, Execute, Limit, Reach, Submit};
use crate::measure::{Sample, measured};
use crate::rig::{
    Countdown, LIGHT, OUTSIDE_THREADS, Setup, StartBarrier, compute, join_all, with_pool,
    with_results,
};

pub(crate) fn spawn_ext<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || {
            for _ in 0..tasks {
                pool.execute(|| countdown.one_done());
            }
            countdown.wait();
        })
    })
}

/// At most two tasks run at a time.
pub(crate) fn limited<C>(setup: &Setup, tasks: usize) -> Sample
where
    C: Contender<Pool: Limit>,
{
    with_pool::<C>(setup, |pool| {
        let (group, countdown) = (pool.limited(2), Countdown::from(tasks));
        measured(tasks, setup.counting, || {
            for _ in 0..tasks {
                group.execute(|| countdown.one_done());
            }
            countdown.wait();
        })
    })
}

/// The outside threads are ready when the clock starts.
pub(crate) fn spawn_ext4<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        let start = StartBarrier::of(OUTSIDE_THREADS);
        thread::scope(|scope| {
            for _ in 0..OUTSIDE_THREADS {
                let (pool, start) = (pool.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..tasks / OUTSIDE_THREADS {
                        pool.execute(|| countdown.one_done());
                    }
                });
            }
            start.measured(setup, tasks, countdown)
        })
    })
}

pub(crate) fn spawn_nested<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || {
            let reach = R::from_outside(pool);
            pool.execute(move || {
                let pool = reach.open();
                for _ in 0..tasks {
                    pool.execute(|| countdown.one_done());
                }
            });
            countdown.wait();
        })
    })
}

pub(crate) fn chain<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    /// A task; `left` are to follow it.
    fn link<P, R: Reach<P>>(reach: R, left: usize, countdown: &'static Countdown) {
        if left == 0 {
            countdown.one_done();
        } else {
            let pool = reach.open();
            let reach = R::from_inside(&pool);
            pool.execute(move || link(reach, left - 1, countdown));
        }
    }
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(1);
        measured(tasks, setup.counting, || {
            let reach = R::from_outside(pool);
            pool.execute(move || link(reach, tasks - 1, countdown));
            countdown.wait();
        })
    })
}

pub(crate) fn chain_inline(setup: &Setup, tasks: usize) -> Sample {
    let countdown = Countdown::from(1);
    measured(tasks, setup.counting, || {
        for left in (0..tasks).rev() {
            if black_box(left) == 0 {
                countdown.one_done();
            }
        }
        countdown.wait();
    })
}

/// Returns the number of tasks of a ten-way tree, with its root at level 0.
pub(crate) fn tree_size(levels: u32) -> usize {
    (0..=levels).map(|level| 10_usize.pow(level)).sum()
}

pub(crate) fn tree<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    /// A task above the leaves, which are `levels` below it and need not reach the pool.
    fn branch<P, R: Reach<P>>(reach: R, levels: u32, countdown: &'static Countdown) {
        let pool = reach.open();
        for _ in 0..10 {
            if levels == 1 {
                pool.execute(|| countdown.one_done());
            } else {
                let reach = R::from_inside(&pool);
                pool.execute(move || branch(reach, levels - 1, countdown));
            }
        }
        countdown.one_done();
    }
    let levels = tasks.ilog10();
    assert_eq!(tree_size(levels), tasks);
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || {
            let reach = R::from_outside(pool);
            pool.execute(move || branch(reach, levels, countdown));
            countdown.wait();
        })
    })
}

pub(crate) fn uneven<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        let countdown = Countdown::from(tasks);
        measured(tasks, setup.counting, || {
            for n in 0..tasks {
                pool.execute(move || {
                    compute(if n % 64 == 0 { 100 * LIGHT } else { LIGHT });
                    countdown.one_done();
                });
            }
            countdown.wait();
        })
    })
}

pub(crate) fn submit_all<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    with_results::<C, S>(setup, |pool| {
        measured(tasks, setup.counting, || {
            let handles: Vec<_> = (0..tasks).map(|n| S::submit(pool, move || n)).collect();
            join_all::<_, S>(handles);
        })
    })
}

pub(crate) fn pingpong<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    with_results::<C, S>(setup, |pool| {
        measured(tasks, setup.counting, || {
            for n in 0..tasks {
                assert_eq!(S::join(S::submit(pool, move || n)), n);
            }
        })
    })
}

pub(crate) fn window<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    const IN_FLIGHT: usize = 64;
    with_results::<C, S>(setup, |pool| {
        measured(tasks, setup.counting, || {
            let mut handles = VecDeque::with_capacity(IN_FLIGHT);
            let mut expected = 0..tasks;
            let mut join_oldest = |handles: &mut VecDeque<_>| {
                let joined = handles.pop_front().map(S::join);
                assert_eq!(joined, expected.next());
            };
            for n in 0..tasks {
                if handles.len() == IN_FLIGHT {
                    join_oldest(&mut handles);
                }
                handles.push_back(S::submit(pool, move || {
                    compute(10 * LIGHT);
                    n
                }));
            }
            while !handles.is_empty() {
                join_oldest(&mut handles);
            }
            assert_eq!(expected.next(), None);
        })
    })
}
