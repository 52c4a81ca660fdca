//! Cancelling: what stands here is withdrawn, and about the rest the mark decides.

use std::sync::Arc;
use std::time::Duration;

use workmill::CancelReason;

use super::{Entry, Shared, Stage};
use crate::id::JobId;
use crate::link::Decision;
use crate::protocol::{ASK_STOP, Mark, State};

impl Shared {
    /// Asks for a cancel. Returns `true` if the job has not left this executor, and never will.
    pub(super) fn request_cancel(self: &Arc<Self>, id: &JobId, reason: CancelReason) -> bool {
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(id) else {
            return false;
        };
        if reason == CancelReason::Cancelled || entry.cancel.is_none() {
            entry.cancel = Some(reason);
        }
        if entry.stage == Stage::Standing {
            entry.stage = Stage::Withdrawn;
            entry.wake.notify_one();
        }
        // Others who wait for it are told as well, by the task that was about to send it.
        if entry.stage == Stage::Withdrawn {
            return true;
        }
        self.begin_cancel(id, entry);
        false
    }

    /// Cancels a job, unless it ends before.
    pub(crate) fn withdraw(self: &Arc<Self>, id: &JobId, reason: CancelReason) {
        self.request_cancel(id, reason);
    }

    pub(super) fn begin_cancel(self: &Arc<Self>, id: &JobId, entry: &mut Entry) {
        if !std::mem::replace(&mut entry.is_cancelling, true) {
            let (shared, id) = (Arc::clone(self), id.clone());
            let job = entry.job;
            self.spawn(async move { shared.cancel(&id, job).await });
        }
    }

    /// Returns why a job is to be cancelled, while it is here.
    fn wish(&self, id: &JobId) -> Option<CancelReason> {
        self.table().entries.get(id)?.cancel
    }

    /// Writes that a job is cancelled, or asks its worker to end it.
    async fn cancel(self: &Arc<Self>, id: &JobId, job: &'static str) {
        let mut expected = 0;
        while let Some(reason) = self.wish(id) {
            let state = match reason {
                CancelReason::Expired => State::Expired,
                _ => State::Cancelled,
            };
            let mark = Mark {
                nonce: self.link.nonce(),
                job: job.to_owned(),
                state,
            };
            let Ok(decision) = self.link.decide(id, expected, &mark).await else {
                unreachable!("this mark is small");
            };
            match decision {
                Decision::Won(_) => return self.heard(id, mark),
                Decision::Lost(None) => expected = 0,
                Decision::Lost(Some((sequence, there))) => match there.state {
                    State::Waiting { .. } => expected = sequence,
                    State::Begun { .. } if reason == CancelReason::Expired => {
                        // It has begun in time.
                        if self.give_up_cancel(id, reason) {
                            return;
                        }
                        expected = 0;
                    }
                    State::Begun { .. } => {
                        if self.ask_to_stop(id).await {
                            break;
                        }
                        // Never that of what has begun.
                        expected = 0;
                    }
                    _ => {
                        self.heard(id, there);
                        return;
                    }
                },
            }
        }
        if let Some(entry) = self.table().entries.get_mut(id) {
            entry.is_cancelling = false;
        }
    }

    /// Forgets a wish, unless there is another one by now.
    fn give_up_cancel(&self, id: &JobId, reason: CancelReason) -> bool {
        let mut table = self.table();
        match table.entries.get_mut(id) {
            Some(entry) if entry.cancel == Some(reason) => {
                entry.cancel = None;
                entry.is_cancelling = false;
                true
            }
            Some(_) => false,
            None => true,
        }
    }

    /// Asks the worker of a job to end it. `true`: the worker knows.
    async fn ask_to_stop(&self, id: &JobId) -> bool {
        const PATIENCE: Duration = Duration::from_secs(1);
        if self.link.ask(id, ASK_STOP, PATIENCE).await.is_some() {
            return true;
        }
        // Nobody has answered, for a second or because nobody listens at all.
        tokio::time::sleep(Duration::from_millis(200)).await;
        false
    }
}
