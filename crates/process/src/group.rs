//! Groups of jobs of a process pool.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use workmill::{Group, JoinHandle, Overflow};
use workmill_jobs::executors::Sealed;
use workmill_jobs::{Job, JobExecutor, Sendable};

use crate::reference::ProcessPoolRef;

/// Jobs of a process pool of which at most a certain number have begun at a time. Created by
/// [`ProcessPoolRef::limited`], and like a [`Group`] of a thread pool.
///
/// Dropping it ends nothing.
///
/// # Examples
///
/// ```
/// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
/// # fn square(n: u64) -> u64 { n * n }
/// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
/// use workmill_process::ProcessGroup;
///
/// struct Thumbnails {
///     /// So that other jobs of the pool find a process that is free.
///     two_at_a_time: ProcessGroup,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # serve_if_worker(jobs());
/// let pool = ProcessPoolExecutor::new(4, jobs())?;
/// let thumbnails = Thumbnails { two_at_a_time: pool.limited(2) };
/// assert_eq!(thumbnails.two_at_a_time.submit(square, 3).join()?, 9);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProcessGroup {
    group: Group,
    reference: ProcessPoolRef,
}

impl ProcessGroup {
    pub(crate) fn new(group: Group, reference: ProcessPoolRef) -> Self {
        Self { group, reference }
    }

    /// Limits the number of jobs that wait: [`Group::queue_capacity`].
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
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
    /// let pool = ProcessPoolExecutor::new(4, jobs())?;
    /// let group = pool.limited(1).queue_capacity(1);
    /// let _hanging = [(); 2].map(|()| group.submit(hang, ())); // one has begun, one waits
    /// assert!(group.try_submit(hang, ()).unwrap_err().is_full());
    /// pool.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_capacity(self, jobs: usize) -> Self {
        self.reference.grouped(self.group.queue_capacity(jobs))
    }

    /// Sets what becomes of a job that finds the group full: [`Group::overflow`]. With
    /// [`Overflow::CallerRuns`] the submitter waits: the job cannot run here.
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
    /// use workmill_process::workmill::{CancelReason, Overflow};
    ///
    /// let pool = ProcessPoolExecutor::new(4, jobs())?;
    /// let group = pool.limited(1).queue_capacity(1).overflow(Overflow::Reject);
    /// let handles = [(); 3].map(|()| group.submit(hang, ())); // of which one may wait
    /// group.shutdown_now();
    /// let errors = handles.map(|handle| handle.join().unwrap_err());
    /// assert!(errors.iter().any(|it| it.cancel_reason() == Some(CancelReason::Rejected)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn overflow(self, overflow: Overflow) -> Self {
        let overflow = match overflow {
            Overflow::CallerRuns => Overflow::Block,
            overflow => overflow,
        };
        self.reference.grouped(self.group.overflow(overflow))
    }

    /// Returns the number of jobs of the group that may have begun at a time.
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
    /// assert_eq!(pool.limited(2).limit(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn limit(&self) -> usize {
        self.group.limit()
    }

    /// Refuses new jobs of the group, and blocks until the accepted ones have ended. The pool goes
    /// on.
    ///
    /// # Blocking
    ///
    /// Blocks until then. Does not wait in a callback or a hook that a thread of the pool calls.
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
    /// let group = pool.limited(2);
    /// let handle = group.submit(square, 3);
    /// group.shutdown();
    /// assert!(handle.is_finished() && group.is_shutdown());
    /// assert_eq!(pool.submit(square, 4).join()?, 16); // the pool goes on
    /// # Ok(())
    /// # }
    /// ```
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
    /// let pool = ProcessPoolExecutor::new(4, jobs())?;
    /// let group = pool.limited(2);
    /// let _hanging = group.submit(hang, ());
    /// assert!(!group.shutdown_timeout(Duration::from_millis(10)));
    /// group.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> bool {
        match self.reference.must_not_wait() {
            true => self.group.shutdown_timeout(Duration::ZERO),
            false => self.group.shutdown_timeout(timeout),
        }
    }

    /// Refuses new jobs of the group, and waits for the accepted ones without blocking. Does not
    /// wait in a callback or a hook that a thread of the pool calls.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. New jobs are refused if the future has been polled.
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
    /// let group = pool.limited(2);
    /// let handle = group.submit(square, 3);
    /// workmill_process::workmill::block_on(group.shutdown_async());
    /// assert!(handle.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown_async(&self) {
        if self.reference.must_not_wait() {
            self.group.shutdown_timeout(Duration::ZERO);
            return;
        }
        self.group.shutdown_async().await;
    }

    /// Refuses new jobs of the group, cancels all that have not ended, and returns the number of
    /// them. Those that run are stopped. Does not wait.
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
    /// let pool = ProcessPoolExecutor::new(4, jobs())?;
    /// let group = pool.limited(2);
    /// let hanging = group.submit(hang, ());
    /// assert_eq!(group.shutdown_now(), 1);
    /// assert!(hanging.join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
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
