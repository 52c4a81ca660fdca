//! The owner of a connection that submits jobs.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use workmill::{CancelReason, DropBehavior, JoinHandle, Overflow, ThreadPoolExecutor, promise};
use workmill_jobs::executors::Sealed;
use workmill_jobs::{Job, JobExecutor, Jobs, Sendable};

use crate::error::{NatsError, NatsErrorKind, StillBusy};
use crate::link::{Link, Runtime};
use crate::reference::NatsRef;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::view::View;

/// An executor whose jobs run on other machines: those that [serve](crate::serve()).
///
/// It has the face of a [`ThreadPoolExecutor`], with a function and its arguments in place of a
/// closure, and returns the same handles. A NATS server carries the jobs, and keeps them until they
/// have ended. Dereferences to its [`NatsRef`], which has the methods that submit and observe.
/// Clones own the connection together. [The crate's first page](crate) says what is promised.
///
/// # Dropping
///
/// The drop of the last owner shuts the executor down: it blocks until the accepted jobs have
/// ended, unless [`Builder::on_drop`] says otherwise. While a panic unwinds it does not wait; the
/// jobs are with the server, and go on.
///
/// # Examples
///
/// ```no_run
/// use workmill_nats::{Jobs, NatsExecutor};
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
/// let nine = executor.submit(square, 3);
/// assert_eq!(nine.join()?, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct NatsExecutor {
    owner: Arc<Owner>,
}

struct Owner {
    reference: NatsRef,
    on_drop: DropBehavior,
    is_in_background: AtomicBool,
    /// None: the connection is closed.
    runtime: Mutex<Option<Runtime>>,
    callbacks: ThreadPoolExecutor,
}

/// Configures an executor.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use workmill_nats::{Builder, Jobs};
///
/// let executor = Builder::new("nats://queue.example.org", Jobs::new())
///     .namespace("mill")
///     .queue_capacity(10_000)
///     .keep_results(Duration::from_secs(24 * 60 * 60))
///     .retries(2)
///     .connect()?;
/// # Ok::<(), workmill_nats::NatsError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `connect` is called"]
pub struct Builder {
    settings: Settings,
    jobs: Jobs,
    overflow: Overflow,
    on_drop: DropBehavior,
    retries: u32,
}

impl Builder {
    /// Creates a builder with the defaults, of an executor that has these jobs.
    ///
    /// The address is that of the NATS server, such as `localhost`,
    /// `nats://user:password@host:4222` or `tls://host`; several are separated by commas.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // With the servers of a cluster, and the jobs that will be submitted.
    /// let builder = Builder::new("nats://one.example.org,nats://two.example.org", Jobs::new());
    /// let executor = builder.connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(url: &str, jobs: Jobs) -> Self {
        Self {
            settings: Settings::new(url),
            jobs,
            overflow: Overflow::default(),
            on_drop: DropBehavior::default(),
            retries: 0,
        }
    }

    /// Sets the namespace; `workmill` by default. Executors and workers of one namespace have
    /// their jobs, keys and dead letters in common, and know nothing of another one's. It is made
    /// of ASCII letters, digits, `-` and `_`.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::{Builder, Jobs, NatsErrorKind};
    ///
    /// let builder = Builder::new("localhost", Jobs::new()).namespace("mill-2");
    /// // A namespace is a part of the names of subjects, so it can have no spaces and no dots.
    /// let error = builder.namespace("mill 2").connect().unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Settings);
    /// ```
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.settings.namespace = namespace.to_owned();
        self
    }

    /// Sets a name by which the server lists the connection. By default there is none.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // Listed by `nats server report connections`.
    /// let executor = Builder::new("localhost", Jobs::new()).name("shop").connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.settings.name = Some(name.to_owned());
        self
    }

    /// Limits the number of jobs in the queue on the server, those of other executors and those
    /// that run included. By default there is no limit.
    ///
    /// It is a setting of the stream. The first one that sets it prevails.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::workmill::Overflow;
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // Refuses jobs while 10,000 have not ended.
    /// let builder = Builder::new("localhost", Jobs::new()).queue_capacity(10_000);
    /// let executor = builder.overflow(Overflow::Reject).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_capacity(mut self, jobs: u64) -> Self {
        self.settings.queue_capacity = Some(jobs);
        self
    }

    /// Limits the number of bytes of the jobs in the queue on the server, large arguments not
    /// counted. By default there is no limit.
    ///
    /// Without one, jobs that wait may fill the server's store. Then neither outcomes nor cancels
    /// can be stored, and nothing goes on until somebody makes room, though nothing is lost. It is
    /// a setting of the stream. The first one that sets it prevails.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // Leaves room for outcomes on a disk of 10 GB.
    /// let executor = Builder::new("localhost", Jobs::new()).queue_bytes(8 << 30).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn queue_bytes(mut self, bytes: u64) -> Self {
        self.settings.queue_bytes = Some(bytes);
        self
    }

    /// Sets what becomes of a job that finds the queue full. By default it waits, as does its
    /// submitter if 256 jobs wait already. [`Overflow::CallerRuns`] is taken for
    /// [`Overflow::Block`]: the job cannot run here. [`Overflow::DropOldest`] is refused: the
    /// server would not say whose job it dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::workmill::Overflow;
    /// use workmill_nats::{Builder, Jobs, NatsErrorKind};
    ///
    /// let builder = Builder::new("localhost", Jobs::new()).overflow(Overflow::Reject);
    /// // Nobody would hear of the job that the server drops.
    /// let error = builder.overflow(Overflow::DropOldest).connect().unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Settings);
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the time for which outcomes are kept on the server; an hour by default, and 100 ms at
    /// least. As long are keys known. A handle that is cut off from the server for longer than this
    /// may resolve to lost, as its outcome is gone.
    ///
    /// It is a setting of the stream. The first one that sets it to something else than the default
    /// prevails.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill_nats::{Builder, Jobs, NatsErrorKind};
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// let builder = Builder::new("localhost", Jobs::new()).keep_results(DAY);
    /// let error = builder.keep_results(Duration::from_millis(1)).connect().unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Settings); // handles could miss their outcomes
    /// ```
    pub fn keep_results(mut self, time: Duration) -> Self {
        self.settings.keep_results = Some(time);
        self
    }

    /// Sets the number of servers of a cluster that keep the jobs. By default it is 1.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // Three servers of the cluster keep each job: one of them may burn down.
    /// let executor = Builder::new("nats://one.example.org", Jobs::new()).replicas(3).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.settings.replicas = Some(replicas);
        self
    }

    /// Sets how often a job begins anew when the worker that runs it gives no sign for longer than
    /// the lease. By default it does not: it begins once, and is lost then.
    ///
    /// With `n` retries it begins at most `n + 1` times, possibly twice at the same time: a worker
    /// that is only cut off goes on with it. So the job must be one that can be done twice;
    /// [`current_job`](crate::current_job) knows the attempt, and a key that is the same for each.
    /// It can be set for some jobs: [`NatsRef::retries`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // Jobs that are harmless when they are done twice.
    /// let executor = Builder::new("localhost", Jobs::new()).retries(2).connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets what the drop of the last [`NatsExecutor`] does. By default it waits for the accepted
    /// jobs. [`DropBehavior::Cancel`] cancels those that have not begun, asks the others to end,
    /// and waits. [`DropBehavior::Detach`] does not wait: the jobs are with the server, and go on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::workmill::DropBehavior;
    /// use workmill_nats::{Builder, Jobs};
    ///
    /// // The end of the program does not wait: workers do the jobs later.
    /// let builder = Builder::new("localhost", Jobs::new()).on_drop(DropBehavior::Detach);
    /// let executor = builder.connect()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_drop(mut self, behavior: DropBehavior) -> Self {
        self.on_drop = behavior;
        self
    }

    /// Connects to the server, and makes what is needed there if it is not there.
    ///
    /// # Blocking
    ///
    /// Blocks until the server has answered, for some seconds at most.
    ///
    /// # Errors
    ///
    /// [`NatsError`], if the server cannot be reached or has no JetStream, or its streams have
    /// other settings, or the settings make no sense. Once connected, the executor connects anew
    /// by itself, for as long as it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::{Builder, Jobs, NatsErrorKind};
    ///
    /// // Returns an error if the first connection fails; later ones it makes anew by itself.
    /// let error = Builder::new("nats://127.0.0.1:1", Jobs::new()).connect().unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Connect);
    /// ```
    pub fn connect(self) -> Result<NatsExecutor, NatsError> {
        block(self.begin()?)
    }

    /// Connects to the server, without blocking the thread. It needs no runtime.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::workmill::block_on; // or any runtime
    /// use workmill_nats::{Builder, Jobs, NatsErrorKind};
    ///
    /// let connecting = Builder::new("nats://127.0.0.1:1", Jobs::new()).connect_async();
    /// assert_eq!(block_on(connecting).unwrap_err().kind(), NatsErrorKind::Connect);
    /// ```
    pub async fn connect_async(self) -> Result<NatsExecutor, NatsError> {
        let connected = self.begin()?;
        connected.await.unwrap_or_else(|_| Err(no_thread()))
    }

    fn begin(self) -> Result<JoinHandle<Result<NatsExecutor, NatsError>>, NatsError> {
        self.settings.check()?;
        let overflow = match self.overflow {
            Overflow::CallerRuns => Overflow::Block,
            Overflow::DropOldest => {
                return Err(NatsError::new(
                    NatsErrorKind::Settings,
                    "a queue on a server cannot drop the oldest job: nobody would hear of it",
                ));
            }
            overflow => overflow,
        };
        let runtime = Runtime::start("workmill-nats")?;
        let callbacks = workmill::Builder::new()
            .threads(1)
            .thread_name(|index| format!("workmill-nats-{index}"))
            .build()
            .map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))?;
        let (promise, connected) = promise();
        let handle = runtime.handle().clone();
        let (settings, jobs) = (self.settings, self.jobs);
        let pool = callbacks.handle();
        handle.clone().spawn(async move {
            let opened = async {
                let link = Link::open(&settings).await?;
                let shared = Arc::new(Shared::new(link, jobs, overflow, pool, handle));
                // Before the first job is sent.
                let marks = shared.subscribe_own().await?;
                shared.spawn(Arc::clone(&shared).listen(marks));
                shared.spawn(Arc::clone(&shared).send_leaving());
                Ok(shared)
            };
            let _ = promise.complete(opened.await);
        });
        let view = View::with_retries(self.retries);
        let on_drop = self.on_drop;
        // Made by whoever takes the outcome, not by the thread of the runtime.
        Ok(connected.map(move |opened| {
            let shared = opened?;
            Ok(NatsExecutor {
                owner: Arc::new(Owner {
                    reference: NatsRef::new(shared, view),
                    on_drop,
                    is_in_background: AtomicBool::new(false),
                    runtime: Mutex::new(Some(runtime)),
                    callbacks,
                }),
            })
        }))
    }
}

fn block<T>(connected: JoinHandle<Result<T, NatsError>>) -> Result<T, NatsError> {
    connected.join().unwrap_or_else(|_| Err(no_thread()))
}

fn no_thread() -> NatsError {
    NatsError::new(NatsErrorKind::Refused, "the connection's thread has ended")
}

impl NatsExecutor {
    /// Connects to a server, with the defaults of [`Builder`].
    ///
    /// # Blocking
    ///
    /// Blocks until the server has answered, for some seconds at most.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, NatsExecutor};
    ///
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// assert_eq!(executor.submit(square, 3).join()?, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect(url: &str, jobs: Jobs) -> Result<Self, NatsError> {
        Builder::new(url, jobs).connect()
    }

    /// Connects to a server, with the defaults of [`Builder`], without blocking the thread. It
    /// needs no runtime.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::workmill::block_on; // or any runtime
    /// use workmill_nats::{Jobs, NatsErrorKind, NatsExecutor};
    ///
    /// let connecting = NatsExecutor::connect_async("nats://127.0.0.1:1", Jobs::new());
    /// assert_eq!(block_on(connecting).unwrap_err().kind(), NatsErrorKind::Connect);
    /// ```
    pub async fn connect_async(url: &str, jobs: Jobs) -> Result<Self, NatsError> {
        Builder::new(url, jobs).connect_async().await
    }

    /// Shuts the executor down: refuses new jobs, waits for the outcomes of the accepted ones, and
    /// closes the connection. It waits for jobs whose handles were dropped, too.
    ///
    /// # Blocking
    ///
    /// Blocks until every job of this executor has ended, however long the workers or the server
    /// are away: see [`shutdown_timeout`](Self::shutdown_timeout).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit(square, 3);
    /// executor.shutdown();
    /// assert!(handle.is_finished());
    /// assert!(executor.submit(square, 3).join().unwrap_err().is_cancelled()); // refused
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "close")]
    pub fn shutdown(&self) {
        let owner = &self.owner;
        owner.shared().close();
        owner.shared().idle.wait();
        owner.disconnect();
    }

    /// Shuts the executor down, and waits, but no longer than `timeout`. When the time is over
    /// nothing is cancelled, and handles still get their outcomes.
    ///
    /// # Blocking
    ///
    /// Blocks until every job of this executor has ended, or the time is over. [`Duration::ZERO`]
    /// checks once.
    ///
    /// # Errors
    ///
    /// [`StillBusy`], which names the jobs that have not ended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use std::time::Duration;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit(square, 3);
    /// match executor.shutdown_timeout(Duration::from_secs(10)) {
    ///     Ok(()) => assert!(handle.is_finished()),
    ///     Err(busy) => eprintln!("{busy}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillBusy> {
        let owner = &self.owner;
        owner.shared().close();
        let began = Instant::now();
        if owner.shared().idle.wait_timeout(timeout) {
            owner.disconnect();
            return Ok(());
        }
        Err(StillBusy {
            what: "jobs have not ended",
            jobs: owner.shared().pending(),
            after: began.elapsed(),
        })
    }

    /// Shuts the executor down, and waits without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. New jobs are refused if the future has been polled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit(square, 3);
    /// workmill_nats::workmill::block_on(executor.shutdown_async());
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown_async(&self) {
        let owner = &self.owner;
        owner.shared().close();
        owner.shared().idle.wait_async().await;
        owner.disconnect();
    }

    /// Refuses new jobs, and leaves the accepted ones to the server. Does not wait, and the drop of
    /// the last owner does not wait either: a handle whose outcome has not come by then returns an
    /// error that [`is_lost`](workmill::JoinError::is_lost), and
    /// [`resume`](NatsRef::resume) gets the outcome later.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let (id, _handle) = executor.submit_keyed("field 7", square, 3);
    /// executor.shutdown_background(); // the program may end now
    /// println!("{id} is done by a worker, and can be resumed");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_background(&self) {
        // ORDERING: Relaxed: the drop of the last owner is ordered by its count.
        self.owner.is_in_background.store(true, Ordering::Relaxed);
        self.owner.shared().close();
    }

    /// Refuses new jobs, and cancels all that have not ended, as by [`JoinHandle::cancel`]: those
    /// that no worker has begun never run, and the others are asked to end. Returns the number of
    /// them. Does not wait: call [`shutdown`](Self::shutdown) afterwards.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handles = [1, 2, 3].map(|n| executor.submit(square, n));
    /// println!("{} jobs are cancelled, or asked to end", executor.shutdown_now());
    /// executor.shutdown(); // waits for those that had begun
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_now(&self) -> usize {
        self.owner.cancel_all()
    }
}

impl Owner {
    fn shared(&self) -> &Arc<Shared> {
        &self.reference.shared
    }

    fn cancel_all(&self) -> usize {
        let shared = self.shared();
        shared.close();
        let ids = shared.ids();
        for id in &ids {
            shared.withdraw(id, CancelReason::Cancelled);
        }
        ids.len()
    }

    /// Closes the connection, and answers what has no answer.
    fn disconnect(&self) {
        let runtime = {
            let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.take()
        };
        drop(runtime);
        self.shared().abandon();
        // Its thread gives the last answers.
        self.callbacks.shutdown();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let shared = Arc::clone(self.shared());
        shared.close();
        let is_in_background = *self.is_in_background.get_mut() || std::thread::panicking();
        match self.on_drop {
            _ if is_in_background => {}
            DropBehavior::Detach => {}
            DropBehavior::Cancel => {
                self.cancel_all();
                shared.idle.wait();
            }
            _ => shared.idle.wait(),
        }
        self.disconnect();
    }
}

impl Deref for NatsExecutor {
    type Target = NatsRef;

    fn deref(&self) -> &NatsRef {
        &self.owner.reference
    }
}

impl fmt::Debug for NatsExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.reference.describe("NatsExecutor", f)
    }
}

impl Sealed for NatsExecutor {}

impl JobExecutor for NatsExecutor {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit(function, arguments)
    }
}
