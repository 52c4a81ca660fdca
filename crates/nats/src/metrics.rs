//! Counts.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::Outcome;

/// Counts of events since an executor was connected, and of what there is now. Returned by
/// [`NatsRef::metrics`](crate::NatsRef::metrics). Each is a snapshot, and may be stale.
///
/// # Examples
///
/// ```no_run
/// # use workmill_nats::{Jobs, NatsExecutor};
/// # fn square(n: u64) -> u64 { n * n }
/// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
/// assert_eq!(executor.submit(square, 3).join()?, 9);
/// let counts = executor.metrics();
/// assert_eq!((counts.accepted, counts.done, counts.pending), (1, 1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct NatsMetrics {
    /// The number of jobs of this executor that have not ended, or whose end it has not heard of.
    pub pending: usize,
    /// The number of jobs that the server has accepted, or had already.
    pub accepted: u64,
    /// The number of times that the server had no room for a job.
    pub refused: u64,
    /// The number of handles that got a result.
    pub done: u64,
    /// The number of handles that got a panic.
    pub panicked: u64,
    /// The number of handles that got a loss.
    pub lost: u64,
    /// The number of handles that got a cancel, or a refusal.
    pub cancelled: u64,
    /// The number of times that the connection was made anew.
    pub reconnects: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    accepted: AtomicU64,
    refused: AtomicU64,
    done: AtomicU64,
    panicked: AtomicU64,
    lost: AtomicU64,
    cancelled: AtomicU64,
    reconnects: AtomicU64,
}

// ORDERING: Relaxed, all of them: counts order nothing.
impl Counts {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn outcome(&self, outcome: &Outcome) {
        let count = match outcome {
            Ok(_) => &self.done,
            Err(error) if error.is_panic() => &self.panicked,
            Err(error) if error.is_lost() => &self.lost,
            Err(_) => &self.cancelled,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, pending: usize) -> NatsMetrics {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        NatsMetrics {
            pending,
            accepted: get(&self.accepted),
            refused: get(&self.refused),
            done: get(&self.done),
            panicked: get(&self.panicked),
            lost: get(&self.lost),
            cancelled: get(&self.cancelled),
            reconnects: get(&self.reconnects),
        }
    }
}

/// Counts of events since a server was started, and of what there is now. Returned by
/// [`Server::metrics`](crate::Server::metrics). Each is a snapshot, and may be stale.
///
/// # Examples
///
/// ```no_run
/// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
/// let counts = server.metrics();
/// println!("{} jobs are here, {} have begun so far", counts.held, counts.begun);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerMetrics {
    /// The number of jobs that this server has taken, and whose outcome is not yet stored.
    pub held: usize,
    /// The number of attempts that have begun here.
    pub begun: u64,
    /// The number of outcomes of jobs that ran here and that were stored.
    pub stored: u64,
    /// The number of outcomes that were refused, because the job had been handed on.
    pub refused: u64,
    /// The number of jobs that were given back before they were called.
    pub given_back: u64,
    /// The number of jobs of other servers that were found lost here.
    pub found_lost: u64,
    /// The number of times that the connection was made anew.
    pub reconnects: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ServerCounts {
    pub(crate) begun: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) given_back: AtomicU64,
    pub(crate) found_lost: AtomicU64,
    pub(crate) reconnects: AtomicU64,
}

impl ServerCounts {
    pub(crate) fn add(count: &AtomicU64) {
        // ORDERING: Relaxed: counts order nothing.
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, held: usize) -> ServerMetrics {
        // ORDERING: Relaxed: counts order nothing.
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ServerMetrics {
            held,
            begun: get(&self.begun),
            stored: get(&self.stored),
            refused: get(&self.refused),
            given_back: get(&self.given_back),
            found_lost: get(&self.found_lost),
            reconnects: get(&self.reconnects),
        }
    }
}
