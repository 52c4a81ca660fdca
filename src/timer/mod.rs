//! Waiting for a time without blocking a thread: [`sleep`], [`timeout`] and [`interval`], for any
//! runtime.
//!
//! ```
//! use std::time::Duration;
//! use workmill::block_on;
//! use workmill::timer::{interval, sleep, timeout};
//!
//! block_on(async {
//!     sleep(Duration::from_millis(5)).await;
//!
//!     let never = std::future::pending::<()>();
//!     assert!(timeout(Duration::from_millis(5), never).await.is_err());
//!
//!     let mut ticks = interval(Duration::from_millis(5));
//!     for _ in 0..3 {
//!         ticks.tick().await;
//!     }
//! });
//! ```
//!
//! They need no pool. Under them is one thread for the whole process, `workmill-timer`, which
//! starts when a sleep is first polled, and sleeps until the next deadline. Nothing ticks. It calls
//! the wakers of all futures that sleep, one after the other, so a waker that takes long delays the
//! others. A panic in a waker is contained. If the system fails to start the thread, a future that
//! sleeps asks to be polled again and again, and is ready in time all the same.
//!
//! The only user code that is called on this thread is wakers. If a woken task needs another thread
//! in its pool, a thread `workmill-starter` starts that thread, and ends.
//!
//! The thread serves the whole process, so it does not matter which thread was the first to sleep.
//! All signals are blocked on it, and on Linux it has the nice value and the processors of the
//! process's first thread, as far as the system allows.
//!
//! No future is ready before its time. A future that is due within a millisecond after other
//! wake-ups waits until that is over, and is woken together with all that is due by then. How much
//! later depends on the system, and on other threads that wait for a processor. The clock is
//! [`Instant`]'s. A moment that it cannot represent never comes, so [`Duration::MAX`] is forever.
//!
//! In a child process made by a fork, futures that were made before the fork go on, and wake the
//! task that polls them there.

pub(crate) mod alarm;
pub(crate) mod entries;
mod error;

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

pub use self::error::Elapsed;
use crate::unwind;

/// Returns a future that waits for `duration` from now on.
///
/// The time begins with this call, not when the future is first polled. With [`Duration::ZERO`] the
/// future is ready at the first poll. With [`Duration::MAX`], or any duration whose end the clock
/// cannot represent, it never is.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use workmill::block_on;
///
/// let start = Instant::now();
/// block_on(workmill::timer::sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Instant::now().checked_add(duration))
}

/// Returns a future that waits until `deadline`, and not at all if that has come.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use workmill::block_on;
///
/// let noon = Instant::now() + Duration::from_millis(5);
/// block_on(workmill::timer::sleep_until(noon));
/// assert!(Instant::now() >= noon);
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Some(deadline))
}

/// A future that waits until a moment. It is returned by [`sleep`] and [`sleep_until`].
///
/// It is ready when the moment has come, and whenever it is polled after that. Dropping it drops
/// its waker at once.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let (start, nap) = (Instant::now(), Duration::from_millis(5));
/// workmill::block_on(workmill::timer::sleep(nap));
/// assert!(start.elapsed() >= nap);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Option<Instant>,
    told: Told,
}

/// Where the waker of the last poll is.
enum Told {
    /// There is none, or it is being called.
    Nowhere,
    /// In the entry with this key, unless the timer's thread has taken that.
    Timer(entries::Key),
    /// Here, since there is no deadline.
    Here(Waker),
}

impl Sleep {
    fn new(deadline: Option<Instant>) -> Self {
        Self {
            deadline,
            told: Told::Nowhere,
        }
    }

    /// Returns the moment at which the wait ends, or `None` if it never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    /// use workmill::timer::sleep_until;
    ///
    /// let now = Instant::now();
    /// assert_eq!(sleep_until(now).deadline(), Some(now));
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns `true` if the moment has come.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::timer::sleep;
    ///
    /// assert!(!sleep(Duration::from_secs(3600)).is_elapsed());
    /// ```
    pub fn is_elapsed(&self) -> bool {
        self.deadline.is_some_and(|end| end <= Instant::now())
    }

    /// Changes the deadline, whether the last one has come or not.
    ///
    /// A task that waits for the future goes on waiting, for the new deadline.
    ///
    /// # Examples
    ///
    /// Closes something that has not been used for a while:
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use workmill::{block_on, timer::sleep};
    ///
    /// let unused = Duration::from_millis(5);
    /// let mut close = sleep(unused);
    /// // Each time that it is used:
    /// close.reset(Instant::now() + unused);
    /// block_on(close);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.move_to(Some(deadline));
    }

    /// Changes the deadline; `None` is never.
    fn move_to(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        // If the timer's thread has taken the entry, the waker is being called, and a poll follows.
        if let Some(waker) = self.take_waker() {
            self.tell(waker);
        }
    }

    /// Takes the waker of the last poll, unless it is being called.
    #[must_use = "the waker must be dropped by `unwind::discard`, or kept"]
    fn take_waker(&mut self) -> Option<Waker> {
        match mem::replace(&mut self.told, Told::Nowhere) {
            Told::Nowhere => None,
            Told::Timer(key) => alarm::take_waker(key),
            Told::Here(waker) => Some(waker),
        }
    }

    /// Polls, and returns the deadline when it has come.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if let Some(deadline) = self.deadline.filter(|end| *end <= Instant::now()) {
            self.leave();
            return Poll::Ready(deadline);
        }
        let is_told = match &self.told {
            Told::Nowhere => false,
            Told::Timer(key) => alarm::will_wake(*key, cx.waker()),
            Told::Here(waker) => waker.will_wake(cx.waker()),
        };
        if !is_told {
            let waker = cx.waker().clone();
            self.leave();
            self.tell(waker);
        }
        Poll::Pending
    }

    /// Registers `waker` for the deadline, or keeps it for a deadline that may be set.
    fn tell(&mut self, waker: Waker) {
        let Some(deadline) = self.deadline else {
            self.told = Told::Here(waker);
            return;
        };
        match alarm::insert(deadline, waker) {
            Ok(key) => self.told = Told::Timer(key),
            // There is no thread that could call the waker, so it is called here: until there is
            // such a thread, or the time has come, the future is polled again and again.
            Err(waker) => unwind::wake(waker),
        }
    }

    /// Drops the waker of the last poll.
    fn leave(&mut self) {
        unwind::discard(self.take_waker());
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_deadline(cx).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Returns a future that waits for `future`, but no longer than `duration` from now on.
///
/// `future` is polled before the clock is looked at. So if it is ready, its output is returned,
/// however late it is polled. With [`Duration::ZERO`] it is polled once; [`Duration::MAX`] waits
/// forever.
///
/// `future` is dropped with the [`Timeout`]. A [`JoinHandle`](crate::JoinHandle) that is dropped so
/// detaches its task; with [`cancel_on_drop`](crate::JoinHandle::cancel_on_drop) the task is
/// cancelled.
///
/// # Errors
///
/// The future resolves to [`Elapsed`] if the time was over first.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::{Event, block_on, timer::timeout};
///
/// let green = Event::new();
/// let short = Duration::from_millis(5);
/// assert!(block_on(timeout(short, green.wait_async())).is_err());
/// green.set();
/// assert!(block_on(timeout(short, green.wait_async())).is_ok());
/// ```
#[doc(alias("wait_for", "orTimeout"))]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(duration),
    }
}

/// Returns a future that waits for `future`, but no longer than until `deadline`. In all else it is
/// like [`timeout`].
///
/// # Errors
///
/// The future resolves to [`Elapsed`] if the deadline came first.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use workmill::{block_on, timer::timeout_at};
///
/// let never = std::future::pending::<()>();
/// let deadline = Instant::now() + Duration::from_millis(1);
/// assert!(block_on(timeout_at(deadline, never)).is_err());
/// ```
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
    }
}

pin_project! {
    /// A future that waits for another one for a limited time. It is returned by [`timeout`] and
    /// [`timeout_at`].
    ///
    /// Dropping it drops the other future, and its own waker, at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::{block_on, timer::timeout};
    ///
    /// let quick = async { 42 };
    /// assert_eq!(block_on(timeout(Duration::from_secs(10), quick)), Ok(42));
    /// ```
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// Returns the future that was waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::{block_on, timer::timeout};
    ///
    /// let limited = timeout(Duration::from_secs(10), std::future::ready(42));
    /// assert_eq!(block_on(limited.into_inner()), 42); // without a limit
    /// ```
    pub fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.future.poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => this.sleep.poll_deadline(cx).map(|_| Err(Elapsed)),
        }
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("deadline", &self.sleep.deadline)
            .finish_non_exhaustive()
    }
}

/// Returns an [`Interval`] that ticks at once, and then each time that `period` has passed.
///
/// The ticks keep the phase of the first tick, which is now: a tick that is taken late does not
/// move the next ones. If the time of several ticks passes while nobody waits for them, one of them
/// comes, late, and the others are skipped. With [`Duration::MAX`], or any period whose end the
/// clock cannot represent, no second tick comes.
///
/// # Panics
///
/// Panics if `period` is zero.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::block_on;
///
/// let period = Duration::from_millis(5);
/// let mut ticks = workmill::timer::interval(period);
/// block_on(async {
///     let first = ticks.tick().await; // at once
///     assert!(ticks.tick().await >= first + period);
/// });
/// ```
#[doc(alias = "Ticker")]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is zero");
    let next = sleep(Duration::ZERO);
    Interval { period, next }
}

/// Ticks once in each period. It is returned by [`interval`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::{block_on, timer::interval};
///
/// let mut ticks = interval(Duration::from_millis(1));
/// block_on(async {
///     for _ in 0..3 {
///         ticks.tick().await;
///     }
/// });
/// ```
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    period: Duration,
    next: Sleep,
}

impl Interval {
    /// Waits for the next tick, and returns the moment that it was due at.
    ///
    /// Dropping the future loses no tick: the next call waits for that tick.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::{block_on, timer::interval};
    ///
    /// let mut ticks = interval(Duration::from_millis(1));
    /// let (first, second) = block_on(async { (ticks.tick().await, ticks.tick().await) });
    /// assert!(second > first);
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick, like [`tick`](Self::tick).
    ///
    /// If the tick has not come, the waker of the last call is woken when it comes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::time::Duration;
    /// use workmill::{block_on, timer::interval};
    ///
    /// let mut ticks = interval(Duration::from_millis(1));
    /// block_on(poll_fn(|cx| ticks.poll_tick(cx)));
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let tick = ready!(self.next.poll_deadline(cx));
        let next = following(tick, self.period, Instant::now());
        self.next.move_to(next);
        Poll::Ready(tick)
    }

    /// Restarts the interval: the next tick comes when a period has passed from now on, and later
    /// ticks are in phase with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use workmill::block_on;
    ///
    /// let period = Duration::from_millis(5);
    /// let mut ticks = workmill::timer::interval(period);
    /// let start = Instant::now();
    /// ticks.reset(); // not at once, then
    /// assert!(block_on(ticks.tick()) >= start + period);
    /// ```
    pub fn reset(&mut self) {
        self.next.move_to(Instant::now().checked_add(self.period));
    }

    /// Returns the time between two ticks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::timer::interval;
    ///
    /// assert_eq!(interval(Duration::from_secs(1)).period(), Duration::from_secs(1));
    /// ```
    pub fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("next", &self.next.deadline)
            .finish_non_exhaustive()
    }
}

/// Returns the first moment after `now` that is in phase with `tick`, if the clock can represent
/// it.
pub(crate) fn following(tick: Instant, period: Duration, now: Instant) -> Option<Instant> {
    const SECOND: u128 = 1_000_000_000;
    let late = now.saturating_duration_since(tick).as_nanos() % period.as_nanos();
    // This is less than a period, so both parts fit.
    let late = Duration::new((late / SECOND) as u64, (late % SECOND) as u32);
    now.checked_add(period - late)
}
