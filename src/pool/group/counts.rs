//! The work of the tasks of a group, counted.

// The standard library's under the model, too: no decision of a thread depends on these.
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::{CancelCounts, GroupMetrics, TaskCounts};
use crate::pool::meter::reason_index;
use crate::pool::samples::WaitSamples;
use crate::task::End;

/// The counts of a group. Its tasks write to shared lines anyway: those of its tree.
#[derive(Default)]
#[repr(C)] // those that each task changes first
pub(super) struct GroupMeter {
    accepted: AtomicU64,
    started: AtomicU64,
    finished: AtomicU64,
    panicked: AtomicU64,
    cancelled: [AtomicU64; 5],
    cancelled_begun: AtomicU64,
    waits: WaitSamples,
}

/// The counts of the bare tasks of a group, those of the groups within included, except those that
/// got tickets or were cancelled. Changed under the lock of the tree.
#[derive(Clone, Copy, Default)]
pub(super) struct BareCounts {
    pub(super) accepted: u64,
    pub(super) started: u64,
    pub(super) finished: u64,
    pub(super) panicked: u64,
}

impl GroupMeter {
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes an acceptance back: the task was not made.
    pub(super) fn take_back(&self) {
        self.accepted.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn start(&self) {
        // ORDERING: as in `meter`: a reader that sees the start sees the acceptance.
        self.started.fetch_add(1, Ordering::Release);
    }

    pub(super) fn end(&self, end: End) {
        let count = match end {
            End::Returned => &self.finished,
            End::Panicked => &self.panicked,
            End::Cancelled { reason, begun } => {
                if begun {
                    self.cancelled_begun.fetch_add(1, Ordering::Release);
                }
                &self.cancelled[reason_index(reason)]
            }
        };
        // ORDERING: as for the start.
        count.fetch_add(1, Ordering::Release);
    }

    /// Reads the counts, and those of the bare tasks by `bare`.
    pub(super) fn read(
        &self,
        bare: impl FnOnce() -> BareCounts,
        number: usize,
        limit: usize,
    ) -> GroupMetrics {
        let get = |count: &AtomicU64| count.load(Ordering::Acquire);
        // In this order, which that of the fields in the expression below is not. A bare task that
        // got a ticket, or was cancelled, has its end here, and its acceptance there.
        let (finished, panicked) = (get(&self.finished), get(&self.panicked));
        let cancelled = CancelCounts::new(|why| get(&self.cancelled[reason_index(why)]));
        let cancelled_begun = get(&self.cancelled_begun);
        let bare = bare();
        let (finished, panicked) = (bare.finished + finished, bare.panicked + panicked);
        let started = bare.started + get(&self.started);
        let counts = TaskCounts {
            accepted: bare.accepted + get(&self.accepted),
            started,
            finished,
            panicked,
            cancelled,
            cancelled_begun,
        };
        GroupMetrics {
            number,
            limit,
            accepted: counts.accepted,
            started,
            finished,
            panicked,
            cancelled,
            queued: counts.accepted - counts.left_queue(),
            in_progress: counts.in_progress(),
            oldest_wait: self.waits.oldest_wait(&counts),
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;
    use crate::error::CancelReason;

    #[test]
    fn no_end_is_read_without_its_acceptance() {
        let meter = GroupMeter::default();
        // While the counts are read, two bare tasks are accepted: one begins, gets a ticket and
        // ends, and the other is cancelled.
        let bare = || {
            meter.end(End::Returned);
            meter.end(End::unbegun(CancelReason::Shutdown));
            BareCounts::default()
        };
        let metrics = meter.read(bare, 0, 1);
        assert_eq!((metrics.accepted, metrics.started), (0, 0));
        assert_eq!((metrics.finished, metrics.cancelled.total()), (0, 0));
    }
}
