//! Permits, and what locks and semaphores have in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserializer, Serializer};
use workmill::{AcquireError, OwnedPermit, ReleaseError, TryAcquireError};

use super::keys::Keys;
use super::near::{Lent, Near};
use super::registry::{Handle, Registry, There, answer};
use super::served::Served;
use super::wire::{Status, Verb, limit};

/// Permits, here or in the parent: what locks and semaphores have in common.
#[derive(Clone)]
pub(super) struct Permits {
    pub(super) handle: Handle<Keys>,
    /// The number of permits that there are at most, for those that are bounded.
    pub(super) max: u64,
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

    pub(super) fn add(&self, permits: usize) -> Result<(), ReleaseError> {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.add_permits(permits),
            Handle::There(there) => match there.ask(Verb::Add, permits as u64, 0).1.status {
                Status::Yes => Ok(()),
                _ => Err(ReleaseError),
            },
        }
    }

    pub(super) fn forget(&self, permits: usize) -> usize {
        match &self.handle {
            Handle::Here { what, .. } => what.wanted().1.forget_permits(permits),
            Handle::There(there) => there.number(Verb::TakeAway, permits as u64),
        }
    }

    pub(super) fn drain(&self) -> Permit {
        match &self.handle {
            Handle::Here { what, .. } => Permit::here(what.wanted().1.drain_permits_owned()),
            Handle::There(there) => {
                let (number, body) = there.link.ask(there.request(Verb::Drain, 0, 0), &[]);
                let granted = self.granted(there, number, &body);
                granted.expect("those that are free are granted")
            }
        }
    }

    pub(super) fn close(&self) {
        match &self.handle {
            Handle::Here { what, .. } => what.close(),
            Handle::There(there) => there.tell(Verb::Close, 0),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
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

/// One or more permits. Dropping this releases them, also during unwinding, and so does the death
/// of their process.
///
/// # Examples
///
/// ```
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let kettles = hub.semaphore(2);
/// {
///     let _two = kettles.acquire_many(2)?;
///     assert_eq!(kettles.available_permits(), 0);
/// }
/// assert_eq!(kettles.available_permits(), 2); // the drop has released them
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(5);
    /// assert_eq!(kettles.acquire_many(2)?.permits(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn permits(&self) -> usize {
        match &self.0 {
            Held::Here(permit) => permit.permits(),
            Held::There(lease) => lease.permits,
            Held::Nothing => 0,
        }
    }

    /// Drops the permits without releasing them. The semaphore has that many permits less from then
    /// on, also when this process dies.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let kettles = hub.semaphore(2);
    /// kettles.acquire()?.forget(); // one kettle is broken
    /// assert_eq!(kettles.available_permits(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
