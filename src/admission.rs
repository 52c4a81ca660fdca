//! The gate: how many tasks may wait, and what happens to one more.
//!
//! A task that is let in through a gate carries a permit among its captures and gives it back as
//! the first thing it does. So the permit returns when the task begins, when a waiter claims it and
//! when it is cancelled, for in each case the captures are used or dropped; and the threads of the
//! pool never hear of it.

use crate::error::{TryAcquireError, TrySubmitError};
use crate::pool::{Gate, Overflow, Shared};
use crate::sync::semaphore::OwnedPermit;

/// How a submitter stands to a full pool.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the pool's [`Overflow`] policy says; the pool's own tasks are let in regardless.
    Policy,
    /// It wants to be told.
    Never,
}

/// Why a task was not accepted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    Shutdown,
}

impl Refusal {
    /// The error that gives `closure` back.
    pub(crate) fn with<F>(self, closure: F) -> TrySubmitError<F> {
        match self {
            Self::Full => TrySubmitError::Full(closure),
            Self::Shutdown => TrySubmitError::Shutdown(closure),
        }
    }
}

/// Counts a task as accepted, with the permit that it has to carry if there is a gate.
///
/// Blocks only by policy, and never a task of the pool itself.
#[inline]
pub(crate) fn admit(shared: &Shared, patience: Patience) -> Result<Option<OwnedPermit>, Refusal> {
    let permit = match &shared.gate {
        Some(gate) => pass(shared, gate, patience)?,
        None => None,
    };
    match shared.accept() {
        Ok(()) => Ok(permit),
        Err(_) => Err(Refusal::Shutdown),
    }
}

/// Takes a permit, or lets one of the pool's own tasks in without.
fn pass(shared: &Shared, gate: &Gate, patience: Patience) -> Result<Option<OwnedPermit>, Refusal> {
    if patience == Patience::Policy {
        if shared.is_here() {
            return Ok(None);
        }
        if gate.overflow == Overflow::Block {
            let permit = OwnedPermit::acquire(&gate.permits);
            return permit.map(Some).map_err(|_| Refusal::Shutdown);
        }
    }
    match OwnedPermit::try_acquire(&gate.permits) {
        Ok(permit) => Ok(Some(permit)),
        Err(TryAcquireError::NoPermits) => Err(Refusal::Full),
        // The pool's own tasks may go on until all is quiet.
        Err(TryAcquireError::Closed) if shared.is_here() => Ok(None),
        Err(TryAcquireError::Closed) => Err(Refusal::Shutdown),
    }
}

/// The closure with its permit, which it gives back before it begins.
pub(crate) fn carry<F, T>(permit: OwnedPermit, closure: F) -> impl FnOnce() -> T + Send + 'static
where
    F: FnOnce() -> T + Send + 'static,
{
    move || {
        drop(permit);
        closure()
    }
}
