//! The tools that the families of rows share: the settings of a turn, warm pools, countdowns, the
//! start, and the computation.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, Thread};

use crate::contenders::{Contender, Execute, Submit};
use crate::measure::{Sample, measured, median};

/// The number of tasks that a pool is given before the clock starts, or of repetitions that a
/// thread makes.
pub(crate) const WARM_UP: usize = 1_000;

/// The steps of [`compute`] that take about 100 ns on a current machine.
pub(crate) const LIGHT: usize = 64;

/// The number of threads that submit at a time in `spawn_ext4`, and of threads or tasks that want
/// permits at a time.
pub(crate) const OUTSIDE_THREADS: usize = 4;

/// The settings of a turn, besides the number of operations.
pub(crate) struct Setup {
    pub(crate) threads: usize,
    /// Whether the heap is counted; the times do not count then.
    pub(crate) counting: bool,
}

/// One contender's share of a round, with the given number of operations.
pub(crate) type Turn = fn(&Setup, usize) -> Sample;

/// Counts tasks down and unparks the thread that waits for the last.
///
/// Leaked, so that no task pays for a reference to it.
pub(crate) struct Countdown {
    left: AtomicUsize,
    waiter: Thread,
}

impl Countdown {
    pub(crate) fn from(tasks: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            left: AtomicUsize::new(tasks),
            waiter: thread::current(),
        }))
    }

    pub(crate) fn one_done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiter.unpark();
        }
    }

    pub(crate) fn wait(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}

/// Holds threads back until the clock starts.
pub(crate) struct StartBarrier {
    ready: &'static Countdown,
    barrier: Barrier,
}

impl StartBarrier {
    /// Creates a barrier for the given number of threads, and for the thread that measures.
    pub(crate) fn of(threads: usize) -> Self {
        Self {
            ready: Countdown::from(threads),
            barrier: Barrier::new(threads + 1),
        }
    }

    /// Waits for the start.
    pub(crate) fn wait(&self) {
        self.ready.one_done();
        self.barrier.wait();
    }

    /// Measures the time from the start until `left` is counted down.
    pub(crate) fn measured(&self, setup: &Setup, ops: usize, left: &Countdown) -> Sample {
        self.ready.wait();
        measured(ops, setup.counting, || {
            self.barrier.wait();
            left.wait();
        })
    }
}

/// Computes for a time in proportion to `steps`, each of which needs the result of the last.
#[inline(never)]
pub(crate) fn compute(steps: usize) {
    let mut value = black_box(0x9E37_79B9_7F4A_7C15_u64);
    for _ in 0..steps {
        value = (value ^ (value >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    black_box(value);
}

/// Measures the time in which a light task of `uneven` computes, in nanoseconds.
pub(crate) fn light_ns() -> f64 {
    let times = (0..101).map(|_| measured(100, false, || (0..100).for_each(|_| compute(LIGHT))));
    median(times.map(|sample| sample.per_op(sample.wall_ns)))
}

/// Runs `body` with a warm pool, of which every thread has run a task.
pub(crate) fn with_pool<C: Contender>(
    setup: &Setup,
    body: impl FnOnce(&C::Pool) -> Sample,
) -> Sample {
    let contender = C::start(setup.threads);
    let pool = contender.pool();
    if C::HAS_THREADS {
        hold_threads(&pool, setup.threads).wait();
    }
    let countdown = Countdown::from(WARM_UP);
    for _ in 0..WARM_UP {
        pool.execute(|| countdown.one_done());
    }
    countdown.wait();
    let sample = body(&pool);
    drop(pool);
    contender.stop();
    sample
}

/// Runs `body` with a warm pool that has also returned results.
pub(crate) fn with_results<C: Contender, S: Submit<C::Pool>>(
    setup: &Setup,
    body: impl FnOnce(&C::Pool) -> Sample,
) -> Sample {
    with_pool::<C>(setup, |pool| {
        let handles: Vec<_> = (0..WARM_UP).map(|n| S::submit(pool, move || n)).collect();
        join_all::<_, S>(handles);
        body(pool)
    })
}

/// Keeps all threads of the pool busy until the caller waits at the returned barrier.
pub(crate) fn hold_threads(pool: &impl Execute, threads: usize) -> Arc<Barrier> {
    let barrier = Arc::new(Barrier::new(threads + 1));
    for _ in 0..threads {
        let begun = Countdown::from(1);
        let barrier = Arc::clone(&barrier);
        pool.execute(move || {
            begun.one_done();
            barrier.wait();
        });
        begun.wait();
    }
    barrier
}

/// Joins handles whose results are 0, 1 and so on.
pub(crate) fn join_all<P, S: Submit<P>>(handles: Vec<S::Handle>) {
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(S::join(handle), n);
    }
}
