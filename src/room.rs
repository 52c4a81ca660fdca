//! How an object that has room for a few serves those who wait for room.
//!
//! A full queue, a bounded pool and a semaphore with a limit each have a [`Room`]. A worker that
//! waits for room keeps the right to its slot while the object goes on serving (`pool/lenders.rs`),
//! so the object keeps a [`Record`] of when it served, from the first such wait on. Nothing is
//! recorded while no worker stands there, so those who never meet one pay nothing.

use std::sync::{Arc, OnceLock};

use crate::clock::{Nanos, now};
use crate::primitive::{AtomicU64, AtomicUsize, Ordering};

/// When a slot was given away last, in all pools. A model has none, since models share the process.
#[cfg(not(workmill_loom))]
static LAST_GIFT: AtomicU64 = AtomicU64::new(0);

/// Notes that a slot was given away because its worker has waited long for room.
///
/// A service that comes soon after may be due to that, and says little of the object's own pace. If
/// it said all, two pools that wait for each other's room would become slower with each gift.
pub(crate) fn note_gift() {
    #[cfg(not(workmill_loom))]
    LAST_GIFT.fetch_max(now(), Ordering::Relaxed);
}

/// Returns when a slot was given away last.
fn last_gift() -> Nanos {
    #[cfg(not(workmill_loom))]
    return LAST_GIFT.load(Ordering::Relaxed);
    #[cfg(workmill_loom)]
    0
}

/// The things for which an object has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Items,
    Tasks,
    Permits,
}

/// The record that an object keeps of those that wait for room.
#[derive(Debug)]
pub(crate) struct Room {
    of: Of,
    record: OnceLock<Arc<Record>>,
}

/// When an object has served, while workers stood there.
///
/// The numbers order nothing, and one that is read a little late does no harm: they decide for how
/// long a worker is patient.
#[derive(Debug)]
pub(crate) struct Record {
    of: Of,
    /// The number of workers that stand.
    standing: AtomicUsize,
    /// When a waiter was served last.
    last: AtomicU64,
    /// When a waiter was served last, or the first of the workers that stand came, if that was
    /// later.
    from: AtomicU64,
    /// The longest pause between two services while a worker stood. Of one with a
    /// [gift](note_gift) only the part after the gift counts, but at least `least`.
    longest: AtomicU64,
    /// The least patience of those that have stood there.
    least: AtomicU64,
}

impl Room {
    pub(crate) fn new(of: Of) -> Self {
        let room = Self {
            of,
            record: OnceLock::new(),
        };
        if cfg!(workmill_loom) {
            // Loom knows nothing of the order that the `OnceLock` makes.
            room.record();
        }
        room
    }

    /// Returns the record, which is made by the first worker that stands.
    pub(crate) fn record(&self) -> &Arc<Record> {
        self.record.get_or_init(|| Arc::new(Record::new(self.of)))
    }

    /// The room whose record this is.
    pub(crate) fn with(record: Arc<Record>) -> Self {
        Self {
            of: record.of,
            record: OnceLock::from(record),
        }
    }

    /// Records that a waiter was served. Called only when there are waiters.
    #[inline]
    pub(crate) fn served(&self) {
        if let Some(record) = self.record.get() {
            record.served();
        }
    }
}

impl Record {
    fn new(of: Of) -> Self {
        Self {
            of,
            standing: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            from: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            least: AtomicU64::new(0),
        }
    }

    /// A worker stands there from now on, which is patient for at least `patience`.
    pub(crate) fn stand(&self, patience: Nanos) {
        self.least.fetch_max(patience, Ordering::Relaxed);
        if self.standing.fetch_add(1, Ordering::Relaxed) == 0 {
            self.from.store(now(), Ordering::Relaxed);
        }
    }

    /// A worker stands there no longer.
    pub(crate) fn leave(&self) {
        self.standing.fetch_sub(1, Ordering::Relaxed);
    }

    fn served(&self) {
        if self.standing.load(Ordering::Relaxed) > 0 {
            let now = now();
            self.last.store(now, Ordering::Relaxed);
            let before = self.from.swap(now, Ordering::Relaxed);
            let (pause, gift) = (now.saturating_sub(before), last_gift());
            let counts = match gift > before {
                true => now
                    .saturating_sub(gift)
                    .max(pause.min(self.least.load(Ordering::Relaxed))),
                false => pause,
            };
            self.longest.fetch_max(counts, Ordering::Relaxed);
        }
    }

    /// Returns the words for that for which a worker waits there.
    pub(crate) fn awaited(&self) -> &'static str {
        match self.of {
            Of::Items => "room in a queue",
            Of::Tasks => "room in another pool, or in a group",
            Of::Permits => "a permit",
        }
    }

    /// Returns when a waiter was served last.
    pub(crate) fn last(&self) -> Nanos {
        self.last.load(Ordering::Relaxed)
    }

    /// Returns the longest pause between two services while a worker stood, as far as it counts.
    pub(crate) fn longest(&self) -> Nanos {
        self.longest.load(Ordering::Relaxed)
    }
}
