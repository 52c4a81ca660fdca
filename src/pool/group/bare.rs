//! Bare tasks: those of a group that nobody has a handle of, and that have nothing from a view but
//! the group. They have no tickets; one that lends its permits, or waits with them, gets one then.
//!
//! A bare task waits in the group's queue like all others. When it has its permits it is *ready*:
//! it lies in its group, and a *call* of it lies in the queues of the pool, which takes the task
//! that has been ready for longest when it runs. There are as many calls as tasks that are ready,
//! or more if some were cancelled. Each call has permits. When it has run its task, or has found
//! none, it gives them back, or goes on with the next task itself.
//!
//! # The inbox
//! A bare task that is put while no permit is free has to wait, and the threads that put tasks and
//! those that run them would fight for the lock of the tree. So it is put into the *inbox* if that
//! is open, which has a lock of its own. The inbox is open only while there is but one group in the
//! tree, none of whose permits is free. Each thread that locks the tree closes it, and moves the
//! tasks in it to the group's queue; except a call that goes on, which leaves it open, and looks
//! into it if no other task of normal priority waits. A call that does not go on closes it, too,
//! before it gives its permits back.
//!
//! *Nothing in the inbox could begin:* while it is open no permit is free. *Nothing in it is
//! forgotten:* those who have the permits come, lock the tree, and close it or go on with a task in
//! it. *Order:* the tasks in the inbox have come after all that wait in the queue, since each
//! arrival in the queue has locked the tree, and so emptied the inbox before.

use std::sync::Arc;

use super::Group;
use super::answers::{Arrived, Begins, Next, Standing};
use super::counts::BareCounts;
use super::ticket::Ticket;
use super::tree::{Inside, Is, State};
use crate::error::CancelReason;
use crate::pool::priority::Priority;
use crate::primitive::Ordering;
use crate::task::End;

/// A share of a group, which keeps it.
type Share<T, R> = Arc<Group<T, R>>;

impl<T, R> Group<T, R> {
    /// Counts a bare task as unfinished. Returns `false` if a group of the path is closed to the
    /// thread, for which `is_inside` says whether it runs a task of that group.
    #[must_use = "`false`: the task must not be placed"]
    pub(crate) fn accept_bare(&self, is_inside: impl Fn(&Self) -> bool) -> bool {
        self.begin_to_count(is_inside)
    }

    /// A bare task has been accepted and made. It is of normal priority.
    pub(crate) fn put(self: &Arc<Self>, task: T) -> Arrived<Arc<Self>> {
        let Some(task) = self.tree.put_into_inbox(task) else {
            return Arrived::Waits;
        };
        let mut inside = self.tree.lock();
        let node = self.node;
        inside.count(node, |counts| counts.accepted += 1);
        if inside.node(node).waiting.is_empty() && inside.can_begin_bare(node) {
            inside.take_bare_permits(node);
            inside.node(node).bare.ready.push_back(task);
            drop(inside);
            return Arrived::Begins(Arc::clone(self));
        }
        let own = inside.node(node);
        own.waiting.push(Priority::Normal, None, task);
        own.bare.waits(self);
        inside.add_turn(node);
        let standing = inside.all_stand(node).map(Standing);
        self.tree.open_inbox(&mut inside);
        standing.map_or(Arrived::Waits, Arrived::AllStand)
    }

    /// Returns the task that a call is to run, and counts it as one that begins. If there is none
    /// it was cancelled.
    pub(crate) fn call(&self) -> Option<T> {
        let mut inside = self.tree.lock_beside_inbox();
        let task = inside.node(self.node).bare.ready.pop_front()?;
        inside.count(self.node, |counts| counts.started += 1);
        Some(task)
    }

    /// Takes the task that a call was to run.
    pub(crate) fn take_ready(&self) -> Option<T> {
        let mut inside = self.tree.lock_beside_inbox();
        inside.node(self.node).bare.ready.pop_front()
    }

    /// A call has run its task, which has got no ticket, and which has ended in that way. The call
    /// goes on with the next task if `goes_on`, and if that is bare. The caller counts the task as
    /// [finished](Self::finish_bare) then.
    pub(crate) fn next(&self, end: End, goes_on: bool) -> Next<T, Self> {
        let mut inside = self.tree.lock_beside_inbox();
        inside.count(self.node, |counts| match end {
            End::Panicked => counts.panicked += 1,
            End::Returned | End::Cancelled { .. } => counts.finished += 1,
        });
        let mut next = None;
        if goes_on {
            self.tree.look_into_inbox(&mut inside, self.node);
            next = inside.next_bare(self.node);
        }
        let (next, kept) = match next {
            Some((task, kept)) => {
                inside.count(self.node, |counts| counts.started += 1);
                (Next::Runs(task), kept)
            }
            None => {
                self.tree.close_inbox(&mut inside);
                (Next::Begins(inside.give_back_bare(self.node)), None)
            }
        };
        drop(inside);
        drop(kept);
        next
    }

    /// A call that has found no task gives its permits back.
    pub(crate) fn give_back(&self) -> Begins<T, Self> {
        self.tree.lock().give_back_bare(self.node)
    }

    /// Returns a ticket for the bare task that this thread runs. It has the permits from now on.
    pub(crate) fn ticket(self: &Arc<Self>) -> Ticket<T, R> {
        let ticket = Ticket::new(Arc::clone(self));
        let mut state = State::new(self.node, None);
        state.is = Is::Holding;
        let key = self.tree.lock().tickets.insert(state);
        ticket.key.store(key, Ordering::Relaxed);
        ticket
    }

    /// Counts a bare task as finished, whose end is [counted](Self::next), or that was accepted and
    /// not made.
    pub(crate) fn finish_bare(&self) {
        self.path().for_each(Self::finish_one);
    }

    /// Counts a bare task as finished that was cancelled before it began.
    pub(crate) fn cancel_bare(&self, reason: CancelReason) {
        self.finish(Some(End::unbegun(reason)));
    }
}

impl<T, R> Inside<T, R, Group<T, R>> {
    /// Changes the counts of a group, and of those around it.
    fn count(&mut self, node: usize, change: impl Fn(&mut BareCounts)) {
        self.each_from(node, None, |node| {
            change(&mut node.bare.counts);
            true
        });
    }

    /// Returns the counts of the bare tasks of a group.
    pub(super) fn bare_counts(&mut self, node: usize) -> BareCounts {
        self.node(node).bare.counts
    }

    /// Takes the permits of a call back, and begins what can begin.
    fn give_back_bare(&mut self, node: usize) -> Begins<T, Group<T, R>> {
        if self.hands_over(node) {
            let (first, others) = (self.hand_over(node), Vec::new());
            return Begins { first, others };
        }
        self.give_bare_permits_back(node);
        self.begin_all()
    }

    /// Returns the task with which a call of the group goes on: the one that has been ready for
    /// longest, if the next of the group can take its place. Returns what is to be dropped without
    /// the lock, too.
    fn next_bare(&mut self, node: usize) -> Option<(T, Option<Share<T, R>>)> {
        if !self.hands_over(node) {
            return None;
        }
        let node = self.node(node);
        let (None, place) = node.waiting.peek()? else {
            return None;
        };
        let last = node.waiting.take_next(place);
        let kept = node.bare.has_waited();
        let first = match node.bare.ready.is_empty() {
            true => last,
            false => {
                node.bare.ready.push_back(last);
                node.bare.ready.pop_front()?
            }
        };
        Some((first, kept))
    }
}
