//! The pool's face: what owners and tasks call.
//!
//! A façade: no loop, no atomics. [`PoolRef`] has all the methods; [`ThreadPoolExecutor`] owns a
//! pool and dereferences to it. What is awaited is in [`futures`], what has its time in [`schedule`],
//! what nobody awaits in `detached`.

#[cfg(any(feature = "futures-task", feature = "hyper"))]
mod detached;
mod futures;

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::admission::{self, Entry, Patience, Refusal};
use crate::error::{JoinError, StillRunning, TrySubmitError, WouldDeadlock};
use crate::handle::JoinHandle;
use crate::pool::{self, Config, DropBehavior, Local, Pool, PoolTask};
use crate::scope::lend;
use crate::trampoline;
use crate::unwind;
use crate::wait::{Blocking, Deadline};

/// Owns a pool of threads that run closures.
///
/// Known from Python's `concurrent.futures` and Java's `ExecutorService`. All methods of
/// [`PoolRef`] can be called on it. A clone owns the same pool.
///
/// # Dropping
///
/// When the last owner is dropped the pool is shut down as by [`shutdown`](PoolRef::shutdown): all
/// that was accepted is run first. [`Builder::on_drop`](crate::Builder::on_drop) knows other
/// endings. While the thread unwinds from a panic, what has not begun is cancelled. On one of the
/// pool's own threads the drop does not wait, nor as part of what a cancelled task captured; the threads
/// end by themselves.
///
/// A task that owns a clone of its pool keeps it from being dropped until it has run.
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
    pub(crate) fn start(config: Config) -> io::Result<Self> {
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
        let Some(behavior) = shared.on_drop().filter(|_| !shared.is_forked()) else {
            return;
        };
        if std::thread::panicking() || behavior == DropBehavior::Cancel {
            shared.stop();
        }
        if behavior == DropBehavior::Detach {
            return shared.close();
        }
        self.0.shutdown();
        // Nobody outside is left to wait for the threads, if this is one of them.
        shared.join_others_from_here();
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
    pub(crate) shared: Arc<Pool>,
}

impl PoolRef {
    /// Submits a closure and returns a handle to its result.
    ///
    /// # Blocking
    ///
    /// Only when the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is full: its
    /// policy may be to wait for room ([`Overflow::Block`](crate::Overflow::Block)) or to run the
    /// task here ([`Overflow::CallerRuns`](crate::Overflow::CallerRuns)). Tasks of the pool itself
    /// never wait here; what they submit is admitted over capacity.
    ///
    /// # Errors
    ///
    /// None at the call. If the pool was shut down or turns the task away, the
    /// handle resolves to cancelled with the
    /// [`CancelReason`](crate::CancelReason), and the closure is dropped here.
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
            Err((refusal, closure)) => {
                self.shared.counts.rejected.one_more();
                self.refuse(closure, refusal)
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
            .map_err(|(refusal, closure)| refusal.with(closure))
    }

    /// Submits a closure, and waits for room no longer than `timeout`.
    ///
    /// Whatever the overflow policy is. [`Duration::ZERO`] takes what room there is;
    /// [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until there is room or the time is over; those who wait are served in order of arrival. Tasks
    /// of the pool itself never wait here; what they submit is admitted over capacity.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure: [`Full`](TrySubmitError::Full) when the time is over, or
    /// [`Shutdown`](TrySubmitError::Shutdown) if the pool was or is shut down.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(1).build()?;
    /// for n in 0..100 {
    ///     if let Err(refused) = pool.submit_timeout(move || n, Duration::from_secs(10)) {
    ///         eprintln!("stuck: {refused}");
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_timeout<F, T>(
        &self,
        closure: F,
        timeout: Duration,
    ) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.place_with_handle(closure, Patience::Until(Deadline::after(timeout)))
            .map_err(|(refusal, closure)| refusal.with(closure))
    }

    /// Runs a closure in the pool, waits for it, and gives what it returned.
    ///
    /// The closure may borrow. Called by one of the pool's own tasks it is called at once.
    ///
    /// # Blocking
    ///
    /// Until the closure has returned, or was cancelled and dropped.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the closure panicked, or was cancelled: because the pool did not take it, was
    /// stopped, or dropped it for a newer one.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let grains = vec![1, 2, 3];
    /// let sum: i32 = pool.install(|| grains.iter().sum())?;
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn install<F, R>(&self, closure: F) -> Result<R, JoinError>
    where
        F: FnOnce() -> R + Send,
        R: Send,
    {
        let mut closure = Some(closure);
        let call = || closure.take().expect("it is called once")();
        if let Some(result) = self.shared.call_inside(call) {
            return result.map_err(JoinError::panicked);
        }
        let closure = closure.expect("it was not called");
        lend::run_elsewhere(closure, |closure| {
            let placed = self.place_with_handle(closure, Patience::Policy);
            placed.unwrap_or_else(|(refusal, closure)| {
                self.shared.counts.rejected.one_more();
                // Here and now, since it borrows.
                unwind::discard(closure);
                JoinHandle::refused(refusal.reason(), self.shared.link)
            })
        })
    }

    /// Submits a closure whose end nobody waits for.
    ///
    /// Small closures cost no allocation. A panic in the closure ends there: it is reported by
    /// the panic hook, as for any thread, then goes to the
    /// [`panic_handler`](crate::Builder::panic_handler), and the thread goes on.
    ///
    /// # Blocking
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Errors
    ///
    /// None at the call. A closure that is turned away goes to
    /// [`on_rejected`](crate::Builder::on_rejected), or is dropped here.
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
        if let Err((refusal, closure)) = self.place(closure, Patience::Policy) {
            self.shared.counts.rejected.one_more();
            match refusal {
                Refusal::Dropped => trampoline::call(move || drop(closure)),
                Refusal::Full | Refusal::Shutdown | Refusal::Forked => {
                    self.shared.turn_away(boxed(closure), refusal.reason());
                }
            }
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
            .map_err(|(refusal, closure)| refusal.with(closure))
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

    /// Waits, without blocking, until the pool has nothing to do; see [`wait_idle`](Self::wait_idle).
    ///
    /// # Errors
    ///
    /// [`WouldDeadlock`] when polled by a task of the same pool.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends nothing but the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures_lite::future::block_on;
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// block_on(pool.wait_idle_async())?;
    /// assert!(handle.is_finished());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn wait_idle_async(&self) -> Result<(), WouldDeadlock> {
        let mut joiner = self.shared.idle_joiner();
        poll_fn(|cx| {
            if self.shared.is_forked() {
                return Poll::Ready(Err(WouldDeadlock));
            }
            // In this order: inside a task the pool is never idle, in a waker that it calls it is.
            if joiner.poll(cx.waker()) {
                Poll::Ready(Ok(()))
            } else if self.would_wait_for_itself() {
                Poll::Ready(Err(WouldDeadlock))
            } else {
                Poll::Pending
            }
        })
        .await
    }

    fn wait_idle_until(&self, deadline: Deadline) -> Result<bool, WouldDeadlock> {
        if self.would_wait_for_itself() || self.shared.is_forked() {
            return Err(WouldDeadlock);
        }
        Ok(self.shared.wait_idle(deadline))
    }

    /// Refuses new tasks, waits for those that were accepted, then for the threads to end.
    ///
    /// Tasks that run meanwhile may still submit to their own pool: all of that is
    /// waited for, futures that are pending too. What was submitted for later and is not due is
    /// cancelled; a series ends, after the run that is under way. May be called more than once, and from
    /// several threads: all return when the pool has ended. Those who wait in `submit` for room get a
    /// cancelled handle.
    ///
    /// # Blocking
    ///
    /// Until every accepted task and every thread has ended, thread-locals included (but for these,
    /// if the last owner was dropped inside a task). Called on a thread of the pool itself, in a
    /// task that its submitter runs, or by the drop of a capture of a task that somebody cancels, it
    /// does not wait; the pool then ends by itself. Nor does it wait in
    /// [`on_thread_start`](crate::Builder::on_thread_start), [`thread_name`](crate::Builder::thread_name)
    /// and their like.
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
        if !self.close() && !self.would_wait_for_itself() {
            self.shared.roster.join();
        }
    }

    /// Shuts down like [`shutdown`](Self::shutdown), but waits no longer than `timeout`.
    ///
    /// When the time is over the pool goes on ending by itself; nothing is cancelled. What has to end
    /// then is up to the caller: wait again, [`shutdown_now`](Self::shutdown_now), or leave the
    /// process. [`Duration::ZERO`] only looks; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until every accepted task has ended and every thread has left the pool, or the time is over.
    /// Threads may still be dropping their thread-locals then, which
    /// [`shutdown`](Self::shutdown) and the drop of the pool wait for. Called inside, it closes the
    /// pool and does not wait.
    ///
    /// # Errors
    ///
    /// [`StillRunning`], which names the threads that were busy and what they ran.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// pool.execute(|| println!("quick"));
    /// if let Err(error) = pool.shutdown_timeout(Duration::from_secs(10)) {
    ///     eprintln!("{error}");
    ///     std::process::exit(1);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), StillRunning> {
        if self.close() {
            return Ok(());
        }
        let roster = &self.shared.roster;
        let ended = match self.would_wait_for_itself() {
            true => roster.all_left(),
            false => roster.wait(Deadline::after(timeout)),
        };
        if ended {
            return Ok(());
        }
        Err(self.shared.still_running())
    }

    /// Shuts down like [`shutdown`](Self::shutdown), and waits without blocking.
    ///
    /// The pool is closed when the future is polled first; when it resolves, every accepted task has
    /// ended and every thread has left the pool. Threads may still be dropping their thread-locals
    /// then. Polled inside, it does not wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends nothing but the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use futures_lite::future::block_on;
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let handle = pool.submit(|| 42);
    /// block_on(pool.shutdown_async());
    /// assert!(handle.is_finished() && pool.is_terminated());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn shutdown_async(&self) {
        if self.close() {
            return;
        }
        let mut watcher = self.shared.roster.watcher();
        poll_fn(|cx| {
            let forked = self.shared.is_forked();
            if forked || self.would_wait_for_itself() || watcher.poll(cx.waker()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Refuses new tasks and lets what was accepted run to its end in the background.
    ///
    /// Does not wait, and the drop of the pool will not wait either, whatever
    /// [`on_drop`](crate::Builder::on_drop) says. A process that leaves `main` before the tasks have
    /// ended takes them with it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (go, wait) = mpsc::channel();
    /// let handle = pool.submit(move || wait.recv().unwrap());
    /// pool.shutdown_background();
    /// drop(pool);
    /// go.send(42)?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_background(&self) {
        self.shared.end_in_background();
        self.close();
    }

    /// Refuses new tasks and cancels all that have not begun; says how many. Does not wait.
    ///
    /// Their handles resolve to cancelled with [`CancelReason::Shutdown`](crate::CancelReason::Shutdown). Tasks that run are not
    /// disturbed, but what they submit from now on is refused. A task that a thread is just taking
    /// from the queue is cancelled by that thread and may be missing from the number, and one that
    /// a running task joins may still be run there. The closures are dropped on this thread, or on
    /// that one. Futures that have not ended are cancelled too, and counted, whether they have begun or
    /// not; the pool's threads drop them. Only the first call cancels; later ones return 0.
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
        match self.shared.is_forked() {
            true => 0,
            false => self.shared.stop(),
        }
    }

    /// Tells whether the pool was told to shut down.
    pub fn is_shutdown(&self) -> bool {
        self.shared.is_closed() || self.shared.is_forked()
    }

    /// Tells whether the pool has ended: shut down, every task ended, every thread out.
    pub fn is_terminated(&self) -> bool {
        self.shared.has_ended() && self.shared.roster.all_left() || self.shared.is_forked()
    }

    /// Counts what happened to the pool that may deserve attention.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Builder, Overflow};
    ///
    /// let builder = Builder::new().threads(1).queue_capacity(10);
    /// let pool = builder.overflow(Overflow::DropNewest).build()?;
    /// for _ in 0..1000 {
    ///     pool.execute(|| ());
    /// }
    /// println!("{} of 1000 were dropped", pool.metrics().rejected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        let counts = &self.shared.counts;
        Metrics {
            rejected: counts.rejected.get(),
            over_capacity: counts.over_capacity.get(),
            failed_starts: counts.failed_starts.get(),
            uncovered_waits: counts.uncovered_waits.get(),
            skipped_runs: counts.skipped.get(),
            live_threads: self.shared.roster.alive(),
        }
    }

    /// Gives the number of threads that run tasks when there are enough of those.
    pub fn threads(&self) -> usize {
        self.shared.threads()
    }

    /// Changes how many tasks run at a time, from 1 to
    /// [`max_threads`](crate::Builder::max_threads), from now on.
    ///
    /// More: if tasks wait, threads are started for them at once. Fewer: tasks that run are finished, and
    /// as each of them ends its thread takes no other; it ends too when
    /// [`keep_alive`](crate::Builder::keep_alive) has run out. A pool without capacity (0) takes more or
    /// fewer tasks accordingly.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the number is out of its limits; nothing changes then.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).max_threads(8).build()?;
    /// pool.set_threads(3)?;
    /// assert_eq!(pool.threads(), 3);
    /// assert!(pool.set_threads(9).is_err() && pool.set_threads(0).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_threads(&self, threads: usize) -> io::Result<()> {
        let most = self.shared.max_threads();
        if !(1..=most).contains(&threads) {
            let message = format!("this pool can have 1 to {most} threads, not {threads}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if !self.shared.is_forked() {
            self.shared.set_threads(threads);
        }
        Ok(())
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

    /// Drops a closure that was not taken, and gives the handle to that, which resolves when it is gone.
    fn refuse<F, T>(&self, closure: F, refusal: Refusal) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (task, end) = PoolTask::with_handle((), closure);
        trampoline::call(move || {
            task.cancel(refusal.reason());
        });
        JoinHandle::new(end, self.shared.link)
    }

    /// Closes the pool. Returns `true` if this is a child process, in which nothing is to be waited for:
    /// from the beginning, or because what was dropped has forked.
    fn close(&self) -> bool {
        if !self.shared.is_forked() {
            self.shared.close();
        }
        self.shared.is_forked()
    }

    /// Tells whether waiting here for the pool would be waiting for oneself.
    fn would_wait_for_itself(&self) -> bool {
        self.shared.waits_for_this_thread()
    }

    fn place_with_handle<F, T>(
        &self,
        closure: F,
        patience: Patience,
    ) -> Result<JoinHandle<T>, (Refusal, F)>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        match admission::admit(&self.shared, patience) {
            Ok(entry) => Ok(self.place_admitted(entry, closure)),
            Err(refusal) => Err((refusal, closure)),
        }
    }

    #[inline(always)]
    fn place_admitted<F, T>(&self, entry: Entry, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let shared = &self.shared;
        let (task, end) = match entry {
            Entry::Open => PoolTask::with_handle((), closure),
            Entry::CapacityPermit(pass) => PoolTask::with_handle(pass, closure),
            Entry::Caller => {
                let (task, end) = PoolTask::with_handle((), closure);
                shared.run_on_caller(task);
                return JoinHandle::new(end, shared.link);
            }
        };
        shared.push(task);
        JoinHandle::new(end, shared.link)
    }

    fn place<F>(&self, closure: F, patience: Patience) -> Result<(), (Refusal, F)>
    where
        F: FnOnce() + Send + 'static,
    {
        let shared = &self.shared;
        let task = match admission::admit(shared, patience) {
            Ok(Entry::Open) => PoolTask::detached((), closure),
            Ok(Entry::CapacityPermit(pass)) => PoolTask::detached(pass, closure),
            Ok(Entry::Caller) => {
                shared.run_on_caller(PoolTask::detached((), closure));
                return Ok(());
            }
            Err(refusal) => return Err((refusal, closure)),
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

/// Boxes a closure, unless it is boxed already: one that is rejected again and again gets no deeper.
fn boxed<F: FnOnce() + Send + 'static>(closure: F) -> Box<dyn FnOnce() + Send> {
    let mut closure = Some(closure);
    let any: &mut dyn Any = &mut closure;
    let boxed = any.downcast_mut::<Option<Box<dyn FnOnce() + Send>>>();
    match boxed.and_then(Option::take) {
        Some(boxed) => boxed,
        None => Box::new(closure.expect("it was not taken")),
    }
}

/// Counts of what happened to a pool since it was started, and of its threads; given by [`PoolRef::metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Tasks that [`submit`](PoolRef::submit) or [`execute`](PoolRef::execute) turned away, because
    /// the pool was full or shut down, and queued tasks that were dropped for newer ones.
    pub rejected: usize,
    /// Tasks of the pool's own that were admitted although it was full.
    pub over_capacity: usize,
    /// Threads that the system would not start when there was work for them. The tasks are run by
    /// those there are, and each push that would need another thread tries again.
    pub failed_starts: usize,
    /// Waits in tasks that kept their place in the pool, because as many threads were away from theirs
    /// as [`max_spare_threads`](crate::Builder::max_spare_threads) says.
    pub uncovered_waits: usize,
    /// Runs of series ([`submit_every`](PoolRef::submit_every)) that were left out, because the pool was
    /// full when they were due.
    pub skipped_runs: usize,
    /// Threads that live at this moment: those that run tasks, wait in them, or have nothing to do.
    pub live_threads: usize,
}

/// Returns the pool that runs the task that this is called from, if any.
///
/// Inside a task that is the pool that runs it, so tasks can submit more without
/// having been given the pool; also where a full pool has its submitter run the task, see
/// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns).
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

/// Returns which place among those that run tasks this thread has in its pool, from 0 to one less than
/// [`threads`](PoolRef::threads) said at most; `None` if it is no thread of a pool, or has no place.
///
/// No two threads of a pool have the same place at the same time. A task that has waited may go on in
/// another place, or in none.
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

/// Calls `wait`, which blocks, and gives this thread's place in the pool to other tasks meanwhile.
///
/// For waits inside tasks that this crate cannot see: on locks and channels of std, files, sockets,
/// processes, [`sleep`](std::thread::sleep). The waits of this crate do the same by themselves. Another
/// thread is started for the place if there is work for it and no thread to spare, as long as fewer
/// wait than [`max_spare_threads`](crate::Builder::max_spare_threads) says. Afterwards the task goes on
/// at once, with a place or without one; so for a moment more tasks may run than the pool has threads.
///
/// Outside of pools, and within another wait, it just calls `wait`. So a library may use it not
/// knowing who calls. It costs some hundred nanoseconds: not for what seldom takes longer.
///
/// Like tokio's `block_in_place`, or `ForkJoinPool.managedBlock` in Java.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
///
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let (sender, receiver) = mpsc::channel();
/// let waits = pool.submit(move || workmill::blocking(|| receiver.recv()));
/// let sends = pool.submit(move || sender.send(42)); // the only place is free for this
/// sends.join()??;
/// assert_eq!(waits.join()??, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blocking<R>(wait: impl FnOnce() -> R) -> R {
    let _blocking = Blocking::begin();
    wait()
}
