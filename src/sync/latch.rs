//! `Latch`: an [`Event`] that is set by the last of a number of calls.

use std::fmt;
use std::time::Duration;

use super::event::Event;
use crate::primitive::{AtomicUsize, Ordering};

/// A latch that opens once it has been counted down to zero, and stays open.
///
/// It is like Java's `CountDownLatch` and C++'s `std::latch`. Threads, tasks of a pool and futures
/// can count down and wait, all at the same time.
///
/// # Ordering
///
/// Everything before each [`count_down`](Self::count_down) happens before everything after a wait
/// that the last of them ends.
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
#[doc(alias("CountDownLatch", "WaitGroup"))]
pub struct Latch {
    left: AtomicUsize,
    open: Event,
}

impl Latch {
    /// Creates a latch that opens after `count` calls of [`count_down`](Self::count_down). With a
    /// count of 0 it is open.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(workmill::Latch::new(0).is_open());
    /// ```
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

    /// Counts down by one, and opens the latch if the count becomes 0. It does nothing to an open
    /// latch.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = workmill::Latch::new(2);
    /// latch.count_down();
    /// latch.count_down();
    /// latch.wait(); // open
    /// ```
    pub fn count_down(&self) {
        let less = |left: usize| left.checked_sub(1);
        // ORDERING: AcqRel pairs with itself, so everything before each call happens before the
        // event is set.
        let before = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, less);
        if before == Ok(1) {
            self.open.set();
        }
    }

    /// Returns the number of calls of [`count_down`](Self::count_down) that are left until the
    /// latch opens. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = workmill::Latch::new(2);
    /// latch.count_down();
    /// assert_eq!(latch.count(), 1);
    /// ```
    pub fn count(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// Returns `true` if the latch is open.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = workmill::Latch::new(1);
    /// assert!(!latch.is_open());
    /// latch.count_down();
    /// assert!(latch.is_open());
    /// ```
    pub fn is_open(&self) -> bool {
        self.open.is_set()
    }

    /// Blocks until the latch is open.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = workmill::Latch::new(1);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| latch.count_down());
    ///     latch.wait();
    /// });
    /// ```
    pub fn wait(&self) {
        self.open.wait();
    }

    /// Blocks until the latch is open, but no longer than `timeout`. Returns `false` if the time
    /// was over first.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0 or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let latch = workmill::Latch::new(1);
    /// assert!(!latch.wait_timeout(Duration::from_millis(1)));
    /// latch.count_down();
    /// assert!(latch.wait_timeout(Duration::ZERO));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.open.wait_timeout(timeout)
    }

    /// Waits until the latch is open, without blocking the thread. Dropping the future ends the
    /// wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let latch = workmill::Latch::new(1);
    /// latch.count_down();
    /// block_on(latch.wait_async());
    /// ```
    pub async fn wait_async(&self) {
        self.open.wait_async().await;
    }

    /// Counts down by one, and then blocks until the latch is open.
    ///
    /// # Blocking
    ///
    /// Blocks until the count is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let latch = workmill::Latch::new(2);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| latch.arrive_and_wait());
    ///     latch.arrive_and_wait(); // both go on together
    /// });
    /// ```
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
