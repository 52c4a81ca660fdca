//! Every knob of a pool, its default and its limits.

use std::fmt;
use std::io;

use crate::executor::ThreadPoolExecutor;
use crate::pool::{Config, MAX_SLOTS, Overflow};
use crate::sync::semaphore::Semaphore;

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
    thread_name: Box<dyn Fn(usize) -> String + Send>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Begins with the defaults, which each knob names.
    pub fn new() -> Self {
        Self {
            threads: None,
            queue_capacity: None,
            overflow: Overflow::default(),
            thread_name: Box::new(|index| format!("workmill-{index}")),
            stack_size: None,
        }
    }

    /// Sets how many threads run tasks, from 1 to 65,535.
    ///
    /// By default as many as the machine gives this process: its processors, less what an affinity
    /// mask or a cgroup quota keeps from it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets how many accepted tasks may wait for a thread, at least 1.
    ///
    /// Tasks that run do not count. By default there is no limit. See [`Overflow`] for what happens
    /// to one more.
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

    /// Starts the pool with all its threads.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if a knob is out of its limits or a name holds a NUL byte. Else
    /// whatever the system says when it cannot start a thread; those that had been started
    /// have ended by then.
    pub fn build(self) -> io::Result<ThreadPoolExecutor> {
        ThreadPoolExecutor::start(&self.config()?)
    }

    fn config(&self) -> io::Result<Config> {
        let threads = self.threads.unwrap_or_else(num_cpus::get);
        if !(1..=MAX_SLOTS).contains(&threads) {
            return Err(invalid(format!(
                "a pool has 1 to {MAX_SLOTS} threads, not {threads}"
            )));
        }
        let capacities = 1..=Semaphore::MAX_PERMITS;
        match self.queue_capacity {
            Some(capacity) if !capacities.contains(&capacity) => {
                return Err(invalid(format!(
                    "the capacity of a queue is 1 to {}, not {capacity}",
                    Semaphore::MAX_PERMITS
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
            stack_size: self.stack_size,
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
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

impl ThreadPoolExecutor {
    /// Starts a pool with so many threads.
    ///
    /// [`Builder`] has the other knobs.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if `threads` is 0, or whatever the system says
    /// when it cannot start a thread; no thread is left behind then.
    pub fn new(threads: usize) -> io::Result<Self> {
        Builder::new().threads(threads).build()
    }
}

/// Starts a pool with as many threads as the machine gives.
///
/// # Panics
///
/// If a thread cannot be started; [`Builder::build`] returns the error instead.
impl Default for ThreadPoolExecutor {
    fn default() -> Self {
        match Builder::new().build() {
            Ok(pool) => pool,
            Err(error) => panic!("the threads of a pool could not be started: {error}"),
        }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
