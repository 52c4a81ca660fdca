//! The groups of a tree, and their tickets, under one lock.

use std::collections::VecDeque;
use std::mem;
use std::task::Waker;

use super::answers::{Begin, Begins, Taken};
use super::ready::BareTasks;
use super::waiting::{KEPT, Place, Waiting};
use crate::pool::priority::Priority;
use crate::pool::registry::Registry;
use crate::primitive::{Mutex, MutexGuard, lock};

pub(super) struct Tree<T, R, G> {
    inside: Mutex<Inside<T, R, G>>,
    inbox: Mutex<Inbox<T>>,
}

/// Where bare tasks arrive while it is open. Locked after the tree, or alone.
struct Inbox<T> {
    is_open: bool,
    tasks: VecDeque<T>,
}

pub(super) struct Inside<T, R, G> {
    /// The only group that the tree ever had, if there was only one.
    only: Option<usize>,
    /// Whether the inbox is open.
    inbox_is_open: bool,
    /// The tasks that are being taken out of the inbox; empty in between.
    taken_in: VecDeque<T>,
    pub(super) nodes: Registry<Node<T, G>>,
    pub(super) tickets: Registry<State<R>>,
    /// The groups in whose queues tasks may wait, in the order of their turns.
    pub(super) turns: VecDeque<usize>,
}

pub(super) struct Node<T, G> {
    outer: Option<usize>,
    free: usize,
    limit: usize,
    pub(super) waiting: Waiting<T>,
    pub(super) bare: BareTasks<T, G>,
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
    /// A reference to the task, unless that was bare when it began.
    pub(super) task: Option<R>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Outside,
    Waiting(Place),
    Holding,
    Lending,
}

impl<T, R, G> Tree<T, R, G> {
    pub(super) fn new() -> Self {
        Self {
            inside: Mutex::new(Inside {
                only: None,
                inbox_is_open: false,
                taken_in: VecDeque::new(),
                nodes: Registry::new(),
                tickets: Registry::new(),
                turns: VecDeque::new(),
            }),
            inbox: Mutex::new(Inbox {
                is_open: false,
                tasks: VecDeque::new(),
            }),
        }
    }

    /// Locks the tree, and closes the inbox.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inside<T, R, G>> {
        let mut inside = self.lock_beside_inbox();
        self.close_inbox(&mut inside);
        inside
    }

    /// Locks the tree. Before a permit becomes free, the inbox has to be closed.
    pub(super) fn lock_beside_inbox(&self) -> MutexGuard<'_, Inside<T, R, G>> {
        lock(&self.inside)
    }

    /// Locks the tree if no thread has the lock, and leaves the inbox alone.
    pub(super) fn lock_if_free(&self) -> Option<MutexGuard<'_, Inside<T, R, G>>> {
        self.inside.try_lock().ok()
    }

    pub(super) fn close_inbox(&self, inside: &mut Inside<T, R, G>) {
        if inside.inbox_is_open {
            self.take_in(inside, false);
        }
    }

    /// Takes the tasks out of the inbox, if it is open and no others of their class wait.
    pub(super) fn look_into_inbox(&self, inside: &mut Inside<T, R, G>, node: usize) {
        if inside.inbox_is_open && inside.node(node).waiting.has_none_of(Priority::Normal) {
            self.take_in(inside, true);
        }
    }

    fn take_in(&self, inside: &mut Inside<T, R, G>, stays_open: bool) {
        let mut inbox = lock(&self.inbox);
        inbox.is_open = stays_open;
        mem::swap(&mut inbox.tasks, &mut inside.taken_in);
        drop(inbox);
        inside.inbox_is_open = stays_open;
        inside.queue_those_taken_in();
    }

    /// Opens the inbox, if the tree has one group only. A task of that waits, so none of its
    /// permits is free.
    pub(super) fn open_inbox(&self, inside: &mut Inside<T, R, G>) {
        if let Some(only) = inside.only {
            debug_assert_eq!(inside.node(only).free, 0, "by the third invariant");
            lock(&self.inbox).is_open = true;
            inside.inbox_is_open = true;
        }
    }

    /// Puts a bare task into the inbox, or returns it if that is not open.
    pub(super) fn put_into_inbox(&self, task: T) -> Option<T> {
        let mut inbox = lock(&self.inbox);
        if !inbox.is_open {
            return Some(task);
        }
        inbox.tasks.push_back(task);
        None
    }
}

impl<T, G> Node<T, G> {
    /// A group of which that many tasks may run.
    pub(super) fn new(bare: BareTasks<T, G>, outer: Option<usize>, limit: usize) -> Self {
        Self {
            bare,
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

    /// Returns a task that was taken out of the queue before it began.
    pub(super) fn taken(&mut self, ticket: Option<usize>, task: T) -> Taken<T, G> {
        let bare = match ticket {
            Some(_) => None,
            None => Some(self.bare.taken()),
        };
        Taken { task, bare }
    }
}

impl<R> State<R> {
    /// The state of a ticket that has neither permits nor a task that waits.
    pub(super) fn new(node: usize, task: Option<R>) -> Self {
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

impl<T, R, G> Inside<T, R, G> {
    /// Adds a group to the tree.
    pub(super) fn add(&mut self, node: Node<T, G>) -> usize {
        let is_only = node.outer.is_none();
        let node = self.nodes.insert(node);
        self.only = is_only.then_some(node);
        node
    }

    /// Puts the tasks that were taken out of the inbox into the queue of their group.
    fn queue_those_taken_in(&mut self) {
        let tasks = mem::take(&mut self.taken_in);
        let only = self.only.filter(|_| !tasks.is_empty());
        let Some(only) = only else {
            self.taken_in = tasks;
            return;
        };
        self.add_turn(only);
        let node = self.node(only);
        node.bare.take_in(tasks.len());
        let mut tasks = tasks;
        for task in tasks.drain(..) {
            node.waiting.push(Priority::Normal, None, task);
        }
        if tasks.capacity() <= KEPT {
            self.taken_in = tasks;
        }
    }

    pub(super) fn node(&mut self, node: usize) -> &mut Node<T, G> {
        let node = self.nodes.get_mut(node);
        node.expect("a group is in its tree until it is dropped")
    }

    pub(super) fn ticket(&mut self, key: usize) -> &mut State<R> {
        let state = self.tickets.get_mut(key);
        state.expect("a ticket is in the tree until it leaves")
    }

    /// Calls `each` with the groups of whose permits a ticket has, or needs, its own: those of its
    /// path that its lender has not got. Ends when `each` returns `false`, and returns that.
    fn each_own(&mut self, key: usize, each: impl FnMut(&mut Node<T, G>) -> bool) -> bool {
        let State { node, lender, .. } = *self.ticket(key);
        let lender = lender.map(|lender| self.ticket(lender).node);
        self.each_from(node, lender, each)
    }

    /// Calls `each` with a group and those around it, up to that of the lender, which is left out.
    /// Ends when `each` returns `false`, and returns that.
    pub(super) fn each_from(
        &mut self,
        node: usize,
        lender: Option<usize>,
        mut each: impl FnMut(&mut Node<T, G>) -> bool,
    ) -> bool {
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

    /// Returns `true` if all permits are free that a bare task of a group needs.
    pub(super) fn can_begin_bare(&mut self, node: usize) -> bool {
        self.each_from(node, None, |node| node.free > 0)
    }

    pub(super) fn take_bare_permits(&mut self, node: usize) {
        self.each_from(node, None, |node| {
            node.free -= 1;
            true
        });
    }

    pub(super) fn give_bare_permits_back(&mut self, node: usize) {
        self.each_from(node, None, |node| {
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
            if node.standing == node.limit && !mem::replace(&mut node.is_watched, true) {
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
        if !mem::replace(&mut self.node(node).has_turn, true) {
            self.turns.push_back(node);
        }
    }

    /// Returns `true` if a permit of a group can go to the next task of that, or to nobody: no
    /// other group of the tree has tasks that wait for it, and nothing is borrowed.
    pub(super) fn hands_over(&mut self, node: usize) -> bool {
        let is_own_turn = match self.turns.front() {
            None => true,
            Some(&turn) => turn == node && self.turns.len() == 1,
        };
        let node = self.node(node);
        is_own_turn && node.outer.is_none() && !node.waiting.has_borrowers()
    }

    /// Hands a permit of a group to its next task, which begins, or back if none waits.
    pub(super) fn hand_over(&mut self, node: usize) -> Option<Begin<T, G>> {
        let next = self.node(node);
        let Some((ticket, place)) = next.waiting.peek() else {
            next.free += 1;
            return None;
        };
        if let Some(ticket) = ticket {
            self.ticket(ticket).is = Is::Holding;
        }
        Some(self.take_next(node, ticket, place))
    }

    /// Takes the next task of a group, which has its permits, out of its queue.
    fn take_next(&mut self, node: usize, ticket: Option<usize>, place: Place) -> Begin<T, G> {
        let node = self.node(node);
        let task = node.waiting.take_next(place);
        match ticket {
            Some(_) => Begin::Task(task),
            None => Begin::Call(node.bare.begin(task)),
        }
    }

    /// Begins all that can begin.
    pub(super) fn begin_all(&mut self) -> Begins<T, G> {
        let first = self.begin_next();
        let others = match first {
            Some(_) => std::iter::from_fn(|| self.begin_next()).collect(),
            None => Vec::new(),
        };
        Begins { first, others }
    }

    /// Returns a task that can begin, and has its permits by then.
    fn begin_next(&mut self) -> Option<Begin<T, G>> {
        for _ in 0..self.turns.len() {
            let turn = self.turns.pop_front()?;
            if self.node(turn).waiting.is_empty() {
                self.node(turn).has_turn = false;
                continue;
            }
            self.turns.push_back(turn);
            if let Some((ticket, place)) = self.next_of(turn) {
                match ticket {
                    Some(ticket) => self.take_permits(ticket),
                    None => self.take_bare_permits(turn),
                }
                return Some(self.take_next(turn, ticket, place));
            }
        }
        None
    }

    /// Returns the place of the task of a group that can begin, if the next one can or a borrower,
    /// and its ticket, if it has one.
    fn next_of(&mut self, node: usize) -> Option<(Option<usize>, Place)> {
        let Node { free, waiting, .. } = self.node(node);
        let (free, next) = (*free, waiting.peek());
        if waiting.has_borrowers() {
            // They need fewer permits than the others, and two of one group may not need the same.
            let borrowers = waiting
                .borrowers()
                .map(|(ticket, place)| (Some(ticket), place));
            let borrowers: Vec<_> = borrowers.collect();
            let mut all = borrowers.into_iter().chain(next);
            return all.find(|&(ticket, _)| self.can_begin_as(node, ticket));
        }
        // The look at all groups around this one can be spared.
        next.filter(|&(ticket, _)| free > 0 && self.can_begin_as(node, ticket))
    }

    fn can_begin_as(&mut self, node: usize, ticket: Option<usize>) -> bool {
        match ticket {
            Some(ticket) => self.can_begin(ticket),
            None => self.can_begin_bare(node),
        }
    }

    /// Takes the task of a group that has waited longest out of its queue, unless it borrows.
    pub(super) fn take_oldest(&mut self, node: usize) -> Option<Taken<T, G>> {
        let (ticket, place) = self.node(node).waiting.oldest()?;
        if let Some(ticket) = ticket {
            let ticket = self.ticket(ticket);
            if ticket.lender.is_some() {
                return None;
            }
            ticket.is = Is::Outside;
        }
        let node = self.node(node);
        let task = node.waiting.take(place);
        Some(node.taken(ticket, task))
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
