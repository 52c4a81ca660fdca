//! The reasons for which a task is not admitted.

use crate::error::{CancelReason, TrySubmitError};
use crate::pool::Pool;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Full,
    /// The queue is full, and its policy drops the task without further notice.
    Dropped,
    Shutdown,
    /// The pool belongs to another process.
    Forked,
    /// The token of the view is cancelled.
    Cancelled,
}

impl Refusal {
    /// Returns why a pool accepts no more tasks.
    pub(super) fn of_closed(pool: &Pool) -> Self {
        match pool.is_forked() {
            true => Self::Forked,
            false => Self::Shutdown,
        }
    }

    /// Returns the error that carries `closure` back.
    pub(crate) fn with<F>(self, closure: F) -> TrySubmitError<F> {
        TrySubmitError::new(self.reason(), closure)
    }

    /// Returns the reason with which the task's handle resolves to cancelled.
    pub(crate) fn reason(self) -> CancelReason {
        match self {
            Self::Full | Self::Dropped => CancelReason::Rejected,
            Self::Shutdown => CancelReason::Shutdown,
            Self::Forked => CancelReason::Forked,
            Self::Cancelled => CancelReason::Cancelled,
        }
    }
}
