//! Who takes part in which row, and how.

use std::num::NonZero;
use std::sync::Arc;

use serde::Serialize;
use workmill::{JoinableQueue, ThreadPoolExecutor};

use crate::contenders::channels::{self, AsyncChannel, Crossbeam, Flume, Kanal, SyncChannel};
use crate::contenders::in_place::InPlace;
use crate::contenders::ours::{Background, OursCurrent};
use crate::contenders::queues::{Book, ByHand};
use crate::contenders::runtimes::{AsyncExecutor, TokioCurrent};
use crate::contenders::semaphores::{self, ExchangePair, OursUnfair, ParkingLot};
use crate::contenders::stealing::RayonCurrent;
use crate::contenders::{Mpsc, Oneshot, Own};
use crate::measure::Sample;
use crate::waiting::{fair_turn, queue_turn, queue1_turn, uncontended_turn, unfair_turn};
use crate::workloads::{
    Countdown, Row, Setup, Turn, WARM_UP, any_turn, idle_after, in_place_turn, reach_turn,
    repeated, start_stop, submit_turn,
};

/// One line of the tables.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) side: Side,
    /// What it does in a row, if it takes part.
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

/// Those who are compared with each other, in the order of the first round.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) entries: &'static [Entry],
}

/// Everybody. No row has contenders of two groups.
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
        turn: any_turn::<ThreadPoolExecutor, Own>,
    },
    Entry {
        name: "workmill current",
        about: "tasks ask workmill::current() for the pool",
        side: Side::Ours,
        turn: reach_turn::<ThreadPoolExecutor, OursCurrent>,
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
        name: "tokio",
        about: "Handle::spawn, and its JoinHandle under block_on; without drivers",
        side: Side::Other,
        turn: any_turn::<Tokio, Own>,
    },
    Entry {
        name: "tokio current",
        about: "tasks call tokio::spawn",
        side: Side::Other,
        turn: reach_turn::<Tokio, TokioCurrent>,
    },
    Entry {
        name: "async-executor",
        about: "spawn and detach, or its Task under block_on; its threads by hand",
        side: Side::Other,
        turn: any_turn::<AsyncExecutor, Own>,
    },
    Entry {
        name: "futures",
        about: "spawn_ok, and a oneshot for the result; cannot wait for its threads",
        side: Side::Other,
        turn: any_turn::<futures::executor::ThreadPool, Oneshot>,
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
        turn: any_turn::<rusty_pool::ThreadPool, Own>,
    },
    Entry {
        name: "by hand",
        about: "crossbeam-channel with boxed closures, and a oneshot for the result",
        side: Side::Other,
        turn: any_turn::<ByHand, Oneshot>,
    },
    Entry {
        name: "book",
        about: "a receiver in a mutex, and a channel for the result",
        side: Side::Other,
        turn: any_turn::<Book, Mpsc>,
    },
    Entry {
        name: "chili",
        about: "has only join, so takes part in idle and start_stop; the caller runs the task",
        side: Side::Other,
        turn: chili_turn,
    },
    Entry {
        name: "floor",
        about: "the same loop without a pool: the closure is called in place",
        side: Side::Floor,
        turn: in_place_turn::<InPlace>,
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

fn background_turn(row: Row) -> Option<Turn> {
    (row == Row::StartStop).then_some(start_stop::<Background> as Turn)
}

fn chili_turn(row: Row) -> Option<Turn> {
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
