//! How a pool lends the slots of workers that wait for room, and gives them away in the end.
//!
//! `pool/lenders.rs` has the words, the protocol and the argument. The steps L1 to L3, T1 and T2
//! are those there.

use std::sync::Arc;
use std::time::Duration;

use super::hooks::Untold;
use super::idle::Searching;
use super::lenders::{Away, Guard, LenderKey, Stand, Totals, View};
use super::queue::local::LocalQueue;
use super::shared::Shared;
use super::slots::{ReservedSlot, Wanted};
use crate::clock::{Nanos, now};
use crate::primitive::{Ordering, fence};
use crate::unwind::OnDrop;
use crate::wait::Deadline;

/// The thing that a lender has which comes back.
pub(super) enum Back {
    /// A slot that was lent, and is the lender's now.
    Slot(ReservedSlot),
    /// Nothing: a borrower has the last lent slot. The lender counts as away, and as its owner.
    Nothing,
    /// Nothing: it has given its slot, and counts as away since.
    Given(Away),
}

/// The slot of a worker, which keeps it.
type Kept<T> = (LocalQueue<T>, Option<Searching>);

impl<T: Send + 'static> Shared<T> {
    /// L1 and L2: lends the slot of a worker that is about to wait for room. The caller does L3.
    ///
    /// A pool that cancels what has not begun lends nothing.
    pub(super) fn lend(
        &self,
        (queue, searching): Kept<T>,
        stand: Stand,
    ) -> Result<LenderKey, Kept<T>> {
        let mut lenders = self.lenders.lock();
        // Under the lock, which `give_all` takes after the pool has begun to stop.
        if self.is_stopping() {
            return Err((queue, searching));
        }
        let key = lenders.join(stand);
        self.slots.lend(queue, searching);
        drop(lenders);
        self.retire_lent();
        Ok(key)
    }

    /// A worker stands again whose slot a borrower has, and has not returned. Returns `None` if the
    /// pool takes no loans any more.
    pub(super) fn lend_again(&self, stand: Stand) -> Option<LenderKey> {
        let mut lenders = self.lenders.lock();
        if self.is_stopping() || !lenders.has_owner() {
            return None;
        }
        let key = lenders.join(stand);
        lenders.remove_owner();
        Some(key)
    }

    /// An owner gives its loan up: to the borrower, or to any other thread if it was returned.
    pub(super) fn give_loan_up(self: &Arc<Self>) {
        let mut lenders = self.lenders.lock();
        let returned = lenders.take_returned();
        if returned.is_none() {
            lenders.remove_owner();
            lenders.leave_surplus();
        }
        drop(lenders);
        returned
            .into_iter()
            .for_each(|reserved| self.fill(reserved));
    }

    /// P4 if only lent slots are left.
    #[cold]
    pub(super) fn want_lent(self: &Arc<Self>) {
        if self.has_for_borrower() {
            if let Some(reserved) = self.slots.reserve_lent() {
                self.fill(reserved);
            }
        }
        self.want_tick();
    }

    /// Returns `true` if a task may be found that may run in a lent slot.
    pub(super) fn has_for_borrower(&self) -> bool {
        self.queue.has_begun() || self.lenders.stand_at_groups() && self.queue.has_grouped()
    }

    /// Takes a task that may run in a lent slot.
    pub(super) fn find_for_borrower(&self) -> Option<T> {
        let grouped = || match self.lenders.stand_at_groups() {
            true => self.queue.find_grouped(),
            false => None,
        };
        self.queue.find_begun().or_else(grouped)
    }

    /// Calls `wait`, in which a worker may wait for room in a group of this pool: meanwhile the
    /// tasks of groups with a bound may run in lent slots.
    pub(crate) fn at_group<R>(&self, wait: impl FnOnce() -> R) -> R {
        // ORDERING: Relaxed. The fences of L2 and P2 order it with the looks for tasks.
        self.lenders.count_at_groups();
        let _end = OnDrop(|| self.lenders.uncount_at_groups());
        wait()
    }

    /// Asks a lender to tick if a task waits to begin, and none ticks.
    pub(super) fn want_tick(&self) {
        if !self.is_forked() && self.task_waits() && !self.lenders.tick() {
            let asked = self.lenders.lock().ask();
            asked.into_iter().for_each(|thread| thread.unpark());
        }
    }

    /// Does what a task wants that was just pushed.
    pub(super) fn provide(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Thread(reserved) => self.fill(reserved),
            Wanted::Lender => self.want_lent(),
        }
    }

    /// Returns `true` if a task waits to begin, or a submitter waits for a free thread.
    fn task_waits(&self) -> bool {
        let submitter_waits = || {
            self.observer
                .as_ref()
                .is_some_and(|it| it.submitters_wait())
        };
        self.queue.has_unbegun() || submitter_waits()
    }

    /// A submitter waits for a free thread: P2 to P4 on its behalf.
    pub(crate) fn submitter_waits(&self) {
        fence(Ordering::SeqCst);
        if self.lenders.standing() > 0 {
            self.want_tick();
        }
    }

    /// A worker waits that gives no slot to others: the first gift may be due earlier than before.
    pub(super) fn hurry_ticker(&self) {
        if self.lenders.tick() {
            let ticker = self.lenders.lock().ticker();
            ticker.into_iter().for_each(|thread| thread.unpark());
        }
    }

    /// Parks a lender once, or until the deadline, or until the next gift is due if it ticks.
    pub(super) fn park_lender(self: &Arc<Self>, key: LenderKey, deadline: Deadline) {
        if self.is_forked() {
            return deadline.park();
        }
        match self.tick(key) {
            Some(left) => deadline.or_after(left).park(),
            None => deadline.park(),
        }
    }

    /// T1 and T2. Returns for how long this lender parks at most, if it ticks.
    pub(super) fn tick(self: &Arc<Self>, key: LenderKey) -> Option<Duration> {
        while self.lenders.lock().is_ticker(key) {
            if !self.task_waits() {
                let stops = self.lenders.lock().stop_ticking(key);
                // T2. ORDERING: pairs with P2 in `wants_claim`.
                fence(Ordering::SeqCst);
                match stops && self.task_waits() {
                    // This lender may have given its slot, and tick for others no longer.
                    true => self.want_tick(),
                    false => return None,
                }
                continue;
            }
            let view = self.view();
            let mut lenders = self.lenders.lock();
            let first = lenders.first_due(&view);
            let now = now();
            let Some((giver, _)) = first.filter(|&(_, due)| due <= now) else {
                return lenders.tick_until(key, first.map(|(_, due)| due));
            };
            if self.may_go_away() {
                let gave_way = lenders.count_gift(giver);
                let reserved = self.give(lenders, giver, Away::Within);
                self.hooks.keep_untold(Untold::GaveWay(gave_way));
                self.slots.flag_untold();
                self.carry_out(reserved);
            } else if lenders.postpone(giver) {
                self.incidents.uncovered_waits.add_one();
                self.hooks.keep_untold(Untold::SparesUsedUp);
                self.slots.flag_untold();
            }
            if self.is_forked() {
                return None;
            }
        }
        None
    }

    /// Makes a gift of a loan. Returns the slot, unless a borrower has it, which keeps it.
    fn give(&self, mut lenders: Guard<'_>, key: LenderKey, away: Away) -> Option<ReservedSlot> {
        lenders.give(key, away);
        let reserved = self.slots.reserve_lent();
        if reserved.is_none() {
            lenders.leave_surplus();
        }
        reserved.map(ReservedSlot::give)
    }

    /// Carries out a gift, without the lock: a task may begin in the slot.
    fn carry_out(self: &Arc<Self>, given: Option<ReservedSlot>) {
        if let Some(observer) = &self.observer {
            observer.worker_blocks();
        }
        given.into_iter().for_each(|reserved| self.fill(reserved));
    }

    /// Makes a gift of the loan of a lender that is about to wait for something that arrives,
    /// unless too many workers are away.
    pub(super) fn give_at_once(self: &Arc<Self>, key: LenderKey) {
        let lenders = self.lenders.lock();
        if lenders.lends(key) && self.may_go_away() {
            let given = self.give(lenders, key, Away::Within);
            self.carry_out(given);
        }
    }

    /// Makes gifts of all loans, because the pool cancels what has not begun.
    pub(super) fn give_all(self: &Arc<Self>) {
        loop {
            let lenders = self.lenders.lock();
            let Some(key) = lenders.any_lent() else {
                return;
            };
            self.go_away_beyond();
            let given = self.give(lenders, key, Away::Beyond);
            self.carry_out(given);
        }
    }

    fn view(&self) -> View {
        View {
            slots: self.slots.wanted(),
            anyone_runs: self.staff.roster.anyone_runs(),
            progress: self.queue.tally.ran(),
        }
    }

    /// A lender's wait is over. Returns also for how long it has stood.
    pub(super) fn end_lending(self: &Arc<Self>, key: LenderKey) -> (Back, Nanos) {
        let mut lenders = self.lenders.lock();
        let (given, stood, stops) = lenders.leave(key);
        let back = match given {
            Some(away) => Back::Given(away),
            None => {
                let back = match self.slots.reserve_lent() {
                    Some(reserved) => Back::Slot(reserved.give()),
                    None => {
                        lenders.add_owner();
                        self.go_away_beyond();
                        Back::Nothing
                    }
                };
                lenders.stands_no_longer();
                back
            }
        };
        drop(lenders);
        if stops {
            // T2. ORDERING: pairs with P2 in `wants_claim`.
            fence(Ordering::SeqCst);
            self.want_tick();
        }
        (back, stood)
    }

    /// Takes a surplus loan, if there is one: the borrower that calls may use its slot as it likes.
    #[must_use]
    pub(super) fn take_surplus(&self) -> bool {
        self.lenders.has_surplus() && self.lenders.lock().take_surplus()
    }

    /// L1 and L2 of a borrower that has nothing to do, or is about to wait. The caller does L3. The
    /// slot comes back if it is a surplus, and is the caller's then.
    pub(super) fn return_loan(&self, (queue, searching): Kept<T>) -> Result<(), Kept<T>> {
        let mut lenders = self.lenders.lock();
        if lenders.take_surplus() {
            return Err((queue, searching));
        }
        match lenders.has_owner() {
            true => lenders.keep_for_owner(self.slots.set_aside(queue, searching)),
            false => self.slots.lend(queue, searching),
        }
        drop(lenders);
        self.retire_lent();
        self.want_tick();
        Ok(())
    }

    /// L1 and L2 with a reserved loan. Returns the slot if it is a surplus.
    ///
    /// The caller looks for tasks then, since a pusher may have counted on the slot.
    pub(super) fn leave_lent(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        let mut lenders = self.lenders.lock();
        if lenders.take_surplus() {
            return Some(reserved.give());
        }
        match lenders.has_owner() {
            true => lenders.keep_for_owner(self.slots.set_reserved_aside(reserved)),
            false => self.slots.leave_lent(reserved),
        }
        drop(lenders);
        self.want_tick();
        None
    }

    /// Disables lent slots while more slots are enabled than are wanted.
    pub(super) fn retire_lent(&self) {
        while self.slots.has_surplus() {
            let mut lenders = self.lenders.lock();
            let Some(reserved) = self.slots.reserve_lent() else {
                return;
            };
            if let Some(reserved) = self.slots.retire_reserved(reserved) {
                self.slots.leave_lent(reserved);
                continue;
            }
            let lender = lenders.any_lent();
            let lender = lender.expect("a loan that is no surplus has a lender");
            self.go_away_beyond();
            lenders.give(lender, Away::Beyond);
            drop(lenders);
            if let Some(observer) = &self.observer {
                observer.worker_blocks();
            }
        }
    }

    /// Returns the number of slots that are lent now, and the totals.
    pub(crate) fn lending(&self) -> (usize, Totals) {
        match self.is_forked() {
            true => (0, Totals::default()),
            false => self.lenders.lock().totals(),
        }
    }
}
