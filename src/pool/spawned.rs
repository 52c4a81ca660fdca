//! The futures that have not ended, so that the end of the pool can cancel those that nobody wakes.
//!
//! In parts with locks of their own: what a worker spawns is in the part of its slot, and what
//! comes from outside goes to all parts round-robin, so that threads which end such futures seldom
//! meet.

// The standard library's under the model, too: it orders nothing.
use std::sync::atomic::{AtomicUsize, Ordering};

use super::registry::Registry;
use crate::primitive::{Mutex, Padded, lock};
use crate::task::cell::TaskRef;

/// The least and the largest number of parts.
const LEAST: usize = 8;
const MOST: usize = 64;

pub(super) struct Spawned {
    parts: Box<[Padded<Mutex<Registry<TaskRef>>>]>,
    /// The part for the next future from outside.
    next: AtomicUsize,
}

impl Spawned {
    /// For this many slots, and threads without a slot.
    pub(super) fn new(slots: usize) -> Self {
        let parts = (0..slots.clamp(LEAST, MOST)).map(|_| Padded(Mutex::new(Registry::new())));
        Self {
            parts: parts.collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Adds a future, spawned on a thread that holds this slot or none, and returns its key.
    pub(super) fn add(&self, slot: Option<usize>, future: TaskRef) -> usize {
        let next = || self.next.fetch_add(1, Ordering::Relaxed);
        let part = slot.unwrap_or_else(next) % self.parts.len();
        let index = lock(&self.parts[part]).insert(future);
        index * self.parts.len() + part
    }

    pub(super) fn remove(&self, key: usize) {
        let (index, part) = (key / self.parts.len(), key % self.parts.len());
        let future = lock(&self.parts[part]).take(index);
        drop(future);
    }

    /// Returns all futures that have not ended; a snapshot, may be stale.
    pub(super) fn all(&self) -> Vec<TaskRef> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(lock(part).values().map(|future| future.task_ref()));
        }
        all
    }
}
