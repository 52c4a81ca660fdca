//! How a task is cancelled that has expired.

use super::here::Local;
use super::roll::cancel;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::link::PoolLink;
use crate::task::cell::TaskRef;
use crate::task::{Gone, Look, Ran, Work};

/// The chore that cancels a task which has expired, and which perhaps nobody meets. It is no task
/// of the user's, so it counts itself.
pub(super) struct Settle {
    pub(super) late: TaskRef,
    pub(super) link: PoolLink,
}

impl Settle {
    fn settle(&self) {
        cancel(&self.late, CancelReason::Expired, self.link);
    }
}

impl Work<Local> for Settle {
    fn run(self, cx: &Local) -> Ran {
        self.settle();
        if !self.link.is_forked() {
            cx.shared.queue.tally.finish_aside();
        }
        Ran::GoesOn
    }

    fn cancel(self, _: CancelReason) -> Result<(), Gone> {
        self.settle();
        Err(Gone::Aside)
    }

    fn gone(&self) -> Option<Gone> {
        None
    }

    fn look(&self) -> Result<Look, Gone> {
        Ok(Look::of_closure(const { &Name::of::<Self>() }))
    }
}
