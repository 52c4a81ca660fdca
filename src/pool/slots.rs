//! The right to run tasks, and which threads have it.
//!
//! # Words
//! A *slot* is the right to run: a permit of the pool's inner semaphore. A thread takes up tasks
//! only while it holds a slot. With the slot go a local queue and a shard of the tally, which only
//! the holder writes. A slot is *held* by a running thread, *asleep* with a parked thread, *vacant*
//! with its local queue left in it, *lent* likewise, for what has begun only (`pool/lenders.rs`),
//! or *disabled*, because the pool is to run fewer tasks at a time than it has slots. A
//! [`ReservedSlot`] was vacant or lent and is to be given to a thread.
//!
//! # Invariants
//! 1. A slot's local queue is in the slot while the slot is vacant, lent, disabled or reserved,
//!    else with the thread that has the slot.
//! 2. A slot is marked ASLEEP, VACANT or LENT before it is counted so in [`Idle`], and unmarked by
//!    a thread that holds a claim. So a claim always finds a marked slot, if it keeps looking.
//! 3. The flag SURPLUS is set while more slots are enabled than are wanted; both change under one
//!    lock. A thread that holds a slot, or a reserved slot that it is to fill, checks the flags
//!    before a task is taken up, and disables that slot; one that borrows returns the loan first.
//!
//! # Why it does not matter when work comes
//! A thread that is about to wait [gives its slot up](Slots::give_up), and looks for tasks once the
//! slot is counted vacant; a thread that pushes later finds the vacant slot. When its wait is over
//! the thread [takes](Slots::reserve) any vacant slot, as if the slot had been claimed for it.
//! `pool/idle.rs` has the argument for both.

use super::idle::{Claim, Idle, Searching};
use super::queue::local::LocalQueue;
use crate::primitive::{
    AtomicU8, AtomicUsize, Mutex, Ordering, Padded, Thread, current, lock, spin_loop,
};

const VACANT: u8 = 0;
const HELD: u8 = 1;
pub(super) const ASLEEP: u8 = 2;
const DISABLED: u8 = 3;
const LENT: u8 = 4;

/// The flag that the pool has ended.
const ENDED: u8 = 1;
/// The flag that more slots are enabled than are wanted.
const SURPLUS: u8 = 2;
/// The flag that a warning is kept for the user, left by a thread that calls no hooks.
const UNTOLD: u8 = 4;
/// The flag that a task of high priority waits.
const HIGH: u8 = 8;

pub(super) struct Slots<T> {
    pub(super) idle: Idle,
    pub(super) slots: Box<[Padded<Slot<T>>]>,
    /// Flags that every slot holder checks before it takes the next task.
    flags: AtomicU8,
    /// The number of slots that are to be enabled. Written under the lock of `enabled`.
    wanted: AtomicUsize,
    /// The number of slots that are enabled.
    enabled: Mutex<usize>,
}

pub(super) struct Slot<T> {
    /// VACANT, HELD, ASLEEP, DISABLED or LENT. Changed by the holder, or by a thread that has
    /// claimed the slot.
    pub(super) mark: AtomicU8,
    inside: Mutex<Inside<T>>,
}

/// The content of a slot.
enum Inside<T> {
    /// The slot is vacant, lent, disabled or reserved.
    Queue(LocalQueue<T>),
    /// The slot is held or asleep: the thread to unpark.
    Holder(Thread),
}

/// A slot that is to be given to a thread.
#[must_use = "a thread that counts on the slot waits forever"]
pub(super) struct ReservedSlot {
    index: usize,
    /// The thread that is to have the slot counts as searching, unless that was
    /// [ended early](Slots::end_search_early).
    searching: Option<Searching>,
    /// Whether the slot was lent: then the thread runs only what has begun.
    is_loan: bool,
}

impl ReservedSlot {
    /// Returns `true` if the slot was lent, and has not been given since.
    pub(super) fn is_loan(&self) -> bool {
        self.is_loan
    }

    /// Makes the slot one that its holder may use as it likes.
    pub(super) fn give(self) -> Self {
        Self {
            is_loan: false,
            ..self
        }
    }
}

/// The thing that a task wants which was just pushed.
#[must_use]
pub(super) enum Wanted {
    /// A thread for a slot: the caller has to fill it, or to [leave it
    /// vacant](Slots::leave_vacant).
    Thread(ReservedSlot),
    /// A lent slot, since there is no other.
    Lender,
}

impl<T> Slots<T> {
    /// Makes a slot for each local queue, and enables `wanted` of them.
    pub(super) fn new(queues: Vec<LocalQueue<T>>, wanted: usize) -> Self {
        let slots = Self {
            idle: Idle::new(),
            slots: queues
                .into_iter()
                .map(|queue| {
                    Padded(Slot {
                        mark: AtomicU8::new(DISABLED),
                        inside: Mutex::new(Inside::Queue(queue)),
                    })
                })
                .collect(),
            flags: AtomicU8::new(0),
            wanted: AtomicUsize::new(0),
            enabled: Mutex::new(0),
        };
        slots.set_wanted(wanted);
        slots
    }

    /// Returns the number of slots that can be enabled.
    pub(super) fn max(&self) -> usize {
        self.slots.len()
    }

    /// Returns the number of slots that are to be enabled.
    pub(super) fn wanted(&self) -> usize {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Sets the number of slots that are to be enabled, at most [`max`](Self::max), and returns the
    /// number before.
    ///
    /// Enables missing slots as vacant; the caller goes on as if it had pushed a task. Surplus
    /// slots are disabled when their holders next check the flags.
    pub(super) fn set_wanted(&self, wanted: usize) -> usize {
        let mut enabled = lock(&self.enabled);
        let before = self.wanted();
        self.wanted.store(wanted, Ordering::Relaxed);
        self.idle.limit_searching(wanted);
        let missing = wanted.saturating_sub(*enabled);
        let disabled = self.slots.iter().filter(|slot| slot.unmark(DISABLED));
        for slot in disabled.take(missing) {
            *enabled += 1;
            // ORDERING: Relaxed. `enable_vacant` publishes it before any thread can claim.
            slot.mark.store(VACANT, Ordering::Relaxed);
            self.idle.enable_vacant();
        }
        self.flag_surplus(*enabled);
        before
    }

    /// Sets or clears SURPLUS. The caller holds the lock of `enabled`.
    fn flag_surplus(&self, enabled: usize) {
        if enabled > self.wanted() {
            self.flags.fetch_or(SURPLUS, Ordering::Relaxed);
        } else {
            self.flags.fetch_and(!SURPLUS, Ordering::Relaxed);
        }
    }

    /// Disables a slot that the caller has, after calling `before`, if there is a surplus. Returns
    /// `true` if it did.
    fn disable(&self, index: usize, before: impl FnOnce(&Slot<T>)) -> bool {
        let mut enabled = lock(&self.enabled);
        let surplus = *enabled > self.wanted();
        if surplus {
            *enabled -= 1;
            before(&self.slots[index]);
            // ORDERING: Release gives the local queue to `set_wanted`.
            self.slots[index].mark.store(DISABLED, Ordering::Release);
        }
        self.flag_surplus(*enabled);
        surplus
    }

    /// Disables the slot of its holder, or gives everything back if there is no surplus.
    ///
    /// The caller looks for tasks if the slot is disabled.
    pub(super) fn retire(
        &self,
        queue: LocalQueue<T>,
        searching: Option<Searching>,
    ) -> Result<(), (LocalQueue<T>, Option<Searching>)> {
        let (index, mut queue) = (queue.index(), Some(queue));
        self.disable(index, |slot| slot.put_back(&mut queue));
        match queue {
            Some(queue) => Err((queue, searching)),
            None => {
                self.idle.leave_aside(searching);
                Ok(())
            }
        }
    }

    /// Disables a reserved slot, or gives it back if there is no surplus.
    ///
    /// The caller looks for tasks if the slot is disabled.
    pub(super) fn retire_reserved(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        if !self.disable(reserved.index, |_| ()) {
            return Some(reserved);
        }
        self.idle.leave_aside(reserved.searching);
        None
    }

    /// Disables vacant slots, the last ones first, while there is a surplus. The caller looks for
    /// tasks then, since a slot counts as searching meanwhile.
    pub(super) fn retire_vacant(&self) {
        for (index, slot) in self.slots.iter().enumerate().rev() {
            let is_vacant = slot.mark.load(Ordering::Relaxed) == VACANT;
            if !is_vacant || !self.has_surplus() {
                continue;
            }
            let Some(searching) = self.idle.claim_any_vacant() else {
                continue;
            };
            // Another thread may have come to this slot; then there is another slot for the claim.
            let index = match slot.unmark(VACANT) {
                true => index,
                false => self.unmark_any(VACANT),
            };
            let reserved = ReservedSlot {
                index,
                searching: Some(searching),
                is_loan: false,
            };
            if let Some(reserved) = self.retire_reserved(reserved) {
                self.leave_vacant(reserved, || false);
            }
        }
    }

    /// Returns `true` if there is nothing that a slot holder has to know before its next task.
    #[inline]
    pub(super) fn no_flags(&self) -> bool {
        self.flags.load(Ordering::Relaxed) == 0
    }

    /// Returns `true` if more slots are enabled than are wanted.
    pub(super) fn has_surplus(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & SURPLUS != 0
    }

    /// Returns `true` if there is nothing that the holder of a slot has to know before its next
    /// task, except perhaps that a task of high priority waits.
    #[inline]
    pub(super) fn no_flags_but_high(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & !HIGH == 0
    }

    /// Returns `true` if a task of high priority may wait.
    pub(super) fn has_high(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & HIGH != 0
    }

    /// Flags that a task of high priority waits, after it was pushed.
    pub(super) fn flag_high(&self) {
        // ORDERING: Release hands the push to `clear_high`.
        self.flags.fetch_or(HIGH, Ordering::Release);
    }

    /// Clears the flag that a task of high priority waits, because none was found. `has_high`
    /// looks for one.
    pub(super) fn clear_high(&self, has_high: impl FnOnce() -> bool) {
        // ORDERING: Acquire takes the pushes before the flags that this clears, so the look sees
        // them.
        self.flags.fetch_and(!HIGH, Ordering::Acquire);
        if has_high() {
            self.flag_high();
        }
    }

    /// Flags that the user has to be told something.
    pub(super) fn flag_untold(&self) {
        self.flags.fetch_or(UNTOLD, Ordering::Relaxed);
    }

    /// Clears the flag that the user has to be told something.
    pub(super) fn clear_untold(&self) {
        self.flags.fetch_and(!UNTOLD, Ordering::Relaxed);
    }

    /// Returns `true` if the user has to be told something.
    pub(super) fn has_untold(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & UNTOLD != 0
    }

    /// Flags that the pool has ended. Returns `true` if it was not flagged before.
    pub(super) fn end(&self) -> bool {
        // ORDERING: Release gives all that was done to `have_ended`; Acquire takes what was done
        // before an earlier `end`.
        self.flags.fetch_or(ENDED, Ordering::AcqRel) & ENDED == 0
    }

    /// Returns `true` if the pool is flagged as ended.
    pub(super) fn have_ended(&self) -> bool {
        // ORDERING: Acquire takes all that was done before `end`.
        self.flags.load(Ordering::Acquire) & ENDED != 0
    }

    /// Reserves a vacant slot, if there is one.
    pub(super) fn reserve(&self) -> Option<ReservedSlot> {
        let searching = self.idle.claim_any_vacant()?;
        Some(self.reserve_claimed(searching))
    }

    /// Reserves a lent slot, if there is one that is not in use.
    pub(super) fn reserve_lent(&self) -> Option<ReservedSlot> {
        let searching = self.idle.claim_lent()?;
        Some(ReservedSlot {
            index: self.unmark_any(LENT),
            searching: Some(searching),
            is_loan: true,
        })
    }

    fn reserve_claimed(&self, searching: Searching) -> ReservedSlot {
        ReservedSlot {
            index: self.unmark_any(VACANT),
            searching: Some(searching),
            is_loan: false,
        }
    }

    /// Leaves a reserved slot vacant, because there is no thread for it.
    pub(super) fn leave_vacant(&self, reserved: ReservedSlot, has_tasks: impl FnOnce() -> bool) {
        // ORDERING: Relaxed. `count_vacant` publishes it before any thread can claim.
        self.slots[reserved.index]
            .mark
            .store(VACANT, Ordering::Relaxed);
        self.idle.count_vacant(reserved.searching);
        if has_tasks() {
            self.wake_wanted();
        }
    }

    /// Takes the slot that was reserved for this thread, with its local queue.
    pub(super) fn occupy(&self, reserved: ReservedSlot) -> (LocalQueue<T>, Option<Searching>) {
        let slot = &self.slots[reserved.index];
        let inside = std::mem::replace(&mut *lock(&slot.inside), Inside::Holder(current()));
        let Inside::Queue(queue) = inside else {
            unreachable!("each slot is given to one thread");
        };
        (queue, reserved.searching)
    }

    /// Leaves a slot vacant whose holder is going to wait, or to end. The caller looks for tasks
    /// then.
    pub(super) fn give_up(&self, queue: LocalQueue<T>, searching: Option<Searching>) {
        self.mark_vacant(queue);
        self.idle.count_vacant(searching);
    }

    /// Lends a slot whose holder waits for room, or leaves it lent. The caller looks for tasks
    /// then.
    pub(super) fn lend(&self, queue: LocalQueue<T>, searching: Option<Searching>) {
        let slot = &self.slots[queue.index()];
        slot.put_back(&mut Some(queue));
        // ORDERING: Relaxed. `count_lent` publishes it before any thread can claim.
        slot.mark.store(LENT, Ordering::Relaxed);
        self.idle.count_lent(searching);
    }

    /// Sets a slot aside for a worker that will take it by itself. The caller looks for tasks then.
    pub(super) fn set_aside(
        &self,
        queue: LocalQueue<T>,
        searching: Option<Searching>,
    ) -> ReservedSlot {
        let index = queue.index();
        self.slots[index].put_back(&mut Some(queue));
        self.set_reserved_aside(ReservedSlot {
            index,
            searching,
            is_loan: false,
        })
    }

    /// Sets a reserved slot aside, as [`set_aside`](Self::set_aside) does.
    pub(super) fn set_reserved_aside(&self, reserved: ReservedSlot) -> ReservedSlot {
        self.idle.leave_aside(reserved.searching);
        ReservedSlot {
            index: reserved.index,
            searching: None,
            is_loan: false,
        }
    }

    /// Leaves a reserved slot lent, because there is no thread for it. The caller looks for tasks
    /// then.
    pub(super) fn leave_lent(&self, reserved: ReservedSlot) {
        // ORDERING: Relaxed. `count_lent` publishes it before any thread can claim.
        let mark = &self.slots[reserved.index].mark;
        mark.store(LENT, Ordering::Relaxed);
        self.idle.count_lent(reserved.searching);
    }

    /// Leaves a slot vacant at the end of the pool.
    pub(super) fn give_up_at_the_end(&self, queue: LocalQueue<T>, searching: Option<Searching>) {
        self.mark_vacant(queue);
        self.idle.leave_at_the_end(searching);
    }

    fn mark_vacant(&self, queue: LocalQueue<T>) {
        let slot = &self.slots[queue.index()];
        slot.put_back(&mut Some(queue));
        // ORDERING: Relaxed. Both callers publish it before any thread can claim.
        slot.mark.store(VACANT, Ordering::Relaxed);
    }

    /// Makes sure that a task which was just pushed is found: wakes a sleeper, or returns what is
    /// wanted else.
    #[inline]
    pub(super) fn wake_for_push(&self) -> Option<Wanted> {
        match self.idle.wants_claim() {
            true => self.wake_claimable(),
            false => None,
        }
    }

    #[cold]
    fn wake_claimable(&self) -> Option<Wanted> {
        match self.idle.claim_for_push()? {
            Claim::Sleeper(searching) => {
                self.wake_claimed(searching);
                None
            }
            Claim::Vacant(searching) => Some(Wanted::Thread(self.reserve_claimed(searching))),
            Claim::OnlyLent => Some(Wanted::Lender),
        }
    }

    /// Returns the number of slots whose holders want a processor; a snapshot, may be stale.
    pub(super) fn awake(&self) -> usize {
        self.wanted().saturating_sub(self.idle.not_awake())
    }

    /// F1 to F3, with `has_tasks` for the look at every queue. Returns what
    /// [`wake_for_push`](Self::wake_for_push) does.
    pub(super) fn end_search(
        &self,
        searching: Searching,
        has_tasks: impl FnOnce() -> bool,
    ) -> Option<Wanted> {
        if self.idle.end_search(searching) && has_tasks() {
            return self.wake_for_push();
        }
        None
    }

    /// F1 to F3 for a thread that has yet to start, and may refuse to: wakes a sleeper if one might
    /// be needed, but reserves no other slot, for which the thread might refuse to start, too.
    pub(super) fn end_search_early(
        &self,
        reserved: &mut ReservedSlot,
        has_tasks: impl FnOnce() -> bool,
    ) {
        if let Some(searching) = reserved.searching.take() {
            if self.idle.end_search(searching) && has_tasks() {
                self.wake_wanted();
            }
        }
    }

    /// Unmarks the first slot with this mark, for a claim that the caller has: so the sleeper with
    /// the lowest index is woken.
    pub(super) fn unmark_any(&self, mark: u8) -> usize {
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
    /// Takes the given mark from the slot, which is held then. Returns `false` if the slot was not
    /// marked so.
    pub(super) fn unmark(&self, mark: u8) -> bool {
        // ORDERING: Acquire and Release hand over what was done before.
        self.mark.load(Ordering::Relaxed) == mark
            && self
                .mark
                .compare_exchange(mark, HELD, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Puts the local queue back that was taken out by [`Slots::occupy`].
    fn put_back(&self, queue: &mut Option<LocalQueue<T>>) {
        if let Some(queue) = queue.take() {
            *lock(&self.inside) = Inside::Queue(queue);
        }
    }

    pub(super) fn unpark(&self) {
        if let Inside::Holder(thread) = &*lock(&self.inside) {
            thread.unpark();
        }
    }
}
