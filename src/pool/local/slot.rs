//! How a thread comes by a slot, and gives it up.
//!
//! A worker that is about to wait in a task gives its slot up, so that another thread can run what
//! is there meanwhile. When the wait is over the worker takes any vacant slot, or goes on without
//! one: then it pushes to the injector, and counts in the shared shard of the tally. When its task
//! has ended it tries again, and rests if all slots are taken. A worker is *away* from when it
//! gives its slot up until it has a slot again or rests. The user limits how many workers may be
//! away; a wait beyond that keeps its slot.
//!
//! A worker that waits for room lends its slot instead, and takes it back, or another that is lent.
//! `pool/lenders.rs` says when such a loan becomes a gift.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::held::{Identity, Wait};
use super::here::{self, Local, PoolTask, with_chain, with_innermost};
use super::permits;
use crate::clock::Nanos;
use crate::fork;
use crate::pool::lenders::{Away, LenderKey, Stand};
use crate::pool::lending::Back;
use crate::pool::meter::{Event, Phase};
use crate::pool::queue::local::LocalQueue;
use crate::pool::resting::Rested;
use crate::pool::sleepers::Slept;
use crate::pool::slots::ReservedSlot;
use crate::primitive::current;
use crate::room::Room;
use crate::task::Context;
use crate::task::cell::set_on_failure;
use crate::trace;
use crate::wait::{Begun, Cause, Deadline, Hooks, Outcome, set_blocking_hooks};

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

    /// Returns `true` if [`obey_flags`](Self::obey_flags) has something to do.
    pub(in crate::pool) fn has_flag_to_obey(&self) -> bool {
        !self.shared.slots.no_flags_but_high()
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
        self.count_sleep();
        let (slept, searching) = pool.slots.sleep(index, searching, deadline, last_look);
        self.held.set_woken(slept == Slept::Woken);
        self.held.set_searching(Some(searching));
        self.held.set_spin_pays(asleep.elapsed() < NAP);
        let leaves = slept == Slept::TimedOut && self.leave();
        if leaves {
            self.give_slot_up();
        }
        !leaves
    }

    /// Counts a sleep that begins, and the wake-up before it if it was in vain.
    fn count_sleep(&self) {
        self.count(Event::Parked);
        if self.held.take_woken() {
            self.count(Event::WokenInVain);
        }
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
        self.enter_phase(Phase::Idle);
        let pool = &self.shared;
        self.come_back();
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
        self.count_sleep();
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

    pub(super) fn occupy(&self, reserved: ReservedSlot) {
        self.held.note_kind(&reserved);
        self.held.put(self.shared.slots.occupy(reserved));
    }

    /// Before this thread waits in a task: gives its slot up or lends it, if it has one and may.
    fn begin_wait(&self, cause: Cause<'_>) -> Begun {
        match self.held.wait() {
            Wait::Not => {}
            Wait::Lent(key) => {
                // A wait within a wait for room: in a hook, or in a call that was put off.
                if !matches!(cause, Cause::Room(_)) && !self.shared.is_forked() {
                    self.shared.give_at_once(key);
                }
                return Begun::Within;
            }
            Wait::Uncovered | Wait::Covered | Wait::Returned => return Begun::Nothing,
        }
        // First, so that code which is called meanwhile takes no slot again.
        self.held.set_wait(Wait::Uncovered);
        self.running.set_waits(!matches!(cause, Cause::Return));
        if !matches!(cause, Cause::Return) {
            self.enter_phase(Phase::Waiting);
            trace::waits();
        }
        self.publish_yielded();
        if self.shared.is_forked() {
            // A thread was to be started, and the user has forked when asked for its name.
            return Begun::Nothing;
        }
        if self.borrows() && self.leave_loan() {
            return Begun::Counted;
        }
        self.take_returned();
        if let Cause::Room(room) = cause {
            if self.lend(room) {
                return Begun::Lent;
            }
        }
        self.give_loan_up();
        self.shared.hurry_ticker();
        if self.has_slot() {
            if !self.shared.go_away() {
                return Begun::Counted;
            }
            self.held.set_away(Away::Within);
        }
        self.held.set_wait(Wait::Covered);
        if let Some(observer) = &self.shared.observer {
            observer.worker_blocks();
        }
        self.give_slot_up();
        Begun::Counted
    }

    /// Returns the loan of this thread, which is about to wait. Returns `false` if it keeps the
    /// slot, which was a surplus and is a slot like any other now.
    fn leave_loan(&self) -> bool {
        // First, so that another thread may be started for the loan.
        self.shared.go_away_beyond();
        self.held.set_away(Away::Beyond);
        self.held.set_wait(Wait::Returned);
        self.return_loan();
        let returned = !self.has_slot();
        if !returned {
            self.come_back();
            self.held.set_wait(Wait::Uncovered);
        }
        returned
    }

    /// Takes the slot that a borrower has returned to this thread, if it has.
    fn take_returned(&self) {
        if !self.held.owns_loan() {
            return;
        }
        let Some(reserved) = self.shared.lenders.lock().take_returned() else {
            return;
        };
        self.held.set_away(Away::Beyond);
        match self.shared.slots.retire_reserved(reserved) {
            Some(reserved) => {
                self.occupy(reserved);
                self.come_back();
            }
            None => self.shared.look_for_tasks(),
        }
    }

    /// Hands the slot that a borrower has of this thread to others for good, if there is one.
    fn give_loan_up(&self) {
        if self.held.owns_loan() && !self.shared.is_forked() {
            self.held.set_away(Away::Beyond);
            self.shared.give_loan_up();
        }
    }

    /// Counts this thread as back, if it was away.
    fn come_back(&self) {
        self.give_loan_up();
        if let Some(away) = self.held.take_away() {
            self.shared.come_back(away);
        }
    }

    /// L1 to L3: lends the slot of this thread, which waits for room, or leaves it to the borrower
    /// that has it. Returns `false` if there is none, or the pool takes no loans.
    fn lend(&self, room: &Room) -> bool {
        let own = self.held.take();
        if own.is_none() && !self.held.owns_loan() {
            return false;
        }
        let task = self.identity(own.as_ref().map(|(queue, _)| queue));
        let (is_first, stood) = self.held.stood.begin(task, room.record());
        let stand = Stand {
            thread: current(),
            record: Arc::clone(room.record()),
            name: self.running.name(),
            stood,
            is_first,
        };
        let lent = match own {
            Some((queue, searching)) => {
                self.shared.queue.part_begun(&queue, PoolTask::has_begun);
                let lent = self.shared.lend((queue, searching), stand);
                lent.map_err(|kept| self.held.put(kept)).ok()
            }
            None => {
                let lent = self.shared.lend_again(stand);
                if lent.is_some() {
                    self.held.set_away(Away::Beyond);
                    self.come_back();
                } else {
                    // It may have been returned just now.
                    self.take_returned();
                    return self.has_slot() && self.lend(room);
                }
                lent
            }
        };
        if let Some(key) = lent {
            self.held.set_wait(Wait::Lent(key));
            self.shared.look_for_tasks();
        }
        lent.is_some()
    }

    /// Parks this thread, which has lent its slot, once or until the deadline.
    fn park_lender(&self, deadline: Deadline) {
        match self.held.wait() {
            Wait::Lent(key) => self.shared.park_lender(key, deadline),
            _ => deadline.park(),
        }
    }

    /// Ends the wait of this thread, which has lent its slot. Returns for how long it has stood.
    fn end_lending(&self, key: LenderKey) -> Nanos {
        let (back, stood) = self.shared.end_lending(key);
        match back {
            Back::Slot(reserved) => {
                self.occupy(reserved);
                self.stop_searching();
            }
            // It goes on without a slot, whatever the limit.
            Back::Nothing => self.held.set_away(Away::Owner),
            Back::Given(away) => {
                self.held.set_away(away);
                if let Some(observer) = &self.shared.observer {
                    observer.worker_resumes();
                }
            }
        }
        stood
    }

    /// After this thread has waited: takes a slot if it has none and one is vacant.
    fn end_wait(&self, outcome: Outcome) {
        self.running.set_waits(false);
        if self.running.meter().is_in(Phase::Waiting) {
            self.enter_phase(Phase::Busy);
            trace::goes_on();
        }
        let mut stood = None;
        match self.held.wait() {
            Wait::Covered => {
                if let Some(observer) = &self.shared.observer {
                    observer.worker_resumes();
                }
            }
            Wait::Lent(key) if !self.shared.is_forked() => stood = Some(self.end_lending(key)),
            Wait::Not | Wait::Uncovered | Wait::Returned | Wait::Lent(_) => {}
        }
        if !self.has_slot() && self.take_slot() {
            self.come_back();
            self.stop_searching();
        }
        if let Some(stood) = stood {
            let task = self.held.with_queue(|own| self.identity(own));
            self.held.stood.end(task, stood, outcome);
        }
        self.held.set_wait(Wait::Not);
    }

    /// Returns what tells the task of this thread from others.
    fn identity(&self, own: Option<&LocalQueue<PoolTask>>) -> Identity {
        let tally = &self.shared.queue.tally;
        Identity {
            slot: own.map(|own| (own.index(), tally.ran_in(own.index()))),
            cell: self.running.task(),
        }
    }

    /// Calls `body` with what this thread has of the pool that it is a worker of, if it is inside.
    fn with_home<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        with_chain(|mut chain| body(chain.find(|local| local.is_worker())))
    }

    /// Sets the hooks by which workers give their slots up around waits, and pools end in a forked
    /// child.
    pub(crate) fn set_hooks() {
        set_blocking_hooks(Hooks {
            before: |cause| {
                Self::share_halves();
                let is_wait = !matches!(cause, Cause::Return);
                let begun = Self::with_home(|home| {
                    home.map_or(Begun::Nothing, |home| home.begin_wait(cause))
                });
                if is_wait && matches!(begun, Begun::Counted | Begun::Lent) {
                    permits::stand_here();
                }
                begun
            },
            park: |deadline| {
                Self::with_home(|home| match home {
                    Some(home) => home.park_lender(deadline),
                    None => deadline.park(),
                });
            },
            after: |outcome| {
                permits::go_on_here();
                Self::with_home(|home| home.into_iter().for_each(|it| it.end_wait(outcome)));
            },
            may_poll: permits::has_permits_here,
            pends: permits::lend_here,
        });
        fork::on_child(here::end_in_the_child);
        set_on_failure(|| with_innermost(|local| local.into_iter().for_each(Context::failed)));
    }
}
