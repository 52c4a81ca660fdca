//! What a handle keeps of the pool that it came from.
//!
//! A handle does not keep its pool alive, and a share of the pool in each handle would cost two
//! exchanges on one cache line for each task. So a handle has an [`Origin`]: it is never freed,
//! leads to the pool while that lives, and is used again by a later pool.
//!
//! A handle that outlives its pool may thus meet the origin in its next life. That is harmless: all
//! tasks of a pool that is gone have ended, so nothing is left to claim or to sweep; the count of
//! shells and the question for a processor are about speed alone. Only a panic in a late callback
//! could come to the wrong pool, so pools with a handler for that share their origins with none.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::primitive::{ProcessList, forks};
use crate::unwind::Payload;

/// A pool as its handles reach it.
pub(crate) trait Reach: Send + Sync {
    /// Takes notice of a panic that no handle will show.
    fn report(&self, payload: Payload);

    /// Tells whether the pool's threads leave a processor to someone else, as of a moment ago.
    fn leaves_a_processor(&self) -> bool;

    /// The pool itself, for the rooms above that know its type.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Where a task came from. Plain std under the model too: nothing here orders anything.
pub(crate) struct Origin {
    /// Cancelled tasks that no thread has met in the queues yet, about.
    shells: AtomicUsize,
    /// How often the process had forked when the pool was made.
    forks: AtomicUsize,
    pool: Mutex<Option<Weak<dyn Reach>>>,
}

/// Origins without a pool.
static SPARE: ProcessList<&'static Origin> = ProcessList::new();

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Origin {
    /// An origin that leads nowhere yet; with `again` it may have been another pool's.
    pub(crate) fn take(again: bool) -> &'static Self {
        let spare = again.then(|| SPARE.lock().pop()).flatten();
        spare.unwrap_or_else(|| {
            Box::leak(Box::new(Self {
                shells: AtomicUsize::new(0),
                forks: AtomicUsize::new(0),
                pool: Mutex::new(None),
            }))
        })
    }

    pub(crate) fn lead_to(&self, pool: &Arc<dyn Reach>) {
        self.forks.store(forks(), Ordering::Relaxed);
        *lock(&self.pool) = Some(Arc::downgrade(pool));
    }

    /// Tells whether this is a child process, in which the pool has no threads.
    pub(crate) fn is_forked(&self) -> bool {
        self.forks.load(Ordering::Relaxed) != forks()
    }

    /// The pool has gone; with `again` another may come.
    pub(crate) fn give_back(&'static self, again: bool) {
        if self.is_forked() {
            return;
        }
        *lock(&self.pool) = None;
        self.shells.store(0, Ordering::Relaxed);
        if again {
            SPARE.lock().push(self);
        }
    }

    /// A handle has cancelled a task, whose shell is still queued.
    pub(crate) fn shell_left(&self) {
        self.shells.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread has met a cancelled task.
    pub(crate) fn shell_met(&self) {
        // Not below zero: it may be met before it is counted.
        let down = |shells: usize| shells.checked_sub(1);
        let _ = self
            .shells
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, down);
    }

    /// How many shells lie in the queues, about.
    pub(crate) fn shells(&self) -> usize {
        self.shells.load(Ordering::Relaxed)
    }

    /// All shells have been met.
    pub(crate) fn swept(&self) {
        self.shells.store(0, Ordering::Relaxed);
    }

    /// Tells the pool, if it lives, of a panic in what a handle called.
    pub(crate) fn report(&self, payload: Payload) {
        if let Some(pool) = self.pool() {
            pool.report(payload);
        }
    }

    /// Tells whether the pool's threads leave a processor to someone else, as of a moment ago.
    pub(crate) fn leaves_a_processor(&self) -> bool {
        !self.is_forked() && self.pool().is_some_and(|pool| pool.leaves_a_processor())
    }

    pub(super) fn pool(&self) -> Option<Arc<dyn Reach>> {
        lock(&self.pool).as_ref()?.upgrade()
    }
}
