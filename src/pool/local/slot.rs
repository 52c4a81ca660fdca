//! How a thread comes by a slot, and leaves it.
//!
//! A thread that is about to wait in a task gives its slot up, so another can run what is there
//! meanwhile. When the wait is over it takes any vacant slot, or goes on without one: it pushes to the
//! injector then and counts in the shard of outsiders. When its task has ended it tries again, and
//! rests if all slots are taken. It is *away* from when it gives a slot up until it has one again or
//! rests; so many may be away as the user says, and a wait beyond that keeps its slot.

use std::time::{Duration, Instant};

use super::{HERE, Local, Wait};
use crate::fork;
use crate::pool::slots::{ReservedSlot, Slept};
use crate::pool::spares::Rested;
use crate::wait::{Deadline, set_blocking_hooks};

/// A sleep that costs more than it spares: to be woken takes some microseconds on both sides.
const NAP: Duration = Duration::from_micros(120);

impl Local {
    /// Hears what there is to hear for one that has a slot: gives it up if there are too many, and tells the
    /// user what nobody has told.
    pub(in crate::pool) fn hear(&self) {
        let slots = &self.shared.slots;
        if slots.is_something_untold() {
            self.shared.tell_untold();
            if self.shared.is_forked() {
                return;
            }
        }
        self.publish_yielded();
        let local_queue = match slots.are_too_many() {
            true => self.local_queue.take(),
            false => return,
        };
        if let Some(local_queue) = local_queue {
            let kept = slots.resign(local_queue, self.searching.get());
            if kept.is_some() {
                self.local_queue.replace(kept);
            } else {
                self.searching.set(false);
                self.shared.look_for_tasks();
            }
        }
    }

    /// Sleeps until there may be a task, or the pool has ended; `false`: the thread is to leave.
    ///
    /// Not in a child process that a waker has forked just now: nobody would wake it.
    pub(in crate::pool) fn sleep(&self) -> bool {
        if self.shared.is_forked() {
            return true;
        }
        let Some(index) = self.slot_index() else {
            return self.rest();
        };
        let (shared, asleep) = (&self.shared, Instant::now());
        let keep_alive_deadline = self.keep_alive_deadline();
        let was_searching = self.searching.get();
        let last_look = || shared.last_look();
        let slept = shared
            .slots
            .sleep(index, was_searching, keep_alive_deadline, last_look);
        // Whoever wakes a thread counts it as searching.
        self.searching.set(true);
        self.spin_pays.set(asleep.elapsed() < NAP);
        let leaves = slept == Slept::Through && self.may_leave();
        if leaves {
            self.give_slot_up();
        }
        !leaves
    }

    /// Leaves the slot vacant.
    fn give_slot_up(&self) {
        if let Some(local_queue) = self.local_queue.take() {
            let was_searching = self.searching.take();
            self.shared.slots.give_up(local_queue, was_searching);
            self.shared.look_for_tasks();
        }
    }

    /// Without a slot and a task: takes a slot, or rests until there is one; `false`: the thread is to
    /// leave.
    fn rest(&self) -> bool {
        self.note_idle();
        let shared = &self.shared;
        if self.away.take() {
            shared.roster.is_back();
        }
        // The task that has ended here may have been the last.
        shared.check_quiescence();
        if shared.is_forked() || self.take_slot() {
            return true;
        }
        let joined = || {
            shared.look_for_tasks();
            !shared.has_ended()
        };
        match shared.spares.wait(self.keep_alive_deadline(), joined) {
            Rested::Given(reserved) => {
                self.occupy(reserved);
                true
            }
            Rested::Told => true,
            Rested::Through => !self.may_leave(),
        }
    }

    /// How long the thread may have nothing to do before it leaves.
    fn keep_alive_deadline(&self) -> Deadline {
        match self.joins_others.get() {
            // It waits for the others at the end, so it is there until then.
            true => Deadline::NEVER,
            false => self.shared.keep_alive_deadline(),
        }
    }

    /// Tells whether the thread is to leave, which it then has to.
    fn may_leave(&self) -> bool {
        !self.joins_others.get() && self.shared.may_leave()
    }

    /// Takes a slot if one is vacant and not too many.
    fn take_slot(&self) -> bool {
        let (slots, spares) = (&self.shared.slots, &self.shared.spares);
        // Or one that was given to a thread which still sleeps.
        let Some(reserved) = slots.reserve_slot().or_else(|| spares.take_back()) else {
            return false;
        };
        match slots.withdraw(reserved) {
            Some(reserved) => {
                self.occupy(reserved);
                true
            }
            None => {
                self.shared.look_for_tasks();
                false
            }
        }
    }

    fn occupy(&self, reserved: ReservedSlot) {
        self.local_queue
            .replace(Some(self.shared.slots.occupy(reserved)));
        // Whoever claims a reserved slot counts its thread as searching.
        self.searching.set(true);
    }

    /// Before this thread waits in a task: gives its slot up if it has one and may; `false` if it waits
    /// already.
    fn leave(&self) -> bool {
        if self.wait.get() != Wait::Not {
            return false;
        }
        // First, so that whatever is called meanwhile takes no slot again.
        self.wait.set(Wait::Uncovered);
        self.publish_yielded();
        if self.shared.is_forked() {
            // A thread was to be started, and the user has forked when asked for its name.
            return false;
        }
        if self.has_slot() {
            if !self.shared.may_go_away() {
                return true;
            }
            self.away.set(true);
        }
        self.wait.set(Wait::Covered);
        self.shared.one_waits();
        self.give_slot_up();
        true
    }

    /// After this thread has waited: takes a slot if it has none and one is vacant.
    fn come_back(&self) {
        if self.wait.get() == Wait::Covered {
            self.shared.one_waits_no_more();
        }
        if !self.has_slot() && self.take_slot() {
            if self.away.take() {
                self.shared.roster.is_back();
            }
            self.stop_searching();
        }
        self.wait.set(Wait::Not);
    }

    /// This thread's part of the pool that it is a resident of, if it is inside.
    fn home<'a>() -> Option<&'a Self> {
        Self::chain().find(|local| local.is_worker)
    }

    /// Has the threads of pools give their slots up around waits, and stop in a forked child.
    pub(crate) fn hook_in() {
        set_blocking_hooks(
            || Self::home().is_some_and(Self::leave),
            || Self::home().into_iter().for_each(Self::come_back),
        );
        fork::on_child(|| {
            Self::chain().for_each(|local| local.shared.end_in_the_child());
            HERE.with(|here| here.set(std::ptr::null()));
        });
    }
}
