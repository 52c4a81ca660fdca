//! `Lock`: one holder at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill::{AcquireError, TryAcquireError};

use super::permits::{Permit, Permits};
use super::registry::Registry;

/// A lock that one thread of one process has at a time, made by [`HubRef::lock`](super::HubRef).
///
/// It is like Python's `multiprocessing.Lock`, except that its guard unlocks it, and that the death
/// of the process that holds it unlocks it, too. It holds no data: that is wherever the processes
/// share it, as in a file. It is not reentrant: a thread that locks it twice waits forever.
///
/// A handle goes into the arguments of jobs. Its clones are the same lock.
///
/// # Ordering
///
/// The lock is granted in order of arrival. Everything that a holder does to objects of the hub
/// happens before everything that the next holder does.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::Lock;
/// use workmill_process::{Hub, Jobs};
///
/// fn report(line: String, screen: Lock) {
///     let _alone = screen.lock();
///     println!("{line}");
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("report", report)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let screen = hub.lock();
///     let one = hub.spawn(report, ("one".to_owned(), screen.clone()));
///     let other = hub.spawn(report, ("other".to_owned(), screen));
///     one.join()?;
///     other.join()?;
///     Ok(())
/// }
/// ```
#[doc(alias = "Mutex")]
#[derive(Clone)]
pub struct Lock(Permits);

impl Lock {
    pub(super) fn new(home: &Arc<Registry>) -> Self {
        Self(Permits::new(home, Arc::new(workmill::Semaphore::new(1)), 1))
    }

    /// Locks it, and blocks until that is possible.
    ///
    /// # Blocking
    ///
    /// Blocks until no other thread has it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// let guard = lock.lock();
    /// assert!(lock.is_locked());
    /// drop(guard); // unlocks it
    /// assert!(!lock.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> LockGuard {
        guard(self.0.acquire(1))
    }

    /// Locks it if no other thread has it. Never waits, except for the answer of the parent.
    ///
    /// # Examples
    ///
    /// ```
    /// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// let guard = lock.try_lock().expect("nobody has it");
    /// assert!(lock.try_lock().is_none());
    /// drop(guard);
    /// assert!(lock.try_lock().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_lock(&self) -> Option<LockGuard> {
        timed(self.0.acquire_within(1, Duration::ZERO))
    }

    /// Locks it, and blocks until that is possible, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until no other thread has it, or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// let _guard = lock.lock();
    /// assert!(lock.lock_timeout(Duration::from_millis(10)).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock_timeout(&self, timeout: Duration) -> Option<LockGuard> {
        timed(self.0.acquire_within(1, timeout))
    }

    /// Locks it, and waits for that without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. If the lock was granted meanwhile, the next waiter gets
    /// it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// let _guard = workmill_process::workmill::block_on(lock.lock_async());
    /// assert!(lock.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn lock_async(&self) -> LockGuard {
        guard(self.0.acquire_async(1).await)
    }

    /// Returns `true` if a thread has it. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let lock = hub.lock();
    /// assert!(!lock.is_locked());
    /// let _guard = lock.lock();
    /// assert!(lock.is_locked());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.0.available() == 0
    }
}

fn guard(permit: Result<Permit, AcquireError>) -> LockGuard {
    LockGuard(permit.expect("a lock is not closed"))
}

fn timed(permit: Result<Permit, TryAcquireError>) -> Option<LockGuard> {
    match permit {
        Ok(permit) => Some(LockGuard(permit)),
        Err(TryAcquireError::NoPermits) => None,
        Err(error) => unreachable!("a lock is not closed: {error}"),
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

impl Serialize for Lock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encode("lock", serializer)
    }
}

impl<'de> Deserialize<'de> for Lock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Permits::decode("lock", deserializer).map(Self)
    }
}

/// The right to go on alone. Its drop unlocks the [`Lock`], also during unwinding, and so does the
/// death of its process.
///
/// # Examples
///
/// ```
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let lock = hub.lock();
/// {
///     let _guard = lock.lock();
///     // Alone, in all processes.
/// }
/// assert!(!lock.is_locked());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the lock is unlocked when this is dropped: hold it by `let _guard = …`, since \
              `let _ = …` drops it at once"]
pub struct LockGuard(Permit);

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_permit) = self;
        f.write_str("LockGuard")
    }
}
