//! The owner of a process pool.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use workmill::{DropBehavior, Group, JoinHandle, Overflow, ThreadPoolExecutor, WouldDeadlock};
use workmill_jobs::executors::Sealed;
use workmill_jobs::{Job, JobExecutor, Jobs, Sendable};

use crate::builder::{Builder, Config};
use crate::error::StillBusy;
use crate::pool::Shared;
use crate::reference::ProcessPoolRef;

/// The threads that drive the processes: they only copy bytes, and call callbacks. With one, jobs
/// leave the queue in order.
const DRIVING_THREADS: usize = 1;

/// More jobs than can wait in memory.
const ANY_NUMBER: usize = usize::MAX >> 8;

/// A pool of worker processes: its jobs run in processes of their own, may crash alone, and can be
/// stopped.
///
/// It has the face of a [`ThreadPoolExecutor`], with a function and its arguments in place of a
/// closure, and returns the same handles. It is like Python's
/// `concurrent.futures.ProcessPoolExecutor`; but a process that dies fails its own job only.
/// Dereferences to its [`ProcessPoolRef`], which has the methods that submit and wait. Clones own
/// the pool together.
///
/// # Dropping
///
/// The drop of the last owner shuts the pool down: it blocks until the accepted jobs have ended,
/// unless [`Builder::on_drop`] says otherwise. While a panic unwinds, jobs that run are stopped.
///
/// # When the parent dies
///
/// All worker processes end within milliseconds when this process ends, however it does, and what
/// their jobs have started ends with them, unless it has left the process group.
///
/// # Examples
///
/// ```
/// use workmill_process::{Jobs, ProcessPoolExecutor};
///
/// fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// fn crash() {
///     std::process::abort();
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("square", square).with("crash", crash)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs()); // in a worker process: serves, and never returns
///     let pool = ProcessPoolExecutor::new(2, jobs())?;
///     let crashed = pool.submit(crash, ());
///     let nine = pool.submit(square, 3);
///     assert_eq!(nine.join()?, 9);
///     let error = crashed.join().unwrap_err();
///     assert!(error.is_lost());
///     println!("{error}"); // the task crash was lost: the process 4711 was ended by signal 6
///     pool.shutdown();
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[doc(alias("multiprocessing", "Pool"))]
pub struct ProcessPoolExecutor {
    owner: Arc<Owner>,
}

struct Owner {
    reference: ProcessPoolRef,
    jobs: Group,
    drivers: ThreadPoolExecutor,
    on_drop: DropBehavior,
    is_in_background: AtomicBool,
    /// The process that built it: a child of a fork has none of its threads.
    process: u32,
}

impl ProcessPoolExecutor {
    /// Builds a pool of at most that many worker processes, with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(2, jobs())?;
    /// assert_eq!(pool.submit(square, 3).join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(processes: usize, jobs: Jobs) -> io::Result<Self> {
        Builder::new(jobs).processes(processes).build()
    }

    pub(crate) fn start(
        config: Config,
        queue: Option<(usize, Overflow)>,
        on_drop: DropBehavior,
    ) -> io::Result<Self> {
        let at_a_time = config.processes.saturating_mul(config.depth);
        let drivers = workmill::Builder::new()
            .threads(DRIVING_THREADS)
            // A cancel waits for the death of its process on a thread that others stand in for.
            .max_spare_threads(config.processes.saturating_add(512))
            .thread_name(|index| format!("workmill-process-{index}"))
            .build()?;
        // Bounded in any case, for the order: all tasks of a bounded group go through one queue.
        // A task of another group that begins when one ends goes to the queue of that thread, and
        // so before older ones that its submitter has pushed to the pool's.
        let (waiting, overflow) = queue.unwrap_or((ANY_NUMBER, Overflow::Block));
        let jobs = drivers.limited(at_a_time);
        let jobs = jobs.queue_capacity(waiting).overflow(overflow);
        let shared = Arc::new(Shared::new(config));
        shared.begin(drivers.handle());
        let reference = ProcessPoolRef::new(jobs.handle(), drivers.handle(), shared);
        Ok(Self {
            owner: Arc::new(Owner {
                reference,
                jobs,
                drivers,
                on_drop,
                is_in_background: AtomicBool::new(false),
                process: process::id(),
            }),
        })
    }

    /// Shuts the pool down: refuses new jobs, waits for the accepted ones, and then for the
    /// processes.
    ///
    /// Jobs of [`submit_after`](ProcessPoolRef::submit_after) that are not due are cancelled.
    ///
    /// # Blocking
    ///
    /// Blocks until every accepted job has ended and every process has been reaped. A process that
    /// does not end in order within 5 seconds is killed. Does not wait in a callback or a hook that
    /// a thread of the pool calls. The pool then ends by itself.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # workmill_process::serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let handle = pool.submit(square, 3);
    /// pool.shutdown();
    /// assert_eq!(handle.join()?, 9);
    /// assert!(pool.submit(square, 4).join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "close")]
    pub fn shutdown(&self) {
        self.owner.shutdown();
    }

    /// Shuts the pool down, and waits, but no longer than `timeout`. When the time is over nothing
    /// is cancelled, and the pool goes on ending by itself.
    ///
    /// # Blocking
    ///
    /// Blocks until every accepted job has ended and every process has been reaped, or the time is
    /// over. [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever. In a callback or a
    /// hook that a thread of the pool calls it checks once, too.
    ///
    /// # Errors
    ///
    /// [`StillBusy`], which names the processes that run jobs, and these jobs.
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
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let nine = pool.submit(square, 3);
    /// pool.shutdown_timeout(Duration::from_secs(60))?;
    /// assert_eq!(nine.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillBusy> {
        let owner = &self.owner;
        let timeout = match owner.reference.must_not_wait() {
            true => Duration::ZERO,
            false => timeout,
        };
        let began = Instant::now();
        let left = || timeout.saturating_sub(began.elapsed());
        let have_ended = owner.close_jobs(|jobs| jobs.shutdown_timeout(timeout));
        if !have_ended {
            owner.end_in_background();
        } else if owner.end_processes(|drivers| drivers.shutdown_timeout(left()).is_ok()) {
            return Ok(());
        }
        let jobs = owner.reference.shared().snapshot().busy;
        Err(StillBusy { jobs })
    }

    /// Shuts the pool down, and waits without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. The shutdown goes on if the future has been polled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let nine = pool.submit(square, 3);
    /// workmill_process::workmill::block_on(pool.shutdown_async());
    /// assert_eq!(nine.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown_async(&self) {
        let owner = &self.owner;
        if owner.reference.must_not_wait() {
            return owner.shutdown_background();
        }
        owner.reference.shared().closing.cancel();
        let end = EndOnDrop(Some(self));
        owner.jobs.shutdown_async().await;
        end.disarm();
        owner.reference.shared().close();
        owner.drivers.shutdown_async().await;
    }

    /// Refuses new jobs, and leaves the accepted ones to run to their end in the background. Does
    /// not wait, and the drop of the last owner does not wait either. If this process ends before
    /// they have ended, they are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let nine = pool.submit(square, 3);
    /// pool.shutdown_background(); // accepts no more, and does not wait
    /// assert_eq!(nine.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_background(&self) {
        // ORDERING: Relaxed: the drop of the last owner is ordered by its count.
        self.owner.is_in_background.store(true, Ordering::Relaxed);
        self.owner.shutdown_background();
    }

    /// Refuses new jobs, cancels all that have not ended, and returns the number of them. Does not
    /// wait.
    ///
    /// Jobs that run are stopped: their processes are killed. Each handle resolves to cancelled,
    /// with [`CancelReason::Shutdown`](workmill::CancelReason::Shutdown), when nothing of its job
    /// runs any more. To let the running ones finish, call [`shutdown`](Self::shutdown) instead.
    /// Call it afterwards to wait for the processes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let handles: Vec<_> = (0..100).map(|n| pool.submit(square, n)).collect();
    /// pool.shutdown_now();
    /// for handle in handles {
    ///     match handle.join() {
    ///         Ok(square) => println!("{square}"),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("terminate", "terminate_workers", "kill_workers"))]
    pub fn shutdown_now(&self) -> usize {
        let owner = &self.owner;
        if owner.is_forked() {
            return 0;
        }
        owner.reference.shared().closing.cancel();
        let cancelled = owner.jobs.shutdown_now();
        owner.end_in_background();
        cancelled
    }
}

/// Has a shutdown go on whose future is dropped.
struct EndOnDrop<'a>(Option<&'a ProcessPoolExecutor>);

impl EndOnDrop<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.0 {
            pool.owner.end_in_background();
        }
    }
}

impl Owner {
    fn is_forked(&self) -> bool {
        process::id() != self.process
    }

    /// Closes the pool for jobs. Returns `true` if they have ended.
    fn close_jobs(&self, shutdown: impl FnOnce(&Group) -> bool) -> bool {
        if self.is_forked() {
            return true;
        }
        self.reference.shared().closing.cancel();
        shutdown(&self.jobs)
    }

    /// Ends the processes, and the threads that drive them. Returns `true` if they have ended.
    fn end_processes(&self, shutdown: impl FnOnce(&ThreadPoolExecutor) -> bool) -> bool {
        if self.is_forked() {
            return true;
        }
        self.reference.shared().close();
        shutdown(&self.drivers)
    }

    /// Has the processes end when the jobs have.
    fn end_in_background(&self) {
        if self.is_forked() {
            return;
        }
        let (jobs, shared) = (self.jobs.clone(), Arc::clone(self.reference.shared()));
        let drivers = self.drivers.handle();
        // A task of the drivers' pool, which keeps it from ending before that.
        let end = async move {
            jobs.shutdown_async().await;
            shared.close();
        };
        drop(drivers.spawn(end));
        self.drivers.shutdown_background();
    }

    fn shutdown_background(&self) {
        self.close_jobs(|jobs| jobs.shutdown_timeout(Duration::ZERO));
        self.end_in_background();
    }

    fn shutdown(&self) {
        if self.reference.must_not_wait() {
            return self.shutdown_background();
        }
        self.close_jobs(|jobs| {
            jobs.shutdown();
            true
        });
        self.end_processes(|drivers| {
            drivers.shutdown();
            true
        });
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // ORDERING: Relaxed: the drop of the last owner is ordered by its count.
        if self.is_forked() || self.is_in_background.load(Ordering::Relaxed) {
            return;
        }
        if std::thread::panicking() || self.on_drop == DropBehavior::Cancel {
            self.reference.shared().closing.cancel();
            self.jobs.shutdown_now();
        }
        if self.on_drop == DropBehavior::Detach {
            return self.shutdown_background();
        }
        self.shutdown();
    }
}

impl Deref for ProcessPoolExecutor {
    type Target = ProcessPoolRef;

    fn deref(&self) -> &ProcessPoolRef {
        &self.owner.reference
    }
}

impl fmt::Debug for ProcessPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("ProcessPoolExecutor", f)
    }
}

impl Sealed for ProcessPoolExecutor {}

impl JobExecutor for ProcessPoolExecutor {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        self.submit(function, arguments)
    }
}

impl ProcessPoolRef {
    /// Blocks until the pool has ended: it was shut down, every job has ended, and every process
    /// has been reaped.
    ///
    /// # Blocking
    ///
    /// Blocks until then.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback that a thread of the pool calls.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// pool.shutdown_now();
    /// pool.wait_terminated()?;
    /// assert!(pool.is_terminated());
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_terminated(&self) -> Result<(), WouldDeadlock> {
        self.drivers().wait_terminated()
    }

    /// Blocks until the pool has ended, but no longer than `timeout`. Returns `true` if it has.
    ///
    /// # Blocking
    ///
    /// Blocks until the pool has ended or the time is over.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback that a thread of the pool calls.
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
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// assert!(!pool.wait_terminated_timeout(Duration::from_millis(1))?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_terminated_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.drivers().wait_terminated_timeout(timeout)
    }

    /// Waits without blocking until the pool has ended.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] in a callback that a thread of the pool calls.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Builder, Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// pool.shutdown_now();
    /// workmill_process::workmill::block_on(pool.wait_terminated_async())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_terminated_async(&self) -> Result<(), WouldDeadlock> {
        self.drivers().wait_terminated_async().await
    }
}
