//! Every knob of a pool, its default and its limits.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::OnceLock;

use crate::error::Rejected;
use crate::executor::ThreadPoolExecutor;
use crate::pool::{Config, DropBehavior, Hooks, MAX_SLOTS, Overflow};
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
    queue_capacity: Option<usize>,
    overflow: Overflow,
    on_drop: DropBehavior,
    thread_name: Box<dyn Fn(usize) -> String + Send>,
    stack_size: Option<usize>,
    hooks: Hooks,
}

impl Builder {
    /// Begins with the defaults, which each knob names.
    pub fn new() -> Self {
        Self {
            threads: None,
            queue_capacity: None,
            overflow: Overflow::default(),
            on_drop: DropBehavior::default(),
            thread_name: Box::new(|index| format!("workmill-{index}")),
            stack_size: None,
            hooks: Hooks::default(),
        }
    }

    /// Sets how many threads run tasks, from 1 to 65,535; [`build`](Self::build) says when they start.
    ///
    /// By default as many as the machine gives this process: its processors, less what an affinity
    /// mask or a cgroup quota keeps from it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
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

    /// Sets the names of the threads, each made from its index, from 0.
    ///
    /// By default `workmill-0` and so on. The names are made by [`build`](Self::build).
    pub fn thread_name(mut self, name: impl Fn(usize) -> String + Send + 'static) -> Self {
        self.thread_name = Box::new(name);
        self
    }

    /// Sets the size of the threads' stacks in bytes; by default what std gives a thread.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Sets what the drop of the last owner does; by default it waits for everything.
    pub fn on_drop(mut self, behavior: DropBehavior) -> Self {
        self.on_drop = behavior;
        self
    }

    /// Sets what each thread calls with its index before it runs tasks.
    ///
    /// [`build`](Self::build) then starts all threads, waits for their answers, and fails if one of
    /// them fails or panics.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn pin_to(_: usize) -> std::io::Result<()> { Ok(()) }
    /// let pool = workmill::Builder::new().threads(2).on_thread_start(pin_to).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_thread_start(
        mut self,
        hook: impl Fn(usize) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.thread_start = Some(Box::new(hook));
        self
    }

    /// Sets what each thread calls with its index after it has run its last task.
    ///
    /// Not called on a thread whose start failed. A panic in it goes to the
    /// [`panic_handler`](Self::panic_handler).
    pub fn on_thread_stop(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.hooks.thread_stop = Some(Box::new(hook));
        self
    }

    /// Sets what is called with the payload of each panic for which there is no handle: of a closure
    /// that was given to [`execute`](crate::PoolRef::execute), of a callback, or of
    /// [`on_thread_stop`](Self::on_thread_stop) and [`on_rejected`](Self::on_rejected).
    ///
    /// By default nothing more is done than for any panic: std's panic hook writes a line to stderr,
    /// before the handler is called. It is called on the thread that panicked, which goes on
    /// afterwards. A panic of its own goes nowhere.
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

    /// Starts the pool, with its first thread.
    ///
    /// The others are started when there is work for them: when a task is pushed, or found beside
    /// others, and no thread is asleep or looking for one. If the system will not start one then, the
    /// tasks are run by those there are, [`Metrics::failed_starts`](crate::Metrics::failed_starts)
    /// counts it, and the next push that needs a thread tries again. A pool with
    /// [`on_thread_start`](Self::on_thread_start) starts all its threads here.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if a knob is out of its limits or a name holds a NUL byte. Else
    /// whatever the system says when it cannot start a thread here, or the error of
    /// [`on_thread_start`](Self::on_thread_start); the threads that had been started have ended by
    /// then.
    pub fn build(self) -> io::Result<ThreadPoolExecutor> {
        ThreadPoolExecutor::start(self.config()?)
    }

    fn config(self) -> io::Result<Config> {
        let processors = processors();
        let threads = self.threads.unwrap_or(processors);
        if !(1..=MAX_SLOTS).contains(&threads) {
            return Err(invalid(format!(
                "a pool has 1 to {MAX_SLOTS} threads, not {threads}"
            )));
        }
        match self.queue_capacity {
            Some(capacity) if capacity > MAX_PERMITS => {
                return Err(invalid(format!(
                    "the capacity of a queue is 0 to {MAX_PERMITS}, not {capacity}"
                )));
            }
            _ => {}
        }
        let thread_names: Vec<_> = (0..threads).map(&self.thread_name).collect();
        if let Some(name) = thread_names.iter().find(|name| name.contains('\0')) {
            return Err(invalid(format!(
                "the thread name {name:?} holds a NUL byte"
            )));
        }
        Ok(Config {
            thread_names,
            queue_capacity: self.queue_capacity,
            overflow: self.overflow,
            on_drop: self.on_drop,
            stack_size: self.stack_size,
            processors,
            hooks: self.hooks,
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

/// How many processors the machine gives the process, as of the first time it was asked.
fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(num_cpus::get)
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
