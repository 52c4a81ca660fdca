//! The tasks of high and of low priority, and those of groups with a bound, which are in no other
//! queue, and never in a batch.
//!
//! The queues are made when the first such task is pushed, so pools without any pay one load for
//! them, where a thread looks everywhere.

// The standard library's under the model, too: there it orders what the lock of a queue orders.
use std::sync::OnceLock;

use super::injector::Injector;
use crate::pool::priority::Priority;

pub(super) struct Classes<T>(OnceLock<Box<All<T>>>);

struct All<T> {
    high: Injector<T>,
    low: Injector<T>,
    /// The tasks of groups with a bound. A borrower may run them while a worker waits for room in
    /// a group of the pool (`pool/lenders.rs`).
    grouped: Injector<T>,
}

impl<T> Classes<T> {
    pub(super) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Pushes a task of high or low priority.
    pub(super) fn push(&self, task: T, class: Priority) {
        match class {
            Priority::High => self.all().high.push(task),
            Priority::Low => self.all().low.push(task),
            Priority::Normal => unreachable!("these are in other queues"),
        }
    }

    /// Pushes a task of a group with a bound.
    pub(super) fn push_grouped(&self, task: T) {
        self.all().grouped.push(task);
    }

    fn all(&self) -> &All<T> {
        self.0.get_or_init(|| {
            Box::new(All {
                high: Injector::new(),
                low: Injector::new(),
                grouped: Injector::new(),
            })
        })
    }

    #[inline]
    pub(super) fn take_grouped(&self) -> Option<T> {
        self.0.get()?.grouped.take_oldest()
    }

    pub(super) fn has_grouped(&self) -> bool {
        self.0.get().is_some_and(|all| !all.grouped.is_empty())
    }

    #[inline]
    pub(super) fn take_high(&self) -> Option<T> {
        self.0.get()?.high.take_oldest()
    }

    #[inline]
    pub(super) fn take_low(&self) -> Option<T> {
        self.0.get()?.low.take_oldest()
    }

    /// Takes a task of low priority, unless others wait here.
    #[inline]
    pub(super) fn take_low_alone(&self) -> Option<T> {
        let all = self.0.get()?;
        let is_alone = all.high.is_empty() && all.grouped.is_empty();
        is_alone.then(|| all.low.take_oldest()).flatten()
    }

    pub(super) fn has_high(&self) -> bool {
        self.0.get().is_some_and(|all| !all.high.is_empty())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        let all =
            |all: &All<T>| all.high.is_empty() && all.low.is_empty() && all.grouped.is_empty();
        self.0.get().is_none_or(|it| all(it))
    }

    pub(super) fn len(&self) -> usize {
        let len = |all: &All<T>| all.high.len() + all.low.len() + all.grouped.len();
        self.0.get().map_or(0, |all| len(all))
    }

    /// Drops the tombstones and returns their number.
    #[must_use = "the tombstones have to be counted as finished"]
    pub(super) fn sweep(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        self.0.get().map_or(0, |all| {
            let queues = [&all.high, &all.low, &all.grouped].into_iter();
            queues.map(|queue| queue.sweep(&is_tombstone)).sum()
        })
    }
}
