//! Executors of jobs, wherever these run.

use std::any::type_name;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use workmill::{Group, JoinHandle, PoolRef, ThreadPoolExecutor};

use crate::context::{Attempt, within};
use crate::job::{Job, Sendable, assert_no_captures};

/// Only the executors of this project implement [`JobExecutor`].
#[doc(hidden)]
pub trait Sealed {}

/// An executor of jobs: of this process's threads, of processes, or of machines. A program that
/// submits by this trait chooses in one line where its jobs run.
///
/// It is implemented for [`PoolRef`], [`ThreadPoolExecutor`] and [`Group`], whose jobs are tasks of
/// the pool and need no name, and for the executors of the crates built on this one. It cannot be
/// implemented elsewhere.
///
/// # Examples
///
/// ```
/// use workmill_jobs::JobExecutor;
///
/// fn length(text: String) -> usize {
///     text.len()
/// }
///
/// fn lengths(executor: &impl JobExecutor, texts: &[&str]) -> Vec<usize> {
///     let submit = |text: &&str| executor.submit_job(length, text.to_string());
///     let handles: Vec<_> = texts.iter().map(submit).collect();
///     handles.into_iter().map(|handle| handle.join().unwrap()).collect()
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// assert_eq!(lengths(&pool, &["oats", "rye"]), [4, 3]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait JobExecutor: Sealed {
    /// Submits a job, and returns a handle to its result.
    ///
    /// # Blocking
    ///
    /// Blocks only if the executor has a capacity and is full, and its policy is to wait for room.
    ///
    /// # Errors
    ///
    /// The call itself never fails. The handle says why a job was not accepted: its error's
    /// [`source`](std::error::Error::source) is a [`NotRegistered`](crate::NotRegistered) if the
    /// executor needs names, and does not know this one's.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::JobExecutor;
    ///
    /// fn add(a: u64, b: u64) -> u64 {
    ///     a + b
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.submit_job(add, (1, 2)).join()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "the result is lost"]
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable;
}

/// Returns the number of a submission, which no other has in this process, whatever executor they
/// are given to: it is in the key of the job.
#[doc(hidden)]
pub fn next_submission() -> u64 {
    static SUBMITTED: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed: only the number counts, and each caller gets another.
    SUBMITTED.fetch_add(1, Ordering::Relaxed)
}

impl Sealed for PoolRef {}

impl JobExecutor for PoolRef {
    fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
    where
        F: Job<A, M>,
        A: Sendable,
    {
        assert_no_captures::<F>();
        let attempt = Attempt {
            origin: process::id(),
            submission: next_submission(),
            number: 1,
        };
        self.submit(move || within(type_name::<F>(), attempt, || function.call(arguments)))
    }
}

macro_rules! executors_that_are_pools {
    ($($executor:ty)+) => {$(
        impl Sealed for $executor {}

        impl JobExecutor for $executor {
            fn submit_job<F, A, M>(&self, function: F, arguments: A) -> JoinHandle<F::Output>
            where
                F: Job<A, M>,
                A: Sendable,
            {
                PoolRef::submit_job(self, function, arguments)
            }
        }
    )+};
}

executors_that_are_pools! { ThreadPoolExecutor Group }
