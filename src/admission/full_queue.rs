//! A full queue: how long a submitter waits for room, and what happens to a task that finds none.

use std::sync::Arc;

use super::capacity::{Capacity, CapacityPermit, Overflow};
use super::refusal::Refusal;
use crate::pool::Pool;
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

/// How a task is admitted.
pub(super) enum Entry {
    /// It is pushed with this permit.
    Permit(CapacityPermit),
    /// It is run by the submitter.
    Caller,
}

/// Takes a permit for a task, or waits for one, or decides by the policy if there is none.
pub(super) fn admit(
    pool: &Arc<Pool>,
    capacity: &Arc<Capacity>,
    patience: Patience,
) -> Result<Entry, Refusal> {
    let permits = &capacity.permits;
    if pool.is_forked() {
        return Err(Refusal::Forked);
    }
    let taken = match patience {
        // Tasks of the pool may submit until the pool is quiescent, so for them the permits are
        // never closed.
        Patience::Never if pool.is_here() => {
            let free = permits.take_free();
            free.then_some(()).ok_or(TryAcquireError::NoPermits)
        }
        Patience::Never => permits.try_take(1),
        _ if pool.is_here() => {
            if !permits.take_anyway() && !pool.is_stopping() {
                pool.incidents.over_capacity.add_one();
            }
            Ok(())
        }
        Patience::Until(deadline) => wait(pool, capacity, deadline),
        Patience::Policy if capacity.overflow == Overflow::Block => {
            wait(pool, capacity, Deadline::NEVER)
        }
        Patience::Policy => match permits.try_take(1) {
            Err(TryAcquireError::NoPermits) => return overflow(pool, capacity),
            decided => decided,
        },
    };
    match taken {
        Ok(()) => Ok(Entry::Permit(CapacityPermit(Arc::clone(capacity)))),
        Err(TryAcquireError::NoPermits | TryAcquireError::TooMany) => Err(Refusal::Full),
        Err(TryAcquireError::Closed) => Err(Refusal::Shutdown),
    }
}

/// Waits for a permit.
fn wait(pool: &Arc<Pool>, capacity: &Capacity, deadline: Deadline) -> Result<(), TryAcquireError> {
    let waits = || pool.submitter_waits();
    capacity.permits.take_until_told(1, deadline, waits)
}

/// Applies the policy to a task for which there is no room.
fn overflow(pool: &Arc<Pool>, capacity: &Arc<Capacity>) -> Result<Entry, Refusal> {
    match capacity.overflow {
        Overflow::Block | Overflow::Reject => Err(Refusal::Full),
        Overflow::CallerRuns => Ok(Entry::Caller),
        Overflow::DropOldest if pool.drop_oldest() => {
            // One for one: the room that the older task leaves may go to a thread that waits, or
            // pay a debt, so the new task does not wait for it.
            capacity.permits.take_anyway();
            Ok(Entry::Permit(CapacityPermit(Arc::clone(capacity))))
        }
        Overflow::DropOldest | Overflow::DropNewest => Err(Refusal::Dropped),
    }
}
