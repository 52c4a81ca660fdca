//! `Semaphore` and `BoundedSemaphore`: the public face of [`permits`](super::permits).

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::permits::{MAX_PERMITS, Permits, Wait};
use crate::room::Of;
use crate::sync::error::{AcquireError, ReleaseError, TryAcquireError};
use crate::wait::Deadline;

/// How long the longest waiter of an unfair semaphore waits before newcomers are kept from passing
/// it.
const STARVE_AFTER: Duration = Duration::from_millis(1);

/// A counting semaphore: callers that find too few permits wait until others release some.
///
/// It is like Python's `threading.Semaphore`, Java's and tokio's, with the four forms of this
/// crate. Threads and futures of any runtime can wait for one semaphore at the same time.
///
/// A semaphore without permits is a signal: create it by [`new(0)`](Self::new), and call
/// [`add_permits`](Self::add_permits) to send the signal.
///
/// # Fairness
///
/// Permits are granted in order of arrival, by hand-off: a released permit belongs to the longest
/// waiter at once, and no later caller can take it. A waiter that wants several permits stays at
/// the head of the queue until there are enough, and the waiters behind it wait too, so that it
/// does not starve. Under contention hand-off costs a thread switch for each permit.
/// [`unfair`](Self::unfair) avoids most of them.
///
/// # Ordering
///
/// Everything before permits are released or added happens before everything after they are
/// acquired next.
///
/// # Dropping
///
/// Waiters borrow the semaphore or share it, so none can be left when it is dropped.
///
/// # Examples
///
/// ```
/// use workmill::Semaphore;
///
/// let keys = Semaphore::new(2);
/// let first = keys.acquire()?;
/// let second = keys.acquire()?;
/// assert!(keys.try_acquire().is_err());
/// drop(first);
/// assert!(keys.try_acquire().is_ok());
/// # drop(second);
/// # Ok::<(), workmill::AcquireError>(())
/// ```
///
/// A signal from one thread to another:
///
/// ```
/// let ready = workmill::Semaphore::new(0);
/// std::thread::scope(|scope| {
///     scope.spawn(|| ready.add_permits(1));
///     ready.acquire().unwrap().forget();
/// });
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// The largest number of permits that a semaphore can hold.
    pub const MAX_PERMITS: usize = MAX_PERMITS;

    /// Creates a semaphore with the given number of free permits, which grants permits in order of
    /// arrival.
    ///
    /// It decides what becomes of the slot of a pool's task that waits for a permit. A semaphore
    /// created with permits is a [limit](Self::limit), and one created without is of
    /// [signals](Self::signals).
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(2);
    /// let (_one, _other) = (keys.acquire()?, keys.acquire()?);
    /// assert!(keys.try_acquire().is_err());
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Self::permits(permits, MAX_PERMITS, None),
        }
    }

    /// Creates the permits: a limit if some are free, and signals if none is.
    fn permits(free: usize, max: usize, starve_after: Option<Duration>) -> Permits {
        let permits = Permits::new(free, max, starve_after);
        match free {
            0 => permits,
            _ => permits.as_limit_of(Of::Permits),
        }
    }

    /// Creates a semaphore whose permits are signals, with the given number of free permits: a
    /// pool's task that waits for a permit gives its slot away at once, as for an item or an event.
    ///
    /// The [guide](crate::guide::waiting#waits-for-room) tells when this matters.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use workmill::{Semaphore, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(1)?;
    /// let sacks = Arc::new(Semaphore::signals(1));
    /// let arrived = Arc::clone(&sacks);
    /// let baker = pool.submit(move || sacks.acquire_many(2).map(|both| both.forget()));
    /// let carrier = pool.submit(move || arrived.add_permits(1)); // runs while the baker waits
    /// carrier.join()??;
    /// baker.join()??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn signals(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits, MAX_PERMITS, None),
        }
    }

    /// Creates a semaphore whose permits are a limit, with the given number of free permits, which
    /// may be 0: a pool's task that waits for a permit lends its slot, and no task begins in its
    /// place until it has waited long.
    ///
    /// The [guide](crate::guide::waiting#waits-for-room) tells why.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// // Without permits yet, but a limit: tasks that wait for it lend their slots only.
    /// let keys = workmill::Semaphore::limit(0);
    /// keys.add_permits(2)?;
    /// assert_eq!(keys.available_permits(), 2);
    /// # Ok::<(), workmill::ReleaseError>(())
    /// ```
    pub fn limit(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits, MAX_PERMITS, None).as_limit_of(Of::Permits),
        }
    }

    /// Creates a semaphore with the given number of free permits, from which newcomers may take
    /// free permits although others wait.
    ///
    /// This is faster under contention, since a thread that releases a permit and acquires one
    /// again at once need not be switched for another thread. No waiter starves: once the longest
    /// waiter has waited for a millisecond, it is served by hand-off.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::unfair(4);
    /// let permit = keys.acquire()?;
    /// # drop(permit);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn unfair(permits: usize) -> Self {
        Self {
            permits: Self::permits(permits, MAX_PERMITS, Some(STARVE_AFTER)),
        }
    }

    /// Acquires a permit, and blocks until there is one.
    ///
    /// # Blocking
    ///
    /// Blocks until a permit is granted or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`] if the semaphore is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(1);
    /// {
    ///     let _key = keys.acquire()?; // until the end of the block
    ///     assert_eq!(keys.available_permits(), 0);
    /// }
    /// assert_eq!(keys.available_permits(), 1);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many(1)
    }

    /// Acquires a permit if one is free. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if no permit is free or other callers wait (for an
    /// [`unfair`](Self::unfair) semaphore, if they have waited for too long);
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{Semaphore, TryAcquireError};
    ///
    /// let keys = Semaphore::new(1);
    /// let permit = keys.try_acquire()?;
    /// assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    /// # drop(permit);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Acquires a permit, and blocks until there is one, but no longer than `timeout`.
    ///
    /// With [`Duration::ZERO`] this is [`try_acquire`](Self::try_acquire). With [`Duration::MAX`]
    /// it waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until a permit is granted, the time is over, or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if the time is over, [`TryAcquireError::Closed`] if the
    /// semaphore is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let empty = workmill::Semaphore::new(0);
    /// assert!(empty.acquire_timeout(Duration::from_millis(5)).is_err());
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, TryAcquireError> {
        self.acquire_many_timeout(1, timeout)
    }

    /// Returns a future that acquires a permit.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. A permit that was granted to it meanwhile goes to the
    /// next waiter.
    ///
    /// # Errors
    ///
    /// The future resolves to [`AcquireError::Closed`] if the semaphore is closed, or is closed
    /// during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let keys = workmill::Semaphore::new(1);
    /// let permit = block_on(keys.acquire_async())?;
    /// # drop(permit);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_async(&self) -> Acquire<'_> {
        self.acquire_many_async(1)
    }

    /// Acquires the given number of permits, all at once, and blocks until there are enough.
    ///
    /// # Blocking
    ///
    /// Blocks until the permits are granted or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`] if the semaphore is closed, or is closed during the wait;
    /// [`AcquireError::TooMany`] at once if the semaphore can never have that many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let seats = workmill::Semaphore::new(4);
    /// let table = seats.acquire_many(3)?;
    /// assert_eq!((table.permits(), seats.available_permits()), (3, 1));
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    #[inline]
    #[doc(alias = "Weighted")]
    pub fn acquire_many(&self, permits: usize) -> Result<Permit<'_>, AcquireError> {
        self.take(permits)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Acquires the given number of permits if they are free. Never waits.
    ///
    /// # Errors
    ///
    /// The errors of [`try_acquire`](Self::try_acquire), and [`TryAcquireError::TooMany`] if the
    /// semaphore can never have that many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = workmill::Semaphore::new(100);
    /// let _large = megabytes.try_acquire_many(80)?;
    /// assert!(megabytes.try_acquire_many(30).is_err());
    /// # Ok::<(), workmill::TryAcquireError>(())
    /// ```
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Acquires the given number of permits, and blocks until there are enough, but no longer than
    /// `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until the permits are granted, the time is over, or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// The errors of [`acquire_timeout`](Self::acquire_timeout), and [`TryAcquireError::TooMany`]
    /// at once if the semaphore can never have that many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let megabytes = workmill::Semaphore::new(100);
    /// let _large = megabytes.acquire_many(80).unwrap();
    /// assert!(megabytes.acquire_many_timeout(30, Duration::from_millis(1)).is_err());
    /// ```
    pub fn acquire_many_timeout(
        &self,
        permits: usize,
        timeout: Duration,
    ) -> Result<Permit<'_>, TryAcquireError> {
        self.take_timeout(permits, timeout)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Returns a future that acquires the given number of permits.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. Permits that were granted to it meanwhile go to the next
    /// waiters.
    ///
    /// # Errors
    ///
    /// The future resolves to the errors of [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = workmill::Semaphore::new(100);
    /// let permit = workmill::block_on(megabytes.acquire_many_async(80))?;
    /// assert_eq!(permit.permits(), 80);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_many_async(&self, permits: usize) -> Acquire<'_> {
        Acquire(Wait::new(self, permits))
    }

    /// Acquires a permit that owns a share of the semaphore, so that it can be moved into a task.
    /// Blocks until there is one, like [`acquire`](Self::acquire).
    ///
    /// # Blocking
    ///
    /// Blocks until a permit is granted or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`] if the semaphore is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// At most three tasks wait for a thread or run at any time:
    ///
    /// ```
    /// use std::sync::Arc;
    /// use workmill::{Semaphore, ThreadPoolExecutor};
    ///
    /// let (pool, keys) = (ThreadPoolExecutor::new(2)?, Arc::new(Semaphore::new(3)));
    /// for _ in 0..10 {
    ///     let permit = keys.acquire_owned()?;
    ///     pool.execute(move || drop(permit));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, AcquireError> {
        self.acquire_many_owned(1)
    }

    /// Acquires a permit that owns a share of the semaphore, if one is free. Never waits.
    ///
    /// # Errors
    ///
    /// The errors of [`try_acquire`](Self::try_acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(1));
    /// let key = keys.try_acquire_owned()?; // may go to another thread
    /// std::thread::spawn(move || drop(key)).join().unwrap();
    /// assert_eq!(keys.available_permits(), 1);
    /// # Ok::<(), workmill::TryAcquireError>(())
    /// ```
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Acquires a permit that owns a share of the semaphore, and blocks until there is one, but no
    /// longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until a permit is granted, the time is over, or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// The errors of [`acquire_timeout`](Self::acquire_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(0));
    /// assert!(keys.acquire_owned_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn acquire_owned_timeout(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.acquire_many_owned_timeout(1, timeout)
    }

    /// Returns a future that acquires a permit, like [`acquire_async`](Self::acquire_async). The
    /// future and its permit own a share of the semaphore, and borrow nothing.
    ///
    /// # Errors
    ///
    /// The errors of `acquire_async`.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(1));
    /// let key = workmill::block_on(keys.acquire_owned_async())?;
    /// assert_eq!(key.permits(), 1);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned_async(1)
    }

    /// Acquires the given number of permits, which own a share of the semaphore, and blocks until
    /// there are enough.
    ///
    /// # Blocking
    ///
    /// Blocks until the permits are granted or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// The errors of [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = std::sync::Arc::new(workmill::Semaphore::new(100));
    /// assert_eq!(megabytes.acquire_many_owned(80)?.permits(), 80);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit, AcquireError> {
        self.take(permits)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Acquires the given number of permits, which own a share of the semaphore, if they are free.
    /// Never waits.
    ///
    /// # Errors
    ///
    /// The errors of [`try_acquire_many`](Self::try_acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = std::sync::Arc::new(workmill::Semaphore::new(100));
    /// assert!(megabytes.try_acquire_many_owned(101).is_err());
    /// ```
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Acquires the given number of permits, which own a share of the semaphore, and blocks until
    /// there are enough, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until the permits are granted, the time is over, or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// The errors of [`acquire_many_timeout`](Self::acquire_many_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let megabytes = std::sync::Arc::new(workmill::Semaphore::new(100));
    /// assert!(megabytes.acquire_many_owned_timeout(101, Duration::from_millis(1)).is_err());
    /// ```
    pub fn acquire_many_owned_timeout(
        self: &Arc<Self>,
        permits: usize,
        timeout: Duration,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.take_timeout(permits, timeout)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Returns a future that acquires the given number of permits. The future and its permits own a
    /// share of the semaphore, and borrow nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`acquire_many_async`](Self::acquire_many_async).
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = std::sync::Arc::new(workmill::Semaphore::new(100));
    /// let permit = workmill::block_on(megabytes.acquire_many_owned_async(80))?;
    /// assert_eq!(permit.permits(), 80);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_many_owned_async(self: &Arc<Self>, permits: usize) -> AcquireOwned {
        AcquireOwned(Wait::new(Arc::clone(self), permits))
    }

    /// Takes permits, and waits for them without a limit.
    #[inline]
    fn take(&self, permits: usize) -> Result<(), AcquireError> {
        let taken = self.permits.take_until(permits, Deadline::NEVER);
        taken.map_err(|error| {
            error
                .for_good()
                .expect("a wait without a deadline ends for good")
        })
    }

    /// Takes permits, and waits for them no longer than `timeout`.
    fn take_timeout(&self, permits: usize, timeout: Duration) -> Result<(), TryAcquireError> {
        // Tried first, so that the clock is read only by callers that wait, and callers that do not
        // wait leave no trace in the queue.
        match self.permits.try_take(permits) {
            Err(TryAcquireError::NoPermits) if !timeout.is_zero() => {
                self.permits.take_until(permits, Deadline::after(timeout))
            }
            decided => decided,
        }
    }

    /// Adds permits to the semaphore that nobody has acquired before.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more permits than [`MAX_PERMITS`](Self::MAX_PERMITS) would be free, or
    /// more than a [`BoundedSemaphore`] has. Nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(1);
    /// keys.add_permits(2)?;
    /// assert_eq!(keys.available_permits(), 3);
    /// assert!(keys.add_permits(usize::MAX).is_err());
    /// assert_eq!(keys.available_permits(), 3);
    /// # Ok::<(), workmill::ReleaseError>(())
    /// ```
    #[doc(alias = "release")]
    pub fn add_permits(&self, permits: usize) -> Result<(), ReleaseError> {
        self.permits.add(permits)
    }

    /// Takes free permits away for good, at most the given number, and returns how many they were.
    /// Never waits.
    ///
    /// It is the opposite of [`add_permits`](Self::add_permits), and makes a limit smaller. Permits
    /// that are in use stay so: to take those away too, [`forget`](Permit::forget) them when they
    /// come back. Free permits are taken away even if a waiter waits for more of them, and also of
    /// a closed semaphore.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(3);
    /// let held = keys.acquire()?;
    /// assert_eq!(keys.forget_permits(1), 1);
    /// assert_eq!(keys.forget_permits(5), 1, "there was only one more");
    /// drop(held);
    /// assert_eq!(keys.available_permits(), 1);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    #[doc(alias = "reduce_permits")]
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.permits.take_away(permits)
    }

    /// Acquires all permits that are free at this moment. Never waits.
    ///
    /// The result has 0 permits if none is free, if others wait for permits in order of arrival, or
    /// if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// Handles all signals that have come so far at once:
    ///
    /// ```
    /// let arrived = workmill::Semaphore::signals(0);
    /// arrived.add_permits(3)?;
    /// let signals = arrived.drain_permits();
    /// assert_eq!((signals.permits(), arrived.available_permits()), (3, 0));
    /// signals.forget();
    /// assert_eq!(arrived.drain_permits().permits(), 0);
    /// # Ok::<(), workmill::ReleaseError>(())
    /// ```
    #[doc(alias = "drainPermits")]
    pub fn drain_permits(&self) -> Permit<'_> {
        Permit(Held::new(self, self.permits.take_all()))
    }

    /// Acquires all permits that are free at this moment, like
    /// [`drain_permits`](Self::drain_permits). They own a share of the semaphore. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(4));
    /// let all = keys.drain_permits_owned();
    /// assert_eq!((all.permits(), keys.available_permits()), (4, 0));
    /// ```
    pub fn drain_permits_owned(self: &Arc<Self>) -> OwnedPermit {
        OwnedPermit(Held::new(Arc::clone(self), self.permits.take_all()))
    }

    /// Returns the number of free permits. This is a snapshot and may be stale.
    ///
    /// Permits can be free although others wait, if the longest waiter wants more.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(4);
    /// let _key = keys.acquire().unwrap();
    /// assert_eq!(keys.available_permits(), 3);
    /// ```
    #[doc(alias = "get_value")]
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Closes the semaphore: all waiting and all later calls and futures fail.
    ///
    /// Acquired permits stay valid. Closing a closed semaphore has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(0);
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| keys.acquire().is_err());
    ///     keys.close();
    ///     assert!(waiter.join().unwrap());
    /// });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Returns `true` if the semaphore was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(4);
    /// keys.close();
    /// assert!(keys.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A semaphore that never has more permits than it was created with.
///
/// It is like Python's `threading.BoundedSemaphore`, and finds the mistake of releasing permits
/// that were not acquired. It dereferences to its [`Semaphore`], whose methods acquire permits. Its
/// clones are the same semaphore.
///
/// # Examples
///
/// ```
/// use workmill::{AcquireError, BoundedSemaphore};
///
/// let keys = BoundedSemaphore::new(2);
/// assert_eq!(keys.acquire_many(3).unwrap_err(), AcquireError::TooMany);
/// keys.acquire_many(2)?.forget();
/// assert!(keys.release(3).is_err(), "only two are acquired");
/// keys.release(2)?;
/// assert!(keys.release(1).is_err());
/// assert_eq!(keys.available_permits(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore(Arc<Semaphore>);

impl BoundedSemaphore {
    /// Creates a semaphore with the given number of free permits, which grants permits in order of
    /// arrival.
    ///
    /// # Panics
    ///
    /// Panics if `permits` is more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::BoundedSemaphore::new(4);
    /// drop(keys.acquire().unwrap());
    /// assert!(keys.release(1).is_err()); // there are four already
    /// ```
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Semaphore {
            permits: Semaphore::permits(permits, permits, None),
        }))
    }

    /// Releases permits that were acquired and [forgotten](Permit::forget).
    ///
    /// Permits that a [`Permit`] still holds are released a second time when it is dropped. Until
    /// then more permits may be acquired than the semaphore has, and the excess is dropped with the
    /// [`Permit`].
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more permits would be free than the semaphore was created with. Nothing
    /// has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::BoundedSemaphore::new(4);
    /// keys.acquire().unwrap().forget();
    /// assert_eq!(keys.release(1), Ok(())); // by hand
    /// ```
    pub fn release(&self, permits: usize) -> Result<(), ReleaseError> {
        self.add_permits(permits)
    }

    /// Returns the number of permits that the semaphore was created with.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::BoundedSemaphore::new(4).max_permits(), 4);
    /// ```
    pub fn max_permits(&self) -> usize {
        self.permits.max()
    }
}

impl Deref for BoundedSemaphore {
    type Target = Arc<Semaphore>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("available_permits", &self.available_permits())
            .field("max_permits", &self.max_permits())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// A future that acquires permits.
///
/// It is returned by [`Semaphore::acquire_async`] and
/// [`acquire_many_async`](Semaphore::acquire_many_async). Dropping it ends the wait, and passes on
/// permits that were granted to it meanwhile.
///
/// # Examples
///
/// ```
/// let keys = workmill::Semaphore::new(1);
/// workmill::block_on(async {
///     let _key = keys.acquire_async().await.unwrap();
///     println!("one at a time");
/// });
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a>(Wait<&'a Semaphore>);

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = std::task::ready!(self.0.poll_noted(cx.waker()));
        let (semaphore, permits) = self.0.what();
        Poll::Ready(granted.map(|()| Permit(Held::new(*semaphore, permits))))
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_wait("Acquire", &self.0, f)
    }
}

/// A future that acquires permits, and owns a share of the semaphore.
///
/// It is returned by [`Semaphore::acquire_owned_async`] and
/// [`acquire_many_owned_async`](Semaphore::acquire_many_owned_async). Dropping it ends the wait,
/// and passes on permits that were granted to it meanwhile.
///
/// # Examples
///
/// ```
/// let keys = std::sync::Arc::new(workmill::Semaphore::new(1));
/// let pool = workmill::ThreadPoolExecutor::new(1)?;
/// let key = keys.acquire_owned_async(); // borrows nothing, so it may be spawned
/// pool.spawn(async move { key.await.map(drop) }).join()??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned(Wait<Arc<Semaphore>>);

impl Future for AcquireOwned {
    type Output = Result<OwnedPermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = std::task::ready!(self.0.poll_noted(cx.waker()));
        let (semaphore, permits) = self.0.what();
        Poll::Ready(granted.map(|()| OwnedPermit(Held::new(Arc::clone(semaphore), permits))))
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_wait("AcquireOwned", &self.0, f)
    }
}

/// Formats a future that waits for permits.
fn fmt_wait<S: Deref<Target = Semaphore>>(
    name: &str,
    wait: &Wait<S>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let (semaphore, permits) = wait.what();
    f.debug_struct(name)
        .field("permits", &permits)
        .field("semaphore", &**semaphore)
        .finish_non_exhaustive()
}

impl AsRef<Permits> for Semaphore {
    fn as_ref(&self) -> &Permits {
        &self.permits
    }
}

/// Acquired permits. Dropping them gives them back.
struct Held<S: Deref<Target = Semaphore>> {
    semaphore: S,
    permits: usize,
}

impl<S: Deref<Target = Semaphore>> Held<S> {
    #[inline]
    fn new(semaphore: S, permits: usize) -> Self {
        Self { semaphore, permits }
    }

    /// Moves permits to another guard. Returns `None`, and moves nothing, if there are fewer.
    fn split(&mut self, permits: usize) -> Option<Self>
    where
        S: Clone,
    {
        self.permits = self.permits.checked_sub(permits)?;
        Some(Self::new(self.semaphore.clone(), permits))
    }

    #[track_caller]
    fn merge(&mut self, mut other: Self) {
        let is_same = std::ptr::eq(&*self.semaphore, &*other.semaphore);
        assert!(is_same, "the permits of two semaphores cannot be merged");
        // At most as many as the semaphore has in all.
        self.permits += std::mem::take(&mut other.permits);
    }

    fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("permits", &self.permits)
            .field("semaphore", &*self.semaphore)
            .finish()
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Held<S> {
    #[inline]
    fn drop(&mut self) {
        self.semaphore.permits.give_back(self.permits);
    }
}

/// One or more permits, which borrow their semaphore. Dropping this releases them, also during
/// unwinding.
///
/// Bind it to a name: `let _permit = …` holds the permits to the end of the block, while
/// `let _ = …` drops them at once. If the semaphore is a signal, and not a limit,
/// [`forget`](Self::forget) the permit.
///
/// # Examples
///
/// ```
/// let keys = workmill::Semaphore::new(1);
/// let key = keys.acquire().unwrap();
/// drop(key); // releases it
/// assert_eq!(keys.available_permits(), 1);
/// ```
#[must_use = "the permits are released when this is dropped: hold them by `let _permit = …`, \
              since `let _ = …` drops them at once"]
pub struct Permit<'a>(Held<&'a Semaphore>);

impl Permit<'_> {
    /// Returns the number of permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = workmill::Semaphore::new(100);
    /// assert_eq!(megabytes.acquire_many(80).unwrap().permits(), 80);
    /// ```
    pub fn permits(&self) -> usize {
        self.0.permits
    }

    /// Drops the permits without releasing them. The semaphore has that many permits less from then
    /// on.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(2);
    /// keys.acquire()?.forget();
    /// assert_eq!(keys.available_permits(), 1);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn forget(mut self) {
        self.0.permits = 0;
    }

    /// Moves `permits` of the permits to a new guard, which releases them when it is dropped.
    /// Returns `None`, and moves nothing, if this guard has fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(3);
    /// let mut all = keys.acquire_many(3)?;
    /// let one = all.split(1).expect("there are three");
    /// drop(all);
    /// assert_eq!((one.permits(), keys.available_permits()), (1, 2));
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    #[must_use = "the permits are released when the new guard is dropped"]
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.0.split(permits).map(Self)
    }

    /// Takes over the permits of another guard.
    ///
    /// # Panics
    ///
    /// Panics if the permits are those of another semaphore. They are released then.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = workmill::Semaphore::new(2);
    /// let mut both = keys.acquire().unwrap();
    /// both.merge(keys.acquire().unwrap());
    /// assert_eq!(both.permits(), 2);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Permit", f)
    }
}

/// One or more permits, which own a share of their semaphore. Dropping this releases them, also
/// during unwinding.
///
/// # Examples
///
/// ```
/// let keys = std::sync::Arc::new(workmill::Semaphore::new(1));
/// let key = keys.acquire_owned().unwrap();
/// std::thread::spawn(move || drop(key)).join().unwrap(); // releases it
/// assert_eq!(keys.available_permits(), 1);
/// ```
#[must_use = "the permits are released when this is dropped: hold them by `let _permit = …`, \
              since `let _ = …` drops them at once"]
pub struct OwnedPermit(Held<Arc<Semaphore>>);

impl OwnedPermit {
    /// Returns the number of permits.
    ///
    /// # Examples
    ///
    /// ```
    /// let megabytes = std::sync::Arc::new(workmill::Semaphore::new(100));
    /// assert_eq!(megabytes.acquire_many_owned(80).unwrap().permits(), 80);
    /// ```
    pub fn permits(&self) -> usize {
        self.0.permits
    }

    /// Drops the permits without releasing them. The semaphore has that many permits less from then
    /// on.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(2));
    /// keys.acquire_owned().unwrap().forget();
    /// assert_eq!(keys.available_permits(), 1); // for good
    /// ```
    pub fn forget(mut self) {
        self.0.permits = 0;
    }

    /// Moves `permits` of the permits to a new guard, which releases them when it is dropped.
    /// Returns `None`, and moves nothing, if this guard has fewer.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(3));
    /// let mut all = keys.acquire_many_owned(3)?;
    /// let one = all.split(1).expect("there are three");
    /// drop(all);
    /// assert_eq!((one.permits(), keys.available_permits()), (1, 2));
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    #[must_use = "the permits are released when the new guard is dropped"]
    pub fn split(&mut self, permits: usize) -> Option<Self> {
        self.0.split(permits).map(Self)
    }

    /// Takes over the permits of another guard.
    ///
    /// # Panics
    ///
    /// Panics if the permits are those of another semaphore. They are released then.
    ///
    /// # Examples
    ///
    /// ```
    /// let keys = std::sync::Arc::new(workmill::Semaphore::new(2));
    /// let mut both = keys.acquire_owned().unwrap();
    /// both.merge(keys.acquire_owned().unwrap());
    /// assert_eq!(both.permits(), 2);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("OwnedPermit", f)
    }
}
