//! The contenders of each row, and how they take part.

use std::sync::Arc;

use serde::Serialize;
use workmill::{JoinableQueue, ThreadPoolExecutor};

use crate::contenders::channels::{
    self, AsyncChannel, Crossbeam, Flume, Kanal, Queue, SyncChannel,
};
use crate::contenders::inline::Inline;
use crate::contenders::ours::{Background, OursCurrent};
use crate::contenders::queues::{Book, ByHand, ByHandAndThreads, RustyPoolWithSpares};
use crate::contenders::runtimes::{AsyncExecutor, TokioCurrent, TokioWithTimers};
use crate::contenders::semaphores::{self, ExchangePair, OursUnfair, ParkingLot, Semaphore};
use crate::contenders::stealing::{RayonCurrent, RayonJoin, RayonScope};
use crate::contenders::{Contender, Mpsc, Oneshot, Own, Reach, Spawn, Submit};
use crate::families::awaiting::{
    async_pingpong, async_pingpong_in_turn, timers, yield_many, yield_many_in_turn,
};
use crate::families::chili;
use crate::families::inside::{blocking_mix, contended_tasks, contended_tasks4, nested_join};
use crate::families::submitting::{
    chain, chain_inline, pingpong, spawn_ext, spawn_ext4, spawn_nested, submit_all, tree, uneven,
    window,
};
use crate::families::upkeep::{idle, memory_execute, memory_submit, sparse_cpu, start_stop};
use crate::families::waiting::{alone, contended, contended_alone, contended_wait, queue1, queue4};
use crate::rig::Turn;
use crate::rows::Row;

/// One line of the tables.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) side: Side,
    /// Its turn in a row, if it takes part.
    pub(crate) turn: fn(Row) -> Option<Turn>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    Ours,
    Other,
    Floor,
}

impl Entry {
    pub(crate) fn is_floor(&self) -> bool {
        self.side == Side::Floor
    }
}

type Rayon = Arc<rayon::ThreadPool>;
type Tokio = tokio::runtime::Runtime;
type Futures = futures::executor::ThreadPool;

/// Contenders that are compared with each other, in the order of the first round.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) entries: &'static [Entry],
}

/// All groups. No row has contenders of two of them.
pub(crate) const GROUPS: [Group; 3] = [
    Group {
        name: "pools",
        entries: POOLS,
    },
    Group {
        name: "semaphores",
        entries: SEMAPHORES,
    },
    Group {
        name: "queues",
        entries: QUEUES,
    },
];

const POOLS: &[Entry] = &[
    Entry {
        name: "workmill",
        about: "tasks capture a clone of the pool",
        side: Side::Ours,
        turn: ours_turn,
    },
    Entry {
        name: "workmill current",
        about: "tasks ask workmill::current() for the pool",
        side: Side::Ours,
        turn: ours_current_turn,
    },
    Entry {
        name: "workmill of four",
        about: "a pool of four threads, one for each task; in contended_wait only",
        side: Side::Ours,
        turn: ours_of_four_turn,
    },
    Entry {
        name: "workmill background",
        about: "does not wait for its threads, as some others cannot; in start_stop only",
        side: Side::Ours,
        turn: background_turn,
    },
    Entry {
        name: "workmill oneshot",
        about: "execute, and a oneshot for the result",
        side: Side::Ours,
        turn: submit_turn::<ThreadPoolExecutor, Oneshot>,
    },
    Entry {
        name: "rayon",
        about: "ThreadPool::spawn, and a oneshot for the result; cannot wait for its threads",
        side: Side::Other,
        turn: any_turn::<Rayon, Oneshot>,
    },
    Entry {
        name: "rayon current",
        about: "tasks call rayon::spawn",
        side: Side::Other,
        turn: reach_turn::<Rayon, RayonCurrent>,
    },
    Entry {
        name: "rayon scope",
        about: "rayon::scope, and one task spawned in it; in nested_join only",
        side: Side::Other,
        turn: rayon_scope_turn,
    },
    Entry {
        name: "rayon join",
        about: "rayon::join, whose tasks are on the stack; in nested_join only",
        side: Side::Other,
        turn: rayon_join_turn,
    },
    Entry {
        name: "tokio",
        about: "Handle::spawn, and its JoinHandle under block_on; spawn_blocking; no drivers \
                except for timers",
        side: Side::Other,
        turn: tokio_turn,
    },
    Entry {
        name: "tokio current",
        about: "tasks call tokio::spawn",
        side: Side::Other,
        turn: tokio_current_turn,
    },
    Entry {
        name: "async-executor",
        about: "spawn and detach, or its Task under block_on; its threads by hand; timers of \
                async-io",
        side: Side::Other,
        turn: async_executor_turn,
    },
    Entry {
        name: "futures",
        about: "spawn_ok, and a oneshot for the result; cannot wait for its threads; timers of \
                async-io",
        side: Side::Other,
        turn: futures_turn,
    },
    Entry {
        name: "threadpool",
        about: "execute, and a oneshot for the result; cannot wait for its threads",
        side: Side::Other,
        turn: any_turn::<threadpool::ThreadPool, Oneshot>,
    },
    Entry {
        name: "rusty_pool",
        about: "execute, and its evaluate; cannot wait for its threads, only for its tasks",
        side: Side::Other,
        turn: rusty_pool_turn,
    },
    Entry {
        name: "by hand",
        about: "crossbeam-channel with boxed closures, and a oneshot for the result",
        side: Side::Other,
        turn: by_hand_turn,
    },
    Entry {
        name: "threads",
        about: "by hand, and a thread for each task that sleeps; or four that take permits of ours",
        side: Side::Other,
        turn: threads_turn,
    },
    Entry {
        name: "threads tokio",
        about: "four that take permits of tokio's semaphore; in contended_wait only",
        side: Side::Other,
        turn: threads_tokio_turn,
    },
    Entry {
        name: "book",
        about: "a receiver in a mutex, and a channel for the result",
        side: Side::Other,
        turn: any_turn::<Book, Mpsc>,
    },
    Entry {
        name: "chili",
        about: "has only join, so takes part in nested_join, idle and start_stop; the caller runs \
                tasks, too",
        side: Side::Other,
        turn: chili_turn,
    },
    Entry {
        name: "floor",
        about: "the same loop without a pool: the closure is called inline",
        side: Side::Floor,
        turn: inline_turn::<Inline>,
    },
];

const SEMAPHORES: &[Entry] = &[
    Entry {
        name: "workmill",
        about: "Semaphore::new",
        side: Side::Ours,
        turn: fair_turn::<workmill::Semaphore>,
    },
    Entry {
        name: "workmill unfair",
        about: "Semaphore::unfair",
        side: Side::Ours,
        turn: unfair_turn::<OursUnfair>,
    },
    Entry {
        name: "tokio",
        about: "its acquire under block_on",
        side: Side::Other,
        turn: fair_turn::<tokio::sync::Semaphore>,
    },
    Entry {
        name: "async-lock",
        about: "acquire_blocking; unfair",
        side: Side::Other,
        turn: unfair_turn::<async_lock::Semaphore>,
    },
    Entry {
        name: "parking_lot",
        about: "a number in its Mutex, and its Condvar; unfair",
        side: Side::Other,
        turn: unfair_turn::<ParkingLot>,
    },
    Entry {
        name: "by hand",
        about: "a number in a Mutex of std, and a Condvar; unfair",
        side: Side::Other,
        turn: unfair_turn::<semaphores::ByHand>,
    },
    Entry {
        name: "floor",
        about: "two compare-exchanges, one to take and one to give back; for one thread only",
        side: Side::Floor,
        turn: uncontended_turn::<ExchangePair>,
    },
];

const QUEUES: &[Entry] = &[
    Entry {
        name: "workmill",
        about: "JoinableQueue::bounded, put and get",
        side: Side::Ours,
        turn: queue_turn::<JoinableQueue<usize>>,
    },
    Entry {
        name: "crossbeam-channel",
        about: "bounded",
        side: Side::Other,
        turn: queue_turn::<Crossbeam>,
    },
    Entry {
        name: "flume",
        about: "bounded",
        side: Side::Other,
        turn: queue_turn::<Flume>,
    },
    Entry {
        name: "kanal",
        about: "bounded",
        side: Side::Other,
        turn: queue_turn::<Kanal>,
    },
    Entry {
        name: "async-channel",
        about: "bounded; send_blocking and recv_blocking",
        side: Side::Other,
        turn: queue_turn::<AsyncChannel>,
    },
    Entry {
        name: "sync_channel",
        about: "that of std, whose receiver cannot be shared; in queue1 only",
        side: Side::Other,
        turn: queue1_turn::<SyncChannel>,
    },
    Entry {
        name: "by hand",
        about: "a VecDeque in a Mutex of std, and two Condvars",
        side: Side::Other,
        turn: queue_turn::<channels::ByHand>,
    },
];

fn ours_turn(row: Row) -> Option<Turn> {
    match row {
        Row::NestedJoin => Some(nested_join::<ThreadPoolExecutor, ThreadPoolExecutor>),
        Row::BlockingMix => Some(blocking_mix::<ThreadPoolExecutor>),
        Row::ContendedWait => Some(contended_tasks),
        Row::Timers => Some(timers::<ThreadPoolExecutor>),
        _ => any_turn::<ThreadPoolExecutor, Own>(row)
            .or_else(|| future_turn::<ThreadPoolExecutor>(row)),
    }
}

fn ours_current_turn(row: Row) -> Option<Turn> {
    match row {
        Row::NestedJoin => Some(nested_join::<ThreadPoolExecutor, OursCurrent>),
        _ => reach_turn::<ThreadPoolExecutor, OursCurrent>(row),
    }
}

fn ours_of_four_turn(row: Row) -> Option<Turn> {
    (row == Row::ContendedWait).then_some(contended_tasks4 as Turn)
}

fn rayon_scope_turn(row: Row) -> Option<Turn> {
    (row == Row::NestedJoin).then_some(nested_join::<Rayon, RayonScope> as Turn)
}

fn rayon_join_turn(row: Row) -> Option<Turn> {
    (row == Row::NestedJoin).then_some(nested_join::<Rayon, RayonJoin> as Turn)
}

fn tokio_turn(row: Row) -> Option<Turn> {
    match row {
        Row::BlockingMix => Some(blocking_mix::<Tokio>),
        Row::Timers => Some(timers::<TokioWithTimers>),
        _ => any_turn::<Tokio, Own>(row).or_else(|| future_turn::<Tokio>(row)),
    }
}

fn tokio_current_turn(row: Row) -> Option<Turn> {
    match row {
        Row::NestedJoin => Some(nested_join::<Tokio, TokioCurrent>),
        _ => reach_turn::<Tokio, TokioCurrent>(row),
    }
}

fn async_executor_turn(row: Row) -> Option<Turn> {
    match row {
        Row::Timers => Some(timers::<AsyncExecutor>),
        _ => any_turn::<AsyncExecutor, Own>(row).or_else(|| future_turn::<AsyncExecutor>(row)),
    }
}

fn futures_turn(row: Row) -> Option<Turn> {
    match row {
        Row::Timers => Some(timers::<Futures>),
        _ => any_turn::<Futures, Oneshot>(row).or_else(|| future_turn::<Futures>(row)),
    }
}

fn rusty_pool_turn(row: Row) -> Option<Turn> {
    match row {
        Row::BlockingMix => Some(blocking_mix::<RustyPoolWithSpares>),
        _ => any_turn::<rusty_pool::ThreadPool, Own>(row),
    }
}

fn by_hand_turn(row: Row) -> Option<Turn> {
    match row {
        Row::BlockingMix => Some(blocking_mix::<ByHand>),
        _ => any_turn::<ByHand, Oneshot>(row),
    }
}

fn threads_turn(row: Row) -> Option<Turn> {
    match row {
        Row::BlockingMix => Some(blocking_mix::<ByHandAndThreads>),
        Row::ContendedWait => Some(contended_wait::<workmill::Semaphore>),
        _ => None,
    }
}

fn threads_tokio_turn(row: Row) -> Option<Turn> {
    (row == Row::ContendedWait).then_some(contended_wait::<tokio::sync::Semaphore> as Turn)
}

fn background_turn(row: Row) -> Option<Turn> {
    (row == Row::StartStop).then_some(start_stop::<Background> as Turn)
}

fn chili_turn(row: Row) -> Option<Turn> {
    match row {
        Row::NestedJoin => Some(chili::nested_join),
        Row::Idle => Some(chili::idle),
        Row::StartStop => Some(chili::start_stop),
        _ => None,
    }
}

/// Returns the turn in all rows; results come by way of `S`, and tasks reach their pool by clones.
fn any_turn<C: Contender, S: Submit<C::Pool>>(row: Row) -> Option<Turn> {
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
fn reach_turn<C: Contender, R: Reach<C::Pool>>(row: Row) -> Option<Turn> {
    let turn: Turn = match row {
        Row::SpawnNested => spawn_nested::<C, R>,
        Row::Chain => chain::<C, R>,
        Row::Tree => tree::<C, R>,
        _ => return None,
    };
    Some(turn)
}

/// Returns the turn in the rows in which tasks have results, by way of `S`.
fn submit_turn<C: Contender, S: Submit<C::Pool>>(row: Row) -> Option<Turn> {
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
fn inline_turn<C: Contender>(row: Row) -> Option<Turn>
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

/// Returns the turn in the rows of futures in which time does not matter.
fn future_turn<C: Contender<Pool: Spawn>>(row: Row) -> Option<Turn> {
    match row {
        Row::YieldMany => Some(yield_many::<C>),
        Row::AsyncPingpong => Some(async_pingpong::<C>),
        _ => None,
    }
}

/// Returns the turn in the rows of a semaphore that serves in order of arrival.
fn fair_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    match row {
        Row::Semaphore => Some(alone::<S>),
        Row::Semaphore4 => Some(contended::<S>),
        _ => None,
    }
}

/// Returns the turn in the rows of a semaphore at which newcomers may overtake waiters.
fn unfair_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    match row {
        Row::SemaphoreUnfair => Some(alone::<S>),
        Row::Semaphore4Unfair => Some(contended::<S>),
        _ => None,
    }
}

/// Returns the turn in the rows in which no thread waits.
fn uncontended_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    matches!(row, Row::Semaphore | Row::SemaphoreUnfair).then_some(alone::<S> as Turn)
}

/// Returns the turn in both rows of queues.
fn queue_turn<Q: Queue>(row: Row) -> Option<Turn>
where
    Q::Sender: Clone,
    Q::Receiver: Clone,
{
    match row {
        Row::Queue4 => Some(queue4::<Q>),
        _ => queue1_turn::<Q>(row),
    }
}

/// Returns the turn in the row with one producer and one consumer.
fn queue1_turn<Q: Queue>(row: Row) -> Option<Turn> {
    (row == Row::Queue1).then_some(queue1::<Q> as Turn)
}
