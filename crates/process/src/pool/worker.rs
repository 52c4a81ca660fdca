//! One worker process, and the jobs that it has.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use workmill::Event;

use super::After;
use super::own::OwnJob;
use crate::builder::Config;
use crate::frame::{HEADER, Header, Hello, JobHead, Kind, VERSION};
use crate::job::{Job, Stage};
use crate::sys::{Claims, Descriptor, Process, WORDS};

/// The time that a process may take to end in order.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Serving,
    /// It was told to end.
    Leaving,
}

/// What the pool knows of a worker process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) number: u64,
    pub(super) phase: Phase,
    /// It gets no more jobs, and is dead or about to die.
    pub(super) is_doomed: bool,
    /// Whether its death is what we wanted.
    pub(super) is_our_deed: bool,
    /// How its end is described, if the status would not tell.
    pub(super) verdict: Option<String>,
    /// The jobs that were sent and are not answered, in order, with their sequence numbers.
    pub(super) sent: VecDeque<(Arc<Job>, u64)>,
    /// The frames that are to be written.
    pub(super) out: VecDeque<Out>,
    pub(super) process: Option<Arc<Process>>,
    pub(super) claims: Option<Arc<Claims>>,
    /// The job that has this process for itself, if the process is not a pool's.
    pub(super) own: Option<OwnJob>,
    /// The waker of the driver.
    pub(super) driver: Option<Waker>,
    /// Set when the process has been reaped.
    pub(super) dead: Arc<Event>,
    /// The number of jobs that it was given, without those that were taken back.
    pub(super) jobs: u64,
    pub(super) idle_since: Instant,
    /// It stays though it has long had nothing to do, until it has.
    pub(super) is_needed: bool,
    told_to_leave: Instant,
    start_timeout: Duration,
    keep_alive: Option<Duration>,
    next_sequence: u64,
}

/// A frame that is to be written.
#[derive(Debug)]
pub(super) enum Out {
    Job(
        [u8; HEADER + JobHead::LENGTH],
        Arc<Job>,
        u64,
        Vec<Arc<Descriptor>>,
    ),
    Hello(Vec<u8>, Vec<Arc<Descriptor>>),
    Bye([u8; HEADER]),
    /// Answers of the hub.
    Answers(Vec<u8>),
}

impl Out {
    pub(super) fn hello(config: &Config, name: String, descriptors: Vec<Descriptor>) -> Self {
        let hello = Hello {
            version: VERSION,
            fingerprint: config.jobs.fingerprint(),
            process: std::process::id(),
            memory: config.memory_limit.unwrap_or(u64::MAX),
            names: name,
        };
        let body = hello.to_bytes();
        let mut header = Header::new(Kind::Hello, 0, body.len() as u32);
        header.descriptors = descriptors.len() as u8;
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(body);
        Self::Hello(bytes, descriptors.into_iter().map(Arc::new).collect())
    }

    /// Returns the two parts of the frame, and its descriptors.
    pub(super) fn parts(&self) -> (&[u8], &[u8], &[Arc<Descriptor>]) {
        match self {
            Self::Job(head, job, _, descriptors) => (head, &job.arguments, descriptors),
            Self::Hello(bytes, descriptors) => (bytes, &[], descriptors),
            Self::Bye(bytes) => (bytes, &[], &[]),
            Self::Answers(bytes) => (bytes, &[], &[]),
        }
    }
}

impl Worker {
    pub(super) fn new(number: u64, config: &Config) -> Self {
        let now = Instant::now();
        Self {
            number,
            phase: Phase::Starting,
            is_doomed: false,
            is_our_deed: false,
            verdict: None,
            sent: VecDeque::new(),
            out: VecDeque::new(),
            process: None,
            claims: None,
            own: None,
            driver: None,
            dead: Arc::default(),
            jobs: 0,
            idle_since: now,
            is_needed: false,
            told_to_leave: now,
            start_timeout: config.start_timeout,
            keep_alive: config.keep_alive,
            next_sequence: 0,
        }
    }

    /// Returns `true` if it may be sent a job.
    pub(super) fn is_feedable(&self, config: &Config) -> bool {
        let is_fit = self.phase == Phase::Serving && !self.is_doomed;
        // The word of a job that is not answered is not used again. That of one that was taken back
        // may be: the exchange for the earlier one fails all the same.
        let first = self
            .sent
            .front()
            .map_or(self.next_sequence, |(_, first)| *first);
        let has_words = self.next_sequence - first < WORDS;
        let is_used_up = config
            .max_jobs_per_worker
            .is_some_and(|max| self.jobs >= max);
        is_fit && has_words && !is_used_up && self.own.is_none()
    }

    pub(super) fn send(&mut self, job: Arc<Job>, after: &mut After) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.jobs += 1;
        self.is_needed = false;
        let claims = self.claims.as_ref().expect("it serves");
        claims.send(sequence);
        let mut progress = job.progress();
        progress.stage = Stage::Sent(self.number, sequence);
        let head = JobHead {
            function: job.function,
            attempt: progress.died + 1,
            submission: job.submission,
        };
        let descriptors = progress.descriptors.clone();
        drop(progress);
        let frame = head.frame(sequence, job.arguments.len() as u32, job.descriptors);
        let out = Out::Job(frame, Arc::clone(&job), sequence, descriptors);
        self.out.push_back(out);
        self.sent.push_back((job, sequence));
        if self.sent.len() == 1 {
            self.note_first(after);
        }
        self.wake_driver(after);
    }

    /// Notes that the first of its jobs runs from now on.
    pub(super) fn note_first(&mut self, after: &mut After) {
        let Some((job, _)) = self.sent.front() else {
            self.idle_since = Instant::now();
            return;
        };
        if job.limits.timeout.is_some() {
            let mut progress = job.progress();
            progress.first_since = Some(Instant::now());
            after.wakers.extend(progress.waker.clone());
        }
    }

    /// Takes the first job out, if that is the one that was answered.
    pub(super) fn answered(&mut self, sequence: u64) -> Option<Arc<Job>> {
        let (_, first) = self.sent.front()?;
        if *first != sequence {
            return None;
        }
        self.sent.pop_front().map(|(job, _)| job)
    }

    /// Takes a job's claim back. Returns `true` if it has not begun.
    pub(super) fn withdraw(&self, sequence: u64) -> bool {
        let claims = self.claims.as_ref();
        claims.is_some_and(|claims| claims.withdraw(sequence))
    }

    /// Takes a job out whose claim was taken back.
    pub(super) fn forget(&mut self, sequence: u64, after: &mut After) {
        self.jobs -= 1;
        let was_first = self.sent.front().is_some_and(|(_, it)| *it == sequence);
        self.sent.retain(|(_, sent)| *sent != sequence);
        self.out
            .retain(|out| !matches!(out, Out::Job(_, _, it, _) if *it == sequence));
        if was_first {
            self.note_first(after);
            // If none is left, the time begins after which it ends.
            self.wake_driver(after);
        }
    }

    /// Takes the last job back, unless it has begun.
    pub(super) fn take_back_last(&mut self, after: &mut After) -> Option<Arc<Job>> {
        let (job, sequence) = self.sent.back()?;
        let (job, sequence) = (Arc::clone(job), *sequence);
        if !self.withdraw(sequence) {
            return None;
        }
        self.forget(sequence, after);
        let mut progress = job.progress();
        if let Stage::Sent(..) = progress.stage {
            progress.stage = Stage::Waiting;
        }
        drop(progress);
        Some(job)
    }

    /// Stops feeding it, and kills it with its group.
    pub(super) fn doom(&mut self, verdict: Option<String>) {
        self.is_doomed = true;
        self.verdict = self.verdict.take().or(verdict);
        if let Some(process) = &self.process {
            process.kill_group();
        }
    }

    /// Kills it because it is not wanted any more, which counts as no failure.
    pub(super) fn kill(&mut self) {
        self.doom(None);
        self.is_our_deed = true;
    }

    /// Tells it to end.
    pub(super) fn leave(&mut self, after: &mut After) {
        self.leave_with(0, after);
    }

    /// Tells it to end with a status.
    pub(super) fn leave_with(&mut self, status: u8, after: &mut After) {
        if self.phase == Phase::Serving && !self.is_doomed {
            self.phase = Phase::Leaving;
            self.told_to_leave = Instant::now();
            self.out.push_back(Out::Bye(
                Header::new(Kind::Bye, status.into(), 0).to_bytes(),
            ));
            self.wake_driver(after);
        }
    }

    fn wake_driver(&self, after: &mut After) {
        after.wakers.extend(self.driver.clone());
    }

    /// Returns the time at which the driver has to look after it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            _ if self.is_doomed => None,
            Phase::Starting => self.idle_since.checked_add(self.start_timeout),
            Phase::Leaving => self.told_to_leave.checked_add(LEAVE_WITHIN),
            Phase::Serving if self.is_needed || !self.sent.is_empty() => None,
            Phase::Serving => self.idle_since.checked_add(self.keep_alive?),
        }
    }
}
