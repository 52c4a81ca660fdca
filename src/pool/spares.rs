//! How a task is announced, and a vacant slot gets a thread: a spare thread that rests, or a new
//! one.
//!
//! A slot is vacant because its holder waits in a task, or has had nothing to do and has left, or
//! because no thread has held the slot yet. It is filled only if there is work for it.

use std::sync::Arc;

use super::roster::NotStarted;
use super::shared::Shared;
use super::slots::ReservedSlot;
use crate::primitive::{Mutex, lock};
use crate::timer::alarm;

impl<T: Send + 'static> Shared<T> {
    /// P2 to P4: makes sure that a task which was just pushed is found.
    #[inline]
    pub(super) fn task_pushed(self: &Arc<Self>) {
        if let Some(reserved) = self.slots.wake_for_push() {
            self.fill(reserved);
        }
    }

    /// Looks at every queue, and if there is a task does P2 to P4, as if this thread had pushed it
    /// (V3, R2).
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
        let Some(reserved) = self.staff.resting.hand(reserved) else {
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
            if !self.queue.has_tasks() {
                // Another thread has taken the task meanwhile. V1 to V3, and P4 for whatever it
                // may be: a pusher may have counted on this slot.
                self.slots.leave_vacant(reserved, || false);
                next = self.reserve_for_tasks();
                continue;
            }
            let Some(reserved) = self.staff.resting.hand(reserved) else {
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
        let spare = self.staff.resting.has_any();
        spare.then(|| self.reserve_for_tasks()).flatten()
    }

    fn reserve_for_tasks(&self) -> Option<ReservedSlot> {
        let wanted = self.queue.has_tasks();
        wanted.then(|| self.slots.wake_for_push()).flatten()
    }
}
