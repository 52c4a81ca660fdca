//! Errors.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// An error returned when the NATS server cannot be reached, or refuses.
///
/// # Examples
///
/// ```
/// use workmill_nats::{Jobs, NatsErrorKind, NatsExecutor};
///
/// let error = NatsExecutor::connect("nats://127.0.0.1:1", Jobs::new()).unwrap_err();
/// assert_eq!(error.kind(), NatsErrorKind::Connect);
/// ```
#[derive(Clone)]
pub struct NatsError {
    kind: NatsErrorKind,
    message: Arc<str>,
}

/// What went wrong. Returned by [`NatsError::kind`].
///
/// # Examples
///
/// ```
/// use workmill_nats::{Builder, Jobs, NatsErrorKind};
///
/// let connect = |url, namespace| Builder::new(url, Jobs::new()).namespace(namespace).connect();
/// let error = connect("nats://127.0.0.1:1", "mill").unwrap_err();
/// assert_eq!(error.kind(), NatsErrorKind::Connect); // nobody listens there
/// let error = connect("nats://127.0.0.1:1", "wind mill").unwrap_err();
/// assert_eq!(error.kind(), NatsErrorKind::Settings); // it has a space
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NatsErrorKind {
    /// A setting makes no sense.
    Settings,
    /// The server could not be reached, or refused the connection.
    Connect,
    /// The server runs without JetStream, or the account may not use it.
    NoJetStream,
    /// The streams on the server have other settings than this program asks for.
    OtherSettings,
    /// The server, or the system, refused a request.
    Refused,
    /// The server did not answer in time.
    TimedOut,
}

impl NatsError {
    pub(crate) fn new(kind: NatsErrorKind, message: impl Into<String>) -> Self {
        let message = message.into().into();
        Self { kind, message }
    }

    /// Returns what went wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_nats::{Jobs, NatsErrorKind};
    ///
    /// match workmill_nats::serve(Jobs::new(), "nats://127.0.0.1:1", 4) {
    ///     Err(error) if error.kind() == NatsErrorKind::Connect => println!("try again later"),
    ///     other => panic!("{other:?}"),
    /// }
    /// ```
    pub fn kind(&self) -> NatsErrorKind {
        self.kind
    }
}

impl fmt::Display for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for NatsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NatsError")
            .field(&self.kind)
            .field(&&*self.message)
            .finish()
    }
}

impl Error for NatsError {}

impl From<NatsError> for io::Error {
    fn from(error: NatsError) -> Self {
        Self::other(error)
    }
}

/// An error returned by [`NatsExecutor::shutdown_timeout`](crate::NatsExecutor::shutdown_timeout)
/// and [`Server::shutdown_timeout`](crate::Server::shutdown_timeout) when the time is over.
///
/// # Examples
///
/// ```no_run
/// # use workmill_nats::{Jobs, NatsExecutor};
/// use std::time::Duration;
///
/// # fn square(n: u64) -> u64 { n * n }
/// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
/// let handle = executor.submit(square, 3);
/// if let Err(busy) = executor.shutdown_timeout(Duration::from_secs(10)) {
///     eprintln!("{busy}"); // names some of the jobs
///     executor.shutdown_now(); // or leaves them to the workers: `shutdown_background`
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StillBusy {
    pub(crate) what: &'static str,
    pub(crate) jobs: Vec<String>,
    pub(crate) after: Duration,
}

impl StillBusy {
    /// Returns the jobs that have not ended: each with its name and its id.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use workmill_nats::{Jobs, NatsExecutor};
    /// use std::time::Duration;
    ///
    /// # fn square(n: u64) -> u64 { n * n }
    /// # let executor = NatsExecutor::connect("localhost", Jobs::new().with("square", square))?;
    /// let handle = executor.submit(square, 3);
    /// if let Err(busy) = executor.shutdown_timeout(Duration::ZERO) {
    ///     assert_eq!(busy.jobs().len(), 1);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn jobs(&self) -> &[String] {
        &self.jobs
    }
}

impl fmt::Display for StillBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMED: usize = 8;
        let Self { what, jobs, after } = self;
        write!(f, "{} {what} after {after:?}: ", jobs.len())?;
        write!(f, "{}", jobs[..jobs.len().min(NAMED)].join(", "))?;
        match jobs.len() > NAMED {
            true => f.write_str(", …"),
            false => Ok(()),
        }
    }
}

impl Error for StillBusy {}
