//! The times at which the runs of a periodic series are due.

use std::time::{Duration, Instant};

use crate::timer;

/// The times at which the runs of a periodic series are due, for
/// [`PoolRef::submit_every`](crate::PoolRef::submit_every).
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
#[must_use = "no series begins until this is passed to `submit_every`"]
pub struct Every {
    period: Duration,
    from_end: bool,
    pub(super) first: Duration,
    pub(super) ends_on_panic: bool,
}

impl Every {
    /// Creates a series at a fixed rate: the first run is due at once, and the others at multiples
    /// of `period` after it, however long the runs take.
    ///
    /// Runs that are due while another run is under way are skipped; later runs keep the phase of
    /// the first. (In Java, `scheduleAtFixedRate` catches up instead.)
    ///
    /// # Panics
    ///
    /// Panics if `period` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::Every;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let (send, ticks) = std::sync::mpsc::channel();
    /// let every = Every::rate(Duration::from_millis(1));
    /// let series = pool.submit_every(every, move || send.send(()).unwrap());
    /// ticks.recv()?;
    /// series.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "scheduleAtFixedRate")]
    pub fn rate(period: Duration) -> Self {
        assert!(!period.is_zero(), "the period of a series is zero");
        Self {
            period,
            from_end: false,
            first: Duration::ZERO,
            ends_on_panic: false,
        }
    }

    /// Creates a series with a fixed delay: the first run is due at once, and each other run when
    /// `pause` has passed since the end of the previous one.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::Every;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// // A millisecond between the end of one run and the beginning of the next.
    /// let every = Every::delay(Duration::from_millis(1));
    /// let series = pool.submit_every(every, || println!("looks for mail"));
    /// series.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "scheduleWithFixedDelay")]
    pub fn delay(pause: Duration) -> Self {
        Self {
            period: pause,
            from_end: true,
            first: Duration::ZERO,
            ends_on_panic: false,
        }
    }

    /// Makes the first run due after `delay`, and not at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::Every;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let every = Every::rate(Duration::from_secs(60)).first_after(Duration::ZERO); // and at once
    /// let series = pool.submit_every(every, || println!("saves"));
    /// series.cancel();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn first_after(self, delay: Duration) -> Self {
        Self {
            first: delay,
            ..self
        }
    }

    /// Makes a panic end the series. The handle then returns the panic, which does not go to the
    /// panic handler.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::Every;
    ///
    /// let pool = workmill::ThreadPoolExecutor::new(1)?;
    /// let every = Every::rate(Duration::from_millis(1)).end_on_panic();
    /// let series = pool.submit_every(every, || panic!("out of flour"));
    /// assert!(series.join().unwrap_err().is_panic());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn end_on_panic(self) -> Self {
        Self {
            ends_on_panic: true,
            ..self
        }
    }

    /// Returns when the run after the one that was due at `last` is due; `None` means never.
    pub(super) fn next(&self, last: Instant, now: Instant) -> Option<Instant> {
        if self.from_end {
            return now.checked_add(self.period);
        }
        timer::following(last, self.period, now)
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_is_in_phase_however_many_were_missed() {
        let (start, hour) = (Instant::now(), Duration::from_secs(3600));
        for (period, late) in [
            (Duration::from_nanos(1), hour),
            (Duration::from_nanos(7), hour * 24 * 365),
            (Duration::from_micros(10), hour * 13),
            (hour, Duration::ZERO),
            (hour, hour * 3),
        ] {
            let now = start + late;
            let next = Every::rate(period).next(start, now).unwrap();
            assert!(next > now && next <= now + period);
            assert_eq!((next - start).as_nanos() % period.as_nanos(), 0);
        }
        assert_eq!(Every::rate(Duration::MAX).next(start, start), None);
        assert_eq!(
            Every::delay(hour).next(start, start + hour),
            Some(start + hour * 2)
        );
    }
}
