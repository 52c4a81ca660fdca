//! The gate: how many tasks may wait, and what happens to one more.
//!
//! A task that is let in through a gate carries a permit among its captures and gives it
//! back as the first thing it does. So the permit returns when the task begins, when a waiter claims it
//! and when it is cancelled, for in each case the captures are used or dropped; and the threads
//! of the pool never hear of it.

use crate::error::{TryAcquireError, TrySubmitError};
use crate::pool::{Gate, Local, Overflow, Shared};
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
pub(crate) fn admit(
    shared: &Shared,
    local: Option<&Local>,
    patience: Patience,
) -> Result<Option<OwnedPermit>, Refusal> {
    let over_capacity = local.is_some() && patience == Patience::Policy;
    let permit = match &shared.gate {
        Some(gate) if !over_capacity => Some(pass(gate, patience)?),
        _ => None,
    };
    match shared.accept(local) {
        Ok(()) => Ok(permit),
        Err(_) => Err(Refusal::Shutdown),
    }
}

fn pass(gate: &Gate, patience: Patience) -> Result<OwnedPermit, Refusal> {
    if patience == Patience::Policy && gate.overflow == Overflow::Block {
        return OwnedPermit::acquire(&gate.permits).map_err(|_| Refusal::Shutdown);
    }
    OwnedPermit::try_acquire(&gate.permits).map_err(|error| match error {
        TryAcquireError::NoPermits => Refusal::Full,
        TryAcquireError::Closed => Refusal::Shutdown,
    })
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
