//! The end of a scope: how many of its tasks have not ended, and how its owner waits for the last.
//!
//! # Words
//! The *owner* is the thread that has called `scope`. It waits once, when the closure of the scope
//! has returned. A task is *counted* from before it is pushed until it has *ended*: until its
//! closure and its captures are gone, its outcome is published, and everything that it does to the
//! scope is done. Then it is *uncounted*.
//!
//! The owner's thread counts and uncounts in its *balance*, which no other thread sees; the others
//! in the word, which also holds WAITS. The number of counted tasks is the number in the word plus
//! the balance. Either of the two may be negative, since a task can be counted by one thread and
//! uncounted by another.
//!
//! # Invariants
//! 1. A task is counted by the owner before it waits, or by a thread that runs a counted task.
//! 2. The owner sets WAITS when its waker is in place, and then parks unless all have ended. In the
//!    same exchange it moves its balance to the word. From then on its thread counts there, too.
//! 3. A task that ends touches nothing of the scope after it has been uncounted.
//!
//! # Why no wake-up is lost
//! All transitions are read-modify-writes of one word, so they have one order. Once WAITS is set,
//! the word tells the number of counted tasks. If all have ended by then, the owner finds that in
//! the word that it replaced, and does not park. If not, the last task finds WAITS: a task is
//! uncounted by a compare-exchange, which fails if the word has changed.
//!
//! # Why the scope is there as long as it is touched
//! A task that finds that it is the last and that the owner waits takes the waker before it is
//! uncounted, and wakes from a local variable. Until then the count is not 0, so the owner goes on
//! waiting. No other task can become the last: by invariant 1 none can be counted any more, since
//! the owner waits and no closure of the scope runs.
//!
//! The owner may look again meanwhile, because something else has woken it, and with another waker.
//! Then it finds that the waker was taken, which only the last task does, and waits for the
//! exchange that must follow.
//!
//! A task that is uncounted while WAITS is not set may be the last as well. The owner is not in the
//! wait then, or has not looked yet, and its look comes after that exchange.
//!
//! # Why an old word does no harm
//! The owner may read a word that other threads have changed since. None of these changes happened
//! before anything that the owner has done, or it would have read a later word. So the sum is the
//! number of tasks that were counted at some moment of a possible order of events, in which those
//! changes come later. If it is 0 there are none, since only a counted task makes changes.
//!
//! # Why the owner sees everything
//! Each task is uncounted with Release, in an exchange, so that the release sequences of the
//! earlier ones go on. The owner's look acquires all of them.

use std::task::Waker;

use crate::primitive::{AtomicUsize, Mutex, Ordering, lock, yield_now};
use crate::unwind;

/// The owner waits. The other bits are a number of tasks, which may be negative.
const WAITS: usize = 1;
/// One task.
const ONE: usize = 2;

/// The tasks that were counted on the owner's thread, less those that were uncounted there.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Balance(usize);

impl Balance {
    /// Counts a task.
    #[inline]
    pub(super) fn enter(&mut self) {
        self.0 = self.0.wrapping_add(ONE);
    }

    /// Uncounts a task.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.0 = self.0.wrapping_sub(ONE);
    }
}

/// The tasks that were counted on other threads, less those that were uncounted there, and whether
/// the owner waits.
pub(super) struct Count(AtomicUsize);

/// The evidence that a task is the last, and that the owner waits for it.
#[must_use = "the waker is to be taken, and then the task uncounted"]
pub(super) struct Last(());

impl Count {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts a task.
    #[inline]
    pub(super) fn enter(&self) {
        self.0.fetch_add(ONE, Ordering::Relaxed);
    }

    /// Uncounts a task, unless it is the last and the owner waits. The scope may be gone when this
    /// has returned `Ok`.
    #[inline]
    pub(super) fn leave(&self) -> Result<(), Last> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word == ONE | WAITS {
                return Err(Last(()));
            }
            debug_assert!(word != WAITS, "nothing is counted");
            // ORDERING: Release hands what the task did to the owner, in `is_over` and `wait`.
            match self.0.compare_exchange_weak(
                word,
                word.wrapping_sub(ONE),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => word = seen,
            }
        }
    }

    /// Uncounts the last task. The scope may be gone when this has returned.
    pub(super) fn leave_last(&self, _: &Last) {
        // ORDERING: as in `leave`; an exchange, so that the release sequences of those go on.
        self.0.fetch_sub(ONE, Ordering::Release);
    }

    /// Returns `true` if all tasks have ended.
    pub(super) fn is_over(&self, balance: Balance) -> bool {
        // ORDERING: Acquire takes what the tasks did, from `leave` and `leave_last`.
        let word = self.0.load(Ordering::Acquire);
        (word & !WAITS).wrapping_add(balance.0) == 0
    }

    /// Announces that the owner waits, and takes its balance over. Returns `false` if all tasks had
    /// ended before.
    #[must_use = "false: nobody will wake the owner"]
    fn wait(&self, balance: &mut Balance) -> bool {
        let balance = std::mem::take(balance).0;
        // ORDERING: Acquire takes what the tasks did. The waiter field has a lock.
        let before = self.0.fetch_add(balance | WAITS, Ordering::Acquire);
        debug_assert!(before & WAITS == 0, "the owner waits once");
        before.wrapping_add(balance) != 0
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

    /// Takes the waker, for the last task.
    pub(super) fn take(&self, _: &Last) -> Option<Waker> {
        match std::mem::replace(&mut *lock(&self.0), Place::Taken) {
            Place::Waker(waker) => Some(waker),
            Place::Empty | Place::Taken => None,
        }
    }

    /// Returns `true` if all tasks have ended. If not, `waker` is called when they have. Only the
    /// owner calls this, with its balance the first time.
    pub(super) fn poll(&self, count: &Count, balance: Option<&mut Balance>, waker: &Waker) -> bool {
        let new = Place::Waker(waker.clone());
        let before = {
            let mut place = lock(&self.0);
            match *place {
                Place::Taken => None,
                Place::Empty | Place::Waker(_) => Some(std::mem::replace(&mut *place, new)),
            }
        };
        match (before, balance) {
            (before, Some(balance)) => {
                unwind::discard(before);
                !count.wait(balance)
            }
            (Some(before), None) => {
                unwind::discard(before);
                count.is_over(Balance::default())
            }
            (None, None) => {
                while !count.is_over(Balance::default()) {
                    yield_now();
                }
                true
            }
        }
    }
}
