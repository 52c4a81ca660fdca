//! References to a process pool: what submits and waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use workmill::{JoinError, JoinHandle, Lost, PoolRef, TrySubmitError, WouldDeadlock, promise};
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
///
/// # Examples
///
/// ```
/// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
/// # fn square(n: u64) -> u64 { n * n }
/// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
/// use workmill_process::ProcessPoolRef;
/// use workmill_process::workmill::JoinError;
///
/// /// What a library is given.
/// fn nine(pool: &ProcessPoolRef) -> Result<u64, JoinError> {
///     pool.submit(square, 3).join()
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # serve_if_worker(jobs());
/// let pool = ProcessPoolExecutor::new(1, jobs())?;
/// assert_eq!(nine(&pool)?, 9);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProcessPoolRef {
    /// Where the futures of jobs are spawned.
    view: PoolRef,
    /// The pool that drives the processes.
    drivers: PoolRef,
    pub(crate) limits: Limits,
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

    /// Returns a reference that submits by another view of the pool.
    pub(crate) fn viewed(&self, view: PoolRef) -> Self {
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// assert_eq!(pool.try_submit(square, 3)?.join()?, 9);
    /// pool.shutdown();
    /// assert_eq!(pool.try_submit(square, 3).unwrap_err().into_inner(), 3);
    /// # Ok(())
    /// # }
    /// ```
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
            Ok(running) => self.accepted::<F, A, M>(self.view.try_spawn(running), arguments),
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let pool = Builder::new(jobs()).processes(1).queue_capacity(1).build()?;
    /// let submit = |_| pool.submit_timeout(hang, (), Duration::from_millis(10)).ok();
    /// let hanging: Vec<_> = (0..).map_while(submit).collect(); // until there is no room
    /// assert!(!hanging.is_empty());
    /// pool.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
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
            Ok(running) => {
                let submitted = self.view.spawn_timeout(running, timeout);
                self.accepted::<F, A, M>(submitted, arguments)
            }
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let nine = async { pool.submit_async(square, 3).await.expect("it is open").await };
    /// assert_eq!(workmill_process::workmill::block_on(nine)?, 9);
    /// # Ok(())
    /// # }
    /// ```
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
            Ok(running) => {
                let submitted = self.view.spawn_async(running).await;
                self.accepted::<F, A, M>(submitted, arguments)
            }
            Err(error) => Ok(failed(error)),
        }
    }

    /// Submits a job whose result is not wanted. Its failure is reported:
    /// [`Builder::on_unseen_error`](crate::Builder::on_unseen_error).
    ///
    /// # Blocking
    ///
    /// Blocks as [`submit`](Self::submit) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("ring", ring) }
    /// use workmill_process::hub::Event;
    ///
    /// fn ring(bell: Event) {
    ///     bell.set();
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let bell = pool.hub().event();
    /// pool.execute(ring, bell.clone());
    /// bell.wait();
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// pool.try_execute(square, 3)?;
    /// pool.shutdown();
    /// assert!(pool.try_execute(square, 3).is_err());
    /// # Ok(())
    /// # }
    /// ```
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

    /// Returns the handle to the result, or the arguments of a job that was refused.
    fn accepted<F, A, M>(
        &self,
        submitted: Result<JoinHandle<Outcome>, TrySubmitError<Running>>,
        arguments: A,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<A>>
    where
        F: Job<A, M>,
    {
        match submitted {
            Ok(handle) => Ok(self.decoded::<F, A, M>(handle)),
            Err(refused) => Err(refused.map(|_| arguments)),
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(2, jobs())?;
    /// let handle = pool.submit(square, 3);
    /// pool.wait_idle()?;
    /// assert!(handle.is_finished());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let _hanging = pool.submit(hang, ());
    /// assert!(!pool.wait_idle_timeout(Duration::from_millis(10))?);
    /// pool.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.may_wait()?;
        self.view.wait_idle_timeout(timeout)
    }

    /// Waits without blocking until every accepted job has ended.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback or a hook that a thread of the pool calls.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait, and has no effect on the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(2, jobs())?;
    /// let handle = pool.submit(square, 3);
    /// workmill_process::workmill::block_on(pool.wait_idle_async())?;
    /// assert!(handle.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_idle_async(&self) -> Result<(), WouldDeadlock> {
        self.may_wait()?;
        self.view.wait_idle_async().await
    }

    /// Returns `true` if the pool, or the group of this reference, was shut down, or the pool has
    /// given up starting processes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// assert!(!pool.is_shutdown());
    /// pool.shutdown_background();
    /// assert!(pool.is_shutdown());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_shutdown(&self) -> bool {
        self.view.is_shutdown() || self.shared.broken().is_some()
    }

    /// Returns `true` if the pool has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// assert!(!pool.is_terminated());
    /// pool.shutdown();
    /// assert!(pool.is_terminated());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.drivers.is_terminated()
    }

    /// Returns why the pool refuses all jobs, if its processes could not be started.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).worker_program("/no/such/program").build()?;
    /// assert!(pool.submit(square, 3).join().is_err());
    /// println!("{}", pool.start_error().expect("there is no such program"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_error(&self) -> Option<crate::StartError> {
        self.shared.broken()
    }

    /// Returns counts of events, and of what there is now.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(4, jobs())?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// assert_eq!(pool.metrics().started, 1); // one job has needed one process
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let reference = pool.handle(); // for another thread
    /// let nine = std::thread::spawn(move || reference.submit(square, 3).join());
    /// assert_eq!(nine.join().unwrap()?, 9);
    /// # Ok(())
    /// # }
    /// ```
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
///
/// # Examples
///
/// ```
/// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
/// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
/// fn burn() {
///     std::process::exit(1);
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # serve_if_worker(jobs());
/// let pool = ProcessPoolExecutor::new(1, jobs())?;
/// assert!(pool.submit(burn, ()).join().is_err());
/// let counts = pool.metrics();
/// assert_eq!((counts.started, counts.died, counts.lost_jobs), (1, 1, 1));
/// # Ok(())
/// # }
/// ```
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
