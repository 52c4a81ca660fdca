//! Which of the words that the parent shares with a worker process are in use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sys::{CREDITS, Claims, ITEMS};

/// The shared words of one worker process.
#[derive(Debug)]
pub(crate) struct Words {
    claims: Arc<Claims>,
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    /// The next sequence numbers of the words of items and permits that are free.
    items: Vec<u64>,
    /// The numbers of the words of credit that are free.
    slots: Vec<usize>,
}

impl Words {
    pub(crate) fn new(claims: &Arc<Claims>) -> Arc<Self> {
        Arc::new(Self {
            claims: Arc::clone(claims),
            free: Mutex::new(Free {
                // The words are zero at first, which is no item's state but that of number 0.
                items: (ITEMS..2 * ITEMS).collect(),
                slots: (0..CREDITS).collect(),
            }),
        })
    }

    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a word for an item or permits, and returns the next sequence number of it.
    pub(super) fn take(&self) -> Option<u64> {
        self.free().items.pop()
    }

    /// Takes a word back, which is used again with another number.
    pub(super) fn give(&self, sequence: u64) {
        self.free().items.push(sequence + ITEMS);
    }

    /// Takes the words of credit and of asking to be told, for one queue.
    pub(super) fn slot(&self) -> Option<usize> {
        self.free().slots.pop()
    }

    /// Takes these words back, when the process uses the queue no more.
    pub(super) fn give_slot(&self, slot: usize) {
        self.claims.revoke(slot);
        self.free().slots.push(slot);
    }
}
