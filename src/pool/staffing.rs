//! Decides how many threads there may be, how many of them may be away, and which may leave.

use std::sync::Arc;

use super::lenders::Away;
use super::roster::Watcher;
use super::shared::Shared;
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
            self.retire_lent();
            // Fewer threads have to stay.
            self.slots.wake_all();
            self.staff.resting.tell_all();
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
        self.watch.iter().for_each(|watch| watch.join());
    }

    /// Blocks until all threads have left the pool. Returns `false` if `deadline` came first.
    pub(crate) fn wait_for_threads(&self, deadline: Deadline) -> bool {
        self.staff.roster.wait(deadline)
    }

    /// Returns a watcher, which waits until all threads have left the pool.
    pub(crate) fn watch_threads(&self) -> Watcher<'_> {
        self.staff.roster.watcher()
    }

    /// Returns the largest number of threads that there may be, those that wait included.
    pub(super) fn most_threads(&self) -> usize {
        let spare = self.staff.limits.max_spare_threads;
        let most = self.threads().saturating_add(spare);
        // A lender is no spare thread, and a borrower may be needed beside it.
        let more = self.lenders.standing() + self.lenders.beyond();
        most.saturating_add(more)
    }

    /// Returns the number of threads that stay however long they have nothing to do: beside those
    /// whose slots are lent, since these cannot run what is pushed.
    fn least_threads(&self) -> usize {
        let least = self.staff.limits.min_threads.min(self.threads());
        least.saturating_add(self.lenders.standing())
    }

    /// Counts a worker as away from its slot. Returns `false` if too many are away, in which case
    /// the worker has to keep the slot.
    #[must_use = "`false`: the slot has to be kept"]
    pub(super) fn go_away(&self) -> bool {
        let may = self.may_go_away();
        if !may {
            self.incidents.uncovered_waits.add_one();
            self.warn_of_spares();
        }
        may
    }

    /// Counts a worker as away from its slot. Returns `false` if too many are away.
    #[must_use = "`false`: the slot has to be kept"]
    pub(super) fn may_go_away(&self) -> bool {
        let most = self.staff.limits.max_spare_threads;
        let most = most.saturating_add(self.lenders.beyond());
        self.staff.roster.go_away(most)
    }

    /// Counts a worker as away whatever the limit, since others keep the slot that it had.
    pub(super) fn go_away_beyond(&self) {
        self.lenders.count_beyond();
        let _ = self.staff.roster.go_away(usize::MAX);
    }

    /// Counts a worker that was away as back.
    pub(super) fn come_back(&self, away: Away) {
        self.staff.roster.is_back();
        match away {
            Away::Within => {}
            Away::Beyond | Away::Owner => self.lenders.uncount_beyond(),
        }
    }

    /// Warns the user that waits keep their slots.
    pub(super) fn warn_of_spares(&self) {
        self.hooks
            .spares_used_up(self.staff.limits.max_spare_threads);
    }

    /// Returns when a thread that has nothing to do from now on may leave: never, if it has to
    /// stay.
    pub(super) fn keep_alive_deadline(&self) -> Deadline {
        match self.staff.roster.has_to_spare(self.least_threads()) {
            true => Deadline::after(self.staff.limits.keep_alive),
            false => Deadline::NEVER,
        }
    }

    /// Counts a thread whose keep-alive time is over as leaving. Returns `false` if it has to stay.
    #[must_use = "`true`: the thread has to leave"]
    pub(super) fn leave(&self) -> bool {
        self.staff.roster.leave(self.least_threads())
    }
}
