//! Whether a future is to be polled: the second word of its cell.
//!
//! # Words
//! The word has three bits. WOKEN: the future is to be polled. POLLING: the task's end is in somebody's
//! hands. Neither: it rests in the cell, and whoever sets WOKEN takes it up and has it queued. ENDED: the
//! future is gone.
//!
//! # Protocol
//! *Before a poll* the task's end exchanges the word for POLLING alone. *After it*, if the future is
//! pending, it goes to rest by exchanging POLLING for nothing; if that fails somebody has set WOKEN
//! meanwhile, and it is queued again.
//!
//! # Why it is correct
//! *There is one task's end:* it is taken up by who finds the word empty, and only a task's end that
//! goes to rest empties it.
//! *No wake-up is lost:* who sets WOKEN on an empty word queues it; on any other,
//! the task's end has not gone to rest, and cannot before it has polled once more, since only the exchange
//! before a poll clears WOKEN. That exchange reads what the waker wrote, so the poll sees what
//! was done before the wake-up.
//! *Nothing is woken in vain but once:* a wake-up during the poll that
//! would have seen its cause has the future polled again.
//!
//! A future that wakes itself while it is polled, to give way, is told so by a note of the thread's,
//! and not by the word: it keeps POLLING while it is queued, and no exchange is needed before the next
//! poll. Whoever else wakes it meanwhile sets WOKEN, and the poll after the next, at most, sees that.

use std::fmt;

use crate::primitive::{AtomicU8, Ordering};

const WOKEN: u8 = 1;
const POLLING: u8 = 2;
const ENDED: u8 = 4;

/// A word as it was read, for those who look at it with a debugger, or in a failed assertion.
#[derive(Clone, Copy)]
struct Snapshot(u8);

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |bit| self.0 & bit != 0;
        f.debug_struct("Wakes")
            .field("woken", &has(WOKEN))
            .field("polling", &has(POLLING))
            .field("ended", &has(ENDED))
            .finish()
    }
}

pub(super) struct Wakes(AtomicU8);

impl Wakes {
    /// The word of a future that is queued to be polled first.
    pub(super) fn queued() -> Self {
        Self(AtomicU8::new(WOKEN))
    }

    /// Sets WOKEN; `true` if the caller has taken the task's end up, and must have it queued.
    #[must_use = "true: the caller must schedule the task"]
    #[inline]
    pub(super) fn wake(&self) -> bool {
        // ORDERING: Release gives what was done before to the exchange before the next poll, Acquire
        // takes the task's end from the one that went to rest.
        self.0.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }

    /// Exchanges the word for POLLING; `false` if that was not needed, because the future gave way: it
    /// has been polled before, and was not woken since.
    #[inline]
    pub(super) fn begin_poll(&self) -> bool {
        if self.0.load(Ordering::Relaxed) == POLLING {
            return false;
        }
        // ORDERING: Acquire takes what was done before each wake-up.
        let before = self.0.swap(POLLING, Ordering::Acquire);
        // What is queued was woken, and has not ended.
        debug_assert!(
            before & (WOKEN | ENDED) == WOKEN,
            "polled in {:?}",
            Snapshot(before)
        );
        true
    }

    /// Exchanges POLLING for nothing; `false` if the future was woken meanwhile.
    #[must_use = "false: the task's end is still the caller's"]
    #[inline]
    pub(super) fn rest(&self) -> bool {
        // ORDERING: Release gives the future to whoever takes the task's end up next.
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

    /// Takes note that the future is gone: whoever wakes it from now on does nothing.
    #[inline]
    pub(super) fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Snapshot(self.0.load(Ordering::Relaxed)).fmt(f)
    }
}
