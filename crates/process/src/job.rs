//! A job of a pool, from its submission to its outcome.
//!
//! It is a future of the pool that drives the processes. Its first poll hands it to the pool's
//! state; it is ready once it has an outcome. Its drop before that is a cancel, and returns when
//! nothing of the job runs any more: so the handle, which resolves after that, tells the truth.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use workmill::JoinError;
use workmill::timer::{Sleep, sleep_until};
use workmill_jobs::executors::next_submission;

use crate::buffers::{Body, Buffers};
use crate::hub::passing::Objects;
use crate::pool::{Own, Shared};
use crate::sys::Descriptor;

/// The encoded result, and the descriptors that came with it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) body: Body,
    pub(crate) descriptors: Vec<Descriptor>,
}

pub(crate) type Outcome = Result<Reply, JoinError>;

/// Encoded arguments, the objects of the hub that they name, and the descriptors that go with them.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    pub(crate) bytes: Vec<u8>,
    pub(crate) objects: Objects,
    pub(crate) descriptors: Vec<Arc<Descriptor>>,
}

/// Limits of one job.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
}

/// Where a job is. Changed under the lock of the pool's state, too, except that its future takes
/// the outcome.
#[derive(Debug)]
pub(crate) enum Stage {
    /// It waits for a process.
    Waiting,
    /// It was sent to the process of that number, as the job of that sequence number there.
    Sent(u64, u64),
    Done(Outcome),
    /// Nobody wants its outcome.
    Over,
}

#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) stage: Stage,
    /// The waker of the future.
    pub(crate) waker: Option<Waker>,
    /// The number of processes that died while they ran it.
    pub(crate) died: u32,
    /// The number of processes that died with it as their next job.
    pub(crate) stillborn: u32,
    /// The time since when no other job is before it in its process.
    pub(crate) first_since: Option<Instant>,
    /// How the job is said to have been lost, if it was stopped by us.
    pub(crate) verdict: Option<String>,
    /// The descriptors of the arguments, for as long as the job may be sent (again): a thread
    /// that waits for the end of a pipe must not wait for a copy that lies here.
    pub(crate) descriptors: Vec<Arc<Descriptor>>,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) function: u32,
    pub(crate) submission: u64,
    pub(crate) arguments: Vec<u8>,
    /// The number of descriptors that go with the arguments.
    pub(crate) descriptors: u8,
    /// The objects of the hub that the arguments name.
    pub(crate) objects: Objects,
    pub(crate) limits: Limits,
    /// The process that is its own, if it is not a pool's.
    pub(crate) own: Option<Arc<Own>>,
    buffers: Buffers,
    progress: Mutex<Progress>,
}

impl Job {
    pub(crate) fn new(
        name: &'static str,
        (function, submission): (u32, u64),
        arguments: Arguments,
        limits: Limits,
        buffers: &Buffers,
    ) -> Self {
        Self {
            name,
            function,
            submission,
            arguments: arguments.bytes,
            descriptors: arguments.descriptors.len() as u8,
            objects: arguments.objects,
            limits,
            own: None,
            buffers: buffers.clone(),
            progress: Mutex::new(Progress {
                stage: Stage::Waiting,
                waker: None,
                died: 0,
                stillborn: 0,
                first_since: None,
                verdict: None,
                descriptors: arguments.descriptors,
            }),
        }
    }

    pub(crate) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.arguments));
    }
}

/// The future of a job.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    job: Arc<Job>,
    begun: bool,
    is_in_line: bool,
    limit: Option<Pin<Box<Sleep>>>,
}

impl Running {
    pub(crate) fn new(shared: &Arc<Shared>, job: Job) -> Self {
        Self {
            shared: Arc::clone(shared),
            job: Arc::new(job),
            begun: false,
            is_in_line: false,
            limit: None,
        }
    }

    /// Notes that the future is about to be submitted.
    pub(crate) fn in_line(mut self) -> Self {
        self.is_in_line = true;
        self.shared.comes_in_line();
        self
    }

    fn leave_line(&mut self) {
        if std::mem::take(&mut self.is_in_line) {
            self.shared.leaves_line();
        }
    }

    /// Returns a future of the same job, submitted anew.
    pub(crate) fn again(&self) -> Self {
        let mut bytes = self.shared.buffers.take_empty();
        bytes.extend_from_slice(&self.job.arguments);
        let arguments = Arguments {
            bytes,
            objects: self.job.objects.clone(),
            descriptors: self.job.progress().descriptors.clone(),
        };
        let number = (self.job.function, next_submission());
        let Job { name, limits, .. } = *self.job;
        Self::new(
            &self.shared,
            Job::new(name, number, arguments, limits, &self.shared.buffers),
        )
    }

    /// Returns the outcome, or notes who waits for it. Returns the time at which the job is to be
    /// stopped as well.
    fn look(&self, waker: &Waker) -> Result<Outcome, Option<Instant>> {
        let mut progress = self.job.progress();
        if let Stage::Done(_) = progress.stage {
            let Stage::Done(outcome) = std::mem::replace(&mut progress.stage, Stage::Over) else {
                unreachable!("it is done");
            };
            return Ok(outcome);
        }
        match &mut progress.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let limit = self
            .job
            .limits
            .timeout
            .filter(|_| progress.verdict.is_none());
        let since = progress.first_since;
        Err(limit.and_then(|limit| since?.checked_add(limit)))
    }
}

impl Future for Running {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        if !self.begun {
            self.begun = true;
            self.leave_line();
            self.shared.enter(&self.job);
        }
        loop {
            let deadline = match self.look(context.waker()) {
                Ok(outcome) => return Poll::Ready(outcome),
                Err(None) => return Poll::Pending,
                Err(Some(deadline)) => deadline,
            };
            let limit = self
                .limit
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if limit.deadline() != Some(deadline) {
                limit.as_mut().get_mut().reset(deadline);
            }
            if limit.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.limit = None;
            self.shared.time_out(&self.job);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.leave_line();
        if self.begun {
            if let Some(dead) = self.shared.withdraw(&self.job) {
                // Another worker of the pool drives the process meanwhile: the wait gives the slot
                // of this one away.
                dead.wait();
            }
        } else if let Some(own) = &self.job.own {
            own.never_started();
        }
    }
}
