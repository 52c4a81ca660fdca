//! Random plans, which the weaver makes programs from.

use std::fmt;

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;

use super::program::{How, Lock};

/// The plan that a program is woven from.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(super) outside: usize,
    pub(super) locks: Vec<Lock>,
    /// The form in which tasks join, in the end, their children that nobody has joined; if they do.
    pub(super) joins_children: Option<How>,
    pub(super) moves: Vec<Move>,
}

/// Adds a step to some tasks. A number picks one of the things there are.
#[derive(Clone)]
pub(super) struct Move {
    pub(super) kind: MoveKind,
    pub(super) by: usize,
    pub(super) which: usize,
    pub(super) many: usize,
    pub(super) size: usize,
    pub(super) how: How,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum MoveKind {
    Yield,
    End,
    Spawn,
    Chain,
    Join,
    Set,
    WaitFor,
    Take,
    LetGo,
    CountDown,
    Await,
    Meet,
    Pair,
    Collector,
    Stock,
    Put,
    Get,
    ManyToMany,
    Finish,
    SetThreads,
}

const ALL: [MoveKind; 19] = {
    use MoveKind::{
        Await, Chain, Collector, CountDown, End, Finish, Get, Join, LetGo, ManyToMany, Meet, Pair,
        Put, Set, Spawn, Stock, Take, WaitFor, Yield,
    };
    [
        Yield, End, Spawn, Chain, Join, Set, WaitFor, Take, LetGo, CountDown, Await, Meet, Pair,
        Collector, Stock, Put, Get, ManyToMany, Finish,
    ]
};

/// Plans, some with a preference for trees, some for locks, and so on.
pub(crate) fn plans() -> impl Strategy<Value = Plan> {
    use MoveKind::{
        Await, Chain, Collector, CountDown, End, Finish, Get, Join, LetGo, ManyToMany, Meet, Pair,
        Put, Set, Spawn, Stock, Take, WaitFor,
    };
    let moves = prop_oneof![
        moves(&ALL),
        moves(&[Spawn, Chain, Join, Join, End]),
        moves(&[Spawn, Take, Take, Join, End]),
        moves(&[Spawn, Take, LetGo, Set, WaitFor, WaitFor]),
        moves(&[
            Spawn, Set, WaitFor, WaitFor, CountDown, CountDown, Await, Meet
        ]),
        moves(&[
            Spawn, Pair, Collector, Stock, Put, Put, Put, Get, Get, Finish
        ]),
        moves(&[Spawn, Take, Pair, Put, Get, ManyToMany]),
        moves(&[Spawn, ManyToMany, ManyToMany]),
    ];
    let joins_children = proptest::option::of(how());
    let locks = proptest::collection::vec(lock(), 0..5);
    (1..4_usize, locks, joins_children, moves).prop_map(
        |(outside, locks, joins_children, moves)| Plan {
            outside,
            locks,
            joins_children,
            moves,
        },
    )
}

/// Plans with changes of the number of threads in between.
pub(crate) fn plans_that_set_threads() -> impl Strategy<Value = Plan> {
    let changes =
        proptest::collection::vec((0..200_usize, one_move(Just(MoveKind::SetThreads))), 0..12);
    (plans(), changes).prop_map(|(mut plan, changes)| {
        for (index, change) in changes {
            let index = index.min(plan.moves.len());
            plan.moves.insert(index, change);
        }
        plan
    })
}

/// Some moves, in bundles. A smaller plan first goes without a whole bundle.
fn moves(favourites: &'static [MoveKind]) -> impl Strategy<Value = Vec<Move>> {
    let kind = prop_oneof![select(&ALL[..]), select(favourites)];
    let bundle = proptest::collection::vec(one_move(kind), 0..15);
    proptest::collection::vec(bundle, 0..28).prop_map(|bundles| bundles.concat())
}

fn one_move(kind: impl Strategy<Value = MoveKind>) -> impl Strategy<Value = Move> {
    let numbers = (0..64_usize, 0..16_usize, 1..13_usize, 0..16_usize);
    (kind, numbers, how()).prop_map(|(kind, (by, which, many, size), how)| Move {
        kind,
        by,
        which,
        many,
        size,
        how,
    })
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        3 => Just(How::Plain),
        1 => Just(How::Timed),
        1 => Just(How::Retried),
        1 => Just(How::Nested),
        1 => Just(How::Awaited),
        1 => Just(How::BlockedOn),
        1 => Just(How::Foreign),
    ]
}

fn lock() -> impl Strategy<Value = Lock> {
    prop_oneof![
        3 => Just(Lock::Mutex),
        2 => (1..4_usize).prop_map(Lock::Semaphore),
        1 => (1..4_usize).prop_map(Lock::Signals),
        1 => (1..4_usize).prop_map(Lock::Unfair),
        1 => (1..4_usize).prop_map(Lock::Bounded),
    ]
}

impl fmt::Debug for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = (self.by, self.which, self.many, self.size);
        write!(f, "{:?}{numbers:?} {:?}", self.kind, self.how)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "outside: {}", self.outside)?;
        writeln!(f, "locks: {:?}", self.locks)?;
        writeln!(f, "joins_children: {:?}", self.joins_children)?;
        write!(f, "moves: {:#?}", self.moves)
    }
}
