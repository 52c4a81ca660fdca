//! One machine, many processes, many machines: which?
//!
//! The three executors have the same `submit` and the same handles, so a program that submits by
//! [`JobExecutor`](crate::JobExecutor) chooses in one line:
//!
//! ```no_run
//! use workmill_nats::workmill::{JoinError, ThreadPoolExecutor};
//! use workmill_nats::{JobExecutor, Jobs, NatsExecutor};
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! fn nine(executor: &impl JobExecutor) -> Result<u64, JoinError> {
//!     executor.submit_job(square, 3).join()
//! }
//!
//! let jobs = Jobs::new().with("square", square);
//! assert_eq!(nine(&ThreadPoolExecutor::new(4)?)?, 9);
//! assert_eq!(nine(&NatsExecutor::connect("queue.example.org", jobs)?)?, 9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Take the first one that does what you need: each further one costs about ten to a hundred times
//! as much for a job, and promises less about when and how often it runs.
//!
//! | | threads: `workmill` | processes: `workmill-process` | machines: `workmill-nats` |
//! |---|---|---|---|
//! | take it if | a job is ordinary code | a job may crash, must be stopped, or takes memory that it does not give back | there is more to do than one machine does, or work must outlive its program |
//! | a job is | a closure | a function without captures, known by a name | the same |
//! | its arguments are | moved | encoded, through a socket | encoded, stored by a server |
//! | a job alone costs | microseconds | tens of microseconds | hundreds of microseconds |
//! | waits in | this process's memory | this process's memory | a server's file |
//! | the program is killed | all is lost | all is lost, and its processes end | nothing is lost; `resume` gets the outcomes |
//! | a job crashes its process | all is lost | that job is lost, and others go on | the jobs of that worker are lost after the lease, or begun again |
//! | a job is begun | once | at most 1 + `retries` times | at most 1 + `retries` times, possibly twice at the same time |
//! | `cancel()` of what waits | `true`, at once | `true`, at once | asks; the handle resolves to cancelled if no worker was first |
//! | `cancel()` of what runs | `false` | kills its process | tells it to end |
//! | a limit on the running time | none | `timeout` | none |
//! | order | that of submission | that of submission | that of acceptance, within a priority |
//! | a full queue | blocks, refuses, drops, runs in the caller | the same, but for the last | blocks or refuses |
//! | borrowing, scopes, `join(a, b)`, futures | yes | no | no |
//! | what else has to run | nothing | nothing | a NATS server, and the workers |
//! | what you have to see to | nothing | that the program calls `serve_if_worker` first | that a job may be done twice, if it has retries; that workers know the jobs; dead letters |
//!
//! They go together. A server's job may submit to a process pool, so that what crashes takes no
//! worker with it:
//!
//! ```text
//! submitter ──> NATS server ──> worker on machine 1 ──> its processes
//!                          └──> worker on machine 2 ──> its processes
//! ```
//!
//! And work that must outlive its program, but stays on one machine, needs no server:
//! `workmill-file-queue` keeps it in a file.
