//! The futures that have not ended, so that the end of the pool can cancel those nobody wakes.
//!
//! In parts with locks of their own: what a thread of the pool spawns is in that of its slot, and what comes
//! from outside goes to all of them in turn, so that threads which end such futures seldom meet.

// Plain std under the model too: it orders nothing.
use std::sync::atomic::{AtomicUsize, Ordering};

use slab::Slab;

use crate::primitive::{Mutex, Padded, lock};
use crate::task::cell::TaskRef;

/// So many parts at least, and at most.
const LEAST: usize = 8;
const MOST: usize = 64;

/// So many places are kept when nothing is there.
const SPARE: usize = 64;

/// Takes out what is at `place`, if anything is. Gives the memory of many back that are all gone.
pub(super) fn take<T>(slab: &mut Slab<T>, place: usize) -> Option<T> {
    let taken = slab.try_remove(place);
    if slab.is_empty() && slab.capacity() > SPARE {
        *slab = Slab::new();
    }
    taken
}

pub(crate) struct Spawned {
    parts: Box<[Padded<Mutex<Slab<TaskRef>>>]>,
    /// Where the next from outside goes.
    turn: AtomicUsize,
}

impl Spawned {
    /// For so many slots, and everybody else.
    pub(crate) fn new(slots: usize) -> Self {
        let parts = (0..slots.clamp(LEAST, MOST)).map(|_| Padded(Mutex::new(Slab::new())));
        Self {
            parts: parts.collect(),
            turn: AtomicUsize::new(0),
        }
    }

    /// Adds a future, spawned on a thread that holds this slot or none, and says what its key is.
    pub(crate) fn add(&self, slot: Option<usize>, future: TaskRef) -> usize {
        let turn = || self.turn.fetch_add(1, Ordering::Relaxed);
        let part = slot.unwrap_or_else(turn) % self.parts.len();
        let place = lock(&self.parts[part]).insert(future);
        place * self.parts.len() + part
    }

    pub(crate) fn remove(&self, key: usize) {
        let (place, part) = (key / self.parts.len(), key % self.parts.len());
        let future = take(&mut lock(&self.parts[part]), place);
        drop(future);
    }

    /// All that are there, a snapshot, may be stale.
    pub(crate) fn all(&self) -> Vec<TaskRef> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(lock(part).iter().map(|(_, future)| future.task_ref()));
        }
        all
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn many_that_are_gone_leave_no_memory_behind() {
        let mut slab = Slab::new();
        let places: Vec<_> = (0..100_000).map(|n| slab.insert(n)).collect();
        for place in places {
            assert_eq!(take(&mut slab, place), Some(place));
        }
        assert!(slab.capacity() <= SPARE && take(&mut slab, 0).is_none());
    }
}
