//! The tasks that still run when a shutdown gives up, and those that run for long.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// An error returned by
/// [`ThreadPoolExecutor::shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout): the pool
/// had not ended in time. It says what the pool was doing.
///
/// This is a snapshot and may be stale.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// # let (send, begun) = std::sync::mpsc::channel();
/// let grind = || workmill::cancelled().wait();
/// let busy = pool.submit(move || {
/// #   send.send(()).unwrap();
///     grind()
/// });
/// # begun.recv()?;
/// let error = pool.shutdown_timeout(Duration::from_millis(10)).unwrap_err();
/// assert_eq!(error.busy().len(), 1);
/// assert_eq!(error.busy()[0].thread(), "workmill-0");
/// eprintln!("{error}"); // … workmill-0 waits in my_program::main::{{closure}}
/// # assert!(error.to_string().contains(": 1 unfinished task, 1 thread; "), "{error}");
/// pool.shutdown_now(); // tells it to stop
/// busy.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StillRunning {
    unfinished: usize,
    threads: usize,
    busy: Vec<BusyThread>,
}

impl StillRunning {
    pub(crate) fn new(unfinished: usize, threads: usize, busy: Vec<BusyThread>) -> Self {
        Self {
            unfinished,
            threads,
            busy,
        }
    }

    /// Returns the number of accepted tasks that had not ended, running or waiting. This includes
    /// cancelled tasks that no thread has met since.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(still.unfinished(), 1);
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Returns the number of threads that had not left the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(still.threads() >= 1);
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Returns the threads that ran tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// for busy in still.busy() {
    ///     println!("{busy}");
    /// }
    /// assert_eq!(still.busy().len(), 1);
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn busy(&self) -> &[BusyThread] {
        &self.busy
    }
}

impl fmt::Display for StillRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            unfinished,
            threads,
            busy,
        } = self;
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(
            f,
            "the pool has not ended: {unfinished} unfinished task{}, {threads} thread{}",
            plural(*unfinished),
            plural(*threads)
        )?;
        for (index, busy) in busy.iter().enumerate() {
            let before = if index == 0 { ";" } else { "," };
            write!(f, "{before} {busy}")?;
        }
        f.write_str(
            "; a task that looks at `workmill::cancelled()` can end early, and `shutdown_now` \
             cancels what has not begun",
        )
    }
}

impl Error for StillRunning {}

/// A worker, and the task that it ran at a moment. Returned by [`StillRunning::busy`], and passed
/// to the function of [`Builder::on_long_task`](crate::Builder::on_long_task).
///
/// # Display
///
/// Shows all of it, as in `workmill-0 runs bake (src/bakery.rs:12) of group 3 for 2.1s`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// # let (send, begun) = std::sync::mpsc::channel();
/// let grind = || workmill::cancelled().wait();
/// pool.named("grind").execute(move || {
/// #   send.send(()).unwrap();
///     grind();
/// });
/// # begun.recv()?;
/// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
/// assert_eq!(still.busy()[0].task(), "grind");
/// pool.shutdown_now(); // tells it to stop
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyThread(Busy);

/// The fields of a [`BusyThread`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) thread: String,
    pub(crate) task: &'static str,
    pub(crate) place: Option<&'static Location<'static>>,
    pub(crate) running_for: Duration,
    pub(crate) group: Option<usize>,
    pub(crate) waits: bool,
}

impl BusyThread {
    pub(crate) fn new(busy: Busy) -> Self {
        Self(busy)
    }

    /// Returns the name of the thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// println!("on {}", still.busy()[0].thread());
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn thread(&self) -> &str {
        &self.0.thread
    }

    /// Returns the name of the task: that of its view ([`PoolRef::named`](crate::PoolRef::named)),
    /// or else the type of its closure or future, which says in which function that is.
    ///
    /// The name of a type comes from [`std::any::type_name`]: it is for people to read, and must
    /// not be relied on.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(still.busy()[0].task(), "grind");
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task(&self) -> &'static str {
        self.0.task
    }

    /// Returns the place in the source where the task's name was given by
    /// [`PoolRef::named`](crate::PoolRef::named), if it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// if let Some(place) = still.busy()[0].place() {
    ///     println!("in {} at line {}", place.file(), place.line());
    /// }
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.0.place
    }

    /// Returns a time for which the task has been running at least. It counts waits in the task;
    /// for a future, it is that of the poll.
    ///
    /// No task notes when it begins. The time is exact if the worker had nothing to do before; else
    /// it is the time since somebody looked: the beginning of the shutdown that returned this, or
    /// the looks of [`on_long_task`](crate::Builder::on_long_task). If nobody has looked it is
    /// zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(still.busy()[0].running_for() >= Duration::from_millis(1));
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn running_for(&self) -> Duration {
        self.0.running_for
    }

    /// Returns the [number](crate::GroupMetrics::number) of the task's group, if it is in one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(still.busy()[0].group(), None);
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(&self) -> Option<usize> {
        self.0.group
    }

    /// Returns `true` if the task waits for something of this crate.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// # let (send, begun) = std::sync::mpsc::channel();
    /// let grind = || workmill::cancelled().wait();
    /// pool.named("grind").execute(move || {
    /// #   send.send(()).unwrap();
    ///     grind();
    /// });
    /// # begun.recv()?;
    /// let still = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
    /// println!("waits: {}", still.busy()[0].waits());
    /// pool.shutdown_now(); // tells it to stop
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn waits(&self) -> bool {
        self.0.waits
    }
}

impl fmt::Display for BusyThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let busy = &self.0;
        let verb = if busy.waits { "waits in" } else { "runs" };
        write!(f, "{} {verb} {}", busy.thread, busy.task)?;
        if let Some(place) = busy.place {
            write!(f, " ({}:{})", place.file(), place.line())?;
        }
        if let Some(group) = busy.group {
            write!(f, " of group {group}")?;
        }
        match busy.running_for.is_zero() {
            true => Ok(()),
            false => write!(f, " for {:.1?}", busy.running_for),
        }
    }
}
