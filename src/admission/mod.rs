//! Admission: the limit on the tasks that wait, and the policy for a task that finds no room.
//!
//! A task that is admitted to a bounded queue holds a [`CapacityPermit`], and releases it as the
//! first thing that it does. So there is room again when the task begins, when a waiter runs it
//! inline and when it is cancelled: in each case the permit is used or dropped, and the workers
//! need not know of it. With a capacity of 0 a permit stands for a free thread, and is kept until
//! the closure has returned. But while the task is blocked in a wait another task may have the
//! thread, so there is one permit more; the pool reports this through
//! [`PoolObserver`](crate::pool::PoolObserver).
//!
//! A task that is submitted by one of the pool's own tasks is admitted whether there is room or
//! not, and takes a permit all the same. The capacity is then in debt, and outsiders have to wait
//! until the debt is paid.

mod capacity;
mod full_queue;
mod refusal;
mod view;

use std::sync::Arc;

pub use self::capacity::Overflow;
pub(crate) use self::capacity::{Capacity, CapacityPermit};
pub(crate) use self::full_queue::Patience;
use self::full_queue::{Entry, Side, admit};
pub(crate) use self::refusal::Refusal;
pub(crate) use self::view::View;
use crate::pool::{Make, Pool, Priority};
use crate::wait::Deadline;

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
        Some(capacity) => match admit(pool, capacity, None, patience, Side::of_pool(pool)) {
            Ok(Entry::Permit(permit)) => pool.place(make, permit),
            Ok(Entry::Caller) => pool.run_on_caller(make),
            Err(refusal) => return Err((refusal, make)),
        },
    };
    placed.map_err(|make| (Refusal::of_closed(pool), make))
}

/// Does what [`place`] does with a task of a class.
// Apart, so that nothing of it is on the way of other tasks.
#[cold]
#[inline(never)]
pub(crate) fn place_class<M: Make>(
    pool: &Arc<Pool>,
    capacity: Option<&Arc<Capacity>>,
    class: Priority,
    make: M,
    patience: Patience,
) -> Result<M::Handle, (Refusal, M)> {
    let placed = match capacity {
        None => pool.place_class(make, (), class),
        Some(capacity) => match admit(pool, capacity, None, patience, Side::of_pool(pool)) {
            Ok(Entry::Permit(permit)) => pool.place_class(make, permit, class),
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
    class: Priority,
    make: M,
) -> Result<M::Handle, (Refusal, M)> {
    let Some(bound) = capacity.filter(|_| !pool.is_here()) else {
        let patience = Patience::Until(Deadline::NEVER);
        return place_class(pool, capacity, class, make, patience);
    };
    let permit = match bound.acquire(pool).await {
        Ok(permit) => permit,
        Err(refusal) => return Err((refusal, make)),
    };
    pool.place_class(make, permit, class)
        .map_err(|make| (Refusal::of_closed(pool), make))
}
