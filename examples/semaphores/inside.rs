//! Counts the callers inside: it shows that a semaphore lets in as many as it should, and no more.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts the callers inside, and remembers the most that there were.
#[derive(Default)]
pub(crate) struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl Inside {
    /// Counts a caller that comes in.
    pub(crate) fn enter(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        self.entered.fetch_add(1, SeqCst);
    }

    /// Counts a caller that goes.
    pub(crate) fn leave(&self) {
        self.now.fetch_sub(1, SeqCst);
    }

    /// Returns the number of callers inside.
    pub(crate) fn now(&self) -> usize {
        self.now.load(SeqCst)
    }

    /// Returns the most callers that were inside at the same time.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    /// Returns how often a caller came in.
    pub(crate) fn entered(&self) -> usize {
        self.entered.load(SeqCst)
    }
}
