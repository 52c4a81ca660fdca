//! The traits of hyper's `rt`, except those of its sockets.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use hyper::rt;

use crate::executor::{PoolRef, ThreadPoolExecutor};
use crate::timer::{Sleep, sleep, sleep_until};

/// Runs hyper's tasks in the pool.
///
/// It is meant for `http2` in hyper, and for the client and the server of hyper-util. HTTP/1 spawns
/// nothing: its connection is a future, which is spawned like any other.
///
/// It is [`PoolRef::execute`] for futures. A panic goes to the
/// [`panic_handler`](crate::Builder::panic_handler). A full pool applies its
/// [`Overflow`](crate::Overflow) policy. A future that is refused goes to
/// [`on_rejected`](crate::Builder::on_rejected), as a closure that polls it to its end, or is
/// dropped here.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use hyper::rt::Executor;
///
/// let pool = workmill::ThreadPoolExecutor::new(2)?;
/// let (sender, receiver) = mpsc::channel();
/// Executor::execute(&pool, async move { sender.send(42) });
/// assert_eq!(receiver.recv()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<F> rt::Executor<F> for PoolRef
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn_and_forget(future);
    }
}

/// Runs hyper's tasks in the pool, as the implementation for [`PoolRef`] does.
impl<F> rt::Executor<F> for ThreadPoolExecutor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn_and_forget(future);
    }
}

/// A timer for hyper, which uses [`timer`](crate::timer).
///
/// Without a timer hyper has no time limits. A server needs one for the limit on reading the head
/// of a request, which is 30 seconds by default: `http1::Builder::new().timer(HyperTimer)`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use hyper::rt::Timer;
/// use workmill::adapters::HyperTimer;
///
/// workmill::block_on(HyperTimer.sleep(Duration::from_millis(10)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HyperTimer;

impl rt::Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(sleep_until(deadline))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(new_deadline),
            // It belongs to another timer.
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

impl rt::Sleep for Sleep {}
