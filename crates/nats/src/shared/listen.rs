//! Listening: how an executor hears of the marks of its jobs, and looks where it may have missed
//! one.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use workmill::{CancelReason, JoinError, Lost};

use super::{Outcome, Shared, Stage, Waiter};
use crate::id::JobId;
use crate::link::read_answer;
use crate::objects::Of;
use crate::protocol::{Mark, Payload, State};

/// The number of states that are read at a time after a gap in the connection.
const READS: usize = 64;

impl Shared {
    /// Takes note of a mark of a job.
    pub(crate) fn heard(self: &Arc<Self>, id: &JobId, mark: Mark) {
        if mark.state.is_final() {
            let Some(waiters) = self.take(id) else {
                return;
            };
            let Mark { job, state, .. } = mark;
            return match state {
                State::Done(Payload::Object { name }) => {
                    let shared = Arc::clone(self);
                    self.spawn(async move { shared.fetch(waiters, &job, &name).await });
                }
                State::Cancelled | State::Expired => {
                    // Before anybody is told, it leaves the queue, where it might outlive its mark.
                    let (shared, id) = (Arc::clone(self), id.clone());
                    self.spawn(async move {
                        shared.link.unqueue(&id).await;
                        shared.tell(waiters, &job, &state);
                    });
                }
                state => self.tell(waiters, &job, &state),
            };
        }
        let mut table = self.table();
        let Some(entry) = table.entries.get_mut(id) else {
            return;
        };
        if matches!(mark.state, State::Begun { .. }) {
            for waiter in &mut entry.waiters {
                // One that was cancelled learns of it by its own state.
                let _ = waiter.promise.set_running();
            }
        }
        if entry.cancel.is_some() {
            self.begin_cancel(id, entry);
        }
    }

    /// Reads a large result, and answers.
    async fn fetch(&self, waiters: Vec<Waiter>, job: &str, name: &str) {
        let pause = self.link.pause();
        match self.link.objects.get(Of::Results, name, pause).await {
            Ok(bytes) => self.tell(waiters, job, &State::Done(Payload::Inline(bytes.into()))),
            Err(how) => self.answer(waiters, || {
                Err(JoinError::lost(Lost::new("its result", how.clone())))
            }),
        }
    }

    fn tell(&self, waiters: Vec<Waiter>, job: &str, state: &State) {
        for waiter in waiters {
            let own = waiter.job;
            let belongs = job.is_empty() || job == own;
            self.answer(vec![waiter], || match belongs {
                true => outcome_of(state),
                false => Err(JoinError::refused(format!(
                    "this id belongs to a job `{job}`, not to `{own}`"
                ))),
            });
        }
    }

    /// Reads the state of a job, which may have changed unheard. A job of which the server knows
    /// nothing has ended; `unknown` says so.
    pub(crate) async fn look(self: &Arc<Self>, id: &JobId, unknown: &'static str) {
        for _ in 0..2 {
            if let Some((_, mark)) = self.link.state(id).await {
                return self.heard(id, mark);
            }
            if self.link.queued(id).await.is_some() {
                return;
            }
            // Between the two it may have begun and ended: so look once more.
        }
        self.end(id, || match unknown.is_empty() {
            true => Err(JoinError::lost(Lost::new(
                "the server",
                "has neither the job nor its outcome",
            ))),
            false => Err(JoinError::refused(unknown)),
        });
    }

    /// Listens to the marks of this executor's jobs, and looks at all after each gap in the
    /// connection. Never ends.
    pub(crate) async fn listen(self: Arc<Self>, mut marks: async_nats::Subscriber) {
        let mut generation = self.link.generation();
        generation.mark_unchanged();
        loop {
            tokio::select! {
                message = marks.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                _ = generation.changed() => {
                    self.counts.reconnected();
                    let shared = Arc::clone(&self);
                    self.spawn(async move { shared.look_at_all().await });
                }
            }
        }
    }

    /// Takes note of what the server has answered to the writer of a mark.
    fn hear(self: &Arc<Self>, answer: &async_nats::Message) {
        if read_answer(&answer.payload).is_err() {
            // That mark is not stored.
            return;
        }
        match self.link.names.marked(&answer.subject) {
            Some((id, Some(mark))) => self.heard(&id, mark),
            Some((id, None)) if self.waits_for(&id) => {
                let shared = Arc::clone(self);
                self.spawn(async move { shared.look(&id, "").await });
            }
            _ => {}
        }
    }

    /// Returns `true` if the end of a job is not known here.
    fn waits_for(&self, id: &JobId) -> bool {
        self.table().entries.contains_key(id)
    }

    async fn look_at_all(self: &Arc<Self>) {
        let accepted: Vec<_> = {
            let table = self.table();
            let all = table.entries.iter();
            let accepted = all.filter(|(_, entry)| entry.stage == Stage::Accepted);
            accepted.map(|(id, _)| id.clone()).collect()
        };
        let ids = futures_util::stream::iter(accepted);
        ids.for_each_concurrent(READS, async |id| self.look(&id, "").await)
            .await;
    }

    /// Subscribes to the marks of one job, if they do not come by themselves.
    pub(crate) async fn listen_to(self: &Arc<Self>, id: &JobId) {
        if id.owner() == self.owner {
            return;
        }
        let subject = self.link.names.answers_to_marks_of_one(id);
        let Ok(mut marks) = self.link.subscribe(subject).await else {
            return;
        };
        let shared: Weak<Self> = Arc::downgrade(self);
        let listens = self.runtime.spawn(async move {
            while let Some(message) = marks.next().await {
                match shared.upgrade() {
                    Some(shared) => shared.hear(&message),
                    None => return,
                }
            }
        });
        self.goes_on_with(id, listens.abort_handle());
    }

    /// Ends a task with a job.
    fn goes_on_with(&self, id: &JobId, task: tokio::task::AbortHandle) {
        match self.table().entries.get_mut(id) {
            Some(entry) => entry.tasks.push(task),
            None => task.abort(),
        }
    }

    /// Cancels a job if it has not begun then.
    pub(crate) fn expire(self: &Arc<Self>, id: &JobId, after: Duration) {
        let (shared, expiring) = (Arc::downgrade(self), id.clone());
        let expires = self.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(shared) = shared.upgrade() {
                shared.withdraw(&expiring, CancelReason::Expired);
            }
        });
        self.goes_on_with(id, expires.abort_handle());
    }

    /// Subscribes to the marks of this executor's own jobs.
    pub(crate) async fn subscribe_own(
        &self,
    ) -> Result<async_nats::Subscriber, crate::error::NatsError> {
        let subject = self.link.names.answers_to_marks_of(&self.owner);
        self.link.subscribe(subject).await
    }
}

/// Returns what a handle tells of a final state.
fn outcome_of(state: &State) -> Outcome {
    match state {
        State::Done(Payload::Inline(bytes)) => Ok(Bytes::copy_from_slice(bytes)),
        State::Panicked(message) => Err(JoinError::panicked(message)),
        State::Refused(why) => Err(JoinError::refused(why.clone())),
        State::Lost { subject, end } => Err(JoinError::lost(Lost::new(subject, end))),
        State::Expired => Err(JoinError::cancelled(CancelReason::Expired)),
        State::Cancelled => Err(JoinError::cancelled(CancelReason::Cancelled)),
        State::Done(Payload::Object { .. }) | State::Waiting { .. } | State::Begun { .. } => {
            unreachable!("this is no outcome that can be told")
        }
    }
}
