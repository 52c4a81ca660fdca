//! Locks, semaphores, events, latches and queues between processes, and processes that are nobody's
//! pool.
//!
//! What Python puts into shared memory lives in the parent here: each object is the one of
//! [`workmill`] that threads use, and the parent's threads use it as such. A [`Hub`], or the hub of
//! a pool ([`ProcessPoolRef::hub`](crate::ProcessPoolRef::hub)), makes it, and returns a *handle*.
//! Handles go into the arguments of jobs, into their results, and into the items of queues. In a
//! worker process a handle has the same methods, which ask the parent.
//!
//! ```
//! use workmill_process::hub::{JoinableQueue, Semaphore};
//! use workmill_process::{Hub, Jobs};
//!
//! fn bake(oven: Semaphore, bread: JoinableQueue<String>) {
//!     let _place = oven.acquire().expect("it is not closed");
//!     bread.put("a loaf".to_owned()).expect("it is not closed");
//! }
//!
//! fn jobs() -> Jobs {
//!     Jobs::new().with("bake", bake)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     workmill_process::serve_if_worker(jobs());
//!     let hub = Hub::new(jobs())?;
//!     let (oven, bread) = (hub.semaphore(2), hub.queue(None));
//!     for _baker in 0..3 {
//!         hub.spawn(bake, (oven.clone(), bread.clone()));
//!     }
//!     for _loaf in 0..3 {
//!         println!("{}", bread.get()?);
//!     }
//!     Ok(()) // the drop of the hub waits for its processes
//! }
//! ```
//!
//! # When a process dies
//!
//! What a process has of an object is a *lease*: a permit, a lock, an item that is not done. It
//! comes back when the process dies, however it does: a permit is free again, an item is at the
//! front of its queue. A process that dies while it waits leaves the queue of waiters, and what was
//! granted to it at that moment goes to the next. All this has happened when the handle of its job
//! resolves. So nothing has to be repaired, as a lock in shared memory would have to be whose
//! holder is gone.
//!
//! What the lock has protected is another matter: a file may be half written.
//!
//! # Order
//!
//! What the threads of one process ask of the hub has effect in the order in which they ask it, and
//! before the outcome of a job that asked it is known. Releasing, setting, clearing, counting down,
//! reporting done and closing do not wait for the parent: a process that hears of them by other
//! means than the hub, as by a file, may be faster than they are.
//!
//! # Where a handle may go
//!
//! To the processes of its own hub. A handle of another hub, one of the parent that is passed on to
//! a pool which a job has built, and one that is encoded for something else than a job or an item
//! are errors. Their text is in the error of the job's handle.
//!
//! # How long an object lives
//!
//! As long as there is a handle to it, in the parent, in a worker, in arguments, in an item or in a
//! result that nobody has taken. A worker that holds a permit or an item counts as well. A handle
//! that came to a worker, and was never decoded there, is there until the worker ends.
//!
//! # What it costs
//!
//! An answer of the parent takes some microseconds. A worker waits without using the processor
//! (after a short look), and so does the parent. Any number of threads of a worker wait at a time;
//! the one that happens to wait first reads for all of them.
//!
//! Where nobody else is concerned, words of memory that a worker shares with the parent save the
//! messages: a process that locks and unlocks what no other wants does not ask for it each time,
//! and items go through a [`JoinableQueue`] without a bound several at a time. A queue with a bound
//! asks for each item, and is slower than Python's, whose semaphores are in shared memory.
//!
//! Medians of 11 rounds, in turn with Python 3's `multiprocessing`, on a virtual machine with two
//! cores on which other programs wanted several times as many. The ratios are medians of the ratios
//! round by round. Measure on your own machine: `cargo bench -p workmill-process`.
//!
//! | | here | Python | ratio |
//! |---|---|---|---|
//! | acquire and release a permit | 0.4 µs | 68.7 µs (`Manager`) | 0.005 |
//! | an item from one process to another | 5.1 µs | 9.2 µs (`JoinableQueue`) | 0.50 |
//! | the same, with room for 100 | 52.5 µs | 10.9 µs | 5.0 |
//!
//! # Coming from Python
//!
//! | `multiprocessing` | here |
//! |---|---|
//! | `Process(target=f, args=(x,))`, `p.start()` | [`hub.spawn(f, x)`](Hub::spawn) |
//! | `Process(name="eater", daemon=True, …)` | [`hub.named("eater").daemon().spawn(…)`](Hub::named) |
//! | `p.join()`, `p.exitcode`, `p.pid`, `p.kill()` | [`join`](ProcessHandle::join), [`exit_status`](ProcessHandle::exit_status), [`id`](ProcessHandle::id), [`kill`](ProcessHandle::kill) |
//! | `current_process().name` | [`current_process().name()`](current_process) |
//! | `Lock()`, `with lock:` | [`hub.lock()`](HubRef::lock), `let _guard = lock.lock();` |
//! | `Semaphore(n)`, `BoundedSemaphore(n)` | [`hub.semaphore(n)`](HubRef::semaphore), [`hub.bounded_semaphore(n)`](HubRef::bounded_semaphore) |
//! | `Event()` | [`hub.event()`](HubRef::event) |
//! | `Queue(5)`, `JoinableQueue(5)`, `Queue()` | [`hub.queue(5)`](HubRef::queue), `hub.queue(None)` |
//! | `q.get()` and `q.task_done()` | [`get_task`](Queue::get_task), whose guard calls it, or both by hand |
//! | `Manager()` | a [`Hub`] |
//! | `cancel_join_thread`, `join_thread` | nothing: no thread carries the items |
//!
//! # Missing on purpose
//!
//! - The `dict`, `list` and `Namespace` of Python's `Manager`: each access is a message, so code
//!   that looks like that of a local map is a thousand times slower, and what it reads is stale
//!   when it acts on it. A thread of the parent that owns the map, and a queue to it, say what they
//!   cost.
//! - `Condition` between processes: it is a lock, a wait and data that all are in the same place.
//!   An [`Event`], a [`Latch`] or a [`Semaphore`] of signals has none of the traps.
//! - `RLock`: a lock that its holder may take again hides who holds it. And which thread of which
//!   process that is would have to be known to the parent.
//! - Counted producers and consumers of queues, as [`workmill::Queue::producer`] makes them.

mod ahead;
mod event;
mod held;
mod keys;
pub(crate) mod leases;
mod lock;
pub(crate) mod near;
mod owner;
pub(crate) mod passing;
mod permits;
mod process;
mod queue;
mod queue_ends;
mod queue_items;
#[cfg(all(test, target_os = "linux"))]
mod race;
pub(crate) mod registry;
mod semaphore;
mod served;
mod task;
pub(crate) mod wire;
mod words;

use std::fmt;
use std::sync::Arc;

use workmill_jobs::Sendable;

use registry::Registry;

pub use event::{Event, Latch};
pub use held::{Fifo, Lifo, Order, SmallestFirst};
pub use lock::{Lock, LockGuard};
pub use owner::{Hub, Spawner};
pub use permits::Permit;
pub use process::{CurrentProcess, ProcessHandle, current_process};
pub use queue::{JoinableQueue, LifoQueue, PriorityQueue, Queue};
pub use queue_ends::{Iter, IterTasks};
pub use semaphore::{BoundedSemaphore, Semaphore};
pub use task::TaskGuard;

/// A reference to a hub: it makes objects that processes share.
///
/// A [`Hub`] dereferences to its reference, and a pool has one:
/// [`ProcessPoolRef::hub`](crate::ProcessPoolRef::hub). Handles go only to processes of the hub
/// that has made them.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::{HubRef, JoinableQueue, Semaphore};
///
/// /// What a library does that is given a hub.
/// fn kitchen(hub: &HubRef) -> (JoinableQueue<String>, Semaphore) {
///     (hub.queue(20), hub.semaphore(2))
/// }
///
/// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let (orders, kettles) = kitchen(&hub);
/// assert_eq!((orders.capacity(), kettles.available_permits()), (Some(20), 2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "Manager")]
#[derive(Clone)]
pub struct HubRef {
    objects: Arc<Registry>,
}

impl HubRef {
    pub(crate) fn new(objects: &Arc<Registry>) -> Self {
        Self {
            objects: Arc::clone(objects),
        }
    }

    /// Makes a lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// assert!(!lock.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "RLock")]
    pub fn lock(&self) -> Lock {
        Lock::new(&self.objects)
    }

    /// Makes a semaphore with the given number of free permits, which grants them in order of
    /// arrival.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let semaphore = hub.semaphore(2);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn semaphore(&self, permits: usize) -> Semaphore {
        Semaphore::new(&self.objects, permits)
    }

    /// Makes a semaphore that never has more than the given number of permits, all of them free.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let semaphore = hub.bounded_semaphore(2);
    /// assert!(semaphore.release(1).is_err()); // there would be three
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded_semaphore(&self, permits: usize) -> BoundedSemaphore {
        BoundedSemaphore::new(&self.objects, permits)
    }

    /// Makes an event that is not set.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let event = hub.event();
    /// assert!(!event.is_set());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn event(&self) -> Event {
        Event::new(&self.objects)
    }

    /// Makes a latch that opens after `count` calls of [`Latch::count_down`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let latch = hub.latch(2);
    /// latch.count_down();
    /// latch.count_down();
    /// assert!(latch.is_open());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "Barrier")]
    pub fn latch(&self, count: usize) -> Latch {
        Latch::new(&self.objects, count)
    }

    /// Makes a queue, first in, first out, that holds at most `capacity` items, or any number for
    /// `None`. With a capacity of 0 each item goes directly from a put to a get.
    ///
    /// # Examples
    ///
    /// ```
    /// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let (five, many) = (hub.queue::<u64>(5), hub.queue::<u64>(None));
    /// assert_eq!((five.capacity(), many.capacity()), (Some(5), None));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "JoinableQueue")]
    #[doc(alias = "SimpleQueue")]
    pub fn queue<T: Sendable>(&self, capacity: impl Into<Option<usize>>) -> JoinableQueue<T> {
        Queue::new(&self.objects, capacity.into())
    }

    /// Makes a queue, last in, first out, that holds at most `capacity` items, or any number for
    /// `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.lifo_queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// assert_eq!(queue.get()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lifo_queue<T: Sendable>(&self, capacity: impl Into<Option<usize>>) -> LifoQueue<T> {
        Queue::new(&self.objects, capacity.into())
    }

    /// Makes a queue that gives out the smallest item first, and holds at most `capacity` items, or
    /// any number for `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.priority_queue(None);
    /// queue.put(2)?;
    /// queue.put(1)?;
    /// assert_eq!(queue.get()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn priority_queue<T: Sendable + Ord>(
        &self,
        capacity: impl Into<Option<usize>>,
    ) -> PriorityQueue<T> {
        Queue::new(&self.objects, capacity.into())
    }
}

impl fmt::Debug for HubRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HubRef")
    }
}
