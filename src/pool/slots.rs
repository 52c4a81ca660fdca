//! The right to run tasks, and who has it.
//!
//! # Words
//! A *slot* is a permit of the pool's inner semaphore: a thread runs tasks only while it holds
//! one. With it go the lane and the shard of the tally that only the holder writes. A slot is
//! *held* by a running thread, *asleep* with a parked one, or *vacant*, with its lane left in it.
//! A [`Vacancy`] is a slot that was vacant and is to be given to a thread.
//!
//! # Invariants
//! 1. A slot's lane is in the slot while it is vacant or on its way to a thread, else with the
//!    thread that has the slot.
//! 2. A slot is marked ASLEEP or VACANT before it is counted so in [`Idle`], and unmarked by one
//!    who holds a claim. So a claim always finds a marked slot, if it keeps looking.
//!
//! # Why a sleeper that finds work wakes itself
//! A claim is for any sleeper, so one that wants to get up again cannot take itself
//! back: somebody may have claimed it already. It makes a claim like everyone else, with itself
//! as the first choice. Either it gets itself, or someone else is on the way to it.

use super::idle::{Claim, Idle};
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
    /// The slot is vacant, or about to be occupied.
    Lane(Lane<T>),
    /// Whom to unpark when the slot is asleep.
    Holder(Thread),
}

/// A slot that is to be given to a thread; counted as searching until then.
#[must_use = "whoever counts on the thread waits for ever"]
pub(crate) struct Vacancy {
    index: usize,
}

impl Vacancy {
    /// Which slot it is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
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

    /// Claims a vacant slot, if there is one.
    pub(crate) fn claim_vacancy(&self) -> Option<Vacancy> {
        self.idle
            .claim_any_vacancy()
            .then(|| self.claimed_vacancy())
    }

    fn claimed_vacancy(&self) -> Vacancy {
        Vacancy {
            index: self.unmark_one(VACANT),
        }
    }

    /// Leaves a slot vacant for which no thread could be started.
    pub(crate) fn leave_vacant(&self, vacancy: Vacancy, has_tasks: impl FnOnce() -> bool) {
        self.slots[vacancy.index]
            .mark
            .store(VACANT, Ordering::Release);
        self.idle.left_vacant();
        if has_tasks() && self.idle.claim_wanted_sleeper() {
            self.wake_claimed();
        }
    }

    /// Takes for this thread the slot `index`, which was claimed for it; it is counted as searching.
    pub(crate) fn occupy(&self, index: usize) -> Lane<T> {
        let slot = &self.slots[index];
        let inside = std::mem::replace(&mut *lock(&slot.inside), Inside::Holder(current()));
        let Inside::Lane(lane) = inside else {
            unreachable!("each slot is given to one thread");
        };
        lane
    }

    /// Leaves a slot for good, with its lane in it.
    pub(crate) fn vacate(&self, lane: Lane<T>, was_searching: bool) {
        let slot = &self.slots[lane.index()];
        *lock(&slot.inside) = Inside::Lane(lane);
        // ORDERING: Relaxed. `vacated` publishes it before anyone can claim.
        slot.mark.store(VACANT, Ordering::Relaxed);
        self.idle.vacated(was_searching);
    }

    /// Sees to it that a task which was just pushed is found: wakes a sleeper, or gives back a
    /// vacancy that the caller has to fill, or to [leave](Self::leave_vacant).
    #[inline]
    pub(crate) fn task_pushed(&self) -> Option<Vacancy> {
        match self.idle.pushed()? {
            Claim::Sleeper => {
                self.wake_claimed();
                None
            }
            Claim::Vacancy => Some(self.claimed_vacancy()),
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

    /// Searching to busy; `has_tasks` is asked if somebody else might be needed. Gives back what
    /// [`task_pushed`](Self::task_pushed) does.
    pub(crate) fn found(&self, has_tasks: impl FnOnce() -> bool) -> Option<Vacancy> {
        if self.idle.found() && has_tasks() {
            return self.task_pushed();
        }
        None
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
                // No vacancy: as long as this thread is not claimed it is a sleeper itself, and if
                // it is, it will look again. That one is unmarked and not parked yet.
                if self.idle.claim_wanted_sleeper() && !self.slots[index].unmark(ASLEEP) {
                    self.wake_claimed();
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
    /// Ends the slot's sleep or vacancy; `false`: it was not marked so.
    fn unmark(&self, mark: u8) -> bool {
        // ORDERING: Acquire and Release hand over what was done before.
        self.mark.load(Ordering::Relaxed) == mark
            && self
                .mark
                .compare_exchange(mark, HELD, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    fn unpark(&self) {
        if let Inside::Holder(thread) = &*lock(&self.inside) {
            thread.unpark();
        }
    }
}
