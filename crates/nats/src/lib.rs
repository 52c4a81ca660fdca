//! Jobs on many machines, with the face of a thread pool: the same `submit`, the same handles, and
//! a [NATS](https://nats.io) server with JetStream in between.
//!
//! ```no_run
//! use workmill_nats::{Jobs, NatsExecutor};
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! fn jobs() -> Jobs {
//!     Jobs::new().with("square", square)
//! }
//!
//! // On any number of machines:
//! let server = workmill_nats::serve(jobs(), "nats://queue.example.org", 4)?;
//!
//! // On another one:
//! let executor = NatsExecutor::connect("nats://queue.example.org", jobs())?;
//! let nine = executor.submit(square, 3); // a handle like that of a thread pool
//! assert_eq!(nine.join()?, 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It is for work that is more than one machine does, that must not get lost with a program, or
//! that is done elsewhere than where it comes up. [The guide](guide) says when threads or processes
//! are the better choice. `nats-server -js` starts a server; there is nothing to be set up there.
//!
//! # What is promised
//!
//! - **Accepted: the server has stored the job.** That survives the server's crash and restart; the
//!   loss of power only with the server's setting `sync_interval: always` or with
//!   [replicas](Builder::replicas). By default the server has its disk write every two minutes.
//! - **Begun at most 1 + [retries](Builder::retries) times** (by default 0: at most once), while
//!   the server keeps its state, and for as long as [outcomes are kept](Builder::keep_results).
//!   With retries a job may run twice at the same time, if its worker or the server is cut off for
//!   longer than the [lease](ServerBuilder::lease). [`current_job`] tells the number of the
//!   attempt, and a key that all attempts have in common.
//! - **One outcome is stored**, and every handle and [`resume`](NatsRef::resume) gives that one.
//! - **Cancelled means: no worker has begun it or ever will.** A job that has begun is told to end,
//!   and its handle gives what it returns then.
//! - **Lost means: begun, and not known how it ended.** Its worker has given no sign for longer
//!   than the lease. Such jobs are [dead letters](NatsRef::dead_letters), and so are those that no
//!   worker can call.
//! - **Order within a priority is that of acceptance**, for first attempts, as they are handed out.
//!   A higher [priority](NatsRef::priority) goes first.
//! - **Every handle resolves**, if the server comes back or the executor is dropped. A program that
//!   was killed gets the outcome by [`resume`](NatsRef::resume), or by the same
//!   [key](NatsRef::submit_keyed).
//!
//! A job that must have its effect once has to see to that itself, with its key: no queue can
//! promise it.
//!
//! # What happens when something fails
//!
//! | | |
//! |---|---|
//! | a worker is killed before it begins a job | another one begins it after the lease; it is the first attempt |
//! | a worker is killed while it runs a job | after the lease it is begun again, or lost if there are no retries left |
//! | a worker freezes for longer than the lease | the same, and its outcome is refused |
//! | a worker is shut down | what no thread has begun goes to others at once; the rest is finished |
//! | a job panics | its handle returns the message; there is no retry |
//! | a worker does not know a job | it is left to others for about as long as the lease, and then refused |
//! | the submitter is killed | its jobs go on |
//! | the connection is cut | both sides connect anew by themselves, and look for what they have missed |
//! | the server is killed, and started again | everything goes on; what runs meanwhile stores its outcome later |
//! | the server freezes for longer than the lease | a job stays with its worker, if that is alive and says so |
//! | the queue is full | [`Builder::overflow`] decides; by default submitters wait |
//! | the server's store is full | nothing goes on until there is room; [`Builder::queue_bytes`] prevents it |
//!
//! # What it costs
//!
//! One submitter, one worker with two threads and one server, all on a virtual machine with two
//! cores that other programs used as well: medians of 5 rounds, in turn with a request and its
//! reply by the same server, of which nothing is stored, with the same protocol written by hand in
//! bare futures, and with Celery 5.7 and dramatiq 2.2 on a Redis 7 that writes nothing to disk. The
//! ratios are medians of the ratios round by round.
//!
//! | empty job | here | request | ratio | by hand | ratio | Celery | ratio | dramatiq | ratio |
//! |---|---|---|---|---|---|---|---|---|---|
//! | one at a time | 474 µs | 93 µs | 4.9 | 268 µs | 1.5 | 3,685 µs | 0.13 | 8,787 µs | 0.05 |
//! | 1,000 in flight | 63 µs | 7.3 µs | 9.2 | 43 µs | 1.3 | 2,113 µs | 0.02 | 2,000 µs | 0.03 |
//!
//! Celery and dramatiq are written in Python, so this compares unlike with unlike. With many in
//! flight a job costs as much as nine requests: three messages are stored, and half of the
//! processor time is the server's. Measure on your own machines: `cargo bench -p workmill-nats`.
//!
//! # What a job may do
//!
//! All that a task of a workmill pool may: [`workmill::current`] is the pool of its server. It is a
//! function without captures that both sides know by a name, and that name is all that they must
//! have in common with the types of its arguments and its result: servers may be replaced one after
//! another, and have different jobs. Arguments and results that are larger than a message of the
//! server, a megabyte by default, go through an object store there.
//!
//! A thread cannot be stopped from outside: a job that must be stopped, or may crash its process,
//! can run in a process pool of its server.
//!
//! # What it needs
//!
//! Rust 1.89, and a server of version 2.9.10 or later; tested with that and with 2.15, without
//! replicas, on Linux. An executor and a server have a thread each for the connection, on which
//! nothing of yours runs. No runtime is needed, and any may be there: the handles are futures for
//! each. An idle connection sends a ping each 5 seconds, and an idle server asks for jobs anew each
//! 30 seconds. Nothing else is sent.
//!
//! An account with permissions has to allow all sides to publish and to subscribe to the subjects
//! of the namespace (`NAMESPACE.>`), of JetStream and its object stores (`$JS.>`, `$O.>`), and of
//! the inboxes (`_INBOX.>`); this has not been tested. In a cluster, an answer that is on its way
//! from one server to another is lost if these lose each other: a handle that waited for it
//! resolves after the next gap in its own connection.

#![forbid(unsafe_code)]

mod answered;
mod answers;
mod dead;
mod error;
mod executor;
mod gather;
pub mod guide;
mod id;
mod link;
mod metrics;
mod objects;
mod pause;
mod protocol;
mod reference;
mod room;
mod server;
mod settings;
mod shared;
mod streams;
mod view;
mod views;
mod worker;

pub use dead::{DeadLetter, DeadLetters};
pub use error::{NatsError, NatsErrorKind, StillBusy};
pub use executor::{Builder, NatsExecutor};
pub use id::{InvalidJobId, JobId};
pub use metrics::{NatsMetrics, ServerMetrics};
pub use reference::NatsRef;
pub use server::{Server, ServerBuilder, serve};
pub use workmill;
pub use workmill_jobs::{Bytes, Job, JobContext, JobExecutor, Jobs, NotRegistered, current_job};

/// The README's code.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
