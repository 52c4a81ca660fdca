//! For how long a task has been queued, as far as that can be told without noting when each came.

// The standard library's under the model, too: no decision of a thread depends on these.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Nanos, now};
use crate::metrics::TaskCounts;

/// The most samples that are kept of the number of accepted tasks.
const SAMPLES: usize = 64;

/// How many tasks had been accepted at certain moments.
#[derive(Default)]
pub(super) struct WaitSamples(Mutex<Vec<(Nanos, u64)>>);

impl WaitSamples {
    /// Returns for how long at least one task has been queued, if `left` of those that were ever
    /// accepted have left the queue: one of those that had been accepted at the first sample which
    /// counted more than that.
    pub(super) fn oldest_wait(&self, counts: &TaskCounts) -> Duration {
        let (now, left) = (now(), counts.left_queue());
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        samples.retain(|(_, accepted)| *accepted > left);
        let oldest = samples.first().map_or(now, |(moment, _)| *moment);
        if counts.accepted > samples.last().map_or(left, |(_, accepted)| *accepted) {
            if samples.len() >= SAMPLES {
                // Every second one goes, and not the first.
                let mut index = 0;
                samples.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
            }
            samples.push((now, counts.accepted));
        }
        Duration::from_nanos(now.saturating_sub(oldest))
    }
}
