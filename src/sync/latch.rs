//! `Latch`: an [`Event`] that is set by the last of so many.

use std::fmt;
use std::time::Duration;

use super::event::Event;
use crate::primitive::{AtomicUsize, Ordering};

/// Opens once so many have counted down, and stays open.
///
/// Java calls it `CountDownLatch`, C++ `std::latch`. What counts down and what waits may be threads,
/// tasks of a pool and futures, all at the same time.
///
/// # Ordering
///
/// What was done before each [`count_down`](Self::count_down) has happened before any wait that the
/// last of them ends goes on.
///
/// # Dropping
///
/// Waiters borrow the latch, so none can be left when it is dropped.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use workmill::{Latch, ThreadPoolExecutor};
///
/// let (pool, all_milled) = (ThreadPoolExecutor::new(2)?, Arc::new(Latch::new(3)));
/// for _sack in 0..3 {
///     let all_milled = Arc::clone(&all_milled);
///     pool.execute(move || all_milled.count_down());
/// }
/// all_milled.wait();
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Latch {
    left: AtomicUsize,
    open: Event,
}

impl Latch {
    /// Makes a latch that opens after `count` calls of [`count_down`](Self::count_down); with none it
    /// is open.
    pub fn new(count: usize) -> Self {
        let latch = Self {
            left: AtomicUsize::new(count),
            open: Event::new(),
        };
        if count == 0 {
            latch.open.set();
        }
        latch
    }

    /// Counts down by one, and opens the latch if it was the last. On an open latch it does nothing.
    pub fn count_down(&self) {
        let less = |left: usize| left.checked_sub(1);
        // ORDERING: AcqRel hands what everyone did before on to the one that opens.
        let before = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
        if before == Ok(1) {
            self.open.set();
        }
    }

    /// Tells how many are still to count down, a snapshot, may be stale.
    pub fn count(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Tells whether the latch is open, so that no wait would wait.
    pub fn is_open(&self) -> bool {
        self.open.is_set()
    }

    /// Waits until the latch is open.
    ///
    /// # Blocking
    ///
    /// Until the last one has counted down.
    pub fn wait(&self) {
        self.open.wait();
    }

    /// Waits until the latch is open, but no longer than `timeout`; `false` if the time was over first.
    ///
    /// [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until the last one has counted down or the time is over.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.open.wait_timeout(timeout)
    }

    /// Waits until the latch is open, without blocking the thread. Dropping the future ends the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::future::block_on;
    ///
    /// let latch = workmill::Latch::new(1);
    /// latch.count_down();
    /// block_on(latch.wait_async());
    /// ```
    pub async fn wait_async(&self) {
        self.open.wait_async().await;
    }

    /// Counts down by one, and then waits for the others.
    ///
    /// # Blocking
    ///
    /// As [`wait`](Self::wait).
    pub fn arrive_and_wait(&self) {
        self.count_down();
        self.wait();
    }
}

impl fmt::Debug for Latch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latch")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
