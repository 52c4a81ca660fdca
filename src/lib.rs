//! A work-stealing thread pool with result handles, bounds and an orderly shutdown.
//!
//! [`ThreadPoolExecutor`] runs closures on at most *n* threads, which start when there is work for
//! them. [`submit`] returns a [`JoinHandle`] to the closure's result; [`execute`] returns nothing.
//! [`spawn`] runs futures on these threads, and returns a [`JoinHandle`] too. The crate is for
//! people who know Python's `concurrent.futures` or Java's `ExecutorService` and want the like in
//! Rust.
//!
//! ```
//! use workmill::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! let lengths: Vec<_> = ["wheat", "rye", "spelt"]
//!     .map(|grain| pool.submit(move || grain.len()))
//!     .into_iter()
//!     .map(|handle| handle.join())
//!     .collect::<Result<_, _>>()?;
//! assert_eq!(lengths, [5, 3, 5]);
//! pool.shutdown(); // finishes what was accepted, then waits
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! 1. **Waiting inside the pool does not hang it.** A program that finishes with one thread for
//!    each task finishes here, with any number of threads. A task that joins a closure of its own
//!    pool runs the closure inline if no thread has begun it. In any other wait the task gives its
//!    slot, which is the right to run, to another thread. A waiting thread never runs work that it
//!    is not waiting for, so a lock held across a wait is safe. A task that waits for room in
//!    something that is full lends its slot only, so that back-pressure holds. Wrap waits that the
//!    crate cannot see in [`blocking`]. The [guide](guide::waiting) has the details and the limits.
//! 2. **Every accepted task has exactly one outcome**, a value, a panic, or cancelled with a
//!    [`CancelReason`], and its handle always resolves.
//! 3. **[`cancel`](JoinHandle::cancel) tells the truth**: `true` means that the closure never ran
//!    and never will, or that the future produces no output and is dropped by a worker.
//! 4. **One vocabulary for waiting**: the plain verb blocks, `try_` never waits, `_timeout` waits
//!    for at most the given time, and a wait that can be awaited is a future or has an `_async`
//!    form. All four work on one object at the same time.
//! 5. **Idle costs nothing**: threads that have nothing to do are parked; nothing ticks.
//! 6. **No panic leaves its task**: neither a panic of a closure, nor one in the drop of its
//!    captures, its result or its panic payload. The pool's threads survive. (A drop that panics
//!    while its own closure is unwinding aborts the process. This is a rule of the language, and no
//!    crate can catch it.)
//!
//! # Bounds
//!
//! [`Builder::queue_capacity`] limits the number of tasks that wait for a thread. [`Overflow`]
//! decides what happens to a task that finds the queue full: by default the submitter waits.
//! [`try_submit`] and [`submit_timeout`] return the closure instead. Tasks that a pool's own tasks
//! submit are always accepted, and count.
//!
//! ```
//! let pool = workmill::Builder::new().threads(2).queue_capacity(1000).build()?;
//! match pool.try_submit(|| 6 * 7) {
//!     Ok(handle) => assert_eq!(handle.join()?, 42),
//!     Err(refused) if refused.is_full() => println!("here: {}", refused.into_inner()()),
//!     Err(refused) => return Err(refused.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Groups and views
//!
//! [`limited`](PoolRef::limited) makes a [`Group`] of which at most a certain number of tasks run,
//! while the others wait as data. It has a bound and an end of its own, so that subsystems can
//! share a pool. [`priority`](PoolRef::priority), [`named`](PoolRef::named),
//! [`start_within`](PoolRef::start_within) and [`cancel_with`](PoolRef::cancel_with) return
//! references that add something to each task that is submitted by them, and can be chained.
//!
//! ```
//! use workmill::{Priority, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! let disk = pool.limited(2); // two threads may wait for it
//! let urgent = disk.named("read").priority(Priority::High);
//! assert_eq!(urgent.submit(|| 42).join()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Awaiting
//!
//! A [`JoinHandle`] is a future, for any runtime. [`spawn`] runs futures in the pool, where a
//! pending future occupies no thread. [`timer`] has `sleep`, `timeout` and `interval`. [`block_on`]
//! waits for a future on the calling thread.
//!
//! ```
//! use std::time::Duration;
//! use workmill::{ThreadPoolExecutor, timer};
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let naps: Vec<_> = (1..=1000_u64)
//!     .map(|n| pool.spawn(async move {
//!         timer::sleep(Duration::from_micros(n * 10)).await;
//!         n
//!     }))
//!     .collect();
//! let sum = workmill::block_on(async {
//!     let mut sum = 0;
//!     for nap in naps {
//!         sum += nap.await?;
//!     }
//!     Ok::<_, workmill::JoinError>(sum)
//! })?;
//! assert_eq!(sum, 500_500);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`submit_after`] runs a closure after a delay, and [`submit_every`] runs one periodically.
//!
//! # Many tasks
//!
//! [`map`] calls one function with many items, a few at a time, and returns the results in order;
//! [`map_unordered`] as they come. [`wait`](wait()) waits for several handles, [`as_completed`]
//! returns their outcomes in the order in which they come, and a [`JoinSet`] takes further tasks
//! meanwhile, with a key for each and a limit on those in flight.
//!
//! ```
//! use workmill::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! let numbers = ["6", "7"];
//! // In order, and the first error ends the whole:
//! let parse = |text: &str| text.parse::<i32>();
//! let parsed = pool.map(numbers, parse).flat().collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(parsed.iter().product::<i32>(), 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`promise`](promise()) is a handle to an outcome that comes from elsewhere.
//!
//! # Borrowing
//!
//! [`scope`] is like [`std::thread::scope`]: its tasks may borrow, and have ended when it returns.
//! [`map_slice`] maps a slice by halves.
//!
//! ```
//! let pool = workmill::ThreadPoolExecutor::new(2)?;
//! let mut sacks = [3, 1, 2, 5, 4, 6];
//! let (left, right) = sacks.split_at_mut(3);
//! pool.scope(|scope| {
//!     scope.execute(|| left.sort());
//!     scope.execute(|| right.sort());
//! });
//! assert_eq!(sacks, [1, 2, 3, 4, 5, 6]);
//! let doubled = pool.map_slice(&sacks, |sack| sack * 2)?;
//! assert_eq!(doubled, [2, 4, 6, 8, 10, 12]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Shutting down
//!
//! [`shutdown`] refuses new tasks, finishes the accepted ones and waits for the threads to end.
//! [`shutdown_now`] cancels the tasks that have not begun, and does not wait; a running task hears
//! of it by the token that [`cancelled`] returns. [`shutdown_timeout`] waits for at most the given
//! time, and its error names the busy threads and what they run. Dropping the last owner shuts the
//! pool down like [`shutdown`], unless [`Builder::on_drop`] says otherwise. [`wait_idle`] waits
//! until there is nothing to do, and shuts nothing down.
//!
//! A process that has to exit on Ctrl-C, whatever its tasks do:
//!
//! ```
//! use std::time::Duration;
//!
//! # let pool = workmill::ThreadPoolExecutor::new(1)?;
//! pool.shutdown_now(); // what has not begun never will
//! if let Err(busy) = pool.shutdown_timeout(Duration::from_secs(2)) {
//!     eprintln!("{busy}"); // names the threads, and what they run
//!     pool.shutdown_background(); // so that the drop of the pool does not wait either
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Synchronization
//!
//! [`Semaphore`] and [`BoundedSemaphore`], [`Event`], [`Latch`], [`Barrier`], [`Notify`],
//! [`CancelToken`], and the queues [`JoinableQueue`], [`LifoQueue`] and [`PriorityQueue`] need no
//! pool. Each can be waited for in all four forms:
//!
//! ```
//! use std::{thread, time::Duration};
//! use workmill::{JoinableQueue, TryGetError};
//!
//! let orders = JoinableQueue::bounded(10);
//! thread::scope(|scope| {
//!     scope.spawn(|| {
//!         for order in orders.iter_tasks() {
//!             println!("{}", *order);
//!         } // reported done here, when the guard is dropped
//!     });
//!     orders.put("a loaf of rye")?; // would wait for room
//!     orders.put_timeout("two buns", Duration::from_secs(1))?;
//!     orders.join(); // both have been printed
//!     orders.close(); // which ends the loop
//!     assert_eq!(orders.try_get(), Err(TryGetError::Closed));
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A waiter that gives up, because its time is over, its future is dropped or its thread unwinds,
//! never takes a permit, an item or a wake-up with it. [`Duration::MAX`](std::time::Duration::MAX)
//! waits forever.
//!
//! # Other libraries' executors
//!
//! With features, all of which are off by default, the pool and its timer implement the traits that
//! other libraries expect of an executor. [`adapters`] has the details.
//!
//! | feature | what it gives |
//! |---|---|
//! | `futures-task` | `futures::task::Spawn` for [`ThreadPoolExecutor`] and [`PoolRef`], and with it `SpawnExt` |
//! | `futures-core` | `futures::Stream` for [`timer::Interval`] and [`TaskStream`] |
//! | `hyper` | `hyper::rt::Executor` for [`ThreadPoolExecutor`] and [`PoolRef`]; `hyper::rt::Timer` by `adapters::HyperTimer` |
//! | `tracing` | a [span](guide::seeing#spans) for each task, whose parent is that of its submitter |
//!
//! # The guide
//!
//! [`guide`] has what no single item can tell: [first steps](guide::first_steps); what the names of
//! [Python](guide::from_python), of [Java](guide::from_java) and of
//! [rayon and tokio](guide::from_rayon_and_tokio) are called here;
//! [waiting inside tasks](guide::waiting), [shutdown and Ctrl-C](guide::shutdown),
//! [futures](guide::futures), [panics](guide::panics), [processes](guide::processes),
//! [machines](guide::machines);
//! [which primitive to choose](guide::choosing), [per-thread state](guide::per_thread_state),
//! [how to measure](guide::measuring) and [to test](guide::testing); and
//! [what to look at](guide::trouble) when a program hangs, is slow, or panicked.
//!
//! [`submit`]: PoolRef::submit
//! [`spawn`]: PoolRef::spawn
//! [`submit_after`]: PoolRef::submit_after
//! [`submit_every`]: PoolRef::submit_every
//! [`execute`]: PoolRef::execute
//! [`map`]: PoolRef::map
//! [`map_unordered`]: PoolRef::map_unordered
//! [`scope`]: PoolRef::scope
//! [`map_slice`]: PoolRef::map_slice
//! [`try_submit`]: PoolRef::try_submit
//! [`submit_timeout`]: PoolRef::submit_timeout
//! [`shutdown`]: ThreadPoolExecutor::shutdown
//! [`shutdown_now`]: ThreadPoolExecutor::shutdown_now
//! [`shutdown_timeout`]: ThreadPoolExecutor::shutdown_timeout
//! [`wait_idle`]: PoolRef::wait_idle

mod attributes;
mod clock;
mod fork;
mod name;
mod primitive;
mod room;
mod spin;
mod trace;
mod trampoline;
mod unwind;
mod wait;
mod warning;

mod error;
mod metrics;

mod sync;
mod task;

pub mod timer;

mod pool;

mod admission;
mod handle;
mod scope;

mod executor;
mod future;
mod many;
mod schedule;

mod builder;

pub mod adapters;

pub mod guide;

pub use admission::Overflow;
pub use builder::Builder;
pub use error::{
    BusyThread, CancelReason, JoinError, Lost, Rejected, StillRunning, TrySubmitError,
    WouldDeadlock, note_panic_places,
};
pub use executor::{
    DropBehavior, Group, PoolRef, ThreadPoolExecutor, blocking, cancelled, current, promise_in,
    with_cancelled, worker_index,
};
pub use future::{YieldNow, block_on, yield_now};
pub use handle::{
    AnyHandle, CancelHandle, CancelOnDrop, FlatHandle, Handle, JoinHandle, Promise, SharedHandle,
    TaskError, TaskId, TaskState, promise, task_id,
};
pub use many::{
    AsCompleted, Flat, JoinSet, Map, MapUnordered, Progress, ScopedMap, TaskStream, Wait, WaitFor,
    as_completed, first_ok, join_all, try_wait, wait, wait_async, wait_timeout,
};
pub use metrics::{CancelCounts, GroupMetrics, Metrics, WorkerCounts, WorkerMetrics};
pub use pool::Priority;
pub use schedule::Every;
pub use scope::join::join;
pub use scope::{Scope, ScopedJoinHandle};
pub use sync::barrier::{Barrier, BarrierWaitResult};
pub use sync::cancel::{CancelCallback, CancelGuard, CancelToken};
pub use sync::error::{
    AbandonedError, AcquireError, GetError, PutError, ReleaseError, TaskDoneError, TryAcquireError,
    TryGetError, TryPutError,
};
pub use sync::event::Event;
pub use sync::latch::Latch;
pub use sync::notify::{Notified, Notify};
pub use sync::queue::order::{Fifo, Lifo, Order};
pub use sync::queue::{
    Consumer, IntoIter, Iter, IterTasks, JoinableQueue, LifoQueue, OwnedTaskGuard, Prioritized,
    PriorityQueue, Producer, Put, Queue, SmallestFirst, TaskGuard,
};
pub use sync::semaphore::{
    Acquire, AcquireOwned, BoundedSemaphore, OwnedPermit, Permit, Semaphore,
};
pub use timer::Elapsed;
pub use warning::{GaveWay, StillWaiting, Warning};
