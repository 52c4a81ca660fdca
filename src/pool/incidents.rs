//! Counts of incidents, which are so rare that each is counted in one place.

use super::samples::WaitSamples;
use crate::primitive::{AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Incidents {
    /// Tasks that were refused, or dropped in favour of newer tasks.
    pub(crate) rejected: Count,
    /// Tasks that were admitted although the queue was full: those of the pool's own tasks, and
    /// those that came due.
    pub(crate) over_capacity: Count,
    /// Runs of series that were skipped because the queue was full, or dropped from it.
    pub(crate) skipped: Count,
    /// Tasks that the end of the pool has cancelled.
    pub(crate) stopped: Count,
    /// Threads that the system failed to start, or that refused to, when there was work for them.
    pub(crate) failed_starts: Count,
    /// Waits that kept their slots because too many threads were away already.
    pub(crate) uncovered_waits: Count,
    /// How many tasks had been accepted when somebody asked.
    pub(super) waits: WaitSamples,
}

/// A count that orders nothing.
pub(crate) struct Count(AtomicUsize);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicUsize::new(0))
    }
}

impl Count {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
