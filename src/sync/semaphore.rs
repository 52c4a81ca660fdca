//! `Semaphore` and `BoundedSemaphore`: the public face of [`permits`](super::permits).

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::permits::{MAX_PERMITS, Permits, Wait};
use crate::sync::error::{AcquireError, ReleaseError, TryAcquireError};
use crate::wait::Deadline;

/// After so long the longest waiter at an unfair semaphore no longer lets newcomers pass.
const STARVE_AFTER: Duration = Duration::from_millis(1);

/// Counts permits, and lets those who find too few wait their turn.
///
/// Like Python's `threading.Semaphore`, Java's and tokio's, with the four forms of this crate: they
/// may all wait at one semaphore at the same time, threads and futures of any runtime alike.
///
/// A semaphore without permits is a signal: [`new(0)`](Self::new), and whoever has something to tell
/// calls [`add_permits`](Self::add_permits).
///
/// # Fairness
///
/// First come, first served, with hand-off: a released permit belongs to the longest
/// waiter at once, and nobody who comes later can take it. Who wants several waits at the head of the
/// line until there are enough, and those behind it wait with it, so that it does not starve. Under
/// contention hand-off costs a thread switch for each permit; [`unfair`](Self::unfair) saves most of
/// them.
///
/// # Ordering
///
/// What was done before permits were released or added has happened before the next owner of them
/// goes on.
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

    /// Makes a semaphore with so many free permits, that serves in order of arrival.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub fn new(permits: usize) -> Self {
        Self {
            permits: Permits::new(permits, MAX_PERMITS, None),
        }
    }

    /// Makes a semaphore that lets newcomers take what is free although others wait.
    ///
    /// A thread that releases a permit and takes one again at once need not be switched for another, so
    /// this is faster under contention. Nobody starves: once the longest waiter has waited for a
    /// millisecond it is served like in a fair one.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
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
            permits: Permits::new(permits, MAX_PERMITS, Some(STARVE_AFTER)),
        }
    }

    /// Waits for a permit.
    ///
    /// # Blocking
    ///
    /// Until a permit is handed to this thread or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Closed`] if the semaphore is or gets closed.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, AcquireError> {
        self.acquire_many(1)
    }

    /// Takes a permit if one is free; never waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if none is free or others wait, at an [`unfair`](Self::unfair) one
    /// for too long; [`TryAcquireError::Closed`] if the semaphore is closed.
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

    /// Waits for a permit, but no longer than `timeout`.
    ///
    /// [`Duration::ZERO`] takes what is there; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until a permit is handed to this thread, the time is over, or the semaphore is closed.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] when the time is over, [`TryAcquireError::Closed`] if the
    /// semaphore is or gets closed.
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

    /// Returns a future that waits for a permit.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the line; a permit that it was given meanwhile goes to the
    /// next waiter.
    ///
    /// # Errors
    ///
    /// The future gives [`AcquireError::Closed`] if the semaphore is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::future::block_on;
    ///
    /// let keys = workmill::Semaphore::new(1);
    /// let permit = block_on(keys.acquire_async())?;
    /// # drop(permit);
    /// # Ok::<(), workmill::AcquireError>(())
    /// ```
    pub fn acquire_async(&self) -> Acquire<'_> {
        self.acquire_many_async(1)
    }

    /// Waits for so many permits, which are given all at once.
    ///
    /// # Blocking
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// As `acquire`, and [`AcquireError::TooMany`] at once if there can never be so many.
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
    pub fn acquire_many(&self, permits: usize) -> Result<Permit<'_>, AcquireError> {
        self.take(permits)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Takes so many permits if they are free; never waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire), and [`TryAcquireError::TooMany`] if there can never be so
    /// many.
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit<'_>, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Waits for so many permits, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// As [`acquire_timeout`](Self::acquire_timeout).
    ///
    /// # Errors
    ///
    /// As `acquire_timeout`, and [`TryAcquireError::TooMany`] at once if there can never be so many.
    pub fn acquire_many_timeout(
        &self,
        permits: usize,
        timeout: Duration,
    ) -> Result<Permit<'_>, TryAcquireError> {
        self.take_timeout(permits, timeout)?;
        Ok(Permit(Held::new(self, permits)))
    }

    /// Returns a future that waits for so many permits.
    ///
    /// # Cancellation
    ///
    /// As [`acquire_async`](Self::acquire_async).
    ///
    /// # Errors
    ///
    /// The future gives what [`acquire_many`](Self::acquire_many) does.
    pub fn acquire_many_async(&self, permits: usize) -> Acquire<'_> {
        Acquire(Wait::new(self, permits))
    }

    /// Waits like [`acquire`](Self::acquire) for a permit that owns a share of the semaphore, to be
    /// carried into a task.
    ///
    /// # Blocking
    ///
    /// As `acquire`.
    ///
    /// # Errors
    ///
    /// As `acquire`.
    ///
    /// # Examples
    ///
    /// No more than three tasks wait for a thread or run:
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

    /// Takes like [`try_acquire`](Self::try_acquire) a permit that owns a share of the semaphore.
    ///
    /// # Errors
    ///
    /// As `try_acquire`.
    pub fn try_acquire_owned(self: &Arc<Self>) -> Result<OwnedPermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// Waits like [`acquire_timeout`](Self::acquire_timeout) for a permit that owns a share of the
    /// semaphore.
    ///
    /// # Blocking
    ///
    /// As `acquire_timeout`.
    ///
    /// # Errors
    ///
    /// As `acquire_timeout`.
    pub fn acquire_owned_timeout(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.acquire_many_owned_timeout(1, timeout)
    }

    /// Returns a future like [`acquire_async`](Self::acquire_async) that borrows nothing, nor does the
    /// permit that it gives.
    ///
    /// # Errors
    ///
    /// As `acquire_async`.
    pub fn acquire_owned_async(self: &Arc<Self>) -> AcquireOwned {
        self.acquire_many_owned_async(1)
    }

    /// Waits for so many permits that own a share of the semaphore.
    ///
    /// # Blocking
    ///
    /// As [`acquire_many`](Self::acquire_many).
    ///
    /// # Errors
    ///
    /// As `acquire_many`.
    pub fn acquire_many_owned(
        self: &Arc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit, AcquireError> {
        self.take(permits)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Takes so many permits that own a share of the semaphore, if they are free; never waits.
    ///
    /// # Errors
    ///
    /// As [`try_acquire_many`](Self::try_acquire_many).
    pub fn try_acquire_many_owned(
        self: &Arc<Self>,
        permits: usize,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.permits.try_take(permits)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Waits for so many permits that own a share of the semaphore, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// As [`acquire_many_timeout`](Self::acquire_many_timeout).
    ///
    /// # Errors
    ///
    /// As `acquire_many_timeout`.
    pub fn acquire_many_owned_timeout(
        self: &Arc<Self>,
        permits: usize,
        timeout: Duration,
    ) -> Result<OwnedPermit, TryAcquireError> {
        self.take_timeout(permits, timeout)?;
        Ok(OwnedPermit(Held::new(Arc::clone(self), permits)))
    }

    /// Returns a future that waits for so many permits, and borrows nothing.
    ///
    /// # Errors
    ///
    /// As [`acquire_many_async`](Self::acquire_many_async).
    pub fn acquire_many_owned_async(self: &Arc<Self>, permits: usize) -> AcquireOwned {
        AcquireOwned(Wait::new(Arc::clone(self), permits))
    }

    #[inline]
    fn take(&self, permits: usize) -> Result<(), AcquireError> {
        let taken = self.permits.take_until(permits, Deadline::NEVER);
        taken.map_err(|error| error.for_good().expect("a wait without end lasts"))
    }

    fn take_timeout(&self, permits: usize, timeout: Duration) -> Result<(), TryAcquireError> {
        // Asked first, so that the clock is read only by those who wait, and who does not leaves no
        // trace in the line.
        match self.permits.try_take(permits) {
            Err(TryAcquireError::NoPermits) if !timeout.is_zero() => {
                self.permits.take_until(permits, Deadline::after(timeout))
            }
            decided => decided,
        }
    }

    /// Adds permits, which nobody has acquired before.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more than [`MAX_PERMITS`](Self::MAX_PERMITS) would be free, or more than a
    /// [`BoundedSemaphore`] has; nothing has changed then.
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
    pub fn add_permits(&self, permits: usize) -> Result<(), ReleaseError> {
        self.permits.add(permits)
    }

    /// Tells how many permits are free, a snapshot, may be stale.
    ///
    /// That can be some although others wait, if the longest waiter wants more.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Closes the semaphore: all who wait, now or later, get an error.
    ///
    /// Permits that are out stay valid. Closing twice does nothing more.
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

    /// Tells whether the semaphore was closed.
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

/// A semaphore that never has more permits than it began with.
///
/// Like Python's `threading.BoundedSemaphore`: it is there to find the mistake of releasing what was
/// not acquired. It dereferences to the [`Semaphore`] in it, so all the ways to acquire are those of a
/// semaphore; its clones are the same semaphore.
///
/// # Examples
///
/// ```
/// use workmill::{AcquireError, BoundedSemaphore};
///
/// let keys = BoundedSemaphore::new(2);
/// assert_eq!(keys.acquire_many(3).unwrap_err(), AcquireError::TooMany);
/// keys.acquire_many(2)?.forget();
/// assert!(keys.release(3).is_err(), "only two are out");
/// keys.release(2)?;
/// assert!(keys.release(1).is_err());
/// assert_eq!(keys.available_permits(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore(Arc<Semaphore>);

impl BoundedSemaphore {
    /// Makes a semaphore with so many free permits, that serves in order of arrival.
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`Semaphore::MAX_PERMITS`].
    pub fn new(permits: usize) -> Self {
        Self(Arc::new(Semaphore {
            permits: Permits::new(permits, permits, None),
        }))
    }

    /// Releases permits that were acquired and [forgotten](Permit::forget).
    ///
    /// Those that are still with a [`Permit`] are released with it once more: until then more may be
    /// out than the semaphore has, and what is over when it is dropped comes to nothing.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more would be free than the semaphore began with; nothing has changed then.
    pub fn release(&self, permits: usize) -> Result<(), ReleaseError> {
        self.add_permits(permits)
    }

    /// Tells with how many permits it began.
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

/// Waits for permits; made by [`Semaphore::acquire_async`] and
/// [`acquire_many_async`](Semaphore::acquire_many_async).
///
/// Dropping it leaves the line, and passes on what it was given meanwhile.
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire<'a>(Wait<&'a Semaphore>);

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = std::task::ready!(self.0.poll(cx.waker()));
        let (semaphore, permits) = self.0.what();
        Poll::Ready(granted.map(|()| Permit(Held::new(*semaphore, permits))))
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_wait("Acquire", &self.0, f)
    }
}

/// Waits for permits, and borrows nothing; made by [`Semaphore::acquire_owned_async`] and
/// [`acquire_many_owned_async`](Semaphore::acquire_many_owned_async).
///
/// Dropping it leaves the line, and passes on what it was given meanwhile.
#[must_use = "futures do nothing unless awaited"]
pub struct AcquireOwned(Wait<Arc<Semaphore>>);

impl Future for AcquireOwned {
    type Output = Result<OwnedPermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let granted = std::task::ready!(self.0.poll(cx.waker()));
        let (semaphore, permits) = self.0.what();
        Poll::Ready(granted.map(|()| OwnedPermit(Held::new(Arc::clone(semaphore), permits))))
    }
}

impl fmt::Debug for AcquireOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_wait("AcquireOwned", &self.0, f)
    }
}

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

/// Permits that are out; dropped, they are given back.
struct Held<S: Deref<Target = Semaphore>> {
    semaphore: S,
    permits: usize,
}

impl<S: Deref<Target = Semaphore>> Held<S> {
    #[inline]
    fn new(semaphore: S, permits: usize) -> Self {
        Self { semaphore, permits }
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

/// One permit or several, which borrow their semaphore. Dropping it releases them, while unwinding
/// too.
///
/// Give it a name: `let _permit = …` holds it to the end of the block, while `let _ = …` drops it at
/// once. Who waits for a signal, and not for a place, [forgets](Self::forget) it.
#[must_use = "a permit is released when it is dropped"]
pub struct Permit<'a>(Held<&'a Semaphore>);

impl Permit<'_> {
    /// Tells how many permits these are.
    pub fn permits(&self) -> usize {
        self.0.permits
    }

    /// Drops the permits without releasing them: the semaphore has so many less.
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
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("Permit", f)
    }
}

/// One permit or several, which own a share of their semaphore. Dropping it releases them, while
/// unwinding too.
#[must_use = "a permit is released when it is dropped"]
pub struct OwnedPermit(Held<Arc<Semaphore>>);

impl OwnedPermit {
    /// Tells how many permits these are.
    pub fn permits(&self) -> usize {
        self.0.permits
    }

    /// Drops the permits without releasing them: the semaphore has so many less.
    pub fn forget(mut self) {
        self.0.permits = 0;
    }
}

impl fmt::Debug for OwnedPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt("OwnedPermit", f)
    }
}
