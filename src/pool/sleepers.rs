//! How a thread sleeps with its slot, and which sleeper is woken.
//!
//! # Why a sleeper that finds work wakes itself
//! A claim is for any sleeper, so a sleeper that wants to get up again cannot take itself back: a
//! thread may have claimed it already. It makes a claim like every other thread, with itself as the
//! first choice. Either it gets itself, or another thread is on the way to it. It does so, too,
//! when it has slept past its keep-alive time.
//!
//! A task may be left to a thread that is searching. The duties at quiescence may not: that thread
//! may have seen the end, and leave without another look.

use super::idle::Searching;
use super::slots::{ASLEEP, Slots};
use crate::primitive::{Ordering, spin_loop};
use crate::wait::Deadline;

/// The result of a thread's last look before its sleep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastLook {
    /// There is nothing to do.
    Nothing,
    /// There are tasks: a thread has to get up, if none is up and looks for them.
    Tasks,
    /// The thread itself is wanted.
    Wanted,
}

/// How a sleep ended.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Slept {
    /// Another thread woke the thread, or the thread woke itself for work.
    Woken,
    /// The time was over.
    TimedOut,
}

impl<T> Slots<T> {
    /// Sleeps with slot `index` until woken, or until `deadline`. Either way the thread counts as
    /// searching then.
    pub(super) fn sleep(
        &self,
        index: usize,
        searching: Option<Searching>,
        deadline: Deadline,
        last_look: impl FnOnce() -> LastLook,
    ) -> (Slept, Searching) {
        let mark = &self.slots[index].mark;
        // ORDERING: Relaxed. `fall_asleep` publishes it before any thread can claim. The fence in
        // there, S2, also keeps this store before all that the last look reads.
        mark.store(ASLEEP, Ordering::Relaxed);
        self.idle.fall_asleep(searching);
        match last_look() {
            LastLook::Nothing => {}
            LastLook::Tasks => {
                // Not a vacant slot: as long as this thread is not claimed it is a sleeper itself,
                // and if it is claimed it will look again. In that case it is unmarked and not
                // parked yet.
                if let Some(searching) = self.idle.claim_wanted_sleeper() {
                    let _ = self.wake_rather(index, searching);
                }
            }
            LastLook::Wanted => {
                // If this fails, another thread is about to wake this one.
                let _ = self.wakes_up_by_itself(index);
            }
        }
        // In both cases a thread that has woken itself finds itself unmarked.
        // ORDERING: Acquire takes what the waker did before it unmarked us.
        while mark.load(Ordering::Acquire) == ASLEEP {
            if !deadline.is_over() {
                deadline.park();
            } else if let Some(searching) = self.wakes_up_by_itself(index) {
                return (Slept::TimedOut, searching);
            } else {
                spin_loop();
            }
        }
        (Slept::Woken, self.idle.woken())
    }

    /// Claims a sleeper, and wakes this thread by it if no other thread has done so yet. Returns
    /// `None` if another thread has unmarked this one, or is about to.
    fn wakes_up_by_itself(&self, index: usize) -> Option<Searching> {
        let searching = self.idle.claim_any_sleeper()?;
        self.wake_rather(index, searching)
    }

    /// Wakes the sleeper `index`, which is this thread, or another if it is woken by now. Returns
    /// the evidence if it was this thread.
    fn wake_rather(&self, index: usize, searching: Searching) -> Option<Searching> {
        if self.slots[index].unmark(ASLEEP) {
            return Some(searching);
        }
        self.wake_claimed(searching);
        None
    }

    /// Wakes every sleeper.
    pub(super) fn wake_all(&self) {
        while let Some(searching) = self.idle.claim_any_sleeper() {
            self.wake_claimed(searching);
        }
    }

    /// Wakes a sleeper, if there is one and no thread searches.
    pub(super) fn wake_wanted(&self) {
        if let Some(searching) = self.idle.claim_wanted_sleeper() {
            self.wake_claimed(searching);
        }
    }

    /// Wakes a sleeper for a claim of the caller's; the sleeper makes the evidence anew.
    #[cold]
    pub(super) fn wake_claimed(&self, searching: Searching) {
        let index = self.unmark_any(ASLEEP);
        drop(searching);
        self.slots[index].unpark();
    }
}
