//! The futures that have not ended, so that the end of the pool can cancel those nobody wakes.
//!
//! In parts with locks of their own: a thread of the pool has one to itself for what it spawns, and
//! locks another's only when it ends what was spawned there.

use slab::Slab;

use crate::primitive::{Mutex, Padded, lock};
use crate::task::cell::ExtraEnd;

/// So many parts at most.
const MOST: usize = 64;

pub(crate) struct Live {
    parts: Box<[Padded<Mutex<Slab<ExtraEnd>>>]>,
}

impl Live {
    /// For so many slots, and everybody else.
    pub(crate) fn new(slots: usize) -> Self {
        let parts = (0..(slots + 1).min(MOST)).map(|_| Padded(Mutex::new(Slab::new())));
        Self {
            parts: parts.collect(),
        }
    }

    /// Adds a future, spawned on a thread that holds this slot or none, and says what its key is.
    pub(crate) fn add(&self, slot: Option<usize>, future: ExtraEnd) -> usize {
        let part = slot.map_or(0, |slot| slot + 1) % self.parts.len();
        let place = lock(&self.parts[part]).insert(future);
        place * self.parts.len() + part
    }

    pub(crate) fn remove(&self, key: usize) {
        let (place, part) = (key / self.parts.len(), key % self.parts.len());
        let future = lock(&self.parts[part]).try_remove(place);
        drop(future);
    }

    /// All that are there, as of a moment ago.
    pub(crate) fn all(&self) -> Vec<ExtraEnd> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(lock(part).iter().map(|(_, future)| future.extra()));
        }
        all
    }
}
