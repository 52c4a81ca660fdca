//! The link from a handle to its pool.
//!
//! A handle does not keep its pool alive, and a share of the pool in each handle would cost two
//! exchanges on one cache line for each task. So a handle has a [`PoolLink`]: a reference to a
//! [`LinkEntry`], which is never freed and leads to the pool while the pool lives, and the
//! generation of the entry that belongs to that pool. When the pool has gone, the entry goes to a
//! later pool, in its next generation. A handle that outlives its pool finds a generation that is
//! not its own, and so no pool.
//!
//! There are as many entries as there were ever pools at one time, of about 48 bytes each.

use std::any::Any;
// The standard library's under the model, too: nothing here orders anything.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::fork::{self, AtomicStamp, GENERATIONS, ProcessList, Stamp};
use crate::unwind::Payload;

/// A pool as its handles reach it.
pub(crate) trait Reach: Send + Sync {
    /// Reports a panic that no handle will return.
    fn report(&self, payload: Payload);

    /// Returns `true` if the pool's threads leave a processor to others; a snapshot, may be stale.
    fn leaves_a_processor(&self) -> bool;

    /// Returns the pool itself, for the modules above that know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// The number of cancelled tasks that may lie in the queues before they are swept out.
pub(crate) const MANY_TOMBSTONES: usize = 1024;

/// Leads to a pool, as long as the pool lives. Two links are equal if they lead to one pool.
#[derive(Clone, Copy)]
pub(crate) struct PoolLink {
    entry: &'static LinkEntry,
    generation: usize,
}

/// An entry, which belongs to one pool after the other.
struct LinkEntry {
    /// Identifies the pool that has the entry: unlike that of any pool before or after. Written
    /// under the lock.
    generation: AtomicUsize,
    /// Roughly the number of cancelled tasks in the queues that no thread has met yet.
    tombstones: AtomicUsize,
    /// The process in which the pool was built.
    process: AtomicStamp,
    pool: Mutex<Option<Weak<dyn Reach>>>,
}

impl LinkEntry {
    fn new() -> Self {
        Self {
            generation: AtomicUsize::new(0),
            tombstones: AtomicUsize::new(0),
            process: AtomicStamp::now(),
            pool: Mutex::new(None),
        }
    }
}

/// Entries without a pool.
static FREE: ProcessList<&'static LinkEntry> = ProcessList::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PartialEq for PoolLink {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.entry, other.entry) && self.generation == other.generation
    }
}

impl PoolLink {
    /// Creates a link that does not [lead](Self::lead_to) to a pool yet.
    pub(crate) fn new() -> Self {
        let free = FREE.lock().pop();
        let entry = free.unwrap_or_else(|| Box::leak(Box::new(LinkEntry::new())));
        entry.process.renew();
        let generation = entry.generation.load(Ordering::Relaxed);
        Self { entry, generation }
    }

    /// Returns a link that leads to no pool, and belongs to this process.
    pub(crate) fn nowhere() -> Self {
        // One for each generation of forked children, since a child may find the initialization of
        // its parent's under way forever.
        static NOWHERE: [OnceLock<LinkEntry>; GENERATIONS] =
            [const { OnceLock::new() }; GENERATIONS];
        fork::watch();
        let entry = NOWHERE[Stamp::now().generation()].get_or_init(LinkEntry::new);
        if !entry.process.get().is_here() {
            entry.process.renew();
        }
        let generation = 0;
        Self { entry, generation }
    }

    pub(crate) fn lead_to(self, pool: &Arc<dyn Reach>) {
        *lock(&self.entry.pool) = Some(Arc::downgrade(pool));
    }

    /// Returns `true` if this is a child process, in which the pool has no threads.
    #[inline]
    pub(crate) fn is_forked(self) -> bool {
        !self.entry.process.get().is_here()
    }

    /// Notes that the pool has gone. Its entry may belong to another pool from now on.
    pub(crate) fn end(self) {
        if self.is_forked() {
            return;
        }
        let mut pool = lock(&self.entry.pool);
        *pool = None;
        self.entry.tombstones.store(0, Ordering::Relaxed);
        self.entry.generation.fetch_add(1, Ordering::Relaxed);
        drop(pool);
        FREE.lock().push(self.entry);
    }

    /// Returns `true` if the entry has not gone to another pool; a snapshot, may be stale.
    fn is_current(self) -> bool {
        self.entry.generation.load(Ordering::Relaxed) == self.generation
    }

    /// Counts a tombstone: a handle has cancelled a task that is still queued. Returns `true` each
    /// time that [`MANY_TOMBSTONES`] more have been left.
    pub(crate) fn tombstone_left(self) -> bool {
        let left = || self.entry.tombstones.fetch_add(1, Ordering::Relaxed) + 1;
        self.is_current() && left() % MANY_TOMBSTONES == 0
    }

    /// Counts that a thread has met a tombstone.
    pub(crate) fn tombstone_met(self) {
        // Not below zero: a tombstone may be met before it is counted.
        let down = |tombstones: usize| tombstones.checked_sub(1);
        let tombstones = &self.entry.tombstones;
        let _ = tombstones.fetch_update(Ordering::Relaxed, Ordering::Relaxed, down);
    }

    /// Returns roughly the number of tombstones in the queues.
    pub(crate) fn tombstones(self) -> usize {
        self.entry.tombstones.load(Ordering::Relaxed)
    }

    /// Counts that all tombstones have been met.
    pub(crate) fn swept(self) {
        self.entry.tombstones.store(0, Ordering::Relaxed);
    }

    /// Reports to the pool, if it lives, a panic that no handle will return.
    pub(crate) fn report(self, payload: Payload) {
        if let Some(pool) = self.pool() {
            pool.report(payload);
        }
    }

    /// Returns `true` if the pool's threads leave a processor to others; a snapshot, may be stale.
    pub(crate) fn leaves_a_processor(self) -> bool {
        self.pool().is_some_and(|pool| pool.leaves_a_processor())
    }

    /// Returns the pool while it lives. Returns `None` in a child process, where the lock may be
    /// held forever.
    pub(super) fn pool(self) -> Option<Arc<dyn Reach>> {
        if self.is_forked() {
            return None;
        }
        let pool = lock(&self.entry.pool);
        // Under the lock, so that the generation is that of the pool.
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
    fn a_link_that_outlives_its_pool_leads_to_no_later_pool() {
        let lead = |pool: &Arc<dyn Reach>| {
            let link = PoolLink::new();
            link.lead_to(pool);
            link
        };
        let pool: Arc<dyn Reach> = Arc::new(Nothing);
        let early = lead(&pool);
        assert!(early.pool().is_some() && early == early);
        early.end();
        // One of these has the entry. (Other tests may take it, which does no harm.)
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
