//! `Event`: a flag to wait for.
//!
//! The flag is written without a lock, and waiters wait in a [`WaitQueue`]. A waiter that is
//! notified there is released, whatever has become of the flag since. So a waiter that is present
//! at a [`set`](Event::set) need not be quick.

use std::fmt;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::wait_queue::{WaitQueue, Waiter};
use crate::primitive::{AtomicBool, Ordering};
use crate::wait::{Cause, Deadline, block_after_a_look, pending};

/// A flag that can be set and cleared, and that any number of threads and futures can wait for.
///
/// It is like Python's `threading.Event`, with the four forms of this crate. Threads and futures
/// can wait for one event at the same time.
///
/// # Ordering
///
/// Everything before [`set`](Self::set) happens before everything after a wait that it ends.
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
#[doc(alias = "ManualResetEvent")]
pub struct Event {
    flag: AtomicBool,
    waiters: WaitQueue,
}

impl Event {
    /// Creates an event that is not set.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!workmill::Event::new().is_set());
    /// ```
    pub fn new() -> Self {
        Self {
            flag: AtomicBool::new(false),
            waiters: WaitQueue::new(),
        }
    }

    /// Sets the flag, and releases all waiters.
    ///
    /// Threads and futures that wait at this moment are released even if [`clear`](Self::clear)
    /// follows at once. Setting a flag that is set has no effect.
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

    /// Sets the flag. Returns `true` if it was not set before.
    pub(crate) fn set_first(&self) -> bool {
        // ORDERING: Release pairs with Acquire in `is_set`.
        let before = self.flag.swap(true, Ordering::AcqRel);
        self.waiters.notify_all();
        !before
    }

    /// Clears the flag. A wait that begins from now on is ended by the next [`set`](Self::set).
    ///
    /// # Examples
    ///
    /// ```
    /// let event = workmill::Event::new();
    /// event.set();
    /// event.clear();
    /// assert!(!event.is_set());
    /// ```
    pub fn clear(&self) {
        self.flag.store(false, Ordering::Release);
    }

    /// Returns `true` if the flag is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = workmill::Event::new();
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// Blocks until the flag is set.
    ///
    /// # Blocking
    ///
    /// Blocks until the flag is set, and not at all if it is.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = workmill::Event::new();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| event.wait());
    ///     event.set();
    /// });
    /// ```
    pub fn wait(&self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Blocks until the flag is set, but no longer than `timeout`. Returns `false` if the time was
    /// over first.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until the flag is set or the time is over.
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
    /// use workmill::block_on;
    ///
    /// let event = workmill::Event::new();
    /// event.set();
    /// block_on(event.wait_async());
    /// ```
    pub async fn wait_async(&self) {
        let mut waiter = self.waiters.waiter();
        poll_fn(|cx| match self.poll(&mut waiter, cx.waker()) {
            true => Poll::Ready(()),
            false => pending(Cause::Arrival),
        })
        .await;
    }

    /// Returns a function that says whether the flag was set, and has the waker called that it was
    /// given last when it is. It is not noted as what the thread's task waits for.
    pub(super) fn watch(&self) -> impl FnMut(&Waker) -> Poll<()> {
        let mut waiter = self.waiters.waiter();
        move |waker| match self.poll(&mut waiter, waker) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// Blocks until the flag is set. Returns `false` if `deadline` comes first.
    fn wait_until(&self, deadline: Deadline) -> bool {
        let mut waiter = self.waiters.waiter();
        let released = block_after_a_look(Cause::Arrival, deadline, |waker| {
            self.poll(&mut waiter, waker).then_some(())
        });
        // The waiter may have been released at the deadline.
        released.is_some() || waiter.spend()
    }

    /// Returns `true` if the waiter is released. If not, `waker` is called when it is.
    fn poll(&self, waiter: &mut Waiter<'_>, waker: &Waker) -> bool {
        // The last look comes after the fence that the queue makes when a waiter joins it.
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
