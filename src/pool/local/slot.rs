//! How a thread comes by a slot, and gives it up.
//!
//! A worker that is about to wait in a task gives its slot up, so that another thread can run what
//! is there meanwhile. When the wait is over the worker takes any vacant slot, or goes on without
//! one: then it pushes to the injector, and counts in the shared shard of the tally. When its task
//! has ended it tries again, and rests if all slots are taken. A worker is *away* from when it
//! gives its slot up until it has a slot again or rests. The user limits how many workers may be
//! away; a wait beyond that keeps its slot.

use std::time::{Duration, Instant};

use super::held::Wait;
use super::here::{self, Local, with_chain};
use crate::fork;
use crate::pool::resting::Rested;
use crate::pool::sleepers::Slept;
use crate::pool::slots::ReservedSlot;
use crate::wait::{Deadline, set_blocking_hooks};

/// A sleep of less than this costs more than it saves: a wake-up takes some microseconds on both
/// sides.
const NAP: Duration = Duration::from_micros(120);

impl Local {
    /// Returns `true` if this thread holds a slot.
    #[inline]
    pub(in crate::pool) fn has_slot(&self) -> bool {
        self.held.has_slot()
    }

    /// Returns `true` if there is nothing that this thread has to know before its next task.
    #[inline]
    pub(in crate::pool) fn no_flags(&self) -> bool {
        self.shared.slots.no_flags()
    }

    /// Obeys the flags: tells the user what nobody has told, and gives the slot up if there is a
    /// surplus.
    pub(in crate::pool) fn obey_flags(&self) {
        let slots = &self.shared.slots;
        if slots.has_untold() {
            self.shared.tell_untold();
            if self.shared.is_forked() {
                return;
            }
        }
        self.publish_yielded();
        if !slots.has_surplus() {
            return;
        }
        if let Some((queue, searching)) = self.held.take() {
            match slots.retire(queue, searching) {
                Err(kept) => self.held.put(kept),
                Ok(()) => self.shared.look_for_tasks(),
            }
        }
    }

    /// Sleeps until there may be a task, or the pool has ended. Returns `false` if the thread is to
    /// leave.
    ///
    /// It does not sleep in a child process that a waker has forked just now, where nobody would
    /// wake it.
    pub(in crate::pool) fn sleep(&self) -> bool {
        if self.shared.is_forked() {
            return true;
        }
        let Some(index) = self.held.index() else {
            return self.rest();
        };
        let (pool, asleep) = (&self.shared, Instant::now());
        let deadline = self.keep_alive_deadline();
        let searching = self.held.take_searching();
        let last_look = || pool.last_look();
        let (slept, searching) = pool.slots.sleep(index, searching, deadline, last_look);
        self.held.set_searching(Some(searching));
        self.held.set_spin_pays(asleep.elapsed() < NAP);
        let leaves = slept == Slept::TimedOut && self.leave();
        if leaves {
            self.give_slot_up();
        }
        !leaves
    }

    /// Leaves the slot vacant, if this thread holds one.
    fn give_slot_up(&self) {
        if let Some((queue, searching)) = self.held.take() {
            self.shared.slots.give_up(queue, searching);
            self.shared.look_for_tasks();
        }
    }

    /// Without a slot and a task: takes a slot, or rests until there is one. Returns `false` if the
    /// thread is to leave.
    fn rest(&self) -> bool {
        self.note_idle();
        let pool = &self.shared;
        if self.held.take_away() {
            pool.staff.roster.is_back();
        }
        // The task that has ended here may have been the last.
        pool.check_quiescence();
        if pool.is_forked() || self.take_slot() {
            return true;
        }
        let joined = || {
            pool.look_for_tasks();
            !pool.slots.have_ended()
        };
        let deadline = self.keep_alive_deadline();
        match pool.staff.resting.wait(deadline, joined) {
            Rested::Given(reserved) => {
                self.occupy(reserved);
                true
            }
            Rested::Told => true,
            Rested::TimedOut => !self.leave(),
        }
    }

    /// Returns when this thread may leave, if it has nothing to do from now on.
    fn keep_alive_deadline(&self) -> Deadline {
        match self.joins_others.get() {
            // It joins the others at the pool's end, so it stays until then.
            true => Deadline::NEVER,
            false => self.shared.keep_alive_deadline(),
        }
    }

    /// Counts this thread as leaving. Returns `false` if it has to stay.
    #[must_use = "`true`: the thread has to leave"]
    fn leave(&self) -> bool {
        !self.joins_others.get() && self.shared.leave()
    }

    /// Takes a slot if one is vacant and there is no surplus.
    fn take_slot(&self) -> bool {
        let (slots, resting) = (&self.shared.slots, &self.shared.staff.resting);
        // Or a slot that was handed to a spare thread which is not up yet.
        let Some(reserved) = slots.reserve().or_else(|| resting.take_back()) else {
            return false;
        };
        match slots.retire_reserved(reserved) {
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
        self.held.put(self.shared.slots.occupy(reserved));
    }

    /// Before this thread waits in a task: gives its slot up, if it has one and may. Returns
    /// `false` if the thread waits already.
    fn begin_wait(&self) -> bool {
        if self.held.wait() != Wait::Not {
            return false;
        }
        // First, so that code which is called meanwhile takes no slot again.
        self.held.set_wait(Wait::Uncovered);
        self.publish_yielded();
        if self.shared.is_forked() {
            // A thread was to be started, and the user has forked when asked for its name.
            return false;
        }
        if self.has_slot() {
            if !self.shared.go_away() {
                return true;
            }
            self.held.set_away();
        }
        self.held.set_wait(Wait::Covered);
        if let Some(observer) = &self.shared.observer {
            observer.worker_blocks();
        }
        self.give_slot_up();
        true
    }

    /// After this thread has waited: takes a slot if it has none and one is vacant.
    fn end_wait(&self) {
        if self.held.wait() == Wait::Covered {
            if let Some(observer) = &self.shared.observer {
                observer.worker_resumes();
            }
        }
        if !self.has_slot() && self.take_slot() {
            if self.held.take_away() {
                self.shared.staff.roster.is_back();
            }
            self.stop_searching();
        }
        self.held.set_wait(Wait::Not);
    }

    /// Calls `body` with what this thread has of the pool that it is a worker of, if it is inside.
    fn with_home<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        with_chain(|mut chain| body(chain.find(|local| local.is_worker())))
    }

    /// Sets the hooks by which workers give their slots up around waits, and pools end in a forked
    /// child.
    pub(crate) fn set_hooks() {
        set_blocking_hooks(
            || Self::with_home(|home| home.is_some_and(Self::begin_wait)),
            || Self::with_home(|home| home.into_iter().for_each(Self::end_wait)),
        );
        fork::on_child(here::end_in_the_child);
    }
}
