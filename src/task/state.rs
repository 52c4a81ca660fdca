//! The state word of a cell: how far its task has come, and which references to the cell are left.
//!
//! # References
//! - The *runnable reference* lies in a queue, and runs the task or polls the future.
//! - The *handle reference* waits for the outcome and takes it.
//! - *Counted references*, of which there may be any number, can cancel the task or run it inline,
//!   but never see its outcome. The wakers of a future are counted references.
//!
//! All may be dropped in any order.
//!
//! # Invariants
//! 1. The stage of a closure leaves QUEUED once, to RUNNING or to CANCELLED. The thread that moves
//!    it owns the closure from then on, and must end the task. A future is owned by the runnable
//!    reference throughout, and ended by it. Its stage also leaves RUNNING: to RETURNED, moved by
//!    the runnable reference, or to CANCELLED, moved by any thread, which then wakes the future. A
//!    promise is ended by the thread that moves its stage from QUEUED or RUNNING to RETURNED or
//!    CANCELLED, once: one that answers, or one that cancels with the promise's consent.
//! 2. DONE is set once, by the owner in invariant 1, after the captures were dropped and the
//!    outcome was stored.
//! 3. Only the handle sets and clears WAITER. An ender that finds WAITER when it sets DONE owns the
//!    waiter field from then on. Otherwise the handle owns the field, while WAITER is clear, or
//!    once it knows that DONE came before WAITER.
//! 4. The runnable and the handle reference announce their departure by setting their GONE bits, a
//!    counted reference by lowering the count. A reference touches nothing after that, unless it
//!    finds, at that moment or when it was about to announce, that all others have gone. That
//!    reference frees the memory.
//!
//! # Why it is correct
//! All transitions are read-modify-writes of one word, so they have one order.
//!
//! *Either started or cancelled:* both leave QUEUED by a compare-exchange, so exactly one succeeds.
//! `cancel` tells the truth because it is that exchange.
//!
//! *Either returned or cancelled:* the output of a future is published only after the exchange to
//! RETURNED, which fails once the future was cancelled. So `request_cancel` tells the truth as
//! well.
//!
//! *No wake-up is lost:* if DONE comes before the handle sets WAITER, the handle finds DONE in the
//! word that it replaced, and does not sleep. Otherwise the ender finds WAITER, and wakes.
//!
//! *No waiter is touched by two threads:* the handle clears WAITER before it changes the waiter
//! field. If the word that it replaced held DONE, invariant 3 gave the field to the ender, and the
//! handle leaves it alone. If not, the ender will find WAITER clear.
//!
//! *Freed once, after the last access:* by invariant 4 and the order of the departures. The count
//! is raised only by a reference that is still there. An ender that has a waiter to wake keeps its
//! reference until it has taken the waker out, so the memory outlives that access; after that it
//! wakes from a local variable. A handle that finds the task unfinished leaves the outcome to the
//! ender, in the same exchange that sets HANDLE_GONE, so exactly one of them drops the outcome.
//!
//! `task/model/cell.rs` and `task/model/future.rs` run these against each other under every
//! schedule.

use std::fmt;

use crate::error::CancelReason;
use crate::primitive::{AtomicUsize, Ordering};
use crate::task::context::Gone;

/// Bits 0 and 1: how far the task has come.
const STAGE: usize = 0b11;
/// The task has not begun, and was not cancelled.
const QUEUED: usize = 0;
/// The closure was taken out to be run, or the future was polled for the first time.
const RUNNING: usize = 1;
/// The closure was taken out to be dropped, or the future is to be dropped. The handle resolves to
/// cancelled.
const CANCELLED: usize = 2;
/// The future has returned its output, so it is too late to cancel it.
const RETURNED: usize = 3;
/// The outcome is stored and may be read.
const DONE: usize = 1 << 2;
/// The runnable reference will not touch the cell again.
const RUNNABLE_GONE: usize = 1 << 3;
/// The handle reference will not touch the cell again.
const HANDLE_GONE: usize = 1 << 4;
/// The waiter field holds the waker of the thread or future that waits for the handle.
const WAITER: usize = 1 << 5;
/// Bits 6 to 8: why the task was cancelled. Zero is [`CancelReason::Cancelled`].
const REASON: usize = 0b111 << 6;
const BY_SHUTDOWN: usize = 1 << 6;
const BY_REJECTION: usize = 2 << 6;
const BY_EXPIRY: usize = 3 << 6;
const BY_SCOPE: usize = 4 << 6;
/// The closure must not be run inline, because it is not due, or only by those who know its scope.
const NOT_DUE: usize = 1 << 9;
/// The future had begun when it was cancelled.
const BEGUN: usize = 1 << 10;
/// One counted reference. All bits from here on are their number.
const REF_ONE: usize = 1 << 11;

/// Returns the reason that a word keeps.
fn reason_of(word: usize) -> CancelReason {
    match word & REASON {
        BY_SHUTDOWN => CancelReason::Shutdown,
        BY_REJECTION => CancelReason::Rejected,
        BY_EXPIRY => CancelReason::Expired,
        BY_SCOPE => CancelReason::ScopeFailed,
        _ => CancelReason::Cancelled,
    }
}

/// Returns the bits of a reason. Any that has none becomes [`CancelReason::Cancelled`].
fn reason_bits(reason: CancelReason) -> usize {
    match reason {
        CancelReason::Shutdown => BY_SHUTDOWN,
        CancelReason::Rejected => BY_REJECTION,
        CancelReason::Expired => BY_EXPIRY,
        CancelReason::ScopeFailed => BY_SCOPE,
        _ => 0,
    }
}

/// Returns `true` if no reference is left in `word`.
fn is_last(word: usize) -> bool {
    word & (RUNNABLE_GONE | HANDLE_GONE) == RUNNABLE_GONE | HANDLE_GONE && word < REF_ONE
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Snapshot(self.0.load(Ordering::Relaxed)).fmt(f)
    }
}

/// A copy of the word, for debugging and failed assertions.
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
            BY_EXPIRY => "BY_EXPIRY",
            BY_SCOPE => "BY_SCOPE",
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
            .field("begun", &has(BEGUN))
            .field("references", &(word / REF_ONE))
            .finish()
    }
}

/// The duty of the ender of a task after [`State::finish`].
#[must_use]
pub(super) enum Finish {
    /// Nothing. The outcome belongs to the handle, and the cell may be gone already.
    Published,
    /// Take the waker out, drop the runnable reference if the ender acts for it, then wake.
    Wake,
    /// The handle was already dropped. Drop the outcome, then drop the runnable reference if the
    /// ender acts for it.
    Abandoned,
}

/// The result of [`State::request_cancel`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CancelRequest {
    /// The future had not begun. The token that it held belongs to the caller.
    Unbegun,
    /// The future had begun.
    Begun,
    /// The future was cancelled before.
    Before,
    /// The future has returned its output.
    TooLate,
}

/// The reference that an ender acts for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ender {
    /// The runnable reference, which goes as soon as the task has ended.
    Runnable,
    /// Another reference, which stays. The runnable reference stays queued, as a tombstone.
    Other,
}

/// The state that a departing handle finds.
#[must_use]
pub(super) enum Leave {
    /// The task has not ended. Its ender will drop the outcome. The handle is gone.
    ToTask,
    /// The task has ended. Drop the outcome, then call [`State::drop_handle`].
    WithOutcome,
}

/// The state word. The module's documentation says what it means.
pub(super) struct State(AtomicUsize);

impl State {
    /// Returns the state of a new cell, with a runnable and a handle reference.
    pub(super) fn queued() -> Self {
        Self(AtomicUsize::new(QUEUED))
    }

    /// Returns the state of a new cell, with a runnable, a handle and a counted reference, whose
    /// closure is not run inline like others.
    pub(super) fn scoped() -> Self {
        Self(AtomicUsize::new(QUEUED | NOT_DUE | REF_ONE))
    }

    /// Returns such a state without a handle reference.
    pub(super) fn scoped_alone() -> Self {
        Self(AtomicUsize::new(QUEUED | NOT_DUE | HANDLE_GONE | REF_ONE))
    }

    /// Returns the state of a cell that never had a task. Its outcome is stored from the beginning.
    pub(super) fn refused() -> Self {
        Self(AtomicUsize::new(CANCELLED | DONE | RUNNABLE_GONE))
    }

    /// QUEUED to RUNNING. Returns `false` if the task had begun or was cancelled before.
    #[must_use = "true: the caller owns the closure, and must end the task"]
    #[inline]
    pub(super) fn start(&self) -> bool {
        self.leave_queue(RUNNING)
    }

    /// QUEUED to CANCELLED. Returns `false` if the task had begun or was cancelled before.
    #[must_use = "true: the caller owns the closure, and must end the task"]
    #[inline]
    pub(super) fn cancel(&self, reason: CancelReason) -> bool {
        self.leave_queue(CANCELLED | reason_bits(reason))
    }

    /// Notes that a closure, which was taken out to be run, is dropped instead.
    pub(super) fn note_dropped(&self, reason: CancelReason) {
        let before = self.0.fetch_or(reason_bits(reason), Ordering::Relaxed);
        let is_running = before & (STAGE | DONE | REASON) == RUNNING;
        debug_assert!(is_running, "dropped in {:?}", Snapshot(before));
    }

    /// Returns how the closure was taken out, which is not queued any more.
    #[inline]
    pub(super) fn gone(&self) -> Gone {
        let word = self.0.load(Ordering::Relaxed);
        match word & STAGE {
            CANCELLED => Gone::Cancelled(reason_of(word)),
            _ if word & REASON != 0 => Gone::Dropped,
            _ => Gone::Begun,
        }
    }

    /// QUEUED or RUNNING to CANCELLED, of a promise. Returns `false` if it was answered or
    /// cancelled before.
    #[must_use = "true: the caller must store that it was cancelled, and end it"]
    pub(super) fn cancel_begun(&self) -> bool {
        self.end_promise(CANCELLED)
    }

    /// QUEUED or RUNNING to RETURNED, of a promise. Returns `false` if it was cancelled.
    #[must_use = "true: the caller must store the outcome, and end the promise"]
    pub(super) fn answer(&self) -> bool {
        self.end_promise(RETURNED)
    }

    fn end_promise(&self, stage: usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while matches!(word & STAGE, QUEUED | RUNNING) {
            // ORDERING: Acquire keeps the writing of the outcome behind this exchange. Nothing is
            // published.
            match self.0.compare_exchange_weak(
                word,
                word & !STAGE | stage,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(before) => {
                    debug_assert!(
                        before & (DONE | RUNNABLE_GONE) == 0,
                        "answered in {:?}",
                        Snapshot(before)
                    );
                    return true;
                }
                Err(seen) => word = seen,
            }
        }
        false
    }

    #[inline]
    fn leave_queue(&self, stage: usize) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & STAGE == QUEUED {
            // ORDERING: none is needed to read the closure, which was written before the references
            // were separated. Acquire keeps what follows this exchange behind it.
            match self.0.compare_exchange_weak(
                word,
                word | stage,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(before) => {
                    // Until it was taken, the task lies in a queue.
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

    /// QUEUED or RUNNING to CANCELLED, of a future. It ends when it is run next.
    pub(super) fn request_cancel(&self, reason: CancelReason) -> CancelRequest {
        let reason = reason_bits(reason);
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let found = match word & STAGE {
                QUEUED => CancelRequest::Unbegun,
                RUNNING => CancelRequest::Begun,
                CANCELLED => return CancelRequest::Before,
                _ => return CancelRequest::TooLate,
            };
            let begun = if found == CancelRequest::Begun {
                BEGUN
            } else {
                0
            };
            let new = word & !STAGE | CANCELLED | reason | begun;
            // ORDERING: Acquire keeps the taking of the token behind this exchange. Nothing is
            // published.
            match self
                .0
                .compare_exchange_weak(word, new, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(before) => {
                    // This is the first request, and the future has not ended.
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

    /// RUNNING to RETURNED, of a future. Returns `false` if it was cancelled.
    #[must_use = "false: the output must not be published, because the future was cancelled"]
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
                    // A future that is polled has not ended.
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

    /// Returns why a task was cancelled, and whether it is a future that had begun.
    pub(super) fn reason(&self) -> (CancelReason, bool) {
        let word = self.0.load(Ordering::Relaxed);
        (reason_of(word), word & BEGUN != 0)
    }

    /// Sets DONE, and also RUNNABLE_GONE if the ender acts for the runnable reference and the
    /// handle is neither gone nor waiting.
    pub(super) fn finish(&self, ender: Ender) -> Finish {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // Invariants 1 and 2, and the ender's own reference.
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
                "ended without a reference in {:?}",
                Snapshot(word)
            );
            let (new, then) = if word & HANDLE_GONE != 0 {
                // The handle was already dropped. The ender is responsible for the outcome.
                (word | DONE, Finish::Abandoned)
            } else if word & WAITER != 0 {
                // The handle waits. The ender owns the waiter field, and needs its reference to
                // read it.
                (word | DONE, Finish::Wake)
            } else if ender == Ender::Runnable {
                // The runnable reference goes in the same exchange.
                (word | DONE | RUNNABLE_GONE, Finish::Published)
            } else {
                // The tombstone in the queue keeps its reference.
                (word | DONE, Finish::Published)
            };
            // ORDERING: Release publishes the outcome to `is_done` and `leave`. Acquire receives
            // the waiter field from `set_waiter`, and the cell from `leave`.
            match self
                .0
                .compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return then,
                Err(seen) => word = seen,
            }
        }
    }

    /// Drops the runnable reference. Returns `true` if the caller must free the cell.
    #[must_use = "true: the caller must free the cell"]
    pub(super) fn drop_runnable(&self) -> bool {
        // ORDERING: Release hands our accesses to the reference that goes last, Acquire takes those
        // of the others: of `leave`, `drop_handle` and `drop_ref`.
        let before = self.0.fetch_or(RUNNABLE_GONE, Ordering::AcqRel);
        // The runnable reference goes once, with nothing left to run.
        debug_assert!(
            before & RUNNABLE_GONE == 0 && before & STAGE != QUEUED,
            "dropped in {:?}",
            Snapshot(before)
        );
        is_last(before | RUNNABLE_GONE)
    }

    /// Drops the handle reference if the task has not ended.
    pub(super) fn leave(&self) -> Leave {
        let mut word = self.0.load(Ordering::Acquire);
        while word & DONE == 0 {
            // ORDERING: Release hands our accesses to `finish`, `drop_runnable` and `drop_ref`.
            match self.0.compare_exchange_weak(
                word,
                word | HANDLE_GONE,
                Ordering::Release,
                Ordering::Acquire,
            ) {
                Ok(before) => {
                    // The handle goes once, and has taken its waker back.
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

    /// Drops the handle reference once the task has ended. Returns `true` if the caller must free
    /// the cell.
    #[must_use = "true: the caller must free the cell"]
    pub(super) fn drop_handle(&self) -> bool {
        // The usual case costs no exchange: the runnable reference went when the task ended.
        // ORDERING: Acquire takes the accesses of the other references, from their departures.
        let word = self.0.load(Ordering::Acquire);
        debug_assert!(
            word & DONE != 0 && word & HANDLE_GONE == 0,
            "dropped in {:?}",
            Snapshot(word)
        );
        is_last(word | HANDLE_GONE)
            || is_last(self.0.fetch_or(HANDLE_GONE, Ordering::AcqRel) | HANDLE_GONE)
    }

    /// Counts one more reference. The caller has a reference itself.
    #[inline]
    pub(super) fn add_ref(&self) {
        let before = self.0.fetch_add(REF_ONE, Ordering::Relaxed);
        debug_assert!(
            !is_last(before),
            "added without a reference in {:?}",
            Snapshot(before)
        );
        if before > usize::MAX / 2 {
            // That many can only have been leaked. As in `Arc` the process is aborted, because a
            // panic could be caught.
            std::process::abort();
        }
    }

    /// Drops a counted reference. Returns `true` if the caller must free the cell.
    #[must_use = "true: the caller must free the cell"]
    #[inline]
    pub(super) fn drop_ref(&self) -> bool {
        // ORDERING: Release hands our accesses to the reference that goes last, Acquire takes those
        // of the others: of `drop_runnable`, `finish`, `leave`, `drop_handle` and `drop_ref`.
        let before = self.0.fetch_sub(REF_ONE, Ordering::AcqRel);
        debug_assert!(before >= REF_ONE, "not counted in {:?}", Snapshot(before));
        is_last(before - REF_ONE)
    }

    /// Announces that the waiter field is filled. Returns `false` if the task had ended before.
    #[must_use = "false: nobody will wake the handle"]
    pub(super) fn set_waiter(&self) -> bool {
        // ORDERING: Release hands the waiter field to `finish`. Acquire takes the outcome from it.
        let before = self.0.fetch_or(WAITER, Ordering::AcqRel);
        // Invariant 3: only the handle sets WAITER, and the handle is still there.
        debug_assert!(
            before & (WAITER | HANDLE_GONE) == 0,
            "waits in {:?}",
            Snapshot(before)
        );
        before & DONE == 0
    }

    /// Takes the waiter field back. Returns `false` if the task has ended, and the field belongs to
    /// the ender.
    #[must_use = "false: the waiter field belongs to the ender"]
    pub(super) fn clear_waiter(&self) -> bool {
        // ORDERING: Release hands the waiter field to `finish`. Acquire takes the outcome from it.
        let before = self.0.fetch_and(!WAITER, Ordering::AcqRel);
        debug_assert!(
            before & (WAITER | HANDLE_GONE) == WAITER,
            "stops waiting in {:?}",
            Snapshot(before)
        );
        before & DONE == 0
    }

    /// Returns `true` if WAITER is set. Only the handle may rely on the answer.
    pub(super) fn has_waiter(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WAITER != 0
    }

    /// Returns `true` if the task has not begun, and was not cancelled. May be stale.
    #[inline]
    pub(super) fn is_queued(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STAGE == QUEUED
    }

    /// Returns `true` if the task has not begun, was not cancelled, and is due. May be stale.
    pub(super) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (STAGE | NOT_DUE) == QUEUED
    }

    /// Sets NOT_DUE.
    pub(super) fn postpone(&self) {
        let before = self.0.fetch_or(NOT_DUE, Ordering::Relaxed);
        debug_assert!(before & NOT_DUE == 0, "postponed in {:?}", Snapshot(before));
    }

    /// Clears NOT_DUE.
    pub(super) fn come_due(&self) {
        let before = self.0.fetch_and(!NOT_DUE, Ordering::Relaxed);
        debug_assert!(before & NOT_DUE != 0, "came due in {:?}", Snapshot(before));
    }

    /// Returns `true` if the task has begun, and has not ended. May be stale.
    pub(super) fn is_running(&self) -> bool {
        // RETURNED has the bit of RUNNING: such a future is still dropping what it held.
        self.0.load(Ordering::Relaxed) & (RUNNING | DONE) == RUNNING
    }

    /// Returns `true` if the task was cancelled, whether or not its handle has resolved.
    #[inline]
    pub(super) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STAGE == CANCELLED
    }

    /// Returns `true` if the outcome may be read.
    pub(super) fn is_done(&self) -> bool {
        // ORDERING: Acquire takes what `finish` released.
        self.0.load(Ordering::Acquire) & DONE != 0
    }
}
