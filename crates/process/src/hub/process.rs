//! The handle to a process, and what a process knows of itself.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use workmill::{JoinError, JoinHandle};

use crate::pool::{Own, Shared};
use crate::sys;

/// A handle to a process that runs one function, and to the result of that. Returned by
/// [`Hub::spawn`](super::Hub::spawn).
///
/// It is like Python's `multiprocessing.Process`, with a result, and can be awaited. Dropping it
/// leaves the process to itself: the drop of the hub waits for it.
///
/// # The end of a process
///
/// The function's result is known when the process has ended and was reaped, and what it had of the
/// hub is back. A function that returns ends its process with status 0, one that panics with status
/// 101, and one whose arguments cannot be decoded, or whose result cannot be encoded, with 1. A
/// process that does not end within 5 seconds after its function is killed.
///
/// # Examples
///
/// ```
/// use workmill_process::{Hub, Jobs};
///
/// fn add(a: u64, b: u64) -> u64 {
///     a + b
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("add", add)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let mut adder = hub.spawn(add, (1, 2));
///     let sum = adder.join_timeout(std::time::Duration::from_secs(10)).expect("it is quick")?;
///     assert_eq!(sum, 3);
///     assert_eq!(adder.exit_status().and_then(|status| status.code()), Some(0));
///     Ok(())
/// }
/// ```
#[doc(alias = "Process")]
pub struct ProcessHandle<R> {
    pub(super) result: JoinHandle<R>,
    pub(super) own: Arc<Own>,
    pub(super) shared: Arc<Shared>,
    pub(super) is_daemon: bool,
}

impl<R> ProcessHandle<R> {
    /// Returns the number of the process, or `None` if it could not be started.
    ///
    /// When the process has ended, the number may be that of another.
    ///
    /// # Blocking
    ///
    /// Blocks until the process has been started, some milliseconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.spawn(square, 3);
    /// assert_ne!(process.id(), Some(std::process::id())); // it is another process
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "pid")]
    pub fn id(&self) -> Option<u32> {
        self.own.id()
    }

    /// Returns the name of the process: the one that [`Hub::named`](super::Hub::named) gave it, or
    /// one with a number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let (one, other) = (hub.spawn(square, 3), hub.named("other").spawn(square, 4));
    /// assert_eq!((one.name(), other.name()), ("process-1", "other"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        self.own.name()
    }

    /// Returns `true` if the hub does not wait for the process, but ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// assert!(hub.daemon().spawn(square, 3).is_daemon());
    /// assert!(!hub.spawn(square, 3).is_daemon());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_daemon(&self) -> bool {
        self.is_daemon
    }

    /// Blocks until the process has ended, and returns the result of its function.
    ///
    /// # Blocking
    ///
    /// Blocks until the process has ended.
    ///
    /// # Errors
    ///
    /// Those of [`ProcessPoolRef::submit`](crate::ProcessPoolRef::submit): the function panicked,
    /// the process died ([`is_lost`](JoinError::is_lost)) or was killed, or could not be started.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
    /// fn burn() {
    ///     panic!("too hot");
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let error = hub.spawn(burn, ()).join().unwrap_err();
    /// assert!(error.is_panic());
    /// # Ok(())
    /// # }
    /// ```
    pub fn join(self) -> Result<R, JoinError> {
        self.result.join()
    }

    /// Blocks until the process has ended, but no longer than `timeout`. Returns `None` if the time
    /// is over first.
    ///
    /// # Blocking
    ///
    /// Blocks until the process has ended or the time is over.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Panics if the result was taken before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// use std::time::Duration;
    ///
    /// let mut process = hub.spawn(square, 3);
    /// let nine = loop {
    ///     match process.join_timeout(Duration::from_millis(100)) {
    ///         Some(result) => break result?,
    ///         None => println!("not yet"),
    ///     }
    /// };
    /// assert_eq!(nine, 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<R, JoinError>> {
        self.result.join_timeout(timeout)
    }

    /// Returns the result of the function if the process has ended. Never waits.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Panics if the result was taken before.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let mut process = hub.spawn(square, 3);
    /// if let Some(result) = process.try_join() {
    ///     println!("{} already", result?);
    /// } else {
    ///     assert_eq!(process.join()?, 9);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_join(&mut self) -> Option<Result<R, JoinError>> {
        self.result.try_join()
    }

    /// Returns `true` if the process has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.spawn(square, 3);
    /// hub.shutdown();
    /// assert!(process.is_finished());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_finished(&self) -> bool {
        self.result.is_finished()
    }

    /// Kills the process with its group. Returns `false` if it has ended already. Does not wait.
    ///
    /// The result is [`is_lost`](JoinError::is_lost) then, unless the function had returned. What
    /// the process had of the hub comes back.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::{Hub, Jobs};
    ///
    /// fn hang() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// fn jobs() -> Jobs {
    ///     Jobs::new().with("hang", hang)
    /// }
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     workmill_process::serve_if_worker(jobs());
    ///     let hub = Hub::new(jobs())?;
    ///     let hanging = hub.spawn(hang, ());
    ///     assert!(hanging.kill());
    ///     assert!(hanging.join().unwrap_err().is_lost());
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "terminate")]
    pub fn kill(&self) -> bool {
        self.shared.kill_own(&self.own)
    }

    /// Returns how the process has ended, or `None` if it has not, or somebody else has waited for
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn square(n: u64) -> u64 { n * n }
    /// # fn jobs() -> Jobs { Jobs::new().with("square", square) }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// let process = hub.spawn(square, 3);
    /// hub.shutdown(); // waits for it
    /// assert!(process.exit_status().is_some_and(|status| status.success()));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.own.status()
    }
}

impl<R> Unpin for ProcessHandle<R> {}

impl<R> Future for ProcessHandle<R> {
    type Output = Result<R, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(context)
    }
}

impl<R> fmt::Debug for ProcessHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessHandle")
            .field("name", &self.name())
            .field("is_daemon", &self.is_daemon)
            .field("exit_status", &self.exit_status())
            .finish_non_exhaustive()
    }
}

/// What a process knows of itself. Returned by [`current_process`].
///
/// # Examples
///
/// ```
/// let process = workmill_process::current_process();
/// assert_eq!(process.name(), "main"); // no worker
/// assert_eq!(process.id(), std::process::id());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentProcess {
    name: &'static str,
    id: u32,
}

impl CurrentProcess {
    /// Returns the name of the process: that of its [`ProcessHandle`], `worker-1` and so on in the
    /// processes of a pool, and `main` in a process that is no worker.
    ///
    /// # Examples
    ///
    /// ```
    /// # use workmill_process::{Hub, Jobs, serve_if_worker};
    /// # fn jobs() -> Jobs { Jobs::new().with("name", name) }
    /// fn name() -> String {
    ///     workmill_process::current_process().name().to_owned()
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # serve_if_worker(jobs());
    /// # let hub = Hub::new(jobs())?;
    /// assert_eq!(hub.named("miller").spawn(name, ()).join()?, "miller");
    /// # Ok(())
    /// # }
    /// ```
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the number of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// let process = workmill_process::current_process();
    /// assert_eq!(process.id(), std::process::id());
    /// ```
    pub fn id(&self) -> u32 {
        self.id
    }
}

/// Returns what this process knows of itself.
///
/// # Examples
///
/// ```
/// use workmill_process::{Hub, Jobs, current_process};
///
/// fn name() -> String {
///     current_process().name().to_owned()
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("name", name)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     assert_eq!(hub.named("miller").spawn(name, ()).join()?, "miller");
///     assert_eq!(current_process().name(), "main");
///     Ok(())
/// }
/// ```
pub fn current_process() -> CurrentProcess {
    CurrentProcess {
        name: sys::link().map_or("main", |link| link.name()),
        id: std::process::id(),
    }
}
