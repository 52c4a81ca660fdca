//! What a handle keeps of the pool that it came from.
//!
//! A handle does not keep its pool alive, and a share of the pool in each handle would cost two
//! exchanges on one cache line for each task. So a handle has a [`PoolLink`]: a [`Slot`], which is never
//! freed and leads to the pool while that lives, and the number of the life that the slot has with that
//! pool. When the pool has gone, the slot goes to a later pool, in its next life. A handle that outlives
//! its pool finds a life that is not the one it knows, and so no pool.
//!
//! There are as many slots as there were ever pools at the same time, of 48 bytes or so each.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::fork::{AtomicStamp, ProcessList};
use crate::unwind::Payload;

/// A pool as its handles reach it.
pub(crate) trait Reach: Send + Sync {
    /// Takes notice of a panic that no handle will show.
    fn report(&self, payload: Payload);

    /// Returns `true` if the pool's threads leave a processor to others; a snapshot, may be stale.
    fn leaves_a_processor(&self) -> bool;

    /// The pool itself, for the rooms above that know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// So many cancelled tasks may lie in the queues without anyone minding.
pub(crate) const MANY_TOMBSTONES: usize = 1024;

/// The way to a pool, as long as it lives. Two are equal if they lead to the same pool.
#[derive(Clone, Copy)]
pub(crate) struct PoolLink {
    slot: &'static Slot,
    life: usize,
}

/// What is kept for one pool after the other.
///
/// Plain std under the model too: nothing here orders anything.
struct Slot {
    /// Which pool has the slot: unlike any before or after. Written under the lock.
    life: AtomicUsize,
    /// Roughly how many cancelled tasks lie in the queues, where no thread has met them yet.
    tombstones: AtomicUsize,
    /// How often the process had forked when the pool was made.
    process: AtomicStamp,
    pool: Mutex<Option<Weak<dyn Reach>>>,
}

/// Slots without a pool.
static FREE: ProcessList<&'static Slot> = ProcessList::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialEq for PoolLink {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.slot, other.slot) && self.life == other.life
    }
}

impl PoolLink {
    /// A link that [leads](Self::lead_to) nowhere yet.
    pub(crate) fn new() -> Self {
        let free = FREE.lock().pop();
        let slot = free.unwrap_or_else(|| {
            Box::leak(Box::new(Slot {
                life: AtomicUsize::new(0),
                tombstones: AtomicUsize::new(0),
                process: AtomicStamp::now(),
                pool: Mutex::new(None),
            }))
        });
        slot.process.renew();
        let life = slot.life.load(Ordering::Relaxed);
        Self { slot, life }
    }

    pub(crate) fn lead_to(self, pool: &Arc<dyn Reach>) {
        *lock(&self.slot.pool) = Some(Arc::downgrade(pool));
    }

    /// Returns `true` if this is a child process, in which the pool has no threads.
    #[inline]
    pub(crate) fn is_forked(self) -> bool {
        !self.slot.process.get().is_here()
    }

    /// The pool has gone; its slot is another's from now on.
    pub(crate) fn end(self) {
        if self.is_forked() {
            return;
        }
        let mut pool = lock(&self.slot.pool);
        *pool = None;
        self.slot.tombstones.store(0, Ordering::Relaxed);
        self.slot.life.fetch_add(1, Ordering::Relaxed);
        drop(pool);
        FREE.lock().push(self.slot);
    }

    /// Returns `true` if the slot has not gone to another pool; a snapshot, may be stale.
    fn is_current(self) -> bool {
        self.slot.life.load(Ordering::Relaxed) == self.life
    }

    /// A handle has cancelled a task, whose tombstone is still queued. Returns `true` each time that
    /// [`MANY_TOMBSTONES`] more have been left.
    pub(crate) fn tombstone_left(self) -> bool {
        let left = || self.slot.tombstones.fetch_add(1, Ordering::Relaxed) + 1;
        self.is_current() && left() % MANY_TOMBSTONES == 0
    }

    /// A thread has met a cancelled task.
    pub(crate) fn tombstone_met(self) {
        // Not below zero: it may be met before it is counted.
        let down = |tombstones: usize| tombstones.checked_sub(1);
        let tombstones = &self.slot.tombstones;
        let _ = tombstones.fetch_update(Ordering::Relaxed, Ordering::Relaxed, down);
    }

    /// Roughly how many tombstones lie in the queues.
    pub(crate) fn tombstones(self) -> usize {
        self.slot.tombstones.load(Ordering::Relaxed)
    }

    /// All tombstones have been met.
    pub(crate) fn swept(self) {
        self.slot.tombstones.store(0, Ordering::Relaxed);
    }

    /// Tells the pool, if it lives, of a panic that no handle will show.
    pub(crate) fn report(self, payload: Payload) {
        if let Some(pool) = self.pool() {
            pool.report(payload);
        }
    }

    /// Returns `true` if the pool's threads leave a processor to others; a snapshot, may be stale.
    pub(crate) fn leaves_a_processor(self) -> bool {
        self.pool().is_some_and(|pool| pool.leaves_a_processor())
    }

    /// The pool, while it lives; never in a child process, where the lock may be held for ever.
    pub(super) fn pool(self) -> Option<Arc<dyn Reach>> {
        if self.is_forked() {
            return None;
        }
        let pool = lock(&self.slot.pool);
        // Under the lock, so that the life is that of the pool.
        pool.as_ref().filter(|_| self.is_current())?.upgrade()
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    /// A pool that cannot do anything.
    struct Nothing;

    impl Reach for Nothing {
        fn report(&self, _: Payload) {}

        fn leaves_a_processor(&self) -> bool {
            false
        }

        fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
            self
        }
    }

    #[test]
    fn a_link_that_outlives_its_pool_leads_to_no_later_one() {
        let lead = |pool: &Arc<dyn Reach>| {
            let link = PoolLink::new();
            link.lead_to(pool);
            link
        };
        let pool: Arc<dyn Reach> = Arc::new(Nothing);
        let early = lead(&pool);
        assert!(early.pool().is_some() && early == early);
        early.end();
        // One of these has the slot. (Other tests may take it, which is as good.)
        let later: Vec<_> = (0..100).map(|_| lead(&pool)).collect();
        assert!(early.pool().is_none());
        assert!(
            later
                .iter()
                .all(|link| *link != early && link.pool().is_some())
        );
        assert!(!early.tombstone_left());
        later.into_iter().for_each(PoolLink::end);
    }
}
