//! How a worker runs a task, and what the task tells it.

use super::here::{Local, PoolTask, with_chain};
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::meter::{Event, Phase};
use crate::task::{Context, Ran};
use crate::unwind::Payload;

impl Local {
    /// Runs a task, or cancels it if the pool is stopping.
    // Inlined into the loop of a worker, where tasks stay in registers.
    #[inline(always)]
    pub(in crate::pool) fn run(&self, found: &mut Option<PoolTask>) {
        if self.held.is_searching() {
            self.outside(|| self.stop_searching());
        }
        match self.run_or_cancel(found) {
            Ran::Yields => found
                .take()
                .into_iter()
                .for_each(|task| self.put_behind(task)),
            ran => self.count_if_ended(ran),
        }
    }

    /// Counts a task if it has ended.
    #[inline]
    pub(super) fn count_if_ended(&self, ran: Ran) {
        match ran {
            Ran::Ended | Ran::Failed | Ran::Tombstone => {
                self.held.with_queue(|own| self.shared.queue.task_done(own));
            }
            Ran::GoesOn | Ran::Yields => {}
        }
    }

    #[inline]
    pub(super) fn run_or_cancel(&self, found: &mut Option<PoolTask>) -> Ran {
        if self.shared.is_stopping() {
            return self.cancel(found);
        }
        let ran = PoolTask::run(found, self);
        if ran == Ran::Tombstone {
            self.shared.link.tombstone_met();
            self.held
                .with_queue(|own| self.shared.queue.tombstone_met(own));
        }
        ran
    }

    #[cold]
    fn cancel(&self, found: &mut Option<PoolTask>) -> Ran {
        let look = found.as_ref().and_then(PoolTask::look);
        self.running.note(look.map(|look| look.name));
        let pool = &self.shared;
        if look.is_some_and(|look| look.is_future) {
            found
                .iter()
                .for_each(|task| pool.request_cancel_at_the_end(task));
            return PoolTask::run(found, self);
        }
        found
            .take()
            .into_iter()
            .for_each(|task| pool.cancel_at_the_end(task));
        Ran::Ended
    }

    /// Returns the cell of the innermost task that this thread runs and that has one, or null.
    pub(crate) fn running_cell() -> *const () {
        with_chain(|chain| {
            let mut cells = chain.map(|local| local.running.innermost());
            cells
                .find(|cell| !cell.is_null())
                .unwrap_or(std::ptr::null())
        })
    }

    /// Counts an event of this thread's.
    #[inline(always)]
    pub(in crate::pool) fn count(&self, event: Event) {
        self.running.meter().add(event);
    }

    /// Notes the number of the group of the task that runs, if it is in one.
    pub(super) fn note_group(&self, group: Option<usize>) {
        self.running.meter().note_group(group);
    }

    /// Notes how this thread spends its time from now on.
    #[inline]
    pub(in crate::pool) fn enter_phase(&self, phase: Phase) {
        self.running.meter().enter(phase);
    }

    /// Notes that the worker runs nothing.
    pub(in crate::pool) fn note_idle(&self) {
        self.running.note(None);
    }
}

impl Context for Local {
    #[inline]
    fn begins(&self, name: &'static Name) {
        self.running.meter().begin(name, Event::Started);
    }

    #[inline]
    fn polls(&self, name: &'static Name) {
        self.running.meter().begin(name, Event::Polled);
    }

    #[inline]
    fn future_begins(&self) {
        self.count(Event::FutureBegan);
    }

    fn met_spent(&self) {
        self.count(Event::Started);
    }

    #[cold]
    fn met_cancelled(&self, reason: CancelReason, had_begun: bool) {
        self.count(Event::Cancelled(reason));
        if had_begun {
            self.count(Event::CancelledBegun);
        }
    }

    #[cold]
    fn failed(&self) {
        self.count(Event::Panicked);
    }

    #[inline]
    fn can_be_joined(&self, cell: *const ()) {
        self.running.set_task(cell);
    }

    #[inline]
    fn returned(&self) {
        self.running.set_task(std::ptr::null());
    }

    fn panicked(&self, payload: Payload) {
        self.shared.hooks.panicked(payload);
    }

    fn future_ended(&self, key: usize) {
        if !self.shared.is_forked() {
            self.shared.spawned.remove(key);
        }
    }
}
