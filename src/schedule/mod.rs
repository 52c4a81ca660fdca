//! What has its time: closures that are submitted when it has come, once or again and again.
//!
//! Something that is not due is no task of the pool yet. It is known in two places, to the timer and to
//! the pool ([`Scheduled`](crate::pool::Postponed)), so that its time can come, and the pool can close. Who
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

mod booking;
mod every;
#[cfg(all(test, workmill_loom))]
mod model;
mod once;
mod series;

pub use every::Every;

use std::sync::Arc;
use std::time::{Duration, Instant};

use once::{Once, WhileOnce};
use series::Series;

use crate::error::CancelReason;
use crate::executor::PoolRef;
use crate::handle::{JoinHandle, cancel_for};
use crate::pool::PoolTask;

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
        let link = self.pool.link;
        let once = Arc::new(Once::new(link, self.capacity.clone()));
        let token = WhileOnce(Arc::clone(&once));
        let (task, end) = PoolTask::with_handle(token, closure);
        end.postpone();
        let due = Instant::now().checked_add(delay);
        if let Err(reason) = once.book(&self.pool, due, task, end.task_ref()) {
            self.pool.counts.rejected.add_one();
            cancel_for(reason, &end, link);
        }
        JoinHandle::new(end, link)
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
    /// The handle resolves when the series has ended, no run is under way and the closure is gone; it never
    /// gives a value. Until then [`JoinHandle::is_running`] returns `true`. [`JoinHandle::cancel`] ends the
    /// series, and drops the closure at once, or when the run that is under way has ended. The shutdown
    /// of the pool does the same, with [`CancelReason::Shutdown`]. A panic in a run goes to the
    /// [`panic_handler`](crate::Builder::panic_handler), and the series goes on; by
    /// [`Every::end_on_panic`] it ends, and the panic is in the handle, unless that was cancelled before.
    /// Dropping the handle detaches the series: it goes on for as long as the pool.
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
        let link = self.pool.link;
        if self.pool.is_forked() {
            return JoinHandle::refused(CancelReason::Forked, link);
        }
        let (series, end) = Series::new(link, self.capacity.clone(), every, closure);
        if let Err(reason) = series.begin(&self.pool) {
            self.pool.counts.rejected.add_one();
            end.cancel(reason);
        }
        JoinHandle::new(end, link)
    }
}
