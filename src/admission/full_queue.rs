//! A full queue: how long a submitter waits for room, and what happens to a task that finds none.

use std::sync::Arc;

use super::capacity::{Capacity, CapacityPermit, Overflow};
use super::refusal::Refusal;
use crate::pool::{Pool, TaskGroup};
use crate::sync::error::TryAcquireError;
use crate::wait::Deadline;

/// How long a submitter waits for room in a full queue.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// As the [`Overflow`] policy says. Tasks of the pool are admitted regardless.
    Policy,
    /// Until the deadline. Tasks of the pool are admitted regardless.
    Until(Deadline),
    /// Not at all: the submitter is told that there is no room.
    Never,
}

/// Where a submitter is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It runs a task of that whose bound it is, and is admitted whether there is room or not.
    Inside,
    Outside,
}

impl Side {
    pub(super) fn of_pool(pool: &Pool) -> Self {
        match pool.is_here() {
            true => Self::Inside,
            false => Self::Outside,
        }
    }
}

/// How a task is admitted.
pub(super) enum Entry {
    /// It is pushed with this permit.
    Permit(CapacityPermit),
    /// It is run by the submitter.
    Caller,
}

/// Takes a permit for a task, or waits for one, or decides by the policy if there is none.
/// `group` is the group whose bound it is, if it is not the pool's.
pub(super) fn admit(
    pool: &Arc<Pool>,
    capacity: &Arc<Capacity>,
    group: Option<&Arc<TaskGroup>>,
    patience: Patience,
    side: Side,
) -> Result<Entry, Refusal> {
    let permits = &capacity.permits;
    if pool.is_forked() {
        return Err(Refusal::Forked);
    }
    let taken = match patience {
        // Tasks of the pool may submit until the pool is quiescent, so for them the permits are
        // never closed.
        Patience::Never if side == Side::Inside => {
            let free = permits.take_free();
            free.then_some(()).ok_or(TryAcquireError::NoPermits)
        }
        Patience::Never => permits.try_take(1),
        _ if side == Side::Inside => {
            return Ok(Entry::Permit(CapacityPermit::over(pool, capacity)));
        }
        Patience::Until(deadline) => wait(pool, capacity, group, deadline),
        Patience::Policy if capacity.overflow == Overflow::Block => {
            wait(pool, capacity, group, Deadline::NEVER)
        }
        Patience::Policy => match permits.try_take(1) {
            Err(TryAcquireError::NoPermits) => return overflow(pool, capacity, group),
            decided => decided,
        },
    };
    match taken {
        Ok(()) => Ok(Entry::Permit(CapacityPermit(Arc::clone(capacity)))),
        Err(TryAcquireError::NoPermits | TryAcquireError::TooMany) => Err(Refusal::Full),
        Err(TryAcquireError::Closed) => Err(Refusal::Shutdown),
    }
}

/// Waits for a permit, for room in the pool or in a group.
fn wait(
    pool: &Arc<Pool>,
    capacity: &Capacity,
    group: Option<&Arc<TaskGroup>>,
    deadline: Deadline,
) -> Result<(), TryAcquireError> {
    let waits = || pool.submitter_waits();
    let wait = || capacity.permits.take_until_told(1, deadline, waits);
    match group {
        Some(_) if pool.is_here() => pool.at_group(wait),
        _ => wait(),
    }
}

/// Applies the policy to a task for which there is no room.
fn overflow(
    pool: &Arc<Pool>,
    capacity: &Arc<Capacity>,
    group: Option<&Arc<TaskGroup>>,
) -> Result<Entry, Refusal> {
    let drop_oldest = || match group {
        Some(group) => pool.drop_oldest_of(group),
        None => pool.drop_oldest(),
    };
    match capacity.overflow {
        Overflow::Block | Overflow::Reject => Err(Refusal::Full),
        Overflow::CallerRuns => Ok(Entry::Caller),
        Overflow::DropOldest if drop_oldest() => {
            // One for one: the room that the older task leaves may go to a thread that waits, or
            // pay a debt, so the new task does not wait for it.
            capacity.permits.take_anyway();
            Ok(Entry::Permit(CapacityPermit(Arc::clone(capacity))))
        }
        Overflow::DropOldest | Overflow::DropNewest => Err(Refusal::Dropped),
    }
}
