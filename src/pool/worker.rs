//! One thread's life: find a task, run it, and sleep when there is none.

use super::shared::{Local, PoolTask};
use crate::primitive::{Spin, spin_until};

/// How long a thread without work looks around before it sleeps.
const SEARCH: Spin = Spin {
    probes: 24,
    pauses: 16,
    yields: 4,
};

/// Runs tasks until the pool has ended.
pub(super) fn work(local: &Local) {
    while !local.shared.has_ended() {
        match next(local) {
            Some(task) => local.run(task),
            None => local.sleep(),
        }
    }
}

fn next(local: &Local) -> Option<PoolTask> {
    if let Some(task) = local.find_near() {
        return Some(task);
    }
    if !local.may_search() {
        return None;
    }
    let mut task = None;
    spin_until(SEARCH, || {
        task = local.find_far();
        task.is_some()
    });
    task
}
