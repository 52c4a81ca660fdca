//! What an executor knows of its jobs: which have not ended, and who waits for each.
//!
//! An entry of the table is a job that has not ended, or whose end is not known here. It is made
//! before anything is sent, and goes with the job's outcome, which every waiter gets.

mod cancel;
mod listen;

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use workmill::{
    CancelCallback, CancelReason, Event, JoinError, JoinHandle, Lost, Overflow, PoolRef, Promise,
    Semaphore, promise, promise_in,
};
use workmill_jobs::Jobs;

use crate::answers::Answers;
use crate::gather::Gather;
use crate::id::JobId;
use crate::link::{Link, random};
use crate::metrics::Counts;
use crate::room::{Room, Sending};

/// The encoded result.
pub(crate) type Outcome = Result<Bytes, JoinError>;

/// The number of jobs that are submitted and not yet accepted. Each is in memory here.
const STANDING: usize = 256;

pub(crate) struct Shared {
    pub(crate) link: Link,
    pub(crate) jobs: Jobs,
    pub(crate) overflow: Overflow,
    /// The first word of the ids of this executor's jobs.
    owner: String,
    submitted: AtomicU64,
    table: Mutex<Table>,
    /// Set when the executor takes no more jobs, and has none.
    pub(crate) idle: Event,
    /// A permit for each job that is not yet accepted.
    pub(crate) standing: Arc<Semaphore>,
    pub(crate) room: Room,
    /// Jobs that are to be sent.
    leaving: Gather<Sending>,
    answers: Arc<Answers>,
    /// Its threads call what is the user's.
    callbacks: PoolRef,
    pub(crate) counts: Counts,
    runtime: tokio::runtime::Handle,
}

#[derive(Default)]
struct Table {
    entries: HashMap<JobId, Entry>,
    is_closed: bool,
}

struct Entry {
    job: &'static str,
    stage: Stage,
    waiters: Vec<Waiter>,
    /// The job is to be cancelled.
    cancel: Option<CancelReason>,
    /// A task is about to cancel it.
    is_cancelling: bool,
    /// Wakes the task that sends it, if that waits for room.
    wake: Arc<Notify>,
    /// What goes on for it as long as it is here: it is listened to, or expires.
    tasks: Vec<tokio::task::AbortHandle>,
}

/// Where a job is, as far as this executor knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It is here, and not on the server.
    Standing,
    /// It was cancelled while it stood here.
    Withdrawn,
    /// It may be on the server.
    Sent,
    /// The server has, or had, it.
    Accepted,
}

/// Somebody who has a handle.
struct Waiter {
    job: &'static str,
    promise: Promise<Outcome>,
    /// Cancels the job with the token of its view.
    _token: Option<CancelCallback>,
}

/// Why a job was not entered.
pub(crate) enum NotEntered {
    Closed,
    /// The key belongs to that job.
    OtherJob(&'static str),
}

impl Shared {
    pub(crate) fn new(
        link: Link,
        jobs: Jobs,
        overflow: Overflow,
        callbacks: PoolRef,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            link,
            jobs,
            overflow,
            owner: random(),
            submitted: AtomicU64::new(0),
            table: Mutex::default(),
            idle: Event::new(),
            standing: Arc::new(Semaphore::limit(STANDING)),
            room: Room::default(),
            leaving: Gather::default(),
            answers: Arc::new(Answers::new(&callbacks)),
            callbacks,
            counts: Counts::default(),
            runtime,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a new id.
    pub(crate) fn next_id(&self) -> JobId {
        // ORDERING: Relaxed: only the number counts.
        let number = self.submitted.fetch_add(1, Ordering::Relaxed);
        JobId::of_number(&self.owner, number)
    }

    /// Runs a future on the thread of the connection.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Hands a job to the thread of the connection, which sends it.
    pub(crate) fn leave(&self, sending: Sending) {
        self.leaving.push(sending);
    }

    /// Sends the jobs that leave. Never ends.
    pub(crate) async fn send_leaving(self: Arc<Self>) {
        loop {
            for sending in self.leaving.take().await {
                tokio::spawn(Arc::clone(&self).send(sending));
            }
        }
    }

    /// Runs a future on the thread of the connection, and returns a handle to its value. If the
    /// connection has been closed the handle resolves to cancelled.
    pub(crate) fn call<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let (promise, handle) = promise();
        self.spawn(async move {
            let _ = promise.complete(task.await);
        });
        handle
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.table().is_closed
    }

    /// Refuses new jobs from now on.
    pub(crate) fn close(&self) {
        let is_idle = {
            let mut table = self.table();
            table.is_closed = true;
            table.entries.is_empty()
        };
        self.standing.close();
        if is_idle {
            self.idle.set();
        }
    }

    /// Returns the jobs that have not ended.
    pub(crate) fn pending(&self) -> Vec<String> {
        let table = self.table();
        let all = table.entries.iter();
        all.map(|(id, entry)| format!("{} ({id})", entry.job))
            .collect()
    }

    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.table().entries.keys().cloned().collect()
    }

    pub(crate) fn count_pending(&self) -> usize {
        self.table().entries.len()
    }

    /// Enters a job, or joins those who wait for it. Returns a handle, and whether the job is new
    /// here.
    pub(crate) fn enter(
        self: &Arc<Self>,
        id: &JobId,
        job: &'static str,
        sends: bool,
        token: Option<&workmill::CancelToken>,
    ) -> Result<(JoinHandle<Outcome>, bool), NotEntered> {
        let (promise, handle) = promise_in(&self.callbacks);
        let ask = {
            let (shared, id) = (Arc::downgrade(self), id.clone());
            move || {
                shared
                    .upgrade()
                    .is_some_and(|shared| shared.request_cancel(&id, CancelReason::Cancelled))
            }
        };
        promise.on_cancel_request(ask);
        let mut table = self.table();
        if table.is_closed {
            return Err(NotEntered::Closed);
        }
        let mut is_new = false;
        let entry = match table.entries.get_mut(id) {
            Some(entry) if entry.job != job => return Err(NotEntered::OtherJob(entry.job)),
            Some(entry) => entry,
            None => {
                is_new = true;
                let stage = match sends {
                    true => Stage::Standing,
                    false => Stage::Accepted,
                };
                table.entries.entry(id.clone()).or_insert(Entry {
                    job,
                    stage,
                    waiters: Vec::with_capacity(1),
                    cancel: None,
                    is_cancelling: false,
                    wake: Arc::default(),
                    tasks: Vec::new(),
                })
            }
        };
        entry.waiters.push(Waiter {
            job,
            promise,
            _token: None,
        });
        let at = entry.waiters.len() - 1;
        drop(table);
        if let Some(token) = token {
            // Outside of the lock: it is called at once if the token is cancelled.
            let callback = {
                let (shared, id) = (Arc::downgrade(self), id.clone());
                token.on_cancel(move || {
                    if let Some(shared) = shared.upgrade() {
                        shared.withdraw(&id, CancelReason::Cancelled);
                    }
                })
            };
            let mut table = self.table();
            let waiter = table
                .entries
                .get_mut(id)
                .and_then(|entry| entry.waiters.get_mut(at));
            match waiter {
                Some(waiter) => waiter._token = Some(callback),
                None => {
                    drop(table);
                    drop(callback);
                }
            }
        }
        Ok((handle, is_new))
    }

    /// Returns how the task that sends a job is woken, if it still has to.
    pub(crate) fn wake_of(&self, id: &JobId) -> Option<Arc<Notify>> {
        let table = self.table();
        table.entries.get(id).map(|entry| Arc::clone(&entry.wake))
    }

    /// Notes that a job is about to be sent. `false`: it is not to be sent.
    pub(crate) fn begin_send(&self, id: &JobId) -> bool {
        let reason = {
            let mut table = self.table();
            match table.entries.get_mut(id) {
                None => return false,
                Some(entry) if entry.stage == Stage::Withdrawn => {
                    entry.cancel.unwrap_or(CancelReason::Cancelled)
                }
                Some(entry) => {
                    entry.stage = Stage::Sent;
                    return true;
                }
            }
        };
        self.end(id, || Err(JoinError::cancelled(reason)));
        false
    }

    /// Notes that the server has refused a job, which stands here.
    pub(crate) fn stand(&self, id: &JobId) {
        if let Some(entry) = self.table().entries.get_mut(id)
            && !entry.is_cancelling
        {
            entry.stage = match entry.cancel {
                Some(_) => Stage::Withdrawn,
                None => Stage::Standing,
            };
        }
    }

    /// Notes that the server has a job. `false`: it has ended meanwhile, by being cancelled.
    pub(crate) fn accepted(&self, id: &JobId) -> bool {
        match self.table().entries.get_mut(id) {
            Some(entry) => {
                entry.stage = Stage::Accepted;
                true
            }
            None => false,
        }
    }

    /// Takes a job out of the table, and answers all who wait for it.
    pub(crate) fn end(&self, id: &JobId, outcome: impl Fn() -> Outcome) {
        if let Some(waiters) = self.take(id) {
            self.answer(waiters, outcome);
        }
    }

    fn take(&self, id: &JobId) -> Option<Vec<Waiter>> {
        let mut table = self.table();
        let entry = table.entries.remove(id)?;
        drop(table);
        for task in entry.tasks {
            task.abort();
        }
        entry.wake.notify_one();
        Some(entry.waiters)
    }

    /// Tells those who wait for the end, after all answers are on their way.
    fn check_idle(&self) {
        let table = self.table();
        if table.is_closed && table.entries.is_empty() {
            drop(table);
            self.idle.set();
        }
    }

    fn answer(&self, waiters: Vec<Waiter>, outcome: impl Fn() -> Outcome) {
        for waiter in waiters {
            let outcome = outcome().map_err(|error| error.with_task_name(waiter.job));
            self.counts.outcome(&outcome);
            self.answers.give(waiter.promise, outcome);
        }
        self.check_idle();
    }

    /// Ends all jobs here, without knowing how they end.
    pub(crate) fn abandon(&self) {
        // Nobody sends what leaves any more.
        self.leaving.close();
        let all: Vec<_> = {
            let table = self.table();
            let all = table.entries.iter();
            all.map(|(id, entry)| (id.clone(), entry.stage)).collect()
        };
        for (id, stage) in all {
            if matches!(stage, Stage::Standing | Stage::Withdrawn) {
                // The server has never heard of it.
                self.end(&id, || Err(JoinError::cancelled(CancelReason::Shutdown)));
                continue;
            }
            self.end(&id, || {
                let end = format!("was dropped before the outcome of {id} came; `resume` gets it");
                Err(JoinError::lost(Lost::new("its executor", end)))
            });
        }
    }
}
