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

    pub(super) fn read(&self, number: usize, limit: usize) -> GroupMetrics {
        let get = |count: &AtomicU64| count.load(Ordering::Acquire);
        // In this order, which that of the fields in the expression below is not.
        let (finished, panicked) = (get(&self.finished), get(&self.panicked));
        let cancelled = CancelCounts::new(|why| get(&self.cancelled[reason_index(why)]));
        let cancelled_begun = get(&self.cancelled_begun);
        let started = get(&self.started);
        let counts = TaskCounts {
            accepted: get(&self.accepted),
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
