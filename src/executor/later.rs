//! What has its time: closures that are submitted when it has come, once or again and again.
//!
//! Something that is not due is no task of the pool yet. It is known in two places, to the timer and to
//! the pool ([`Later`](crate::pool::Postponed)), so that its time can come, and the pool can close. Who
//! cancels its handle drops what it captured, and a part of that takes it out of both. So it leaves
//! them in one of three ways, and its own lock says which came first.
//!
//! # Due against closed
//! *Timer:* (D1) lock; (D2) count it as accepted; if that is refused leave everything as it is.
//! *Pool:* (C1) refuse what comes from outside; (C2) take all that is known, and of each, under its lock,
//! cancel what is left. If D2 is refused, C1 came first, and C2 is still to come or has been here
//! already. If it is not, the pool does not end before the task has, and C2 finds nothing.
//!
//! The timer's thread calls and drops nothing of the user's here: it only moves tasks into the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PoolRef;
use crate::admission::Pass;
use crate::error::CancelReason;
use crate::handle::JoinHandle;
use crate::pool::{Origin, Pool, PoolTask, Postponed};
use crate::primitive::{Mutex, MutexGuard, lock};
use crate::task::Token;
use crate::task::cell::ExtraEnd;
use crate::timer::alarm::{self, Key};
use crate::unwind::{self, Payload};

impl PoolRef {
    /// Submits a closure when so much time has passed.
    ///
    /// Until then it is no task of the pool: it takes up no room, and [`wait_idle`](Self::wait_idle)
    /// does not wait for it. When it is due it is admitted even if the pool is full, and runs when a
    /// thread is free. Those that are due at the same time are submitted in the order of the calls.
    /// [`Duration::MAX`] is never.
    ///
    /// The time is kept by a thread that the process has for all of [`timer`](crate::timer).
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] drops the closure, and all that there is of it, at once. A pool that is
    /// shut down cancels what is not due by then, with
    /// [`CancelReason::Shutdown`].
    ///
    /// # Blocking
    ///
    /// Never.
    ///
    /// # Errors
    ///
    /// None at the call. If the pool was shut down the handle resolves to cancelled; likewise, with
    /// [`CancelReason::Rejected`], if the system would not start the thread that keeps the time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (start, delay) = (Instant::now(), Duration::from_millis(10));
    /// let waited = pool.submit_after(delay, move || start.elapsed());
    /// assert!(waited.join()? >= delay);
    ///
    /// let reminder = pool.submit_after(Duration::from_secs(3600), || unreachable!());
    /// assert!(reminder.cancel());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn submit_after<F, T>(&self, delay: Duration, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let origin = self.shared.origin;
        let once = Arc::new(Once::new(origin));
        let token = WhileOnce(Arc::clone(&once));
        let (task, end) = PoolTask::with_handle(token, closure);
        end.postpone();
        let due = Instant::now().checked_add(delay);
        if let Err(reason) = once.book(&self.shared, due, task, end.extra()) {
            self.shared.counts.rejected.one_more();
            end.cancel(reason);
        }
        JoinHandle::new(end, origin)
    }

    /// Runs a closure again and again, at the times that [`Every`] says, until its handle is cancelled
    /// or the pool is shut down.
    ///
    /// Each run is a task of the pool. Runs never overlap: one that is due while the last still runs is
    /// left out. One that is due while the pool is full is left out too, and counted in
    /// [`Metrics::skipped_runs`](crate::Metrics::skipped_runs). Between the runs there is no task:
    /// [`wait_idle`](Self::wait_idle) waits for a run, and not for the series.
    ///
    /// # The end
    ///
    /// The handle resolves when the series has ended; it never gives a value. [`JoinHandle::cancel`]
    /// ends it, and drops the closure at once, or when the run that is under way has ended. The shutdown
    /// of the pool does the same, with [`CancelReason::Shutdown`]. A panic in a run goes to the
    /// [`panic_handler`](crate::Builder::panic_handler), and the series goes on; by
    /// [`Every::end_on_panic`] it ends, and the panic is in the handle. Dropping the handle detaches the
    /// series: it goes on for as long as the pool.
    ///
    /// # Blocking
    ///
    /// Never.
    ///
    /// # Errors
    ///
    /// None at the call, as with [`submit_after`](Self::submit_after).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use workmill::Every;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (sender, receiver) = mpsc::channel();
    /// let mut count = 0;
    /// let series = pool.submit_every(Every::rate(Duration::from_millis(5)), move || {
    ///     count += 1;
    ///     let _ = sender.send(count);
    /// });
    /// assert_eq!(receiver.iter().take(3).collect::<Vec<_>>(), [1, 2, 3]);
    /// assert!(series.cancel());
    /// assert!(series.join().unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn submit_every<F>(&self, every: Every, closure: F) -> JoinHandle<()>
    where
        F: FnMut() + Send + 'static,
    {
        let origin = self.shared.origin;
        let series = Arc::new(Series::new(origin, every, closure));
        let token = WhileSeries(Arc::clone(&series));
        let panicked = Arc::clone(&series);
        let (task, end) = PoolTask::with_handle(token, move || {
            if let Some(payload) = panicked.take_panic() {
                std::panic::resume_unwind(payload.into_inner());
            }
        });
        end.postpone();
        if let Err(reason) = series.begin(&self.shared, task, end.extra()) {
            self.shared.counts.rejected.one_more();
            end.cancel(reason);
        }
        JoinHandle::new(end, origin)
    }
}

/// When the runs of a series are due; for [`PoolRef::submit_every`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::Every;
///
/// // At once, and then each full second from now.
/// let ticks = Every::rate(Duration::from_secs(1));
/// // After a minute, and then a minute after each run has ended; no more after a panic.
/// let minute = Duration::from_secs(60);
/// let polls = Every::delay(minute).first_after(minute).end_on_panic();
/// # let _ = (ticks, polls);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    period: Duration,
    from_end: bool,
    first: Duration,
    ends_on_panic: bool,
}

impl Every {
    /// A run at once, and one each time that `period` has passed since, however long they take.
    ///
    /// Runs whose time passes while one is under way are left out; the next keep the phase of the first.
    /// Java's `scheduleAtFixedRate` makes up for them.
    ///
    /// # Panics
    ///
    /// If `period` is zero.
    pub fn rate(period: Duration) -> Self {
        assert!(!period.is_zero(), "the period of a series is zero");
        Self {
            period,
            from_end: false,
            first: Duration::ZERO,
            ends_on_panic: false,
        }
    }

    /// A run at once, and another each time that `pause` has passed since the end of the last.
    pub fn delay(pause: Duration) -> Self {
        Self {
            period: pause,
            from_end: true,
            first: Duration::ZERO,
            ends_on_panic: false,
        }
    }

    /// The first run not at once, but after `delay`.
    pub fn first_after(self, delay: Duration) -> Self {
        Self {
            first: delay,
            ..self
        }
    }

    /// A panic ends the series, and is in its handle, in place of going to the panic handler.
    pub fn end_on_panic(self) -> Self {
        Self {
            ends_on_panic: true,
            ..self
        }
    }

    /// When the run after the one that was due at `last` is due; `None` is never.
    fn next(&self, last: Instant, now: Instant) -> Option<Instant> {
        if self.from_end {
            return now.checked_add(self.period);
        }
        let late = now.saturating_duration_since(last).as_nanos();
        let missed = late / self.period.as_nanos();
        // What overflows is beyond what the clock can say.
        let missed = u32::try_from(missed).ok()?.checked_add(1)?;
        last.checked_add(self.period.checked_mul(missed)?)
    }
}

/// Where something that is not due is known.
struct Booking {
    origin: &'static Origin,
    key: Option<Key>,
    place: Option<usize>,
}

impl Booking {
    fn new(origin: &'static Origin) -> Self {
        Self {
            origin,
            key: None,
            place: None,
        }
    }

    /// Makes it known to the pool.
    fn add(&mut self, pool: &Pool, postponed: Arc<dyn Postponed>) -> Result<(), CancelReason> {
        if pool.is_forked() {
            return Err(CancelReason::Forked);
        }
        self.place = Some(pool.later.add(postponed).ok_or(CancelReason::Shutdown)?);
        Ok(())
    }

    /// Has the timer call `callback` when it is `due`; not at all if that is never.
    fn ring(
        &mut self,
        due: Option<Instant>,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<(), CancelReason> {
        if let Some(due) = due {
            let key = alarm::call_at(due, Box::new(callback));
            self.key = Some(key.map_err(|_| CancelReason::Rejected)?);
        }
        Ok(())
    }

    /// Takes it out of both places. The caller holds no lock.
    fn cancel(self) {
        if let Some(key) = self.key {
            alarm::forget(key);
        }
        if let Some(place) = self.place {
            Self::leave_pool(self.origin, place);
        }
    }

    fn leave_pool(origin: &Origin, place: usize) {
        if let Some(pool) = Pool::of(origin) {
            pool.later.remove(place);
        }
    }
}

/// A closure that is due once.
struct Once {
    origin: &'static Origin,
    inside: Mutex<OnceInside>,
}

struct OnceInside {
    /// Until it is due, or cancelled.
    task: Option<(PoolTask, ExtraEnd)>,
    booking: Booking,
    /// From when it is due until it begins.
    pass: Option<Pass>,
}

impl Once {
    fn new(origin: &'static Origin) -> Self {
        Self {
            origin,
            inside: Mutex::new(OnceInside {
                task: None,
                booking: Booking::new(origin),
                pass: None,
            }),
        }
    }

    fn book(
        self: &Arc<Self>,
        pool: &Pool,
        due: Option<Instant>,
        task: PoolTask,
        end: ExtraEnd,
    ) -> Result<(), CancelReason> {
        let inside = &mut *lock(&self.inside);
        inside.task = Some((task, end));
        let once = Arc::clone(self);
        inside.booking.add(pool, once.clone())?;
        inside.booking.ring(due, move || once.come_due())
    }

    /// On the timer's thread.
    fn come_due(&self) {
        let Some(pool) = Pool::of(self.origin) else {
            return;
        };
        let (task, place) = {
            let mut inside = lock(&self.inside);
            if inside.task.is_none() {
                return;
            }
            if !pool.accept_due() {
                drop(inside);
                return pool.look_around();
            }
            inside.pass = Pass::anyway(&pool);
            inside.booking.key = None;
            (inside.task.take(), inside.booking.place.take())
        };
        if let Some(place) = place {
            pool.later.remove(place);
        }
        if let Some((task, end)) = task {
            end.come_due();
            pool.push(task);
        }
    }

    /// What is left of it, if it is not due, to be dropped outside the lock.
    fn take(&self) -> (Option<(PoolTask, ExtraEnd)>, Booking, Option<Pass>) {
        let mut inside = lock(&self.inside);
        let booking = std::mem::replace(&mut inside.booking, Booking::new(self.origin));
        (inside.task.take(), booking, inside.pass.take())
    }
}

impl Postponed for Once {
    fn close(&self) {
        let (task, booking, pass) = self.take();
        booking.cancel();
        drop(pass);
        if let Some((task, _)) = task {
            task.cancel(CancelReason::Shutdown);
        }
    }
}

/// Part of what the closure owns until it begins; dropped with it if it is cancelled.
struct WhileOnce(Arc<Once>);

impl Token for WhileOnce {
    type Kept = Option<Pass>;

    fn begin(self) -> Self::Kept {
        let pass = lock(&self.0.inside).pass.take();
        pass.and_then(Token::begin)
    }
}

impl Drop for WhileOnce {
    fn drop(&mut self) {
        if self.0.origin.is_forked() {
            return;
        }
        let (task, booking, pass) = self.0.take();
        booking.cancel();
        drop((task, pass));
    }
}

/// A closure that is due again and again.
struct Series<F> {
    origin: &'static Origin,
    every: Every,
    inside: Mutex<SeriesInside<F>>,
}

struct SeriesInside<F> {
    /// While no run is under way, and the series has not ended.
    closure: Option<F>,
    /// What the handle waits for; gone when the series has ended.
    task: Option<(PoolTask, ExtraEnd)>,
    booking: Booking,
    /// When the last run was due, or the first is.
    due: Option<Instant>,
    panic: Option<Payload>,
}

impl<F: FnMut() + Send + 'static> Series<F> {
    fn new(origin: &'static Origin, every: Every, closure: F) -> Self {
        Self {
            origin,
            every,
            inside: Mutex::new(SeriesInside {
                closure: Some(closure),
                task: None,
                booking: Booking::new(origin),
                due: Instant::now().checked_add(every.first),
                panic: None,
            }),
        }
    }

    fn begin(
        self: &Arc<Self>,
        pool: &Pool,
        task: PoolTask,
        end: ExtraEnd,
    ) -> Result<(), CancelReason> {
        let inside = &mut *lock(&self.inside);
        inside.task = Some((task, end));
        inside.booking.add(pool, self.clone())?;
        self.ring(inside)
    }

    fn ring(self: &Arc<Self>, inside: &mut SeriesInside<F>) -> Result<(), CancelReason> {
        let series = Arc::clone(self);
        inside.booking.ring(inside.due, move || series.come_due())
    }

    /// On the timer's thread: a run is due.
    fn come_due(self: &Arc<Self>) {
        let Some(pool) = Pool::of(self.origin) else {
            return;
        };
        let mut inside = lock(&self.inside);
        if inside.task.is_none() {
            return;
        }
        inside.booking.key = None;
        let Some(pass) = Pass::if_room(&pool) else {
            pool.counts.skipped.one_more();
            // The pool closes, or there is a thread: this is it.
            let _ = self.ring_again(&mut inside);
            return;
        };
        if !pool.accept_due() {
            drop((inside, pass));
            return pool.look_around();
        }
        drop(inside);
        let run = Run(Some(Arc::clone(self)));
        pool.push(match pass {
            Some(pass) => PoolTask::detached(pass, move || run.call()),
            None => PoolTask::detached((), move || run.call()),
        });
    }

    fn ring_again(self: &Arc<Self>, inside: &mut SeriesInside<F>) -> Result<(), CancelReason> {
        let last = inside.due.expect("a run was due");
        inside.due = self.every.next(last, Instant::now());
        self.ring(inside)
    }

    /// On a thread of the pool.
    fn run(self: &Arc<Self>) {
        let Some(mut closure) = lock(&self.inside).closure.take() else {
            return;
        };
        let outcome = unwind::catch(&mut closure);
        let mut panic = outcome.err();
        let ends = panic.is_some() && self.every.ends_on_panic;
        let mut inside = lock(&self.inside);
        if ends {
            inside.panic = panic.take();
        }
        if inside.task.is_some() && !ends {
            inside.closure = Some(closure);
            self.go_on(inside);
        } else {
            drop(inside);
            // What it captured is gone before the handle tells of a panic.
            unwind::discard(closure);
        }
        if let Some(payload) = panic {
            self.origin.report(payload);
        }
        if ends {
            self.end(|end| {
                end.come_due();
                end.run_here();
            });
        }
    }

    /// A run was dropped for a newer task, or by the end of the pool.
    fn run_was_dropped(self: &Arc<Self>) {
        if let Some(pool) = Pool::of(self.origin) {
            pool.counts.skipped.one_more();
        }
        let inside = lock(&self.inside);
        if inside.task.is_some() {
            self.go_on(inside);
        }
    }

    /// Waits for the next time, if there is a thread that keeps it.
    fn go_on(self: &Arc<Self>, mut inside: MutexGuard<'_, SeriesInside<F>>) {
        let rung = self.ring_again(&mut inside);
        drop(inside);
        if let Err(reason) = rung {
            self.cancel(reason);
        }
    }

    fn take_panic(&self) -> Option<Payload> {
        lock(&self.inside).panic.take()
    }

    fn cancel(&self, reason: CancelReason) {
        self.end(|end| {
            end.cancel(reason);
        });
    }

    /// Ends the series, whose handle is resolved by `resolve`.
    fn end(&self, resolve: impl FnOnce(&ExtraEnd)) {
        let (task, booking, closure) = self.take();
        booking.cancel();
        unwind::discard(closure);
        if let Some((task, end)) = task {
            resolve(&end);
            drop(task);
        }
    }

    fn take(&self) -> (Option<(PoolTask, ExtraEnd)>, Booking, Option<F>) {
        let mut inside = lock(&self.inside);
        let booking = std::mem::replace(&mut inside.booking, Booking::new(self.origin));
        (inside.task.take(), booking, inside.closure.take())
    }
}

impl<F: FnMut() + Send + 'static> Postponed for Series<F> {
    fn close(&self) {
        self.cancel(CancelReason::Shutdown);
    }
}

/// Part of what the handle's task owns, and dropped with it.
struct WhileSeries<F: FnMut() + Send + 'static>(Arc<Series<F>>);

impl<F: FnMut() + Send + 'static> Token for WhileSeries<F> {
    type Kept = ();

    fn begin(self) {}
}

impl<F: FnMut() + Send + 'static> Drop for WhileSeries<F> {
    fn drop(&mut self) {
        if !self.0.origin.is_forked() {
            self.0.end(|_| ());
        }
    }
}

/// One run, which is made up for by the next if it is dropped.
struct Run<F: FnMut() + Send + 'static>(Option<Arc<Series<F>>>);

impl<F: FnMut() + Send + 'static> Run<F> {
    fn call(mut self) {
        if let Some(series) = self.0.take() {
            series.run();
        }
    }
}

impl<F: FnMut() + Send + 'static> Drop for Run<F> {
    fn drop(&mut self) {
        if let Some(series) = self.0.take().filter(|series| !series.origin.is_forked()) {
            series.run_was_dropped();
        }
    }
}
