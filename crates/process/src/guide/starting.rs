//! How worker processes are started: in programs, tests, doctests, examples and libraries.
//!
//! A worker process is *this program*, started anew. The pool opens a socket, gives one end of it
//! to the new process as its standard input, and sets an entry in its environment that names this
//! socket. The program runs its `main`, up to [`serve_if_worker`](crate::serve_if_worker). That
//! compares the entry with the standard input: in a worker they are the same, and it serves there
//! and never returns. In the first process, and in all that a job starts, they are not, and it
//! returns at once.
//!
//! So there are two rules: `main` calls `serve_if_worker` before it does anything else, and both
//! sides have the same [`Jobs`](crate::Jobs). A function `fn jobs() -> Jobs` that both use keeps
//! the second.
//!
//! # Programs and examples
//!
//! ```
//! use workmill_process::{Jobs, ProcessPoolExecutor, serve_if_worker};
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
//!     serve_if_worker(jobs());
//!     // Arguments, logging, threads: from here on.
//!     let pool = ProcessPoolExecutor::new(2, jobs())?;
//!     assert_eq!(pool.submit(square, 3).join()?, 9);
//!     Ok(())
//! }
//! ```
//!
//! Worker processes are started without arguments. If something before `serve_if_worker` needs
//! some, [`Builder::worker_arguments`](crate::Builder::worker_arguments) gives them.
//!
//! # Doctests
//!
//! A doctest with a `main` of its own, as the one in the last section, works as it stands, whether
//! or not it is merged with others into one program. In one without a `main`, write `fn main()`
//! around it: else `serve_if_worker` would be called behind functions that rustdoc adds, which does
//! no harm, but a `?` at the end needs lines that rustdoc hides.
//!
//! # Tests
//!
//! `main` of a test program belongs to the test harness, so no line can stand at its beginning. But
//! a worker can run one *test* of the program, and that test serves:
//!
//! ```no_run
//! use workmill_process::{Builder, Jobs, serve_if_worker};
//!
//! fn square(n: u64) -> u64 {
//!     n * n
//! }
//!
//! fn jobs() -> Jobs {
//!     Jobs::new().with("square", square)
//! }
//!
//! # mod hidden { use super::*;
//! /// Not a test, but where worker processes begin. As a test it passes at once.
//! #[test]
//! fn worker() {
//!     serve_if_worker(jobs());
//! }
//!
//! #[test]
//! fn three_squared_is_nine() {
//!     let pool = Builder::new(jobs()).worker_test("worker").build().unwrap();
//!     assert_eq!(pool.submit(square, 3).join().unwrap(), 9);
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! The path is the one that `cargo test -- --list` shows, such as `pools::worker`. If there is no
//! such test, the worker ends at once, and the jobs are refused with a
//! [`StartError`](crate::StartError). What the harness prints in a worker before it serves is
//! dropped. What a job prints is printed, also by `cargo test` without `--nocapture`: it comes from
//! another process. Jobs run on the test's thread there, with its smaller stack.
//!
//! A [`Hub`](crate::Hub) is built in the same way, by
//! [`Builder::build_hub`](crate::Builder::build_hub).
//!
//! A test target with `harness = false` and a `main` of its own is a program like any other.
//!
//! # Libraries
//!
//! A library cannot put a line into somebody else's `main`. It has two ways:
//!
//! - It takes a [`&impl JobExecutor`](crate::JobExecutor), or a
//!   [`ProcessPoolRef`](crate::ProcessPoolRef), from the program, and has a function that adds its
//!   jobs to those of the program, `fn with_jobs(jobs: Jobs) -> Jobs`.
//! - It brings a program of its own, whose `main` serves:
//!   [`Builder::worker_program`](crate::Builder::worker_program).
//!
//! # When it goes wrong
//!
//! | what was forgotten | what is said |
//! |---|---|
//! | `serve_if_worker` | the handles return an error whose source is a [`StartError`](crate::StartError): a process did not serve, but exited. Four starts are tried in a row |
//! | that it comes first | in the worker, [`Builder::build`](crate::Builder::build) returns an error, instead of starting processes that would do the same; its text is in the `StartError` |
//! | one of the jobs, on one side | the `StartError` lists those of both |
//! | a job, on both sides | the handle's error has a [`NotRegistered`](crate::NotRegistered) as its source, with the line to write |
//!
//! # What is inherited
//!
//! The environment (the entry must get through: `env_clear` in a wrapper breaks it), the working
//! directory, limits, blocked signals, and descriptors that are not closed on `exec`. On Linux the
//! program is started by `/proc/self/exe`, so it is the very file that runs, even if it has been
//! replaced or deleted since; a worker's name, `argv[0]`, is that of the parent.
