//! Admission: the limit on the tasks that wait, and the policy for a task that finds no room.
//!
//! A task that is admitted to a bounded queue holds a [`CapacityPermit`], and releases it as the
//! first thing that it does. So there is room again when the task begins, when a waiter runs it
//! inline and when it is cancelled: in each case the permit is used or dropped, and the workers
//! need not know of it. With a capacity of 0 a permit stands for a free thread, and is kept until
//! the closure has returned. But while the task waits another task may have the thread, so there is
//! one permit more; the pool reports this through [`Bound`](crate::pool::Bound).
//!
//! A task that is submitted by one of the pool's own tasks is admitted whether there is room or
//! not, and takes a permit all the same. The capacity is then in debt, and outsiders have to wait
//! until the debt is paid.

mod capacity;
mod overflow;
mod refusal;

use std::sync::Arc;

pub(crate) use self::capacity::{Capacity, CapacityPermit};
pub use self::overflow::Overflow;
pub(crate) use self::refusal::Refusal;
use crate::pool::{Make, Pool};
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
enum Entry {
    /// It is pushed with this permit.
    Permit(CapacityPermit),
    /// It is run by the submitter.
    Caller,
}

/// Admits a task, makes it, and pushes it, or runs it on this thread if the policy says so. Returns
/// the task if it is refused.
///
/// Blocks only if the policy or the patience says so, and never on a worker of the pool.
// Inlined, like everything on the way of a submission, so that values that are passed on stay in
// registers.
#[inline(always)]
pub(crate) fn place<M: Make>(
    pool: &Arc<Pool>,
    capacity: Option<&Arc<Capacity>>,
    make: M,
    patience: Patience,
) -> Result<M::Handle, (Refusal, M)> {
    let placed = match capacity {
        None => pool.place(make, ()),
        Some(capacity) => match admit(pool, capacity, patience) {
            Ok(Entry::Permit(permit)) => pool.place(make, permit),
            Ok(Entry::Caller) => pool.run_on_caller(make),
            Err(refusal) => return Err((refusal, make)),
        },
    };
    placed.map_err(|make| (Refusal::of_closed(pool), make))
}

/// Admits a task, makes it, and pushes it; waits for room without blocking. Tasks of the pool are
/// admitted regardless.
pub(crate) async fn place_async<M: Make>(
    pool: &Arc<Pool>,
    capacity: Option<&Arc<Capacity>>,
    make: M,
) -> Result<M::Handle, (Refusal, M)> {
    let Some(bound) = capacity.filter(|_| !pool.is_here()) else {
        return place(pool, capacity, make, Patience::Until(Deadline::NEVER));
    };
    match bound.acquire(pool).await {
        Ok(permit) => pool
            .place(make, permit)
            .map_err(|make| (Refusal::of_closed(pool), make)),
        Err(refusal) => Err((refusal, make)),
    }
}

fn admit(pool: &Arc<Pool>, capacity: &Arc<Capacity>, patience: Patience) -> Result<Entry, Refusal> {
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
                pool.counts.over_capacity.add_one();
            }
            Ok(())
        }
        Patience::Until(deadline) => permits.take_until(1, deadline),
        Patience::Policy if capacity.overflow == Overflow::Block => {
            permits.take_until(1, Deadline::NEVER)
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
