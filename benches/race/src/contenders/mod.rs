//! The pools that are compared, behind one face, and who of them takes part in what.

mod in_place;
mod ours;
mod queues;
mod runtimes;
mod stealing;

use std::sync::Arc;
use std::sync::mpsc;

use serde::Serialize;
use workmill::ThreadPoolExecutor;

use crate::workloads::{Row, Turn, any_turn, in_place_turn, reach_turn, submit_turn};
use in_place::InPlace;
use ours::OursCurrent;
use queues::{Book, ByHand};
use runtimes::{AsyncExecutor, TokioCurrent};
use stealing::RayonCurrent;

/// Takes closures. A clone of a pool reaches the same threads.
pub(crate) trait Execute {
    fn execute(&self, closure: impl FnOnce() + Send + 'static);
}

/// A pool under comparison, as its owner has it.
pub(crate) trait Contender: Sized {
    type Pool: Execute + Clone + Send + 'static;

    fn start(threads: usize) -> Self;
    fn pool(&self) -> Self::Pool;

    /// Shuts down and waits for the threads to end, as far as the pool offers that.
    fn stop(self);
}

/// What a task holds to reach the pool `P` that it runs on.
pub(crate) trait Reach<P>: Send + 'static {
    /// The pool, as reached from inside a task.
    type Inside: Execute;

    fn from_outside(pool: &P) -> Self;
    fn from_inside(pool: &Self::Inside) -> Self;
    fn open(self) -> Self::Inside;
}

/// By default a task captures a clone.
impl<P: Execute + Clone + Send + 'static> Reach<P> for P {
    type Inside = P;

    fn from_outside(pool: &P) -> Self {
        pool.clone()
    }

    fn from_inside(pool: &P) -> Self {
        pool.clone()
    }

    fn open(self) -> P {
        self
    }
}

/// How the pool `P` is given closures whose results are joined.
pub(crate) trait Submit<P> {
    type Handle;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle;
    fn join(handle: Self::Handle) -> usize;
}

/// The pool's own handles.
pub(crate) struct Own;

/// `execute` and a oneshot channel.
pub(crate) struct Oneshot;

impl<P: Execute> Submit<P> for Oneshot {
    type Handle = oneshot::Receiver<usize>;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = oneshot::channel();
        pool.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}

/// `execute` and a channel of std.
pub(crate) struct Mpsc;

impl<P: Execute> Submit<P> for Mpsc {
    type Handle = mpsc::Receiver<usize>;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = mpsc::channel();
        pool.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}

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

/// Everybody, in the order of the first round.
pub(crate) const ENTRIES: &[Entry] = &[
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
        turn: ours::background_turn,
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
        turn: stealing::chili_turn,
    },
    Entry {
        name: "floor",
        about: "the same loop without a pool: the closure is called in place",
        side: Side::Floor,
        turn: in_place_turn::<InPlace>,
    },
];
