//! Errors.

use std::fmt;
use std::sync::Arc;

use crate::hooks::ProcessEnd;

/// An error returned when a pool cannot start worker processes. It is the
/// [`source`](std::error::Error::source) of the errors of all jobs that the pool refuses then.
///
/// The pool ends when several starts in a row have failed and no worker process is left.
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use workmill_process::{Builder, Jobs, StartError};
///
/// # fn square(n: u64) -> u64 { n * n }
/// let jobs = Jobs::new().with("square", square);
/// let pool = Builder::new(jobs).worker_program("/no/such/program").build()?;
/// let error = pool.submit(square, 3).join().unwrap_err();
/// assert!(error.source().is_some_and(|source| source.is::<StartError>()));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct StartError(Arc<str>);

impl StartError {
    pub(crate) fn new(message: String) -> Self {
        Self(message.into())
    }

    /// Creates the error of a process that has ended before it served.
    pub(crate) fn of(end: &ProcessEnd) -> Self {
        let mut message = format!(
            "a worker process did not serve: the process {} {}",
            end.id, end.description
        );
        if end.status.is_some_and(|status| status.code().is_some()) {
            message += "; does its program call `workmill_process::serve_if_worker` at the \
                        beginning of `main`, before anything else?";
        }
        if !end.standard_error.is_empty() {
            message += " Its standard error ended with: ";
            message += end.standard_error.trim_end();
        }
        Self::new(message)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartError({:?})", &*self.0)
    }
}

impl std::error::Error for StartError {}

/// The worker process did not call the job, because its arguments could not be decoded.
#[derive(Debug)]
pub(crate) struct NotCalled(String);

impl NotCalled {
    pub(crate) fn new(job: &str, why: String) -> Self {
        Self(format!("the job `{job}` was not called: {why}"))
    }
}

impl fmt::Display for NotCalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotCalled {}

/// An error returned by a shutdown with a time limit that was not enough.
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
/// let pool = ProcessPoolExecutor::new(1, jobs())?;
/// let hanging = pool.submit(hang, ());
/// if let Err(busy) = pool.shutdown_timeout(Duration::from_millis(100)) {
///     for (process, job) in busy.jobs() {
///         eprintln!("the process {process} still runs {job}");
///     }
///     pool.shutdown_now();
/// }
/// assert!(hanging.join().unwrap_err().is_cancelled());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct StillBusy {
    pub(crate) jobs: Vec<(u32, &'static str)>,
}

impl StillBusy {
    /// Returns the worker processes that run jobs, and the names of these.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("hang", hang) }
    /// use workmill_process::hub::Event;
    ///
    /// fn hang(begun: Event) {
    ///     begun.set();
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
    /// let begun = pool.hub().event();
    /// let _hanging = pool.submit(hang, begun.clone());
    /// begun.wait();
    /// let busy = pool.shutdown_timeout(Duration::from_millis(10)).unwrap_err();
    /// assert!(busy.jobs().map(|(_process, job)| job).eq(["hang"]));
    /// pool.shutdown_now();
    /// # Ok(())
    /// # }
    /// ```
    pub fn jobs(&self) -> impl Iterator<Item = (u32, &'static str)> {
        self.jobs.iter().copied()
    }
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process pool has not ended in time")?;
        for (at, (process, job)) in self.jobs.iter().enumerate() {
            let separator = if at == 0 { ':' } else { ',' };
            write!(f, "{separator} the process {process} runs {job}")?;
        }
        Ok(())
    }
}

impl std::error::Error for StillBusy {}
