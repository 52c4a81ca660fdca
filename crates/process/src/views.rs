//! What a reference adds to each job.

use std::time::Duration;

use workmill::{CancelToken, Group, Priority};

use crate::group::ProcessGroup;
use crate::reference::ProcessPoolRef;

/// Views and groups.
impl ProcessPoolRef {
    /// Returns a reference whose jobs have a priority:
    /// [`PoolRef::priority`](workmill::PoolRef::priority).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use workmill_process::workmill::Priority;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let urgent = pool.priority(Priority::High);
    /// assert_eq!(urgent.submit(square, 3).join()?, 9); // overtakes those of the pool that wait
    /// # Ok(())
    /// # }
    /// ```
    pub fn priority(&self, priority: Priority) -> Self {
        self.viewed(self.view().priority(priority))
    }

    /// Returns a reference whose jobs have a name in warnings:
    /// [`PoolRef::named`](workmill::PoolRef::named). Errors name the job by the name under which it
    /// is registered.
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
    /// let handle = pool.named("area of the mill").submit(square, 3);
    /// assert_eq!(handle.join()?, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn named(&self, name: &str) -> Self {
        self.viewed(self.view().named(name))
    }

    /// Returns a reference whose jobs are cancelled if they have not [begun](Self#beginning) that
    /// long after their submission: [`PoolRef::start_within`](workmill::PoolRef::start_within).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang).with("square", square) }
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// use std::time::Duration;
    /// use workmill_process::workmill::CancelReason;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let _hanging = [(); 9].map(|()| pool.submit(hang, ()));
    /// let late = pool.start_within(Duration::from_millis(10)).submit(square, 3);
    /// assert_eq!(late.join().unwrap_err().cancel_reason(), Some(CancelReason::Expired));
    /// pool.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
    pub fn start_within(&self, time: Duration) -> Self {
        self.viewed(self.view().start_within(time))
    }

    /// Returns a reference whose jobs are cancelled with a token:
    /// [`PoolRef::cancel_with`](workmill::PoolRef::cancel_with). Those that run are stopped, as by
    /// [`JoinHandle::cancel`](workmill::JoinHandle::cancel).
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
    /// use workmill_process::workmill::CancelToken;
    ///
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// let token = CancelToken::new();
    /// let hanging = pool.cancel_with(&token).submit(hang, ());
    /// token.cancel(); // kills the process, if the job has begun
    /// assert!(hanging.join().unwrap_err().is_cancelled());
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancel_with(&self, token: &CancelToken) -> Self {
        self.viewed(self.view().cancel_with(token))
    }

    /// Returns a reference whose jobs may run for that long. After that the process is killed, and
    /// the job is lost: [`Builder::timeout`](crate::Builder::timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang).with("square", square) }
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
    /// let hanging = pool.timeout(Duration::from_millis(10)).submit(hang, ());
    /// assert!(hanging.join().unwrap_err().is_lost());
    /// assert_eq!(pool.submit(square, 3).join()?, 9); // in another process
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(&self, time: Duration) -> Self {
        let mut reference = self.clone();
        reference.limits.timeout = Some(time);
        reference
    }

    /// Returns a reference whose jobs begin anew that often if their process dies:
    /// [`Builder::retries`](crate::Builder::retries).
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("attempt", attempt) }
    /// fn attempt() -> u32 {
    ///     let job = workmill_process::current_job().expect("this is a job");
    ///     if job.attempt() == 1 {
    ///         std::process::exit(1);
    ///     }
    ///     job.attempt()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// let pool = ProcessPoolExecutor::new(1, jobs())?;
    /// assert_eq!(pool.retries(1).submit(attempt, ()).join()?, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn retries(&self, retries: u32) -> Self {
        let mut reference = self.clone();
        reference.limits.retries = retries;
        reference
    }

    /// Creates a group of jobs of which at most `jobs` have begun at a time:
    /// [`PoolRef::limited`](workmill::PoolRef::limited).
    ///
    /// # Panics
    ///
    /// Panics if `jobs` is 0.
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
    /// let two_at_a_time = pool.limited(2);
    /// let handles: Vec<_> = (0..10).map(|n| two_at_a_time.submit(square, n)).collect();
    /// assert_eq!(handles.into_iter().filter_map(|handle| handle.join().ok()).sum::<u64>(), 285);
    /// # Ok(())
    /// # }
    /// ```
    pub fn limited(&self, jobs: usize) -> ProcessGroup {
        self.grouped(self.view().limited(jobs))
    }

    pub(crate) fn grouped(&self, group: Group) -> ProcessGroup {
        let reference = self.viewed(group.handle());
        ProcessGroup::new(group, reference)
    }
}
