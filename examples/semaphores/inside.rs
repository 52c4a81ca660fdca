//! Who is inside: what shows that a semaphore lets in as many as it should, and no more.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Counts who is inside, and remembers how many there were at most.
#[derive(Default)]
pub(crate) struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl Inside {
    /// Says that somebody comes in.
    pub(crate) fn enter(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        self.entered.fetch_add(1, SeqCst);
    }

    /// Says that somebody goes.
    pub(crate) fn leave(&self) {
        self.now.fetch_sub(1, SeqCst);
    }

    /// Tells how many are inside.
    pub(crate) fn now(&self) -> usize {
        self.now.load(SeqCst)
    }

    /// Tells how many were inside at the same time, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }

    /// Tells how often somebody came in.
    pub(crate) fn entered(&self) -> usize {
        self.entered.load(SeqCst)
    }
}
