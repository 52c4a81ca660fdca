//! Every knob of a pool, its default and its limits.

use std::any::Any;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::admission::{Capacity, Overflow};
use crate::attributes::Attributes;
use crate::error::{Rejected, Warning};
use crate::executor::{DropBehavior, ThreadPoolExecutor};
use crate::pool::{Config, Hooks, Limits, MAX_SLOTS, ThreadSetup, default_name};
use crate::sync::permits::MAX_PERMITS;

/// Configures a [`ThreadPoolExecutor`] and starts it.
///
/// # Examples
///
/// ```
/// use workmill::{Builder, Overflow};
///
/// let pool = Builder::new()
///     .threads(2)
///     .queue_capacity(100)
///     .overflow(Overflow::Reject)
///     .thread_name(|index| format!("mill-{index}"))
///     .build()?;
/// assert_eq!(pool.threads(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    threads: Option<usize>,
    max_threads: Option<usize>,
    min_threads: Option<usize>,
    max_spare_threads: usize,
    keep_alive: Duration,
    queue_capacity: Option<usize>,
    overflow: Overflow,
    on_drop: DropBehavior,
    stack_size: Option<usize>,
    hooks: Hooks,
}

impl Builder {
    /// Begins with the defaults, which each knob names.
    pub fn new() -> Self {
        Self {
            threads: None,
            max_threads: None,
            min_threads: None,
            max_spare_threads: 512,
            keep_alive: Duration::from_secs(60),
            queue_capacity: None,
            overflow: Overflow::default(),
            on_drop: DropBehavior::default(),
            stack_size: None,
            hooks: Hooks::default(),
        }
    }

    /// Sets how many tasks run at a time, from 1 to 65,535, each on a thread of its own.
    ///
    /// By default as many as the machine gives the thread that calls [`build`](Self::build) at that moment:
    /// its processors, less what an affinity mask or a cgroup quota keeps from it, as by
    /// [`available_parallelism`](std::thread::available_parallelism). [`build`](Self::build) says when the threads start, and
    /// [`set_threads`](crate::ThreadPoolExecutor::set_threads) changes the number later. A task that waits does
    /// not count: see [`max_spare_threads`](Self::max_spare_threads).
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets how far [`set_threads`](crate::ThreadPoolExecutor::set_threads) may raise the number of
    /// [`threads`](Self::threads), up to 65,535.
    ///
    /// By default four times as many as in the beginning, but not more than 1,024 unless there are more
    /// in the beginning. Each costs some kilobytes, used or not.
    pub fn max_threads(mut self, threads: usize) -> Self {
        self.max_threads = Some(threads);
        self
    }

    /// Sets how many threads stay once they have been started, however long they have nothing to do:
    /// from 1 to as many as [`threads`](Self::threads) says, which is the default.
    ///
    /// Those that wait in tasks are not counted; and no more stay than
    /// [`set_threads`](crate::ThreadPoolExecutor::set_threads) says. At least one does, so that a task depends on
    /// whether the system will start a thread only while all that there are wait.
    pub fn min_threads(mut self, threads: usize) -> Self {
        self.min_threads = Some(threads);
        self
    }

    /// Sets how many threads there may be beside those that run tasks, because they wait in tasks, or
    /// have waited and go on with a task while others have their places; 512 by default.
    ///
    /// A task that waits (for a handle, a permit, an event, a queue and so on, or in
    /// [`blocking`](crate::blocking)) gives its place in the pool to another task, which may need one
    /// more thread; the [guide](crate::guide::waiting) tells the whole story. When so many threads are
    /// away from their places, further waits keep theirs: they block a thread of the pool, are counted
    /// in [`Metrics::uncovered_waits`](crate::Metrics::uncovered_waits), and the first of them is
    /// reported to [`on_warning`](Self::on_warning). If all that run wait so for tasks that are still
    /// queued, the pool hangs. With 0 every wait keeps its place.
    pub fn max_spare_threads(mut self, threads: usize) -> Self {
        self.max_spare_threads = threads;
        self
    }

    /// Sets how long a thread has nothing to do before it ends, unless it is one of those that
    /// [stay](Self::min_threads); 60 seconds by default, and [`Duration::MAX`] is for ever.
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.keep_alive = time;
        self
    }

    /// Sets how many accepted tasks may wait for a thread.
    ///
    /// Tasks that run do not count. With 0 none may wait: a task is accepted only if fewer closures
    /// than there are threads have been accepted and not returned, so that a thread takes it at
    /// once. By default there is no limit. See [`Overflow`] for what happens to one more.
    pub fn queue_capacity(mut self, tasks: usize) -> Self {
        self.queue_capacity = Some(tasks);
        self
    }

    /// Sets what happens to a task that finds the queue full; by default the submitter waits.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets the names of the threads, each made from its number, from 0; by default `workmill-0` and so
    /// on.
    ///
    /// A number is used again when its thread has ended. The function is called in
    /// [`build`](Self::build) for the first threads, and later, on any thread, for those beyond: what is
    /// no name then (because the function panics, or it holds a NUL byte) is made one.
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + Sync + 'static) -> Self {
        self.hooks.thread_name = Some(Box::new(name));
        self
    }

    /// Sets the size of the threads' stacks in bytes; by default what std gives a thread: 2 MiB, or as
    /// the environment variable `RUST_MIN_STACK` says.
    ///
    /// Three quarters of it may be used by tasks that are run in place, one in another, because each
    /// joins the next. What would go deeper runs on another thread.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets what the drop of the last owner does; by default it waits for everything.
    pub fn on_drop(mut self, behavior: DropBehavior) -> Self {
        self.on_drop = behavior;
        self
    }

    /// Sets what each thread calls with its number before it runs tasks.
    ///
    /// [`build`](Self::build) then starts as many as [`threads`](Self::threads) says, waits for their
    /// answers, and fails if one of them fails or panics. If a later one does, it ends, and is counted
    /// and reported like one that the system would not start.
    ///
    /// **The numbers go beyond `threads`.** When tasks wait, other threads run in their places, and they
    /// have numbers too: up to [`threads`](Self::threads) and
    /// [`max_spare_threads`](Self::max_spare_threads) together, less one. The hook is called on each of
    /// them. One that refuses these threads takes the first of the crate's
    /// [promises](crate#what-it-promises) away: tasks that wait for others may then hang the pool, as they
    /// would with `max_spare_threads(0)`.
    ///
    /// The hook may submit to the pool, and shut it down; a shutdown does not wait there.
    ///
    /// # Examples
    ///
    /// Pinning threads to processors, as many times around as there are threads:
    ///
    /// ```
    /// # fn pin_to(_: usize) -> std::io::Result<()> { Ok(()) }
    /// let cores = [0, 1];
    /// let pin = move |number: usize| pin_to(cores[number % cores.len()]);
    /// let pool = workmill::Builder::new().threads(2).on_thread_start(pin).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_start(
        mut self,
        hook: impl Fn(usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.thread_start = Some(Box::new(hook));
        self
    }

    /// Sets what each thread calls with its number after it has run its last task.
    ///
    /// Not called on a thread whose start failed. A panic in it goes to the
    /// [`panic_handler`](Self::panic_handler).
    pub fn on_thread_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.hooks.thread_stop = Some(Box::new(hook));
        self
    }

    /// Sets what is called with the payload of each panic that no handle shows: of a closure that was given
    /// to [`execute`](crate::PoolRef::execute), of a task whose handle is dropped before it has given the
    /// panic, of a run of a series, of a callback, or of [`on_thread_stop`](Self::on_thread_stop) and
    /// [`on_rejected`](Self::on_rejected).
    ///
    /// By default nothing more is done than for any panic: std's panic hook writes a line to stderr,
    /// before the handler is called. It is called on the thread that panicked, which goes on
    /// afterwards; or on the thread that drops the handle, if the task has ended by then. A panic of its
    /// own goes nowhere. When the last reference to the pool is gone, nothing is called any more.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let panics = Arc::new(AtomicUsize::new(0));
    /// let seen = Arc::clone(&panics);
    /// let pool = workmill::Builder::new()
    ///     .threads(1)
    ///     .panic_handler(move |_payload| { seen.fetch_add(1, Ordering::Relaxed); })
    ///     .build()?;
    /// pool.execute(|| panic!("out of flour"));
    /// pool.shutdown();
    /// assert_eq!(panics.load(Ordering::Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn panic_handler(
        mut self,
        handler: impl Fn(Box<dyn Any + Send>) + Send + Sync + 'static,
    ) -> Self {
        self.hooks.panic = Some(Box::new(handler));
        self
    }

    /// Sets what is called with a closure that [`execute`](crate::PoolRef::execute) could not
    /// submit, because the pool is full and its policy is [`Overflow::Reject`], or is shut down.
    ///
    /// By default the closure is dropped. The hook is called on the thread that submitted; a panic
    /// in it goes to the [`panic_handler`](Self::panic_handler).
    pub fn on_rejected(mut self, hook: impl Fn(Rejected) + Send + Sync + 'static) -> Self {
        self.hooks.rejected = Some(Box::new(hook));
        self
    }

    /// Sets what is called when something goes worse than promised, though nothing is lost; see
    /// [`Warning`].
    ///
    /// By default a line is written to stderr. Each kind is reported once; that a thread could not be
    /// started is reported again after others have. It is called on the thread that met with it, which
    /// may be one that submits; a panic in it goes to the [`panic_handler`](Self::panic_handler).
    pub fn on_warning(mut self, hook: impl Fn(Warning) + Send + Sync + 'static) -> Self {
        self.hooks.warning = Some(Box::new(hook));
        self
    }

    /// Starts the pool, with its first thread.
    ///
    /// The others are started when there is work for them: when a task is pushed, or found beside
    /// others, and no thread is asleep or looking for one. If the system will not start one then, the
    /// tasks are run by those there are, [`Metrics::failed_starts`](crate::Metrics::failed_starts)
    /// counts it, [`on_warning`](Self::on_warning) hears of it, and the next push that needs a thread
    /// tries again. A pool with [`on_thread_start`](Self::on_thread_start) starts all its threads here,
    /// but for those that are needed because others wait.
    ///
    /// # What the threads inherit
    ///
    /// Whenever a thread starts, and whoever submitted the work for it, it begins with what the thread that
    /// calls this function has now: on Unix the signals that are blocked, on Linux also the processors
    /// that it may run on and its nice value. (A nice value below that of the submitter needs a privilege;
    /// without it the thread keeps the submitter's.) So to have signals handled by other threads, block
    /// them, build the pool, and unblock them. [`on_thread_start`](Self::on_thread_start) is called
    /// afterwards, and may change all of it.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if a knob is out of its limits or a name holds a NUL byte. Else
    /// whatever the system says when it cannot start a thread here, or the error of
    /// [`on_thread_start`](Self::on_thread_start); the threads that had been started have ended by
    /// then.
    pub fn build(self) -> io::Result<ThreadPoolExecutor> {
        let (queue_capacity, overflow, on_drop) =
            (self.queue_capacity, self.overflow, self.on_drop);
        let config = self.config()?;
        let capacity =
            queue_capacity.map(|capacity| Capacity::new(capacity, overflow, config.threads));
        ThreadPoolExecutor::start(config, capacity, on_drop)
    }

    fn config(self) -> io::Result<Config> {
        let attributes = Attributes::of_this_thread();
        let threads = self.threads.unwrap_or_else(processors);
        check("a pool has", "threads", 1..=MAX_SLOTS, threads)?;
        let max_threads = self.max_threads.unwrap_or_else(|| {
            let some = threads.saturating_mul(4).min(1024);
            some.max(threads)
        });
        check("max_threads is", "here", threads..=MAX_SLOTS, max_threads)?;
        let min_threads = self.min_threads.unwrap_or(threads);
        check("min_threads is", "here", 1..=threads, min_threads)?;
        let capacity = self.queue_capacity.unwrap_or(0);
        check("a queue has room for", "tasks", 0..=MAX_PERMITS, capacity)?;
        let name = self.hooks.thread_name.as_ref();
        let name = |number| name.map_or_else(|| default_name(number), |name| name(number));
        let first_names: Vec<_> = (0..threads).map(name).collect();
        if let Some(name) = first_names.iter().find(|name| name.contains('\0')) {
            return Err(invalid(format!(
                "the thread name {name:?} holds a NUL byte"
            )));
        }
        Ok(Config {
            threads,
            max_threads,
            limits: Limits {
                min_threads,
                max_spare_threads: self.max_spare_threads,
                keep_alive: self.keep_alive,
            },
            setup: ThreadSetup {
                stack_size: self.stack_size.unwrap_or_else(default_stack_size),
                processors: attributes.processors().unwrap_or_else(processors),
                attributes,
            },
            first_names,
            hooks: self.hooks,
            bound: None,
        })
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("threads", &self.threads)
            .field("max_threads", &self.max_threads)
            .field("min_threads", &self.min_threads)
            .field("max_spare_threads", &self.max_spare_threads)
            .field("keep_alive", &self.keep_alive)
            .field("queue_capacity", &self.queue_capacity)
            .field("overflow", &self.overflow)
            .field("on_drop", &self.on_drop)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl ThreadPoolExecutor {
    /// Starts a pool of so many threads: the first here, the others when there is work for them.
    ///
    /// [`Builder`] has the other knobs.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if `threads` is 0, or whatever the system says
    /// when it cannot start the first thread.
    pub fn new(threads: usize) -> io::Result<Self> {
        Builder::new().threads(threads).build()
    }
}

/// Starts a pool of as many threads as the machine gives.
///
/// # Panics
///
/// If the first thread cannot be started; [`Builder::build`] returns the error instead.
impl Default for ThreadPoolExecutor {
    fn default() -> Self {
        match Builder::new().build() {
            Ok(pool) => pool,
            Err(error) => panic!("the first thread of a pool could not be started: {error}"),
        }
    }
}

/// How many processors the machine gives this thread now.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What std gives a thread.
fn default_stack_size() -> usize {
    let said = std::env::var("RUST_MIN_STACK").ok();
    said.and_then(|bytes| bytes.parse().ok()).unwrap_or(2 << 20)
}

/// Refuses a number that is out of its limits.
fn check(before: &str, after: &str, limits: RangeInclusive<usize>, given: usize) -> io::Result<()> {
    if limits.contains(&given) {
        return Ok(());
    }
    let (least, most) = limits.into_inner();
    Err(invalid(format!(
        "{before} {least} to {most} {after}, not {given}"
    )))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
