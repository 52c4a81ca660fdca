//! The error of a task: it panicked, was cancelled, or was lost.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
// The standard library's under the model, too: the lock orders nothing else.
use std::sync::{Arc, Mutex, PoisonError};

use super::CancelReason;
use super::lost::Lost;
use crate::name::Name;
use crate::unwind::{self, Payload};

/// An error returned by [`JoinHandle::join`](crate::JoinHandle::join) and the other ways to wait
/// for a task: the task panicked, it was cancelled, or it was lost with the process or machine that
/// ran it.
///
/// Dropping the error drops the payload that the task panicked with. A panic in that drop is
/// contained.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let error = pool.submit(|| panic!("out of flour")).join().unwrap_err();
/// assert!(error.is_panic());
/// assert_eq!(error.panic_message(), Some("out of flour"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("ExecutionException", "CancelledError", "CancellationException"))]
pub struct JoinError {
    cause: Cause,
}

enum Cause {
    Panicked(Arc<Panicked>),
    Cancelled(CancelReason, &'static Name),
    Elsewhere(Arc<Elsewhere>),
}

/// A panic. It is on the heap, since panics are rare and the error lies in every result cell. The
/// errors that a [`SharedHandle`](crate::SharedHandle) returns share it.
struct Panicked {
    name: TaskName,
    message: Option<String>,
    /// If places are noted.
    place: Option<Box<str>>,
    /// `None` once the payload was taken. It is in a lock since a payload need not be `Sync`;
    /// nobody ever waits for the lock.
    payload: Mutex<Option<Payload>>,
}

/// The end of a task that ran, or was to run, elsewhere.
struct Elsewhere {
    name: TaskName,
    end: End,
}

#[derive(Clone)]
enum End {
    Cancelled(CancelReason),
    Refused(Arc<dyn Error + Send + Sync>),
    Lost(Lost),
}

#[derive(Clone)]
enum TaskName {
    OfType(&'static Name),
    Given(Arc<str>),
    None,
}

impl TaskName {
    fn get(&self) -> &str {
        match self {
            Self::OfType(name) => name.get(),
            Self::Given(name) => name,
            Self::None => "<unnamed>",
        }
    }
}

impl JoinError {
    /// Creates the error of a task whose panic this thread has caught last.
    pub(crate) fn of_panic(payload: Payload, name: &'static Name) -> Self {
        let message = payload.message().map(str::to_owned);
        let place = unwind::take_place();
        Self::new_panicked(TaskName::OfType(name), (message, place), Some(payload))
    }

    fn new_panicked(
        name: TaskName,
        (message, place): (Option<String>, Option<Box<str>>),
        payload: Option<Payload>,
    ) -> Self {
        let payload = Mutex::new(payload);
        Self {
            cause: Cause::Panicked(Arc::new(Panicked {
                name,
                message,
                place,
                payload,
            })),
        }
    }

    /// Returns a copy of the error for another handle. Only one of the copies returns the payload.
    pub(crate) fn share(&self) -> Self {
        let cause = match &self.cause {
            Cause::Panicked(panicked) => Cause::Panicked(Arc::clone(panicked)),
            Cause::Cancelled(reason, name) => Cause::Cancelled(*reason, name),
            Cause::Elsewhere(elsewhere) => Cause::Elsewhere(Arc::clone(elsewhere)),
        };
        Self { cause }
    }

    /// Creates the error of a task that was cancelled.
    pub(crate) fn of_cancel(reason: CancelReason, name: &'static Name) -> Self {
        Self {
            cause: Cause::Cancelled(reason, name),
        }
    }

    /// Creates the error of a task that ran elsewhere and was cancelled there, for
    /// [`Promise::fail`](crate::Promise::fail).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{CancelReason, JoinError, promise};
    ///
    /// let (promise, handle) = promise::<u32>();
    /// promise.fail(JoinError::cancelled(CancelReason::Shutdown)).unwrap();
    /// assert_eq!(handle.join().unwrap_err().cancel_reason(), Some(CancelReason::Shutdown));
    /// ```
    pub fn cancelled(reason: CancelReason) -> Self {
        Self::elsewhere(End::Cancelled(reason))
    }

    /// Creates the error of a task that ran elsewhere and panicked there. The payload that
    /// [`into_panic`](Self::into_panic) returns is the message, as a `String`.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = workmill::JoinError::panicked("out of flour").with_task_name("bake");
    /// assert_eq!(error.to_string(), "the task bake panicked: out of flour");
    /// ```
    pub fn panicked(message: impl Into<String>) -> Self {
        let message = message.into();
        let payload = Payload::new(message.clone());
        Self::new_panicked(TaskName::None, (Some(message), None), Some(payload))
    }

    /// Creates the error of a task that was not accepted where it was to run. It counts as
    /// cancelled, with [`CancelReason::Rejected`], and its [`source`](Error::source) is `source`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::error::Error;
    /// use workmill::JoinError;
    ///
    /// let error = JoinError::refused("no job of this name").with_task_name("bake");
    /// assert!(error.is_cancelled());
    /// assert_eq!(error.source().unwrap().to_string(), "no job of this name");
    /// ```
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::elsewhere(End::Refused(Arc::from(source.into())))
    }

    /// Creates the error of a task that was lost, because its process or machine died.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinError, Lost};
    ///
    /// let lost = Lost::new("the process 4711", "was killed by signal 9");
    /// let error = JoinError::lost(lost).with_task_name("bake");
    /// assert!(error.is_lost() && !error.is_cancelled());
    /// let text = "the task bake was lost: the process 4711 was killed by signal 9";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn lost(lost: Lost) -> Self {
        Self::elsewhere(End::Lost(lost))
    }

    fn elsewhere(end: End) -> Self {
        let name = TaskName::None;
        Self {
            cause: Cause::Elsewhere(Arc::new(Elsewhere { name, end })),
        }
    }

    /// Returns the error with another [name](Self::task_name) of the task. The panic of a task
    /// whose handle is [shared](crate::SharedHandle) keeps its name.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = workmill::JoinError::panicked("out of flour").with_task_name("bake");
    /// assert_eq!(error.task_name(), "bake");
    /// ```
    pub fn with_task_name(self, name: impl Into<String>) -> Self {
        self.renamed(TaskName::Given(name.into().into()))
    }

    /// Returns the error with another name of the task: the closure that the pool ran was made of
    /// the user's.
    pub(crate) fn named(self, of: &'static Name) -> Self {
        self.renamed(TaskName::OfType(of))
    }

    /// A panic of which there are copies keeps its name.
    fn renamed(self, to: TaskName) -> Self {
        match (self.cause, to) {
            (Cause::Panicked(mut panicked), to) => {
                if let Some(panicked) = Arc::get_mut(&mut panicked) {
                    panicked.name = to;
                }
                let cause = Cause::Panicked(panicked);
                Self { cause }
            }
            (Cause::Cancelled(reason, _), TaskName::OfType(name)) => Self::of_cancel(reason, name),
            (Cause::Cancelled(reason, _), name) => Self {
                cause: Cause::Elsewhere(Arc::new(Elsewhere {
                    name,
                    end: End::Cancelled(reason),
                })),
            },
            (Cause::Elsewhere(elsewhere), name) => {
                let end = elsewhere.end.clone();
                let cause = Cause::Elsewhere(Arc::new(Elsewhere { name, end }));
                Self { cause }
            }
        }
    }

    /// Returns the name of the task: that of the type of its closure or future, or the one that was
    /// [given](Self::with_task_name) to the error.
    ///
    /// The name of a closure is that of the function in which it is written, with `{{closure}}`
    /// behind it. It is meant for people, and may change with the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// fn bake() -> u32 {
    ///     panic!("out of flour")
    /// }
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let error = pool.submit(bake).join().unwrap_err();
    /// assert!(error.task_name().ends_with("::bake"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn task_name(&self) -> &str {
        match &self.cause {
            Cause::Panicked(panicked) => panicked.name.get(),
            Cause::Cancelled(_, name) => name.get(),
            Cause::Elsewhere(elsewhere) => elsewhere.name.get(),
        }
    }

    /// Returns `true` if the task panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// assert!(pool.submit(|| panic!("out of flour")).join().unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panicked(_))
    }

    /// Returns `true` if the task was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// assert!(pool.submit(|| 42).join().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.cancel_reason().is_some()
    }

    /// Returns why the task was cancelled, or `None` if it panicked or was lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::CancelReason;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.shutdown();
    /// let error = pool.submit(|| 42).join().unwrap_err();
    /// assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        match &self.cause {
            Cause::Cancelled(reason, _) => Some(*reason),
            Cause::Elsewhere(elsewhere) => match elsewhere.end {
                End::Cancelled(reason) => Some(reason),
                End::Refused(_) => Some(CancelReason::Rejected),
                End::Lost(_) => None,
            },
            Cause::Panicked(_) => None,
        }
    }

    /// Returns `true` if the task was lost, because its process or machine died. Tasks of a thread
    /// pool are never lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinError, Lost};
    ///
    /// let error = JoinError::lost(Lost::new("the process 4711", "was killed by signal 9"));
    /// assert!(error.is_lost() && !error.is_panic() && !error.is_cancelled());
    /// ```
    pub fn is_lost(&self) -> bool {
        self.as_lost().is_some()
    }

    /// Returns how the task was lost, or `None` if it was not lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinError, Lost};
    ///
    /// let error = JoinError::lost(Lost::new("the process 4711", "was killed by signal 9"));
    /// assert_eq!(error.as_lost().unwrap().end(), "was killed by signal 9");
    /// ```
    pub fn as_lost(&self) -> Option<&Lost> {
        match &self.cause {
            Cause::Elsewhere(elsewhere) => match &elsewhere.end {
                End::Lost(lost) => Some(lost),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the payload that the task panicked with, for example for
    /// [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// Of the errors that one [`SharedHandle`](crate::SharedHandle) and its clones return, only the
    /// first that is asked returns the payload. The others return the
    /// [`panic_message`](Self::panic_message) as a `String`, and so does the error of a task that
    /// panicked elsewhere.
    ///
    /// # Panics
    ///
    /// Panics if the task did not panic. Check [`is_panic`](Self::is_panic) first.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let error = pool.submit(|| std::panic::panic_any(7_u32)).join().unwrap_err();
    /// assert_eq!(*error.into_panic().downcast::<u32>().unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        assert!(self.is_panic(), "the task did not panic: {self}");
        match self.take_payload() {
            Some(payload) => payload.into_inner(),
            None => Box::new(self.panic_message().unwrap_or_default().to_owned()),
        }
    }

    /// Takes the payload that the task panicked with, unless it was taken before.
    pub(crate) fn take_payload(&self) -> Option<Payload> {
        match &self.cause {
            Cause::Panicked(panicked) => panicked
                .payload
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
            _ => None,
        }
    }

    /// Returns the message that the task panicked with, if the payload is a string.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let error = pool.submit(|| panic!("out of {}", "flour")).join().unwrap_err();
    /// assert_eq!(error.panic_message(), Some("out of flour"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn panic_message(&self) -> Option<&str> {
        match &self.cause {
            Cause::Panicked(panicked) => panicked.message.as_deref(),
            _ => None,
        }
    }

    /// Returns the place at which the task panicked, as `src/main.rs:10:5`, if the program has
    /// called [`note_panic_places`]. Only the panic hook of the process knows places, and that is
    /// the program's.
    ///
    /// A panic that goes on by [`resume_unwind`](std::panic::resume_unwind) calls no hook, so its
    /// place is that of the thread's last panic, if that one was caught by the task.
    ///
    /// # Examples
    ///
    /// ```
    /// workmill::note_panic_places();
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let error = pool.submit(|| panic!("no grain")).join().unwrap_err();
    /// let place = error.panic_place().expect("places are noted");
    /// assert!(error.to_string().ends_with(&format!("panicked at {place}: no grain")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn panic_place(&self) -> Option<&str> {
        match &self.cause {
            Cause::Panicked(panicked) => panicked.place.as_deref(),
            _ => None,
        }
    }
}

/// Makes the errors of tasks that panic from now on tell the [place](JoinError::panic_place), in
/// all pools of this process.
///
/// It sets a [panic hook](std::panic::set_hook), which notes the place and calls the hook that was
/// there before. So it is for programs, to be called at the beginning of `main`, and not for
/// libraries. A hook that is set later should call the one before it, too. Further calls do
/// nothing. Each panic allocates the text of its place; tasks that do not panic pay nothing.
///
/// # Panics
///
/// Panics if the thread is panicking.
///
/// # Examples
///
/// ```
/// workmill::note_panic_places();
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let error = pool.submit(|| panic!("no grain")).join().unwrap_err();
/// println!("{error}"); // the task … panicked at src/main.rs:3:32: no grain
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias("set_hook", "traceback"))]
pub fn note_panic_places() {
    unwind::note_places();
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = |kind: &str, detail: &dyn fmt::Debug, f: &mut fmt::Formatter<'_>| {
            let name = self.task_name();
            f.debug_tuple(kind).field(detail).field(&name).finish()
        };
        match &self.cause {
            Cause::Panicked(panicked) => debug("Panicked", &panicked.message, f),
            Cause::Cancelled(reason, _) => debug("Cancelled", reason, f),
            Cause::Elsewhere(elsewhere) => match &elsewhere.end {
                End::Cancelled(reason) => debug("Cancelled", reason, f),
                End::Refused(source) => debug("Refused", source, f),
                End::Lost(lost) => debug("Lost", lost, f),
            },
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task {} ", self.task_name())?;
        match &self.cause {
            Cause::Panicked(panicked) => {
                f.write_str("panicked")?;
                if let Some(place) = &panicked.place {
                    write!(f, " at {place}")?;
                }
                match &panicked.message {
                    Some(message) => write!(f, ": {message}"),
                    None => Ok(()),
                }
            }
            Cause::Cancelled(reason, _) => write!(f, "was {reason}"),
            Cause::Elsewhere(elsewhere) => match &elsewhere.end {
                End::Cancelled(reason) => write!(f, "was {reason}"),
                End::Refused(source) => write!(f, "was refused: {source}"),
                End::Lost(lost) => write!(f, "was lost: {lost}"),
            },
        }
    }
}

// The source of an error is shared, but nobody can change it.
impl UnwindSafe for JoinError {}
impl RefUnwindSafe for JoinError {}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Elsewhere(elsewhere) => match &elsewhere.end {
                End::Refused(source) => Some(&**source),
                End::Lost(lost) => Some(lost),
                End::Cancelled(_) => None,
            },
            _ => None,
        }
    }
}

/// Wraps the error, so that `?` works in functions that return an [`io::Result`]. The kind is
/// [`Other`](io::ErrorKind::Other), and [`downcast`](io::Error::downcast) returns the `JoinError`.
///
/// # Examples
///
/// ```
/// fn answer() -> std::io::Result<u32> {
///     let pool = workmill::ThreadPoolExecutor::new(1)?;
///     Ok(pool.submit(|| 42).join()?)
/// }
///
/// assert_eq!(answer()?, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}
