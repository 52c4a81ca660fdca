//! Groups: at most a certain number of the tasks of a group run, and the others wait as data.
//!
//! # Words
//! A group has *permits*, as many as it is limited to. A group may be *within* another. The *path*
//! of a task is its group and all groups around that; to begin, the task needs a permit of each.
//! A task has a [ticket]: it is *outside*, or *waits* with its task in the group's queue, or
//! *holds* its permits, or *lends* them. A task that waits for another of its group, or of a
//! group within, lends its permits to it: the *lender* goes on only when they are back. The
//! *borrower* takes only those permits for itself that its lender has not got. A [*bare*](bare)
//! task has no ticket: it waits in the same queue, and its permits are held by its *call*.
//!
//! All groups within one that is not itself within another are a *tree*, with one lock. So a task
//! takes all its permits at once, or none.
//!
//! # Invariants
//! All hold whenever the lock is free.
//! 1. The permits of a group that are not free are as many as the tickets that hold or lend them
//!    and have not borrowed them, and the calls. A ticket that lends has one borrower, which has
//!    one lender.
//! 2. A task with a ticket is in a queue if and only if the ticket waits. A bare task is in a
//!    queue, or in the inbox, until it is ready.
//! 3. No task could begin that borrows, or is the next of its queue: one of its permits is not
//!    free. So each change that makes a permit free begins what can begin.
//! 4. A ticket leaves once, and its permits are free, or back with the lender, or the borrower's.
//!
//! # Protocol
//! - *Arrive:* if nothing waits in the group's queue, and all permits are free, take them, and the
//!   caller pushes the task; else join the queue.
//! - *Leave*, when the task has ended, or was cancelled before it began: if it waits, take the task
//!   out of the queue; if it holds permits, give them back: to the lender those that are borrowed,
//!   and the lender is woken. If it lends them, which it does if it is dropped meanwhile, they are
//!   the borrower's, if that has begun, and free if it has not. Then begin what can begin; the
//!   caller pushes that. If the group is not within another, and no other group of the tree has
//!   tasks that wait, and nothing is borrowed, that is the next task of the group, and the permit
//!   is handed to it, without having been free.
//! - *Lend*, before the lender waits: if the lender holds permits, and the other ticket waits, is
//!   of the lender's group or of one within, and has no lender, the lender's permits are lent to
//!   it. If the others are free it takes them, and the caller runs its task or pushes it; if not,
//!   it waits before all others of its queue.
//! - *Drain*, when the pool cancels what has not begun: take all tasks out of the queues.
//!
//! # Why it is correct
//! *At most that many run:* a task runs only while its ticket or its call holds permits, and by
//! invariant 1 there are not more. A lender does not run. *Nothing waits that could begin:* by
//! invariant 3.
//! *No task waits for a permit that a task holds which waits for another permit:* a task takes all
//! at once, and a lender has given its own away. In any other wait a task keeps its permits, and
//! may wait for a task that needs them: then the tasks of the group wait for each other as on that
//! many threads.
//!
//! # Fairness
//! The groups of a tree in whose queues tasks wait have their turn one after the other, each with
//! one task. So a group that is flooded delays a task of another by one task for each group. To
//! find whose turn it is takes a look at each group of the tree in which tasks wait.
//!
//! # Idle, and closed
//! Each group counts its unfinished tasks and those of the groups within, in one word with the bit
//! CLOSED. An outsider counts its task, and takes that back if it finds CLOSED in the word that it
//! has changed; so after CLOSED only tasks of the group add to the count, and once it is nothing it
//! stays so. The thread that makes it nothing notifies the wait queue (`sync/wait_queue.rs`).
//!
//! # Why not otherwise
//! With a lock for each group a task would take a permit of the inner group and then wait for one
//! of the outer, held by a task that waits for the first. A semaphore that each task takes when it
//! begins would hold threads, and one that futures await would need a future for each task.

mod answers;
mod bare;
mod counts;
#[cfg(all(test, workmill_loom))]
mod model;
pub(crate) mod pending;
mod ready;
pub(crate) mod ticket;
mod tree;
mod waiting;

// The standard library's under the model, too: it is set before the group is shared.
use std::sync::{Arc, OnceLock, Weak};

pub(crate) use self::answers::{
    Arrived, Begin, Drained, Left, Loan, Next, Standing, Stopped, Taken,
};
use self::counts::{BareCounts, GroupMeter};
use self::ready::BareTasks;
use self::tree::{Is, Node, State, Tree};
use crate::fork::Stamp;
use crate::metrics::GroupMetrics;
use crate::primitive::{AtomicUsize, Ordering, Padded};
use crate::sync::wait_queue::WaitQueue;
use crate::task::End;

/// The bit of the count of unfinished tasks that refuses outsiders.
const CLOSED: usize = 1;
/// One unfinished task.
const ONE: usize = 2;

/// A group of tasks `T`, which are known by references `R`.
pub(crate) struct Group<T, R> {
    tree: Arc<Tree<T, R, Self>>,
    node: usize,
    outer: Option<Arc<Self>>,
    limit: usize,
    /// The number by which its pool's reports call it.
    number: OnceLock<usize>,
    hot: Padded<Hot>,
    pub(crate) idle: WaitQueue,
    /// The process in which the group was made.
    process: Stamp,
}

/// The words of a group that each task changes, on one cache line.
#[repr(C)]
struct Hot {
    /// The number of unfinished tasks, and CLOSED.
    unfinished: AtomicUsize,
    /// The counts of its tasks, those of the groups within included.
    counts: GroupMeter,
}

impl<T, R> Group<T, R> {
    /// Creates a group that is not within another.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Self::in_tree(Arc::new(Tree::new()), None, limit)
    }

    /// Creates a group within this one.
    pub(crate) fn within(self: &Arc<Self>, limit: usize) -> Arc<Self> {
        Self::in_tree(Arc::clone(&self.tree), Some(Arc::clone(self)), limit)
    }

    fn in_tree(tree: Arc<Tree<T, R, Self>>, outer: Option<Arc<Self>>, limit: usize) -> Arc<Self> {
        let around = outer.as_ref().map(|outer| outer.node);
        let new = |group: &Weak<Self>| Node::new(BareTasks::new(group), around, limit);
        Arc::new_cyclic(|group| Self {
            node: tree.lock().add(new(group)),
            tree: Arc::clone(&tree),
            outer,
            limit,
            number: OnceLock::new(),
            hot: Padded(Hot {
                unfinished: AtomicUsize::new(0),
                counts: GroupMeter::default(),
            }),
            idle: WaitQueue::new(),
            process: Stamp::now(),
        })
    }

    /// Returns the number by which its pool's reports call it.
    pub(crate) fn number(&self) -> Option<usize> {
        self.number.get().copied()
    }

    /// Returns the number of its tasks that may run at a time.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns what the tasks of the group have done. In a child process those without tickets are
    /// left out if another thread had the lock when this one forked.
    pub(crate) fn metrics(&self) -> GroupMetrics {
        let inside = || match self.process.is_here() {
            true => Some(self.tree.lock()),
            false => self.tree.lock_if_free(),
        };
        let bare = || inside().map_or_else(BareCounts::default, |mut it| it.bare_counts(self.node));
        let number = self.number().unwrap_or_default();
        self.hot.counts.read(bare, number, self.limit)
    }

    /// Returns the group, and those around it.
    pub(crate) fn path(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |group| group.outer.as_deref())
    }

    /// Returns the one of the path that stands.
    pub(crate) fn standing(self: &Arc<Self>, standing: &Standing) -> Option<&Arc<Self>> {
        let mut path = std::iter::successors(Some(self), |group| group.outer.as_ref());
        path.find(|group| group.node == standing.0)
    }

    /// Returns how often all permits of this group stood, and one of them no longer, if all stand
    /// now and tasks of the group wait; else nobody watches it any more.
    pub(crate) fn go_on_watching(&self) -> Option<usize> {
        self.tree.lock().go_on_watching(self.node)
    }

    /// Returns `true` if this group is `other` or is within it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        self.path().any(|group| std::ptr::eq(group, other))
    }

    /// Counts a task as unfinished. Returns `false` if a group of the path is closed to the thread,
    /// for which `is_inside` says whether it runs a task of that group.
    fn begin_to_count(&self, is_inside: impl Fn(&Self) -> bool) -> bool {
        for group in self.path() {
            // ORDERING: Relaxed. The exchanges on this word have one order, so a task that did not
            // see CLOSED is seen by those who look after it was set.
            let before = group.hot.unfinished.fetch_add(ONE, Ordering::Relaxed);
            if before & CLOSED != 0 && !is_inside(group) {
                // Taken back, here and in the groups within, which were counted before.
                let inner = self.path().take_while(|it| !std::ptr::eq(*it, group));
                inner.for_each(Self::finish_one);
                group.finish_one();
                return false;
            }
        }
        true
    }

    /// Takes back that a task was accepted: it was not made.
    fn take_back(&self) {
        self.path().for_each(|group| group.hot.counts.take_back());
    }

    /// Counts a task as one that begins.
    fn begins(&self) {
        self.path().for_each(|group| group.hot.counts.start());
    }

    /// Counts a task as finished, which has ended in that way, if that is known.
    fn finish(&self, end: Option<End>) {
        for group in self.path() {
            end.into_iter().for_each(|end| group.hot.counts.end(end));
            group.finish_one();
        }
    }

    fn finish_one(&self) {
        // ORDERING: Release gives what the task did to those who find the group idle; Acquire
        // makes the last of several finishers pass on what the others gave.
        let before = self.hot.unfinished.fetch_sub(ONE, Ordering::AcqRel);
        debug_assert!(before >= ONE, "a task is finished once");
        if before < 2 * ONE {
            self.idle.notify_all();
        }
    }

    /// Returns the number of unfinished tasks.
    pub(crate) fn unfinished(&self) -> usize {
        // ORDERING: Acquire takes what `finish_one` released.
        self.hot.unfinished.load(Ordering::Acquire) / ONE
    }

    /// Refuses outsiders from now on. Returns `true` if this is the first call.
    pub(crate) fn close(&self) -> bool {
        self.hot.unfinished.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.hot.unfinished.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Takes the tasks of this group, and of those within, out of the queues.
    pub(crate) fn drain(&self) -> Drained<T, Self> {
        let mut inside = self.tree.lock();
        let (mut tasks, mut lenders) = (Vec::new(), Vec::new());
        for node in inside.nodes_within(self.node) {
            for (ticket, task) in inside.node(node).waiting.take_all() {
                if let Some(ticket) = ticket {
                    inside.ticket(ticket).is = Is::Outside;
                    lenders.extend(inside.return_loan(ticket));
                }
                tasks.push(inside.node(node).taken(ticket, task));
            }
        }
        Drained { tasks, lenders }
    }

    /// Takes the task of this very group that has waited longest out of its queue.
    pub(crate) fn take_oldest(&self) -> Option<Taken<T, Self>> {
        self.tree.lock().take_oldest(self.node)
    }

    /// Takes the task of this group, or else of a group within, that has waited longest there out
    /// of its queue.
    pub(crate) fn take_oldest_within(&self) -> Option<Taken<T, Self>> {
        let mut inside = self.tree.lock();
        let mut nodes = inside.nodes_within(self.node).into_iter();
        nodes.find_map(|node| inside.take_oldest(node))
    }

    /// Takes the bare tasks that have not begun, of this group and of those within, and returns
    /// them, and the results of `map` for the references to the other tasks that are unfinished and
    /// have arrived.
    pub(crate) fn stop<M>(&self, map: impl Fn(&R) -> M) -> Stopped<T, M, Self> {
        let mut inside = self.tree.lock();
        let nodes = inside.nodes_within(self.node);
        let tickets = inside.tickets.values();
        let (waiting, others): (Vec<_>, Vec<_>) = tickets
            .filter(|ticket| nodes.contains(&ticket.node))
            .partition(|ticket| matches!(ticket.is, Is::Waiting(_)));
        let tasks = |tickets: Vec<&State<R>>| {
            let tasks = tickets.into_iter().filter_map(|it| it.task.as_ref());
            tasks.map(&map).collect()
        };
        let mut stopped = Stopped {
            waiting: tasks(waiting),
            others: tasks(others),
            bare: Vec::new(),
            ready: Vec::new(),
        };
        for node in nodes {
            let node = inside.node(node);
            for task in node.waiting.take_bare() {
                stopped.bare.push(node.taken(None, task));
            }
            stopped.ready.extend(node.bare.take_ready());
        }
        stopped
    }
}

impl<T, R> Drop for Group<T, R> {
    fn drop(&mut self) {
        if !self.process.is_here() {
            // The tasks in the inbox belong to the parent, and are not dropped in a child process.
            std::mem::forget(Arc::clone(&self.tree));
            return;
        }
        let mut inside = self.tree.lock();
        inside.turns.retain(|turn| *turn != self.node);
        let node = inside.nodes.take(self.node);
        drop(inside);
        debug_assert!(node.is_some_and(|it| it.waiting.is_empty() && it.bare.is_empty()));
    }
}
