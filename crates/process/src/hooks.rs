//! Functions of the user's that a pool calls.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;

use workmill::JoinError;

/// The end of a worker process, for [`Builder::on_process_end`](crate::Builder::on_process_end).
///
/// # Examples
///
/// ```
/// # use workmill_process::{Builder, Jobs, serve_if_worker};
/// # fn jobs() -> Jobs { Jobs::new().with("burn", burn) }
/// fn burn() {
///     eprintln!("it is too hot");
///     std::process::exit(3);
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # serve_if_worker(jobs());
/// let (tell, ended) = std::sync::mpsc::channel();
/// let pool = Builder::new(jobs())
///     .processes(1)
///     .on_process_end(move |end| tell.send(end.clone()).unwrap())
///     .build()?;
/// assert!(pool.submit(burn, ()).join().unwrap_err().is_lost());
/// let end = ended.recv()?;
/// assert_eq!(end.status.and_then(|status| status.code()), Some(3));
/// assert_eq!((&*end.standard_error, end.is_expected), ("it is too hot\n", false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProcessEnd {
    /// The number of the process, which may be that of another by now.
    pub id: u32,
    /// How it ended, or `None` if somebody else has waited for it: a handler of `SIGCHLD`, or the
    /// system, if that signal is ignored.
    pub status: Option<ExitStatus>,
    /// The end in words, such as "was ended by signal 9".
    pub description: String,
    /// The end of what it wrote to standard error.
    pub standard_error: String,
    /// Whether the pool has ended it.
    pub is_expected: bool,
}

type OnStart = dyn Fn(u32) + Send + Sync;
type OnEnd = dyn Fn(&ProcessEnd) + Send + Sync;
type OnUnseen = dyn Fn(&JoinError) + Send + Sync;

#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) start: Option<Box<OnStart>>,
    pub(crate) end: Option<Box<OnEnd>>,
    pub(crate) unseen: Option<Box<OnUnseen>>,
}

impl Hooks {
    pub(crate) fn started(&self, id: u32) {
        call(&self.start, |hook| hook(id));
    }

    pub(crate) fn ended(&self, end: &ProcessEnd) {
        call(&self.end, |hook| hook(end));
    }

    /// Hands on an error that no handle returns.
    pub(crate) fn unseen(&self, error: &JoinError) {
        match &self.unseen {
            Some(_) => call(&self.unseen, |hook| hook(error)),
            None => eprintln!("{error}"),
        }
    }
}

/// A panic of a hook has been reported by the panic hook, and ends there.
fn call<F: ?Sized>(hook: &Option<Box<F>>, call: impl FnOnce(&F)) {
    if let Some(hook) = hook {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(hook))) {
            std::mem::forget(payload);
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}
