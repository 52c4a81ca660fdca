//! The right to run tasks, and who has it.
//!
//! # Words
//! A *slot* is a permit of the pool's inner semaphore: a thread takes up tasks only while it holds
//! one. With it go the local queue and the shard of the tally that only the holder writes. A slot is
//! *held* by a running thread, *asleep* with a parked one, *vacant*, with its local queue left in it, or
//! *out* of the game, because the pool is to run fewer tasks at a time than it has slots. A
//! [`ReservedSlot`] is a slot that was vacant and is to be given to a thread.
//!
//! # Invariants
//! 1. A slot's local queue is in the slot while it is vacant, out, or on its way to a thread, else with the
//!    thread that has the slot.
//! 2. A slot is marked ASLEEP or VACANT before it is counted so in [`Idle`], and unmarked by one
//!    who holds a claim. So a claim always finds a marked slot, if it keeps looking.
//! 3. TOO_MANY is called out while more slots are enabled than are wanted; both change under one
//!    lock. Whoever has a slot, or a reserved slot to fill, hears it before a task is taken up, and takes
//!    that slot out.
//!
//! # Why it does not matter when work comes
//! A thread that is about to wait [gives its slot up](Slots::give_up), and looks for tasks once the
//! slot is counted vacant; whoever pushes later finds the reserved slot. When its wait is over it
//! [takes](Slots::reserve_slot) any vacant slot, as if it had been claimed for it. `pool/idle.rs` has
//! the argument for both.
//!
//! # Why a sleeper that finds work wakes itself
//! A claim is for any sleeper, so one that wants to get up again cannot take itself
//! back: somebody may have claimed it already. It makes a claim like everyone else, with itself
//! as the first choice. Either it gets itself, or someone else is on the way to it. The same when it
//! has slept for so long that its thread is to end.
//!
//! A task may be left to a thread that is searching. What is to be said when all is done is not: that
//! thread may have seen the end, and leave without another look.

use super::idle::{Claim, Idle};
use super::lanes::LocalQueue;
use crate::primitive::{
    AtomicU8, AtomicUsize, Mutex, Ordering, Padded, Thread, current, lock, spin_loop,
};
use crate::wait::Deadline;

const VACANT: u8 = 0;
const HELD: u8 = 1;
const ASLEEP: u8 = 2;
const OUT: u8 = 3;

/// Called out when the pool has ended.
const ENDED: u8 = 1;
/// Called out while more slots are enabled than are wanted.
const TOO_MANY: u8 = 2;
/// Called out when the user has to be told something, which whoever called could not do.
const UNTOLD: u8 = 4;

pub(crate) struct Slots<T> {
    idle: Idle,
    slots: Box<[Padded<Slot<T>>]>,
    /// What everyone has to hear who has a slot, before it takes up a task.
    calls: AtomicU8,
    /// How many slots are wanted enabled. Written under the lock.
    wanted: AtomicUsize,
    /// How many slots are enabled.
    enabled: Mutex<usize>,
}

struct Slot<T> {
    mark: AtomicU8,
    inside: Mutex<Inside<T>>,
}

/// What is in a slot: one of the two.
enum Inside<T> {
    /// The slot is vacant, out, or about to be occupied.
    LocalQueue(LocalQueue<T>),
    /// Whom to unpark when the slot is asleep.
    Holder(Thread),
}

/// A slot that is to be given to a thread; counted as searching until then.
#[must_use = "whoever counts on the thread waits for ever"]
pub(crate) struct ReservedSlot {
    index: usize,
}

/// What the last look before sleep told a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLook {
    /// There is nothing to do.
    Nothing,
    /// There are tasks; someone has to get up, if nobody is up and looks for them.
    Tasks,
    /// The thread itself is wanted.
    Wanted,
}

/// How a sleep ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slept {
    /// Somebody woke the thread.
    Woken,
    /// The time was over.
    Through,
}

impl<T> Slots<T> {
    /// Makes a slot for each local queue, of which so many are wanted enabled.
    pub(crate) fn new(lanes: Vec<LocalQueue<T>>, wanted: usize) -> Self {
        let slots = Self {
            idle: Idle::new(),
            slots: lanes
                .into_iter()
                .map(|local_queue| {
                    Padded(Slot {
                        mark: AtomicU8::new(OUT),
                        inside: Mutex::new(Inside::LocalQueue(local_queue)),
                    })
                })
                .collect(),
            calls: AtomicU8::new(0),
            wanted: AtomicUsize::new(0),
            enabled: Mutex::new(0),
        };
        slots.want(wanted);
        slots
    }

    /// How many slots there can be enabled.
    pub(crate) fn most(&self) -> usize {
        self.slots.len()
    }

    /// How many slots are wanted enabled.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Wants so many slots enabled from now on, at most as many as there are.
    ///
    /// What is missing comes in, vacant; the caller goes on as if it had pushed a task. What is too
    /// much goes out by and by. Gives back how many were wanted before.
    pub(crate) fn want(&self, wanted: usize) -> usize {
        let mut enabled = lock(&self.enabled);
        let before = self.wanted();
        self.wanted.store(wanted, Ordering::Relaxed);
        self.idle.limit_searching(wanted);
        let missing = wanted.saturating_sub(*enabled);
        let out = self.slots.iter().filter(|slot| slot.unmark(OUT));
        for slot in out.take(missing) {
            *enabled += 1;
            // ORDERING: Relaxed. `one_more` publishes it before anyone can claim.
            slot.mark.store(VACANT, Ordering::Relaxed);
            self.idle.one_more();
        }
        self.call_if_too_many(*enabled);
        before
    }

    /// Keeps invariant 3. The caller holds the lock.
    fn call_if_too_many(&self, enabled: usize) {
        if enabled > self.wanted() {
            self.calls.fetch_or(TOO_MANY, Ordering::Relaxed);
        } else {
            self.calls.fetch_and(!TOO_MANY, Ordering::Relaxed);
        }
    }

    /// Marks a slot that the caller has as disabled, if there are too many; the answer tells.
    fn take_out(&self, index: usize, before: impl FnOnce(&Slot<T>)) -> bool {
        let mut enabled = lock(&self.enabled);
        let too_many = *enabled > self.wanted();
        if too_many {
            *enabled -= 1;
            before(&self.slots[index]);
            // ORDERING: Release gives the local queue to `want`.
            self.slots[index].mark.store(OUT, Ordering::Release);
        }
        self.call_if_too_many(*enabled);
        too_many
    }

    /// Takes a slot disabled with its local queue, or gives the local queue back if it may be kept.
    ///
    /// The caller looks for tasks if the slot is out.
    pub(crate) fn resign(
        &self,
        local_queue: LocalQueue<T>,
        was_searching: bool,
    ) -> Option<LocalQueue<T>> {
        let (index, mut local_queue) = (local_queue.index(), Some(local_queue));
        let put_back = |slot: &Slot<T>| slot.put_back(&mut local_queue);
        if self.take_out(index, put_back) {
            self.idle.left_for_good(was_searching);
        }
        local_queue
    }

    /// As [`resign`](Self::resign) for a slot that is to be given to a thread.
    pub(crate) fn withdraw(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        if !self.take_out(reserved.index, |_| ()) {
            return Some(reserved);
        }
        self.idle.left_for_good(true);
        None
    }

    /// Takes slots disabled that are vacant, the last ones first, while there are too many.
    pub(crate) fn take_out_vacant(&self) {
        for (index, slot) in self.slots.iter().enumerate().rev() {
            let is_vacant = slot.mark.load(Ordering::Relaxed) == VACANT;
            if !is_vacant || !self.are_too_many() || !self.idle.claim_any_vacant() {
                continue;
            }
            // Somebody else may have come to this slot; then there is another for the claim.
            let reserved = match slot.unmark(VACANT) {
                true => ReservedSlot { index },
                false => self.take_reserved(),
            };
            if let Some(reserved) = self.withdraw(reserved) {
                self.leave_vacant(reserved, true, || false);
            }
        }
    }

    /// Tells whether nobody who has a slot has anything to hear.
    #[inline]
    pub(crate) fn is_calm(&self) -> bool {
        self.calls.load(Ordering::Relaxed) == 0
    }

    /// Tells whether there are more slots enabled than are wanted.
    pub(crate) fn are_too_many(&self) -> bool {
        self.calls.load(Ordering::Relaxed) & TOO_MANY != 0
    }

    /// Calls out that the user has to be told something.
    pub(crate) fn call_untold(&self) {
        self.calls.fetch_or(UNTOLD, Ordering::Relaxed);
    }

    /// Takes that back.
    pub(crate) fn told(&self) {
        self.calls.fetch_and(!UNTOLD, Ordering::Relaxed);
    }

    /// Returns `true` if the user has to be told something.
    pub(crate) fn is_something_untold(&self) -> bool {
        self.calls.load(Ordering::Relaxed) & UNTOLD != 0
    }

    /// Calls out the pool's end; `true` if nobody has done so before.
    pub(crate) fn end(&self) -> bool {
        // ORDERING: Release gives all that was done to `have_ended`.
        self.calls.fetch_or(ENDED, Ordering::AcqRel) & ENDED == 0
    }

    /// Tells whether the pool's end has been called out.
    pub(crate) fn have_ended(&self) -> bool {
        // ORDERING: Acquire takes all that was done before `end`.
        self.calls.load(Ordering::Acquire) & ENDED != 0
    }

    /// Claims a vacant slot, if there is one.
    pub(crate) fn reserve_slot(&self) -> Option<ReservedSlot> {
        self.idle.claim_any_vacant().then(|| self.take_reserved())
    }

    fn take_reserved(&self) -> ReservedSlot {
        ReservedSlot {
            index: self.unmark_one(VACANT),
        }
    }

    /// Leaves a slot vacant for which there is no thread.
    pub(crate) fn leave_vacant(
        &self,
        reserved: ReservedSlot,
        was_searching: bool,
        has_tasks: impl FnOnce() -> bool,
    ) {
        self.slots[reserved.index]
            .mark
            .store(VACANT, Ordering::Release);
        self.idle.left_vacant(was_searching);
        if has_tasks() && self.idle.claim_wanted_sleeper() {
            self.wake_claimed();
        }
    }

    /// Takes for this thread the slot that was claimed for it; it is counted as searching.
    pub(crate) fn occupy(&self, reserved: ReservedSlot) -> LocalQueue<T> {
        let slot = &self.slots[reserved.index];
        let inside = std::mem::replace(&mut *lock(&slot.inside), Inside::Holder(current()));
        let Inside::LocalQueue(local_queue) = inside else {
            unreachable!("each slot is given to one thread");
        };
        local_queue
    }

    /// Leaves a slot vacant whose holder is going to wait, or to end; the caller looks for tasks then.
    pub(crate) fn give_up(&self, local_queue: LocalQueue<T>, was_searching: bool) {
        self.mark_vacant(local_queue);
        self.idle.left_vacant(was_searching);
    }

    /// Leaves a slot for good, with its local queue in it.
    pub(crate) fn vacate(&self, local_queue: LocalQueue<T>, was_searching: bool) {
        self.mark_vacant(local_queue);
        self.idle.vacated(was_searching);
    }

    fn mark_vacant(&self, local_queue: LocalQueue<T>) {
        let slot = &self.slots[local_queue.index()];
        slot.put_back(&mut Some(local_queue));
        // ORDERING: Relaxed. Both callers publish it before anyone can claim.
        slot.mark.store(VACANT, Ordering::Relaxed);
    }

    /// Sees to it that a task which was just pushed is found: wakes a sleeper, or gives back a
    /// reserved slot that the caller has to fill, or to [leave](Self::leave_vacant).
    #[inline]
    pub(crate) fn task_pushed(&self) -> Option<ReservedSlot> {
        match self.idle.pushed()? {
            Claim::Sleeper => {
                self.wake_claimed();
                None
            }
            Claim::Vacant => Some(self.take_reserved()),
        }
    }

    /// Counts the slots whose holders want a processor, a snapshot, may be stale.
    pub(crate) fn awake(&self) -> usize {
        self.wanted().saturating_sub(self.idle.resting())
    }

    /// Tells whether every slot is taken up with work, a snapshot, may be stale.
    #[inline]
    pub(crate) fn are_all_busy(&self) -> bool {
        self.idle.is_nobody_idle()
    }

    /// Busy to searching; `false` if enough search already.
    pub(crate) fn start_searching(&self) -> bool {
        self.idle.start_searching()
    }

    /// Searching to busy; `has_tasks` is asked if somebody else might be needed. Gives back what
    /// [`task_pushed`](Self::task_pushed) does.
    pub(crate) fn found(&self, has_tasks: impl FnOnce() -> bool) -> Option<ReservedSlot> {
        if self.idle.found() && has_tasks() {
            return self.task_pushed();
        }
        None
    }

    /// Searching to busy, of a thread that has yet to start, and may fail to: wakes a sleeper if one might
    /// be needed, but gives no reserved slot back, which might be for another that fails.
    pub(crate) fn does_not_search(&self, has_tasks: impl FnOnce() -> bool) {
        if self.idle.found() && has_tasks() && self.idle.claim_wanted_sleeper() {
            self.wake_claimed();
        }
    }

    /// Sleeps with slot `index` until woken, or until `deadline`; either way it is counted as searching
    /// then.
    pub(crate) fn sleep(
        &self,
        index: usize,
        was_searching: bool,
        deadline: Deadline,
        last_look: impl FnOnce() -> LastLook,
    ) -> Slept {
        let mark = &self.slots[index].mark;
        // ORDERING: Relaxed. `fall_asleep` publishes it before anyone can claim. The fence in there, S2,
        // also keeps this store before all that the last look reads.
        mark.store(ASLEEP, Ordering::Relaxed);
        self.idle.fall_asleep(was_searching);
        match last_look() {
            LastLook::Nothing => {}
            LastLook::Tasks => {
                // No reserved slot: as long as this thread is not claimed it is a sleeper itself, and if
                // it is, it will look again. That one is unmarked and not parked yet.
                if self.idle.claim_wanted_sleeper() && !self.slots[index].unmark(ASLEEP) {
                    self.wake_claimed();
                }
            }
            LastLook::Wanted => {
                // If not, somebody is about to wake it.
                let _ = self.wakes_up_by_itself(index);
            }
        }
        // ORDERING: Acquire takes what the waker did before it unmarked us.
        while mark.load(Ordering::Acquire) == ASLEEP {
            if !deadline.is_over() {
                deadline.park();
            } else if self.wakes_up_by_itself(index) {
                return Slept::Through;
            } else {
                spin_loop();
            }
        }
        Slept::Woken
    }

    /// Claims the sleeper `index` for itself; `false` if somebody else has claimed all there are, and is
    /// about to wake them.
    fn wakes_up_by_itself(&self, index: usize) -> bool {
        if !self.idle.claim_any_sleeper() {
            return false;
        }
        let awake = self.slots[index].unmark(ASLEEP);
        if !awake {
            self.wake_claimed();
        }
        awake
    }

    /// Wakes everyone who sleeps.
    pub(crate) fn wake_all(&self) {
        while self.idle.claim_any_sleeper() {
            self.wake_claimed();
        }
    }

    /// Wakes one sleeper, whom the caller has claimed.
    #[cold]
    fn wake_claimed(&self) {
        self.slots[self.unmark_one(ASLEEP)].unpark();
    }

    /// Finds the slot for a claim that the caller has, and unmarks it.
    fn unmark_one(&self, mark: u8) -> usize {
        loop {
            if let Some(index) = self.slots.iter().position(|slot| slot.unmark(mark)) {
                return index;
            }
            // Only when claims cross does a round find nothing.
            spin_loop();
        }
    }
}

impl<T> Slot<T> {
    /// Ends the slot's sleep or reserved slot; `false`: it was not marked so.
    fn unmark(&self, mark: u8) -> bool {
        // ORDERING: Acquire and Release hand over what was done before.
        self.mark.load(Ordering::Relaxed) == mark
            && self
                .mark
                .compare_exchange(mark, HELD, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Puts the local queue back that was taken out by [`Slots::occupy`].
    fn put_back(&self, local_queue: &mut Option<LocalQueue<T>>) {
        if let Some(local_queue) = local_queue.take() {
            *lock(&self.inside) = Inside::LocalQueue(local_queue);
        }
    }

    fn unpark(&self) {
        if let Inside::Holder(thread) = &*lock(&self.inside) {
            thread.unpark();
        }
    }
}
