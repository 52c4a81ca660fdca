//! The problems of which a pool warns.

use std::fmt;
use std::io;

use crate::error::StillRunning;

/// A problem because of which a pool does worse than it promises, although nothing is lost.
///
/// It is passed to the function of [`Builder::on_warning`](crate::Builder::on_warning).
///
/// # Examples
///
/// ```
/// use workmill::{Builder, Warning};
///
/// let builder = Builder::new().on_warning(|warning| match warning {
///     Warning::ThreadNotStarted(error) => eprintln!("fewer threads: {error}"),
///     other => eprintln!("{other}"),
/// });
/// # drop(builder);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Warning {
    /// The system failed to start a thread for which there is work, or
    /// [`on_thread_start`](crate::Builder::on_thread_start) refused it. The pool goes on with the
    /// threads that it has, and tries again with the next task that is submitted.
    ThreadNotStarted(io::Error),
    /// A task waits, and as many threads wait in tasks already as
    /// [`max_spare_threads`](crate::Builder::max_spare_threads) allows. This wait, and others from
    /// now on, keep their slots: if all slots are kept, and the tasks that they wait for are still
    /// queued, the pool hangs.
    SpareThreadsUsedUp(usize),
    /// A task has waited for room, in a full queue, in a bounded pool or for a permit, until its
    /// patience was over: another task may begin in its place, perhaps the one that makes room.
    /// Told once for each pool. [`Builder::give_way`](crate::Builder::give_way) sets the patience.
    GaveWay(GaveWay),
    /// All permits of a [group](crate::Group) have been held for five seconds by tasks that wait,
    /// while other tasks of the group wait for a permit: the group has this limit. If the first
    /// wait for the others, it hangs. Told once for each group, on a thread of its own.
    ///
    /// A task that joins or awaits a task of its group lends it its permit; see the
    /// [guide](crate::guide::waiting). For any other wait, raise the limit, or submit the tasks
    /// that are waited for outside the group.
    GroupStands(usize),
    /// A [`shutdown`](crate::ThreadPoolExecutor::shutdown) without a time limit, or the drop of the
    /// last owner, has waited for five seconds, and goes on waiting. Told once for each such wait,
    /// on the thread that waits. A shutdown in the function that is told does not wait.
    ///
    /// A closure that runs for long can end early if it looks at [`cancelled`](crate::cancelled());
    /// [`shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout) waits no longer than it is
    /// told to.
    StillWaiting(StillWaiting),
}

/// A task that has waited for room until another task may begin in its place; of
/// [`Warning::GaveWay`].
///
/// # Examples
///
/// ```
/// use workmill::{Builder, Warning};
///
/// let builder = Builder::new().on_warning(|warning| {
///     if let Warning::GaveWay(it) = warning {
///         eprintln!("{} has waited for {} for {:?}", it.task, it.awaited, it.stood);
///     }
/// });
/// # drop(builder);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GaveWay {
    /// The name of the task: that of the type of its closure or future.
    pub task: &'static str,
    /// For how long it had waited.
    pub stood: std::time::Duration,
    /// The thing that it waited for: `"room in a queue"`, `"room in another pool, or in a
    /// group"` or `"a permit"`.
    pub awaited: &'static str,
}

/// A shutdown or a drop that waits for a pool to end; of [`Warning::StillWaiting`].
///
/// # Examples
///
/// ```
/// use workmill::{Builder, Warning};
///
/// let builder = Builder::new().on_warning(|warning| {
///     if let Warning::StillWaiting(waiting) = warning {
///         for busy in waiting.still_running.busy() {
///             eprintln!("after {:?} still {}", waiting.waited, busy.task());
///         }
///     }
/// });
/// # drop(builder);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StillWaiting {
    /// For how long it had waited.
    pub waited: std::time::Duration,
    /// The tasks that it waited for, and the threads that ran them.
    pub still_running: StillRunning,
}

impl StillWaiting {
    pub(crate) fn new(waited: std::time::Duration, still_running: StillRunning) -> Self {
        Self {
            waited,
            still_running,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ThreadNotStarted(error) => write!(
                f,
                "a thread could not be started: {error}; the pool goes on with those it has, and \
                 tries again; allow the process more threads, or set fewer"
            ),
            Self::SpareThreadsUsedUp(most) => write!(
                f,
                "{most} threads wait in tasks, and no more may: tasks that wait keep their slots; \
                 raise `Builder::max_spare_threads`, or await in futures"
            ),
            Self::GaveWay(GaveWay {
                task,
                stood,
                awaited,
            }) => write!(
                f,
                "a task has waited {stood:.1?} for {awaited}, and others begin in its place: \
                 {task}; if that is too many at a time, give more room, or raise \
                 `Builder::give_way`"
            ),
            Self::GroupStands(limit) => write!(
                f,
                "all tasks that may run in a group limited to {limit} wait, and others wait for \
                 them to end: if they wait for each other, raise the limit, or submit the others \
                 outside the group"
            ),
            Self::StillWaiting(StillWaiting {
                waited,
                still_running,
            }) => write!(
                f,
                "a shutdown or drop has waited {waited:.1?}, and goes on: {still_running}"
            ),
        }
    }
}
