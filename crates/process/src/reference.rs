//! References to a process pool: what submits and waits.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use workmill::{
    CancelToken, Group, JoinError, JoinHandle, Lost, Overflow, PoolRef, Priority, TrySubmitError,
    WouldDeadlock, promise,
};
use workmill_jobs::executors::{Sealed, next_submission};
use workmill_jobs::{Job, JobExecutor, Sendable};

use crate::frame::JobHead;
use crate::hub::HubRef;
use crate::hub::passing::{Side, decode_from, encode_for};
use crate::job::{self, Arguments, Limits, Outcome, Running};
use crate::passing;
use crate::pool::Shared;

/// A reference to a [`ProcessPoolExecutor`](crate::ProcessPoolExecutor), which owns the pool and
/// dereferences to it. It submits, waits and observes, and cannot shut the pool down: it is what a
/// library is given.
///
/// # Views
///
/// [`priority`](Self::priority), [`named`](Self::named), [`start_within`](Self::start_within),
/// [`cancel_with`](Self::cancel_with), [`timeout`](Self::timeout) and [`retries`](Self::retries)
/// return references that add something to each job that is submitted by them;
/// [`limited`](Self::limited) makes a group.
///
/// # Beginning
///
/// A job counts as begun when it leaves the pool's queue, which it may do before its function is
/// called: it may wait for a process to start, or be sent ahead to a process that runs another. It
/// can still be cancelled without a process being ended.
#[derive(Clone)]
pub struct ProcessPoolRef {
    /// Where the futures of jobs are spawned.
    view: PoolRef,
    /// The pool that drives the processes.
    drivers: PoolRef,
    limits: Limits,
    shared: Arc<Shared>,
}

impl ProcessPoolRef {
    pub(crate) fn new(view: PoolRef, drivers: PoolRef, shared: Arc<Shared>) -> Self {
        Self {
            view,
            drivers,
            limits: shared.config.limits,
            shared,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn drivers(&self) -> &PoolRef {
        &self.drivers
    }

    pub(crate) fn view(&self) -> &PoolRef {
        &self.view
    }

    /// Returns `true` in a callback or a hook that a thread of the pool calls. What waits there for
    /// the end of jobs may wait for itself.
    pub(crate) fn must_not_wait(&self) -> bool {
        let end = self.drivers.wait_terminated_timeout(Duration::ZERO);
        end.is_err()
    }

    fn may_wait(&self) -> Result<(), WouldDeadlock> {
        match self.must_not_wait() {
            true => Err(WouldDeadlock),
            false => Ok(()),
        }
    }

    fn viewed(&self, view: PoolRef) -> Self {
        Self {
            view,
            ..self.clone()
        }
    }

    /// Encodes a job that is submitted next.
    fn prepare<F, A, M>(&self, function: F, arguments: &A) -> Result<Running, JoinError>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.prepare_for_later(function, arguments)
            .map(Running::in_line)
    }

    /// Encodes a job.
    pub(crate) fn prepare_for_later<F, A, M>(
        &self,
        function: F,
        arguments: &A,
    ) -> Result<Running, JoinError>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let job = self.shared.prepare(function, arguments, self.limits)?;
        Ok(Running::new(&self.shared, job))
    }

    /// Submits a job and returns a handle to its result.
    ///
    /// `arguments` is the argument of the function, or a tuple of them, or `()`. The function must
    /// be one of the [`Jobs`](crate::Jobs) that the pool was built with. The arguments are encoded
    /// on this thread; the result is decoded by the thread that takes it from the handle.
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] returns `true` until the pool has the result. A job that runs is
    /// stopped: its process is killed, with what the job has started. The handle resolves when
    /// nothing of it runs any more. (It may have ended just before; then nobody sees its result.)
    /// Other jobs are not concerned.
    ///
    /// # Blocking
    ///
    /// Blocks only if the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is
    /// full, and its policy is to wait for room.
    ///
    /// # Errors
    ///
    /// The call itself never fails. The handle returns an error that
    ///
    /// - [`is_panic`](JoinError::is_panic) with the message, if the job panicked; its process goes
    ///   on;
    /// - [`is_lost`](JoinError::is_lost), if its process died or was killed, or if the result could
    ///   not be encoded or decoded: [`as_lost`](JoinError::as_lost) says how, and knows the end of
    ///   the process's standard error;
    /// - [`is_cancelled`](JoinError::is_cancelled), if it was cancelled or not accepted. If it was
    ///   refused for a reason of its own, that is the [`source`](std::error::Error::source): a
    ///   [`NotRegistered`](crate::NotRegistered), a [`StartError`](crate::StartError), or that the
    ///   arguments could not be encoded.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::{Jobs, ProcessPoolExecutor};
    ///
    /// fn add(a: u64, b: u64) -> u64 {
    ///     a + b
    /// }
    ///
    /// fn jobs() -> Jobs {
    ///     Jobs::new().with("add", add)
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     workmill_process::serve_if_worker(jobs());
    ///     let pool = ProcessPoolExecutor::new(1, jobs())?;
    ///     assert_eq!(pool.submit(add, (1, 2)).join()?, 3);
    ///     Ok(())
    /// }
    /// ```
    #[must_use = "the result is lost: `execute` takes a job whose result is not wanted, and \
                  reports its failure"]
    pub fn submit<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => self.decoded::<F, A, M>(self.view.spawn(running)),
            Err(error) => failed(error),
        }
    }

    /// Submits a job, unless that would have to wait for room.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments if the pool is full, whatever its overflow policy is,
    /// or shut down. Other reasons come by the handle, as with [`submit`](Self::submit).
    pub fn try_submit<F, A, M>(
        &self,
        function: F,
        arguments: A,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<A>>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => match self.view.try_spawn(running) {
                Ok(handle) => Ok(self.decoded::<F, A, M>(handle)),
                Err(refused) => Err(refused.map(|_| arguments)),
            },
            Err(error) => Ok(failed(error)),
        }
    }

    /// Submits a job, and waits for room, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments when the time is over, or if the pool is shut down.
    /// Other reasons come by the handle, as with [`submit`](Self::submit).
    pub fn submit_timeout<F, A, M>(
        &self,
        function: F,
        arguments: A,
        timeout: Duration,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<A>>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => match self.view.spawn_timeout(running, timeout) {
                Ok(handle) => Ok(self.decoded::<F, A, M>(handle)),
                Err(refused) => Err(refused.map(|_| arguments)),
            },
            Err(error) => Ok(failed(error)),
        }
    }

    /// Submits a job, and waits for room without blocking the thread.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments if the pool is shut down. Other reasons come by the
    /// handle, as with [`submit`](Self::submit).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready submits nothing.
    pub async fn submit_async<F, A, M>(
        &self,
        function: F,
        arguments: A,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<A>>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => match self.view.spawn_async(running).await {
                Ok(handle) => Ok(self.decoded::<F, A, M>(handle)),
                Err(refused) => Err(refused.map(|_| arguments)),
            },
            Err(error) => Ok(failed(error)),
        }
    }

    /// Submits a job whose result is not wanted. Its failure is reported:
    /// [`Builder::on_unseen_error`](crate::Builder::on_unseen_error).
    ///
    /// # Blocking
    ///
    /// Blocks as [`submit`](Self::submit) does.
    pub fn execute<F, A, M>(&self, function: F, arguments: A)
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => drop(self.view.spawn(self.reporting(running))),
            Err(error) => self.shared.config.hooks.unseen(&error),
        }
    }

    /// Submits a job whose result is not wanted, unless that would have to wait for room.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments if the pool is full or shut down.
    pub fn try_execute<F, A, M>(&self, function: F, arguments: A) -> Result<(), TrySubmitError<A>>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        match self.prepare(function, &arguments) {
            Ok(running) => match self.view.try_spawn(self.reporting(running)) {
                Ok(_) => Ok(()),
                Err(refused) => Err(refused.map(|_| arguments)),
            },
            Err(error) => {
                self.shared.config.hooks.unseen(&error);
                Ok(())
            }
        }
    }

    fn reporting(&self, running: Running) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            if let Err(error) = running.await {
                shared.config.hooks.unseen(&error);
            }
        }
    }

    /// Has the thread that takes the outcome decode it.
    pub(crate) fn decoded<F, A, M>(&self, handle: JoinHandle<Outcome>) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
    {
        self.shared.decoded::<F, A, M>(handle)
    }

    /// Returns the hub of the pool, which makes locks, semaphores, events and queues that go into
    /// the arguments of the pool's jobs. It is always the same one.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::hub::Semaphore;
    /// use workmill_process::{Jobs, ProcessPoolExecutor};
    ///
    /// fn brew(kettles: Semaphore) {
    ///     let _kettle = kettles.acquire().expect("it is not closed");
    /// }
    ///
    /// fn jobs() -> Jobs {
    ///     Jobs::new().with("brew", brew)
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     workmill_process::serve_if_worker(jobs());
    ///     let pool = ProcessPoolExecutor::new(2, jobs())?;
    ///     let kettles = pool.hub().semaphore(1);
    ///     let handles = [(); 4].map(|()| pool.submit(brew, kettles.clone()));
    ///     for handle in handles {
    ///         handle.join()?;
    ///     }
    ///     assert_eq!(kettles.available_permits(), 1);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "Manager")]
    pub fn hub(&self) -> HubRef {
        HubRef::new(&self.shared.config.objects)
    }
}

impl Shared {
    /// Encodes a job.
    pub(crate) fn prepare<F, A, M>(
        &self,
        function: F,
        arguments: &A,
        limits: Limits,
    ) -> Result<job::Job, JoinError>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let jobs = &self.config.jobs;
        let at = jobs.index_of(function).map_err(|error| {
            JoinError::refused(error).with_task_name(std::any::type_name::<F>())
        })?;
        let name = jobs.name_at(at).expect("the index is one of the list");
        let mut bytes = self.buffers.take_empty();
        let refused = |why: String| {
            let message = format!("the arguments of the job `{name}` cannot be encoded: {why}");
            JoinError::refused(message).with_task_name(name)
        };
        let side = Side::parent(&self.config.objects);
        let encode = |bytes: &mut Vec<u8>| encode_for(side, arguments, bytes);
        let (objects, descriptors) = passing::encode_by(&mut bytes, encode).map_err(refused)?;
        let most = u32::MAX as usize - JobHead::LENGTH;
        if bytes.len() > most {
            return Err(refused("they are larger than 4 GiB".to_owned()));
        }
        let number = (at as u32, next_submission());
        let encoded = Arguments {
            bytes,
            objects,
            descriptors,
        };
        Ok(job::Job::new(name, number, encoded, limits, &self.buffers))
    }

    /// Has the thread that takes the outcome decode it.
    pub(crate) fn decoded<F, A, M>(&self, handle: JoinHandle<Outcome>) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
    {
        let (jobs, objects) = (self.config.jobs.clone(), Arc::clone(&self.config.objects));
        handle.then(move |outcome| {
            let name = || function_name::<F>(&jobs);
            let reply = outcome.map_err(|error| error.with_task_name(name()))?;
            let decode = |bytes: &[u8]| decode_from(Side::parent(&objects), bytes);
            passing::decode_by(&reply.body, reply.descriptors, decode).map_err(|why| {
                let lost = Lost::new("its result", format!("cannot be decoded: {why}"));
                JoinError::lost(lost).with_task_name(name())
            })
        })
    }
}

/// Returns the name of a job.
fn function_name<F: 'static>(jobs: &crate::Jobs) -> &'static str {
    jobs.name_of_type(std::any::TypeId::of::<F>())
        .unwrap_or(std::any::type_name::<F>())
}

/// Returns a handle to an error.
pub(crate) fn failed<T: Send + 'static>(error: JoinError) -> JoinHandle<T> {
    let (promise, handle) = promise();
    // Nobody else has the handle yet, so it is not cancelled.
    let _ = promise.fail(error);
    handle
}

/// Views and groups.
impl ProcessPoolRef {
    /// Returns a reference whose jobs have a priority: [`PoolRef::priority`].
    pub fn priority(&self, priority: Priority) -> Self {
        self.viewed(self.view.priority(priority))
    }

    /// Returns a reference whose jobs have a name in warnings: [`PoolRef::named`]. Errors name the
    /// job by the name under which it is registered.
    pub fn named(&self, name: &str) -> Self {
        self.viewed(self.view.named(name))
    }

    /// Returns a reference whose jobs are cancelled if they have not [begun](Self#beginning) that
    /// long after their submission: [`PoolRef::start_within`].
    pub fn start_within(&self, time: Duration) -> Self {
        self.viewed(self.view.start_within(time))
    }

    /// Returns a reference whose jobs are cancelled with a token: [`PoolRef::cancel_with`]. Those
    /// that run are stopped, as by [`JoinHandle::cancel`].
    pub fn cancel_with(&self, token: &CancelToken) -> Self {
        self.viewed(self.view.cancel_with(token))
    }

    /// Returns a reference whose jobs may run for that long:
    /// [`Builder::timeout`](crate::Builder::timeout).
    pub fn timeout(&self, time: Duration) -> Self {
        let mut reference = self.clone();
        reference.limits.timeout = Some(time);
        reference
    }

    /// Returns a reference whose jobs begin anew that often if their process dies:
    /// [`Builder::retries`](crate::Builder::retries).
    pub fn retries(&self, retries: u32) -> Self {
        let mut reference = self.clone();
        reference.limits.retries = retries;
        reference
    }

    /// Creates a group of jobs of which at most `jobs` have begun at a time: [`PoolRef::limited`].
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
    pub fn limited(&self, jobs: usize) -> ProcessGroup {
        self.grouped(self.view.limited(jobs))
    }

    fn grouped(&self, group: Group) -> ProcessGroup {
        let reference = self.viewed(group.handle());
        ProcessGroup { group, reference }
    }
}

/// Waiting and observing.
impl ProcessPoolRef {
    /// Blocks until every accepted job has ended. Jobs that are not due do not count.
    ///
    /// # Blocking
    ///
    /// Blocks until then.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback or a hook that a thread of the pool calls.
    pub fn wait_idle(&self) -> Result<(), WouldDeadlock> {
        self.may_wait()?;
        self.view.wait_idle()
    }

    /// Blocks until every accepted job has ended, but no longer than `timeout`. Returns `true` if
    /// they have.
    ///
    /// # Blocking
    ///
    /// Blocks until then, or until the time is over.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback or a hook that a thread of the pool calls.
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.may_wait()?;
        self.view.wait_idle_timeout(timeout)
    }

    /// Waits without blocking until every accepted job has ended.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback or a hook that a thread of the pool calls.
    pub async fn wait_idle_async(&self) -> Result<(), WouldDeadlock> {
        self.may_wait()?;
        self.view.wait_idle_async().await
    }

    /// Returns `true` if the pool, or the group of this reference, was shut down, or the pool has
    /// given up starting processes.
    pub fn is_shutdown(&self) -> bool {
        self.view.is_shutdown() || self.shared.broken().is_some()
    }

    /// Returns `true` if the pool has ended.
    pub fn is_terminated(&self) -> bool {
        self.drivers.is_terminated()
    }

    /// Returns why the pool refuses all jobs, if its processes could not be started.
    pub fn start_error(&self) -> Option<crate::StartError> {
        self.shared.broken()
    }

    /// Returns counts of events, and of what there is now.
    pub fn metrics(&self) -> ProcessMetrics {
        let now = self.shared.snapshot();
        let counts = &self.shared.counts;
        // ORDERING: Relaxed: counts order nothing.
        let count = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        ProcessMetrics {
            processes: now.processes,
            idle_processes: now.idle,
            sent_jobs: now.sent,
            ready_jobs: now.waiting,
            started: count(&counts.started),
            died: count(&counts.died),
            failed_starts: count(&counts.failed_starts),
            lost_jobs: count(&counts.lost),
            rejected_jobs: self.drivers.metrics().rejected,
        }
    }

    /// Returns a further reference. That of a [`ProcessPoolExecutor`](crate::ProcessPoolExecutor)
    /// does not own the pool.
    pub fn handle(&self) -> Self {
        self.clone()
    }

    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.shared.snapshot();
        f.debug_struct(name)
            .field("processes", &now.processes)
            .field("is_shutdown", &self.is_shutdown())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProcessPoolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("ProcessPoolRef", f)
    }
}

impl Sealed for ProcessPoolRef {}

impl JobExecutor for ProcessPoolRef {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit(function, arguments)
    }
}

/// Counts of events since a process pool was built, and of what there is now. Returned by
/// [`ProcessPoolRef::metrics`]. Each is a snapshot, and may be stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessMetrics {
    /// The number of processes, also of those that start or end.
    pub processes: usize,
    /// The number of processes that have nothing to do.
    pub idle_processes: usize,
    /// The number of jobs that processes have: one runs in each, and others were sent ahead.
    pub sent_jobs: usize,
    /// The number of jobs that have left the queue and wait for a process.
    pub ready_jobs: usize,
    /// The number of processes that have served.
    pub started: u64,
    /// The number of processes that were started and have ended, for whatever reason.
    pub died: u64,
    /// The number of processes that could not be started, or ended before they served.
    pub failed_starts: u64,
    /// The number of jobs that were lost.
    pub lost_jobs: u64,
    /// The number of jobs that were refused without being returned to the caller, because the pool
    /// was full or shut down, or dropped in favour of newer ones.
    pub rejected_jobs: usize,
}

/// Jobs of a process pool of which at most a certain number have begun at a time. Created by
/// [`ProcessPoolRef::limited`], and like a [`Group`] of a thread pool.
///
/// Dropping it ends nothing.
#[derive(Clone)]
pub struct ProcessGroup {
    group: Group,
    reference: ProcessPoolRef,
}

impl ProcessGroup {
    /// Limits the number of jobs that wait: [`Group::queue_capacity`].
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
    pub fn queue_capacity(self, jobs: usize) -> Self {
        self.reference.grouped(self.group.queue_capacity(jobs))
    }

    /// Sets what becomes of a job that finds the group full: [`Group::overflow`]. With
    /// [`Overflow::CallerRuns`] the submitter waits: the job cannot run here.
    pub fn overflow(self, overflow: Overflow) -> Self {
        let overflow = match overflow {
            Overflow::CallerRuns => Overflow::Block,
            overflow => overflow,
        };
        self.reference.grouped(self.group.overflow(overflow))
    }

    /// Returns the number of jobs of the group that may have begun at a time.
    pub fn limit(&self) -> usize {
        self.group.limit()
    }

    /// Refuses new jobs of the group, and blocks until the accepted ones have ended. The pool goes
    /// on.
    ///
    /// # Blocking
    ///
    /// Blocks until then. Does not wait in a callback or a hook that a thread of the pool calls.
    pub fn shutdown(&self) {
        self.shutdown_timeout(Duration::MAX);
    }

    /// Refuses new jobs of the group, and waits for the accepted ones, but no longer than
    /// `timeout`. Returns `true` if they have ended.
    ///
    /// # Blocking
    ///
    /// Blocks until then, or until the time is over. Does not wait in a callback or a hook that a
    /// thread of the pool calls.
    pub fn shutdown_timeout(&self, timeout: Duration) -> bool {
        match self.reference.must_not_wait() {
            true => self.group.shutdown_timeout(Duration::ZERO),
            false => self.group.shutdown_timeout(timeout),
        }
    }

    /// Refuses new jobs of the group, and waits for the accepted ones without blocking. Does not
    /// wait in a callback or a hook that a thread of the pool calls.
    pub async fn shutdown_async(&self) {
        if self.reference.must_not_wait() {
            self.group.shutdown_timeout(Duration::ZERO);
            return;
        }
        self.group.shutdown_async().await;
    }

    /// Refuses new jobs of the group, cancels all that have not ended, and returns the number of
    /// them. Those that run are stopped. Does not wait.
    pub fn shutdown_now(&self) -> usize {
        self.group.shutdown_now()
    }
}

impl Deref for ProcessGroup {
    type Target = ProcessPoolRef;

    fn deref(&self) -> &ProcessPoolRef {
        &self.reference
    }
}

impl fmt::Debug for ProcessGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reference.describe("ProcessGroup", f)
    }
}

impl Sealed for ProcessGroup {}

impl JobExecutor for ProcessGroup {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit(function, arguments)
    }
}
