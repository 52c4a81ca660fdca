//! The queue of a pool's work: where tasks are pushed, and in which order they are found.
//!
//! Each slot has a [`LocalQueue`]: its holder pushes there and takes from there, and other threads
//! [steal] half of it. All other threads push to one [injector], from which the holders take in
//! batches when their local queues are empty, and one task now and then while those are not. Tasks
//! of high and of low priority are in queues of their own ([classes]). A holder that sees the flag
//! that one of high priority waits takes that before its next task (`pool/slots.rs`). The
//! [tally] knows whether all tasks are done. Like Python's `queue.Queue` with its `task_done` and
//! `join`, split up so that the threads of a pool share as little as possible.
//!
//! A slot also has a *stack*, of tasks of scopes whose owners run on the holder: these take the
//! newest of their own from there when they wait (`pool/local/stacked.rs`). Other threads steal the
//! oldest. So does the holder, of what its predecessor has left, before it looks elsewhere.
//!
//! [Halves](halves) of running tasks are no tasks, and have places of their own.
//!
//! # Protocol
//! Accept, then push; find, end, then `task_done`: each once for each task. An acceptance that is
//! refused pushes nothing.

mod books;
mod classes;
mod deque;
pub(super) mod halves;
mod injector;
pub(super) mod local;
#[cfg(all(test, workmill_loom))]
mod model;
pub(super) mod stack;
mod steal;
pub(super) mod tally;
#[cfg(all(test, not(workmill_loom)))]
mod tests;

use self::classes::Classes;
use self::deque::insist;
use self::halves::Halves;
use self::injector::{BATCH, Injector};
use self::local::LocalQueue;
use self::steal::Stealers;
use self::tally::Tally;
use super::priority::Priority;
use crate::primitive::Padded;

pub(super) struct TaskQueue<T> {
    injector: Injector<T>,
    classes: Classes<T>,
    /// The tasks that have begun, of those that were pushed without a slot, or while a slot was
    /// lent: futures that were woken. A thread with a lent slot may run these.
    begun: Padded<deque::Injector<T>>,
    stealers: Stealers<T>,
    /// The halves of running tasks, of which any thread with a slot may run one, as it may run what
    /// has begun.
    pub(super) halves: Halves,
    pub(super) tally: Tally,
}

impl<T> TaskQueue<T> {
    /// Makes the queue for the given number of slots, and returns the slots' local queues with it.
    pub(super) fn new(slots: usize) -> (Self, Vec<LocalQueue<T>>) {
        let queues: Vec<_> = (0..slots).map(LocalQueue::new).collect();
        let queue = Self {
            injector: Injector::new(),
            classes: Classes::new(),
            begun: Padded(deque::Injector::new()),
            stealers: Stealers::new(&queues),
            halves: Halves::new(slots),
            tally: Tally::new(slots),
        };
        (queue, queues)
    }

    /// Pushes a task that was accepted.
    #[inline(always)]
    pub(super) fn push(&self, task: T, own: Option<&LocalQueue<T>>) {
        match own {
            Some(own) => own.push(task),
            None => self.injector.push(task),
        }
    }

    /// Pushes a task of a scope to the stack of the slot that this thread holds.
    #[inline]
    pub(super) fn push_stacked(&self, task: T, own: &LocalQueue<T>) {
        self.stealers.use_stacks();
        own.stack().push(task);
    }

    /// Pushes a task of high or low priority.
    pub(super) fn push_class(&self, task: T, class: Priority) {
        self.classes.push(task, class);
    }

    /// Pushes a task of a group with a bound, which has not begun.
    pub(super) fn push_grouped(&self, task: T) {
        self.classes.push_grouped(task);
    }

    /// Takes a task of a group with a bound.
    pub(super) fn find_grouped(&self) -> Option<T> {
        self.classes.take_grouped()
    }

    /// Returns `true` if a task of a group with a bound may be found.
    pub(super) fn has_grouped(&self) -> bool {
        self.classes.has_grouped()
    }

    /// Takes a task of high priority, unless it is the turn of others.
    pub(super) fn find_high(&self, own: &LocalQueue<T>) -> Option<T> {
        match own.is_turn_of_high() {
            true => self.classes.take_high(),
            false => None,
        }
    }

    /// Returns `true` if a task of high priority may be found.
    pub(super) fn has_high(&self) -> bool {
        self.classes.has_high()
    }

    /// Pushes a task that has begun: a future that was woken, or gave way.
    #[inline(always)]
    pub(super) fn push_begun(&self, task: T, own: Option<&LocalQueue<T>>) {
        match own {
            Some(own) => {
                own.push(task);
                own.note_begun();
            }
            None => self.begun.push(task),
        }
    }

    /// Moves the tasks that have begun out of a local queue whose slot is about to be lent. All of
    /// them are in no queue for a moment.
    pub(super) fn part_begun(&self, own: &LocalQueue<T>, has_begun: impl Fn(&T) -> bool) {
        own.part_begun(has_begun, |task| self.begun.push(task));
    }

    /// Takes a task that a thread with a lent slot may run.
    pub(super) fn find_begun(&self) -> Option<T> {
        insist(|| self.begun.steal())
    }

    /// Returns `true` if there is something that a thread with a lent slot may run.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty() || self.halves.has_any(self.tally.used_slots())
    }

    /// Returns `true` if a task that has not begun may be found.
    pub(super) fn has_unbegun(&self) -> bool {
        !self.injector.is_empty()
            || !self.classes.is_empty()
            || !self.stealers.are_empty(self.tally.used_slots())
    }

    /// Accepts a task from a thread that runs a task of the pool, closed or not.
    #[inline]
    pub(super) fn accept_inside(&self, own: Option<&LocalQueue<T>>) {
        match own {
            Some(own) => self.tally.accept_inside(own.index()),
            None => self.tally.accept_without_slot(),
        }
    }

    /// Takes the next task after [`LocalQueue::pop`] found none: because it is the injector's turn,
    /// or because there is none but on the stack, or none at all.
    pub(super) fn find_near(&self, own: &LocalQueue<T>) -> Option<T> {
        if let Some(low) = self.find_low(own) {
            return Some(low);
        }
        if own.is_spent() {
            own.renew();
            let left = own.take_left_in_turn();
            let other = left.or_else(|| self.find_one(own));
            return other.or_else(|| own.pop_regardless());
        }
        if self.stealers.stacks_are_used() {
            if let Some(stacked) = own.stack().take_oldest() {
                return Some(stacked);
            }
        }
        if own.may_take_low() && self.injector.is_empty() && self.begun.is_empty() {
            if let Some(low) = self.classes.take_low_alone() {
                return Some(low);
            }
        }
        let stolen = self.steal_in_turn(own);
        stolen.or_else(|| self.find_batch(own))
    }

    /// Takes a task from elsewhere than the local queue: from the injector, or from another slot if
    /// that has its turn.
    pub(super) fn find_elsewhere(&self, own: &LocalQueue<T>) -> Option<T> {
        own.renew();
        let low = self.find_low(own);
        let left = low.or_else(|| own.take_left_in_turn());
        let stolen = left.or_else(|| self.steal_in_turn(own));
        stolen.or_else(|| self.find_one(own))
    }

    /// Takes a task of low priority if it is the turn of one.
    #[inline]
    fn find_low(&self, own: &LocalQueue<T>) -> Option<T> {
        if !own.is_turn_of_low() {
            return None;
        }
        own.low_had_its_turn();
        self.classes.take_low()
    }

    /// Takes a task from the injector or from another slot, and some more into the local queue,
    /// which is empty. With `leave_last` it does not take the only task of another slot.
    pub(super) fn find_far(&self, own: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        let injected = self.find_batch(own);
        let normal = injected.or_else(|| self.steal(own, leave_last));
        let other = normal.or_else(|| self.classes.take_high());
        other.or_else(|| {
            let low = self.classes.take_low()?;
            own.found_low();
            Some(low)
        })
    }

    /// Takes a task from anywhere, for a thread without a slot.
    pub(super) fn find_any(&self) -> Option<T> {
        let oldest = self.injector.take_oldest().or_else(|| self.find_aside());
        let normal = oldest.or_else(|| self.stealers.steal_any(self.tally.used_slots()));
        let other = normal.or_else(|| self.classes.take_high());
        other.or_else(|| self.classes.take_low())
    }

    /// Takes the task from outside that has waited longest, of those of the lowest priority.
    pub(super) fn find_oldest(&self) -> Option<T> {
        let low = self.classes.take_low();
        let other = low.or_else(|| self.injector.take_oldest());
        other.or_else(|| self.classes.take_high())
    }

    /// Takes a task from the injector, or one that has begun: by turns, so that neither kind waits
    /// for the other to run dry.
    fn find_one(&self, own: &LocalQueue<T>) -> Option<T> {
        match own.is_turn_of_begun() {
            true => self.find_aside().or_else(|| self.injector.take_oldest()),
            false => self.injector.take_oldest().or_else(|| self.find_aside()),
        }
    }

    /// Takes a task that has begun, or one of a group with a bound.
    fn find_aside(&self) -> Option<T> {
        self.find_begun().or_else(|| self.classes.take_grouped())
    }

    /// Takes a task from the injector, and some more into the local queue, which is empty.
    ///
    /// The injector's next turn comes after those: what came from outside keeps its order.
    fn find_batch(&self, own: &LocalQueue<T>) -> Option<T> {
        own.renew();
        let injected = || self.injector.take_batch(own.batch());
        let begun = || {
            let batch = own.batch();
            let take = || self.begun.steal_batch_with_limit_and_pop(batch, BATCH);
            let first = insist(take)?;
            own.note_begun();
            Some(first)
        };
        let grouped = || self.classes.take_grouped();
        match own.is_turn_of_begun() {
            true => begun().or_else(grouped).or_else(injected),
            false => injected().or_else(begun).or_else(grouped),
        }
    }

    fn steal_in_turn(&self, own: &LocalQueue<T>) -> Option<T> {
        match own.is_time_to_steal() {
            true => self.steal(own, false),
            false => None,
        }
    }

    fn steal(&self, own: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        let used = self.tally.used_slots();
        let stolen = self.stealers.steal(used, own, leave_last)?;
        // The rest of what was stolen may have begun.
        own.note_begun();
        own.note_stolen();
        Some(stolen)
    }

    /// Returns the number of tasks in the injector, and of those of high and low priority.
    pub(super) fn injected(&self) -> usize {
        self.injector.len() + self.classes.len()
    }

    /// Returns `true` if a task may be found, or a half.
    pub(super) fn has_tasks(&self) -> bool {
        self.has_unbegun() || self.has_begun()
    }

    /// Counts a task that was found, and has ended, as finished.
    #[inline]
    pub(super) fn task_done(&self, own: Option<&LocalQueue<T>>) {
        match own {
            Some(own) => self.tally.finish_inside(own.index()),
            None => self.tally.finish_without_slot(),
        }
    }

    /// Drops the tombstones of a local queue. The other tasks keep their order, and are in no queue
    /// for a moment.
    pub(super) fn sweep_local(&self, own: &LocalQueue<T>, is_tombstone: impl Fn(&T) -> bool) {
        let tombstones = own.sweep(is_tombstone);
        self.all_done(tombstones, Some(own));
    }

    /// Drops the tombstones of a local queue and of the injector, like
    /// [`sweep_local`](Self::sweep_local).
    pub(super) fn sweep(&self, own: &LocalQueue<T>, is_tombstone: impl Fn(&T) -> bool) {
        self.sweep_local(own, &is_tombstone);
        let tombstones = self.injector.sweep(&is_tombstone) + self.classes.sweep(&is_tombstone);
        self.all_done(tombstones, Some(own));
    }

    /// Drops the tombstones of the injector, for a thread without a slot; and those of all local
    /// queues, if the injector had fewer than `expected`.
    pub(super) fn sweep_any(
        &self,
        expected: usize,
        is_tombstone: impl Fn(&T) -> bool,
        has_begun: impl Fn(&T) -> bool,
    ) {
        let mut tombstones = self.injector.sweep(&is_tombstone) + self.classes.sweep(&is_tombstone);
        if tombstones < expected {
            let used = self.tally.used_slots();
            let kept = |task| match has_begun(&task) {
                true => self.begun.push(task),
                false => self.injector.push(task),
            };
            tombstones += self.stealers.sweep(used, &is_tombstone, kept);
        }
        self.all_done(tombstones, None);
    }

    /// Counts tombstones as finished.
    fn all_done(&self, tombstones: usize, own: Option<&LocalQueue<T>>) {
        for _ in 0..tombstones {
            self.tombstone_met(own);
            self.task_done(own);
        }
    }

    /// Notes that a task which is about to be counted as finished was only a tombstone.
    pub(super) fn tombstone_met(&self, own: Option<&LocalQueue<T>>) {
        own.into_iter()
            .for_each(|own| self.tally.note_tombstone(own.index()));
    }
}
