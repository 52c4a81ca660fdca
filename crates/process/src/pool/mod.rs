//! The state of a pool: which process has which jobs. All of it is under one lock, which is held
//! for short, and under which nothing is called that waits, and no code of the user's.
//!
//! # Who does what
//!
//! A job is a future ([`Running`](crate::job::Running)); its first poll *enters* it here. A worker
//! process has a record here, a [`Worker`], and a future, its *driver* (`drive.rs`), which alone
//! reads and writes its socket. All others leave frames in the list [`Worker::out`] and wake the
//! driver. So a thread that submits or cancels never waits for a socket.
//!
//! # The way of a job
//!
//! *Waiting*, in `waiting`, in the order in which the jobs entered; *sent*, with the other jobs of
//! one process ([`Worker::sent`]); *done*, with its outcome; *over*, if nobody wants that. It is
//! sent to an idle process; if there is none, one is started, until there are as many as there may
//! be; then it is sent ahead, behind the job that a process runs. A process that becomes idle while
//! nothing waits takes back what was sent ahead to another. Three jobs keep a process busy: the
//! second lies in its socket when the first has ended, and the third while the answer is on its
//! way.
//!
//! A job whose arguments have descriptors is sent to an idle process only: they would lie in the
//! socket of a busy one for as long as its job runs, and hold open what others wait to see closed,
//! maybe that very job. When it has begun, its process says so, and the copies here are closed.
//!
//! Whether a job that was sent has begun is decided by its claim word (`sys/claims.rs`). A process
//! runs its jobs in the order in which they were sent. So of those that are not answered at most
//! one is running; and if a later one has begun, all before it are over.
//!
//! # Cancelling
//!
//! The future of the job is dropped, and calls [`Shared::withdraw`], under the lock:
//!
//! 1. Waiting: it is taken out. It never ran.
//! 2. Sent, and its claim word can be withdrawn: the same. The process will pass it over.
//! 3. It has begun. All that were sent behind it are withdrawn, and wait again, before all others.
//! 4. If one of these could not be withdrawn, it has begun, so the cancelled job is over: its
//!    answer is in the socket, and will be dropped. Nothing is killed.
//! 5. Else the process runs the job, or has just ended it: it is *doomed*, and its group is killed.
//!
//! Why no innocent dies: the process is killed only in step 5, in the same critical section that
//! has taken all jobs from it but the cancelled one, and a doomed process gets no other. Without
//! the flag, the answer of the cancelled job, which may come after the kill, would make the process
//! look idle, and the next job would be sent to a dead one.
//!
//! Why no stranger is killed: the number of a process is free for another only after it was reaped,
//! and it is reaped under this lock, in [`Shared::bury`], which removes it from the state.
//!
//! The drop then waits for the death of the process. So when the handle resolves, nothing of the
//! job runs. A time limit does the same as a cancel, except that the job stays with its process,
//! with a verdict, and gets that as its outcome. If it could be withdrawn, its process has taken
//! nothing for all that time: it is killed, and the job waits again, [`ENOUGH`] times at most.
//!
//! # Death
//!
//! That a process has died is told by the system's event for its end, or by the end of the socket,
//! whichever comes first: the socket lives on in a grandchild made by `fork`, and a job may close
//! it without dying. The driver then does this:
//!
//! 1. The process is doomed: it gets nothing more.
//! 2. Its group is killed, while its leader, dead or not, is still in the system's table, so the
//!    number is that of no other group. Grandchildren in the group end; those that have left it
//!    live on.
//! 3. (If it was the socket that ended, the event for the process's end is awaited.)
//! 4. What the process has still said is read: answers that it gave before its death count.
//! 5. Under the lock: it is reaped, and each of its jobs gets its due. One whose claim word can be
//!    withdrawn had not begun, and waits again, before all others; but if [`ENOUGH`] processes have
//!    died in a row with it as their next, it is lost: its arguments may be what they died of. The
//!    one that had begun is lost, or waits again if it may begin once more.
//! 6. Those that wait for the death are told, and processes are started for what waits.
//!
//! # Start
//!
//! No job is sent to a process that has not said that it serves, so a failed start loses none. A
//! process that ends before that, and that we have not ended, is a failed start. [`ENOUGH`] of them
//! in a row, and no process left, end the pool: waiting and later jobs are refused with the reason.
//! While there are other processes no more are started, and the jobs run on those.
//!
//! # What idle costs
//!
//! Nothing: a driver waits for events of the system, and has a timer only if there is a limit for
//! what it waits for.

mod drive;
mod own;
mod worker;

pub(crate) use own::Own;

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use workmill::{CancelToken, Event, JoinError, Lost, PoolRef};

use crate::buffers::Buffers;
use crate::builder::Config;
use crate::error::StartError;
use crate::frame::{FrameError, Hello, VERSION};
use crate::hooks::ProcessEnd;
use crate::job::{Job, Outcome, Stage};
use crate::sys::{Descriptor, Started};
use worker::{Out, Phase, Worker};

/// The number of failed starts in a row after which the next is tried [later](RETRY).
const ENOUGH: u32 = 4;

/// The time after which a start is tried again when [`ENOUGH`] have failed and other processes go
/// on: whatever the system is short of may be there again.
const RETRY: Duration = Duration::from_secs(1);

/// All that the parts of a pool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) buffers: Buffers,
    /// Cancelled when the pool is shut down: jobs that are not due do not enter any more.
    pub(crate) closing: CancelToken,
    pub(crate) counts: Counts,
    /// The number of jobs that were submitted and have not entered.
    in_line: AtomicUsize,
    state: Mutex<State>,
    drivers: OnceLock<PoolRef>,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) started: AtomicU64,
    pub(crate) died: AtomicU64,
    pub(crate) failed_starts: AtomicU64,
    pub(crate) lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The processes that have not been reaped, by number.
    workers: BTreeMap<u64, Worker>,
    waiting: VecDeque<Arc<Job>>,
    next_worker: u64,
    failed_starts: u32,
    /// The moment of the last of these, or of the last that was tried again.
    last_failed: Option<Instant>,
    broken: Option<StartError>,
    is_closing: bool,
}

/// What is left to do when the lock is released.
#[derive(Debug, Default)]
#[must_use = "wakers are to be woken, and drivers started"]
struct After {
    wakers: Vec<Waker>,
    starts: Vec<u64>,
    /// What is closed when this is dropped.
    descriptors: Vec<Arc<Descriptor>>,
}

/// How a job was stopped.
enum Stop {
    /// It had not been sent, or has been over.
    Idle,
    /// It was sent to the process of that number, and was taken back before it began.
    TakenBack(u64),
    /// It has ended, and its answer is about to come.
    Over,
    /// Its process was killed.
    Killed(Arc<Event>),
}

/// A snapshot of the state.
pub(crate) struct Snapshot {
    pub(crate) processes: usize,
    pub(crate) idle: usize,
    pub(crate) sent: usize,
    pub(crate) waiting: usize,
    /// The processes that run jobs, and these jobs.
    pub(crate) busy: Vec<(u32, &'static str)>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            buffers: Buffers::default(),
            closing: CancelToken::new(),
            counts: Counts::default(),
            in_line: AtomicUsize::new(0),
            state: Mutex::default(),
            drivers: OnceLock::new(),
        }
    }

    /// Sets the pool that drives the processes, and starts those that are to be there always.
    pub(crate) fn begin(self: &Arc<Self>, drivers: PoolRef) {
        let set = self.drivers.set(drivers);
        assert!(set.is_ok(), "the drivers are set once");
        self.change(|state, config, after| state.start_needed(config, after));
    }

    /// Counts a job that is about to be submitted.
    pub(crate) fn comes_in_line(&self) {
        // ORDERING: Relaxed, here and below: nothing depends on the number but how a driver waits.
        self.in_line.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a job out of the line.
    pub(crate) fn leaves_line(&self) {
        self.in_line.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns `true` if there are jobs that were submitted and have not entered.
    fn has_jobs_in_line(&self) -> bool {
        self.in_line.load(Ordering::Relaxed) > 0
    }

    fn drivers(&self) -> &PoolRef {
        self.drivers.get().expect("the drivers are set at first")
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state under the lock, and does what is left after that.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State, &Config, &mut After) -> R) -> R {
        let mut after = After::default();
        let result = change(&mut self.state(), &self.config, &mut after);
        after.wakers.into_iter().for_each(Waker::wake);
        for number in after.starts {
            let seat = drive::Seat::new(self, number);
            drop(self.drivers().spawn(drive::drive(seat)));
        }
        result
    }

    /// Takes a job in.
    pub(crate) fn enter(self: &Arc<Self>, job: &Arc<Job>) {
        self.change(|state, config, after| {
            if let Some(error) = &state.broken {
                let refused = JoinError::refused(error.clone());
                return after.settle(job, Err(refused));
            }
            if let Some(own) = &job.own {
                return state.start_own(job, own, config, after);
            }
            state.waiting.push_back(Arc::clone(job));
            state.dispatch(config, after);
        });
    }

    /// Takes a job back whose future is dropped. Returns the event of the death of its process, if
    /// that has to be awaited.
    pub(crate) fn withdraw(self: &Arc<Self>, job: &Arc<Job>) -> Option<Arc<Event>> {
        if let Stage::Over = job.progress().stage {
            return None; // The outcome was taken.
        }
        self.change(|state, config, after| {
            let stopped = state.stop(job, after);
            let mut progress = job.progress();
            progress.stage = Stage::Over;
            after.descriptors.append(&mut progress.descriptors);
            drop(progress);
            state.dispatch(config, after);
            match stopped {
                Stop::Idle | Stop::TakenBack(_) | Stop::Over => None,
                Stop::Killed(dead) => Some(dead),
            }
        })
    }

    /// Stops a job whose time is over. It gets its outcome when its process is dead. If its process
    /// has not begun it in all that time, that process is killed all the same, and the job waits
    /// for another, a few times.
    pub(crate) fn time_out(self: &Arc<Self>, job: &Arc<Job>) {
        let limit = job.limits.timeout.unwrap_or_default();
        self.change(|state, config, after| {
            // It may have come to another process meanwhile, where its time begins anew. If not,
            // its time is over once: if the job is over as well, it only waits for its answer.
            let since = job.progress().first_since.take();
            if since.is_none_or(|since| since.elapsed() < limit) {
                job.progress().first_since = since;
                return;
            }
            match state.stop(job, after) {
                Stop::Idle | Stop::Over => {}
                Stop::Killed(_) => {
                    let verdict =
                        format!("was killed, since the job ran for longer than {limit:?}");
                    job.progress().verdict = Some(verdict);
                }
                Stop::TakenBack(number) => {
                    state.worker(number).kill();
                    let mut progress = job.progress();
                    progress.stage = Stage::Waiting;
                    progress.stillborn += 1;
                    let has_chances = progress.stillborn < ENOUGH;
                    drop(progress);
                    if has_chances {
                        state.waiting.push_front(Arc::clone(job));
                    } else {
                        let end = format!("did not begin the job within {limit:?}");
                        let lost = JoinError::lost(Lost::new("its process", end));
                        after.settle(job, Err(lost.with_task_name(job.name)));
                    }
                }
            }
            state.dispatch(config, after);
        });
    }

    /// Refuses to start processes from now on, and ends all that have nothing to do. Others end
    /// when they have.
    pub(crate) fn close(self: &Arc<Self>) {
        self.closing.cancel();
        self.change(|state, _, after| {
            state.is_closing = true;
            for worker in state.workers.values_mut() {
                match worker.phase {
                    Phase::Starting => worker.kill(),
                    Phase::Serving if worker.sent.is_empty() => worker.leave(after),
                    Phase::Serving | Phase::Leaving => {}
                }
            }
        });
    }

    pub(crate) fn broken(&self) -> Option<StartError> {
        self.state().broken.clone()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state();
        let serving = || {
            state
                .workers
                .values()
                .filter(|worker| worker.phase == Phase::Serving)
        };
        let id = |worker: &Worker| worker.process.as_ref().map_or(0, |process| process.id());
        Snapshot {
            processes: state.workers.len(),
            idle: serving().filter(|worker| worker.sent.is_empty()).count(),
            sent: serving().map(|worker| worker.sent.len()).sum(),
            waiting: state.waiting.len(),
            busy: serving()
                .filter_map(|worker| Some((id(worker), worker.sent.front()?.0.name)))
                .collect(),
        }
    }
}

/// What the drivers tell.
impl Shared {
    /// Notes that a process was started. It is killed if it is not wanted any more.
    fn started(self: &Arc<Self>, number: u64, started: &mut Started) {
        let descriptors = std::mem::take(&mut started.descriptors);
        self.change(|state, config, _after| {
            let is_closing = state.is_closing;
            let worker = state.worker(number);
            let is_wanted = !is_closing && !worker.is_doomed;
            let hello = Out::hello(config, worker.name(), descriptors);
            if let Some(own) = &worker.own {
                own.process.started(started.process.id());
            }
            worker.process = Some(Arc::clone(&started.process));
            worker.claims = Some(Arc::clone(&started.claims));
            worker.out.push_back(hello);
            if !is_wanted {
                worker.kill();
            }
        });
    }

    /// Notes that a process serves.
    fn serves(self: &Arc<Self>, number: u64, hello: &Hello) -> Result<(), String> {
        let jobs = &self.config.jobs;
        if hello.version != VERSION {
            let theirs = hello.version;
            return Err(format!(
                "speaks version {theirs} of the protocol, not {VERSION}"
            ));
        }
        if hello.fingerprint != jobs.fingerprint() {
            let ours: Vec<_> = jobs.names().collect();
            return Err(format!(
                "has other jobs: [{}] in place of [{}]; give the same `Jobs` to \
                 `serve_if_worker` and to the pool",
                hello.names,
                ours.join(", ")
            ));
        }
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        self.change(|state, config, after| {
            state.failed_starts = 0;
            let worker = state.worker(number);
            if !worker.is_doomed {
                worker.phase = Phase::Serving;
                worker.idle_since = Instant::now();
                worker.send_own(after);
            }
            state.dispatch(config, after);
        });
        Ok(())
    }

    /// Takes an answer.
    fn answered(
        self: &Arc<Self>,
        number: u64,
        sequence: u64,
        outcome: impl FnOnce(&Job) -> Outcome,
    ) -> Result<(), FrameError> {
        self.change(|state, config, after| {
            let is_closing = state.is_closing;
            let worker = state.worker(number);
            let job = worker.answered(sequence).ok_or(FrameError::Sequence)?;
            let outcome = outcome(&job);
            if let Some(own) = &mut worker.own {
                let status = own.answered(outcome);
                worker.leave_with(status, after);
                return Ok(());
            }
            after.settle(&job, outcome);
            worker.note_first(after);
            let is_used_up = config
                .max_jobs_per_worker
                .is_some_and(|max| worker.jobs >= max);
            if worker.sent.is_empty() && (is_closing || is_used_up) {
                worker.leave(after);
            }
            state.dispatch(config, after);
            Ok(())
        })
    }

    /// Notes that a job has begun and has its descriptors: ours are closed, unless it may begin
    /// again.
    fn begun(&self, number: u64, sequence: u64) -> Result<(), FrameError> {
        let mut state = self.state();
        let mut sent = state.worker(number).sent.iter();
        let found = sent.find(|(_, it)| *it == sequence);
        let (job, _) = found.ok_or(FrameError::Sequence)?;
        let mut progress = job.progress();
        let descriptors = match progress.died < job.limits.retries {
            true => Vec::new(),
            false => std::mem::take(&mut progress.descriptors),
        };
        drop(progress);
        drop(state);
        drop(descriptors);
        Ok(())
    }

    /// Gives a job an error whose descriptors could not be sent. Nothing of it was.
    fn not_sent(self: &Arc<Self>, number: u64, sequence: u64, error: &std::io::Error) {
        self.change(|state, config, after| {
            let worker = state.worker(number);
            let sent = worker.sent.iter().find(|(_, it)| *it == sequence);
            let Some(job) = sent.map(|(job, _)| Arc::clone(job)) else {
                return; // It was taken back.
            };
            // It cannot have begun.
            let _ = worker.withdraw(sequence);
            worker.forget(sequence, after);
            let message = format!(
                "the descriptors in the arguments of the job `{}` could not be sent: {error}",
                job.name
            );
            let refused = JoinError::refused(message).with_task_name(job.name);
            after.settle(&job, Err(refused));
            state.dispatch(config, after);
        });
    }

    /// Stops feeding a process, and kills it.
    fn doom(self: &Arc<Self>, number: u64, verdict: Option<String>) {
        self.state().worker(number).doom(verdict);
    }

    /// Does what is due at the deadline of a process.
    fn overdue(self: &Arc<Self>, number: u64) {
        self.change(|state, config, after| {
            let stays = |it: &&Worker| !it.is_doomed && it.phase != Phase::Leaving;
            let is_spare = state.workers.values().filter(stays).count() > config.min_processes;
            let worker = state.worker(number);
            match worker.phase {
                _ if worker.is_doomed => {}
                Phase::Starting => {
                    let limit = config.start_timeout;
                    worker.doom(Some(format!("did not say within {limit:?} that it serves")));
                }
                Phase::Leaving => worker.doom(None),
                Phase::Serving if !worker.sent.is_empty() => {}
                Phase::Serving if is_spare => worker.leave(after),
                // Those that are idle for longer are asked themselves.
                Phase::Serving => worker.is_needed = true,
            }
        });
    }

    /// Takes a process out that could not be started.
    fn not_started(self: &Arc<Self>, number: u64, error: &std::io::Error) {
        let error = StartError::new(format!("a worker process cannot be started: {error}"));
        let dead = self.change(|state, config, after| {
            let mut worker = state.workers.remove(&number);
            if let Some(own) = worker.as_mut().and_then(|worker| worker.own.take()) {
                own.not_started(error, after);
                return worker.map(|worker| worker.dead);
            }
            state.start_failed(error, after);
            self.counts.failed_starts.fetch_add(1, Ordering::Relaxed);
            state.dispatch(config, after);
            worker.map(|worker| worker.dead)
        });
        dead.into_iter().for_each(|dead| dead.set());
    }

    /// Takes a dead process out, and gives each of its jobs its due.
    fn bury(self: &Arc<Self>, number: u64, last_words: String) {
        let (end, dead) = self.change(|state, config, after| {
            let mut worker = state.workers.remove(&number).expect("it is buried once");
            let process = worker.process.take().expect("it was started");
            let status = process.reap();
            let verdict = worker.verdict.take().unwrap_or_else(|| describe(status));
            let is_failed_start = worker.phase == Phase::Starting && !worker.is_our_deed;
            let end = ProcessEnd {
                id: process.id(),
                status,
                description: verdict,
                standard_error: last_words,
                is_expected: worker.is_our_deed || worker.phase == Phase::Leaving,
            };
            self.counts.died.fetch_add(1, Ordering::Relaxed);
            if let Some(own) = worker.own.take() {
                own.has_ended(
                    worker.sent.pop_front().is_some(),
                    is_failed_start,
                    &end,
                    after,
                );
                return (end, worker.dead);
            }
            self.give_due(state, &mut worker, &end, after);
            if is_failed_start {
                self.counts.failed_starts.fetch_add(1, Ordering::Relaxed);
                state.start_failed(StartError::of(&end), after);
            }
            state.dispatch(config, after);
            (end, worker.dead)
        });
        dead.set();
        self.config.hooks.ended(&end);
    }

    fn give_due(
        &self,
        state: &mut State,
        worker: &mut Worker,
        end: &ProcessEnd,
        after: &mut After,
    ) {
        let mut again = Vec::new();
        let mut is_first = true;
        while let Some((job, sequence)) = worker.sent.pop_front() {
            let mut progress = job.progress();
            if let Stage::Over = progress.stage {
                continue;
            }
            progress.first_since = None;
            let is_first = std::mem::take(&mut is_first);
            let may_begin = match worker.withdraw(sequence) {
                // It may be what the process died of, without having begun it.
                true if is_first && !worker.is_our_deed => {
                    progress.stillborn += 1;
                    progress.stillborn < ENOUGH
                }
                true => true,
                false => {
                    progress.died += 1;
                    progress.verdict.is_none() && progress.died <= job.limits.retries
                }
            };
            if may_begin {
                progress.stage = Stage::Waiting;
                drop(progress);
                again.push(job);
                continue;
            }
            let how = progress.verdict.take();
            drop(progress);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
            let how = how.unwrap_or_else(|| end.description.clone());
            let mut lost = Lost::new(format!("the process {}", end.id), how);
            if !end.standard_error.is_empty() {
                lost = lost.with_standard_error(&*end.standard_error);
            }
            after.settle(&job, Err(JoinError::lost(lost).with_task_name(job.name)));
        }
        again
            .into_iter()
            .rev()
            .for_each(|job| state.waiting.push_front(job));
    }
}

fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "ended; how, somebody else was told".to_owned();
    };
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exited with status {code}"),
        None => format!("ended: {status}"),
    }
}

impl State {
    fn worker(&mut self, number: u64) -> &mut Worker {
        self.workers
            .get_mut(&number)
            .expect("a driver ends its worker itself")
    }

    /// Returns the number of processes that have jobs.
    fn busy_workers(&self) -> usize {
        self.workers
            .values()
            .filter(|worker| !worker.sent.is_empty())
            .count()
    }

    /// Sends what waits, as far as that can be sent now, and starts processes for the rest.
    fn dispatch(&mut self, config: &Config, after: &mut After) {
        while !self.waiting.is_empty() {
            let Some(number) = self.choose(config) else {
                break;
            };
            let job = self.waiting.pop_front().expect("one waits");
            self.worker(number).send(job, after);
        }
        self.start_needed(config, after);
        if self.waiting.is_empty() {
            self.take_back(config, after);
        }
    }

    /// Returns the process that takes the next job.
    fn choose(&self, config: &Config) -> Option<u64> {
        let has_descriptors = self.waiting.front().is_some_and(|job| job.descriptors > 0);
        let feedable = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.is_feedable(config));
        let (number, worker) = feedable.min_by_key(|(_, worker)| worker.sent.len())?;
        let takes = match worker.sent.len() {
            0 => true,
            ahead => ahead < config.depth && !has_descriptors && !self.may_start(config),
        };
        takes.then_some(*number)
    }

    fn may_start(&self, config: &Config) -> bool {
        let is_long_ago = || self.last_failed.is_none_or(|last| last.elapsed() >= RETRY);
        let is_hopeful = self.failed_starts < ENOUGH || self.workers.is_empty() || is_long_ago();
        is_hopeful && !self.is_closing && self.workers.len() < config.processes
    }

    /// Starts a process for each job that waits, and those that are to be there always.
    fn start_needed(&mut self, config: &Config, after: &mut After) {
        let starting = self
            .workers
            .values()
            .filter(|worker| worker.phase == Phase::Starting);
        let mut starting = starting.count();
        while self.may_start(config) && self.broken.is_none() {
            if starting >= self.waiting.len() && self.workers.len() >= config.min_processes {
                break;
            }
            let number = self.next_worker;
            self.next_worker += 1;
            self.workers.insert(number, Worker::new(number, config));
            after.starts.push(number);
            starting += 1;
            if self.failed_starts >= ENOUGH {
                // One at a time.
                self.last_failed = Some(Instant::now());
            }
        }
    }

    /// Gives idle processes what was sent ahead to busy ones.
    fn take_back(&mut self, config: &Config, after: &mut After) {
        while self.workers.values().any(|worker| worker.sent.len() > 1) {
            let mut idle = self
                .workers
                .iter()
                .filter(|(_, worker)| worker.is_feedable(config));
            let Some((&idle, _)) = idle.find(|(_, worker)| worker.sent.is_empty()) else {
                return;
            };
            let mut ahead = self
                .workers
                .values_mut()
                .filter(|worker| worker.sent.len() > 1);
            let Some(job) = ahead.find_map(|worker| worker.take_back_last(after)) else {
                return;
            };
            self.worker(idle).send(job, after);
        }
    }

    /// Takes a job back, or kills its process: the steps are in the module's documentation.
    fn stop(&mut self, job: &Arc<Job>, after: &mut After) -> Stop {
        let (number, sequence) = match job.progress().stage {
            Stage::Waiting => {
                if let Some(worker) = self.starting_own(job) {
                    worker.kill();
                    return Stop::Killed(Arc::clone(&worker.dead));
                }
                self.waiting.retain(|waiting| !Arc::ptr_eq(waiting, job));
                return Stop::Idle;
            }
            Stage::Sent(number, sequence) => (number, sequence),
            Stage::Done(_) | Stage::Over => return Stop::Idle,
        };
        let worker = self
            .workers
            .get_mut(&number)
            .expect("a process is buried after its jobs");
        if worker.withdraw(sequence) {
            worker.forget(sequence, after);
            if worker.own.is_some() {
                worker.kill();
                return Stop::Killed(Arc::clone(&worker.dead));
            }
            return Stop::TakenBack(number);
        }
        let mut is_over = false;
        while worker
            .sent
            .back()
            .is_some_and(|(_, last)| *last != sequence)
        {
            match worker.take_back_last(after) {
                Some(job) => self.waiting.push_front(job),
                None => {
                    is_over = true;
                    break;
                }
            }
        }
        if is_over {
            return Stop::Over;
        }
        worker.kill();
        Stop::Killed(Arc::clone(&worker.dead))
    }

    /// Counts a failed start. One too many ends the pool.
    fn start_failed(&mut self, error: StartError, after: &mut After) {
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.last_failed = Some(Instant::now());
        if self.failed_starts < ENOUGH || !self.workers.is_empty() || self.is_closing {
            return;
        }
        self.broken = Some(error.clone());
        for job in std::mem::take(&mut self.waiting) {
            let refused = JoinError::refused(error.clone());
            after.settle(&job, Err(refused.with_task_name(job.name)));
        }
    }
}

impl After {
    /// Gives a job its outcome, unless nobody wants it.
    fn settle(&mut self, job: &Job, outcome: Outcome) {
        let mut progress = job.progress();
        if let Stage::Over = progress.stage {
            return;
        }
        progress.stage = Stage::Done(outcome);
        self.descriptors.append(&mut progress.descriptors);
        self.wakers.extend(progress.waker.take());
    }
}
