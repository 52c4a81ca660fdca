//! What was submitted for later, so that the end of the pool can cancel what is not due.
//!
//! Until it is due it is no task of the pool: nothing waits for it but its handle.

use std::sync::Arc;

use slab::Slab;

use super::spawned::take;
use crate::primitive::{Mutex, lock};

/// Something that is not due.
pub(crate) trait Postponed: Send + Sync {
    /// The pool takes no more tasks: what is not due never will be.
    fn close(&self);
}

pub(crate) struct Scheduled {
    /// `None` once the pool has closed.
    postponed: Mutex<Option<Slab<Arc<dyn Postponed>>>>,
}

impl Scheduled {
    pub(crate) fn new() -> Self {
        Self {
            postponed: Mutex::new(Some(Slab::new())),
        }
    }

    /// Adds something and says where it is, unless the pool has closed.
    pub(crate) fn add(&self, postponed: Arc<dyn Postponed>) -> Option<usize> {
        Some(lock(&self.postponed).as_mut()?.insert(postponed))
    }

    pub(crate) fn remove(&self, place: usize) {
        let postponed = lock(&self.postponed)
            .as_mut()
            .and_then(|all| take(all, place));
        drop(postponed);
    }

    /// Closes all that is there, and takes no more.
    pub(crate) fn close(&self) {
        let all = lock(&self.postponed).take();
        for (_, postponed) in all.into_iter().flatten() {
            postponed.close();
        }
    }
}
