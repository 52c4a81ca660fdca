//! `Semaphore` and `BoundedSemaphore`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill::{AcquireError, ReleaseError, TryAcquireError};

#[cfg(all(test, target_os = "linux"))]
use super::keys::Keys;
use super::permits::{Permit, Permits};
#[cfg(all(test, target_os = "linux"))]
use super::registry::Handle;
use super::registry::Registry;

/// A counting semaphore that threads of several processes share, made by
/// [`HubRef::semaphore`](super::HubRef::semaphore).
///
/// It is like Python's `multiprocessing.Semaphore`, and has the methods of
/// [`workmill::Semaphore`], which it is in the parent. A permit comes back when it is dropped, or
/// when its process dies. Waiters are granted permits in order of arrival, whatever process they
/// are of; if one dies or gives up, the next gets what it was granted.
///
/// A handle goes into the arguments of jobs. Its clones are the same semaphore.
///
/// # Waiting
///
/// In the parent a method waits as that of a `workmill::Semaphore` does. In a worker each method
/// that returns something waits for the answer of the parent, some microseconds; except that a
/// process which takes permits that it has just released, and that nobody else wants, need not ask.
/// Any number of threads of a process can wait at a time.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::Semaphore;
/// use workmill_process::{Hub, Jobs};
///
/// fn sing(keys: Semaphore) {
///     let _key = keys.acquire().expect("it is not closed");
///     println!("la la la");
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("sing", sing)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let keys = hub.semaphore(2);
///     for _guest in 0..3 {
///         hub.spawn(sing, keys.clone());
///     }
///     hub.shutdown(); // waits for the guests
///     assert_eq!(keys.available_permits(), 2);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Semaphore(Permits);

impl Semaphore {
    /// The largest number of permits that a semaphore can hold.
    pub const MAX_PERMITS: usize = workmill::Semaphore::MAX_PERMITS;

    pub(super) fn new(home: &Arc<Registry>, permits: usize) -> Self {
        let semaphore = Arc::new(workmill::Semaphore::new(permits));
        Self(Permits::new(home, semaphore, u64::MAX))
    }

    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn handle(&self) -> &Handle<Keys> {
        &self.0.handle
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// let _kettle = kettles.acquire()?;
    /// assert_eq!(kettles.available_permits(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire(&self) -> Result<Permit, AcquireError> {
        self.0.acquire(1)
    }

    /// Acquires a permit if one is free. Never waits, except for the answer of the parent.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if no permit is free or other callers wait;
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(1);
    /// let kettle = kettles.try_acquire()?;
    /// assert!(kettles.try_acquire().is_err());
    /// drop(kettle);
    /// assert!(kettles.try_acquire().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire(&self) -> Result<Permit, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Acquires a permit, and blocks until there is one, but no longer than `timeout`.
    /// [`Duration::MAX`] waits forever.
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
    /// use workmill_process::workmill::TryAcquireError;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(0);
    /// let error = kettles.acquire_timeout(Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error, TryAcquireError::NoPermits);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit, TryAcquireError> {
        self.0.acquire_within(1, timeout)
    }

    /// Acquires a permit, and waits for one without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. A permit that was granted to it meanwhile goes to the
    /// next waiter.
    ///
    /// # Errors
    ///
    /// Those of [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// let _kettle = workmill_process::workmill::block_on(kettles.acquire_async())?;
    /// assert_eq!(kettles.available_permits(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn acquire_async(&self) -> Result<Permit, AcquireError> {
        self.0.acquire_async(1).await
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(5);
    /// let _two = kettles.acquire_many(2)?;
    /// assert_eq!(kettles.available_permits(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_many(&self, permits: usize) -> Result<Permit, AcquireError> {
        self.0.acquire(permits)
    }

    /// Acquires the given number of permits if they are free. Never waits, except for the answer of
    /// the parent.
    ///
    /// # Errors
    ///
    /// Those of [`try_acquire`](Self::try_acquire), and [`TryAcquireError::TooMany`] if the
    /// semaphore can never have that many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// assert!(kettles.try_acquire_many(3).is_err());
    /// assert!(kettles.try_acquire_many(2).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_acquire_many(&self, permits: usize) -> Result<Permit, TryAcquireError> {
        self.0.acquire_within(permits, Duration::ZERO)
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
    /// Those of [`acquire_timeout`](Self::acquire_timeout), and [`TryAcquireError::TooMany`] at
    /// once if the semaphore can never have that many permits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// assert!(kettles.acquire_many_timeout(3, Duration::from_millis(10)).is_err());
    /// assert_eq!(kettles.available_permits(), 2); // all or none
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acquire_many_timeout(
        &self,
        permits: usize,
        timeout: Duration,
    ) -> Result<Permit, TryAcquireError> {
        self.0.acquire_within(permits, timeout)
    }

    /// Acquires the given number of permits, and waits for them without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. Permits that were granted to it meanwhile go to the next
    /// waiters.
    ///
    /// # Errors
    ///
    /// Those of [`acquire_many`](Self::acquire_many).
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// let two = workmill_process::workmill::block_on(kettles.acquire_many_async(2))?;
    /// assert_eq!(two.permits(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn acquire_many_async(&self, permits: usize) -> Result<Permit, AcquireError> {
        self.0.acquire_async(permits).await
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let signals = hub.semaphore(0);
    /// signals.add_permits(1)?;
    /// signals.acquire()?.forget();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "release")]
    pub fn add_permits(&self, permits: usize) -> Result<(), ReleaseError> {
        self.0.add(permits)
    }

    /// Takes free permits away for good, at most the given number, and returns how many they were.
    /// Never waits, except for the answer of the parent.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(3);
    /// assert_eq!(kettles.forget_permits(5), 3); // there were no more
    /// assert_eq!(kettles.available_permits(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.0.forget(permits)
    }

    /// Acquires all permits that are free at this moment. Never waits, except for the answer of the
    /// parent. The result has 0 permits if none is free, if others wait, or if the semaphore is
    /// closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(3);
    /// let all = kettles.drain_permits();
    /// assert_eq!((all.permits(), kettles.available_permits()), (3, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain_permits(&self) -> Permit {
        self.0.drain()
    }

    /// Returns the number of free permits. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(3);
    /// let _kettle = kettles.acquire()?;
    /// assert_eq!(kettles.available_permits(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn available_permits(&self) -> usize {
        self.0.available()
    }

    /// Closes the semaphore: all waiting and all later calls and futures fail, in all processes.
    /// Acquired permits stay valid. Closing a closed semaphore has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::workmill::AcquireError;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(3);
    /// kettles.close();
    /// assert_eq!(kettles.acquire().unwrap_err(), AcquireError::Closed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.0.close();
    }

    /// Returns `true` if the semaphore was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(3);
    /// assert!(!kettles.is_closed());
    /// kettles.close();
    /// assert!(kettles.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Semaphore")
    }
}

impl Serialize for Semaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode("semaphore", serializer)
    }
}

impl<'de> Deserialize<'de> for Semaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Permits::decode("semaphore", deserializer).map(Self)
    }
}

/// A semaphore that never has more permits than it was made with, made by
/// [`HubRef::bounded_semaphore`](super::HubRef::bounded_semaphore).
///
/// It is like Python's `multiprocessing.BoundedSemaphore`, and finds the mistake of releasing
/// permits that were not acquired. It dereferences to its [`Semaphore`], whose methods acquire
/// permits.
///
/// # Examples
///
/// ```
/// use workmill::AcquireError;
/// use workmill_process::workmill;
///
/// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let keys = hub.bounded_semaphore(2);
/// assert_eq!(keys.acquire_many(3).unwrap_err(), AcquireError::TooMany);
/// keys.acquire()?.forget();
/// keys.release(1)?;
/// assert!(keys.release(1).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore(Semaphore);

impl BoundedSemaphore {
    pub(super) fn new(home: &Arc<Registry>, permits: usize) -> Self {
        let semaphore = Arc::clone(&workmill::BoundedSemaphore::new(permits));
        let max = permits as u64;
        Self(Semaphore(Permits::new(home, semaphore, max)))
    }

    /// Releases permits that were acquired and [forgotten](Permit::forget).
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more permits would be free than the semaphore was made with. Nothing has
    /// changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.bounded_semaphore(2);
    /// kettles.acquire()?.forget();
    /// kettles.release(1)?; // perhaps in another process
    /// assert!(kettles.release(1).is_err()); // nobody had acquired it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn release(&self, permits: usize) -> Result<(), ReleaseError> {
        self.add_permits(permits)
    }

    /// Returns the number of permits that the semaphore was made with.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.bounded_semaphore(2);
    /// let _kettle = kettles.acquire()?;
    /// assert_eq!((kettles.available_permits(), kettles.max_permits()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_permits(&self) -> usize {
        let Self(Semaphore(permits)) = self;
        usize::try_from(permits.max).unwrap_or(usize::MAX)
    }
}

impl Deref for BoundedSemaphore {
    type Target = Semaphore;

    fn deref(&self) -> &Semaphore {
        &self.0
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedSemaphore")
            .field("max_permits", &self.max_permits())
            .finish_non_exhaustive()
    }
}

impl Serialize for BoundedSemaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BoundedSemaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Semaphore::deserialize(deserializer).map(Self)
    }
}
