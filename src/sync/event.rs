//! `Event`: a flag to wait for.
//!
//! The flag is written without a lock. Whoever waits for it stands in a [`WaitQueue`]; to be notified there
//! is to be released, whatever has become of the flag since, which is why a waiter that is present at
//! [`set`](Event::set) need not be quick.

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::wait_queue::{WaitQueue, Waiter};
use crate::primitive::{AtomicBool, Ordering};
use crate::wait::{Deadline, block_until};

/// A flag that is set and cleared, and that any number of threads and futures wait for.
///
/// Like Python's `threading.Event`, with the forms of this crate: all of them may wait for one event at
/// the same time.
///
/// # Ordering
///
/// What was done before [`set`](Self::set) has happened before a wait that it ends goes on.
///
/// # Dropping
///
/// Waiters borrow the event, so none can be left when it is dropped.
///
/// # Examples
///
/// ```
/// use workmill::Event;
///
/// let green = Event::new();
/// std::thread::scope(|scope| {
///     for car in 0..3 {
///         let green = &green;
///         scope.spawn(move || {
///             green.wait();
///             println!("car {car} passes");
///         });
///     }
///     green.set();
/// });
/// green.clear();
/// assert!(!green.is_set());
/// ```
pub struct Event {
    flag: AtomicBool,
    waiters: WaitQueue,
}

impl Event {
    /// Makes an event that is not set.
    pub fn new() -> Self {
        Self {
            flag: AtomicBool::new(false),
            waiters: WaitQueue::new(),
        }
    }

    /// Sets the flag, and releases everyone who waits.
    ///
    /// Whoever waits at this moment is released even if [`clear`](Self::clear) follows at once. Setting
    /// a flag that is set does nothing more.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = workmill::Event::new();
    /// event.set();
    /// event.wait(); // does not wait
    /// ```
    pub fn set(&self) {
        self.set_first();
    }

    /// Sets the flag, and tells whether it was this call that did.
    pub(crate) fn set_first(&self) -> bool {
        // ORDERING: Release gives what was done before to `is_set`.
        let before = self.flag.swap(true, Ordering::AcqRel);
        self.waiters.notify_all();
        !before
    }

    /// Clears the flag: who waits from now on waits for the next [`set`](Self::set).
    pub fn clear(&self) {
        self.flag.store(false, Ordering::Release);
    }

    /// Tells whether the flag is set.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Waits until the flag is set.
    ///
    /// # Blocking
    ///
    /// Until the flag is set; not at all if it is.
    pub fn wait(&self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Waits until the flag is set, but no longer than `timeout`; `false` if the time was over first.
    ///
    /// [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// Until the flag is set or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let event = workmill::Event::new();
    /// assert!(!event.wait_timeout(Duration::from_millis(5)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::ZERO));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_set() || self.wait_until(Deadline::after(timeout))
    }

    /// Waits until the flag is set, without blocking the thread.
    ///
    /// The wait begins when the future is first polled. Dropping the future ends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::future::block_on;
    ///
    /// let event = workmill::Event::new();
    /// event.set();
    /// block_on(event.wait_async());
    /// ```
    pub async fn wait_async(&self) {
        let mut waiter = self.waiters.waiter();
        poll_fn(|cx| match self.poll(&mut waiter, cx.waker()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn wait_until(&self, deadline: Deadline) -> bool {
        let mut waiter = self.waiters.waiter();
        let released = block_until(deadline, |waker| {
            self.poll(&mut waiter, waker).then_some(())
        });
        // It may have been released at the very end.
        released.is_some() || waiter.spend()
    }

    /// Tells whether the waiter that has `waiter` is released; if not, `waker` is called when it is.
    fn poll(&self, waiter: &mut Waiter<'_>, waker: &Waker) -> bool {
        // The last look is behind the fence that the line makes when somebody stands in it.
        let released = self.is_set() || waiter.enqueue(waker) || self.is_set();
        if released {
            waiter.spend();
        }
        released
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish_non_exhaustive()
    }
}
