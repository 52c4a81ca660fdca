//! The rows, each of which is a workload and a table of the report.
//!
//! A new row is a turn in one of the [`families`](crate::families), and an entry of [`ROWS`].

use std::sync::Arc;

use futures::executor::ThreadPool as Futures;
use rusty_pool::ThreadPool as RustyPool;
use serde::Serialize;
use threadpool::ThreadPool as Threadpool;
use tokio::runtime::Runtime as Tokio;
use workmill::{JoinableQueue, ThreadPoolExecutor as Workmill};

use crate::contenders::channels::{
    AsyncChannel, ByHand as QueueByHand, Crossbeam, Flume, Kanal, SyncChannel,
};
use crate::contenders::inline::Inline;
use crate::contenders::ours::{Background, Mixed, OursCurrent, OursScope};
use crate::contenders::queues::{Book, ByHand, ByHandAndThreads, RustyPoolWithSpares};
use crate::contenders::runtimes::{AsyncExecutor, TokioCurrent, TokioWithTimers};
use crate::contenders::semaphores::{
    ByHand as SemaphoreByHand, ExchangePair, OursUnfair, ParkingLot,
};
use crate::contenders::signals::FlagAndEvent;
use crate::contenders::stealing::{RayonCurrent, RayonJoin, RayonScope};
use crate::contenders::{Contender, Mpsc, Oneshot, Own};
use crate::entries::{Entry, pools, queues, semaphores, signals};
use crate::families::awaiting::{
    TALKING, YIELDING, async_pingpong, async_pingpong_in_turn, timers, yield_many,
    yield_many_in_turn,
};
use crate::families::borrowing::{map_slice, map_slice100, scope_sort, scope_wave};
use crate::families::chili;
use crate::families::forking::{fib, fib_argument, joins, quicksort, tree_sum};
use crate::families::inside::{blocking_mix, contended_tasks, contended_tasks4, nested_join};
use crate::families::many::{as_completed, join_set, map_heavy, map_light};
use crate::families::submitting::{
    chain, chain_inline, limited, pingpong, spawn_ext, spawn_ext4, spawn_nested, submit_all, tree,
    tree_size, uneven, window,
};
use crate::families::upkeep::{idle, memory_execute, memory_submit, sparse_cpu, start_stop};
use crate::families::waiting::{
    PAIRS, alone, barrier, contended, contended_alone, contended_wait, notify, queue1, queue4,
};
use crate::rig::{OUTSIDE_THREADS, Turn};

/// A workload, and the contenders that take part in it.
pub(crate) struct RowSpec {
    pub(crate) name: &'static str,
    /// The workload, in a line.
    pub(crate) about: &'static str,
    /// The number of operations of a turn at scale 1. In `idle` an operation is a millisecond.
    ops: u32,
    /// Returns a number of operations that the row can do, close to the given one.
    fit: fn(usize) -> usize,
    pub(crate) figure: Figure,
    /// The tasks compute. Then several threads do at once what the floor does alone, which is no
    /// lower bound.
    pub(crate) computes: bool,
    /// The number of other processes that compute meanwhile.
    pub(crate) hogs: usize,
    ours: &'static [Part],
    others: &'static [Part],
    /// The loop without a pool.
    floor: Option<Part>,
}

/// A contender, and its turn in a row.
pub(crate) type Part = (Entry, Turn);

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

/// The part that a contender has in a comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Ours,
    Other,
    Floor,
}

impl RowSpec {
    /// Returns the number of operations of a turn.
    pub(crate) fn ops(&self, scale: f64) -> usize {
        let ops = (f64::from(self.ops) * scale).round() as usize;
        (self.fit)(ops.max(1))
    }

    /// Returns `true` if one round is enough.
    pub(crate) fn once(&self) -> bool {
        matches!(self.figure, Figure::CpuInAll | Figure::Bytes)
    }

    /// Returns all parts, in the order of the first round.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Side, Part)> {
        let on = |side| move |part: &Part| (side, *part);
        let ours = self.ours.iter().map(on(Side::Ours));
        let others = self.others.iter().map(on(Side::Other));
        ours.chain(others)
            .chain(self.floor.iter().map(on(Side::Floor)))
    }
}

/// The fields that most rows share: the clock counts, tasks do not compute, no other process does,
/// and any number of operations will do.
const USUAL: RowSpec = RowSpec {
    name: "",
    about: "",
    ops: 0,
    fit: |ops| ops,
    figure: Figure::Wall,
    computes: false,
    hogs: 0,
    ours: &[],
    others: &[],
    floor: None,
};

/// The number of busy neighbours in the rows that have some.
const HOGS: usize = 2;

type Rayon = Arc<rayon::ThreadPool>;
type PoolOf<C> = <C as Contender>::Pool;

/// The other pools in a row whose tasks have no results, and after them the given parts.
macro_rules! execute {
    ($turn:ident $(, $part:expr)*) => {
        &[
            (pools::RAYON, $turn::<Rayon>),
            (pools::TOKIO, $turn::<Tokio>),
            (pools::ASYNC_EXECUTOR, $turn::<AsyncExecutor>),
            (pools::FUTURES, $turn::<Futures>),
            (pools::THREADPOOL, $turn::<Threadpool>),
            (pools::RUSTY_POOL, $turn::<RustyPool>),
            (pools::BY_HAND, $turn::<ByHand>),
            (pools::BOOK, $turn::<Book>),
            $($part,)*
        ]
    };
}

/// The other pools in a row whose tasks reach their pool.
macro_rules! reach {
    ($turn:ident) => {
        &[
            (pools::RAYON, $turn::<Rayon, PoolOf<Rayon>>),
            (pools::RAYON_CURRENT, $turn::<Rayon, RayonCurrent>),
            (pools::TOKIO, $turn::<Tokio, PoolOf<Tokio>>),
            (pools::TOKIO_CURRENT, $turn::<Tokio, TokioCurrent>),
            (
                pools::ASYNC_EXECUTOR,
                $turn::<AsyncExecutor, PoolOf<AsyncExecutor>>,
            ),
            (pools::FUTURES, $turn::<Futures, PoolOf<Futures>>),
            (pools::THREADPOOL, $turn::<Threadpool, PoolOf<Threadpool>>),
            (pools::RUSTY_POOL, $turn::<RustyPool, PoolOf<RustyPool>>),
            (pools::BY_HAND, $turn::<ByHand, PoolOf<ByHand>>),
            (pools::BOOK, $turn::<Book, PoolOf<Book>>),
        ]
    };
}

/// The other pools in a row whose tasks have results.
macro_rules! submit {
    ($turn:ident) => {
        &[
            (pools::RAYON, $turn::<Rayon, Oneshot>),
            (pools::TOKIO, $turn::<Tokio, Own>),
            (pools::ASYNC_EXECUTOR, $turn::<AsyncExecutor, Own>),
            (pools::FUTURES, $turn::<Futures, Oneshot>),
            (pools::THREADPOOL, $turn::<Threadpool, Oneshot>),
            (pools::RUSTY_POOL, $turn::<RustyPool, Own>),
            (pools::BY_HAND, $turn::<ByHand, Oneshot>),
            (pools::BOOK, $turn::<Book, Mpsc>),
        ]
    };
}

// The rows that are run a second time, beside busy neighbours.

const PINGPONG: RowSpec = RowSpec {
    name: "pingpong",
    about: "submit and join, one at a time",
    ops: 20_000,
    ours: &[
        (pools::WORKMILL, pingpong::<Workmill, Own>),
        (pools::WORKMILL_ONESHOT, pingpong::<Workmill, Oneshot>),
    ],
    others: submit!(pingpong),
    floor: Some((pools::FLOOR, pingpong::<Inline, Own>)),
    ..USUAL
};

const WINDOW: RowSpec = RowSpec {
    name: "window",
    about: "64 in flight, about 1 µs of computation each",
    ops: 20_000,
    computes: true,
    ours: &[
        (pools::WORKMILL, window::<Workmill, Own>),
        (pools::WORKMILL_ONESHOT, window::<Workmill, Oneshot>),
    ],
    others: submit!(window),
    floor: Some((pools::FLOOR, window::<Inline, Own>)),
    ..USUAL
};

const SUBMIT_ALL: RowSpec = RowSpec {
    name: "submit_all",
    about: "closures with results, then every handle joined",
    ops: 200_000,
    ours: &[
        (pools::WORKMILL, submit_all::<Workmill, Own>),
        (pools::WORKMILL_ONESHOT, submit_all::<Workmill, Oneshot>),
    ],
    others: submit!(submit_all),
    floor: Some((pools::FLOOR, submit_all::<Inline, Own>)),
    ..USUAL
};

/// All rows, in the order of the report.
pub(crate) const ROWS: &[RowSpec] = &[
    RowSpec {
        name: "spawn_ext",
        about: "empty closures from one outside thread",
        ops: 200_000,
        ours: &[(pools::WORKMILL, spawn_ext::<Workmill>)],
        others: execute!(spawn_ext),
        floor: Some((pools::FLOOR, spawn_ext::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "spawn_ext4",
        about: "empty closures from four outside threads",
        ops: 200_000,
        fit: |ops| ops.next_multiple_of(OUTSIDE_THREADS),
        ours: &[(pools::WORKMILL, spawn_ext4::<Workmill>)],
        others: execute!(spawn_ext4),
        floor: Some((pools::FLOOR, spawn_ext4::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "spawn_nested",
        about: "empty closures, all from one task",
        ops: 200_000,
        ours: &[
            (pools::WORKMILL, spawn_nested::<Workmill, Workmill>),
            (
                pools::WORKMILL_CURRENT,
                spawn_nested::<Workmill, OursCurrent>,
            ),
        ],
        others: reach!(spawn_nested),
        floor: Some((pools::FLOOR, spawn_nested::<Inline, Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "limited",
        about: "empty closures from one outside thread, of which two may run at a time",
        ops: 100_000,
        ours: &[(pools::WORKMILL, limited::<Workmill>)],
        others: &[
            (pools::TOKIO, limited::<Tokio>),
            (pools::ASYNC_EXECUTOR, limited::<AsyncExecutor>),
        ],
        floor: Some((pools::FLOOR, spawn_ext::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "priority",
        about: "empty closures from one outside thread, one in eight urgent, one idle",
        ops: 200_000,
        ours: &[(pools::WORKMILL_MIXED, spawn_ext::<Mixed>)],
        others: &[(pools::WORKMILL, spawn_ext::<Workmill>)],
        floor: Some((pools::FLOOR, spawn_ext::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "chain",
        about: "each task spawns the next",
        ops: 200_000,
        ours: &[
            (pools::WORKMILL, chain::<Workmill, Workmill>),
            (pools::WORKMILL_CURRENT, chain::<Workmill, OursCurrent>),
        ],
        others: reach!(chain),
        // A closure that calls the next would recurse too deep.
        floor: Some((pools::FLOOR, chain_inline)),
        ..USUAL
    },
    RowSpec {
        name: "tree",
        about: "each task spawns ten, down to the leaves",
        ops: 100_000,
        // The whole tree that has at most that many leaves.
        fit: |ops| tree_size(ops.ilog10().max(1)),
        ours: &[
            (pools::WORKMILL, tree::<Workmill, Workmill>),
            (pools::WORKMILL_CURRENT, tree::<Workmill, OursCurrent>),
        ],
        others: reach!(tree),
        floor: Some((pools::FLOOR, tree::<Inline, Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "uneven",
        about: "about 100 ns of computation, 1 task in 64 a hundred times that",
        ops: 20_000,
        computes: true,
        ours: &[(pools::WORKMILL, uneven::<Workmill>)],
        others: execute!(uneven),
        floor: Some((pools::FLOOR, uneven::<Inline>)),
        ..USUAL
    },
    SUBMIT_ALL,
    RowSpec {
        name: "map_light",
        about: "a function of about 100 ns for each item, and the results in order",
        ops: 500_000,
        computes: true,
        ours: &[(pools::WORKMILL, map_light::<Workmill>)],
        others: &[(pools::RAYON_PAR_ITER, map_light::<Rayon>)],
        floor: Some((pools::FLOOR, map_light::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "map_heavy",
        about: "a function of about 10 µs for each item, and the results in order",
        ops: 10_000,
        computes: true,
        ours: &[(pools::WORKMILL, map_heavy::<Workmill>)],
        others: &[(pools::RAYON_PAR_ITER, map_heavy::<Rayon>)],
        floor: Some((pools::FLOOR, map_heavy::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "join_set",
        about: "a set of tasks with 64 in flight, and each result as it comes",
        ops: 100_000,
        ours: &[(pools::WORKMILL_JOIN_SET, join_set::<Workmill>)],
        others: &[(pools::TOKIO_JOIN_SET, join_set::<Tokio>)],
        ..USUAL
    },
    RowSpec {
        name: "as_completed",
        about: "closures with results, and each result as it comes",
        ops: 100_000,
        ours: &[(pools::WORKMILL_AS_COMPLETED, as_completed::<Workmill>)],
        others: &[(pools::TOKIO_UNORDERED, as_completed::<Tokio>)],
        ..USUAL
    },
    RowSpec {
        name: "nested_join",
        about: "each task submits half of its work and joins it, to the leaves",
        ops: 1 << 16,
        // All leaves of a tree that halves.
        fit: |ops| 1 << ops.ilog2(),
        ours: &[
            (pools::WORKMILL, nested_join::<Workmill, Workmill>),
            (
                pools::WORKMILL_CURRENT,
                nested_join::<Workmill, OursCurrent>,
            ),
            (pools::WORKMILL_SCOPE, nested_join::<Workmill, OursScope>),
        ],
        others: &[
            (pools::RAYON_SCOPE, nested_join::<Rayon, RayonScope>),
            (pools::RAYON_JOIN, nested_join::<Rayon, RayonJoin>),
            (pools::TOKIO_CURRENT, nested_join::<Tokio, TokioCurrent>),
            (pools::CHILI, chili::nested_join),
        ],
        floor: Some((pools::FLOOR, nested_join::<Inline, Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "fib",
        about: "a join for each call of a recursion that does next to nothing",
        ops: 832_039,
        fit: |ops| joins(fib_argument(ops)),
        computes: true,
        ours: &[(pools::WORKMILL, fib::<Workmill>)],
        others: &[
            (pools::RAYON_JOIN, fib::<RayonJoin>),
            (pools::CHILI, chili::fib),
        ],
        floor: Some((pools::FLOOR, fib::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "tree_sum",
        about: "a join for each node of an unbalanced tree",
        ops: 1_000_000,
        computes: true,
        ours: &[(pools::WORKMILL, tree_sum::<Workmill>)],
        others: &[
            (pools::RAYON_JOIN, tree_sum::<RayonJoin>),
            (pools::CHILI, chili::tree_sum),
        ],
        floor: Some((pools::FLOOR, tree_sum::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "quicksort",
        about: "a join for both parts, down to single items",
        ops: 1_000_000,
        computes: true,
        ours: &[(pools::WORKMILL, quicksort::<Workmill>)],
        others: &[
            (pools::RAYON_JOIN, quicksort::<RayonJoin>),
            (pools::CHILI, chili::quicksort),
        ],
        floor: Some((pools::FLOOR, quicksort::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "scope_wave",
        about: "20,000 tasks of one scope in a task, 1 in 64 a hundred times heavier",
        ops: 20_000,
        computes: true,
        ours: &[(pools::WORKMILL, scope_wave::<Workmill, OursScope>)],
        others: &[(pools::RAYON_BORROWS, scope_wave::<Rayon, RayonScope>)],
        ..USUAL
    },
    RowSpec {
        name: "scope_sort",
        about: "a quicksort of 1,000,000 numbers, with a scope for each pivot",
        ops: 1_000_000,
        computes: true,
        ours: &[(pools::WORKMILL, scope_sort::<Workmill, OursScope>)],
        others: &[(pools::RAYON_BORROWS, scope_sort::<Rayon, RayonScope>)],
        ..USUAL
    },
    RowSpec {
        name: "map_slice",
        about: "1,000,000 items of a slice, mapped in next to no time",
        ops: 1_000_000,
        computes: true,
        ours: &[(pools::WORKMILL, map_slice::<Workmill, OursScope>)],
        others: &[(pools::RAYON_BORROWS, map_slice::<Rayon, RayonScope>)],
        ..USUAL
    },
    RowSpec {
        name: "map_slice100",
        about: "1,000,000 items of a slice, about 100 ns each",
        ops: 1_000_000,
        computes: true,
        ours: &[(pools::WORKMILL, map_slice100::<Workmill, OursScope>)],
        others: &[(pools::RAYON_BORROWS, map_slice100::<Rayon, RayonScope>)],
        ..USUAL
    },
    PINGPONG,
    WINDOW,
    RowSpec {
        name: "blocking_mix",
        about: "about 1 µs of computation, 1 task in 10 sleeps for 1 ms instead",
        ops: 40_000,
        computes: true,
        ours: &[(pools::WORKMILL, blocking_mix::<Workmill>)],
        others: &[
            (pools::TOKIO, blocking_mix::<Tokio>),
            (pools::RUSTY_POOL, blocking_mix::<RustyPoolWithSpares>),
            (pools::BY_HAND, blocking_mix::<ByHand>),
            (pools::THREADS, blocking_mix::<ByHandAndThreads>),
        ],
        ..USUAL
    },
    RowSpec {
        name: "contended_wait",
        about: "four tasks and two permits, held for about 1 µs of computation",
        ops: 200_000,
        fit: |ops| ops.next_multiple_of(OUTSIDE_THREADS),
        computes: true,
        ours: &[
            (pools::WORKMILL, contended_tasks),
            (pools::WORKMILL_OF_FOUR, contended_tasks4),
        ],
        others: &[
            (pools::THREADS, contended_wait::<workmill::Semaphore>),
            (
                pools::THREADS_TOKIO,
                contended_wait::<tokio::sync::Semaphore>,
            ),
        ],
        floor: Some((pools::FLOOR, contended_alone)),
        ..USUAL
    },
    RowSpec {
        name: "yield_many",
        about: "200 futures that yield again and again",
        ops: 200_000,
        fit: |ops| ops.next_multiple_of(YIELDING),
        ours: &[(pools::WORKMILL, yield_many::<Workmill>)],
        others: &[
            (pools::TOKIO, yield_many::<Tokio>),
            (pools::ASYNC_EXECUTOR, yield_many::<AsyncExecutor>),
            (pools::FUTURES, yield_many::<Futures>),
        ],
        floor: Some((pools::FLOOR, yield_many_in_turn)),
        ..USUAL
    },
    RowSpec {
        name: "async_pingpong",
        about: "100 pairs of futures that ask and answer by two channels",
        ops: 100_000,
        fit: |ops| ops.next_multiple_of(TALKING),
        ours: &[(pools::WORKMILL, async_pingpong::<Workmill>)],
        others: &[
            (pools::TOKIO, async_pingpong::<Tokio>),
            (pools::ASYNC_EXECUTOR, async_pingpong::<AsyncExecutor>),
            (pools::FUTURES, async_pingpong::<Futures>),
        ],
        floor: Some((pools::FLOOR, async_pingpong_in_turn)),
        ..USUAL
    },
    RowSpec {
        name: "sparse_cpu",
        about: "an empty closure each 200 µs: processor time",
        ops: 5_000,
        figure: Figure::Cpu,
        ours: &[(pools::WORKMILL, sparse_cpu::<Workmill>)],
        others: execute!(sparse_cpu),
        floor: Some((pools::FLOOR, sparse_cpu::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "idle",
        about: "nothing to do: processor time and context switches",
        ops: 2_000,
        figure: Figure::CpuInAll,
        ours: &[(pools::WORKMILL, idle::<Workmill>)],
        others: execute!(idle, (pools::CHILI, chili::idle)),
        floor: Some((pools::FLOOR, idle::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "memory_execute",
        about: "heap per queued execute that captures 8 bytes",
        ops: 100_000,
        figure: Figure::Bytes,
        ours: &[(pools::WORKMILL, memory_execute::<Workmill>)],
        others: execute!(memory_execute),
        ..USUAL
    },
    RowSpec {
        name: "memory_submit",
        about: "heap per queued submit that captures 8 bytes, without the Vec",
        ops: 100_000,
        figure: Figure::Bytes,
        ours: &[
            (pools::WORKMILL, memory_submit::<Workmill, Own>),
            (pools::WORKMILL_ONESHOT, memory_submit::<Workmill, Oneshot>),
        ],
        others: submit!(memory_submit),
        ..USUAL
    },
    RowSpec {
        name: "start_stop",
        about: "build a pool, run one task, shut down",
        ops: 200,
        ours: &[
            (pools::WORKMILL, start_stop::<Workmill>),
            (pools::WORKMILL_BACKGROUND, start_stop::<Background>),
        ],
        others: execute!(start_stop, (pools::CHILI, chili::start_stop)),
        floor: Some((pools::FLOOR, start_stop::<Inline>)),
        ..USUAL
    },
    RowSpec {
        name: "semaphore",
        about: "one thread takes and returns the only permit, in order of arrival",
        ops: 1_000_000,
        ours: &[(semaphores::WORKMILL, alone::<workmill::Semaphore>)],
        others: &[(semaphores::TOKIO, alone::<tokio::sync::Semaphore>)],
        floor: Some((semaphores::FLOOR, alone::<ExchangePair>)),
        ..USUAL
    },
    RowSpec {
        name: "semaphore_unfair",
        about: "one thread takes and returns the only permit",
        ops: 1_000_000,
        ours: &[(semaphores::WORKMILL_UNFAIR, alone::<OursUnfair>)],
        others: &[
            (semaphores::ASYNC_LOCK, alone::<async_lock::Semaphore>),
            (semaphores::PARKING_LOT, alone::<ParkingLot>),
            (semaphores::BY_HAND, alone::<SemaphoreByHand>),
        ],
        floor: Some((semaphores::FLOOR, alone::<ExchangePair>)),
        ..USUAL
    },
    RowSpec {
        name: "semaphore4",
        about: "four threads and two permits, in order of arrival",
        ops: 40_000,
        fit: |ops| ops.next_multiple_of(OUTSIDE_THREADS),
        ours: &[(semaphores::WORKMILL, contended::<workmill::Semaphore>)],
        others: &[(semaphores::TOKIO, contended::<tokio::sync::Semaphore>)],
        ..USUAL
    },
    RowSpec {
        name: "semaphore4_unfair",
        about: "four threads and two permits, newcomers may pass",
        ops: 40_000,
        fit: |ops| ops.next_multiple_of(OUTSIDE_THREADS),
        ours: &[(semaphores::WORKMILL_UNFAIR, contended::<OursUnfair>)],
        others: &[
            (semaphores::ASYNC_LOCK, contended::<async_lock::Semaphore>),
            (semaphores::PARKING_LOT, contended::<ParkingLot>),
            (semaphores::BY_HAND, contended::<SemaphoreByHand>),
        ],
        ..USUAL
    },
    RowSpec {
        name: "notify",
        about: "two threads notify each other in turn",
        ops: 100_000,
        ours: &[(signals::WORKMILL, notify::<workmill::Notify>)],
        others: &[
            (signals::TOKIO, notify::<tokio::sync::Notify>),
            (signals::EVENT_LISTENER, notify::<FlagAndEvent>),
        ],
        ..USUAL
    },
    RowSpec {
        name: "barrier",
        about: "four threads wait for each other, round after round",
        ops: 20_000,
        ours: &[(signals::WORKMILL, barrier::<workmill::Barrier>)],
        others: &[(signals::STD, barrier::<std::sync::Barrier>)],
        ..USUAL
    },
    RowSpec {
        name: "queue1",
        about: "items from one thread to another, room for 1024",
        ops: 400_000,
        ours: &[(queues::WORKMILL, queue1::<JoinableQueue<usize>>)],
        others: &[
            (queues::CROSSBEAM_CHANNEL, queue1::<Crossbeam>),
            (queues::FLUME, queue1::<Flume>),
            (queues::KANAL, queue1::<Kanal>),
            (queues::ASYNC_CHANNEL, queue1::<AsyncChannel>),
            (queues::SYNC_CHANNEL, queue1::<SyncChannel>),
            (queues::BY_HAND, queue1::<QueueByHand>),
        ],
        ..USUAL
    },
    RowSpec {
        name: "queue4",
        about: "items from four threads to four others, room for 1024",
        ops: 400_000,
        fit: |ops| ops.next_multiple_of(PAIRS),
        ours: &[(queues::WORKMILL, queue4::<JoinableQueue<usize>>)],
        others: &[
            (queues::CROSSBEAM_CHANNEL, queue4::<Crossbeam>),
            (queues::FLUME, queue4::<Flume>),
            (queues::KANAL, queue4::<Kanal>),
            (queues::ASYNC_CHANNEL, queue4::<AsyncChannel>),
            (queues::BY_HAND, queue4::<QueueByHand>),
        ],
        ..USUAL
    },
    RowSpec {
        name: "pingpong_hogs",
        about: "submit and join, one at a time, beside two busy processes",
        ops: 1_000,
        hogs: HOGS,
        ..PINGPONG
    },
    RowSpec {
        name: "window_hogs",
        about: "64 in flight, about 1 µs of computation each, beside two busy processes",
        hogs: HOGS,
        ..WINDOW
    },
    RowSpec {
        name: "submit_all_hogs",
        about: "closures with results, then every handle joined, beside two busy processes",
        hogs: HOGS,
        ..SUBMIT_ALL
    },
    // The last, since the thread of async-io's timers never ends.
    RowSpec {
        name: "timers",
        about: "futures that sleep, to wake 10 µs apart: processor time",
        ops: 100_000,
        figure: Figure::Cpu,
        ours: &[(pools::WORKMILL, timers::<Workmill>)],
        others: &[
            (pools::TOKIO, timers::<TokioWithTimers>),
            (pools::ASYNC_EXECUTOR, timers::<AsyncExecutor>),
            (pools::FUTURES, timers::<Futures>),
        ],
        ..USUAL
    },
];
