//! How a worker looks for tasks, and when it counts as searching.

use super::here::{Local, PoolTask};
use crate::pool::link::MANY_TOMBSTONES;
use crate::pool::meter::Event;
use crate::pool::queue::TaskQueue;
use crate::pool::queue::local::LocalQueue;

/// A way to look for a task.
type Find = fn(&TaskQueue<PoolTask>, &LocalQueue<PoolTask>) -> Option<PoolTask>;

impl Local {
    /// Takes the next task of the local queue.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<PoolTask> {
        self.held.pop()
    }

    /// Returns `true` if a task that this worker pushed to its local queue would be the next that
    /// it takes, and counts it as taken.
    pub(super) fn would_run_next(&self) -> bool {
        let nothing_else = self.no_flags()
            && !self.has_yielded()
            && !self.borrows()
            && !self.shared.is_stopping()
            && self.shared.link.tombstones() < MANY_TOMBSTONES;
        let is_alone = |own: &LocalQueue<_>| own.is_empty() && own.spend(1) == 1;
        nothing_else && self.held.with_queue(|own| own.is_some_and(is_alone))
    }

    /// Takes a task of high priority, if one waits and it is not the turn of others.
    pub(in crate::pool) fn find_high(&self) -> Option<PoolTask> {
        let (slots, queue) = (&self.shared.slots, &self.shared.queue);
        if !slots.has_high() {
            return None;
        }
        let found = self.held.with_queue(|own| queue.find_high(own?));
        // Also if one was found, most of which come alone.
        if !queue.has_high() {
            slots.clear_high(|| queue.has_high());
        }
        found
    }

    /// Looks where a busy worker looks when its local queue gave nothing.
    pub(in crate::pool) fn find_near(&self) -> Option<PoolTask> {
        self.find_with(TaskQueue::find_near)
    }

    /// Looks for what other threads have pushed, while this worker has tasks of its own.
    pub(super) fn find_elsewhere(&self) -> Option<PoolTask> {
        self.find_with(TaskQueue::find_elsewhere)
    }

    fn find_with(&self, find: Find) -> Option<PoolTask> {
        let (task, is_empty) = self.held.with_queue(|own| {
            let own = own?;
            let found = find(&self.shared.queue, own)?;
            self.count_theft(own);
            Some((found, own.is_empty()))
        })?;
        if !self.held.is_searching() && !is_empty {
            // It came with others, which were in no queue for a moment: as good as pushed anew.
            self.shared.task_pushed();
        }
        Some(task)
    }

    /// Looks everywhere except in the local queue. With `leave_last` it does not take the only task
    /// of another slot.
    pub(in crate::pool) fn find_far(&self, leave_last: bool) -> Option<PoolTask> {
        self.held.with_queue(|own| {
            let own = own?;
            let found = self.shared.queue.find_far(own, leave_last)?;
            self.count_theft(own);
            Some(found)
        })
    }

    /// Counts a theft, if that is where the task came from that was found just now.
    fn count_theft(&self, own: &LocalQueue<PoolTask>) {
        if own.take_stolen() {
            self.count(Event::Stole);
        }
    }

    /// Notes that this thread, which looked for tasks, has found something to run.
    pub(in crate::pool) fn found_work(&self) {
        if self.running.meter().become_busy() {
            self.shared.ring_watch();
        }
        self.held.set_woken(false);
    }

    /// Returns the number of slots at which a search looks.
    pub(in crate::pool) fn slots_used(&self) -> usize {
        self.shared.queue.tally.used_slots()
    }

    /// Returns how far the other slots have come: two answers tell whether they make progress.
    pub(in crate::pool) fn finished_by_others(&self) -> usize {
        let tally = &self.shared.queue.tally;
        let index = self.held.index();
        index.map_or(0, |index| tally.finished_by_others(index))
    }

    /// Returns `true` if the worker may search, because it does already or because few do.
    pub(in crate::pool) fn may_search(&self) -> bool {
        if !self.held.is_searching() {
            let searching = self.shared.slots.idle.start_search();
            self.held.set_searching(searching);
        }
        self.held.is_searching()
    }

    /// Searching to busy: F1 to F3.
    #[inline]
    pub(in crate::pool) fn stop_searching(&self) {
        if let Some(searching) = self.held.take_searching() {
            let pool = &self.shared;
            let has_tasks = || pool.queue.has_tasks();
            if let Some(wanted) = pool.slots.end_search(searching, has_tasks) {
                pool.provide(wanted);
            }
        }
    }

    /// Checks for quiescence if a thread waits for that, before the worker spends time on
    /// searching.
    ///
    /// Threads that wait may have brought wakers of their own, which are user code: it runs while
    /// the worker is busy, so that other workers are woken for new tasks meanwhile.
    pub(in crate::pool) fn check_quiescence_if_wanted(&self) {
        if self.shared.queue.tally.wants_attention() {
            self.stop_searching();
            self.shared.check_quiescence();
        }
    }

    /// Returns `true` if spinning for a while might have spared the worker its last sleep.
    pub(in crate::pool) fn spin_pays(&self) -> bool {
        // The model knows no time, and spinning adds nothing to it but schedules.
        self.held.spin_pays() && !cfg!(workmill_loom)
    }
}
