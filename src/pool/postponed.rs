//! The tasks that were submitted for later, so that the end of the pool can cancel those not due.
//!
//! A task that is not due does not count as accepted yet: nothing waits for it except its handle.

use std::sync::Arc;

use super::registry::Registry;
use crate::primitive::{Mutex, lock};

/// Something that is not due yet.
pub(crate) trait Postponed: Send + Sync {
    /// The pool takes no more tasks, so this will never be due.
    fn close(&self);
}

pub(crate) struct PostponedTasks {
    /// `None` once the pool has closed.
    postponed: Mutex<Option<Registry<Arc<dyn Postponed>>>>,
}

impl PostponedTasks {
    pub(super) fn new() -> Self {
        Self {
            postponed: Mutex::new(Some(Registry::new())),
        }
    }

    /// Adds something and returns its key, unless the pool has closed.
    pub(crate) fn add(&self, postponed: Arc<dyn Postponed>) -> Option<usize> {
        Some(lock(&self.postponed).as_mut()?.insert(postponed))
    }

    pub(crate) fn remove(&self, key: usize) {
        let postponed = lock(&self.postponed).as_mut().and_then(|all| all.take(key));
        drop(postponed);
    }

    /// Closes everything that is there, and takes no more.
    pub(super) fn close(&self) {
        let all = lock(&self.postponed).take();
        for postponed in all.into_iter().flat_map(Registry::into_values) {
            postponed.close();
        }
    }
}
