//! The rows: their names, numbers of operations and figures.

use crate::families::awaiting::{TALKING, YIELDING};
use crate::families::submitting::tree_size;
use crate::families::waiting::PAIRS;
use crate::rig::OUTSIDE_THREADS;

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
