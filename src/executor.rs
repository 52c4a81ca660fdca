//! The pool's face: what owners and tasks call.
//!
//! A façade: no loop, no atomics. [`PoolRef`] has all the methods; [`ThreadPoolExecutor`] owns a
//! pool and dereferences to it.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::admission::{self, Patience};
use crate::error::{CancelReason, TrySubmitError, WouldDeadlock};
use crate::handle::JoinHandle;
use crate::pool::{self, Config, Local, PoolTask, Shared};
use crate::primitive::Deadline;
use crate::task::cell;
use crate::unwind;

/// Owns a pool of threads that run closures.
///
/// Known from Python's `concurrent.futures` and Java's `ExecutorService`. All methods of
/// [`PoolRef`] can be called on it. A clone owns the same pool.
///
/// # Dropping
///
/// When the last owner is dropped the pool is shut down as by [`shutdown`](PoolRef::shutdown): all
/// that was accepted is run first. While the thread unwinds from a panic, what has not begun is
/// cancelled. On one of the pool's own threads the drop does not wait; the threads end by
/// themselves.
///
/// # Order
///
/// Tasks from one thread outside begin in the order in which they were submitted, as far as several
/// threads can begin anything in order. Tasks that a task submits go to the thread it runs on,
/// first in, first out, and are stolen from there by threads that have nothing to do.
///
/// # Examples
///
/// ```
/// use workmill::ThreadPoolExecutor;
///
/// let pool = ThreadPoolExecutor::new(4)?;
/// let squares: Vec<_> = (0..10_u32).map(|n| pool.submit(move || n * n)).collect();
/// let sum: u32 = squares.into_iter().map(|handle| handle.join().unwrap()).sum();
/// assert_eq!(sum, 285);
/// pool.shutdown();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ThreadPoolExecutor {
    owner: Arc<Owner>,
}

impl ThreadPoolExecutor {
    pub(crate) fn start(config: &Config) -> io::Result<Self> {
        let shared = pool::start(config)?;
        let owner = Arc::new(Owner(PoolRef { shared }));
        Ok(Self { owner })
    }
}

impl Deref for ThreadPoolExecutor {
    type Target = PoolRef;

    fn deref(&self) -> &PoolRef {
        &self.owner.0
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("ThreadPoolExecutor", f)
    }
}

/// What the clones of a [`ThreadPoolExecutor`] share; dropped with the last of them.
struct Owner(PoolRef);

impl Drop for Owner {
    fn drop(&mut self) {
        let shared = &self.0.shared;
        if std::thread::panicking() {
            shared.stop();
        }
        self.0.shutdown();
        // Nobody outside is left to wait for the threads, if this is one of them.
        shared.see_off_from_here();
    }
}

/// Refers to a pool without owning it.
///
/// Submits to it like an owner, and does not keep it from being shut down: then it refuses. Made by
/// [`handle`](Self::handle), and inside tasks by [`current`].
///
/// # Dropping
///
/// Does nothing.
///
/// # Refusals
///
/// [`submit`](Self::submit) and [`execute`](Self::execute) never fail at the call. The `try_` forms
/// give the closure back instead, and never wait.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let parent = pool.submit(|| {
///     let pool = workmill::current().unwrap();
///     pool.submit(|| 42) // the pool may be dropped before this ends
/// });
/// assert_eq!(parent.join()?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PoolRef {
    shared: Arc<Shared>,
}

impl PoolRef {
    /// Submits a closure and returns a handle to its result.
    ///
    /// # Blocking
    ///
    /// Only when the pool has a [`queue_capacity`](crate::Builder::queue_capacity), is full, and
    /// its policy is [`Overflow::Block`](crate::Overflow::Block). Tasks of the pool itself never
    /// wait here; what they submit is admitted over capacity.
    ///
    /// # Errors
    ///
    /// None at the call. If the pool was shut down or turns the task away, the
    /// handle resolves to cancelled with the [`CancelReason`], and the closure is dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| "flour".len());
    /// assert_eq!(handle.join()?, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit<F, T>(&self, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match self.place_with_handle(closure, Patience::Policy) {
            Ok(handle) => handle,
            Err(refused) => {
                let reason = match refused {
                    TrySubmitError::Full(_) => CancelReason::Rejected,
                    TrySubmitError::Shutdown(_) => CancelReason::Shutdown,
                };
                unwind::discard(refused);
                JoinHandle::new(cell::refused(reason), self.shared.id())
            }
        }
    }

    /// Submits a closure if there is room for it now; never waits.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure: [`Full`](TrySubmitError::Full) whatever the overflow
    /// policy and whoever asks, or [`Shutdown`](TrySubmitError::Shutdown).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.try_submit(|| 42)?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_submit<F, T>(&self, closure: F) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.place_with_handle(closure, Patience::Never)
    }

    /// Submits a closure whose end nobody waits for.
    ///
    /// Small closures cost no allocation. A panic in the closure ends there: it is reported by
    /// the panic hook, as for any thread, and the thread goes on.
    ///
    /// # Blocking
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// None at the call. A closure that is turned away is dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::atomic::{AtomicU32, Ordering};
    /// # use std::sync::Arc;
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let sacks = Arc::new(AtomicU32::new(0));
    /// for _ in 0..10 {
    ///     let sacks = Arc::clone(&sacks);
    ///     pool.execute(move || { sacks.fetch_add(1, Ordering::Relaxed); });
    /// }
    /// pool.shutdown();
    /// assert_eq!(sacks.load(Ordering::Relaxed), 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn execute<F>(&self, closure: F)
    where
        F: FnOnce() + Send + 'static,
    {
        if let Err(refused) = self.place(closure, Patience::Policy) {
            unwind::discard(refused);
        }
    }

    /// Submits a closure whose end nobody waits for, if there is room now; never waits.
    ///
    /// # Errors
    ///
    /// As [`try_submit`](Self::try_submit).
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(10).build()?;
    /// if let Err(refused) = pool.try_execute(|| println!("in the pool")) {
    ///     let closure = refused.into_inner();
    ///     closure(); // here instead
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_execute<F>(&self, closure: F) -> Result<(), TrySubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        self.place(closure, Patience::Never)
    }

    /// Waits until the pool has nothing to do.
    ///
    /// Returns when there was a moment at which every accepted task had ended: each handle has
    /// resolved by then, but for those that somebody is cancelling at that moment. Tasks that are
    /// submitted meanwhile are waited for, too. Not an end: the pool goes on.
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] at once when called by a task of the same pool, which would wait for
    /// itself.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// pool.wait_idle()?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_idle(&self) -> Result<(), WouldDeadlock> {
        self.wait_idle_until(Deadline::NEVER).map(drop)
    }

    /// Waits until the pool has nothing to do, but no longer than `timeout`.
    ///
    /// `true` if it was idle in time, see [`wait_idle`](Self::wait_idle); `false` when the time is
    /// over. [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Errors
    ///
    /// As [`wait_idle`](Self::wait_idle).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// pool.execute(|| std::thread::sleep(Duration::from_millis(50)));
    /// assert!(!pool.wait_idle_timeout(Duration::ZERO)?);
    /// assert!(pool.wait_idle_timeout(Duration::MAX)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait_idle_timeout(&self, timeout: Duration) -> Result<bool, WouldDeadlock> {
        self.wait_idle_until(Deadline::after(timeout))
    }

    fn wait_idle_until(&self, deadline: Deadline) -> Result<bool, WouldDeadlock> {
        if self.would_wait_for_itself() {
            return Err(WouldDeadlock);
        }
        Ok(self.shared.wait_idle(deadline))
    }

    /// Refuses new tasks, waits for those that were accepted, then for the threads to end.
    ///
    /// Tasks that run meanwhile may still submit to their own pool: all of that is
    /// waited for. May be called more than once, and from several threads: all return when the pool
    /// has ended. Those who wait in `submit` for room get a cancelled handle.
    ///
    /// # Blocking
    ///
    /// Until every accepted task and every thread has ended, thread-locals included (but for these,
    /// if the last owner was dropped inside a task). Called on a thread of the pool itself, or by
    /// the drop of a capture that `shutdown_now` cancels, it does not wait; the pool then ends by
    /// itself.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// pool.shutdown();
    /// assert_eq!(handle.join()?, 42);
    /// assert!(pool.submit(|| 43).join().unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown(&self) {
        self.shared.close();
        if !self.would_wait_for_itself() {
            self.shared.roster.join();
        }
    }

    /// Refuses new tasks and cancels all that have not begun; says how many. Does not wait.
    ///
    /// Their handles resolve to cancelled with [`CancelReason::Shutdown`]. Tasks that run are not
    /// disturbed, but what they submit from now on is refused. A task that a thread is just taking
    /// from the queue is cancelled by that thread and may be missing from the number, and one that
    /// a running task joins may still be run there. The closures are dropped on this thread, or on
    /// that one. Only the first call cancels; later ones return 0.
    ///
    /// Call [`shutdown`](Self::shutdown) afterwards to wait for what runs.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (started, begun) = mpsc::channel();
    /// let (go, wait) = mpsc::channel();
    /// pool.execute(move || { started.send(()).unwrap(); wait.recv().unwrap() });
    /// begun.recv()?;
    /// let behind = pool.submit(|| 42);
    /// assert_eq!(pool.shutdown_now(), 1);
    /// assert!(behind.join().unwrap_err().is_cancelled());
    /// go.send(())?;
    /// pool.shutdown();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_now(&self) -> usize {
        self.shared.stop()
    }

    /// Tells whether the pool was told to shut down.
    pub fn is_shutdown(&self) -> bool {
        self.shared.is_closed()
    }

    /// Tells whether the pool has ended: shut down, every task ended, every thread out.
    pub fn is_terminated(&self) -> bool {
        self.shared.has_ended() && self.shared.roster.all_left()
    }

    /// Gives the number of threads that run tasks.
    pub fn threads(&self) -> usize {
        self.shared.slots()
    }

    /// Returns a reference to the pool that does not own it.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let reference = pool.handle();
    /// assert_eq!(reference.submit(|| 42).join()?, 42);
    /// drop(pool); // the only owner
    /// assert!(reference.is_terminated());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Self {
        self.clone()
    }

    /// Tells whether waiting here for the pool would be waiting for oneself.
    fn would_wait_for_itself(&self) -> bool {
        self.shared.waits_for_this_thread()
    }

    fn place_with_handle<F, T>(
        &self,
        closure: F,
        patience: Patience,
    ) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = &*self.shared;
        let (task, end) = match admission::admit(shared, patience) {
            Ok(None) => PoolTask::with_handle(closure),
            Ok(Some(permit)) => PoolTask::with_handle(admission::carry(permit, closure)),
            Err(refusal) => return Err(refusal.with(closure)),
        };
        shared.push(task);
        Ok(JoinHandle::new(end, shared.id()))
    }

    fn place<F>(&self, closure: F, patience: Patience) -> Result<(), TrySubmitError<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let shared = &*self.shared;
        let task = match admission::admit(shared, patience) {
            Ok(None) => PoolTask::detached(closure),
            Ok(Some(permit)) => PoolTask::detached(admission::carry(permit, closure)),
            Err(refusal) => return Err(refusal.with(closure)),
        };
        shared.push(task);
        Ok(())
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("threads", &self.threads())
            .field("is_shutdown", &self.is_shutdown())
            .field("is_terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PoolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe("PoolRef", f)
    }
}

/// Returns the pool that this thread belongs to, if it is one of a pool's threads.
///
/// Inside a task that is the pool that runs it, so tasks can submit more without
/// having been given the pool.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert!(workmill::current().is_none());
/// let threads = pool.submit(|| workmill::current().unwrap().threads());
/// assert_eq!(threads.join()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn current() -> Option<PoolRef> {
    Local::with(|local| {
        local.map(|local| PoolRef {
            shared: Arc::clone(&local.shared),
        })
    })
}

/// Returns which of its pool's threads this one is, from 0, if it is one.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// assert_eq!(workmill::worker_index(), None);
/// assert_eq!(pool.submit(workmill::worker_index).join()?, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn worker_index() -> Option<usize> {
    Local::with(|local| local?.slot_index())
}
