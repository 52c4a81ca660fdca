//! Groups: at most a certain number of the tasks of a group run, and the others wait as data.
//!
//! # Words
//! A group has *permits*, as many as it is limited to. A group may be *within* another. The *path*
//! of a task is its group and all groups around that; to begin, the task needs a permit of each.
//! A task has a [`Ticket`]: it is *outside*, or *waits* with its task in the
//! group's queue, or *holds* its permits, or *lends* them. A task that waits for another of its
//! group, or of a group within, lends its permits to it: the *lender* goes on only when they are
//! back. The *borrower* takes only those permits for itself that its lender has not got.
//!
//! All groups within one that is not itself within another are a *tree*, with one lock. So a task
//! takes all its permits at once, or none.
//!
//! # Invariants
//! All hold whenever the lock is free.
//! 1. The permits of a group that are not free are as many as the tickets that hold or lend them
//!    and have not borrowed them. A ticket that lends has one borrower, which has one lender.
//! 2. A task is in a queue if and only if its ticket waits.
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
//! *At most that many run:* a task runs only while its ticket holds permits, and by invariant 1
//! there are not more. A lender does not run. *Nothing waits that could begin:* by invariant 3.
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

mod counts;
#[cfg(all(test, workmill_loom))]
mod model;
pub(crate) mod pending;
mod tree;
mod waiting;

// The standard library's under the model, too: it is set before the group is shared.
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use self::counts::GroupMeter;
use self::tree::{Is, Node, State, Tree};
use super::priority::Priority;
use crate::fork::Stamp;
use crate::metrics::GroupMetrics;
use crate::primitive::{AtomicBool, AtomicUsize, Ordering, Padded};
use crate::sync::wait_queue::WaitQueue;
use crate::task::End;

/// The bit of the count of unfinished tasks that refuses outsiders.
const CLOSED: usize = 1;
/// One unfinished task.
const ONE: usize = 2;

/// The key of a ticket that has not arrived.
const NO_KEY: usize = usize::MAX;

/// A group of tasks `T`, which are known by references `R`.
pub(crate) struct Group<T, R> {
    tree: Arc<Tree<T, R>>,
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

/// The right of a task to permits of its group.
pub(crate) struct Ticket<T, R> {
    group: Arc<Group<T, R>>,
    /// The key of its state in the tree, or [`NO_KEY`]. Written under the lock.
    key: AtomicUsize,
    /// Whether the ticket has left. Written under the lock.
    has_left: AtomicBool,
    /// Whether the task was counted as finished.
    has_finished: AtomicBool,
    /// Whether the ticket may lend its permits. Written by the thread that runs its task.
    may_lend: AtomicBool,
}

/// The things that a ticket leaves behind. The caller drops it, calls the waker and pushes the
/// tasks, without a lock.
#[must_use = "tasks that can begin have to be pushed"]
pub(crate) struct Left<T, R> {
    /// The ticket's own task, if it waited.
    pub(crate) own: Option<T>,
    /// The lender, to be woken.
    pub(crate) lender: Option<Waker>,
    /// The tasks that begin.
    pub(crate) begins: Begins<T>,
    /// The reference to the ticket's own task.
    pub(crate) task: Option<R>,
}

/// Tasks that begin: one, in most cases.
pub(crate) struct Begins<T> {
    first: Option<T>,
    others: Vec<T>,
}

impl<T> Begins<T> {
    pub(crate) fn for_each(self, mut each: impl FnMut(T)) {
        if let Some(first) = self.first {
            each(first);
        }
        if !self.others.is_empty() {
            self.others.into_iter().for_each(each);
        }
    }
}

/// A group all of whose permits stand, to be watched.
pub(crate) struct Standing(usize);

/// The answer to a ticket that has arrived.
#[must_use]
pub(crate) enum Arrived<T> {
    /// It has its permits: the caller pushes the task.
    Begins(T),
    /// The task waits.
    Waits,
    /// The task waits, and all permits of a group stand, which the caller watches.
    AllStand(Standing),
}

/// The answer to a ticket that is to lend its permits.
#[must_use]
pub(crate) enum Loan<T> {
    /// Nothing was lent.
    No,
    /// The permits are lent, and the task begins when the others that it needs are free.
    Waits,
    /// The permits are lent, and the task begins: the caller runs it, or pushes it.
    Begins(T),
}

/// The tasks that were taken out of the queues, and the lenders to wake.
pub(crate) struct Drained<T> {
    pub(crate) tasks: Vec<T>,
    pub(crate) lenders: Vec<Waker>,
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

    fn in_tree(tree: Arc<Tree<T, R>>, outer: Option<Arc<Self>>, limit: usize) -> Arc<Self> {
        let around = outer.as_ref().map(|outer| outer.node);
        let node = tree.lock().nodes.insert(Node::new(around, limit));
        Arc::new(Self {
            tree,
            node,
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

    /// Returns what the tasks of the group have done.
    pub(crate) fn metrics(&self) -> GroupMetrics {
        self.hot
            .counts
            .read(self.number().unwrap_or_default(), self.limit)
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

    /// Counts a task, and returns its ticket. `is_inside` says whether the thread runs a task of
    /// that group. Returns `None` if a group of the path is closed to the thread.
    pub(crate) fn accept(
        self: &Arc<Self>,
        is_inside: impl Fn(&Self) -> bool,
    ) -> Option<Ticket<T, R>> {
        for group in self.path() {
            // ORDERING: Relaxed. The exchanges on this word have one order, so a task that did not
            // see CLOSED is seen by those who look after it was set.
            let before = group.hot.unfinished.fetch_add(ONE, Ordering::Relaxed);
            if before & CLOSED != 0 && !is_inside(group) {
                // Taken back, here and in the groups within, which were counted before.
                let inner = self.path().take_while(|it| !std::ptr::eq(*it, group));
                inner.for_each(Self::finish_one);
                group.finish_one();
                return None;
            }
        }
        self.path().for_each(|group| group.hot.counts.accept());
        Some(Ticket {
            group: Arc::clone(self),
            key: AtomicUsize::new(NO_KEY),
            has_left: AtomicBool::new(false),
            has_finished: AtomicBool::new(false),
            may_lend: AtomicBool::new(true),
        })
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
    pub(crate) fn drain(&self) -> Drained<T> {
        let mut inside = self.tree.lock();
        let (mut tasks, mut lenders) = (Vec::new(), Vec::new());
        for node in inside.nodes_within(self.node) {
            for (ticket, task) in inside.node(node).waiting.take_all() {
                inside.ticket(ticket).is = Is::Outside;
                lenders.extend(inside.return_loan(ticket));
                tasks.push(task);
            }
        }
        Drained { tasks, lenders }
    }

    /// Takes the task of this very group that has waited longest out of its queue.
    pub(crate) fn take_oldest(&self) -> Option<T> {
        self.tree.lock().take_oldest(self.node)
    }

    /// Takes the task of this group, or else of a group within, that has waited longest there out
    /// of its queue.
    pub(crate) fn take_oldest_within(&self) -> Option<T> {
        let mut inside = self.tree.lock();
        let mut nodes = inside.nodes_within(self.node).into_iter();
        nodes.find_map(|node| inside.take_oldest(node))
    }

    /// Returns the results of `map` for the references to all unfinished tasks of this group and of
    /// those within that have arrived. Those that wait for permits come first: if they are
    /// cancelled in this order, none of them begins with the permits of another that was cancelled.
    pub(crate) fn tasks<M>(&self, map: impl Fn(&R) -> M) -> Vec<M> {
        let mut inside = self.tree.lock();
        let nodes = inside.nodes_within(self.node);
        let tickets = inside.tickets.values();
        let (waiting, others): (Vec<_>, Vec<_>) = tickets
            .filter(|ticket| nodes.contains(&ticket.node))
            .partition(|ticket| matches!(ticket.is, Is::Waiting(_)));
        let tickets = waiting.into_iter().chain(others);
        tickets.map(|it| map(&it.task)).collect()
    }
}

impl<T, R> Drop for Group<T, R> {
    fn drop(&mut self) {
        if self.process.is_here() {
            let mut inside = self.tree.lock();
            inside.turns.retain(|turn| *turn != self.node);
            let node = inside.nodes.take(self.node);
            drop(inside);
            debug_assert!(node.is_some_and(|node| node.waiting.is_empty()));
        }
    }
}

impl<T, R> Ticket<T, R> {
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
        let key = inside.tickets.insert(State::new(node, reference));
        self.key.store(key, Ordering::Relaxed);
        if inside.node(node).waiting.is_empty() && inside.can_begin(key) {
            inside.take_permits(key);
            return Arrived::Begins(task);
        }
        let place = inside.node(node).waiting.push(class, key, task);
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
    pub(crate) fn leave(&self) -> Left<T, R> {
        let mut left = Left {
            own: None,
            lender: None,
            begins: Begins {
                first: None,
                others: Vec::new(),
            },
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
        let (is, node) = (inside.ticket(key).is, self.group.node);
        if is == Is::Holding && inside.hands_over(key) {
            left.begins.first = inside.hand_over(node);
            let state = inside.tickets.take(key);
            drop(inside);
            left.task = state.map(|state| state.task);
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
        left.begins.first = inside.begin_next();
        if left.begins.first.is_some() {
            left.begins
                .others
                .extend(std::iter::from_fn(|| inside.begin_next()));
        }
        drop(inside);
        left.task = state.map(|state| state.task);
        left
    }

    /// Counts the task as finished, which has ended in that way, if that is known: its outcome is
    /// published.
    pub(crate) fn finish(&self, end: Option<End>) {
        // The threads of two calls have synchronized by a lock of their own.
        if !self.has_finished.swap(true, Ordering::Relaxed) {
            for group in self.group.path() {
                end.into_iter().for_each(|end| group.hot.counts.end(end));
                group.finish_one();
            }
        }
    }

    /// Counts the task as one that begins.
    pub(crate) fn begins(&self) {
        self.group.path().for_each(|group| group.hot.counts.start());
    }

    /// Takes back that the task was accepted: it was not made.
    pub(crate) fn take_back(&self) {
        self.group
            .path()
            .for_each(|group| group.hot.counts.take_back());
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
