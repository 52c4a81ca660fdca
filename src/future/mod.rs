//! Futures without a pool: a function that blocks until a future is ready, and a future that
//! yields.

#[cfg(all(test, workmill_loom))]
mod model;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::wait::block_on_noted;

/// Polls a future on this thread until it is ready, and returns its output.
///
/// This needs no pool, and the future need not be [`Send`]. Inside a task the thread gives its slot
/// to another thread while the future is pending, as in any other wait, or lends it while the
/// future [waits for room](crate::guide::waiting#waits-for-room). To spawn, the future needs a
/// pool. With [`PoolRef::block_on`](crate::PoolRef::block_on) that pool is the
/// [`current`](crate::current) one.
///
/// # Blocking
///
/// Blocks until the future is ready.
///
/// # Panics
///
/// If the future does.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let (a, b) = (pool.submit(|| 40), pool.submit(|| 2));
/// let sum = workmill::block_on(async { Ok::<_, workmill::JoinError>(a.await? + b.await?) });
/// assert_eq!(sum?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("asyncio", "run_until_complete"))]
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let poll = |waker: &_| match future.as_mut().poll(&mut Context::from_waker(waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    };
    block_on_noted(poll)
}

/// Yields once to the other tasks that this thread has to run.
///
/// A future that computes for a long time awaits this now and then, so that other futures on the
/// same thread make progress. In a pool it goes to the end of the thread's own queue, behind
/// closures and futures alike. A task that is submitted from outside waits for at most 61 tasks
/// that a thread takes after that, and for the one that the thread had taken before.
///
/// # Cancellation
///
/// Dropping the future has no effect.
///
/// # Examples
///
/// ```
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let sum = pool.spawn(async {
///     let mut sum = 0_u64;
///     for n in 0..10_000 {
///         sum += n;
///         if n % 1_000 == 0 {
///             workmill::yield_now().await;
///         }
///     }
///     sum
/// });
/// assert_eq!(sum.join()?, 49_995_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("greenlet", "switch"))]
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// A future that yields once, created by [`yield_now`].
///
/// # Examples
///
/// ```
/// workmill::block_on(async {
///     workmill::yield_now().await;
/// });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl fmt::Debug for YieldNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("YieldNow").finish_non_exhaustive()
    }
}
