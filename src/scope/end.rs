//! The end of a scope: how many of its tasks have not ended, and how its owner waits for the last.
//!
//! # Words
//! The *owner* is the thread that has called `scope`. It waits once, when the closure of the scope
//! has returned. A task is *counted* from before it is pushed until it has *ended*: until its
//! closure and its captures are gone, its outcome is published, and everything that it does to the
//! scope is done. The word holds the number of counted tasks, and WAITS.
//!
//! # Invariants
//! 1. A task is counted by the owner before it waits, or by a thread that runs a counted task.
//! 2. The owner sets WAITS when its waker is in place, and then parks unless all have ended.
//! 3. A task that ends touches nothing of the scope after the exchange that takes its count back.
//!
//! # Why no wake-up is lost
//! All transitions are read-modify-writes of one word, so they have one order. If the last count is
//! taken back before WAITS is set, the owner finds no count in the word that it replaced, and does
//! not park. If WAITS is set first, then the last task finds it: a task takes its count back by a
//! compare-exchange, which fails if the word has changed.
//!
//! # Why the scope is there as long as it is touched
//! A task that finds that it is the last and that the owner waits takes the waker before it takes
//! its count back, and wakes from a local variable. Until then the count is not 0, so the owner
//! goes on waiting. Nobody else is the last: by invariant 1 nobody can be counted any more, since
//! the owner waits and no closure of the scope runs.
//!
//! The owner may look again meanwhile, because something else has woken it, and with another waker.
//! Then it finds that the waker was taken, which only the last task does, and waits for the
//! exchange that must follow.
//!
//! # What the owner sees
//! Each count is taken back with Release, in an exchange, so that the release sequences of the
//! earlier ones go on. The owner's look acquires all of them.

use std::task::Waker;

use crate::primitive::{AtomicUsize, Mutex, Ordering, lock, yield_now};
use crate::unwind;

/// The owner waits. The other bits are the number of tasks.
const WAITS: usize = 1;
/// One task.
const ONE: usize = 2;

/// The number of tasks that have not ended, and whether the owner waits.
pub(super) struct Count(AtomicUsize);

/// The evidence that a task is the last, and that the owner waits for it.
#[must_use = "the waker is to be taken, and then the count taken back"]
pub(super) struct Last(());

impl Count {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts a task.
    #[inline]
    pub(super) fn enter(&self) {
        let before = self.0.fetch_add(ONE, Ordering::Relaxed);
        debug_assert!(before != WAITS, "counted after the end");
        if before > usize::MAX / 2 {
            // That many can only have been leaked; a panic could be caught.
            std::process::abort();
        }
    }

    /// Takes the count of a task back, unless it is the last and the owner waits. The scope may be
    /// gone when this has returned `Ok`.
    #[inline]
    pub(super) fn leave(&self) -> Result<(), Last> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(word >= ONE, "not counted");
            if word == ONE | WAITS {
                return Err(Last(()));
            }
            // ORDERING: Release hands what the task did to the owner, in `is_over` and `set_waits`.
            match self.0.compare_exchange_weak(
                word,
                word - ONE,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    /// Takes the count of the last task back. The scope may be gone when this has returned.
    pub(super) fn leave_last(&self, _: &Last) {
        // ORDERING: as in `leave`; an exchange, so that the release sequences of those go on.
        self.0.fetch_sub(ONE, Ordering::Release);
    }

    /// Returns `true` if all tasks have ended.
    pub(super) fn is_over(&self) -> bool {
        // ORDERING: Acquire takes what the tasks did, from `leave` and `leave_last`.
        self.0.load(Ordering::Acquire) < ONE
    }

    /// Announces that the owner waits. Returns `false` if all tasks had ended before.
    #[must_use = "false: nobody will wake the owner"]
    fn set_waits(&self) -> bool {
        // ORDERING: Acquire takes what the tasks did. The waiter field has a lock.
        self.0.fetch_or(WAITS, Ordering::Acquire) >= ONE
    }
}

/// The place of the owner's waker.
pub(super) struct Waiter(Mutex<Place>);

enum Place {
    Empty,
    Waker(Waker),
    /// The last task has taken the waker.
    Taken,
}

impl Waiter {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Place::Empty))
    }

    fn replace(&self, new: Place) -> Place {
        std::mem::replace(&mut *lock(&self.0), new)
    }

    /// Takes the waker, for the last task.
    pub(super) fn take(&self, _: &Last) -> Option<Waker> {
        match self.replace(Place::Taken) {
            Place::Waker(waker) => Some(waker),
            Place::Empty | Place::Taken => None,
        }
    }

    /// Returns `true` if all tasks have ended. If not, `waker` is called when they have. Only the
    /// owner calls this.
    pub(super) fn poll(&self, count: &Count, waker: &Waker) -> bool {
        if count.is_over() {
            return true;
        }
        let new = Place::Waker(waker.clone());
        let before = {
            let mut place = lock(&self.0);
            match *place {
                Place::Taken => None,
                Place::Empty | Place::Waker(_) => Some(std::mem::replace(&mut *place, new)),
            }
        };
        match before {
            Some(before) => {
                unwind::discard(before);
                !count.set_waits()
            }
            None => {
                while !count.is_over() {
                    yield_now();
                }
                true
            }
        }
    }
}
