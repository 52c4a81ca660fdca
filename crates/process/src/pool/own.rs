//! Processes that are nobody's pool: each is started for one job, and ends with it.
//!
//! Such a process has a record and a driver like those of a pool, but its job is bound to it: it
//! never waits for another process, and the process gets no other job. When the job has ended, the
//! process is told with which status to end, and the outcome is kept until it has: so who has
//! joined a process finds it gone, and its status known.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use workmill::{Event, JoinError, Lost};

use super::worker::Worker;
use super::{After, Shared, State};
use crate::builder::Config;
use crate::error::StartError;
use crate::hooks::ProcessEnd;
use crate::job::{Job, Outcome, Stage};

/// The status of a process whose job has returned, panicked, or was not called.
const RETURNED: u8 = 0;
const PANICKED: u8 = 101;
const FAILED: u8 = 1;

/// What is known of such a process.
#[derive(Debug)]
pub(crate) struct Own {
    name: String,
    known: Mutex<Known>,
    /// Set when it has been started, or could not be.
    decided: Event,
}

#[derive(Debug, Default)]
struct Known {
    id: Option<u32>,
    status: Option<ExitStatus>,
    is_killed: bool,
    has_ended: bool,
}

impl Own {
    pub(crate) fn new(name: String) -> Self {
        Self {
            name,
            known: Mutex::default(),
            decided: Event::new(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of the process, when it has been started; `None` if it cannot be.
    pub(crate) fn id(&self) -> Option<u32> {
        self.decided.wait();
        self.known().id
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.known().status
    }

    pub(super) fn started(&self, id: u32) {
        self.known().id = Some(id);
        self.decided.set();
    }

    /// Notes that nobody will start it.
    pub(crate) fn never_started(&self) {
        self.end(None);
    }

    fn end(&self, status: Option<ExitStatus>) {
        let mut known = self.known();
        known.status = status;
        known.has_ended = true;
        drop(known);
        self.decided.set();
    }
}

/// A process's own job, as its record has it.
#[derive(Debug)]
pub(super) struct OwnJob {
    pub(super) process: Arc<Own>,
    job: Arc<Job>,
    outcome: Option<Outcome>,
}

impl OwnJob {
    /// Keeps the outcome of the job. Returns the status with which the process is to end.
    pub(super) fn answered(&mut self, outcome: Outcome) -> u8 {
        let status = match &outcome {
            Ok(_) => RETURNED,
            Err(error) if error.is_panic() => PANICKED,
            Err(_) => FAILED,
        };
        self.outcome = Some(outcome);
        status
    }

    pub(super) fn not_started(self, error: StartError, after: &mut After) {
        self.process.end(None);
        let refused = JoinError::refused(error).with_task_name(self.job.name);
        after.settle(&self.job, Err(refused));
    }

    /// Gives the job its outcome. `had_begun` is whether it was sent and not answered.
    pub(super) fn has_ended(
        mut self,
        had_begun: bool,
        is_failed_start: bool,
        end: &ProcessEnd,
        after: &mut After,
    ) {
        self.process.end(end.status);
        let outcome = self.outcome.take().unwrap_or_else(|| {
            let is_killed = self.process.known().is_killed;
            let error = if is_failed_start && !had_begun && !is_killed {
                JoinError::refused(StartError::of(end))
            } else {
                let mut lost = Lost::new(format!("the process {}", end.id), &*end.description);
                if !end.standard_error.is_empty() {
                    lost = lost.with_standard_error(&*end.standard_error);
                }
                JoinError::lost(lost)
            };
            Err(error.with_task_name(self.job.name))
        });
        after.settle(&self.job, outcome);
    }
}

impl State {
    /// Starts a process for a job.
    pub(super) fn start_own(
        &mut self,
        job: &Arc<Job>,
        own: &Arc<Own>,
        config: &Config,
        after: &mut After,
    ) {
        if own.known().is_killed {
            own.end(None);
            let lost = Lost::new("its process", "was killed before it was started");
            return after.settle(job, Err(JoinError::lost(lost).with_task_name(job.name)));
        }
        let number = self.next_worker;
        self.next_worker += 1;
        let mut worker = Worker::new(number, config);
        worker.own = Some(OwnJob {
            process: Arc::clone(own),
            job: Arc::clone(job),
            outcome: None,
        });
        self.workers.insert(number, worker);
        after.starts.push(number);
    }

    /// Returns the process of a job that has not been sent to it yet.
    pub(super) fn starting_own(&mut self, job: &Arc<Job>) -> Option<&mut Worker> {
        let mut workers = self.workers.values_mut();
        workers.find(|worker| matches!(&worker.own, Some(own) if Arc::ptr_eq(&own.job, job)))
    }
}

impl Worker {
    /// Returns the name of the process.
    pub(super) fn name(&self) -> String {
        match &self.own {
            Some(own) => own.process.name.clone(),
            None => format!("worker-{}", self.number + 1),
        }
    }

    /// Sends it its own job.
    pub(super) fn send_own(&mut self, after: &mut After) {
        let job = self.own.as_ref().map(|own| Arc::clone(&own.job));
        let is_wanted = |job: &Arc<Job>| !matches!(job.progress().stage, Stage::Over);
        if let Some(job) = job.filter(is_wanted) {
            self.send(job, after);
        }
    }
}

impl Shared {
    /// Kills a process with its group. Returns `false` if it has ended.
    pub(crate) fn kill_own(&self, own: &Arc<Own>) -> bool {
        let mut state = self.state();
        let mut known = own.known();
        if known.has_ended {
            return false;
        }
        known.is_killed = true;
        drop(known);
        let mut workers = state.workers.values_mut();
        let is_it =
            |worker: &&mut Worker| matches!(&worker.own, Some(it) if Arc::ptr_eq(&it.process, own));
        if let Some(worker) = workers.find(is_it) {
            worker.doom(None);
        }
        true
    }
}
