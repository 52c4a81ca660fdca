//! A server's side: what it holds, how fast its jobs are, and what keeps its leases.
//!
//! A job is *held* from when its message comes until its outcome is stored. It has a *slot* until
//! its function has returned. There are as many slots as threads, and some more while jobs are so
//! short that the way to the server would take longer than they do.

mod fetch;
mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Subject;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::Notify;
use workmill::{CancelToken, Event, PoolRef};
use workmill_jobs::Jobs;

pub(crate) use self::fetch::fetch;
use crate::gather::Wakers;
use crate::id::JobId;
use crate::link::{Decision, Link};
use crate::metrics::ServerCounts;
use crate::protocol::{ASK_STOP, Mark, State};

/// The number of jobs whose outcomes are on their way to the server.
const STORING: usize = 1024;

/// The number of jobs that are taken beside those that threads run.
const MOST_AHEAD: u64 = 128;

/// A worker takes no more ahead than it expects to have begun after that time.
const AHEAD: Duration = Duration::from_millis(2);

/// What is held is looked at after each such time.
const LOOK: Duration = Duration::from_millis(10);

/// The number of looks for which a job that has its mark waits for a thread. Then it is given back.
const LOOKS: u32 = 5;

/// A message of the queue.
pub(crate) struct Taken {
    pub(crate) id: JobId,
    pub(crate) priority: usize,
    pub(crate) reply: Subject,
    /// The number of times that it was delivered, from 1.
    pub(crate) delivered: i64,
    pub(crate) payload: Bytes,
}

pub(crate) struct Worker {
    pub(crate) link: Link,
    pub(crate) jobs: Jobs,
    pub(crate) name: String,
    pub(crate) lease: Duration,
    pub(crate) threads: usize,
    /// Its threads run the jobs.
    pub(crate) pool: PoolRef,
    /// Its thread calls what is called when a job is asked to end.
    pub(crate) helpers: PoolRef,
    /// The jobs' tasks that those threads wake.
    pub(crate) wakers: Arc<Wakers>,
    pub(crate) counts: ServerCounts,
    held: Mutex<HashMap<JobId, Arc<Held>>>,
    /// Notified when something is held, and nothing was before.
    took: Notify,
    /// The number of slots that are taken.
    slots: AtomicUsize,
    /// The time that a job takes, in nanoseconds: an average over the last ones. 0: not known.
    pace: AtomicU64,
    /// Slots have become free, or jobs have ended.
    pub(crate) freed: Notify,
    is_stopping: AtomicBool,
    /// Notified when the server begins to stop.
    stop: CancelToken,
    /// Set when nothing is held any more, and nothing will be.
    pub(crate) ended: Event,
}

/// A job that this worker has.
pub(crate) struct Held {
    pub(crate) id: JobId,
    pub(crate) job: String,
    /// Where its message is acknowledged.
    pub(crate) reply: Subject,
    /// Tells the job to end.
    pub(crate) stop: CancelToken,
    /// It has begun here.
    pub(crate) is_at_work: AtomicBool,
    /// The number of looks for which it has its mark.
    looks: AtomicU32,
    /// Those who wait for it have been told that it has begun.
    is_told: AtomicBool,
    /// Notified when it has had its mark for long, and when it is to end.
    pub(crate) overdue: Notify,
    /// The sequence number of its mark and the attempt, while that is `begun`. Whoever writes
    /// another has the lock.
    pub(crate) begun: tokio::sync::Mutex<Option<(u64, u32)>>,
}

impl Held {
    /// Tells the job to end.
    fn end(&self) {
        self.stop.cancel();
        self.overdue.notify_one();
    }
}

/// A slot, until it is dropped.
pub(crate) struct Slot(Arc<Worker>);

impl Drop for Slot {
    fn drop(&mut self) {
        // ORDERING: Relaxed: the task that takes slots and this one run on one thread.
        self.0.slots.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}

/// Holds a job until it is dropped.
pub(crate) struct Hold {
    worker: Arc<Worker>,
    pub(crate) held: Arc<Held>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.worker.held().remove(&self.held.id);
        self.worker.freed.notify_one();
    }
}

/// How a message is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ack {
    Done,
    /// It is given to another worker, after that time.
    GiveBack(Duration),
    /// Its worker is at work.
    Progress,
}

impl Worker {
    pub(crate) fn new(
        link: Link,
        jobs: Jobs,
        name: String,
        lease: Duration,
        threads: usize,
        pool: PoolRef,
        helpers: PoolRef,
    ) -> Self {
        Self {
            link,
            jobs,
            name,
            lease,
            threads,
            pool,
            helpers,
            wakers: Arc::default(),
            counts: ServerCounts::default(),
            held: Mutex::default(),
            took: Notify::new(),
            slots: AtomicUsize::new(0),
            pace: AtomicU64::new(0),
            freed: Notify::new(),
            is_stopping: AtomicBool::new(false),
            stop: CancelToken::new(),
            ended: Event::new(),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count_held(&self) -> usize {
        self.held().len()
    }

    /// Returns the jobs that are held.
    pub(crate) fn busy(&self) -> Vec<String> {
        let held = self.held();
        let all = held.values();
        all.map(|held| format!("{} ({})", held.job, held.id))
            .collect()
    }

    /// Takes no more jobs, and gives back those that no thread has begun.
    pub(crate) fn stop(&self) {
        // ORDERING: Relaxed: the token, which is cancelled next, orders it.
        self.is_stopping.store(true, Ordering::Relaxed);
        self.stop.cancel();
        self.freed.notify_one();
        // What begins to wait after this is found by a look.
        for held in self.held().values() {
            held.overdue.notify_one();
        }
    }

    /// Tells all jobs that run to end.
    pub(crate) fn stop_jobs(&self) -> usize {
        let all: Vec<_> = self.held().values().cloned().collect();
        for held in &all {
            held.end();
        }
        all.len()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // ORDERING: Relaxed: whoever must know waits for the token.
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Returns the number of slots.
    fn all_slots(&self) -> usize {
        // ORDERING: Relaxed: an estimate.
        let pace = self.pace.load(Ordering::Relaxed);
        let ahead = match pace {
            0 => 0,
            pace => (AHEAD.as_nanos() as u64).saturating_mul(self.threads as u64) / pace,
        };
        self.threads + ahead.min(MOST_AHEAD) as usize
    }

    /// Returns the number of slots that are free; 0 if there are too few to be asked for, or if too
    /// many outcomes are not yet stored.
    fn free(&self) -> usize {
        let all = self.all_slots();
        // ORDERING: Relaxed: slots are taken on this thread.
        let taken = self.slots.load(Ordering::Relaxed);
        let free = all.saturating_sub(taken);
        // With many slots, one request is for several jobs.
        let enough = match all == self.threads {
            true => 1,
            false => all / 4,
        };
        match free < enough.max(1) || self.count_held() >= all + STORING {
            true => 0,
            false => free,
        }
    }

    /// Takes a slot. `None`: there are more jobs than slots already.
    fn slot(self: &Arc<Self>) -> Option<Slot> {
        let all = self.all_slots();
        let most = all + (all - self.threads);
        // ORDERING: Relaxed: slots are taken on this thread.
        if self.slots.load(Ordering::Relaxed) >= most {
            return None;
        }
        self.slots.fetch_add(1, Ordering::Relaxed);
        Some(Slot(Arc::clone(self)))
    }

    /// Notes how long a job has run.
    fn ran(&self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        // ORDERING: Relaxed: an estimate, which is changed on one thread.
        let before = match self.pace.load(Ordering::Relaxed) {
            0 => time,
            before => before,
        };
        let after = before - before / 8 + time / 8;
        self.pace.store(after.max(1), Ordering::Relaxed);
    }

    /// Holds a job. `None`: this worker has it already.
    fn hold(self: &Arc<Self>, id: &JobId, job: &str, reply: &Subject) -> Option<Hold> {
        let mut all = self.held();
        if all.contains_key(id) {
            return None;
        }
        let held = Arc::new(Held {
            id: id.clone(),
            job: job.to_owned(),
            reply: reply.clone(),
            stop: CancelToken::new(),
            is_at_work: AtomicBool::new(false),
            looks: AtomicU32::new(0),
            is_told: AtomicBool::new(false),
            overdue: Notify::new(),
            begun: tokio::sync::Mutex::new(None),
        });
        all.insert(id.clone(), Arc::clone(&held));
        if all.len() == 1 {
            self.took.notify_one();
        }
        let worker = Arc::clone(self);
        Some(Hold { worker, held })
    }

    /// Acknowledges a message. If that is lost, the message comes again.
    pub(crate) async fn ack(&self, reply: &Subject, ack: Ack) {
        let body = match ack {
            Ack::Done => "+ACK".into(),
            Ack::Progress => "+WPI".into(),
            Ack::GiveBack(Duration::ZERO) => "-NAK".into(),
            Ack::GiveBack(delay) => format!("-NAK {{\"delay\": {}}}", delay.as_nanos()).into(),
        };
        let _ = self.link.client.publish(reply.clone(), body).await;
    }

    /// Keeps the leases of all that is held, and the marks of what runs for long. Never ends.
    pub(crate) async fn renew(self: Arc<Self>) {
        let mut leases = tokio::time::interval(self.lease / 3);
        let mut marks = tokio::time::interval(self.link.streams.keep_results / 3);
        for interval in [&mut leases, &mut marks] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            // The first tick comes at once.
            interval.tick().await;
        }
        loop {
            tokio::select! {
                _ = leases.tick() => {
                    let all: Vec<_> = self.held().values().cloned().collect();
                    for held in all {
                        self.ack(&held.reply, Ack::Progress).await;
                    }
                }
                _ = marks.tick() => {
                    let all: Vec<_> = self.held().values().cloned().collect();
                    for held in all {
                        tokio::spawn(Arc::clone(&self).renew_mark(held));
                    }
                }
            }
        }
    }

    /// Looks again and again at what is held. Never ends.
    pub(crate) async fn keep_looking(self: Arc<Self>) {
        loop {
            while self.count_held() == 0 {
                self.took.notified().await;
            }
            tokio::time::sleep(LOOK).await;
            self.look().await;
        }
    }

    /// Looks at what has its mark: whether it still waits for a thread, and who knows of it.
    async fn look(&self) {
        let all: Vec<_> = self.held().values().cloned().collect();
        for held in all {
            // ORDERING: Relaxed, here and below: all of this is on one thread.
            if !held.is_at_work.load(Ordering::Relaxed) {
                continue;
            }
            let looks = held.looks.fetch_add(1, Ordering::Relaxed);
            if looks == LOOKS || self.is_stopping() {
                held.overdue.notify_one();
            }
            if looks == 0 || held.is_told.load(Ordering::Relaxed) {
                continue;
            }
            // Whoever writes another mark has the lock.
            if let Ok(begun) = held.begun.try_lock()
                && let Some((sequence, attempt)) = *begun
            {
                held.is_told.store(true, Ordering::Relaxed);
                let mark = self.mark(&held.job, self.state_of(attempt));
                self.link.tell(&held.id, sequence, &mark).await;
            }
        }
    }

    /// Writes a mark again, which would be too old otherwise before the job has ended.
    async fn renew_mark(self: Arc<Self>, held: Arc<Held>) {
        let mut begun = held.begun.lock().await;
        let Some((sequence, attempt)) = *begun else {
            return;
        };
        let mark = self.mark(&held.job, self.state_of(attempt));
        if let Ok(Decision::Won(sequence)) = self.link.decide(&held.id, sequence, &mark).await {
            *begun = Some((sequence, attempt));
        }
    }

    fn state_of(&self, attempt: u32) -> State {
        State::Begun {
            attempt,
            worker: self.name.clone(),
        }
    }

    fn mark(&self, job: &str, state: State) -> Mark {
        Mark {
            nonce: self.link.nonce(),
            job: job.to_owned(),
            state,
        }
    }

    /// Answers those who ask about jobs that are held here. Never ends.
    pub(crate) async fn answer(self: Arc<Self>, mut questions: async_nats::Subscriber) {
        while let Some(question) = questions.next().await {
            let Some(id) = self.link.names.id(&question.subject) else {
                continue;
            };
            let held = self.held().get(&id).cloned();
            let (Some(held), Some(reply)) = (held, question.reply) else {
                continue;
            };
            match question.payload == ASK_STOP {
                true => {
                    // Callbacks of the job's are called.
                    self.helpers.execute(move || held.end());
                }
                // Whoever asks has been given the job, because the server has waited too long. What
                // has not begun here is asked about by this very worker, or by another that has it
                // as well. ORDERING: Relaxed: it is written on this thread.
                false if !held.is_at_work.load(Ordering::Relaxed) => continue,
                false => self.ack(&held.reply, Ack::Progress).await,
            }
            let _ = self.link.client.publish(reply, "yes".into()).await;
        }
    }

    /// Counts how often the connection is made anew. Never ends.
    pub(crate) async fn count_connections(self: Arc<Self>) {
        let mut generation = self.link.generation();
        generation.mark_unchanged();
        while generation.changed().await.is_ok() {
            ServerCounts::add(&self.counts.reconnects);
            // What was told may be lost.
            for held in self.held().values() {
                // ORDERING: Relaxed, as above.
                held.is_told.store(false, Ordering::Relaxed);
            }
        }
    }
}
