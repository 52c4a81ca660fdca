//! Programs that run jobs for others.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use workmill::{JoinHandle, ThreadPoolExecutor, promise};
use workmill_jobs::Jobs;

use crate::error::{NatsError, NatsErrorKind, StillBusy};
use crate::link::{Link, Runtime, random};
use crate::metrics::ServerMetrics;
use crate::settings::Settings;
use crate::streams;
use crate::worker::{Worker, fetch};

/// Connects to a NATS server, and runs jobs that executors submit there, on that many threads, with
/// the defaults of [`ServerBuilder`].
///
/// Returns at once; the jobs run in the background until the [`Server`] is shut down or dropped.
///
/// # Blocking
///
/// Blocks until the NATS server has answered, for some seconds at most.
///
/// # Errors
///
/// Those of [`ServerBuilder::serve`].
///
/// # Examples
///
/// ```no_run
/// use workmill_nats::Jobs;
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("square", square)
/// }
///
/// let server = workmill_nats::serve(jobs(), "nats://queue.example.org", 4)?;
/// server.wait(); // until another thread shuts it down, here never
/// # Ok::<(), workmill_nats::NatsError>(())
/// ```
pub fn serve(jobs: Jobs, url: &str, threads: usize) -> Result<Server, NatsError> {
    ServerBuilder::new(jobs).threads(threads).serve(url)
}

/// Configures a [`Server`].
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use workmill_nats::{Jobs, ServerBuilder};
///
/// let server = ServerBuilder::new(Jobs::new())
///     .threads(8)
///     .namespace("mill")
///     .lease(Duration::from_secs(10))
///     .serve("localhost")?;
/// # Ok::<(), workmill_nats::NatsError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `serve` is called"]
pub struct ServerBuilder {
    settings: Settings,
    jobs: Jobs,
    threads: usize,
}

impl ServerBuilder {
    /// Creates a builder with the defaults, of a server that runs these jobs. Those that it does
    /// not know it leaves to others.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, ServerBuilder};
    ///
    /// fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// let server = ServerBuilder::new(Jobs::new().with("square", square)).serve("localhost")?;
    /// server.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(jobs: Jobs) -> Self {
        Self {
            settings: Settings::new(""),
            jobs,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    /// Sets the number of jobs that run at a time. By default, one for each processor. They are
    /// tasks of a workmill pool: what a job submits to [`workmill::current`] runs there as well,
    /// and a job that waits gives its slot to another task.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::{Jobs, NatsErrorKind, ServerBuilder};
    ///
    /// let builder = ServerBuilder::new(Jobs::new()).threads(8); // eight jobs at a time
    /// let error = builder.threads(0).serve("localhost").unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Settings);
    /// ```
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the namespace: [`Builder::namespace`](crate::Builder::namespace).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, ServerBuilder};
    ///
    /// // Takes the jobs of executors in the same namespace, and of no others.
    /// let server = ServerBuilder::new(Jobs::new()).namespace("mill-2").serve("localhost")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.settings.namespace = namespace.to_owned();
        self
    }

    /// Sets the name of the server in errors. It becomes longer by a word that no other server has.
    /// By default it is `worker`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, ServerBuilder};
    ///
    /// let server = ServerBuilder::new(Jobs::new()).name("rack-3").serve("localhost")?;
    /// assert!(server.name().starts_with("rack-3-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: &str) -> Self {
        self.settings.name = Some(name.to_owned());
        self
    }

    /// Sets the time after which a job is handed on, or is lost, if its server gives no sign; 30
    /// seconds by default, and 100 ms at least. A server gives one each third of it.
    ///
    /// It is a setting of the queue. The first one that sets it to something else than the default
    /// prevails.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill_nats::{Jobs, NatsErrorKind, ServerBuilder};
    ///
    /// let builder = ServerBuilder::new(Jobs::new()).lease(Duration::from_secs(10));
    /// let error = builder.lease(Duration::from_millis(1)).serve("localhost").unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Settings); // too short for a sign of life
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = Some(lease);
        self
    }

    /// Sets the time for which outcomes are kept: [`Builder::keep_results`].
    ///
    /// [`Builder::keep_results`]: crate::Builder::keep_results
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use workmill_nats::{Jobs, ServerBuilder};
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// // The same as that of the executors: the first that comes makes the streams.
    /// let server = ServerBuilder::new(Jobs::new()).keep_results(DAY).serve("localhost")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_results(mut self, time: Duration) -> Self {
        self.settings.keep_results = Some(time);
        self
    }

    /// Sets the number of servers of a cluster that keep the jobs: [`Builder::replicas`].
    ///
    /// [`Builder::replicas`]: crate::Builder::replicas
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_nats::{Jobs, ServerBuilder};
    ///
    /// // The same as that of the executors: the first that comes makes the streams.
    /// let server = ServerBuilder::new(Jobs::new()).replicas(3).serve("nats://one.example.org")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.settings.replicas = Some(replicas);
        self
    }

    /// Connects to a NATS server, and serves.
    ///
    /// # Blocking
    ///
    /// Blocks until the NATS server has answered, for some seconds at most.
    ///
    /// # Errors
    ///
    /// [`NatsError`], if the NATS server cannot be reached or has no JetStream, its streams have
    /// other settings, or the settings make no sense. Once connected, the server connects anew by
    /// itself, for as long as it takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::{Jobs, NatsErrorKind, ServerBuilder};
    ///
    /// // Returns an error if the first connection fails; later ones it makes anew by itself.
    /// let error = ServerBuilder::new(Jobs::new()).serve("nats://127.0.0.1:1").unwrap_err();
    /// assert_eq!(error.kind(), NatsErrorKind::Connect);
    /// ```
    pub fn serve(self, url: &str) -> Result<Server, NatsError> {
        let served = self.begin(url)?.join();
        served.unwrap_or_else(|_| Err(no_thread()))
    }

    /// Connects to a NATS server, and serves, without blocking the thread. It needs no runtime.
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::workmill::block_on; // or any runtime
    /// use workmill_nats::{Jobs, NatsErrorKind, ServerBuilder};
    ///
    /// let serving = ServerBuilder::new(Jobs::new()).serve_async("nats://127.0.0.1:1");
    /// assert_eq!(block_on(serving).unwrap_err().kind(), NatsErrorKind::Connect);
    /// ```
    pub async fn serve_async(self, url: &str) -> Result<Server, NatsError> {
        let served = self.begin(url)?.await;
        served.unwrap_or_else(|_| Err(no_thread()))
    }

    fn begin(mut self, url: &str) -> Result<JoinHandle<Result<Server, NatsError>>, NatsError> {
        self.settings.url = url.to_owned();
        let name = self.settings.name.as_deref().unwrap_or("worker");
        let name = format!("{name}-{}", random());
        self.settings.name = Some(name.clone());
        self.settings.check()?;
        if self.threads == 0 {
            let message = "a server without threads";
            return Err(NatsError::new(NatsErrorKind::Settings, message));
        }
        let pool = |threads: usize, name: &'static str| {
            workmill::Builder::new()
                .threads(threads)
                .thread_name(move |index| format!("{name}-{index}"))
                .build()
                .map_err(|error| NatsError::new(NatsErrorKind::Refused, error.to_string()))
        };
        let runtime = Runtime::start("workmill-served")?;
        let threads = pool(self.threads, "workmill-job")?;
        let helpers = pool(1, "workmill-served")?;
        let (promise, served) = promise();
        let (settings, jobs) = (self.settings, self.jobs);
        let (for_jobs, for_helpers) = (threads.handle(), helpers.handle());
        let at_a_time = self.threads;
        runtime.handle().spawn(async move {
            let opened = async {
                let link = Link::open(&settings).await?;
                let names = link.names.clone();
                let opened = streams::consumers(&link.streams.jobs, &names, &settings).await?;
                let (consumers, lease) = opened;
                let questions = link.subscribe(names.all("ask")).await?;
                let worker = Arc::new(Worker::new(
                    link,
                    jobs,
                    name,
                    lease,
                    at_a_time,
                    for_jobs,
                    for_helpers,
                ));
                tokio::spawn(Arc::clone(&worker).answer(questions));
                tokio::spawn(Arc::clone(&worker).renew());
                tokio::spawn(Arc::clone(&worker).keep_looking());
                tokio::spawn(Arc::clone(&worker.wakers).wake());
                tokio::spawn(Arc::clone(&worker).count_connections());
                let fetching = Arc::clone(&worker);
                tokio::spawn(async move {
                    // Subscribing fails only if the connection is closed.
                    let _ = fetch(Arc::clone(&fetching), consumers).await;
                    while fetching.count_held() > 0 {
                        fetching.freed.notified().await;
                    }
                    // What was acknowledged is on its way.
                    let _ = fetching.link.client.flush().await;
                    fetching.ended.set();
                });
                Ok(worker)
            };
            let _ = promise.complete(opened.await);
        });
        Ok(served.map(move |opened: Result<Arc<Worker>, NatsError>| {
            Ok(Server {
                owner: Arc::new(Owner {
                    worker: opened?,
                    runtime: Mutex::new(Some(runtime)),
                    threads,
                    helpers,
                }),
            })
        }))
    }
}

fn no_thread() -> NatsError {
    NatsError::new(NatsErrorKind::Refused, "the connection's thread has ended")
}

/// A server of jobs: it takes them from a NATS server, and runs them on threads of this process.
/// Created by [`serve`] and [`ServerBuilder`]. Clones own it together.
///
/// # Dropping
///
/// The drop of the last owner shuts the server down: it blocks until the jobs that run have ended
/// and their outcomes are stored. While a panic unwinds it does not wait; the jobs that run are
/// handed on after the lease, or lost.
///
/// # Examples
///
/// ```no_run
/// use workmill_nats::Jobs;
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// let server = workmill_nats::serve(Jobs::new().with("square", square), "localhost", 4)?;
/// std::io::stdin().read_line(&mut String::new())?; // serves until somebody presses Enter
/// drop(server); // waits for the jobs that run
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Server {
    owner: Arc<Owner>,
}

struct Owner {
    worker: Arc<Worker>,
    /// None: the connection is closed.
    runtime: Mutex<Option<Runtime>>,
    threads: ThreadPoolExecutor,
    helpers: ThreadPoolExecutor,
}

impl Server {
    /// Returns the name of the server, which no other server has.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// assert!(server.name().starts_with("worker-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &str {
        &self.owner.worker.name
    }

    /// Blocks until the server has been shut down, by another owner.
    ///
    /// # Blocking
    ///
    /// Blocks until then: if nobody shuts it down, forever.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// let owner = server.clone();
    /// std::thread::spawn(move || {
    ///     let _ = std::io::stdin().read_line(&mut String::new());
    ///     owner.shutdown(); // which ends the wait
    /// });
    /// server.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self) {
        self.owner.worker.ended.wait();
    }

    /// Takes no more jobs, gives back those that no thread has begun, and waits until the outcomes
    /// of the others are stored. Then it closes the connection.
    ///
    /// # Blocking
    ///
    /// Blocks until then, however long the jobs run or the NATS server is away.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// server.shutdown();
    /// assert_eq!(server.metrics().held, 0); // what had begun here is done
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) {
        self.owner.worker.stop();
        self.owner.worker.ended.wait();
        self.owner.disconnect();
    }

    /// Shuts the server down, and waits, but no longer than `timeout`. When the time is over, jobs
    /// run on, and their outcomes are stored, as long as there is an owner.
    ///
    /// # Blocking
    ///
    /// Blocks until the jobs have ended, or the time is over. [`Duration::ZERO`] checks once.
    ///
    /// # Errors
    ///
    /// [`StillBusy`], which names the jobs that have not ended.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// if let Err(busy) = server.shutdown_timeout(Duration::from_secs(10)) {
    ///     eprintln!("{busy}"); // names the jobs
    ///     server.shutdown_now(); // asks them to end
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillBusy> {
        let began = Instant::now();
        self.owner.worker.stop();
        if self.owner.worker.ended.wait_timeout(timeout) {
            self.owner.disconnect();
            return Ok(());
        }
        Err(StillBusy {
            what: "jobs still run",
            jobs: self.owner.worker.busy(),
            after: began.elapsed(),
        })
    }

    /// Shuts the server down, and waits without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. The server takes no more jobs if the future has been
    /// polled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// workmill_nats::workmill::block_on(server.shutdown_async());
    /// assert_eq!(server.metrics().held, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown_async(&self) {
        self.owner.worker.stop();
        self.owner.worker.ended.wait_async().await;
        self.owner.disconnect();
    }

    /// Takes no more jobs, gives back those that no thread has begun, and asks the others to end,
    /// by [`JobContext::cancelled`](crate::JobContext::cancelled). Returns the number of jobs that
    /// it had. Does not wait: call [`shutdown`](Self::shutdown) afterwards.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// println!("{} jobs were here", server.shutdown_now());
    /// server.shutdown(); // waits for those that had begun
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_now(&self) -> usize {
        let worker = &self.owner.worker;
        worker.stop();
        worker.stop_jobs()
    }

    /// Returns counts of events, and of what there is now.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # let server = workmill_nats::serve(workmill_nats::Jobs::new(), "localhost", 4)?;
    /// assert_eq!(server.metrics().begun, 0); // nobody has submitted a job yet
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metrics(&self) -> ServerMetrics {
        let worker = &self.owner.worker;
        worker.counts.snapshot(worker.count_held())
    }
}

impl Owner {
    fn disconnect(&self) {
        let runtime = {
            let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.take()
        };
        drop(runtime);
        // Those who wait need not wait for what will not come.
        self.worker.ended.set();
        self.threads.shutdown();
        self.helpers.shutdown();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.worker.stop();
        if std::thread::panicking() {
            self.threads.shutdown_background();
        } else {
            self.worker.ended.wait();
        }
        self.disconnect();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name())
            .field("held", &self.owner.worker.count_held())
            .finish_non_exhaustive()
    }
}
