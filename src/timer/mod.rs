//! Waiting for a time without blocking a thread: [`sleep`], [`timeout`] and [`interval`], for any
//! runtime.
//!
//! ```
//! use std::time::Duration;
//! use futures_lite::future::block_on;
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
//! They need no pool. Under them is one thread for the whole process, `workmill-timer`, which starts
//! when a sleep is first waited for and sleeps until the next deadline; nothing ticks. It calls the wakers
//! of all who sleep, one after the other, so a waker that takes its time makes others late. A panic in a
//! waker is contained. If the system will not start the thread, a future that sleeps asks to be polled
//! again and again, and is ready in time all the same.
//!
//! Only wakers are called there. If what they wake needs another thread in its pool, a thread
//! `workmill-starter` starts that one, and ends.
//!
//! The thread serves the whole process, so it does not matter who was the first to sleep: all signals are
//! blocked on it, and on Linux it has the nice value and the processors of the process's first thread, as
//! far as the system allows.
//!
//! Nothing is ready before its time. What is due within a millisecond after others waits for that to be
//! over, and is woken together with all that is due by then. How much later still depends on the
//! system, and on who else is waiting for a processor. The clock is [`Instant`]'s. A time that it cannot
//! tell is never, so [`Duration::MAX`] is for ever.
//!
//! In a child process made by a fork, what was made before the fork goes on, and wakes whoever polls
//! it there.

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

/// Waits so long, from now on.
///
/// The time begins here, not when the future is first polled. [`Duration::ZERO`] is ready at the first
/// poll; [`Duration::MAX`], or any that the clock cannot tell the end of, never is.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use futures_lite::future::block_on;
///
/// let start = Instant::now();
/// block_on(workmill::timer::sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Instant::now().checked_add(duration))
}

/// Waits until a moment; not at all if it has come.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use futures_lite::future::block_on;
///
/// let noon = Instant::now() + Duration::from_millis(5);
/// block_on(workmill::timer::sleep_until(noon));
/// assert!(Instant::now() >= noon);
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Some(deadline))
}

/// Waits until a moment; made by [`sleep`] and [`sleep_until`].
///
/// Ready when the moment has come, and whenever it is polled after that. Dropping it gives its waker back
/// at once.
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    deadline: Option<Instant>,
    told: Told,
}

/// Where the waker of the last poll is.
enum Told {
    Nowhere,
    /// In the entry with this key, unless the timer's thread has taken it.
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

    /// Tells when it ends; `None` is never.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells whether the moment has come.
    pub fn is_elapsed(&self) -> bool {
        self.deadline.is_some_and(|end| end <= Instant::now())
    }

    /// Gives it another deadline, whether the one before has come or not.
    ///
    /// Who waits for it goes on waiting, for the new one.
    ///
    /// # Examples
    ///
    /// Closing what nobody has used for a while:
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use futures_lite::future::block_on;
    /// use workmill::timer::sleep;
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

    fn move_to(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        // If the timer's thread has taken the entry, the waker is being called, and a poll follows.
        if let Some(waker) = self.take_waker() {
            self.tell(waker);
        }
    }

    fn take_waker(&mut self) -> Option<Waker> {
        match mem::replace(&mut self.told, Told::Nowhere) {
            Told::Nowhere => None,
            Told::Timer(key) => alarm::take_waker(key),
            Told::Here(waker) => Some(waker),
        }
    }

    /// Gives the deadline when it has come.
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

    /// Has `waker` called at the deadline, or keeps it for one that may be set.
    fn tell(&mut self, waker: Waker) {
        let Some(deadline) = self.deadline else {
            self.told = Told::Here(waker);
            return;
        };
        match alarm::insert(deadline, waker) {
            Ok(key) => self.told = Told::Timer(key),
            // Without a thread that could call it, the waker is called here: until there is one, or
            // the time has come, the future is polled again and again.
            Err(waker) => unwind::wake(waker),
        }
    }

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

/// Waits for a future, but no longer than `duration`, from now on.
///
/// The future is polled first, so one that is ready by then wins, however late it is polled. A handle that
/// is dropped with the [`Timeout`] detaches its task; by
/// [`cancel_on_drop`](crate::JoinHandle::cancel_on_drop) it cancels it.
/// [`Duration::ZERO`] polls it once; [`Duration::MAX`] waits for ever.
///
/// # Errors
///
/// [`Elapsed`] if the time was over first. The future is dropped with the [`Timeout`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::future::block_on;
/// use workmill::{Event, timer::timeout};
///
/// let green = Event::new();
/// let short = Duration::from_millis(5);
/// assert!(block_on(timeout(short, green.wait_async())).is_err());
/// green.set();
/// assert!(block_on(timeout(short, green.wait_async())).is_ok());
/// ```
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(duration),
    }
}

/// Waits for a future, but no longer than until a moment; the rest is like [`timeout`].
///
/// # Errors
///
/// [`Elapsed`] if the moment came first.
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout {
        future: future.into_future(),
        sleep: sleep_until(deadline),
    }
}

pin_project! {
    /// Waits for a future, but only so long; made by [`timeout`] and [`timeout_at`].
    ///
    /// Dropping it drops the future, and gives its waker back at once.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// Gives the future back.
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

/// Ticks at once, and then each time that so long has passed.
///
/// The ticks keep the phase of the first, which is now: how late one is taken moves no other. Ticks
/// whose time passes while nobody waits for them are skipped: one of them comes, late, and then the next
/// that is to come. After [`Duration::MAX`], or any that the clock cannot tell the end of, no second tick
/// comes.
///
/// # Panics
///
/// If `period` is zero.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use futures_lite::future::block_on;
///
/// let period = Duration::from_millis(5);
/// let mut ticks = workmill::timer::interval(period);
/// block_on(async {
///     let first = ticks.tick().await; // at once
///     assert!(ticks.tick().await >= first + period);
/// });
/// ```
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval is zero");
    let next = sleep(Duration::ZERO);
    Interval { period, next }
}

/// Ticks in equal distances; made by [`interval`].
pub struct Interval {
    period: Duration,
    next: Sleep,
}

impl Interval {
    /// Waits for the next tick, and gives the moment that it was meant for.
    ///
    /// Dropping the future loses no tick: the next call waits for the same.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick, like [`tick`](Self::tick).
    ///
    /// If it has not come, the waker of the last call is woken when it does.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let tick = ready!(self.next.poll_deadline(cx));
        let next = following(tick, self.period, Instant::now());
        self.next.move_to(next);
        Poll::Ready(tick)
    }

    /// Has the next tick come when a period has passed from now on, and the others in phase with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use futures_lite::future::block_on;
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

    /// Tells how far the ticks are apart.
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

/// The first moment after `now` that is in phase with `tick`, if the clock can tell it.
pub(crate) fn following(tick: Instant, period: Duration, now: Instant) -> Option<Instant> {
    const SECOND: u128 = 1_000_000_000;
    let late = now.saturating_duration_since(tick).as_nanos() % period.as_nanos();
    // Less than a period, so both parts fit.
    let late = Duration::new((late / SECOND) as u64, (late % SECOND) as u32);
    now.checked_add(period - late)
}
