//! The rows: the workloads of the contenders.
//!
//! A turn is one contender's share of a round: it builds the pool, gives it some tasks to warm up,
//! measures the workload until its last task has ended, and drops the pool. The rows in which tasks
//! wait are in [`inside`](crate::inside), those of futures in [`awaiting`](crate::awaiting), those
//! without a pool in [`waiting`](crate::waiting).

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::awaiting::{TALKING, YIELDING, async_pingpong_in_turn, yield_many_in_turn};
use crate::contenders::{Contender, Execute, Own, Reach, Submit};
use crate::inside::nested_join;
use crate::measure::{Sample, measured};
use crate::waiting::contended_alone;

/// The number of tasks that a pool is given before the clock starts, or of repetitions that a
/// thread makes.
pub(crate) const WARM_UP: usize = 1_000;

/// The steps of [`compute`] that take about 100 ns on a current machine.
pub(crate) const LIGHT: usize = 64;

/// The settings of a turn, besides the number of operations.
pub(crate) struct Setup {
    pub(crate) threads: usize,
    /// Whether the heap is counted; the times do not count then.
    pub(crate) counting: bool,
}

/// One contender's share of a round, with the given number of operations.
pub(crate) type Turn = fn(&Setup, usize) -> Sample;

/// A workload, and a table of the report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    SpawnExt,
    SpawnExt4,
    SpawnNested,
    Chain,
    Tree,
    Uneven,
    SubmitAll,
    NestedJoin,
    Pingpong,
    Window,
    BlockingMix,
    ContendedWait,
    YieldMany,
    AsyncPingpong,
    SparseCpu,
    Idle,
    MemoryExecute,
    MemorySubmit,
    StartStop,
    Semaphore,
    SemaphoreUnfair,
    Semaphore4,
    Semaphore4Unfair,
    Queue1,
    Queue4,
    Timers,
}

pub(crate) const ROWS: [Row; 26] = [
    Row::SpawnExt,
    Row::SpawnExt4,
    Row::SpawnNested,
    Row::Chain,
    Row::Tree,
    Row::Uneven,
    Row::SubmitAll,
    Row::NestedJoin,
    Row::Pingpong,
    Row::Window,
    Row::BlockingMix,
    Row::ContendedWait,
    Row::YieldMany,
    Row::AsyncPingpong,
    Row::SparseCpu,
    Row::Idle,
    Row::MemoryExecute,
    Row::MemorySubmit,
    Row::StartStop,
    Row::Semaphore,
    Row::SemaphoreUnfair,
    Row::Semaphore4,
    Row::Semaphore4Unfair,
    Row::Queue1,
    Row::Queue4,
    // The last, since the thread of async-io's timers never ends.
    Row::Timers,
];

/// The figure that a row compares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Nanoseconds by the clock, per operation.
    Wall,
    /// Nanoseconds of processor time, per operation.
    Cpu,
    /// Microseconds of processor time in all.
    CpuInAll,
    /// Live bytes on the heap, per operation.
    Bytes,
}

impl Row {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SpawnExt => "spawn_ext",
            Self::SpawnExt4 => "spawn_ext4",
            Self::SpawnNested => "spawn_nested",
            Self::Chain => "chain",
            Self::Tree => "tree",
            Self::Uneven => "uneven",
            Self::SubmitAll => "submit_all",
            Self::NestedJoin => "nested_join",
            Self::Pingpong => "pingpong",
            Self::Window => "window",
            Self::BlockingMix => "blocking_mix",
            Self::ContendedWait => "contended_wait",
            Self::YieldMany => "yield_many",
            Self::AsyncPingpong => "async_pingpong",
            Self::SparseCpu => "sparse_cpu",
            Self::Idle => "idle",
            Self::MemoryExecute => "memory_execute",
            Self::MemorySubmit => "memory_submit",
            Self::StartStop => "start_stop",
            Self::Semaphore => "semaphore",
            Self::SemaphoreUnfair => "semaphore_unfair",
            Self::Semaphore4 => "semaphore4",
            Self::Semaphore4Unfair => "semaphore4_unfair",
            Self::Queue1 => "queue1",
            Self::Queue4 => "queue4",
            Self::Timers => "timers",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::SpawnExt => "empty closures from one outside thread",
            Self::SpawnExt4 => "empty closures from four outside threads",
            Self::SpawnNested => "empty closures, all from one task",
            Self::Chain => "each task spawns the next",
            Self::Tree => "each task spawns ten, down to the leaves",
            Self::Uneven => "about 100 ns of computation, 1 task in 64 a hundred times that",
            Self::SubmitAll => "closures with results, then every handle joined",
            Self::NestedJoin => "each task submits half of its work and joins it, to the leaves",
            Self::Pingpong => "submit and join, one at a time",
            Self::Window => "64 in flight, about 1 µs of computation each",
            Self::BlockingMix => "about 1 µs of computation, 1 task in 10 sleeps for 1 ms instead",
            Self::ContendedWait => "four tasks and two permits, held for about 1 µs of computation",
            Self::YieldMany => "200 futures that yield again and again",
            Self::AsyncPingpong => "100 pairs of futures that ask and answer by two channels",
            Self::SparseCpu => "an empty closure each 200 µs: processor time",
            Self::Idle => "nothing to do: processor time and context switches",
            Self::MemoryExecute => "heap per queued execute that captures 8 bytes",
            Self::MemorySubmit => "heap per queued submit that captures 8 bytes, without the Vec",
            Self::StartStop => "build a pool, run one task, shut down",
            Self::Semaphore => "one thread takes and returns the only permit, in order of arrival",
            Self::SemaphoreUnfair => "one thread takes and returns the only permit",
            Self::Semaphore4 => "four threads and two permits, in order of arrival",
            Self::Semaphore4Unfair => "four threads and two permits, newcomers may pass",
            Self::Queue1 => "items from one thread to another, room for 1024",
            Self::Queue4 => "items from four threads to four others, room for 1024",
            Self::Timers => "futures that sleep, to wake 10 µs apart: processor time",
        }
    }

    /// Returns the number of operations of a turn. In `idle` an operation is a millisecond.
    pub(crate) fn ops(self, scale: f64) -> usize {
        let whole = match self {
            Self::SpawnExt | Self::SpawnExt4 | Self::SpawnNested => 200_000,
            Self::Chain | Self::SubmitAll | Self::ContendedWait | Self::YieldMany => 200_000,
            Self::Tree | Self::MemoryExecute | Self::MemorySubmit => 100_000,
            Self::AsyncPingpong | Self::Timers => 100_000,
            Self::NestedJoin => 1 << 16,
            Self::Uneven | Self::Pingpong | Self::Window => 20_000,
            Self::SparseCpu => 5_000,
            Self::Idle => 2_000,
            Self::StartStop => 200,
            Self::Semaphore | Self::SemaphoreUnfair => 1_000_000,
            Self::BlockingMix | Self::Semaphore4 | Self::Semaphore4Unfair => 40_000,
            Self::Queue1 | Self::Queue4 => 400_000,
        };
        let ops = ((f64::from(whole) * scale).round() as usize).max(1);
        match self {
            // As many for each outside thread.
            Self::SpawnExt4 | Self::Semaphore4 | Self::Semaphore4Unfair | Self::ContendedWait => {
                ops.next_multiple_of(OUTSIDE_THREADS)
            }
            // As many for each producer, and for each consumer.
            Self::Queue4 => ops.next_multiple_of(PAIRS),
            // As many for each future, and for each pair of them.
            Self::YieldMany => ops.next_multiple_of(YIELDING),
            Self::AsyncPingpong => ops.next_multiple_of(TALKING),
            // The whole tree that has at most that many leaves.
            Self::Tree => tree_size(ops.ilog10().max(1)),
            // All leaves of a tree that halves.
            Self::NestedJoin => 1 << ops.ilog2(),
            _ => ops,
        }
    }

    pub(crate) fn figure(self) -> Figure {
        match self {
            Self::SparseCpu | Self::Timers => Figure::Cpu,
            Self::Idle => Figure::CpuInAll,
            Self::MemoryExecute | Self::MemorySubmit => Figure::Bytes,
            _ => Figure::Wall,
        }
    }

    /// Returns `true` if the tasks compute. Then several threads do at once what the floor does
    /// alone, which is no lower bound.
    pub(crate) fn computes(self) -> bool {
        matches!(
            self,
            Self::Uneven | Self::Window | Self::BlockingMix | Self::ContendedWait
        )
    }

    /// Returns `true` if one round is enough.
    pub(crate) fn once(self) -> bool {
        matches!(self.figure(), Figure::CpuInAll | Figure::Bytes)
    }
}

/// Returns the turn in all rows; results come by way of `S`, and tasks reach their pool by clones.
pub(crate) fn any_turn<C: Contender, S: Submit<C::Pool>>(row: Row) -> Option<Turn> {
    execute_turn::<C>(row).or_else(|| submit_turn::<C, S>(row))
}

/// Returns the turn in the rows in which no task has a result.
fn execute_turn<C: Contender>(row: Row) -> Option<Turn> {
    let turn: Turn = match row {
        Row::SpawnExt => spawn_ext::<C>,
        Row::SpawnExt4 => spawn_ext4::<C>,
        Row::Uneven => uneven::<C>,
        Row::SparseCpu => sparse_cpu::<C>,
        Row::Idle => idle::<C>,
        Row::MemoryExecute => memory_execute::<C>,
        Row::StartStop => start_stop::<C>,
        _ => return reach_turn::<C, C::Pool>(row),
    };
    Some(turn)
}

/// Returns the turn in the rows in which tasks reach their pool, by way of `R`.
pub(crate) fn reach_turn<C: Contender, R: Reach<C::Pool>>(row: Row) -> Option<Turn> {
    let turn: Turn = match row {
        Row::SpawnNested => spawn_nested::<C, R>,
        Row::Chain => chain::<C, R>,
        Row::Tree => tree::<C, R>,
        _ => return None,
    };
    Some(turn)
}

/// Returns the turn in the rows in which tasks have results, by way of `S`.
pub(crate) fn submit_turn<C: Contender, S: Submit<C::Pool>>(row: Row) -> Option<Turn> {
    let turn: Turn = match row {
        Row::SubmitAll => submit_all::<C, S>,
        Row::Pingpong => pingpong::<C, S>,
        Row::Window => window::<C, S>,
        Row::MemorySubmit => memory_submit::<C, S>,
        _ => return None,
    };
    Some(turn)
}

/// Returns the turn of a contender that runs every closure before `execute` returns.
pub(crate) fn inline_turn<C: Contender>(row: Row) -> Option<Turn>
where
    Own: Submit<C::Pool>,
{
    match row {
        // It would recurse too deep.
        Row::Chain => Some(chain_inline),
        // It has no queue.
        Row::MemoryExecute | Row::MemorySubmit => None,
        Row::NestedJoin => Some(nested_join::<C, C::Pool>),
        Row::ContendedWait => Some(contended_alone),
        Row::YieldMany => Some(yield_many_in_turn),
        Row::AsyncPingpong => Some(async_pingpong_in_turn),
        _ => any_turn::<C, Own>(row),
    }
}

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
    /// For the given number of threads, and the one that measures.
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

    /// Measures from when the threads are let go until `left` is counted down.
    pub(crate) fn measured(&self, setup: &Setup, ops: usize, left: &Countdown) -> Sample {
        self.ready.wait();
        measured(ops, setup.counting, || {
            self.barrier.wait();
            left.wait();
        })
    }
}

/// Computes for a time in proportion to `steps`, each of which needs the one before.
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
    crate::measure::median(times.map(|sample| sample.per_op(sample.wall_ns)))
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

/// Runs `body` with a pool that is warm for results, too.
fn with_results<C: Contender, S: Submit<C::Pool>>(
    setup: &Setup,
    body: impl FnOnce(&C::Pool) -> Sample,
) -> Sample {
    with_pool::<C>(setup, |pool| {
        let handles: Vec<_> = (0..WARM_UP).map(|n| S::submit(pool, move || n)).collect();
        join_all::<_, S>(handles);
        body(pool)
    })
}

/// Joins handles whose results are 0, 1 and so on.
fn join_all<P, S: Submit<P>>(handles: Vec<S::Handle>) {
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(S::join(handle), n);
    }
}

fn spawn_ext<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
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

pub(crate) const OUTSIDE_THREADS: usize = 4;

/// The number of producers of `queue4`, and of consumers.
pub(crate) const PAIRS: usize = 4;

/// The outside threads are ready when the clock starts.
fn spawn_ext4<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
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

fn spawn_nested<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
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

fn chain<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
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

fn chain_inline(setup: &Setup, tasks: usize) -> Sample {
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
fn tree_size(levels: u32) -> usize {
    (0..=levels).map(|level| 10_usize.pow(level)).sum()
}

fn tree<C: Contender, R: Reach<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
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

fn uneven<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
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

fn submit_all<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    with_results::<C, S>(setup, |pool| {
        measured(tasks, setup.counting, || {
            let handles: Vec<_> = (0..tasks).map(|n| S::submit(pool, move || n)).collect();
            join_all::<_, S>(handles);
        })
    })
}

fn pingpong<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
    with_results::<C, S>(setup, |pool| {
        measured(tasks, setup.counting, || {
            for n in 0..tasks {
                assert_eq!(S::join(S::submit(pool, move || n)), n);
            }
        })
    })
}

fn window<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
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

fn sparse_cpu<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
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

fn idle<C: Contender>(setup: &Setup, millis: usize) -> Sample {
    with_pool::<C>(setup, |_| idle_after(setup, millis))
}

/// Measures a pool that has had something to do before, and has nothing now.
pub(crate) fn idle_after(setup: &Setup, millis: usize) -> Sample {
    thread::sleep(Duration::from_millis(300));
    measured(millis, setup.counting, || {
        thread::sleep(Duration::from_millis(millis as u64));
    })
}

fn memory_execute<C: Contender>(setup: &Setup, tasks: usize) -> Sample {
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

fn memory_submit<C: Contender, S: Submit<C::Pool>>(setup: &Setup, tasks: usize) -> Sample {
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

/// Keeps all workers busy until the returned barrier is waited at.
fn hold_threads(pool: &impl Execute, threads: usize) -> Arc<Barrier> {
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
        countdowns.into_iter().for_each(cycle)
    })
}
