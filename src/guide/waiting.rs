//! Waiting inside tasks: the rule, the reasons for it, and what remains your responsibility.
//!
//! # The rule
//!
//! **A program that finishes with one thread for each task finishes on a pool, with any number of
//! threads**, as long as the pool can see the waits.
//!
//! On other pools it may hang. If two tasks on two threads each wait for a third task, they wait
//! forever, because no thread is left to run the third. The documentation of Python's executors
//! warns of this, and so does that of Java's and of Rust's other pools. Here it is no mistake:
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
//! The pool has as many *slots* as [`Builder::threads`](crate::Builder::threads) sets. A slot is
//! the right to run a task: a worker, which is a thread of its pool, takes a task from a queue only
//! while it holds a slot.
//!
//! 1. **A task that joins a closure of its own pool that no thread has begun runs the closure
//!    inline**, on the stack of the join. This is the work that it waits for, so no other thread is
//!    needed. Only waits for a single task without a time limit do so:
//!    [`join`](crate::JoinHandle::join), also of a [shared](crate::JoinHandle::shared) handle. When
//!    three quarters of the thread's stack are used, the task waits instead, and another thread
//!    goes on with a stack of its own. So recursion may be deep.
//! 2. **Every other wait gives the slot to another thread**, after a short look. If there is work,
//!    a spare thread takes the slot, or a new thread is started. When the wait is over, the thread
//!    takes a vacant slot. If there is none, it finishes its task without a slot, and takes no
//!    other task. So more tasks run than there are slots only until the tasks that have just waited
//!    end.
//! 3. **A thread that waits runs nothing that it does not wait for.** Other pools run any queued
//!    task on a thread that waits. A task that waits while it holds a lock may then find itself
//!    below a task that wants that lock, on one stack, and both wait forever. Here locks, borrowed
//!    thread-locals and everything else that a task holds across a wait are as safe as on a thread
//!    of its own.
//!
//! Besides a thread for each slot, a pool has at most
//! [`max_spare_threads`](crate::Builder::max_spare_threads) further threads, 512 by default. They
//! end when they have had nothing to do for [`keep_alive`](crate::Builder::keep_alive). A wait in a
//! task costs some hundred nanoseconds more than on a thread of its own. A task that never waits
//! pays nothing.
//!
//! # Waits that the pool sees
//!
//! Everything that blocks in this crate, with and without a time limit: handles of any pool,
//! [`Semaphore`](crate::Semaphore), [`Event`](crate::Event), [`Latch`](crate::Latch),
//! [`CancelToken`](crate::CancelToken), the queues, a submission to another pool that is full, and
//! [`wait_idle`](crate::PoolRef::wait_idle) and [`shutdown`](crate::ThreadPoolExecutor::shutdown)
//! of another pool.
//!
//! # What remains your responsibility
//!
//! | a wait | what to do about it |
//! |---|---|
//! | on a lock of std or parking_lot that is held only for moments | nothing: the task that holds it has a thread |
//! | on a lock that others hold *while they wait* for something else; on a [`LazyLock`](std::sync::LazyLock) or [`OnceLock`](std::sync::OnceLock) whose initialization waits | [`blocking`](crate::blocking)`(\|\| lock.lock())`, or a [`Semaphore`](crate::Semaphore) of one permit instead of the lock |
//! | on a channel, a condition variable or a barrier of another crate | [`blocking`](crate::blocking)`(\|\| receiver.recv())`, or a [`JoinableQueue`](crate::JoinableQueue), an [`Event`](crate::Event), a [`Latch`](crate::Latch) |
//! | on files, sockets, processes, [`sleep`](std::thread::sleep) | [`blocking`](crate::blocking), if other tasks should run meanwhile; nothing hangs without it, unless the other side is a queued task |
//! | in `block_on` of an asynchronous runtime | [`blocking`](crate::blocking)`(\|\| block_on(future))` |
//! | of a thread of your own, for a task | nothing: the thread holds no slot |
//! | in a loop that polls | wait for an [`Event`](crate::Event) instead: a task that polls does not wait, and keeps its slot |
//! | of a task for its own pool to become idle | it would wait for itself, so it fails with [`WouldDeadlock`](crate::WouldDeadlock) |
//! | of tasks for each other, in a cycle of joins | it would never end on threads either; one of the joins gives up with [`CancelReason::Deadlock`](crate::CancelReason::Deadlock) |
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
//! # Limits
//!
//! - **Too many tasks wait.** Beyond `max_spare_threads` a wait keeps its slot.
//!   [`Metrics::uncovered_waits`](crate::Metrics::uncovered_waits) counts the wait, and
//!   [`on_warning`](crate::Builder::on_warning) reports the first (by default on stderr). If every
//!   slot is kept by a task that waits for tasks that are still queued, the pool hangs: raise the
//!   limit, or let fewer tasks wait at a time.
//! - **The system fails to start a thread.** The pool tries again to fill the vacant slot with the
//!   next task that is submitted, and the next thread that comes back from a wait takes the slot;
//!   see [`Warning::ThreadNotStarted`](crate::Warning::ThreadNotStarted).
//! - **Waits that the pool cannot see.** They block a worker and its slot; the table says what to
//!   do.
//! - **Thread-locals.** A task stays on its thread from beginning to end. But a task that it joins
//!   may be run inline on that thread, or on another: a `RefCell` in a thread-local that is
//!   borrowed across a join may be found borrowed.
//! - **Awaiting** gives no slot away, because it does not block.
