//! A worker's loop: find a task, run it, and sleep when there is none.

use super::local::{Local, PoolTask};
use super::meter::{Event, Phase};
use crate::spin::{Spin, spin_until};

/// How long a worker without tasks searches before it sleeps: about as long as it takes to wake
/// another thread, which may then bring the next task.
///
/// Mostly by giving the processor away: on as many processors as there are threads, that other
/// thread has to run somewhere, too.
const SEARCH: Spin = Spin {
    pauses: 16,
    doublings: 1,
    yields: 80,
};

/// The number of slots from which on a search takes fewer looks, since each takes longer: it looks
/// at every local queue.
const MANY_SLOTS: usize = 32;

/// Returns the number of looks in a pool with that many slots, of those in a small pool, which take
/// about as long.
fn share(looks: usize, slots: usize) -> usize {
    looks * MANY_SLOTS / slots.max(MANY_SLOTS)
}

/// Returns how long a worker of a pool with that many slots searches.
fn search_among(slots: usize) -> Spin {
    Spin {
        yields: share(SEARCH.yields as usize, slots) as u32,
        ..SEARCH
    }
}

/// How long a worker searches if no search would have spared it its last sleep: one look.
const GLANCE: Spin = Spin {
    pauses: 0,
    doublings: 0,
    yields: 0,
};

/// The pause between two looks at workers that make progress by themselves.
const WATCH: Spin = Spin {
    pauses: 128,
    doublings: 1,
    yields: 1,
};

/// The number of looks at workers that make progress before a searcher takes a worker's only task
/// all the same.
const WATCHES: usize = 16;

/// Runs tasks until the pool has ended, or the thread has had nothing to do for its keep-alive time
/// and is to leave. Returns `true` in the latter case.
pub(super) fn work(local: &Local) -> bool {
    if local.borrows() {
        run_begun(local);
    }
    loop {
        // Before the flags are checked, since a poll may have set one.
        local.run_yielded();
        if !local.no_flags() {
            if local.shared.slots.have_ended() {
                local.note_idle();
                return false;
            }
            if local.has_flag_to_obey() {
                local.outside(|| local.obey_flags());
            }
            if let Some(task) = local.outside(|| local.find_high()) {
                local.found_work();
                local.run(&mut Some(task));
                continue;
            }
        }
        local.sweep_if_wanted();
        let mut task = match local.has_yielded() {
            true => local.pop_beside_yielded(),
            false => local.pop(),
        };
        if task.is_none() {
            task = local.outside(|| search(local));
            if task.is_some() || local.has_found_half() {
                local.found_work();
            }
        }
        if task.is_some() {
            local.run(&mut task);
        } else if local.run_found_half() {
            local.count(Event::RanHalf);
        } else if !local.outside(|| local.sleep()) {
            return true;
        } else if local.borrows() {
            run_begun(local);
        }
    }
}

/// Runs what has begun for as long as the slot is a loan.
#[cold]
fn run_begun(local: &Local) {
    // In a child process that a future has forked nothing is given back.
    while local.borrows() && !local.shared.is_forked() {
        if local.shared.slots.have_ended() {
            return local.outside(|| local.return_loan());
        }
        if !local.no_flags_as_borrower() {
            local.outside(|| local.obey_flags_as_borrower());
            continue;
        }
        if local.keep_surplus() {
            return;
        }
        // Those who have pushed meanwhile have seen a busy worker, and asked no lender.
        local.shared.want_tick();
        match local.outside(|| local.find_begun()) {
            Some(task) => {
                local.found_work();
                local.run(&mut Some(task));
            }
            None if local.outside(|| local.find_half()) => {
                local.found_work();
                if local.run_found_half() {
                    local.count(Event::RanHalf);
                }
            }
            None => {
                local.note_idle();
                local.enter_phase(Phase::Idle);
                local.outside(|| local.return_loan());
            }
        }
    }
}

/// Looks near, then everywhere for a while, at first only for tasks that other slots have to spare.
/// Halves of running tasks and tasks have the first look by turns. Returns `None`, too, if it has
/// found a half.
#[cold]
fn search(local: &Local) -> Option<PoolTask> {
    let halves_first = local.is_turn_of_halves();
    if halves_first && local.find_half() {
        return None;
    }
    let mut task = local.find_near();
    if task.is_some() || !local.has_slot() || !halves_first && local.find_half() {
        return task;
    }
    local.note_idle();
    local.enter_phase(Phase::Idle);
    local.check_quiescence_if_wanted();
    if local.shared.is_forked() {
        return None;
    }
    if local.may_search() {
        let budget = match local.spin_pays() {
            true => search_among(local.slots_used()),
            false => GLANCE,
        };
        spin_until(budget, || {
            task = local.find_far(true);
            task.is_some() || local.find_half() || local.shared.slots.have_ended()
        });
        if task.is_none() && !local.has_found_half() && local.spin_pays() {
            task = watch(local);
        }
        if task.is_none() && !local.has_found_half() {
            task = local.find_far(false);
        }
    }
    task
}

/// Goes on looking, for a while, as long as other workers make progress with tasks that come one by
/// one.
///
/// As in a chain, in which each task submits the next: to steal a task would only hold the chain
/// up, and if this worker fell asleep the next push would wake it again.
fn watch(local: &Local) -> Option<PoolTask> {
    let mut before = local.finished_by_others();
    for _ in 0..share(WATCHES, local.slots_used()) {
        let mut task = None;
        spin_until(WATCH, || {
            task = local.find_far(true);
            task.is_some() || local.find_half() || local.shared.slots.have_ended()
        });
        if task.is_some() || local.has_found_half() || local.shared.slots.have_ended() {
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
