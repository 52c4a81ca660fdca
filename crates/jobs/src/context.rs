//! What a running job can ask about itself.

use std::cell::Cell;
use std::fmt;

/// What a job knows of itself. Returned by [`current_job`].
///
/// # Examples
///
/// ```
/// use workmill_jobs::{JobExecutor, current_job};
///
/// fn charge(cents: u64) -> String {
///     let job = current_job().expect("this is a job");
///     format!("{} {cents}, attempt {}", job.name(), job.attempt())
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let text = pool.submit_job(charge, 99).join()?;
/// assert!(text.ends_with("charge 99, attempt 1"), "{text}");
/// assert!(current_job().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobContext {
    name: &'static str,
    attempt: Attempt,
}

/// Which attempt of which submission it is.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The process that submitted the job, and the number of the submission there.
    pub origin: u32,
    pub submission: u64,
    /// From 1.
    pub number: u32,
}

impl JobContext {
    /// Returns the name under which the job was registered. On a thread, which needs no name, that
    /// of the function.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a key of this submission: each attempt has it, and no other submission by a process
    /// that lives at the same time on this machine. It tells a server that two requests are one.
    pub fn key(&self) -> String {
        format!("{}-{}", self.attempt.origin, self.attempt.submission)
    }

    /// Returns the number of times that the job has begun, from 1. An earlier attempt may have come
    /// to any point before its process died.
    pub fn attempt(&self) -> u32 {
        self.attempt.number
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("name", &self.name)
            .field("key", &self.key())
            .field("attempt", &self.attempt.number)
            .finish()
    }
}

thread_local! {
    static CURRENT: Cell<Option<JobContext>> = const { Cell::new(None) };
}

/// Returns what the job that this thread runs knows of itself, or `None` outside jobs. Threads that
/// a job starts are outside.
pub fn current_job() -> Option<JobContext> {
    CURRENT.try_with(Cell::get).ok().flatten()
}

/// Calls a function as a job.
#[doc(hidden)]
pub fn within<R>(name: &'static str, attempt: Attempt, call: impl FnOnce() -> R) -> R {
    struct Restore(Option<JobContext>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = CURRENT.try_with(|current| current.set(self.0));
        }
    }
    let context = JobContext { name, attempt };
    let before = CURRENT.try_with(|current| current.replace(Some(context)));
    let _restore = Restore(before.ok().flatten());
    call()
}
