//! Semaphores at which threads wait: workmill, tokio, async-lock, and two of a mutex and a
//! condition variable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};

use futures_lite::future::block_on;

/// A semaphore under comparison.
pub(crate) trait Semaphore: Sync {
    fn new(permits: usize) -> Self;

    /// Waits for a permit, calls `body`, and gives the permit back.
    fn with_permit(&self, body: impl FnOnce());
}

impl Semaphore for workmill::Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    fn with_permit(&self, body: impl FnOnce()) {
        let _permit = self.acquire().expect("nobody closes it");
        body();
    }
}

/// The semaphore of this crate at which newcomers may overtake.
pub(crate) struct OursUnfair(workmill::Semaphore);

impl Semaphore for OursUnfair {
    fn new(permits: usize) -> Self {
        Self(workmill::Semaphore::unfair(permits))
    }

    fn with_permit(&self, body: impl FnOnce()) {
        self.0.with_permit(body);
    }
}

impl Semaphore for tokio::sync::Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    /// Waits by the cheapest `block_on`: those of pollster and of tokio's own handle cost more.
    fn with_permit(&self, body: impl FnOnce()) {
        let _permit = block_on(self.acquire()).expect("nobody closes it");
        body();
    }
}

impl Semaphore for async_lock::Semaphore {
    fn new(permits: usize) -> Self {
        Self::new(permits)
    }

    fn with_permit(&self, body: impl FnOnce()) {
        let _permit = self.acquire_blocking();
        body();
    }
}

/// A semaphore of ten lines, made of parking_lot's parts.
pub(crate) struct ParkingLot {
    free: parking_lot::Mutex<usize>,
    released: parking_lot::Condvar,
}

impl Semaphore for ParkingLot {
    fn new(permits: usize) -> Self {
        Self {
            free: parking_lot::Mutex::new(permits),
            released: parking_lot::Condvar::new(),
        }
    }

    fn with_permit(&self, body: impl FnOnce()) {
        let mut free = self.free.lock();
        self.released.wait_while(&mut free, |free| *free == 0);
        *free -= 1;
        drop(free);
        body();
        *self.free.lock() += 1;
        self.released.notify_one();
    }
}

/// A semaphore of ten lines, made of std's parts.
pub(crate) struct ByHand {
    free: Mutex<usize>,
    released: Condvar,
}

impl Semaphore for ByHand {
    fn new(permits: usize) -> Self {
        Self {
            free: Mutex::new(permits),
            released: Condvar::new(),
        }
    }

    fn with_permit(&self, body: impl FnOnce()) {
        let free = self.free.lock().expect("no panic under the lock");
        let free = self.released.wait_while(free, |free| *free == 0);
        *free.expect("no panic under the lock") -= 1;
        body();
        *self.free.lock().expect("no panic under the lock") += 1;
        self.released.notify_one();
    }
}

/// Takes the only permit and gives it back, for one thread, which never has to wait. This is not a
/// semaphore.
pub(crate) struct ExchangePair(AtomicUsize);

impl ExchangePair {
    fn exchange(&self, from: usize, to: usize, order: Ordering) {
        let exchanged = self.0.compare_exchange(from, to, order, Ordering::Relaxed);
        exchanged.expect("only one thread is here");
    }
}

impl Semaphore for ExchangePair {
    fn new(permits: usize) -> Self {
        Self(AtomicUsize::new(permits))
    }

    fn with_permit(&self, body: impl FnOnce()) {
        self.exchange(1, 0, Ordering::Acquire);
        body();
        self.exchange(0, 1, Ordering::Release);
    }
}
