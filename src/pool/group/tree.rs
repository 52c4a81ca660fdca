//! The groups of a tree, and their tickets, under one lock.

use std::collections::VecDeque;
use std::task::Waker;

use super::waiting::{Place, Waiting};
use crate::pool::registry::Registry;
use crate::primitive::{Mutex, MutexGuard, lock};

pub(super) struct Tree<T, R>(Mutex<Inside<T, R>>);

pub(super) struct Inside<T, R> {
    pub(super) nodes: Registry<Node<T>>,
    pub(super) tickets: Registry<State<R>>,
    /// The groups in whose queues tasks may wait, in the order of their turns.
    pub(super) turns: VecDeque<usize>,
}

pub(super) struct Node<T> {
    outer: Option<usize>,
    free: usize,
    limit: usize,
    pub(super) waiting: Waiting<T>,
    has_turn: bool,
    /// The permits of tickets that stand.
    standing: usize,
    /// How often all permits stood, and one of them no longer.
    times_stood: usize,
    /// Whether somebody looks whether all permits go on standing, or has told that they do.
    is_watched: bool,
}

/// The state of a ticket.
pub(super) struct State<R> {
    pub(super) node: usize,
    pub(super) is: Is,
    /// Whether the task waits for something with its permits.
    stands: bool,
    /// The ticket that has lent permits to this one.
    pub(super) lender: Option<usize>,
    /// The ticket to which this one has lent its permits.
    pub(super) borrower: Option<usize>,
    /// The waker of the future that is to be told that its permits are back.
    pub(super) waker: Option<Waker>,
    /// A reference to the task.
    pub(super) task: R,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Outside,
    Waiting(Place),
    Holding,
    Lending,
}

impl<T, R> Tree<T, R> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inside {
            nodes: Registry::new(),
            tickets: Registry::new(),
            turns: VecDeque::new(),
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inside<T, R>> {
        lock(&self.0)
    }
}

impl<T> Node<T> {
    /// A group of which that many tasks may run.
    pub(super) fn new(outer: Option<usize>, limit: usize) -> Self {
        Self {
            outer,
            free: limit,
            limit,
            waiting: Waiting::new(),
            has_turn: false,
            standing: 0,
            times_stood: 0,
            is_watched: false,
        }
    }
}

impl<R> State<R> {
    /// The state of a ticket that has neither permits nor a task that waits.
    pub(super) fn new(node: usize, task: R) -> Self {
        Self {
            node,
            is: Is::Outside,
            stands: false,
            lender: None,
            borrower: None,
            waker: None,
            task,
        }
    }
}

impl<T, R> Inside<T, R> {
    pub(super) fn node(&mut self, node: usize) -> &mut Node<T> {
        let node = self.nodes.get_mut(node);
        node.expect("a group is in its tree until it is dropped")
    }

    pub(super) fn ticket(&mut self, key: usize) -> &mut State<R> {
        let state = self.tickets.get_mut(key);
        state.expect("a ticket is in the tree until it leaves")
    }

    /// Calls `each` with the groups of whose permits a ticket has, or needs, its own: those of its
    /// path that its lender has not got. Ends when `each` returns `false`, and returns that.
    fn each_own(&mut self, key: usize, mut each: impl FnMut(&mut Node<T>) -> bool) -> bool {
        let State { node, lender, .. } = *self.ticket(key);
        let lender = lender.map(|lender| self.ticket(lender).node);
        let mut next = Some(node).filter(|node| Some(*node) != lender);
        while let Some(node) = next {
            let node = self.node(node);
            if !each(node) {
                return false;
            }
            next = node.outer.filter(|outer| Some(*outer) != lender);
        }
        true
    }

    /// Returns `true` if all permits are free that a ticket needs.
    pub(super) fn can_begin(&mut self, key: usize) -> bool {
        self.each_own(key, |node| node.free > 0)
    }

    pub(super) fn take_permits(&mut self, key: usize) {
        self.each_own(key, |node| {
            node.free -= 1;
            true
        });
        self.ticket(key).is = Is::Holding;
    }

    pub(super) fn give_permits_back(&mut self, key: usize) {
        self.each_own(key, |node| {
            node.free += 1;
            true
        });
    }

    /// Returns what a ticket has borrowed to its lender. Returns the waker to call.
    pub(super) fn return_loan(&mut self, key: usize) -> Option<Waker> {
        let lender = self.ticket(key).lender.take()?;
        let lender = self.ticket(lender);
        debug_assert_eq!(lender.is, Is::Lending);
        lender.is = Is::Holding;
        lender.borrower = None;
        lender.waker.take()
    }

    /// A ticket leaves that has lent its permits. Returns the waker to call.
    pub(super) fn leave_to_borrower(&mut self, key: usize) -> Option<Waker> {
        let State {
            lender, borrower, ..
        } = *self.ticket(key);
        let borrower = borrower.expect("a ticket that lends has a borrower");
        if self.ticket(borrower).is == Is::Holding || self.ticket(borrower).is == Is::Lending {
            // It has more permits of its own from now on.
            let stands = self.ticket(borrower).stands;
            self.set_stands(borrower, false);
            self.ticket(borrower).lender = lender;
            self.set_stands(borrower, stands);
            if let Some(lender) = lender {
                self.ticket(lender).borrower = Some(borrower);
            }
            return None;
        }
        self.ticket(borrower).lender = None;
        self.give_permits_back(key);
        self.return_loan(key)
    }

    /// The task of a ticket begins or ends a wait in which it keeps its permits.
    pub(super) fn set_stands(&mut self, key: usize, stands: bool) {
        let state = self.ticket(key);
        if state.stands == stands || stands && state.is != Is::Holding {
            return;
        }
        state.stands = stands;
        self.each_own(key, |node| {
            if stands {
                node.standing += 1;
            } else {
                node.times_stood += usize::from(node.standing == node.limit);
                node.standing -= 1;
            }
            true
        });
    }

    /// Returns a group of which tasks wait, and all of whose permits stand: this one, or one around
    /// it. It is watched from now on, and was not before.
    pub(super) fn all_stand(&mut self, node: usize) -> Option<usize> {
        if self.node(node).waiting.is_empty() {
            return None;
        }
        let mut next = Some(node);
        while let Some(key) = next {
            let node = self.node(key);
            if node.standing == node.limit && !std::mem::replace(&mut node.is_watched, true) {
                return Some(key);
            }
            next = node.outer;
        }
        None
    }

    /// Returns how often all permits of a group stood, and one of them no longer, if all stand now
    /// and tasks of the group wait; else the group is not watched any more.
    pub(super) fn go_on_watching(&mut self, node: usize) -> Option<usize> {
        let waits = self.nodes_within(node);
        let waits = waits
            .into_iter()
            .any(|it| !self.node(it).waiting.is_empty());
        let node = self.node(node);
        node.is_watched = waits && node.standing == node.limit;
        node.is_watched.then_some(node.times_stood)
    }

    /// Adds a turn of a group, in which its next task may begin.
    pub(super) fn add_turn(&mut self, node: usize) {
        if !std::mem::replace(&mut self.node(node).has_turn, true) {
            self.turns.push_back(node);
        }
    }

    /// Returns `true` if the permit of a ticket that holds one can go to the next task of its
    /// group, or to nobody: no other group of the tree has tasks that wait for it, and nothing is
    /// borrowed.
    pub(super) fn hands_over(&mut self, key: usize) -> bool {
        let State { node, lender, .. } = *self.ticket(key);
        let is_own_turn = match self.turns.front() {
            None => true,
            Some(&turn) => turn == node && self.turns.len() == 1,
        };
        let node = self.node(node);
        is_own_turn && lender.is_none() && node.outer.is_none() && !node.waiting.has_borrowers()
    }

    /// Hands a permit of a group to its next task, which is returned, or back if none waits.
    pub(super) fn hand_over(&mut self, node: usize) -> Option<T> {
        let next = self.node(node);
        let Some((ticket, place)) = next.waiting.peek() else {
            next.free += 1;
            return None;
        };
        let task = next.waiting.take_next(place);
        self.ticket(ticket).is = Is::Holding;
        Some(task)
    }

    /// Returns a task that can begin, and has its permits by then.
    pub(super) fn begin_next(&mut self) -> Option<T> {
        for _ in 0..self.turns.len() {
            let turn = self.turns.pop_front()?;
            if self.node(turn).waiting.is_empty() {
                self.node(turn).has_turn = false;
                continue;
            }
            self.turns.push_back(turn);
            if let Some((ticket, place)) = self.next_of(turn) {
                self.take_permits(ticket);
                return Some(self.node(turn).waiting.take_next(place));
            }
        }
        None
    }

    /// Returns the ticket of a group that can begin, if the next one can or a borrower, and the
    /// place of its task.
    fn next_of(&mut self, node: usize) -> Option<(usize, Place)> {
        let Node { free, waiting, .. } = self.node(node);
        let (free, next) = (*free, waiting.peek());
        if waiting.has_borrowers() {
            // They need fewer permits than the others, and two of one group may not need the same.
            let borrowers: Vec<_> = waiting.borrowers().collect();
            let mut all = borrowers.into_iter().chain(next);
            return all.find(|&(ticket, _)| self.can_begin(ticket));
        }
        // The look at all groups around this one can be spared.
        next.filter(|&(ticket, _)| free > 0 && self.can_begin(ticket))
    }

    /// Takes the task of a group that has waited longest out of its queue, unless it borrows.
    pub(super) fn take_oldest(&mut self, node: usize) -> Option<T> {
        let (ticket, place) = self.node(node).waiting.oldest()?;
        if self.ticket(ticket).lender.is_some() {
            return None;
        }
        self.ticket(ticket).is = Is::Outside;
        Some(self.node(node).waiting.take(place))
    }

    /// Returns the keys of a group and of those within.
    pub(super) fn nodes_within(&mut self, node: usize) -> Vec<usize> {
        let all: Vec<usize> = self.nodes.keys().collect();
        let is_within = |key: usize| {
            let mut next = Some(key);
            while let Some(it) = next {
                if it == node {
                    return true;
                }
                next = self.nodes.get(it).and_then(|it| it.outer);
            }
            false
        };
        all.into_iter().filter(|key| is_within(*key)).collect()
    }
}
