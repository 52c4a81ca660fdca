//! The right to run tasks, and who has it.
//!
//! # Words
//! A *slot* is a permit of the pool's inner semaphore: a thread runs tasks only while it holds
//! one. With it go the lane and the shard of the tally that only the holder writes. A slot is
//! *held* by a running thread, *asleep* with a parked one, or *vacant*, with its lane left in it.
//!
//! # Invariants
//! 1. A slot's lane is in the slot while it is vacant, else with the thread that has the slot.
//! 2. A slot is marked ASLEEP before it is counted asleep in [`Idle`], and unmarked by a waker
//!    that holds a claim. So a claim always finds a marked slot, if it keeps looking.
//!
//! # Why a sleeper that finds work wakes itself
//! A claim is for any sleeper, so one that wants to get up again cannot take itself
//! back: somebody may have claimed it already. It makes a claim like everyone else, with itself
//! as the first choice. Either it gets itself, or someone else is on the way to it.

use super::idle::Idle;
use super::lanes::Lane;
use crate::primitive::{AtomicU8, Mutex, Ordering, Padded, Thread, current, lock, park, spin_loop};

const VACANT: u8 = 0;
const HELD: u8 = 1;
const ASLEEP: u8 = 2;

pub(crate) struct Slots<T> {
    idle: Idle,
    slots: Box<[Padded<Slot<T>>]>,
}

struct Slot<T> {
    mark: AtomicU8,
    inside: Mutex<Inside<T>>,
}

/// What is in a slot: one of the two.
enum Inside<T> {
    /// The slot is vacant.
    Lane(Lane<T>),
    /// Whom to unpark when the slot is asleep.
    Holder(Thread),
}

/// What the last look before sleep told a thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLook {
    /// There is nothing to do.
    Nothing,
    /// There are tasks, or joiners to wake; someone has to get up.
    Tasks,
    /// The pool has ended; everyone has to get up.
    Ended,
}

impl<T> Slots<T> {
    /// Makes a vacant slot for each lane.
    pub(crate) fn new(lanes: Vec<Lane<T>>) -> Self {
        Self {
            idle: Idle::new(lanes.len()),
            slots: lanes
                .into_iter()
                .map(|lane| {
                    Padded(Slot {
                        mark: AtomicU8::new(VACANT),
                        inside: Mutex::new(Inside::Lane(lane)),
                    })
                })
                .collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes the vacant slot `index` for this thread.
    pub(crate) fn occupy(&self, index: usize) -> Lane<T> {
        let slot = &self.slots[index];
        let inside = std::mem::replace(&mut *lock(&slot.inside), Inside::Holder(current()));
        let Inside::Lane(lane) = inside else {
            unreachable!("each slot is given to one thread");
        };
        slot.mark.store(HELD, Ordering::Relaxed);
        self.idle.occupied();
        lane
    }

    /// Leaves a slot for good, with its lane in it.
    pub(crate) fn vacate(&self, lane: Lane<T>, was_searching: bool) {
        let slot = &self.slots[lane.index()];
        slot.mark.store(VACANT, Ordering::Relaxed);
        *lock(&slot.inside) = Inside::Lane(lane);
        self.idle.vacated(was_searching);
    }

    /// Sees to it that a task which was just pushed is found.
    #[inline]
    pub(crate) fn task_pushed(&self) {
        if self.idle.pushed() {
            self.wake_claimed(None);
        }
    }

    /// Counts the slots whose holders want a processor, as of a moment ago.
    pub(crate) fn awake(&self) -> usize {
        self.len().saturating_sub(self.idle.resting())
    }

    /// Busy to searching; `false` if enough search already.
    pub(crate) fn start_searching(&self) -> bool {
        self.idle.start_searching()
    }

    /// Searching to busy; `has_tasks` is asked if somebody else might be needed.
    pub(crate) fn found(&self, has_tasks: impl FnOnce() -> bool) {
        if self.idle.found() && has_tasks() {
            self.task_pushed();
        }
    }

    /// Sleeps with slot `index` until woken, and is counted as searching then.
    pub(crate) fn sleep(
        &self,
        index: usize,
        was_searching: bool,
        last_look: impl FnOnce() -> LastLook,
    ) {
        let mark = &self.slots[index].mark;
        // ORDERING: Relaxed. `fall_asleep` publishes it before anyone can claim.
        mark.store(ASLEEP, Ordering::Relaxed);
        self.idle.fall_asleep(was_searching);
        match last_look() {
            LastLook::Nothing => {}
            LastLook::Tasks => {
                if self.idle.pushed() {
                    self.wake_claimed(Some(index));
                }
            }
            LastLook::Ended => self.wake_all(),
        }
        // ORDERING: Acquire takes what the waker did before it unmarked us.
        while mark.load(Ordering::Acquire) == ASLEEP {
            park();
        }
    }

    /// Wakes everyone who sleeps.
    pub(crate) fn wake_all(&self) {
        while self.idle.claim_any() {
            self.wake_claimed(None);
        }
    }

    /// Wakes one sleeper, whom the caller has claimed: slot `own`, if it still sleeps.
    fn wake_claimed(&self, own: Option<usize>) {
        if own.is_some_and(|index| self.slots[index].unmark()) {
            // The caller itself, which is not parked yet.
            return;
        }
        loop {
            if let Some(slot) = self.slots.iter().find(|slot| slot.unmark()) {
                slot.unpark();
                return;
            }
            // Only when claims cross does a round find nothing.
            spin_loop();
        }
    }
}

impl<T> Slot<T> {
    /// Ends the sleep of the slot's holder, who has to be unparked then; `false`: it was awake.
    fn unmark(&self) -> bool {
        // ORDERING: Acquire and Release hand over what was done before the wake-up.
        self.mark.load(Ordering::Relaxed) == ASLEEP
            && self
                .mark
                .compare_exchange(ASLEEP, HELD, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn unpark(&self) {
        if let Inside::Holder(thread) = &*lock(&self.inside) {
            thread.unpark();
        }
    }
}
