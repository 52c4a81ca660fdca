//! Postponed closures: they are submitted when they are due, once or periodically.
//!
//! A closure that is not due is no task of the pool yet. It is registered in two places: in the
//! timer, so that it can come due, and in the pool (`pool/postponed.rs`), so that
//! the pool can cancel it when it closes. Cancelling its handle drops the closure, and with it
//! [`WhileOnce`], whose drop removes the closure from both; a series is ended by its handle's task
//! instead (see [`series`]). So a closure leaves the registries in one of three ways: it comes due,
//! it is cancelled, or the pool closes. Its own lock decides which of the three came first.
//!
//! # Coming due against the pool's end
//! *Timer:* (D1) lock; (D2) count the task as accepted; if that is refused the task stays where it
//! is. *Pool:* (C1) refuse tasks from outside; (C2) take everything that is registered, take out
//! what is left of each under its lock, and cancel it after that. If D2 is refused, C1 came first,
//! and C2 is still to come or is over. If D2 is not refused, the pool does not end before the task
//! has, and C2 finds nothing.
//!
//! The timer's thread calls nothing of the user's here except wakers, and drops nothing: it moves
//! tasks into the pool.

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
use crate::name::Name;
use crate::pool::{ClosureToken, Extras, PoolTask};

impl PoolRef {
    /// Submits a closure after a delay, and returns a handle to its result.
    ///
    /// Until then the closure is no task of the pool: it takes up no room, and
    /// [`wait_idle`](Self::wait_idle) does not wait for it. When it is due, it is accepted even if
    /// the pool is full, and runs when a worker is free. Closures that are due at the same time are
    /// submitted in the order of the calls. With [`Duration::MAX`] the closure is never due.
    ///
    /// One thread keeps the time for the whole process, for these closures and for all of
    /// [`timer`](crate::timer).
    ///
    /// # Cancelling
    ///
    /// [`JoinHandle::cancel`] drops the closure at once, and leaves nothing of it in a queue.
    /// Shutting the pool down cancels closures that are not due by then, with
    /// [`CancelReason::Shutdown`].
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// The call itself never fails. If the pool is shut down, the handle resolves to cancelled;
    /// likewise, with [`CancelReason::Rejected`], if the system fails to start the thread that
    /// keeps the time.
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
    #[doc(alias("schedule", "Timer", "call_later", "DelayQueue"))]
    pub fn submit_after<F, T>(&self, delay: Duration, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let link = self.pool.link;
        let once = Arc::new(Once::new(link, self.view.clone()));
        let while_once = WhileOnce(Arc::clone(&once));
        let special = self
            .view
            .as_ref()
            .filter(|view| view.only_bound().is_none());
        let (task, handle) = match special {
            None => PoolTask::with_handle(while_once, closure),
            Some(view) => {
                let extras = view.extras(link, const { &Name::of::<F>() }, true);
                extras.add_bound(Box::new(while_once));
                PoolTask::with_handle(ClosureToken::new(Arc::new(extras)), closure)
            }
        };
        handle.postpone();
        let due = Instant::now().checked_add(delay);
        let is_cancelled = !Extras::of(&handle).is_none_or(|extras| extras.enrol(&handle));
        let booked = match is_cancelled {
            true => Err(CancelReason::Cancelled),
            false => once.book(&self.pool, due, task, handle.task_ref()),
        };
        if let Err(reason) = booked {
            self.pool.incidents.rejected.add_one();
            cancel_for(reason, &handle, link);
        }
        JoinHandle::new(handle, link)
    }

    /// Runs a closure periodically, at the times that [`Every`] sets, until the handle is cancelled
    /// or the pool is shut down.
    ///
    /// Each run is a task of the pool. Runs never overlap: a run that is due while the previous one
    /// is under way is skipped. A run that is due while the pool is full is skipped too, and
    /// counted in [`Metrics::skipped_runs`](crate::Metrics::skipped_runs). Between the runs there
    /// is no task: [`wait_idle`](Self::wait_idle) waits for a run, and not for the series.
    ///
    /// # The end of the series
    ///
    /// The handle resolves when the series has ended, no run is under way and the closure is
    /// dropped; it never returns a value. Until then [`JoinHandle::is_running`] returns `true`.
    /// [`JoinHandle::cancel`] ends the series, and drops the closure at once, or after the run that
    /// is under way. Shutting the pool down does so too, with [`CancelReason::Shutdown`]. A panic
    /// in a run goes to the [`panic_handler`](crate::Builder::panic_handler), and the series goes
    /// on. With [`Every::end_on_panic`] the panic ends the series, and the handle returns it,
    /// unless the handle was cancelled before. Dropping the handle detaches the series: it goes on
    /// until the pool is shut down.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Errors
    ///
    /// The call itself never fails. If the pool is shut down, the handle resolves to cancelled;
    /// likewise, with [`CancelReason::Rejected`], if the system fails to start the thread that
    /// keeps the time.
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
    #[doc(alias(
        "scheduleAtFixedRate",
        "scheduleWithFixedDelay",
        "ScheduledExecutorService"
    ))]
    pub fn submit_every<F>(&self, every: Every, closure: F) -> JoinHandle<()>
    where
        F: FnMut() + Send + 'static,
    {
        let link = self.pool.link;
        if self.pool.is_forked() {
            let name = const { &Name::of::<F>() };
            return JoinHandle::refused(CancelReason::Forked, name, link);
        }
        let (series, handle) = Series::new(link, self.view.clone(), every, closure);
        let is_cancelled = self.view.as_ref().is_some_and(|view| !view.enrol(&handle));
        let begun = match is_cancelled {
            true => Err(CancelReason::Cancelled),
            false => series.begin(&self.pool),
        };
        if let Err(reason) = begun {
            self.pool.incidents.rejected.add_one();
            handle.cancel(reason);
        }
        JoinHandle::new(handle, link)
    }
}
