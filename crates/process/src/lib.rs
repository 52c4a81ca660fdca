//! A process pool with the face of a thread pool: jobs that may crash alone, and can be stopped.
//!
//! ```
//! use workmill_process::{Jobs, ProcessPoolExecutor};
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! fn jobs() -> Jobs {
//!     Jobs::new().with("square", square)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     workmill_process::serve_if_worker(jobs()); // in a worker process: serves, and never returns
//!     let pool = ProcessPoolExecutor::new(4, jobs())?;
//!     let nine = pool.submit(square, 3); // a handle like that of a thread pool
//!     assert_eq!(nine.join()?, 9);
//!     pool.shutdown();
//!     Ok(())
//! }
//! ```
//!
//! It is for work that may crash (a decoder in C, files from strangers), that must be stopped
//! (a search without an end), or that takes more memory than it gives back. Work that does none of
//! these belongs on threads: an empty job costs many times as much here.
//!
//! # How it works
//!
//! A worker process is the program itself, started anew; nothing is copied by a bare `fork`. It
//! runs up to [`serve_if_worker`], and serves there until it is told to end. A job is a function
//! that both sides know by a name ([`Jobs`]); its arguments and its result go through a socket,
//! encoded by serde and postcard. [The guide](guide::starting) says what that means for tests,
//! doctests and examples.
//!
//! # What is promised
//!
//! - A process that dies, by a signal, an exit, a limit, a stack that overflows, fails the job that
//!   it ran, and no other. That job's handle returns an error that [`is_lost`], and says how the
//!   process died. The process is replaced. Jobs that were sent ahead to it go to another.
//! - A job begins at most once, or once more for each [retry](Builder::retries).
//! - A panic comes back as text; the process goes on.
//! - [`cancel`](workmill::JoinHandle::cancel) stops a job that runs, by killing its process with
//!   all of its group. When the handle resolves nothing of the job runs any more. No other job is
//!   lost.
//! - When this process ends, however it does, all worker processes end, with what they have
//!   started. No zombie is left, no descriptor, no memory.
//! - Each worker process is in a process group of its own, so a Ctrl-C in the terminal reaches this
//!   process alone. [What to do then](workmill::guide::processes#ctrl-c) is in workmill's guide.
//! - What has left the process group of its worker, by `setsid`, lives on. Nothing is done about
//!   that. And a copy of this process made by a bare `fork` has its sockets, so that its end is
//!   only seen with that of the copy.
//! - Idle processes cost no time at all.
//!
//! # What processes can share
//!
//! Arguments, results and the items of a [`pipe`](pipe()) may contain [connections](Connection),
//! [shared memory](SharedMemory), [values](SharedValue) and [arrays](SharedArray), files and
//! sockets ([`Descriptor`]). [The guide](guide::sharing) says what to use when.
//!
//! # What it costs
//!
//! One process, on a virtual machine with two cores that other programs used as well: medians of 9
//! rounds, in turn with a message of 24 bytes, or a megabyte, that goes to another process and
//! back, and with Python 3's `ProcessPoolExecutor` (`fork`; in the last row `spawn`). The ratios
//! are medians of the ratios round by round.
//!
//! | | here | the message | ratio | Python | ratio |
//! |---|---|---|---|---|---|
//! | empty job, one at a time | 22.6 µs | 15.7 µs | 1.4 | 401 µs | 0.06 |
//! | empty job, 64 in flight | 15.0 µs | | | 183 µs | 0.08 |
//! | 1 MB there and back ([`Bytes`]) | 1.2 ms | 439 µs | 3.0 | 5.2 ms | 0.24 |
//! | start, one job, end | 2.4 ms | | | 131 ms | 0.02 |
//!
//! A megabyte that is handed to a job which runs takes 263 µs by a [`SharedArray`] and 507 µs by a
//! [`pipe`](pipe()), each with an answer; by a queue of Python's 3.2 ms and 2.8 ms (ratios 0.08 and
//! 0.19).
//!
//! A job alone has four wake-ups in place of two: of the thread that drives the processes, the
//! worker, that thread again and the submitter. But that thread and the submitter look for what
//! they wait for before they sleep, and mostly need not be woken; on this machine a wake-up is
//! slow, and most of what the message costs. Measure on your own machine:
//! `cargo bench -p workmill-process`.
//!
//! # Between processes
//!
//! [`ProcessPoolRef::hub`] makes locks, semaphores, events, latches and queues that go into the
//! arguments of jobs; a [`Hub`] does the same for processes that are nobody's pool, each of which
//! [`Hub::spawn`] starts for one function. What a process has of them comes back when it dies. The
//! module [`hub`] has all of it, and a table for those who come from Python's `multiprocessing`.
//!
//! # What a job may do
//!
//! All that a program may: start threads and processes, build pools, even process pools. It runs on
//! the main thread of its process, one job at a time. Standard input is empty; standard output is
//! that of the parent; standard error goes there through the parent, which keeps the end of it for
//! the error of a job that is lost. Output of several processes is mixed.
//!
//! What a process inherits is inherited by its worker processes, too: the environment, the working
//! directory, descriptors without `O_CLOEXEC` (std's have it).
//!
//! The parent waits for its worker processes itself. If it ignores `SIGCHLD`, or waits for children
//! of any number, somebody else takes them from the system's table: how they ended is unknown then,
//! and their numbers may be those of other processes before the pool knows. So it must not.
//!
//! # Where it runs
//!
//! Tested on Linux (5.3 or later). On macOS it follows the documentation of the system, and has not
//! been tested. Elsewhere it compiles, and [`Builder::build`] returns
//! [`Unsupported`](std::io::ErrorKind::Unsupported).
//!
//! [`is_lost`]: workmill::JoinError::is_lost

mod buffers;
mod builder;
mod descriptor;
mod error;
mod executor;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    allow(dead_code, reason = "there is no worker that decodes jobs")
)]
mod frame;
mod group;
pub mod guide;
mod hooks;
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    allow(dead_code, reason = "there is no worker that asks")
)]
pub mod hub;
mod job;
mod later;
mod passing;
mod pipe;
mod pool;
mod primitive;
mod reference;
mod shared;
#[cfg(any(target_os = "linux", target_os = "macos"))]
mod sys;
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
#[path = "unsupported.rs"]
mod sys;
mod views;

pub use builder::Builder;
pub use descriptor::Descriptor;
pub use error::{StartError, StillBusy};
pub use executor::ProcessPoolExecutor;
pub use group::ProcessGroup;
pub use hooks::ProcessEnd;
pub use hub::{CurrentProcess, Hub, HubRef, ProcessHandle, current_process};
pub use pipe::{
    Connection, NamedPipe, NamedPipeReader, NamedPipeWriter, PipeError, PipeErrorKind, pipe,
};
pub use primitive::SharedPrimitive;
pub use reference::{ProcessMetrics, ProcessPoolRef};
pub use shared::{
    LockError, SharedArray, SharedArrayGuard, SharedMemory, SharedSlice, SharedValue,
};
pub use workmill;
pub use workmill_jobs::{Bytes, Job, JobContext, JobExecutor, Jobs, NotRegistered, current_job};

/// Serves, if this process was started as a worker of a pool, and never returns then. In any other
/// process it returns at once.
///
/// Call it at the beginning of `main`, before anything else: a worker process runs all that stands
/// before it. `jobs` must be the list that the program gives to its pool. What a worker prints to
/// standard output before it serves is not printed.
///
/// A process is a worker if its standard input is the socket that an entry of the environment
/// names. What a worker starts has that entry as well, and another standard input: it is no worker.
///
/// # Examples
///
/// ```
/// use workmill_process::Jobs;
///
/// fn main() {
///     workmill_process::serve_if_worker(Jobs::new());
///     println!("this is no worker");
/// }
/// ```
#[doc(alias("freeze_support", "__main__"))]
pub fn serve_if_worker(jobs: Jobs) {
    if sys::is_unserved_worker() {
        sys::serve(&jobs);
    }
}
