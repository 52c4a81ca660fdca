//! Futures that run in the pool, and submissions that wait for room without blocking.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::PoolRef;
use super::submit::{Refuse, WithHandle};
use crate::admission::{self, Patience, Refusal};
use crate::error::TrySubmitError;
use crate::future::block_on;
use crate::handle::JoinHandle;
use crate::name::Name;
use crate::pool::{Extras, FutureToken, Make, MakeWith, Pool, PoolTask, Priority, in_group};
use crate::task::Token;
use crate::task::cell::TaskRef;
use crate::wait::Deadline;

/// A future with a handle.
pub(super) struct Spawn<F>(pub(super) F);

impl<F> Make for Spawn<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    type Handle = JoinHandle<F::Output>;

    #[inline(always)]
    fn make<P: Token>(
        self,
        pool: &Pool,
        slot: Option<usize>,
        token: P,
    ) -> (PoolTask, JoinHandle<F::Output>) {
        let (task, handle) = pool.make_future(slot, token, self.0);
        (task, JoinHandle::new(handle, pool.link))
    }
}

impl<F> MakeWith for Spawn<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn name(&self) -> &'static Name {
        const { &Name::of::<F>() }
    }

    fn make_with(
        self,
        pool: &Pool,
        slot: Option<usize>,
        extras: Arc<Extras>,
    ) -> (PoolTask, TaskRef, JoinHandle<F::Output>) {
        let token = FutureToken::new(Arc::clone(&extras));
        let (task, handle) = match extras.is_in_group() {
            true => pool.make_future(slot, token, in_group(extras, self.0)),
            false => pool.make_future(slot, token, self.0),
        };
        let task_ref = handle.task_ref();
        (task, task_ref, JoinHandle::new(handle, pool.link))
    }
}

impl<F> Refuse for Spawn<F>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn refuse(self, refusal: Refusal, pool: &PoolRef) -> JoinHandle<F::Output> {
        let future = self.0;
        WithHandle(move || never_polled(future)).refuse(refusal, pool)
    }
}

impl PoolRef {
    /// Runs a future in the pool and returns a handle to its output.
    ///
    /// Closures are [submitted](Self::submit).
    ///
    /// The future is a task like any closure: the workers poll it, it counts as accepted until it
    /// has ended, [`shutdown`](crate::ThreadPoolExecutor::shutdown) and
    /// [`wait_idle`](Self::wait_idle) wait for it, and the handle returns its panic. While the
    /// future is pending it occupies no thread. After each wake-up it is queued at once. A future
    /// that is woken by a task of this pool goes to the end of the queue of the worker that runs
    /// the task; a future that is woken from elsewhere goes to the queue of submissions from
    /// outside.
    ///
    /// Any future will do that wakes its waker: futures of this crate, of async-channel,
    /// futures-util or async-io. (The futures of tokio's sockets and timers need tokio's runtime.)
    ///
    /// A spawn costs one allocation. A future that can no longer be woken never ends, and keeps
    /// [`shutdown`](crate::ThreadPoolExecutor::shutdown) and the drop of the pool waiting;
    /// [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now) ends it. So a loop that accepts
    /// connections should wait for a [`CancelToken`](crate::CancelToken) as well, or the pool
    /// should be built with [`DropBehavior::Cancel`](crate::DropBehavior::Cancel).
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] returns `true` until the future has produced its output. The future
    /// is then never polled again, except that a poll which is under way is finished. A worker
    /// drops it, and then the handle resolves to cancelled.
    /// [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now) cancels all futures that have not
    /// ended in this way.
    ///
    /// # Blocking
    ///
    /// Blocks only if the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is
    /// full, and its policy is to wait for room ([`Overflow::Block`](crate::Overflow::Block)). With
    /// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns) the future is polled once on this
    /// thread. The future takes up room until it is polled first. Calls by tasks of this pool never
    /// wait for room; their futures are accepted over capacity.
    ///
    /// # Errors
    ///
    /// The call itself never fails. If the pool is shut down or refuses the future, the handle
    /// resolves to cancelled with the [`CancelReason`](crate::CancelReason), and the future is
    /// dropped here.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let (sender, receiver) = async_channel::bounded(1);
    /// let sum = pool.spawn(async move {
    ///     let mut sum = 0;
    ///     while let Ok(n) = receiver.recv().await {
    ///         sum += n;
    ///     }
    ///     sum
    /// });
    /// pool.spawn(async move {
    ///     for n in 0..10 {
    ///         sender.send(n).await.unwrap();
    ///     }
    /// });
    /// assert_eq!(sum.join()?, 45);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias("create_task", "ensure_future"))]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.place_or_refuse(Spawn(future))
    }

    /// Spawns a future, unless that would have to wait for room.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the future if the pool is full, whatever the overflow policy is, or
    /// shut down, or in a child process of the one that built the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let handle = pool.try_spawn(async { 6 * 7 })?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn try_spawn<F>(&self, future: F) -> Result<JoinHandle<F::Output>, TrySubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.place(Spawn(future), Patience::Never)
            .map_err(|(refusal, Spawn(future))| refusal.with(future))
    }

    /// Spawns a future, and waits for room, whatever the overflow policy is, but no longer than
    /// `timeout`.
    ///
    /// [`Duration::ZERO`] checks once; [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over. Calls by tasks of this pool never wait for
    /// room; their futures are accepted over capacity.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the future when the time is over, or if the pool is shut down, or in
    /// a child process of the one that built the pool.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(1).build()?;
    /// let handle = pool.spawn_timeout(async { 6 * 7 }, Duration::from_secs(1))?;
    /// assert_eq!(handle.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn spawn_timeout<F>(
        &self,
        future: F,
        timeout: Duration,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let patience = Patience::Until(Deadline::after(timeout));
        self.place(Spawn(future), patience)
            .map_err(|(refusal, Spawn(future))| refusal.with(future))
    }

    /// Spawns a future, and waits for room without blocking, whatever the overflow policy is.
    ///
    /// Submitters are served in order of arrival, together with those that block in
    /// [`spawn_timeout`](Self::spawn_timeout).
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the future if the pool is shut down, or is shut down during the
    /// wait, or in a child process of the one that built the pool.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future before it is ready drops `future`; nothing is spawned.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(1).build()?;
    /// workmill::block_on(async {
    ///     for n in 0..100 {
    ///         pool.spawn_async(async move { n }).await.unwrap();
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn spawn_async<F>(
        &self,
        future: F,
    ) -> Result<JoinHandle<F::Output>, TrySubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let placed = self.place_async(Spawn(future)).await;
        placed.map_err(|(refusal, Spawn(future))| refusal.with(future))
    }

    /// Blocks until a future is ready, polling it on this thread, and returns its output.
    ///
    /// The future is polled as a task of the pool would be: [`current`](crate::current) returns the
    /// pool, so that functions called by the future can spawn there, and the pool does not end
    /// before the future has. It need not be [`Send`], and occupies none of the pool's threads. If
    /// the pool has been shut down the future is polled all the same, outside the pool.
    /// [`workmill::block_on`](crate::block_on) needs no pool.
    ///
    /// # Blocking
    ///
    /// Blocks until the future is ready. Called inside a task, it gives that task's slot to another
    /// thread while the future is pending, or lends it while the future waits for room: see the
    /// [guide](crate::guide::waiting#waits-for-room).
    ///
    /// # Panics
    ///
    /// Panics if the future panics.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::ThreadPoolExecutor::new(2)?;
    /// let answer = pool.block_on(async {
    ///     let pool = workmill::current().unwrap();
    ///     pool.spawn(async { 6 * 7 }).await
    /// });
    /// assert_eq!(answer?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "run_until_complete")]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.pool.call_here(|| block_on(future))
    }

    /// Submits a closure, and waits for room without blocking, whatever the overflow policy is.
    ///
    /// Submitters are served in order of arrival, together with those that block in
    /// [`submit_timeout`](Self::submit_timeout). Calls by tasks of this pool never wait for room;
    /// their closures are accepted over capacity.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure if the pool is shut down, or is shut down during the
    /// wait, or in a child process of the one that built the pool.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready drops the closure; nothing is submitted.
    ///
    /// # Examples
    ///
    /// ```
    /// let pool = workmill::Builder::new().threads(1).queue_capacity(1).build()?;
    /// workmill::block_on(async {
    ///     for n in 0..100 {
    ///         pool.submit_async(move || n).await.unwrap();
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn submit_async<F, T>(&self, closure: F) -> Result<JoinHandle<T>, TrySubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let placed = self.place_async(WithHandle(closure)).await;
        placed.map_err(|(refusal, WithHandle(closure))| refusal.with(closure))
    }
}

impl PoolRef {
    /// Spawns a future, and waits for room without blocking, whatever the overflow policy is.
    pub(crate) async fn spawn_when_room<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.place_async(Spawn(future))
            .await
            .unwrap_or_else(|(refusal, spawn)| spawn.refuse(refusal, self))
    }

    async fn place_async<M: MakeWith>(&self, make: M) -> Result<M::Handle, (Refusal, M)> {
        let pool = &self.pool;
        match &self.view {
            None => admission::place_async(pool, None, Priority::Normal, make).await,
            Some(view) => match view.simple() {
                Some((bound, class)) => admission::place_async(pool, bound, class, make).await,
                None => view.place_async(pool, make).await,
            },
        }
    }
}

/// The closure that stands for a refused future; it is cancelled, and drops the future.
fn never_polled<F: Future>(_: F) -> F::Output {
    unreachable!("a refused future is not run")
}
