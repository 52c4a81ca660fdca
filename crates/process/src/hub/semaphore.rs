//! `Semaphore` and `BoundedSemaphore`.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill::{AcquireError, OwnedPermit, ReleaseError, TryAcquireError};

use super::keys::Keys;
use super::near::{Lent, Near};
use super::registry::{Handle, Registry, There, answer};
use super::served::Served;
use super::wire::{Status, Verb, limit};

/// Permits, here or in the parent: what locks and semaphores have in common.
#[derive(Clone)]
pub(super) struct Permits {
    handle: Handle<Keys>,
    /// The number of permits that there are at most, for those that are bounded.
    max: u64,
    /// In a worker.
    near: Option<Arc<Near>>,
}

impl Permits {
    pub(super) fn new(home: &Arc<Registry>, semaphore: Arc<workmill::Semaphore>, max: u64) -> Self {
        let keys = Arc::new(Keys::new(semaphore));
        let served = Served::Semaphore(Arc::clone(&keys));
        Self {
            handle: home.add(keys, served),
            max,
            near: None,
        }
    }

    pub(super) fn encode<S: Serializer>(
        &self,
        kind: &str,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        self.handle.encode(kind, self.max, serializer)
    }

    pub(super) fn decode<'de, D: Deserializer<'de>>(
        kind: &str,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let (handle, max) = Handle::decode(kind, deserializer)?;
        let near = match &handle {
            Handle::There(there) => Some(Arc::clone(&there.near)),
            Handle::Here { .. } => None,
        };
        Ok(Self { handle, max, near })
    }

    pub(super) fn acquire(&self, permits: usize) -> Result<Permit, AcquireError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                if let Ok(permit) = what.try_acquire(permits) {
                    return Ok(Permit::here(permit));
                }
                let (_wanting, semaphore) = what.wanted();
                semaphore.acquire_many_owned(permits).map(Permit::here)
            }
            Handle::There(there) => {
                let granted = self.ask(there, permits, None);
                granted.map_err(for_good)
            }
        }
    }

    pub(super) fn acquire_within(
        &self,
        permits: usize,
        time: Duration,
    ) -> Result<Permit, TryAcquireError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let acquired = match what.try_acquire(permits) {
                    Err(TryAcquireError::NoPermits) if !time.is_zero() => {
                        let (_wanting, semaphore) = what.wanted();
                        semaphore.acquire_many_owned_timeout(permits, time)
                    }
                    decided => decided,
                };
                acquired.map(Permit::here)
            }
            Handle::There(there) => self.ask(there, permits, Some(time)),
        }
    }

    pub(super) async fn acquire_async(&self, permits: usize) -> Result<Permit, AcquireError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                if let Ok(permit) = what.try_acquire(permits) {
                    return Ok(Permit::here(permit));
                }
                let (_wanting, semaphore) = what.wanted();
                let acquired = semaphore.acquire_many_owned_async(permits).await;
                acquired.map(Permit::here)
            }
            Handle::There(there) => {
                if let Some(permit) = self.take_near(there, permits) {
                    return Ok(permit);
                }
                let request = there.request(Verb::Acquire, limit(None), permits as u64);
                let (number, body) = there.link.ask_async(request, &[]).await;
                self.granted(there, number, &body).map_err(for_good)
            }
        }
    }

    /// Takes permits that this process has released, or asks for some.
    fn ask(
        &self,
        there: &There,
        permits: usize,
        time: Option<Duration>,
    ) -> Result<Permit, TryAcquireError> {
        if let Some(permit) = self.take_near(there, permits) {
            return Ok(permit);
        }
        let request = there.request(Verb::Acquire, limit(time), permits as u64);
        let (number, body) = there.link.ask(request, &[]);
        self.granted(there, number, &body)
    }

    fn take_near(&self, there: &There, permits: usize) -> Option<Permit> {
        let near = self.near.as_ref()?;
        let lent = near.acquire(permits)?;
        Some(Permit(Held::There(Lease {
            there: there.clone(),
            request: lent.request,
            permits,
            lent: Some((lent, Arc::clone(near))),
        })))
    }

    /// Returns what an answer grants.
    fn granted(&self, there: &There, request: u64, body: &[u8]) -> Result<Permit, TryAcquireError> {
        let (answer, word) = answer(body);
        match answer.status {
            Status::Yes => {}
            Status::No => return Err(TryAcquireError::NoPermits),
            Status::TooMany => return Err(TryAcquireError::TooMany),
            Status::Closed | Status::Refused => return Err(TryAcquireError::Closed),
        }
        let permits = answer.number as usize;
        let sequence = word.try_into().map(u64::from_le_bytes).unwrap_or(0);
        let lent = Lent {
            sequence,
            request,
            permits,
        };
        let near = self.near.as_ref().filter(|_| sequence != 0);
        Ok(Permit(Held::There(Lease {
            there: there.clone(),
            request,
            permits,
            lent: near.map(|near| (lent, Arc::clone(near))),
        })))
    }

    pub(super) fn available(&self) -> usize {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.available_permits(),
            Handle::There(there) => there.number(Verb::Available, 0),
        }
    }

    fn add(&self, permits: usize) -> Result<(), ReleaseError> {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.add_permits(permits),
            Handle::There(there) => match there.ask(Verb::Add, permits as u64, 0).1.status {
                Status::Yes => Ok(()),
                _ => Err(ReleaseError),
            },
        }
    }

    fn forget(&self, permits: usize) -> usize {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.forget_permits(permits),
            Handle::There(there) => there.number(Verb::TakeAway, permits as u64),
        }
    }

    fn drain(&self) -> Permit {
        match &self.handle {
            Handle::Here { what, .. } => Permit::here(what.wanted().1.drain_permits_owned()),
            Handle::There(there) => {
                let (number, body) = there.link.ask(there.request(Verb::Drain, 0, 0), &[]);
                let granted = self.granted(there, number, &body);
                granted.expect("those that are free are granted")
            }
        }
    }

    fn close(&self) {
        match &self.handle {
            Handle::Here { what, .. } => what.close(),
            Handle::There(there) => there.tell(Verb::Close, 0),
        }
    }

    fn is_closed(&self) -> bool {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.is_closed(),
            Handle::There(there) => there.number(Verb::IsClosed, 0) != 0,
        }
    }
}

/// The error of a wait without a limit.
fn for_good(error: TryAcquireError) -> AcquireError {
    match error {
        TryAcquireError::TooMany => AcquireError::TooMany,
        _ => AcquireError::Closed,
    }
}

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
    pub fn acquire(&self) -> Result<Permit, AcquireError> {
        self.0.acquire(1)
    }

    /// Acquires a permit if one is free. Never waits, except for the answer of the parent.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError::NoPermits`] if no permit is free or other callers wait;
    /// [`TryAcquireError::Closed`] if the semaphore is closed.
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
    pub async fn acquire_many_async(&self, permits: usize) -> Result<Permit, AcquireError> {
        self.0.acquire_async(permits).await
    }

    /// Adds permits to the semaphore that nobody has acquired before.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`] if more permits than [`MAX_PERMITS`](Self::MAX_PERMITS) would be free, or
    /// more than a [`BoundedSemaphore`] has. Nothing has changed then.
    #[doc(alias = "release")]
    pub fn add_permits(&self, permits: usize) -> Result<(), ReleaseError> {
        self.0.add(permits)
    }

    /// Takes free permits away for good, at most the given number, and returns how many they were.
    /// Never waits, except for the answer of the parent.
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.0.forget(permits)
    }

    /// Acquires all permits that are free at this moment. Never waits, except for the answer of the
    /// parent. The result has 0 permits if none is free, if others wait, or if the semaphore is
    /// closed.
    pub fn drain_permits(&self) -> Permit {
        self.0.drain()
    }

    /// Returns the number of free permits. This is a snapshot and may be stale.
    pub fn available_permits(&self) -> usize {
        self.0.available()
    }

    /// Closes the semaphore: all waiting and all later calls and futures fail, in all processes.
    /// Acquired permits stay valid. Closing a closed semaphore has no effect.
    pub fn close(&self) {
        self.0.close();
    }

    /// Returns `true` if the semaphore was closed.
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
    pub fn release(&self, permits: usize) -> Result<(), ReleaseError> {
        self.add_permits(permits)
    }

    /// Returns the number of permits that the semaphore was made with.
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

/// One or more permits. Dropping this releases them, also during unwinding, and so does the death
/// of their process.
#[must_use = "the permits are released when this is dropped: hold them by `let _permit = …`, \
              since `let _ = …` drops them at once"]
pub struct Permit(Held);

enum Held {
    Here(OwnedPermit),
    There(Lease),
    Nothing,
}

/// Permits of the parent's.
struct Lease {
    there: There,
    /// The number of the request that was granted.
    request: u64,
    permits: usize,
    /// If they may be released without a message.
    lent: Option<(Lent, Arc<Near>)>,
}

impl Permit {
    fn here(permit: OwnedPermit) -> Self {
        Self(Held::Here(permit))
    }

    /// Returns the number of permits.
    pub fn permits(&self) -> usize {
        match &self.0 {
            Held::Here(permit) => permit.permits(),
            Held::There(lease) => lease.permits,
            Held::Nothing => 0,
        }
    }

    /// Drops the permits without releasing them. The semaphore has that many permits less from then
    /// on, also when this process dies.
    pub fn forget(mut self) {
        match std::mem::replace(&mut self.0, Held::Nothing) {
            Held::Here(permit) => permit.forget(),
            Held::There(lease) => lease.there.tell(Verb::Forget, lease.request),
            Held::Nothing => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Held::There(lease) = &self.0 else {
            return;
        };
        if !lease.there.link.is_ours() {
            return;
        }
        let is_released = match &lease.lent {
            Some((lent, near)) => near.release(*lent),
            None => false,
        };
        if !is_released {
            lease.there.tell(Verb::Release, lease.request);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("permits", &self.permits())
            .finish_non_exhaustive()
    }
}
