//! The gate: how many tasks may wait, and what happens to one more.
//!
//! A task that is let in through a gate holds a [`CapacityPermit`], and gives it back as the first thing it
//! does. So there is room again when the task begins, when a waiter claims it and when it is
//! cancelled, for in each case the pass is used or dropped; and the threads of the pool never hear
//! of it. With a capacity of 0 a pass stands for a free thread, and is kept until the closure has
//! returned; but while the task waits another may have the thread, so there is one pass more
//! (`pool/local/slot.rs`).
//!
//! A task of the pool's own is let in whether there is room or not, and takes a pass all the same:
//! the gate is in debt then, and outsiders have to wait until it is paid.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use crate::error::{CancelReason, TrySubmitError};
use crate::fork::NotInherited;
use crate::pool::{Capacity, Local, Overflow, Pool};
use crate::sync::error::TryAcquireError;
use crate::sync::permits::Wait;
use crate::task::Token;
use crate::wait::Deadline;

/// How a submitter stands to a full pool.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// As the pool's [`Overflow`] policy says; the pool's own tasks are let in regardless.
    Policy,
    /// It waits so long; the pool's own tasks are let in regardless.
    Until(Deadline),
    /// It wants to be told.
    Never,
}

/// How a task was let in. Either way it has been counted as accepted.
pub(crate) enum Entry {
    /// To be pushed, holding what there is to hold.
    Open,
    CapacityPermit(CapacityPermit),
    /// To be run by the submitter.
    Caller,
}

/// Why a task was not accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    /// Full, and the policy wants no fuss about it.
    Dropped,
    Shutdown,
    /// The pool is another process's.
    Forked,
}

impl Refusal {
    /// The error that gives `closure` back.
    pub(crate) fn with<F>(self, closure: F) -> TrySubmitError<F> {
        match self {
            Self::Full | Self::Dropped => TrySubmitError::Full(closure),
            Self::Shutdown => TrySubmitError::Shutdown(closure),
            Self::Forked => TrySubmitError::Forked(closure),
        }
    }

    pub(crate) fn reason(self) -> CancelReason {
        match self {
            Self::Full | Self::Dropped => CancelReason::Rejected,
            Self::Shutdown => CancelReason::Shutdown,
            Self::Forked => CancelReason::Forked,
        }
    }
}

/// A place in the queue, or the use of a free thread; given back when it is dropped.
pub(crate) struct CapacityPermit(Arc<Capacity>);

impl Token for CapacityPermit {
    type Kept = Option<Self>;

    fn begin(self) -> Self::Kept {
        // What is run in place needs no free thread.
        let kept = self.0.hand_off && !Local::runs_inline();
        Some(self).filter(|_| kept)
    }
}

impl Drop for CapacityPermit {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl CapacityPermit {
    /// A pass for a task that has come due, whether there is room or not.
    pub(crate) fn anyway(pool: &Pool) -> Option<Self> {
        let capacity = pool.capacity.as_ref()?;
        if !capacity.permits.take_anyway() {
            pool.counts.over_capacity.one_more();
        }
        Some(Self(Arc::clone(capacity)))
    }

    /// A pass if there is room for it, or none is needed; `None` if the pool is full.
    pub(crate) fn if_room(pool: &Pool) -> Option<Option<Self>> {
        let Some(capacity) = &pool.capacity else {
            return Some(None);
        };
        let taken = capacity.permits.try_take(1).is_ok();
        taken.then(|| Some(Self(Arc::clone(capacity))))
    }
}

/// Counts a task as accepted, and says how it was let in.
///
/// Blocks only by policy or patience, and never a task of the pool itself.
// Inlined, like all on the way of a submission, so that what goes from hand to hand stays in registers.
#[inline(always)]
pub(crate) fn admit(pool: &Arc<Pool>, patience: Patience) -> Result<Entry, Refusal> {
    let entry = match &pool.capacity {
        Some(capacity) => permit(pool, capacity, patience)?,
        None => Entry::Open,
    };
    let_in(pool, entry)
}

#[inline(always)]
fn let_in(pool: &Arc<Pool>, entry: Entry) -> Result<Entry, Refusal> {
    match pool.accept() {
        Ok(()) => Ok(entry),
        Err(_) if pool.is_forked() => Err(Refusal::Forked),
        Err(_) => Err(Refusal::Shutdown),
    }
}

/// The same, and waits for room without blocking; the pool's own tasks are let in regardless.
pub(crate) async fn admit_async(pool: &Arc<Pool>) -> Result<Entry, Refusal> {
    let Some(capacity) = pool.capacity.as_ref().filter(|_| !pool.is_here()) else {
        return admit(pool, Patience::Until(Deadline::NEVER));
    };
    let mut wait = NotInherited::new(Wait::new(&capacity.permits, 1));
    let granted = poll_fn(|cx| match pool.is_forked() {
        true => Poll::Ready(Err(Refusal::Forked)),
        false => wait.poll(cx.waker()).map_err(|_| Refusal::Shutdown),
    });
    granted.await?;
    let_in(
        pool,
        Entry::CapacityPermit(CapacityPermit(Arc::clone(capacity))),
    )
}

fn permit(
    pool: &Arc<Pool>,
    capacity: &Arc<Capacity>,
    patience: Patience,
) -> Result<Entry, Refusal> {
    let permits = &capacity.permits;
    if pool.is_forked() {
        return Err(Refusal::Forked);
    }
    let taken = match patience {
        // Those inside may go on until all is quiet, so for them the gate is never closed.
        Patience::Never if pool.is_here() => {
            let free = permits.take_free();
            free.then_some(()).ok_or(TryAcquireError::NoPermits)
        }
        Patience::Never => permits.try_take(1),
        _ if pool.is_here() => {
            if !permits.take_anyway() && !pool.is_stopping() {
                pool.counts.over_capacity.one_more();
            }
            Ok(())
        }
        Patience::Until(deadline) => permits.take_until(1, deadline),
        Patience::Policy => match capacity.overflow {
            Overflow::Block => permits.take_until(1, Deadline::NEVER),
            Overflow::Reject => permits.try_take(1),
            Overflow::CallerRuns => match permits.try_take(1) {
                Err(TryAcquireError::NoPermits) => return Ok(Entry::Caller),
                decided => decided,
            },
            Overflow::DropOldest => match permits.try_take(1) {
                Err(TryAcquireError::NoPermits) if pool.drop_oldest() => {
                    // One for one: the room that the other leaves may go to somebody who waits, or
                    // pay a debt, so it is not waited for.
                    permits.take_anyway();
                    Ok(())
                }
                Err(TryAcquireError::NoPermits) => return Err(Refusal::Dropped),
                decided => decided,
            },
            Overflow::DropNewest => match permits.try_take(1) {
                Err(TryAcquireError::NoPermits) => return Err(Refusal::Dropped),
                decided => decided,
            },
        },
    };
    match taken {
        Ok(()) => Ok(Entry::CapacityPermit(CapacityPermit(Arc::clone(capacity)))),
        Err(TryAcquireError::NoPermits | TryAcquireError::TooMany) => Err(Refusal::Full),
        Err(TryAcquireError::Closed) => Err(Refusal::Shutdown),
    }
}
