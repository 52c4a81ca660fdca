//! Tickets: how a task comes to its permits, lends them, and gives them back.

use std::sync::Arc;
use std::task::Waker;

use super::Group;
use super::answers::{Arrived, Begins, Left, Loan, Standing};
use super::tree::{Is, State};
use crate::pool::priority::Priority;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use crate::task::End;

/// The key of a ticket that has not arrived.
const NO_KEY: usize = usize::MAX;

/// The right of a task to permits of its group.
pub(crate) struct Ticket<T, R> {
    group: Arc<Group<T, R>>,
    /// The key of its state in the tree, or [`NO_KEY`]. Written under the lock.
    pub(super) key: AtomicUsize,
    /// Whether the ticket has left. Written under the lock.
    has_left: AtomicBool,
    /// Whether the task was counted as finished.
    has_finished: AtomicBool,
    /// Whether the ticket may lend its permits. Written by the thread that runs its task.
    may_lend: AtomicBool,
}

impl<T, R> Group<T, R> {
    /// Counts a task, and returns its ticket. `is_inside` says whether the thread runs a task of
    /// that group. Returns `None` if a group of the path is closed to the thread.
    pub(crate) fn accept(
        self: &Arc<Self>,
        is_inside: impl Fn(&Self) -> bool,
    ) -> Option<Ticket<T, R>> {
        if !self.begin_to_count(is_inside) {
            return None;
        }
        self.path().for_each(|group| group.hot.counts.accept());
        Some(Ticket::new(Arc::clone(self)))
    }
}

impl<T, R> Ticket<T, R> {
    /// The ticket of a task that was counted.
    pub(super) fn new(group: Arc<Group<T, R>>) -> Self {
        Self {
            group,
            key: AtomicUsize::new(NO_KEY),
            has_left: AtomicBool::new(false),
            has_finished: AtomicBool::new(false),
            may_lend: AtomicBool::new(true),
        }
    }

    pub(crate) fn group(&self) -> &Arc<Group<T, R>> {
        &self.group
    }

    /// The task of the ticket has been accepted and made. It may be pushed, or waits for its
    /// permits.
    pub(crate) fn arrive(&self, task: T, reference: R, class: Priority) -> Arrived<T> {
        let mut inside = self.group.tree.lock();
        if self.has_left.load(Ordering::Relaxed) {
            // It was cancelled meanwhile.
            drop(inside);
            drop(reference);
            return Arrived::Begins(task);
        }
        let node = self.group.node;
        let key = inside.tickets.insert(State::new(node, Some(reference)));
        self.key.store(key, Ordering::Relaxed);
        if inside.node(node).waiting.is_empty() && inside.can_begin(key) {
            inside.take_permits(key);
            return Arrived::Begins(task);
        }
        let place = inside.node(node).waiting.push(class, Some(key), task);
        inside.ticket(key).is = Is::Waiting(place);
        inside.add_turn(node);
        let standing = inside.all_stand(node).map(Standing);
        standing.map_or(Arrived::Waits, Arrived::AllStand)
    }

    /// The task of the ticket is about to wait with its permits. If all permits of its group, or of
    /// one around it, stand from now on, the caller watches that.
    pub(crate) fn stand(&self) -> Option<Standing> {
        let mut inside = self.group.tree.lock();
        if self.has_left.load(Ordering::Relaxed) {
            return None;
        }
        inside.set_stands(self.own_key(), true);
        inside.all_stand(self.group.node).map(Standing)
    }

    /// The task of the ticket has waited.
    pub(crate) fn go_on(&self) {
        let mut inside = self.group.tree.lock();
        if !self.has_left.load(Ordering::Relaxed) {
            inside.set_stands(self.own_key(), false);
        }
    }

    /// Returns the key of the ticket's state, if it has arrived. Called under the lock.
    fn key(&self) -> Option<usize> {
        Some(self.key.load(Ordering::Relaxed)).filter(|key| *key != NO_KEY)
    }

    /// Returns the key of the state of a ticket whose task runs.
    fn own_key(&self) -> usize {
        self.key().expect("a task that runs has arrived")
    }

    /// The task has ended, or will never begin.
    pub(crate) fn leave(&self) -> Left<T, R, Group<T, R>> {
        let mut left = Left {
            own: None,
            lender: None,
            begins: Begins::default(),
            task: None,
        };
        let mut inside = self.group.tree.lock();
        if self.has_left.load(Ordering::Relaxed) {
            return left;
        }
        self.has_left.store(true, Ordering::Relaxed);
        let Some(key) = self.key() else {
            // It was cancelled before it has arrived.
            return left;
        };
        inside.set_stands(key, false);
        let State { is, lender, .. } = *inside.ticket(key);
        let node = self.group.node;
        if is == Is::Holding && lender.is_none() && inside.hands_over(node) {
            left.begins.first = inside.hand_over(node);
            let state = inside.tickets.take(key);
            drop(inside);
            left.task = state.and_then(|state| state.task);
            return left;
        }
        match is {
            Is::Outside => {}
            Is::Waiting(place) => {
                left.own = Some(inside.node(node).waiting.take(place));
                left.lender = inside.return_loan(key);
            }
            Is::Holding => {
                inside.give_permits_back(key);
                left.lender = inside.return_loan(key);
            }
            Is::Lending => left.lender = inside.leave_to_borrower(key),
        }
        let state = inside.tickets.take(key);
        left.begins = inside.begin_all();
        drop(inside);
        left.task = state.and_then(|state| state.task);
        left
    }

    /// Counts the task as finished, which has ended in that way, if that is known: its outcome is
    /// published.
    pub(crate) fn finish(&self, end: Option<End>) {
        // The threads of two calls have synchronized by a lock of their own.
        if !self.has_finished.swap(true, Ordering::Relaxed) {
            self.group.finish(end);
        }
    }

    /// Counts the task as one that begins.
    pub(crate) fn begins(&self) {
        self.group.begins();
    }

    /// Takes back that the task was accepted: it was not made.
    pub(crate) fn take_back(&self) {
        self.group.take_back();
    }

    /// Lends the permits of this ticket to another, for which its task is about to wait.
    pub(crate) fn lend_to(&self, other: &Self) -> Loan<T> {
        let is_near = Arc::ptr_eq(&self.group.tree, &other.group.tree);
        if !is_near || !other.group.is_within(&self.group) {
            return Loan::No;
        }
        let mut inside = self.group.tree.lock();
        let has_left = |ticket: &Self| ticket.has_left.load(Ordering::Relaxed);
        let (Some(own), Some(key)) = (self.key(), other.key()) else {
            return Loan::No;
        };
        if has_left(self) || has_left(other) || inside.ticket(own).is != Is::Holding {
            return Loan::No;
        }
        let state = inside.ticket(key);
        let Is::Waiting(place) = state.is else {
            return Loan::No;
        };
        if state.lender.is_some() {
            return Loan::No;
        }
        state.lender = Some(own);
        inside.set_stands(own, false);
        let lender = inside.ticket(own);
        lender.is = Is::Lending;
        lender.borrower = Some(key);
        self.may_lend.store(false, Ordering::Relaxed);
        let node = other.group.node;
        let task = inside.node(node).waiting.take(place);
        if inside.can_begin(key) {
            inside.take_permits(key);
            return Loan::Begins(task);
        }
        let place = inside.node(node).waiting.push_borrower(key, task);
        inside.ticket(key).is = Is::Waiting(place);
        inside.add_turn(node);
        Loan::Waits
    }

    /// Returns `true` if the permits of this ticket are not lent. If they are, the waker is called
    /// when they are back. Only for the thread that runs the ticket's task.
    pub(crate) fn has_permits(&self, waker: &Waker) -> bool {
        if self.may_lend.load(Ordering::Relaxed) {
            return true;
        }
        // Wakers are cloned and dropped outside the lock.
        let waker = waker.clone();
        let mut inside = self.group.tree.lock();
        let state = inside.ticket(self.own_key());
        let old = match state.is {
            Is::Lending => state.waker.replace(waker),
            _ => {
                self.may_lend.store(true, Ordering::Relaxed);
                state.waker.take()
            }
        };
        drop(inside);
        drop(old);
        self.may_lend.load(Ordering::Relaxed)
    }
}
