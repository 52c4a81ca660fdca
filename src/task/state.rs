//! One word that says where a task stands, and who still holds its cell.
//!
//! # Words
//! A cell has two *ends*: the task's, which lies in a queue and runs, and the handle's,
//! which waits. Besides there may be *extra* ends, which can cancel the task or run it in place
//! but never see its outcome; they are counted. All may be dropped in any order.
//! The closure may be a future, which runs bit by bit, and can be cancelled in between and meanwhile.
//!
//! # Invariants
//! 1. The stage of a closure leaves QUEUED once, to RUNNING or to CANCELLED; whoever moves it owns
//!    the closure from then on and must end the task. A future is the task's end's from the beginning,
//!    which ends it too. Its stage leaves RUNNING as well: to RETURNED at the hands of the task's end,
//!    or to CANCELLED at anybody's, who then has the task's end look.
//! 2. DONE is set once, by that owner, after the captures are gone and the outcome is stored.
//! 3. The handle alone sets and clears WAITER. An ender that finds WAITER while it sets DONE owns
//!    the waiter's place from then on. Else the handle does, while WAITER is clear or once it
//!    knows that DONE came before WAITER.
//! 4. An end says that it goes by setting its GONE bit, an extra one by lowering the count, and
//!    touches nothing afterwards; unless it finds, then or when it was about to, that all others
//!    have gone. That end frees the memory.
//!
//! # Why it is correct
//! All transitions are read-modify-writes of one word, so they have one order.
//! *Started or cancelled:* both leave QUEUED by compare-exchange, so exactly one succeeds,
//! and `cancel` tells the truth because it is that exchange.
//! *Returned or cancelled:* a future's outcome is told only after the exchange to RETURNED, which
//! fails once it is cancelled; so `request_cancel` tells the truth as well.
//! *No wake-up is lost:* if DONE comes before the handle sets WAITER, the handle finds
//! DONE in the word it replaced and does not sleep; otherwise the ender finds WAITER and wakes.
//! *No waiter is touched twice:* the handle clears WAITER before it changes the place.
//! If the word it replaced held DONE, invariant 3 gave the place to the ender and the handle
//! leaves it alone; if not, the ender will see WAITER clear.
//! *Freed once, after the last access:* by invariant 4 and the order of the departures; the count
//! only grows at the hands of an end that is still there. An ender that has a waiter to wake keeps
//! its end until it has taken the waker out, so the memory outlives that access; it wakes from a
//! local after that. A handle that finds the task unfinished leaves the outcome to the ender in the
//! same exchange that sets its bit, so an outcome is dropped by exactly one.
//!
//! `task/model.rs` runs these against each other under every schedule.

use std::fmt;

use crate::error::CancelReason;
use crate::primitive::{AtomicUsize, Ordering};

/// Bits 0 and 1: how far the task has come.
const STAGE: usize = 0b11;
/// Nobody has taken the closure.
const QUEUED: usize = 0;
/// The closure has been taken out to be run.
const RUNNING: usize = 1;
/// The closure has been taken out to be dropped; the handle resolves to cancelled.
const CANCELLED: usize = 2;
/// The future has given its output; it is too late to cancel it.
const RETURNED: usize = 3;
/// The outcome is stored and may be read.
const DONE: usize = 1 << 2;
/// The task's end will not touch the cell again.
const RUNNABLE_GONE: usize = 1 << 3;
/// The handle's end will not touch the cell again.
const HANDLE_GONE: usize = 1 << 4;
/// The waiter's place holds the waker of whoever waits at the handle.
const WAITER: usize = 1 << 5;
/// Bits 6 and 7: why a future was cancelled.
const REASON: usize = 0b11 << 6;
const BY_SHUTDOWN: usize = 1 << 6;
const BY_REJECTION: usize = 2 << 6;
/// The closure is not to be run in place, because it is not due.
const NOT_DUE: usize = 1 << 8;
/// One counted reference; all bits from here on count them.
const REF_ONE: usize = 1 << 9;

/// Tells from a word whether every end has gone.
fn is_last(word: usize) -> bool {
    word & (RUNNABLE_GONE | HANDLE_GONE) == RUNNABLE_GONE | HANDLE_GONE && word < REF_ONE
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Snapshot(self.0.load(Ordering::Relaxed)).fmt(f)
    }
}

/// A word as it was read, for those who look at it with a debugger, or in a failed assertion.
#[derive(Clone, Copy)]
struct Snapshot(usize);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.0;
        let has = |bit| word & bit != 0;
        let stage = match word & STAGE {
            QUEUED => "QUEUED",
            RUNNING => "RUNNING",
            CANCELLED => "CANCELLED",
            _ => "RETURNED",
        };
        let reason = match word & REASON {
            BY_SHUTDOWN => "BY_SHUTDOWN",
            BY_REJECTION => "BY_REJECTION",
            _ => "BY_CANCEL",
        };
        f.debug_struct("State")
            .field("stage", &format_args!("{stage}"))
            .field("done", &has(DONE))
            .field("runnable_gone", &has(RUNNABLE_GONE))
            .field("handle_gone", &has(HANDLE_GONE))
            .field("waiter", &has(WAITER))
            .field("reason", &format_args!("{reason}"))
            .field("not_due", &has(NOT_DUE))
            .field("references", &(word / REF_ONE))
            .finish()
    }
}

/// What the one who ends a task has to do after [`State::finish`].
#[must_use]
pub(super) enum Finish {
    /// Nothing: the outcome is the handle's. The cell may be gone already.
    Published,
    /// Take the waker out, give the end up if it was to be given up, then wake.
    Wake,
    /// Drop the outcome, then give the end up if it was to be given up: the handle has gone.
    Abandoned,
}

/// What [`State::request_cancel`] found.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CancelRequest {
    /// The future had not begun: what it held while it waited is the caller's.
    Unbegun,
    /// It had begun.
    Begun,
    /// It was cancelled before.
    Before,
    /// It has given its output.
    TooLate,
}

/// Which end an ender acts for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ender {
    /// The task's: ending it is the last thing that happens there.
    Runnable,
    /// Another, which lives on; the task's end stays queued as an empty tombstone.
    Other,
}

/// What a departing handle finds.
#[must_use]
pub(super) enum Leave {
    /// The task has not ended; its end will see to everything.
    ToTask,
    /// The task has ended: drop the outcome if it was not taken, then leave for good.
    WithOutcome,
}

pub(super) struct State(AtomicUsize);

impl State {
    pub(super) fn queued() -> Self {
        Self(AtomicUsize::new(QUEUED))
    }

    /// The state of a cell that never had a task: its outcome is stored at birth.
    pub(super) fn refused() -> Self {
        Self(AtomicUsize::new(CANCELLED | DONE | RUNNABLE_GONE))
    }

    /// QUEUED to RUNNING; `false` if someone took the closure before.
    #[must_use = "true: the caller owns the closure, and must end the task"]
    #[inline]
    pub(super) fn start(&self) -> bool {
        self.leave_queue(RUNNING)
    }

    /// QUEUED to CANCELLED; `false` if someone took the closure before.
    #[must_use = "true: the caller owns the closure, and must end the task"]
    #[inline]
    pub(super) fn cancel(&self) -> bool {
        self.leave_queue(CANCELLED)
    }

    #[inline]
    fn leave_queue(&self, stage: usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & STAGE == QUEUED {
            // ORDERING: none is needed to read the closure, which was written before the
            // ends were parted. Acquire keeps what follows the taking behind it.
            match self.0.compare_exchange_weak(
                word,
                word | stage,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(before) => {
                    // While nobody has taken it, it lies in a queue.
                    debug_assert!(
                        before & (DONE | RUNNABLE_GONE) == 0,
                        "taken from {:?}",
                        Snapshot(before)
                    );
                    return true;
                }
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Cancels a future, which ends when the task's end looks next.
    ///
    /// It keeps three reasons; any other becomes [`CancelReason::Cancelled`].
    pub(super) fn request_cancel(&self, reason: CancelReason) -> CancelRequest {
        let reason = match reason {
            CancelReason::Shutdown => BY_SHUTDOWN,
            CancelReason::Rejected => BY_REJECTION,
            _ => 0,
        };
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let found = match word & STAGE {
                QUEUED => CancelRequest::Unbegun,
                RUNNING => CancelRequest::Begun,
                CANCELLED => return CancelRequest::Before,
                _ => return CancelRequest::TooLate,
            };
            let new = word & !STAGE | CANCELLED | reason;
            // ORDERING: Acquire keeps the taking of what was held behind it; nothing is published.
            match self
                .0
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(before) => {
                    // The first to cancel it, before it has ended.
                    debug_assert!(
                        before & (DONE | RUNNABLE_GONE | REASON) == 0,
                        "cancelled in {:?}",
                        Snapshot(before)
                    );
                    return found;
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// RUNNING to RETURNED, of a future; `false` if it was cancelled.
    #[must_use = "false: the output is not to be told, because the future was cancelled"]
    #[inline]
    pub(super) fn deliver(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & STAGE == RUNNING {
            match self.0.compare_exchange_weak(
                word,
                word | RETURNED,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(before) => {
                    // What is polled has not ended.
                    debug_assert!(
                        before & (DONE | RUNNABLE_GONE) == 0,
                        "returned in {:?}",
                        Snapshot(before)
                    );
                    return true;
                }
                Err(seen) => word = seen,
            }
        }
        false
    }

    /// Why a future was cancelled.
    pub(super) fn reason(&self) -> CancelReason {
        match self.0.load(Ordering::Relaxed) & REASON {
            BY_SHUTDOWN => CancelReason::Shutdown,
            BY_REJECTION => CancelReason::Rejected,
            _ => CancelReason::Cancelled,
        }
    }

    /// Sets DONE, and RUNNABLE_GONE too when the task's end goes and nobody is to be woken.
    pub(super) fn finish(&self, ender: Ender) -> Finish {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // Invariants 1 and 2, and the ender's own reference is there.
            debug_assert!(
                word & STAGE != QUEUED && word & DONE == 0,
                "ended in {:?}",
                Snapshot(word)
            );
            debug_assert!(
                match ender {
                    Ender::Runnable => word & RUNNABLE_GONE == 0,
                    Ender::Other => word & HANDLE_GONE == 0 || word >= REF_ONE,
                },
                "ended by none in {:?}",
                Snapshot(word)
            );
            let (new, then) = if word & HANDLE_GONE != 0 {
                (word | DONE, Finish::Abandoned)
            } else if word & WAITER != 0 {
                (word | DONE, Finish::Wake)
            } else if ender == Ender::Runnable {
                (word | DONE | RUNNABLE_GONE, Finish::Published)
            } else {
                (word | DONE, Finish::Published)
            };
            // ORDERING: Release publishes the outcome to `is_done` and `leave`, Acquire
            // receives the waiter's place from `set_waiter` and the cell from `leave`.
            match self
                .0
                .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return then,
                Err(seen) => word = seen,
            }
        }
    }

    /// Gives up the task's end; `true` if the caller must free the cell.
    #[must_use = "true: the caller must free the cell"]
    pub(super) fn drop_runnable(&self) -> bool {
        // ORDERING: Release gives our accesses to whoever goes last, Acquire takes the others'.
        let before = self.0.fetch_or(RUNNABLE_GONE, Ordering::AcqRel);
        // It goes once, with nothing left to run.
        debug_assert!(
            before & RUNNABLE_GONE == 0 && before & STAGE != QUEUED,
            "dropped in {:?}",
            Snapshot(before)
        );
        is_last(before | RUNNABLE_GONE)
    }

    /// Gives up the handle's end if the task has not ended.
    pub(super) fn leave(&self) -> Leave {
        let mut word = self.0.load(Ordering::Acquire);
        while word & DONE == 0 {
            // ORDERING: Release gives our accesses to `finish` and `drop_runnable`.
            match self.0.compare_exchange_weak(
                word,
                word | HANDLE_GONE,
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(before) => {
                    // It goes once, and has taken its waiter along.
                    debug_assert!(
                        before & (HANDLE_GONE | WAITER) == 0,
                        "left in {:?}",
                        Snapshot(before)
                    );
                    return Leave::ToTask;
                }
                Err(seen) => word = seen,
            }
        }
        Leave::WithOutcome
    }

    /// Gives up the handle's end after [`Leave::WithOutcome`]; `true`: free the cell.
    #[must_use = "true: the caller must free the cell"]
    pub(super) fn drop_handle(&self) -> bool {
        // The usual case costs no exchange: the task's end went when it finished.
        // ORDERING: Acquire takes the accesses of the other ends, from their departures.
        let word = self.0.load(Ordering::Acquire);
        debug_assert!(
            word & DONE != 0 && word & HANDLE_GONE == 0,
            "dropped in {:?}",
            Snapshot(word)
        );
        is_last(word | HANDLE_GONE)
            || is_last(self.0.fetch_or(HANDLE_GONE, Ordering::AcqRel) | HANDLE_GONE)
    }

    /// Counts one more extra end; the caller has an end itself.
    #[inline]
    pub(super) fn add_ref(&self) {
        let before = self.0.fetch_add(REF_ONE, Ordering::Relaxed);
        debug_assert!(!is_last(before), "added to none in {:?}", Snapshot(before));
        if before > usize::MAX / 2 {
            // As with `Arc`: so many can only have been leaked, and a panic could be caught.
            std::process::abort();
        }
    }

    /// Gives up an extra end; `true` if the caller must free the cell.
    #[must_use = "true: the caller must free the cell"]
    #[inline]
    pub(super) fn drop_ref(&self) -> bool {
        // ORDERING: as in `drop_runnable`.
        let before = self.0.fetch_sub(REF_ONE, Ordering::AcqRel);
        debug_assert!(before >= REF_ONE, "not counted in {:?}", Snapshot(before));
        is_last(before - REF_ONE)
    }

    /// Announces that the waiter's place is filled; `false`: the task had ended before.
    #[must_use = "false: nobody will wake the handle"]
    pub(super) fn set_waiter(&self) -> bool {
        // ORDERING: Release hands the place to `finish`; Acquire takes the outcome.
        let before = self.0.fetch_or(WAITER, Ordering::AcqRel);
        // Invariant 3: the handle alone, while it is there.
        debug_assert!(
            before & (WAITER | HANDLE_GONE) == 0,
            "waits in {:?}",
            Snapshot(before)
        );
        before & DONE == 0
    }

    /// Takes the waiter's place back; `false`: the task has ended and the place is not ours.
    #[must_use = "false: the waiter's place belongs to the ender"]
    pub(super) fn clear_waiter(&self) -> bool {
        // ORDERING: as in `set_waiter`.
        let before = self.0.fetch_and(!WAITER, Ordering::AcqRel);
        debug_assert!(
            before & (WAITER | HANDLE_GONE) == WAITER,
            "stops waiting in {:?}",
            Snapshot(before)
        );
        before & DONE == 0
    }

    /// Tells whether [`set_waiter`](Self::set_waiter) holds. Only the handle may rely on it.
    pub(super) fn has_waiter(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITER != 0
    }

    #[inline]
    pub(super) fn is_queued(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STAGE == QUEUED
    }

    /// Tells whether nobody has taken the closure, and it is due.
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (STAGE | NOT_DUE) == QUEUED
    }

    pub(super) fn postpone(&self) {
        let before = self.0.fetch_or(NOT_DUE, Ordering::Relaxed);
        debug_assert!(before & NOT_DUE == 0, "postponed in {:?}", Snapshot(before));
    }

    pub(super) fn come_due(&self) {
        let before = self.0.fetch_and(!NOT_DUE, Ordering::Relaxed);
        debug_assert!(before & NOT_DUE != 0, "came due in {:?}", Snapshot(before));
    }

    pub(super) fn is_running(&self) -> bool {
        // A future that has given its output is still dropping what it had.
        self.0.load(Ordering::Relaxed) & (RUNNING | DONE) == RUNNING
    }

    /// Tells whether the handle resolves to cancelled, or has done so.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STAGE == CANCELLED
    }

    /// Tells whether the outcome may be read.
    pub(super) fn is_done(&self) -> bool {
        // ORDERING: Acquire takes what `finish` released.
        self.0.load(Ordering::Acquire) & DONE != 0
    }
}
