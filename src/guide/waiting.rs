//! Waiting inside tasks: the rule, why it is so, and what stays your business.
//!
//! # The rule
//!
//! **A program that finishes with one thread for each task finishes on a pool, with any number of
//! threads**, as long as the pool can see the waits.
//!
//! On other pools it need not. Two tasks on two threads that each wait for a third task wait for ever,
//! because nobody is left to run it. Python's documentation warns of it, Java's does, and so do those of
//! Rust's pools. Here that is no mistake:
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{Event, ThreadPoolExecutor, current};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let flour = Arc::new(Event::new());
//! let bakers: Vec<_> = (0..300)
//!     .map(|loaf| {
//!         let flour = Arc::clone(&flour);
//!         pool.submit(move || {
//!             flour.wait(); // 300 tasks wait, on a pool of one thread,
//!             loaf
//!         })
//!     })
//!     .collect();
//! pool.submit(move || flour.set()); // for a task that is queued behind them
//! for (loaf, baker) in bakers.into_iter().enumerate() {
//!     assert_eq!(baker.join()?, loaf);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How
//!
//! The pool has as many *places* as [`Builder::threads`](crate::Builder::threads) says, and a thread takes
//! up tasks only while it has one.
//!
//! 1. **A task that joins a closure of its own pool which nobody has begun runs it in place.** That is the
//!    work it waits for, so no other thread is needed. It is done by waits for one task without a limit of
//!    time: [`join`](crate::JoinHandle::join), also of a
//!    [shared](crate::JoinHandle::shared) handle. When three quarters of the thread's stack are used, the
//!    task waits instead, and another thread goes on with a stack of its own; so recursion may be deep.
//! 2. **Every other wait gives the place up**, after a short look. If there is work, a spare thread takes
//!    the place, or a new one is started. When the wait is over, the thread takes a free place; if there
//!    is none it finishes its task without, and takes up no other. So more tasks than places run only
//!    for as long as tasks that have just waited need to end.
//! 3. **A thread that waits runs nothing that it does not wait for.** Other pools let it run whatever is
//!    queued. Then a task that waits with a lock in its hands may find itself below one that wants the
//!    same lock, on one stack, and both wait for ever. Here locks, borrowed thread-locals and all that a
//!    task holds across a wait are as safe as on a thread of its own.
//!
//! Threads beyond the places number at most
//! [`max_spare_threads`](crate::Builder::max_spare_threads), 512 if nothing else is said, and end when they
//! have had nothing to do for [`keep_alive`](crate::Builder::keep_alive). A wait costs a task some
//! hundred nanoseconds more than it would cost a thread; a task that never waits pays nothing.
//!
//! # What the pool sees
//!
//! All that blocks in this crate, with and without a limit of time: handles of any pool,
//! [`Semaphore`](crate::Semaphore), [`Event`](crate::Event), [`Latch`](crate::Latch),
//! [`CancelToken`](crate::CancelToken), the queues, a submission to another pool that is full, and
//! [`wait_idle`](crate::PoolRef::wait_idle) and [`shutdown`](crate::ThreadPoolExecutor::shutdown) of another pool.
//!
//! # What stays your business
//!
//! | a wait | what to do about it |
//! |---|---|
//! | on a lock of std or parking_lot that is held only for moments | nothing: whoever holds it has a thread |
//! | on a lock that others hold *while they wait* for something else; on a [`LazyLock`](std::sync::LazyLock) or [`OnceLock`](std::sync::OnceLock) whose value is made by waiting | [`blocking`](crate::blocking)`(\|\| lock.lock())`, or a [`Semaphore`](crate::Semaphore) of one permit in its place |
//! | on a channel, a condition variable or a barrier of another crate | [`blocking`](crate::blocking)`(\|\| receiver.recv())`, or a [`JoinableQueue`](crate::JoinableQueue), an [`Event`](crate::Event), a [`Latch`](crate::Latch) |
//! | on files, sockets, processes, [`sleep`](std::thread::sleep) | [`blocking`](crate::blocking), if others should have the processor meanwhile; nothing hangs without it, unless the other side is a queued task |
//! | in `block_on` of an asynchronous runtime | [`blocking`](crate::blocking)`(\|\| block_on(future))` |
//! | of a thread of your own, for a task | nothing: it has no place in the pool |
//! | in a loop that looks again and again | wait for an [`Event`](crate::Event) instead: who looks does not wait, and keeps its place |
//! | of a task for its own pool to become idle | it waits for itself, and is told so: [`WouldDeadlock`](crate::WouldDeadlock) |
//! | of tasks for each other, in a ring of joins | it would never end on threads either; one of the joins gives up with [`CancelReason::Deadlock`](crate::CancelReason::Deadlock) |
//!
//! ```
//! use std::sync::mpsc;
//! use workmill::{ThreadPoolExecutor, blocking};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let (sender, receiver) = mpsc::channel();
//! let miller = pool.submit(move || blocking(|| receiver.recv())); // std's channel: said aloud
//! pool.submit(move || sender.send("wheat")).join()??;
//! assert_eq!(miller.join()??, "wheat");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it ends
//!
//! - **When too many wait.** Beyond `max_spare_threads` a wait keeps its place.
//!   [`Metrics::uncovered_waits`](crate::Metrics::uncovered_waits) counts it, and
//!   [`on_warning`](crate::Builder::on_warning) hears of the first (by default a line on stderr). If every
//!   place is kept so by tasks that wait for tasks which are still queued, the pool hangs: raise the
//!   limit, or let fewer tasks wait at a time.
//! - **When the system starts no thread.** A place that stays free is tried again with the next task
//!   that is submitted, and taken by the next thread that comes back from a wait; see
//!   [`Warning::ThreadNotStarted`](crate::Warning::ThreadNotStarted).
//! - **Undeclared waits.** See the table. They cost a thread each, as everywhere.
//! - **Thread-locals.** A task stays on its thread from beginning to end. But what it joins may be run on
//!   the same thread, in place, or on another: a `RefCell` in a thread-local that is borrowed across a
//!   join may be met borrowed.
//! - **Awaiting** gives no place up, because it does not block.
