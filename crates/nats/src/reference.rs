//! References to an executor: what submits, resumes and observes.

use std::any::{TypeId, type_name};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use workmill::{
    CancelReason, JoinError, JoinHandle, Lost, Overflow, OwnedPermit, TryAcquireError,
    TrySubmitError, promise,
};
use workmill_jobs::executors::{Sealed, decode, encode};
use workmill_jobs::{Job, JobExecutor, Sendable};

use crate::dead::DeadLetters;
use crate::id::JobId;
use crate::metrics::NatsMetrics;
use crate::room::{Accepted, Sending, WhenFull};
use crate::shared::{NotEntered, Outcome, Shared};
use crate::view::View;

/// A reference to a [`NatsExecutor`](crate::NatsExecutor), which owns the connection and
/// dereferences to it. It submits, resumes and observes, and cannot shut the executor down: it is
/// what a library is given.
///
/// # Views
///
/// [`priority`](Self::priority), [`retries`](Self::retries), [`start_within`](Self::start_within)
/// and [`cancel_with`](Self::cancel_with) return references that add something to each job that is
/// submitted by them.
///
/// # Examples
///
/// ```no_run
/// # use workmill_nats::{Jobs, NatsExecutor};
/// use workmill_nats::NatsRef;
/// use workmill_nats::workmill::JoinError;
///
/// # fn square(n: u64) -> u64 { n * n }
/// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
/// /// What a library is given.
/// fn nine(executor: &NatsRef) -> Result<u64, JoinError> {
///     executor.submit(square, 3).join()
/// }
///
/// assert_eq!(nine(&executor)?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NatsRef {
    pub(crate) shared: Arc<Shared>,
    pub(crate) view: View,
}

/// A job before it has an id.
struct Prepared {
    job: &'static str,
    arguments: Vec<u8>,
}

impl NatsRef {
    pub(crate) fn new(shared: Arc<Shared>, view: View) -> Self {
        Self { shared, view }
    }

    fn prepare<F, A, M>(&self, function: F, arguments: &A) -> Result<Prepared, JoinError>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let job = self
            .shared
            .jobs
            .name_of(function)
            .map_err(|error| JoinError::refused(error).with_task_name(type_name::<F>()))?;
        let mut encoded = Vec::new();
        encode(arguments, &mut encoded).map_err(|error| {
            let why = format!("the arguments of the job `{job}` cannot be encoded: {error}");
            JoinError::refused(why).with_task_name(job)
        })?;
        let arguments = encoded;
        Ok(Prepared { job, arguments })
    }

    /// Enters a job under an id, and sends it.
    fn launch(
        &self,
        id: JobId,
        prepared: Prepared,
        permit: OwnedPermit,
        when_full: WhenFull,
        accepted: Option<workmill::Promise<Accepted>>,
        is_keyed: bool,
    ) -> Result<JoinHandle<Outcome>, JoinError> {
        let Prepared { job, arguments } = prepared;
        let View {
            priority,
            retries,
            start_within,
            ref token,
        } = self.view;
        let (handle, is_new) = self
            .shared
            .enter(&id, job, true, token.as_ref())
            .map_err(|error| of_entry(error, job))?;
        if !is_new {
            // It is under way already, and this handle gets its outcome.
            if let Some(accepted) = accepted {
                let _ = accepted.complete(Accepted::SeeHandle);
            }
            return Ok(handle);
        }
        if let Some(time) = start_within {
            self.shared.expire(&id, time);
        }
        let sending = Sending {
            id,
            job,
            priority,
            retries,
            arguments,
            is_keyed,
            when_full,
            accepted,
            permit,
        };
        self.shared.leave(sending);
        Ok(handle)
    }

    fn when_full(&self) -> WhenFull {
        match self.shared.overflow {
            Overflow::Reject | Overflow::DropNewest => WhenFull::Reject,
            _ => WhenFull::Wait,
        }
    }

    /// Submits a job and returns a handle to its result.
    ///
    /// `arguments` is the argument of the function, or a tuple of them, or `()`. The function must
    /// be one of the [`Jobs`](crate::Jobs) of this executor, under the name that it has on the
    /// workers. The arguments are encoded on this thread; the result is decoded by the thread that
    /// takes it from the handle. Arguments and results that are too large for a message go through
    /// an object store, which keeps them for 7 days, or until the job has ended.
    ///
    /// Dropping the handle leaves the job to run.
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] returns `true` only if the job has not left this executor: it waits
    /// for room, or for the server. Otherwise it asks, and returns `false`. The handle then
    /// resolves to cancelled, if no worker had begun the job. A job that runs is told by
    /// [`JobContext::cancelled`](crate::JobContext::cancelled), which it has to look at, and the
    /// handle resolves to its outcome. The asking goes on until the job has ended, also through a
    /// time without the server.
    ///
    /// # Blocking
    ///
    /// Blocks while 256 jobs of this executor wait for the server to accept them. With
    /// [`Overflow::Block`], the default, jobs wait there if the queue is
    /// [full](crate::Builder::queue_capacity), or the server does not answer.
    ///
    /// # Errors
    ///
    /// The call itself never fails. The handle returns an error that
    ///
    /// - [`is_panic`](JoinError::is_panic) with the message, if the job panicked;
    /// - [`is_lost`](JoinError::is_lost), if it has begun and nobody knows how it ended: its worker
    ///   died or was cut off for longer than the lease, or its result is no longer kept or cannot
    ///   be decoded, or this executor was dropped before;
    /// - [`is_cancelled`](JoinError::is_cancelled), if it was cancelled, had not begun in time, or
    ///   was not accepted. If it was refused for a reason of its own, that is the
    ///   [`source`](std::error::Error::source): a [`NotRegistered`](crate::NotRegistered), or that
    ///   no worker knows the job or can decode its arguments.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, NatsExecutor};
    ///
    /// fn add(a: u64, b: u64) -> u64 {
    ///     a + b
    /// }
    ///
    /// let executor = NatsExecutor::connect("localhost", Jobs::new().with("add", add))?;
    /// assert_eq!(executor.submit(add, (1, 2)).join()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the result is lost; to leave the job alone, drop the handle"]
    pub fn submit<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit_as::<F, A, M>(None, self.prepare(function, &arguments))
    }

    fn submit_as<F, A, M>(
        &self,
        key: Option<JobId>,
        prepared: Result<Prepared, JoinError>,
    ) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let is_keyed = key.is_some();
        let launched = prepared.and_then(|prepared| {
            let job = prepared.job;
            let permit = Arc::clone(&self.shared.standing).acquire_owned();
            let permit = permit.map_err(|_| of_entry(NotEntered::Closed, job))?;
            let id = key.unwrap_or_else(|| self.shared.next_id());
            self.launch(id, prepared, permit, self.when_full(), None, is_keyed)
        });
        match launched {
            Ok(handle) => self.decoded::<F, A, M>(handle),
            Err(error) => failed(error),
        }
    }

    /// Submits a job, unless the queue is full.
    ///
    /// # Blocking
    ///
    /// Blocks until the server has answered: it alone knows. It does not wait for room.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments if the queue is full, if 256 jobs of this executor
    /// wait for the server already, or if the executor was shut down. Other reasons come by the
    /// handle, as with [`submit`](Self::submit). If the server does not answer within 5 seconds,
    /// the handle is returned, since the job may have been accepted, and the job is sent again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// match executor.try_submit(square, 3) {
    ///     Ok(handle) => assert_eq!(handle.join()?, 9),
    ///     Err(refused) if refused.is_full() => println!("later, with {}", refused.into_inner()),
    ///     Err(refused) => return Err(refused.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        let prepared = match self.prepare(function, &arguments) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(failed(error)),
        };
        let permit = match Arc::clone(&self.shared.standing).try_acquire_owned() {
            Ok(permit) => permit,
            Err(error) => return Err(TrySubmitError::new(reason(&error), arguments)),
        };
        self.submit_and_see::<F, A, M>(prepared, permit, WhenFull::Reject, arguments)
    }

    /// Submits a job, and waits for room, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until the server has accepted the job or the time is over.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments when the time is over, or if the executor was shut
    /// down. Other reasons come by the handle, as with [`submit`](Self::submit). If the server does
    /// not answer, the handle is returned after the time, since the job may have been accepted, and
    /// the job is sent again.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use std::time::Duration;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit_timeout(square, 3, Duration::from_secs(10))?;
    /// assert_eq!(handle.join()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        let prepared = match self.prepare(function, &arguments) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(failed(error)),
        };
        // Without a deadline, if that is further away than a clock goes.
        let deadline = Instant::now().checked_add(timeout);
        let permit = match Arc::clone(&self.shared.standing).acquire_owned_timeout(timeout) {
            Ok(permit) => permit,
            Err(error) => return Err(TrySubmitError::new(reason(&error), arguments)),
        };
        let when_full = match deadline {
            Some(deadline) => WhenFull::WaitUntil(deadline.into()),
            None => WhenFull::Wait,
        };
        self.submit_and_see::<F, A, M>(prepared, permit, when_full, arguments)
    }

    fn submit_and_see<F, A, M>(
        &self,
        prepared: Prepared,
        permit: OwnedPermit,
        when_full: WhenFull,
        arguments: A,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<A>>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let (accepted, told) = promise();
        let id = self.shared.next_id();
        let launched = self.launch(id, prepared, permit, when_full, Some(accepted), false);
        match launched {
            Err(_) => Err(TrySubmitError::new(CancelReason::Shutdown, arguments)),
            Ok(handle) => match told.join() {
                Ok(Accepted::Full) => Err(TrySubmitError::new(CancelReason::Rejected, arguments)),
                Ok(Accepted::SeeHandle) | Err(_) => Ok(self.decoded::<F, A, M>(handle)),
            },
        }
    }

    /// Submits a job, and waits until the server has accepted it, without blocking the thread.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the arguments if the executor was shut down, or if the queue is full
    /// and the policy is [`Overflow::Reject`]. Other reasons come by the handle, as with
    /// [`submit`](Self::submit).
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready submits nothing, or leaves the job to run if it has
    /// been sent.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let nine = async {
    ///     let handle = executor.submit_async(square, 3).await.expect("it is open");
    ///     handle.await // the server has the job by now
    /// };
    /// assert_eq!(workmill_nats::workmill::block_on(nine)?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        let prepared = match self.prepare(function, &arguments) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(failed(error)),
        };
        let Ok(permit) = Arc::clone(&self.shared.standing)
            .acquire_owned_async()
            .await
        else {
            return Err(TrySubmitError::new(CancelReason::Shutdown, arguments));
        };
        let (accepted, told) = promise();
        let id = self.shared.next_id();
        let when_full = self.when_full();
        match self.launch(id, prepared, permit, when_full, Some(accepted), false) {
            Err(_) => Err(TrySubmitError::new(CancelReason::Shutdown, arguments)),
            Ok(handle) => match told.await {
                Ok(Accepted::Full) => Err(TrySubmitError::new(CancelReason::Rejected, arguments)),
                Ok(Accepted::SeeHandle) | Err(_) => Ok(self.decoded::<F, A, M>(handle)),
            },
        }
    }

    /// Submits a job under a key, once: a job of the same key that waits, runs, or whose outcome is
    /// kept is not run again, and the handle gets its outcome. Returns the id of the job, too,
    /// which is made of the key alone.
    ///
    /// So a program that was killed may submit the same again when it is started anew. The key has
    /// 1 to 256 bytes; any text may be one. It is one key for all jobs of the
    /// [namespace](crate::Builder::namespace).
    ///
    /// # Blocking
    ///
    /// Blocks as [`submit`](Self::submit) does.
    ///
    /// # Errors
    ///
    /// Those of [`submit`](Self::submit), by the handle. It is also refused if the key is that of
    /// another job.
    ///
    /// # Panics
    ///
    /// Panics if the key is empty or longer than 256 bytes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn charge(cents: u64) -> String { format!("{cents}") }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("charge", charge))?;
    /// let (id, receipt) = executor.submit_keyed("invoice 4711", charge, 99);
    /// let (same, again) = executor.submit_keyed("invoice 4711", charge, 99);
    /// assert_eq!(id, same);
    /// assert_eq!(receipt.join()?, again.join()?); // charged once
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_keyed<F, A, M>(
        &self,
        key: &str,
        function: F,
        arguments: A,
    ) -> (JobId, JoinHandle<F::Output>)
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let id = match JobId::of_key(key) {
            Ok(id) => id,
            Err(error) => panic!("{error}"),
        };
        let prepared = self.prepare(function, &arguments);
        let handle = self.submit_as::<F, A, M>(Some(id.clone()), prepared);
        (id, handle)
    }

    /// Returns a handle to the outcome of a job that was submitted before, by this program or
    /// another one, also if that has ended since.
    ///
    /// `function` is the one that was submitted. The outcome may be there already: it is kept for
    /// [`keep_results`](crate::Builder::keep_results), an hour by default. Several handles to one
    /// job get the same outcome, and each can cancel the job.
    ///
    /// # Errors
    ///
    /// The call itself never fails. The handle is refused if the server knows neither the job nor
    /// its outcome, or if the id belongs to another job; otherwise it returns what the handle of
    /// the submission would have returned.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{JobId, Jobs, NatsExecutor};
    /// # fn charge(cents: u64) -> String { format!("{cents}") }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("charge", charge))?;
    /// let id: JobId = std::fs::read_to_string("job")?.parse()?;
    /// println!("{}", executor.resume(charge, &id).join()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the result is lost"]
    pub fn resume<F, A, M>(&self, function: F, id: &JobId) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let job = match self.shared.jobs.name_of(function) {
            Ok(job) => job,
            Err(error) => {
                return failed(JoinError::refused(error).with_task_name(type_name::<F>()));
            }
        };
        let entered = self.shared.enter(id, job, false, self.view.token.as_ref());
        let (handle, is_new) = match entered {
            Ok(entered) => entered,
            Err(error) => return failed(of_entry(error, job)),
        };
        if is_new {
            let (shared, id) = (Arc::clone(&self.shared), id.clone());
            self.shared.spawn(async move {
                shared.listen_to(&id).await;
                shared
                    .look(
                        &id,
                        "the server knows neither the job nor its outcome: the id is wrong, \
                                or the job has ended and its outcome is no longer kept",
                    )
                    .await;
            });
        }
        self.decoded::<F, A, M>(handle)
    }

    /// Has the thread that takes the outcome decode it.
    fn decoded<F, A, M>(&self, handle: JoinHandle<Outcome>) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
    {
        let jobs = self.shared.jobs.clone();
        handle.then(move |outcome| {
            let name = || {
                let name = jobs.name_of_type(TypeId::of::<F>());
                name.unwrap_or(type_name::<F>())
            };
            let body = outcome.map_err(|error| error.with_task_name(name()))?;
            decode(&body).map_err(|error| {
                let lost = Lost::new("its result", format!("cannot be decoded: {error}"));
                JoinError::lost(lost).with_task_name(name())
            })
        })
    }
}

/// Observing.
impl NatsRef {
    /// Returns the dead letters: jobs that were lost, with all attempts used up, and jobs that no
    /// worker could call. Each is kept for 7 days, unless it is sent again or discarded.
    ///
    /// # Blocking
    ///
    /// Each step of the iterator blocks until the server has answered.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// for letter in executor.dead_letters() {
    ///     let letter = letter?;
    ///     eprintln!("{} {}: {}", letter.name(), letter.id(), letter.why());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(&self.shared)
    }

    /// Returns counts of events, and of what there is now.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit(square, 3);
    /// println!("{} jobs have not ended", executor.metrics().pending);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> NatsMetrics {
        let shared = &self.shared;
        shared.counts.snapshot(shared.count_pending())
    }

    /// Returns `true` if the executor was shut down.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// assert!(!executor.is_shutdown());
    /// executor.shutdown();
    /// assert!(executor.is_shutdown());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_shutdown(&self) -> bool {
        self.shared.is_closed()
    }

    /// Returns a further reference. That of a [`NatsExecutor`](crate::NatsExecutor) does not own
    /// the connection.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let reference = executor.handle(); // for another thread
    /// let nine = std::thread::spawn(move || reference.submit(square, 3).join());
    /// assert_eq!(nine.join().unwrap()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Self {
        self.clone()
    }

    pub(crate) fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("pending", &self.shared.count_pending())
            .field("is_shutdown", &self.is_shutdown())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NatsRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("NatsRef", f)
    }
}

impl Sealed for NatsRef {}

impl JobExecutor for NatsRef {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit(function, arguments)
    }
}

fn of_entry(error: NotEntered, job: &'static str) -> JoinError {
    let error = match error {
        NotEntered::Closed => JoinError::cancelled(CancelReason::Shutdown),
        NotEntered::OtherJob(other) => JoinError::refused(format!(
            "this id belongs to a job `{other}`, not to `{job}`"
        )),
    };
    error.with_task_name(job)
}

fn reason(error: &TryAcquireError) -> CancelReason {
    match error {
        TryAcquireError::Closed => CancelReason::Shutdown,
        _ => CancelReason::Rejected,
    }
}

/// Returns a handle to an error.
fn failed<T: Send + 'static>(error: JoinError) -> JoinHandle<T> {
    let (promise, handle) = promise();
    // Nobody else has the handle yet, so it is not cancelled.
    let _ = promise.fail(error);
    handle
}
