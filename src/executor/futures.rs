//! Futures that run in the pool, and submissions that wait for room without blocking.

use std::future::Future;

use super::PoolRef;
use super::submit::{Refuse, WithHandle};
use crate::admission::{self, Refusal};
use crate::error::TrySubmitError;
use crate::future::block_on;
use crate::handle::JoinHandle;
use crate::pool::{Make, Pool, PoolTask};
use crate::task::Token;

/// A future with a handle.
struct Spawn<F>(F);

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
    /// The future is a task like any closure: the same threads poll it, it counts as accepted until it
    /// has ended, [`shutdown`](crate::ThreadPoolExecutor::shutdown) and [`wait_idle`](Self::wait_idle) wait for it, and a
    /// panic in it ends in the handle. While it is pending it keeps no thread. It is polled at once
    /// after each wake-up, in its turn: woken by a task of the pool it goes to the end of that thread's
    /// queue, woken from elsewhere it goes where submissions from outside go.
    ///
    /// The future may be any that wakes what polls it: of this crate, of async-channel or
    /// futures-util, of async-io. (Those of tokio's sockets and timers want tokio's runtime.)
    ///
    /// It costs one allocation. A future that nobody can wake any more never ends, and keeps
    /// [`shutdown`](crate::ThreadPoolExecutor::shutdown) and the drop of the pool waiting; [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now)
    /// ends it. So a loop that accepts connections waits for a [`CancelToken`](crate::CancelToken) as well,
    /// or the pool is built with [`DropBehavior::Cancel`](crate::DropBehavior::Cancel).
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] gives `true` until the future has given its output: then it is never
    /// polled again, except that a poll which is under way is finished. A thread of the pool drops it,
    /// and then the handle resolves to cancelled. [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now) does the same to
    /// all that have not ended.
    ///
    /// # Blocking
    ///
    /// Only when the pool has a [`queue_capacity`](crate::Builder::queue_capacity) and is full, as with
    /// [`submit`](Self::submit). The future takes up room until it is polled first. By
    /// [`Overflow::CallerRuns`](crate::Overflow::CallerRuns) it is polled here once.
    ///
    /// # Errors
    ///
    /// None at the call, as with [`submit`](Self::submit).
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
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.place_or_refuse(Spawn(future))
    }

    /// Polls a future on this thread until it gives its output, as a task of the pool would.
    ///
    /// [`current`](crate::current) is the pool meanwhile, so what the future calls can spawn there, and
    /// the pool does not end before it has. It need not be [`Send`], and keeps none of the pool's
    /// threads. When the pool has been shut down it is polled all the same, outside.
    /// [`workmill::block_on`](crate::block_on) does without a pool.
    ///
    /// # Blocking
    ///
    /// Until the future is ready. Inside a task the thread's place in its pool goes to other tasks
    /// meanwhile.
    ///
    /// # Panics
    ///
    /// If the future does.
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
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.pool.call_here(|| block_on(future))
    }

    /// Submits a closure, and waits for room without blocking.
    ///
    /// Whatever the overflow policy is. Those who wait are served in order of arrival, with those of
    /// [`submit_timeout`](Self::submit_timeout). Tasks of the pool itself never wait here; what they
    /// submit is admitted over capacity.
    ///
    /// # Errors
    ///
    /// [`TrySubmitError`] with the closure: [`Shutdown`](TrySubmitError::Shutdown) if the pool was or
    /// is shut down.
    ///
    /// # Cancellation
    ///
    /// Dropping the future before it is ready submits nothing, and drops the closure.
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
        admission::place_async(&self.pool, self.capacity.as_ref(), WithHandle(closure))
            .await
            .map_err(|(refusal, WithHandle(closure))| refusal.with(closure))
    }
}

/// What a future that was refused is cancelled as.
fn never_polled<F: Future>(_: F) -> F::Output {
    unreachable!("what was refused is not run")
}
