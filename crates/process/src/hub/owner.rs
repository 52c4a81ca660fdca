//! `Hub`: the owner of processes.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use workmill::{Group, PoolRef, ThreadPoolExecutor};
use workmill_jobs::{Job, Jobs, Sendable};

use super::HubRef;
use super::process::ProcessHandle;
use crate::builder::{Builder, Config};
use crate::job::{Limits, Running};
use crate::pool::{Own, Shared};
use crate::reference::failed;

/// The number of processes that there may be at a time: more than any system has.
const PROCESSES: usize = 1 << 24;

/// Makes objects that processes share, and starts processes that are nobody's pool.
///
/// It dereferences to its [`HubRef`], which makes the objects. Clones own the hub together.
///
/// A hub is for programs that are a few processes which talk to each other, as those are that use
/// Python's `multiprocessing.Process`. Many jobs belong into a
/// [`ProcessPoolExecutor`](crate::ProcessPoolExecutor), whose processes are used again, and which
/// has a hub of its own.
///
/// # Dropping
///
/// The drop of the last owner blocks until all processes have ended, except the daemons, which it
/// kills then: this is what Python does at the end of its main module. While a panic unwinds, all
/// are killed. In a callback that a thread of the hub calls, it does not wait.
///
/// When the parent dies all of them end, however it dies.
///
/// # Examples
///
/// ```
/// use workmill_process::{Hub, Jobs};
///
/// fn greet(name: String) -> String {
///     format!("hello {name}")
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("greet", greet)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs()); // in a process of the hub: serves
///     let hub = Hub::new(jobs())?;
///     let process = hub.spawn(greet, "bob".to_owned());
///     assert_eq!(process.join()?, "hello bob");
///     Ok(())
/// }
/// ```
#[doc(alias = "Manager")]
#[doc(alias = "Process")]
#[derive(Clone)]
pub struct Hub {
    owner: Arc<Owner>,
}

struct Owner {
    reference: HubRef,
    shared: Arc<Shared>,
    drivers: ThreadPoolExecutor,
    processes: Group,
    daemons: Group,
    spawned: AtomicU64,
    /// The process that built it: a child of a fork has none of its threads.
    process: u32,
}

impl Hub {
    /// Builds a hub whose processes know these jobs. They must be those that the program gives to
    /// [`serve_if_worker`](crate::serve_if_worker).
    /// [`Builder::build_hub`] builds one with other settings.
    ///
    /// # Errors
    ///
    /// Those of `build_hub`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// fn jobs() -> Jobs {
    ///     Jobs::new().with("square", square)
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     serve_if_worker(jobs());
    ///     let hub = Hub::new(jobs())?;
    ///     assert_eq!(hub.spawn(square, 3).join()?, 9);
    ///     Ok(())
    /// }
    /// ```
    pub fn new(jobs: Jobs) -> io::Result<Self> {
        Builder::new(jobs).build_hub()
    }

    pub(crate) fn start(config: Config) -> io::Result<Self> {
        let drivers = workmill::Builder::new()
            // As in a process pool: with one, what is spawned first is started first.
            .threads(1)
            .max_spare_threads(512)
            .thread_name(|index| format!("workmill-hub-{index}"))
            .build()?;
        let reference = HubRef::new(&config.objects);
        let shared = Arc::new(Shared::new(config));
        shared.begin(drivers.handle());
        Ok(Self {
            owner: Arc::new(Owner {
                reference,
                shared,
                processes: drivers.limited(PROCESSES),
                daemons: drivers.limited(PROCESSES),
                drivers,
                spawned: AtomicU64::new(0),
                process: process::id(),
            }),
        })
    }

    /// Starts a process that calls a function and ends. The arguments are encoded on this thread.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// The call itself never fails. The handle returns why the process could not be started, and
    /// all else that [`ProcessPoolRef::submit`](crate::ProcessPoolRef::submit) tells.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.spawn(square, 3);
    /// assert_eq!(process.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "Process")]
    #[doc(alias = "start")]
    pub fn spawn<F, A, M>(&self, function: F, arguments: A) -> ProcessHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.spawner().spawn(function, arguments)
    }

    fn spawner(&self) -> Spawner<'_> {
        Spawner {
            owner: &self.owner,
            name: None,
            is_daemon: false,
        }
    }

    /// Returns what starts a process with a name, which it knows by
    /// [`current_process`](super::current_process).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.named("squarer").spawn(square, 3);
    /// assert_eq!(process.name(), "squarer");
    /// assert_eq!(process.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(&self, name: &str) -> Spawner<'_> {
        self.spawner().named(name)
    }

    /// Returns what starts a process as a daemon: the hub does not wait for it, but kills it when
    /// all others have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let daemon = hub.daemon().spawn(hang, ());
    /// hub.shutdown(); // does not wait for it
    /// assert!(daemon.join().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn daemon(&self) -> Spawner<'_> {
        self.spawner().daemon()
    }

    /// Refuses to start processes from now on, waits for those that there are, and then kills the
    /// daemons. Objects of the hub can still be used.
    ///
    /// # Blocking
    ///
    /// Blocks until all processes have ended and were reaped. Does not wait in a callback that a
    /// thread of the hub calls.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.spawn(square, 3);
    /// hub.shutdown();
    /// assert!(process.is_finished());
    /// assert!(hub.spawn(square, 3).join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self) {
        self.owner.shutdown();
    }

    /// Refuses to start processes from now on, kills all that there are, and returns the number of
    /// them. Does not wait: call [`shutdown`](Self::shutdown) for that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let hanging = hub.spawn(hang, ());
    /// assert_eq!(hub.shutdown_now(), 1);
    /// assert!(hanging.join().is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_now(&self) -> usize {
        let owner = &self.owner;
        match owner.is_forked() {
            true => 0,
            false => owner.processes.shutdown_now() + owner.daemons.shutdown_now(),
        }
    }
}

/// Starts processes with a name, or as daemons. Returned by [`Hub::named`] and [`Hub::daemon`].
///
/// # Examples
///
/// ```
/// use workmill_process::{Hub, Jobs};
///
/// fn watch() {
///     loop {
///         std::thread::park();
///     }
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("watch", watch)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let watcher = hub.named("watcher").daemon().spawn(watch, ());
///     assert_eq!((watcher.name(), watcher.is_daemon()), ("watcher", true));
///     Ok(()) // the drop of the hub ends it
/// }
/// ```
#[derive(Clone)]
#[must_use = "it starts nothing until `spawn` is called"]
pub struct Spawner<'a> {
    owner: &'a Arc<Owner>,
    name: Option<String>,
    is_daemon: bool,
}

impl Spawner<'_> {
    /// Sets the name of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.daemon().named("squarer").spawn(square, 3);
    /// assert_eq!((process.name(), process.is_daemon()), ("squarer", true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Has the hub not wait for the process, but kill it when all others have ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let watcher = hub.named("watcher").daemon().spawn(hang, ());
    /// assert!(watcher.is_daemon()); // so the drop of the hub kills it
    /// # Ok(())
    /// # }
    /// ```
    pub fn daemon(mut self) -> Self {
        self.is_daemon = true;
        self
    }

    /// Starts a process: [`Hub::spawn`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let squarer = hub.named("squarer"); // starts any number of them
    /// let handles = [2, 3].map(|n| squarer.clone().spawn(square, n));
    /// assert_eq!(handles.map(|handle| handle.join().ok()), [Some(4), Some(9)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn<F, A, M>(self, function: F, arguments: A) -> ProcessHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        let owner = self.owner;
        // ORDERING: Relaxed: only the number counts, and each caller gets another.
        let number = owner.spawned.fetch_add(1, Ordering::Relaxed) + 1;
        let name = self.name.unwrap_or_else(|| format!("process-{number}"));
        let own = Arc::new(Own::new(name));
        let shared = &owner.shared;
        let result = match shared.prepare(function, &arguments, Limits::default()) {
            Err(error) => {
                own.never_started();
                failed(error)
            }
            Ok(mut job) => {
                job.own = Some(Arc::clone(&own));
                let group = match self.is_daemon {
                    true => &owner.daemons,
                    false => &owner.processes,
                };
                shared.decoded::<F, A, M>(group.spawn(Running::new(shared, job)))
            }
        };
        ProcessHandle {
            result,
            own,
            shared: Arc::clone(shared),
            is_daemon: self.is_daemon,
        }
    }
}

impl fmt::Debug for Spawner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner")
            .field("name", &self.name)
            .field("is_daemon", &self.is_daemon)
            .finish_non_exhaustive()
    }
}

impl Owner {
    fn is_forked(&self) -> bool {
        process::id() != self.process
    }

    /// Returns `true` in a callback that a thread of the hub calls.
    fn must_not_wait(&self) -> bool {
        let drivers: &PoolRef = &self.drivers;
        drivers.wait_terminated_timeout(Duration::ZERO).is_err()
    }

    fn shutdown(&self) {
        if self.is_forked() {
            return;
        }
        if self.must_not_wait() {
            return self.end_in_background();
        }
        self.processes.shutdown();
        self.daemons.shutdown_now();
        self.daemons.shutdown();
        self.shared.close();
        self.drivers.shutdown();
    }

    fn end_in_background(&self) {
        self.processes.shutdown_timeout(Duration::ZERO);
        let (processes, daemons) = (self.processes.clone(), self.daemons.clone());
        let shared = Arc::clone(&self.shared);
        // A task of the drivers' pool, which keeps it from ending before that.
        let end = async move {
            processes.shutdown_async().await;
            daemons.shutdown_now();
            daemons.shutdown_async().await;
            shared.close();
        };
        drop(self.drivers.spawn(end));
        self.drivers.shutdown_background();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        if std::thread::panicking() {
            self.processes.shutdown_now();
        }
        self.shutdown();
    }
}

impl Deref for Hub {
    type Target = HubRef;

    fn deref(&self) -> &HubRef {
        &self.owner.reference
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("processes", &self.owner.shared.snapshot().processes)
            .finish_non_exhaustive()
    }
}
