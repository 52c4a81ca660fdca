//! Sees to it that there are threads for the work: fills vacant slots, and decides how many threads
//! may be there, be away, and leave.

use std::sync::Arc;

use super::roster::{NotStarted, Watcher};
use super::shared::Shared;
use super::slots::ReservedSlot;
use crate::primitive::{Mutex, lock};
use crate::timer::alarm;
use crate::wait::Deadline;

impl<T: Send + 'static> Shared<T> {
    /// Returns the number of tasks that may run at a time.
    pub(crate) fn threads(&self) -> usize {
        self.slots.wanted()
    }

    /// Returns the largest number that [`threads`](Self::threads) can be changed to.
    pub(crate) fn max_threads(&self) -> usize {
        self.slots.max()
    }

    /// Sets the number of tasks that may run at a time, at most [`max_threads`](Self::max_threads).
    pub(crate) fn set_threads(self: &Arc<Self>, threads: usize) {
        self.queue.tally.use_slots(threads);
        let before = self.slots.set_wanted(threads);
        if threads < before {
            // Vacant slots go first. A holder of a slot finds the flag before its next task.
            self.slots.retire_vacant();
            // Fewer threads have to stay.
            self.slots.wake_all();
            self.staff.spares.tell_all();
        }
        if let Some(observer) = &self.observer {
            observer.resized(before, threads);
        }
        self.look_for_tasks();
    }

    /// Returns the number of threads that are alive.
    pub(crate) fn alive_threads(&self) -> usize {
        self.staff.roster.alive()
    }

    /// Blocks until all threads have ended, thread-locals and all. Not for a worker of the pool.
    pub(crate) fn join_threads(&self) {
        self.staff.roster.join();
    }

    /// Blocks until all threads have left the pool. Returns `false` if `deadline` came first.
    pub(crate) fn wait_for_threads(&self, deadline: Deadline) -> bool {
        self.staff.roster.wait(deadline)
    }

    /// Returns a watcher, which waits until all threads have left the pool.
    pub(crate) fn watch_threads(&self) -> Watcher<'_> {
        self.staff.roster.watcher()
    }

    /// P2 to P4: makes sure that a task which was just pushed is found.
    #[inline]
    pub(super) fn task_pushed(self: &Arc<Self>) {
        if let Some(reserved) = self.slots.wake_for_push() {
            self.fill(reserved);
        }
    }

    /// V3 of a thread that has left its slot: as if it had pushed the tasks that are there.
    pub(super) fn look_for_tasks(self: &Arc<Self>) {
        if self.queue.has_tasks() {
            self.task_pushed();
        }
    }

    /// Hands a reserved slot to a thread: a spare thread, or a new one. If there is none the slot
    /// stays vacant.
    #[cold]
    pub(super) fn fill(self: &Arc<Self>, reserved: ReservedSlot) {
        match alarm::is_this_thread() {
            true => self.fill_elsewhere(reserved),
            false => self.fill_here(reserved),
        }
    }

    /// Fills a slot without starting a thread here, or calling a hook: on the timer's thread.
    fn fill_elsewhere(self: &Arc<Self>, reserved: ReservedSlot) {
        let Some(reserved) = self.staff.spares.hand(reserved) else {
            return;
        };
        // If the other thread does not start, the reserved slot comes back.
        let given = Arc::new(Mutex::new(Some(reserved)));
        let (pool, taken) = (Arc::clone(self), Arc::clone(&given));
        let started = alarm::call_elsewhere(move || {
            let reserved = lock(&taken).take();
            reserved
                .into_iter()
                .for_each(|reserved| pool.fill_here(reserved));
        });
        let Err(error) = started else {
            return;
        };
        self.hooks.keep_untold(error);
        self.slots.flag_untold();
        let reserved = lock(&given).take();
        let left = reserved.and_then(|reserved| self.leave_vacant(reserved));
        // There is a spare thread after all.
        left.into_iter()
            .for_each(|reserved| self.fill_elsewhere(reserved));
    }

    /// Warns the user of a thread that could not be started by a thread that calls no hooks.
    pub(super) fn tell_untold(&self) {
        self.slots.clear_untold();
        let error = self.hooks.take_untold();
        error.into_iter().for_each(|error| self.start_failed(error));
    }

    fn fill_here(self: &Arc<Self>, reserved: ReservedSlot) {
        let mut next = Some(reserved);
        let mut failed = None;
        while let Some(reserved) = next.take() {
            let enabled = match self.slots.has_surplus() {
                true => self.slots.retire_reserved(reserved),
                false => Some(reserved),
            };
            let Some(reserved) = enabled else {
                next = self.reserve_for_tasks();
                continue;
            };
            let Some(reserved) = self.staff.spares.hand(reserved) else {
                continue;
            };
            let Err((reserved, why)) = (self.staff.start_thread)(self, reserved) else {
                continue;
            };
            if self.is_forked() {
                return;
            }
            if let NotStarted::Failed(error) = why {
                failed = Some(error);
            }
            next = self.leave_vacant(reserved);
        }
        if let Some(error) = failed {
            self.start_failed(error);
        }
    }

    /// Counts a thread that could not be started, or refused to start, and warns the user.
    pub(super) fn start_failed(&self, error: std::io::Error) {
        self.incidents.failed_starts.add_one();
        self.hooks.start_failed(error);
    }

    /// V1 to V4: leaves a slot vacant for which there is no thread. Returns a reserved slot if
    /// there may be a thread after all.
    pub(super) fn leave_vacant(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        self.slots.leave_vacant(reserved, || self.queue.has_tasks());
        // V4. A thread may have come to rest meanwhile.
        let spare = self.staff.spares.has_any();
        spare.then(|| self.reserve_for_tasks()).flatten()
    }

    fn reserve_for_tasks(&self) -> Option<ReservedSlot> {
        let wanted = self.queue.has_tasks();
        wanted.then(|| self.slots.wake_for_push()).flatten()
    }

    /// Returns the largest number of threads that there may be, those that wait included.
    pub(super) fn most_threads(&self) -> usize {
        let spare = self.staff.limits.max_spare_threads;
        self.threads().saturating_add(spare)
    }

    /// Returns the number of threads that stay however long they have nothing to do.
    fn least_threads(&self) -> usize {
        self.staff.limits.min_threads.min(self.threads())
    }

    /// Counts a worker as away from its slot. Returns `false` if too many are away, in which case
    /// the worker has to keep the slot.
    #[must_use = "`false`: the slot has to be kept"]
    pub(super) fn go_away(&self) -> bool {
        let most = self.staff.limits.max_spare_threads;
        let may = self.staff.roster.go_away(most);
        if !may {
            self.incidents.uncovered_waits.add_one();
            self.hooks.spares_used_up(most);
        }
        may
    }

    /// Returns when a thread that has nothing to do from now on may leave: never, if it has to
    /// stay.
    pub(super) fn keep_alive_deadline(&self) -> Deadline {
        match self.staff.roster.has_to_spare(self.least_threads()) {
            true => Deadline::after(self.staff.limits.keep_alive),
            false => Deadline::NEVER,
        }
    }

    /// Counts a thread as leaving whose keep-alive time is over. Returns `false` if it has to stay.
    #[must_use = "`true`: the thread has to leave"]
    pub(super) fn leave(&self) -> bool {
        self.staff.roster.leave(self.least_threads())
    }
}
