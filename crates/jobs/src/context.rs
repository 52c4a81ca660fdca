//! What a running job can ask about itself.

use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use workmill::CancelToken;

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
#[derive(Clone)]
pub struct JobContext {
    name: &'static str,
    key: Key,
    number: u32,
    /// That of this thread's pool, if there is none.
    stop: Option<CancelToken>,
}

/// What tells a submission from all others.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// The process that submitted the job, and the number of the submission there.
    Numbers(u32, u64),
    Text(Arc<str>),
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
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::{JobExecutor, current_job};
    ///
    /// fn grind() -> String {
    ///     current_job().expect("this is a job").name().to_owned()
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert!(pool.submit_job(grind, ()).join()?.ends_with("grind"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a key of this submission: each attempt has it, and no other submission by a process
    /// that lives at the same time on this machine. It tells a server that two requests are one.
    ///
    /// A job that came from another machine has the id of its submission, which no other submission
    /// on any machine has, except those under the same key.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::{JobExecutor, current_job};
    ///
    /// fn key() -> String {
    ///     current_job().expect("this is a job").key()
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (one, other) = (pool.submit_job(key, ()), pool.submit_job(key, ()));
    /// assert_ne!(one.join()?, other.join()?); // two submissions
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key(&self) -> String {
        match &self.key {
            Key::Numbers(origin, submission) => format!("{origin}-{submission}"),
            Key::Text(text) => text.to_string(),
        }
    }

    /// Returns the number of times that the job has begun, from 1. An earlier attempt may have come
    /// to any point before its process or machine died; or it still runs, on a machine that is cut
    /// off.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::{JobExecutor, current_job};
    ///
    /// fn attempt() -> u32 {
    ///     current_job().expect("this is a job").attempt()
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.submit_job(attempt, ()).join()?, 1); // on threads nothing begins twice
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attempt(&self) -> u32 {
        self.number
    }

    /// Returns a token that is cancelled when the job is asked to end: to check, to wait for, or to
    /// pass on.
    ///
    /// It is the token that [`workmill::cancelled`] returns inside the job. On a machine that
    /// serves, the handle of the submission asks, by `cancel`. On a thread of a pool, the end of
    /// the pool does.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_jobs::{JobExecutor, current_job};
    ///
    /// fn grind() -> u64 {
    ///     let stop = current_job().expect("this is a job").cancelled();
    ///     (0..1000).take_while(|_| !stop.is_cancelled()).sum()
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert_eq!(pool.submit_job(grind, ()).join()?, 499_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancelled(&self) -> CancelToken {
        self.stop.clone().unwrap_or_else(workmill::cancelled)
    }
}

impl JobContext {
    /// Returns what tells an attempt from all others.
    fn identity(&self) -> (&'static str, &Key, u32) {
        (self.name, &self.key, self.number)
    }
}

/// Of equal contexts, one attempt of one job is meant.
impl PartialEq for JobContext {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for JobContext {}

impl Hash for JobContext {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("name", &self.name)
            .field("key", &self.key())
            .field("attempt", &self.number)
            .finish()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<JobContext>> = const { RefCell::new(None) };
}

/// Returns what the job that this thread runs knows of itself, or `None` outside jobs. Threads that
/// a job starts are outside.
///
/// # Examples
///
/// ```
/// use workmill_jobs::{JobExecutor, current_job};
///
/// fn is_job() -> bool {
///     current_job().is_some()
/// }
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert!(pool.submit_job(is_job, ()).join()?);
/// assert!(!is_job());
/// assert!(!pool.submit(is_job).join()?); // a closure is no job
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn current_job() -> Option<JobContext> {
    let current = CURRENT.try_with(|current| current.borrow().clone());
    current.ok().flatten()
}

/// Calls a function as a job.
#[doc(hidden)]
pub fn within<R>(name: &'static str, attempt: Attempt, call: impl FnOnce() -> R) -> R {
    let context = JobContext {
        name,
        key: Key::Numbers(attempt.origin, attempt.submission),
        number: attempt.number,
        stop: None,
    };
    within_context(context, call)
}

/// Calls a function as an attempt of a job that came from elsewhere, with its own key and token.
#[doc(hidden)]
pub fn within_keyed<R>(
    name: &'static str,
    key: Arc<str>,
    number: u32,
    stop: CancelToken,
    call: impl FnOnce() -> R,
) -> R {
    let context = JobContext {
        name,
        key: Key::Text(key),
        number,
        stop: Some(stop.clone()),
    };
    workmill::with_cancelled(&stop, || within_context(context, call))
}

fn within_context<R>(context: JobContext, call: impl FnOnce() -> R) -> R {
    struct Restore(Option<JobContext>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = CURRENT.try_with(|current| current.replace(before));
        }
    }
    let before = CURRENT.try_with(|current| current.replace(Some(context)));
    let _restore = Restore(before.ok().flatten());
    call()
}
