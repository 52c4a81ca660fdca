//! The settings of a pool.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use workmill::{DropBehavior, JoinError, Overflow};
use workmill_jobs::Jobs;

use crate::executor::ProcessPoolExecutor;
use crate::hooks::{Hooks, ProcessEnd};
use crate::hub::Hub;
use crate::hub::registry::Registry;
use crate::job::Limits;
use crate::sys;

/// The number of jobs that a process has: one that runs, and two that are sent ahead. With one
/// ahead, 64 empty jobs in flight took 12.5 µs each, with two 8.3, with seven 5.1; but each is a
/// job that no later one of a higher priority overtakes.
const DEPTH: usize = 3;

/// Configures a process pool.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill_process::{Builder, Jobs};
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("square", square)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let pool = Builder::new(jobs())
///         .processes(2)
///         .timeout(Duration::from_secs(60)) // for each job
///         .memory_limit(1 << 30) // for each process
///         .queue_capacity(100)
///         .build()?;
///     assert_eq!(pool.submit(square, 3).join()?, 9);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    config: Config,
    queue_capacity: Option<usize>,
    overflow: Overflow,
    on_drop: DropBehavior,
}

/// What is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    /// This program, if there is none.
    pub(crate) path: Option<PathBuf>,
    pub(crate) arguments: Vec<OsString>,
}

pub(crate) struct Config {
    pub(crate) jobs: Jobs,
    pub(crate) processes: usize,
    pub(crate) min_processes: usize,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) max_jobs_per_worker: Option<u64>,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) start_timeout: Duration,
    pub(crate) limits: Limits,
    /// The number of jobs that a process has at most.
    pub(crate) depth: usize,
    pub(crate) program: Program,
    /// The number of bytes of standard error that are kept.
    pub(crate) last_words: usize,
    pub(crate) hooks: Hooks,
    /// What its hub has made.
    pub(crate) objects: Arc<Registry>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("jobs", &self.jobs)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Creates a builder with the defaults. The pool will have these jobs, which are those that
    /// the program gives to [`serve_if_worker`](crate::serve_if_worker).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).build()?; // a process for each processor
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(jobs: Jobs) -> Self {
        let processes = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            config: Config {
                jobs,
                processes,
                min_processes: 0,
                keep_alive: None,
                max_jobs_per_worker: None,
                memory_limit: None,
                start_timeout: Duration::from_secs(30),
                limits: Limits::default(),
                depth: DEPTH,
                program: Program::default(),
                last_words: 4096,
                hooks: Hooks::default(),
                objects: Registry::new(),
            },
            queue_capacity: None,
            overflow: Overflow::default(),
            on_drop: DropBehavior::default(),
        }
    }

    /// Sets the number of worker processes that there may be: as many jobs run at a time. By
    /// default, one for each processor. They are started when there are jobs for them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).processes(2).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn processes(mut self, processes: usize) -> Self {
        self.config.processes = processes;
        self
    }

    /// Sets the number of worker processes that are started at once and replaced when they die; 0
    /// by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).processes(4).min_processes(2).build()?;
    /// assert_eq!(pool.metrics().processes, 2); // no job has been submitted yet
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn min_processes(mut self, processes: usize) -> Self {
        self.config.min_processes = processes;
        self
    }

    /// Sets the time after which a worker process that has nothing to do ends, unless there are no
    /// more than [`min_processes`](Self::min_processes). By default it stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let (tell, ended) = std::sync::mpsc::channel();
    /// let pool = Builder::new(jobs())
    ///     .keep_alive(Duration::from_millis(10))
    ///     .on_process_end(move |end| tell.send(end.is_expected).unwrap())
    ///     .build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// assert!(ended.recv()?); // it had nothing to do any more
    /// # Ok(())
    /// # }
    /// ```
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.config.keep_alive = Some(time);
        self
    }

    /// Sets the number of jobs after which a worker process is replaced by a new one, for jobs that
    /// leak. By default there is none. Python calls it `max_tasks_per_child`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// // For jobs that leak: each process is replaced after a hundred of them.
    /// let pool = Builder::new(jobs()).processes(1).max_jobs_per_worker(100).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("maxtasksperchild", "max_tasks_per_child"))]
    pub fn max_jobs_per_worker(mut self, jobs: u64) -> Self {
        self.config.max_jobs_per_worker = Some(jobs);
        self
    }

    /// Sets the address space that each worker process may have, in bytes, with all that the
    /// program itself takes there. A job that needs more aborts its process, and is lost. By
    /// default there is no limit but the parent's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).processes(1).memory_limit(4 << 30).build()?; // 4 GiB
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.config.memory_limit = Some(bytes);
        self
    }

    /// Sets the time for which a job may run. After that its process is killed, with its group, and
    /// the job is lost; it is not retried. By default there is no limit.
    ///
    /// The time counts from when the job is the only or the first one in its process. It can be
    /// set for some jobs: [`ProcessPoolRef::timeout`](crate::ProcessPoolRef::timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let pool = Builder::new(jobs()).processes(1).timeout(Duration::from_secs(10)).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, time: Duration) -> Self {
        self.config.limits.timeout = Some(time);
        self
    }

    /// Sets how often a job begins anew when the process that ran it has died. By default it
    /// does not: it begins once, and is lost then.
    ///
    /// With `n` retries it begins at most `n + 1` times. An attempt may have come to any point, so
    /// the job must be one that can be done twice;
    /// [`current_job`](crate::current_job) knows the attempt. Connections and other descriptors in
    /// its arguments stay open in this process until it has begun for the last time, so the other
    /// end of a pipe does not see its end before. It can be set for some jobs:
    /// [`ProcessPoolRef::retries`](crate::ProcessPoolRef::retries).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// // A job whose process dies begins once more, so it must be harmless to begin it twice.
    /// let pool = Builder::new(jobs()).processes(1).retries(1).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn retries(mut self, retries: u32) -> Self {
        self.config.limits.retries = retries;
        self
    }

    /// Limits the number of jobs that wait, besides those that run and those that are sent ahead,
    /// two for each process. By default any number may wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).processes(1).queue_capacity(10).build()?;
    /// let handles: Vec<_> = (0..100).map(|n| pool.submit(square, n)).collect(); // waits at times
    /// assert_eq!(handles.into_iter().filter_map(|it| it.join().ok()).sum::<u64>(), 328_350);
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_capacity(mut self, jobs: usize) -> Self {
        self.queue_capacity = Some(jobs);
        self
    }

    /// Sets what becomes of a job that is submitted while as many wait as
    /// [`queue_capacity`](Self::queue_capacity) allows. By default the submitter blocks. With
    /// [`Overflow::CallerRuns`] it blocks as well: the job cannot run here.
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
    /// use workmill_process::workmill::{CancelReason, Overflow};
    ///
    /// let pool = Builder::new(jobs())
    ///     .processes(1)
    ///     .queue_capacity(1)
    ///     .overflow(Overflow::Reject)
    ///     .build()?;
    /// let handles = [(); 9].map(|()| pool.submit(hang, ())); // more than there is room for
    /// pool.shutdown_now();
    /// let errors = handles.map(|handle| handle.join().unwrap_err());
    /// assert!(errors.iter().any(|it| it.cancel_reason() == Some(CancelReason::Rejected)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets what the drop of the last [`ProcessPoolExecutor`] does. By default it waits for the
    /// accepted jobs. [`DropBehavior::Cancel`] stops the running ones, too.
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
    /// use workmill_process::workmill::DropBehavior;
    ///
    /// let pool = Builder::new(jobs()).on_drop(DropBehavior::Cancel).build()?;
    /// let hanging = pool.submit(hang, ());
    /// drop(pool); // by default this would wait, here forever
    /// assert!(hanging.join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_drop(mut self, behavior: DropBehavior) -> Self {
        self.on_drop = behavior;
        self
    }

    /// Sets the arguments with which worker processes are started. By default there are none.
    ///
    /// They are for programs whose `main` looks at its arguments before it can call
    /// [`serve_if_worker`](crate::serve_if_worker).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("arguments", arguments) }
    /// fn arguments() -> Vec<String> {
    ///     std::env::args().skip(1).collect()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).worker_arguments(["--quiet"]).build()?;
    /// assert_eq!(pool.submit(arguments, ()).join()?, ["--quiet"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker_arguments<S: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into);
        self.config.program.arguments = arguments.collect();
        self
    }

    /// Sets the program that is started as a worker process. By default it is this program. It must
    /// call [`serve_if_worker`](crate::serve_if_worker) with the same jobs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let program = std::env::current_exe()?; // or one that serves and does nothing else
    /// let pool = Builder::new(jobs()).worker_program(program).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker_program(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.program.path = Some(path.into());
        self
    }

    /// Has worker processes run one test of a test program, which is to call
    /// [`serve_if_worker`](crate::serve_if_worker): see [the guide](crate::guide::starting).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use workmill_process::{Builder, Jobs, serve_if_worker};
    ///
    /// # mod hidden { use super::*;
    /// #[test]
    /// fn worker() {
    ///     serve_if_worker(Jobs::new());
    /// }
    ///
    /// #[test]
    /// fn a_pool_is_built() {
    ///     Builder::new(Jobs::new()).worker_test("worker").build().unwrap();
    /// }
    /// # }
    /// ```
    pub fn worker_test(self, path: &str) -> Self {
        self.worker_arguments([path, "--exact", "--nocapture", "--test-threads=1"])
    }

    /// Sets the time within which a worker process must have said that it serves. After that it is
    /// killed, which counts as a failed start. 30 s by default.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    ///
    /// let pool = Builder::new(jobs())
    ///     .worker_program("/bin/sleep") // which does not serve
    ///     .worker_arguments(["60"])
    ///     .start_timeout(Duration::from_millis(10))
    ///     .build()?;
    /// assert!(pool.submit(square, 3).join().unwrap_err().is_cancelled());
    /// println!("{}", pool.start_error().expect("it could not start any"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_timeout(mut self, time: Duration) -> Self {
        self.config.start_timeout = time;
        self
    }

    /// Sets how many bytes of the end of a process's standard error are kept for
    /// [`Lost::standard_error`](workmill::Lost::standard_error); 4,096 by default. All of it is
    /// passed on to the standard error of this process.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
    /// fn burn() {
    ///     eprintln!("it is too hot");
    ///     std::process::exit(1);
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).last_words(4).build()?;
    /// let error = pool.submit(burn, ()).join().unwrap_err();
    /// let lost = error.as_lost().expect("its process has ended");
    /// assert_eq!(lost.standard_error(), Some("hot\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn last_words(mut self, bytes: usize) -> Self {
        self.config.last_words = bytes;
        self
    }

    /// Sets a function that is called with the number of each process that serves, before its first
    /// job is answered. It should be quick: a thread of the pool that drives the processes calls
    /// it. It must not wait for a job of the pool: that may be the first of this process, which is
    /// answered after the call, and so never.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let (tell, started) = std::sync::mpsc::channel();
    /// let pool = Builder::new(jobs())
    ///     .processes(1)
    ///     .on_process_start(move |id| tell.send(id).unwrap())
    ///     .build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// assert_ne!(started.recv()?, std::process::id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_process_start(mut self, hook: impl Fn(u32) + Send + Sync + 'static) -> Self {
        self.config.hooks.start = Some(Box::new(hook));
        self
    }

    /// Sets a function that is called with the end of each process, also of one that has not
    /// served. It should be quick: a thread of the pool that drives the processes calls it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
    /// fn burn() {
    ///     std::process::exit(3);
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let (tell, ended) = std::sync::mpsc::channel();
    /// let pool = Builder::new(jobs())
    ///     .processes(1)
    ///     .on_process_end(move |end| tell.send(end.description.clone()).unwrap())
    ///     .build()?;
    /// assert!(pool.submit(burn, ()).join().unwrap_err().is_lost());
    /// println!("{}", ended.recv()?); // says that it exited, and how
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_process_end(mut self, hook: impl Fn(&ProcessEnd) + Send + Sync + 'static) -> Self {
        self.config.hooks.end = Some(Box::new(hook));
        self
    }

    /// Sets a function that is called with each error that no handle returns: those of jobs that
    /// were submitted by [`execute`](crate::ProcessPoolRef::execute), and of the runs of a series,
    /// except that they were cancelled. By default they are printed to standard error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
    /// fn burn() {
    ///     panic!("it is too hot");
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let (tell, unseen) = std::sync::mpsc::channel();
    /// let pool = Builder::new(jobs())
    ///     .on_unseen_error(move |error| tell.send(error.is_panic()).unwrap())
    ///     .build()?;
    /// pool.execute(burn, ());
    /// assert!(unseen.recv()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_unseen_error(mut self, hook: impl Fn(&JoinError) + Send + Sync + 'static) -> Self {
        self.config.hooks.unseen = Some(Box::new(hook));
        self
    }

    /// Builds the pool.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::InvalidInput`] if the number of processes, of jobs that may wait, or of
    ///   jobs for each process is 0, or if there are to be more processes at least than at most.
    /// - [`io::ErrorKind::Unsupported`] on systems other than Linux and macOS.
    /// - [`io::ErrorKind::Other`] in a worker process that does not serve yet: the program builds a
    ///   pool before it calls [`serve_if_worker`](crate::serve_if_worker). Otherwise that pool
    ///   would start processes, which would do the same, and so on. Once it serves, its jobs may
    ///   build pools.
    /// - The system's error if it fails to start a thread.
    ///
    /// That worker processes can be started is found out with the first job: its handle returns a
    /// [`StartError`](crate::StartError) if not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = Builder::new(jobs()).processes(1).build()?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> io::Result<ProcessPoolExecutor> {
        let config = &self.config;
        let invalid = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        if config.processes == 0 {
            return invalid("a process pool without processes");
        }
        if config.min_processes > config.processes {
            return invalid("more processes at least than at most");
        }
        if config.max_jobs_per_worker == Some(0) {
            return invalid("worker processes that are replaced before their first job");
        }
        if self.queue_capacity == Some(0) {
            return invalid("a process pool in which no job may wait");
        }
        may_start_processes()?;
        let Self {
            config,
            queue_capacity,
            overflow,
            on_drop,
        } = self;
        let mut queue = queue_capacity.map(|jobs| (jobs, overflow));
        if let Some((_, overflow @ Overflow::CallerRuns)) = &mut queue {
            *overflow = Overflow::Block;
        }
        ProcessPoolExecutor::start(config, queue, on_drop)
    }
    /// Builds a [`Hub`] whose processes are started as this says: the arguments or the test, the
    /// program, the limits on memory and on the time of a start, what is kept of standard error,
    /// and the functions that are called at the start and the end of a process. All other settings
    /// are for pools, and have no effect.
    ///
    /// # Errors
    ///
    /// Those of [`build`](Self::build) that are not about settings of pools.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::{Builder, Jobs};
    ///
    /// let hub = Builder::new(Jobs::new()).memory_limit(1 << 30).build_hub()?;
    /// let event = hub.event();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_hub(self) -> io::Result<Hub> {
        may_start_processes()?;
        let mut config = self.config;
        // Each process is started for its own job.
        (config.processes, config.min_processes) = (0, 0);
        config.limits = Limits::default();
        config.max_jobs_per_worker = None;
        Hub::start(config)
    }
}

/// Returns `Ok` if this process may start worker processes.
fn may_start_processes() -> io::Result<()> {
    sys::supported()?;
    match sys::is_unserved_worker() {
        false => Ok(()),
        true => Err(io::Error::other(
            "this is a worker process of a pool, and builds a pool before it serves: call \
             `workmill_process::serve_if_worker` at the beginning of `main`, before anything else",
        )),
    }
}
