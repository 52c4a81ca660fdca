//! How many tasks may wait, and the permit that each of them holds.

use std::any::Any;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::overflow::Overflow;
use super::refusal::Refusal;
use crate::fork::{NotInherited, Stamp};
use crate::pool::{Bound, Local, Pool};
use crate::sync::permits::{MAX_PERMITS, Permits, Wait};
use crate::task::Token;

/// How many tasks may wait, and what happens to one more.
pub(crate) struct Capacity {
    pub(super) permits: Permits,
    pub(super) overflow: Overflow,
    /// Whether a permit stands for a thread that is free rather than for room in the queue, and is kept
    /// until the task has ended.
    is_hand_off: bool,
    /// The process in which the pool was made.
    process: Stamp,
}

impl Capacity {
    /// Room for `capacity` tasks; with 0, for as many as there are free threads among `threads`.
    pub(crate) fn new(capacity: usize, overflow: Overflow, threads: usize) -> Arc<Self> {
        let is_hand_off = capacity == 0;
        let free = if is_hand_off { threads } else { capacity };
        Arc::new(Self {
            permits: Permits::new(free, MAX_PERMITS, None),
            overflow,
            is_hand_off,
            process: Stamp::now(),
        })
    }

    /// Returns the capacity that bounds `pool`, if it has one.
    pub(crate) fn of(pool: &Pool) -> Option<Arc<Self>> {
        let bound = Arc::clone(pool.bound.as_ref()?);
        bound.into_any().downcast().ok()
    }

    /// Gives a permit back, but not in a forked child: the threads that wait for it are in the parent.
    fn give_back(&self) {
        if self.process.is_here() {
            self.permits.give_back(1);
        }
    }

    /// Waits for a permit without blocking.
    pub(super) async fn acquire(self: &Arc<Self>, pool: &Pool) -> Result<CapacityPermit, Refusal> {
        let mut wait = NotInherited::new(Wait::new(&self.permits, 1));
        let granted = poll_fn(|cx| match pool.is_forked() {
            true => Poll::Ready(Err(Refusal::Forked)),
            false => wait.poll(cx.waker()).map_err(|_| Refusal::Shutdown),
        });
        granted.await?;
        Ok(CapacityPermit(Arc::clone(self)))
    }
}

impl Bound for Capacity {
    fn worker_blocks(&self) {
        if self.is_hand_off {
            self.give_back();
        }
    }

    fn worker_resumes(&self) {
        if self.is_hand_off {
            self.permits.take_anyway();
        }
    }

    fn resized(&self, before: usize, now: usize) {
        if self.is_hand_off {
            self.permits.give_back(now.saturating_sub(before));
            for _ in now..before {
                self.permits.take_anyway();
            }
        }
    }

    fn closed(&self) {
        self.permits.close();
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// Room in the queue, or the use of a free thread; given back when it is dropped.
pub(crate) struct CapacityPermit(pub(super) Arc<Capacity>);

impl CapacityPermit {
    /// Takes a permit for a task that has come due, whether there is room or not; none if none is
    /// needed.
    pub(crate) fn anyway(pool: &Pool, capacity: Option<&Arc<Capacity>>) -> Option<Self> {
        let capacity = capacity?;
        if !capacity.permits.take_anyway() {
            pool.counts.over_capacity.add_one();
        }
        Some(Self(Arc::clone(capacity)))
    }

    /// Takes a permit if there is room, or none if none is needed. Returns `None` if there is no room.
    pub(crate) fn if_room(capacity: Option<&Arc<Capacity>>) -> Option<Option<Self>> {
        let Some(capacity) = capacity else {
            return Some(None);
        };
        let taken = capacity.permits.try_take(1).is_ok();
        taken.then(|| Some(Self(Arc::clone(capacity))))
    }
}

impl Token for CapacityPermit {
    type Kept = Option<Self>;

    fn begin(self) -> Self::Kept {
        // A task that is run inline needs no free thread.
        let is_kept = self.0.is_hand_off && !Local::runs_inline();
        Some(self).filter(|_| is_kept)
    }
}

impl Drop for CapacityPermit {
    fn drop(&mut self) {
        self.0.give_back();
    }
}
