//! The second word of a future's cell: whether the future is to be polled.
//!
//! # Words
//! - WOKEN: the future is to be polled.
//! - POLLING: a thread is polling it, or it yielded and is queued.
//! - ENDED: the future is gone.
//! - None of the three: the runnable reference rests in the cell. The thread that sets WOKEN takes
//!   it, and schedules it.
//!
//! # Protocol
//! *Before a poll* the runnable reference exchanges the word for POLLING alone. *After the poll*,
//! if the future is pending, it goes to rest by exchanging POLLING for nothing. If that fails, a
//! thread has set WOKEN meanwhile, and the future is queued again.
//!
//! # Why it is correct
//! *There is one runnable reference:* only the thread that finds the word empty takes it, and only
//! a runnable reference that goes to rest empties the word.
//!
//! *No wake-up is lost:* a thread that sets WOKEN on an empty word schedules the future. On any
//! other word, the runnable reference has not gone to rest, and cannot do so before it has polled
//! once more, because only the exchange before a poll clears WOKEN. That exchange reads what the
//! waker wrote, so the poll sees what was done before the wake-up.
//!
//! *At most one spurious poll:* if a future is woken during a poll that sees the cause of that
//! wake-up, it is polled once more.
//!
//! # Yielding
//! A future that wakes itself while it is polled, in order to yield, is noted in a thread-local and
//! not in the word. The word stays POLLING while the future is queued, and no exchange is needed
//! before its next poll. Another waker may set WOKEN meanwhile. The poll after the next, at the
//! latest, sees what that waker did.

use std::fmt;

use crate::primitive::{AtomicU8, Ordering};

const WOKEN: u8 = 1;
const POLLING: u8 = 2;
const ENDED: u8 = 4;

/// A copy of the word, for debugging and failed assertions.
#[derive(Clone, Copy)]
struct Snapshot(u8);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |bit| self.0 & bit != 0;
        f.debug_struct("PollState")
            .field("woken", &has(WOKEN))
            .field("polling", &has(POLLING))
            .field("ended", &has(ENDED))
            .finish()
    }
}

/// The second word. The module's documentation says what it means.
pub(super) struct PollState(AtomicU8);

impl PollState {
    /// Returns the word of a future that is queued for its first poll.
    pub(super) fn queued() -> Self {
        Self(AtomicU8::new(WOKEN))
    }

    /// Sets WOKEN. Returns `true` if the caller has taken the runnable reference from its rest, and
    /// must schedule it.
    #[must_use = "true: the caller must schedule the task"]
    #[inline]
    pub(super) fn wake(&self) -> bool {
        // ORDERING: Release hands what was done before to `begin_poll`. Acquire takes the runnable
        // reference from `rest`.
        self.0.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// Exchanges the word for POLLING. Returns `false` if that was not needed, because the future
    /// yielded in its last poll, and was not woken since.
    #[inline]
    pub(super) fn begin_poll(&self) -> bool {
        if self.0.load(Ordering::Relaxed) == POLLING {
            return false;
        }
        // ORDERING: Acquire takes from `wake` what was done before each wake-up.
        let before = self.0.swap(POLLING, Ordering::Acquire);
        // A future that is queued was woken, unless it yielded, and has not ended.
        debug_assert!(
            before & (WOKEN | ENDED) == WOKEN,
            "polled in {:?}",
            Snapshot(before)
        );
        true
    }

    /// Exchanges POLLING for nothing. Returns `false` if the future was woken meanwhile.
    #[must_use = "false: the runnable reference still belongs to the caller"]
    #[inline]
    pub(super) fn rest(&self) -> bool {
        // ORDERING: Release hands the future to the `wake` that takes the runnable reference next.
        let rests = self
            .0
            .compare_exchange(POLLING, 0, Ordering::Release, Ordering::Relaxed);
        debug_assert!(
            rests.is_ok() || rests == Err(POLLING | WOKEN),
            "goes to rest in {:?}",
            rests.map_err(Snapshot)
        );
        rests.is_ok()
    }

    /// Sets the word to ENDED. Wake-ups from now on do nothing.
    #[inline]
    pub(super) fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

impl fmt::Debug for PollState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Snapshot(self.0.load(Ordering::Relaxed)).fmt(f)
    }
}
