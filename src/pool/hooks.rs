//! The user's functions, and how they are called: thread names, thread hooks, panics, refusals,
//! warnings and the end.
//!
//! All of them may panic, wait, fork, and use the pool. So no lock is held while one is called, and
//! a panic ends here.

use std::any::Any;
use std::io;
use std::time::Duration;

use crate::error::{BusyThread, CancelReason, Rejected};
use crate::primitive::{AtomicU8, Mutex, Ordering, lock};
use crate::unwind::{self, Payload};
use crate::wait::without_loans;
use crate::warning::{GaveWay, StillWaiting, Warning};

/// The user's functions, as the builder collects them.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) thread_start: Option<Box<ThreadStart>>,
    pub(crate) thread_stop: Option<Box<dyn Fn(usize) + Send + Sync>>,
    pub(crate) thread_name: Option<Box<ThreadName>>,
    pub(crate) panic: Option<Box<PanicHandler>>,
    pub(crate) rejected: Option<Box<dyn Fn(Rejected) + Send + Sync>>,
    pub(crate) warning: Option<Box<dyn Fn(Warning) + Send + Sync>>,
    pub(crate) terminated: Option<Box<dyn Fn() + Send + Sync>>,
    /// The time after which a task is long, and the function that is told.
    pub(crate) long_task: Option<(Duration, Box<LongTask>)>,
}

/// Takes a task that runs for long.
type LongTask = dyn Fn(BusyThread) + Send + Sync;

/// Takes the value that a task panicked with.
type PanicHandler = dyn Fn(Box<dyn Any + Send>) + Send + Sync;

/// Returns the name of the thread with the given number.
type ThreadName = dyn Fn(usize) -> String + Send + Sync;

/// Decides whether the thread with the given number may run tasks.
type ThreadStart = dyn Fn(usize) -> io::Result<()> + Send + Sync;

/// Returns the name of a thread for which the user gives none.
pub(crate) fn default_name(number: usize) -> String {
    format!("workmill-{number}")
}

/// Calls a function of the user's. If it waits for room it lends no slot, since it may be called
/// between tasks, and by a thread that others need.
fn call<R>(hook: impl FnOnce() -> R) -> Result<R, Payload> {
    unwind::catch(|| without_loans(hook))
}

/// Bits of `told`.
const OF_STARTS: u8 = 1;
const OF_SPARES: u8 = 2;
const OF_GIFTS: u8 = 4;
const OF_THE_END: u8 = 8;

/// Something that the user is to be told by a thread that may call hooks.
pub(crate) enum Untold {
    /// Why a thread could not be started.
    NotStarted(io::Error),
    /// Waits keep their slots, since too many threads are away.
    SparesUsedUp,
    /// A task that waited for room has given its slot away.
    GaveWay(GaveWay),
}

/// Calls the hooks of one pool.
pub(crate) struct HookCaller {
    hooks: Hooks,
    /// The names of the first threads, which the builder has asked for.
    first_names: Vec<String>,
    /// The things of which the user is told once, and has been told.
    told: AtomicU8,
    /// The things that were found by threads that call no hooks; of each kind at most one.
    untold: Mutex<Vec<Untold>>,
}

impl HookCaller {
    pub(crate) fn new(hooks: Hooks, first_names: Vec<String>) -> Self {
        Self {
            hooks,
            first_names,
            told: AtomicU8::new(0),
            untold: Mutex::new(Vec::new()),
        }
    }

    /// Returns the name for a thread; called once a thread.
    pub(crate) fn thread_name(&self, number: usize) -> String {
        if let Some(name) = self.first_names.get(number) {
            return name.clone();
        }
        let given = self.hooks.thread_name.as_ref();
        let given = given.map(|name| call(|| name(number)));
        match given {
            Some(Ok(name)) => name.replace('\0', "\u{fffd}"),
            // The thread is needed, so it gets a name although the hook has panicked.
            Some(Err(_)) | None => default_name(number),
        }
    }

    /// Returns `true` if the user decides whether a thread may run tasks.
    pub(crate) fn has_thread_start(&self) -> bool {
        self.hooks.thread_start.is_some()
    }

    /// Asks the user whether the thread may run tasks.
    pub(crate) fn thread_start(&self, number: usize) -> io::Result<()> {
        let Some(hook) = &self.hooks.thread_start else {
            return Ok(());
        };
        call(|| hook(number)).unwrap_or_else(|payload| {
            let message = payload.message().unwrap_or("no message");
            Err(io::Error::other(format!(
                "on_thread_start panicked: {message}"
            )))
        })
    }

    /// Calls the hook for a thread that has run its last task.
    pub(crate) fn thread_stop(&self, number: usize) {
        if let Some(hook) = &self.hooks.thread_stop {
            if let Err(payload) = call(|| hook(number)) {
                self.panicked(payload);
            }
        }
    }

    /// Calls the hook for the end of the pool, unless it was called before.
    pub(crate) fn terminated(&self) {
        if let Some(hook) = &self.hooks.terminated {
            if !self.was_told(OF_THE_END) {
                if let Err(payload) = call(hook) {
                    self.panicked(payload);
                }
            }
        }
    }

    /// Calls the hook for a task that runs for long.
    pub(crate) fn long_task(&self, busy: BusyThread) {
        if let Some((_, hook)) = &self.hooks.long_task {
            if let Err(payload) = call(|| hook(busy)) {
                self.panicked(payload);
            }
        }
    }

    /// Notes that the pool was not built, so that its end is not worth a call.
    pub(crate) fn was_not_built(&self) {
        let _ = self.was_told(OF_THE_END);
    }

    /// Calls the handler of panics that no handle shows.
    pub(crate) fn panicked(&self, payload: Payload) {
        if let Some(handler) = &self.hooks.panic {
            // A handler that panics has reported that by its own panic.
            drop(call(|| handler(payload.into_inner())));
        }
    }

    /// Hands a refused closure to the user, or drops it.
    pub(crate) fn rejected(&self, closure: Box<dyn FnOnce() + Send>, reason: CancelReason) {
        let Some(hook) = &self.hooks.rejected else {
            return drop(closure);
        };
        if let Err(payload) = call(|| hook(Rejected::new(closure, reason))) {
            self.panicked(payload);
        }
    }

    /// Warns the user of a thread that could not be started, or refused to start.
    pub(crate) fn start_failed(&self, error: io::Error) {
        self.warn(OF_STARTS, Warning::ThreadNotStarted(error));
    }

    /// A thread has started, so the next failure is worth a warning again.
    pub(crate) fn thread_has_started(&self) {
        self.told.fetch_and(!OF_STARTS, Ordering::Relaxed);
    }

    /// Warns the user that a wait keeps its slot, because `most` threads are away already.
    pub(crate) fn spares_used_up(&self, most: usize) {
        self.warn(OF_SPARES, Warning::SpareThreadsUsedUp(most));
    }

    /// Warns the user that a task gave its slot away while it waited for room.
    pub(crate) fn gave_way(&self, gave_way: GaveWay) {
        self.warn(OF_GIFTS, Warning::GaveWay(gave_way));
    }

    /// Warns the user that all tasks of a group that may run wait.
    pub(crate) fn group_stands(&self, limit: usize) {
        self.tell(Warning::GroupStands(limit));
    }

    /// Warns the user that a thread waits for the pool's end, each time.
    pub(crate) fn still_waiting(&self, still_waiting: StillWaiting) {
        self.tell(Warning::StillWaiting(still_waiting));
    }

    /// Keeps something until a thread that may call hooks [takes](Self::take_untold) it.
    pub(crate) fn keep_untold(&self, new: Untold) {
        let mut untold = lock(&self.untold);
        let is_alike = |it: &Untold| std::mem::discriminant(it) == std::mem::discriminant(&new);
        if !untold.iter().any(is_alike) {
            untold.push(new);
        }
    }

    pub(crate) fn take_untold(&self) -> Vec<Untold> {
        std::mem::take(&mut lock(&self.untold))
    }

    /// Drops the hooks, with all that they captured.
    pub(crate) fn discard(&mut self) {
        unwind::discard(std::mem::take(&mut self.hooks));
    }

    /// Warns the user of something that goes worse than promised, once for each kind.
    #[cold]
    fn warn(&self, kind: u8, warning: Warning) {
        if self.was_told(kind) {
            return unwind::discard(warning);
        }
        self.tell(warning);
    }

    /// Notes that the user is told something of this kind. Returns `true` if that was so before.
    fn was_told(&self, kind: u8) -> bool {
        self.told.fetch_or(kind, Ordering::Relaxed) & kind != 0
    }

    #[cold]
    fn tell(&self, warning: Warning) {
        let told = call(|| match &self.hooks.warning {
            Some(hook) => hook(warning),
            None => eprintln!("workmill: {warning}"),
        });
        if let Err(payload) = told {
            self.panicked(payload);
        }
    }
}
