//! The unfinished tasks of a view, which are cancelled together.

use std::sync::{Arc, OnceLock};

use super::here::{Local, Pool};
use crate::error::CancelReason;
use crate::pool::link::PoolLink;
use crate::pool::registry::Registry;
use crate::primitive::{Mutex, lock};
use crate::sync::cancel::{CancelCallback, CancelToken};
use crate::task::cell::{Cancelled, RawTask, TaskRef};
use crate::trampoline;

/// The tasks that a token cancels. The token knows the roll, and the roll knows the tasks.
pub(crate) struct Roll {
    link: PoolLink,
    token: CancelToken,
    /// `None` once the token is cancelled.
    tasks: Mutex<Option<Registry<TaskRef>>>,
    /// The registration with the token.
    registered: OnceLock<CancelCallback>,
}

impl Roll {
    pub(crate) fn new(link: PoolLink, token: &CancelToken) -> Arc<Self> {
        let roll = Arc::new(Self {
            link,
            token: token.clone(),
            tasks: Mutex::new(Some(Registry::new())),
            registered: OnceLock::new(),
        });
        let weak = Arc::downgrade(&roll);
        let callback = token.on_cancel(move || {
            if let Some(roll) = weak.upgrade() {
                roll.cancel_all();
            }
        });
        let _ = roll.registered.set(callback);
        roll
    }

    /// Returns `true` if the token is cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Adds a task and returns its key, unless the token is cancelled.
    pub(crate) fn add(&self, task: TaskRef) -> Option<usize> {
        Some(lock(&self.tasks).as_mut()?.insert(task))
    }

    /// Removes a task that has ended.
    pub(crate) fn remove(&self, key: usize) {
        let task = lock(&self.tasks).as_mut().and_then(|all| all.take(key));
        drop(task);
    }

    fn cancel_all(&self) {
        if self.link.is_forked() {
            return;
        }
        let all = lock(&self.tasks).take();
        for task in all.into_iter().flat_map(Registry::into_values) {
            cancel(&task, CancelReason::Cancelled, self.link);
        }
    }
}

/// Cancels a task, unless it has begun, or is a future that has returned its output. Returns `true`
/// if it was this call that did so.
pub(crate) fn cancel(task: &RawTask, reason: CancelReason, link: PoolLink) -> bool {
    if link.is_forked() {
        return false;
    }
    match task.doom(reason) {
        Ok(doomed) => {
            trampoline::call(move || Local::in_the_way(link, || doomed.end()));
            if link.tombstone_left() {
                Pool::sweep(link);
            }
            true
        }
        Err(cancelled) => cancelled == Cancelled::Soon,
    }
}
