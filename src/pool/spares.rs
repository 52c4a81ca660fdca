//! How a task is announced, and a vacant slot gets a thread: a spare thread that rests, or a new
//! one.
//!
//! A slot is vacant because its holder waits in a task, or has had nothing to do and has left, or
//! because no thread has held the slot yet. It is filled only if there is work for it.

use std::sync::Arc;

use super::hooks::Untold;
use super::roster::NotStarted;
use super::shared::Shared;
use super::slots::{ReservedSlot, Wanted};
use crate::primitive::{Mutex, lock};
use crate::spin::{Spin, spin_until};
use crate::timer::alarm;

/// How long a thread looks before it starts another: a part of the time that the start takes. A
/// worker that has just ended its task takes the next within that time.
const SOON: Spin = Spin {
    pauses: 16,
    doublings: 5,
    yields: 2,
};

impl<T: Send + 'static> Shared<T> {
    /// P2 to P4: makes sure that a task which was just pushed is found.
    #[inline]
    pub(super) fn task_pushed(self: &Arc<Self>) {
        if let Some(wanted) = self.slots.wake_for_push() {
            self.provide(wanted);
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
        self.hooks.keep_untold(Untold::NotStarted(error));
        self.slots.flag_untold();
        let reserved = lock(&given).take();
        let left = reserved.and_then(|reserved| self.leave_vacant(reserved));
        // There is a spare thread after all.
        left.into_iter()
            .for_each(|reserved| self.fill_elsewhere(reserved));
    }

    /// Passes on to the user what was found by threads that call no hooks.
    pub(super) fn tell_untold(&self) {
        self.slots.clear_untold();
        for untold in self.hooks.take_untold() {
            match untold {
                Untold::NotStarted(error) => self.start_failed(error),
                Untold::SparesUsedUp => self.warn_of_spares(),
                Untold::GaveWay(gave_way) => self.hooks.gave_way(gave_way),
            }
        }
    }

    fn fill_here(self: &Arc<Self>, reserved: ReservedSlot) {
        let mut next = Some(reserved);
        let mut failed = None;
        while let Some(reserved) = next.take() {
            let is_loan = reserved.is_loan();
            let enabled = match !is_loan && self.slots.has_surplus() {
                true => self.slots.retire_reserved(reserved),
                false => Some(reserved),
            };
            let Some(reserved) = enabled else {
                next = self.reserve_for_tasks();
                continue;
            };
            let is_taken = || match is_loan {
                true => !self.has_for_borrower(),
                false => !self.queue.has_tasks(),
            };
            if is_taken() {
                // Another thread has taken the task meanwhile. V1 to V3, and P4 for whatever it
                // may be: a pusher may have counted on this slot.
                next = self.leave_unwanted(reserved);
                continue;
            }
            let Some(reserved) = self.staff.resting.hand(reserved) else {
                continue;
            };
            if !is_loan && self.staff.roster.alive() > 0 && spin_until(SOON, is_taken) {
                next = self.leave_unwanted(reserved);
                continue;
            }
            // A thread may have come to rest meanwhile.
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
        if reserved.is_loan() {
            let surplus = self.leave_lent(reserved);
            if surplus.is_some() {
                return surplus;
            }
            if self.queue.has_tasks() {
                self.slots.wake_wanted();
            }
        } else {
            self.slots.leave_vacant(reserved, || self.queue.has_tasks());
        }
        // V4. A thread may have come to rest meanwhile.
        let spare = self.staff.resting.has_any();
        spare.then(|| self.reserve_for_tasks()).flatten()
    }

    /// V1 to V3: leaves a slot vacant, or lent, that nobody needs by now. Returns another slot, or
    /// the same, if a task needs one.
    fn leave_unwanted(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        if reserved.is_loan() {
            let surplus = self.leave_lent(reserved);
            if surplus.is_some() {
                return surplus;
            }
        } else {
            self.slots.leave_vacant(reserved, || false);
        }
        self.reserve_for_tasks()
    }

    fn reserve_for_tasks(&self) -> Option<ReservedSlot> {
        let wanted = self.queue.has_tasks();
        match wanted.then(|| self.slots.wake_for_push()).flatten()? {
            Wanted::Thread(reserved) => Some(reserved),
            Wanted::Lender => {
                self.want_tick();
                self.has_for_borrower().then(|| self.slots.reserve_lent())?
            }
        }
    }
}
