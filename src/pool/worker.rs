//! One thread's life: find a task, run it, and sleep when there is none.

use super::local::{Local, PoolTask};
use crate::wait::{Spin, spin_until};

/// How long a thread without work looks around before it sleeps: about as long as it takes another
/// to wake up, who may then bring the next task.
///
/// Mostly by giving the processor away: on as many processors as there are threads, that other has to
/// run somewhere too.
const SEARCH: Spin = Spin {
    pauses: 16,
    doublings: 1,
    yields: 80,
};

/// The same when the last time it was in vain: one look.
const GLANCE: Spin = Spin {
    pauses: 0,
    doublings: 0,
    yields: 0,
};

/// Between two looks at threads that get on by themselves.
const WATCH: Spin = Spin {
    pauses: 128,
    doublings: 1,
    yields: 1,
};

/// So often a thread looks at them before it takes one's only task all the same.
const WATCHES: usize = 16;

/// Runs tasks until the pool has ended, or there has been nothing to do for so long that the thread
/// is to leave; the answer tells whether it is that.
pub(super) fn work(local: &Local) -> bool {
    loop {
        // First: it may have ended with something to hear.
        local.run_yielded();
        if !local.is_calm() {
            if local.shared.has_ended() {
                local.note_idle();
                return false;
            }
            local.outside(|| local.hear());
        }
        local.sweep_if_wanted();
        let mut task = local.pop();
        if task.is_none() {
            task = local.outside(|| search(local));
        }
        if task.is_some() {
            local.run(&mut task);
        } else if !local.outside(|| local.sleep()) {
            return true;
        }
    }
}

/// Looks near, then everywhere for a while, at first only for what others have to spare.
#[cold]
fn search(local: &Local) -> Option<PoolTask> {
    let mut task = local.find_near();
    if task.is_some() || !local.has_slot() {
        return task;
    }
    local.note_idle();
    local.check_quiescence_if_wanted();
    if local.shared.is_forked() {
        return None;
    }
    if local.may_search() {
        let budget = if local.spin_pays() { SEARCH } else { GLANCE };
        spin_until(budget, || {
            task = local.find_far(true);
            task.is_some() || local.shared.has_ended()
        });
        if task.is_none() && local.spin_pays() {
            task = watch(local);
        }
        if task.is_none() {
            task = local.find_far(false);
        }
    }
    task
}

/// Looks on for as long as others get on by themselves with tasks that come one by one, for a while.
///
/// As in a chain, in which each task submits the next: to steal one would only hold it up, and to
/// fall asleep would have the next push wake this thread again.
fn watch(local: &Local) -> Option<PoolTask> {
    let mut before = local.finished_by_others();
    for _ in 0..WATCHES {
        let mut task = None;
        spin_until(WATCH, || {
            task = local.find_far(true);
            task.is_some() || local.shared.has_ended()
        });
        if task.is_some() || local.shared.has_ended() {
            return task;
        }
        let after = local.finished_by_others();
        if after == before {
            return None;
        }
        before = after;
    }
    None
}
