//! `Notify`: wakes waiters, and keeps one notification if nobody waits.
//!
//! # Words
//! A *notification* is what [`notify_one`](Notify::notify_one) makes. It goes to the *waiter* that
//! has been in the list longest, or is *kept*. A waiter *uses* its notification by ending its wait.
//! The *word* is NONE, KEPT or WAITING.
//!
//! # Invariants
//! 1. The word is WAITING while the list has waiters that were not notified, and only then. It
//!    becomes WAITING, and ceases to be, only under the list's lock.
//! 2. KEPT is one notification that no waiter has, so none is kept while somebody waits.
//! 3. The word is changed by exchanges only.
//!
//! # Protocol
//! - *Notify one:* if the word is NONE or KEPT, change it to KEPT, by an exchange that expects the
//!   word that was seen. If it is WAITING, notify the first waiter under the lock, and change the
//!   word to NONE if that was the last. If the list is empty by then, start again.
//! - *Notify all:* read the word by an exchange that leaves it as it is. If it is WAITING, notify
//!   all waiters under the lock, and change the word to NONE.
//! - *Begin to wait*, under the lock: change KEPT to NONE and have that notification; or change
//!   NONE to WAITING, unless it is WAITING, and join the list.
//! - *Give up:* redeem the ticket under the lock. If the waiter was not notified, and was the last,
//!   change the word to NONE. If it has a notification of its own, make that anew, as notify one
//!   does. If all were notified, nothing has to be passed on.
//!
//! # Why no notification is lost
//! A notification is made by an exchange to KEPT, or for a waiter under the lock. The exchange
//! expects a word by which nobody waits, and the first waiter to join the list changes the word by
//! an exchange too. So one of both comes first: the waiter finds KEPT, or the notifier finds
//! WAITING. A second notification that finds KEPT becomes one with the first, as is promised. A
//! waiter that gives up learns under the lock whether it was notified (see
//! [`wait_list`](super::wait_list)), and passes on what it does not use.
//!
//! Notify all finds every waiter that has begun to wait before it, and what its caller did before
//! is seen by every waiter that begins after it. For both change the word by exchanges, which have
//! one order. If that of the waiter, or of the waiter that made the word WAITING before it, comes
//! first, notify all reads WAITING, takes the lock and finds both. If it comes later, it reads what
//! the exchange of notify all wrote, or what a later exchange wrote, and all of these continue its
//! release sequence; a waiter that finds WAITING has it from the lock. So a caller may begin to
//! wait and then look at a flag, while others set the flag and then notify all.
//!
//! # Why not otherwise
//! A plain load in notify all may be made before the caller's flag is visible to others, and miss a
//! waiter that has missed the flag. A [`WaitQueue`](super::wait_queue) has fences for that, but its
//! notifications may go to nobody: its waiters look for items that stay where they are. The word
//! could be a flag under the lock, but then a notification that is kept would take the lock.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::primitive::{AtomicU8, Mutex, Ordering, lock};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_after_a_look, pending};

/// Nobody waits, and no notification is kept.
const NONE: u8 = 0;
/// Nobody waits, and a notification is kept.
const KEPT: u8 = 1;
/// Somebody waits.
const WAITING: u8 = 2;

/// Wakes one waiter or all of them. A notification for which nobody waits is kept for the next
/// wait.
///
/// It is like tokio's `Notify`, for threads, tasks and futures alike, with the four forms of this
/// crate. It carries no value: the waiter looks for itself at what has changed. At most one
/// notification is kept, so several may become one.
///
/// # Fairness
///
/// [`notify_one`](Self::notify_one) wakes the waiter that has waited longest.
///
/// # Ordering
///
/// Everything before a notification happens before everything after the wait that it ends, also if
/// it became one with another notification. Everything before [`notify_all`](Self::notify_all)
/// happens before everything after the beginning of a wait that it does not end because it came
/// too early.
///
/// # Dropping
///
/// Waiters borrow the object, so none can be left when it is dropped, except those that were
/// [forgotten](std::mem::forget). A forgotten wait stays in line, and takes a notification.
///
/// # Examples
///
/// A mailbox with room for one letter, in which a new letter replaces the old:
///
/// ```
/// use std::sync::Mutex;
/// use workmill::Notify;
///
/// let (mailbox, arrived) = (Mutex::new(None), Notify::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *mailbox.lock().unwrap() = Some("flour is out");
///         arrived.notify_one(); // kept if the reader has not come yet
///     });
///     arrived.wait();
///     assert_eq!(mailbox.lock().unwrap().take(), Some("flour is out"));
/// });
/// ```
#[doc(alias("Condition", "Condvar"))]
pub struct Notify {
    word: AtomicU8,
    waiters: Mutex<WaitList>,
}

impl Notify {
    /// Creates an object that keeps no notification.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!workmill::Notify::new().try_wait());
    /// ```
    pub fn new() -> Self {
        Self {
            word: AtomicU8::new(NONE),
            waiters: Mutex::new(WaitList::new()),
        }
    }

    /// Wakes the waiter that has waited longest. If nobody waits, keeps the notification for the
    /// next wait, which then ends at once.
    ///
    /// At most one notification is kept: with one kept already, nothing more is.
    ///
    /// # Examples
    ///
    /// ```
    /// let bell = workmill::Notify::new();
    /// bell.notify_one();
    /// bell.notify_one();
    /// bell.wait(); // does not wait
    /// assert!(!bell.try_wait(), "the two became one");
    /// ```
    pub fn notify_one(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            if word == WAITING {
                if let Some(waker) = self.notify_first() {
                    return unwind::wake(waker);
                }
                // All waiters have left meanwhile.
                word = self.word.load(Ordering::Relaxed);
            } else {
                // ORDERING: Release pairs with Acquire in `try_wait`.
                let order = (Ordering::Release, Ordering::Relaxed);
                match self
                    .word
                    .compare_exchange_weak(word, KEPT, order.0, order.1)
                {
                    Ok(_) => return,
                    Err(seen) => word = seen,
                }
            }
        }
    }

    /// Wakes all that wait at this moment. Keeps no notification for later waits, and leaves one
    /// that is kept already.
    ///
    /// A wait that has begun is ended, also one by [`notified`](Self::notified) for which nobody
    /// blocks yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let bell = workmill::Notify::new();
    /// let (first, second) = (bell.notified(), bell.notified());
    /// bell.notify_all();
    /// first.wait(); // does not wait
    /// second.wait();
    /// assert!(!bell.wait_timeout(Duration::from_millis(5)));
    /// ```
    #[doc(alias = "notify_waiters")]
    pub fn notify_all(&self) {
        // ORDERING: an exchange that changes nothing. Release pairs with Acquire in `begin`.
        if self.word.fetch_or(NONE, Ordering::Release) != WAITING {
            return;
        }
        let woken = {
            let mut waiters = lock(&self.waiters);
            let woken = waiters.notify_all(Signal::All);
            if !woken.is_empty() {
                self.settle(&waiters);
            }
            woken
        };
        wake_all(woken.into_iter().map(|(waker, ())| waker));
    }

    /// Notifies the first waiter, and returns its waker for the caller to call.
    #[must_use = "the caller wakes it, outside the lock"]
    fn notify_first(&self) -> Option<Waker> {
        let mut waiters = lock(&self.waiters);
        let (waker, ()) = waiters.notify_one(Signal::One)?;
        self.settle(&waiters);
        Some(waker)
    }

    /// Restores invariant 1 after a waiter has left the list, whose lock the caller holds.
    fn settle(&self, waiters: &WaitList) {
        if waiters.is_empty() {
            // ORDERING: an exchange, so that release sequences go on. The lock orders the rest.
            let before = self.word.swap(NONE, Ordering::Relaxed);
            debug_assert_eq!(before, WAITING, "it changes under the lock");
        }
    }

    /// Takes the notification that is kept, if one is. Never waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let bell = workmill::Notify::new();
    /// assert!(!bell.try_wait());
    /// bell.notify_one();
    /// assert!(bell.try_wait());
    /// ```
    pub fn try_wait(&self) -> bool {
        // ORDERING: Acquire pairs with Release in `notify_one`.
        self.word
            .compare_exchange(KEPT, NONE, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Blocks until a notification wakes this thread. Takes the notification that is kept, if one
    /// is.
    ///
    /// # Blocking
    ///
    /// Blocks until a notification comes, and not at all if one is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// let notify = workmill::Notify::new();
    /// notify.notify_one(); // kept, since nobody waits
    /// notify.wait();
    /// ```
    pub fn wait(&self) {
        if !self.try_wait() {
            self.wait_async().wait();
        }
    }

    /// Blocks until a notification wakes this thread, but no longer than `timeout`. Returns `false`
    /// if the time was over first.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until a notification comes or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let bell = workmill::Notify::new();
    /// assert!(!bell.wait_timeout(Duration::from_millis(5)));
    /// bell.notify_one();
    /// assert!(bell.wait_timeout(Duration::ZERO));
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // Tried first, so that callers that do not wait read no clock and join no list.
        self.try_wait() || !timeout.is_zero() && self.wait_async().wait_timeout(timeout)
    }

    /// Returns a future that waits for a notification.
    ///
    /// The wait begins when the future is first polled. To begin it at once, call
    /// [`notified`](Self::notified).
    ///
    /// # Cancellation
    ///
    /// Dropping the future ends the wait. A notification that it got meanwhile goes to the next
    /// waiter, or is kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::block_on;
    ///
    /// let bell = workmill::Notify::new();
    /// bell.notify_one();
    /// block_on(bell.wait_async());
    /// ```
    pub fn wait_async(&self) -> Notified<'_> {
        Notified {
            notify: self,
            stage: Stage::New,
        }
    }

    /// Begins to wait, and returns the wait, for which the caller can block or which it can await
    /// later.
    ///
    /// A notification that comes in between is not lost. So the caller can look, after the wait has
    /// begun, whether it has to wait at all. If a notification is kept, the wait takes it.
    ///
    /// # Examples
    ///
    /// Threads that wait until a number is large enough:
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use workmill::Notify;
    ///
    /// let (loaves, baked) = (AtomicU32::new(0), Notify::new());
    /// std::thread::scope(|scope| {
    ///     for wanted in 1..=3 {
    ///         let (loaves, baked) = (&loaves, &baked);
    ///         scope.spawn(move || {
    ///             loop {
    ///                 let next = baked.notified(); // begins before the look
    ///                 if loaves.load(Ordering::Relaxed) >= wanted {
    ///                     break;
    ///                 }
    ///                 next.wait();
    ///             }
    ///         });
    ///     }
    ///     for _ in 0..3 {
    ///         loaves.fetch_add(1, Ordering::Relaxed);
    ///         baked.notify_all();
    ///     }
    /// });
    /// ```
    #[doc(alias = "enable")]
    pub fn notified(&self) -> Notified<'_> {
        let (stage, _no_waker) = self.begin(Waker::noop().clone());
        Notified {
            notify: self,
            stage,
        }
    }

    /// Begins to wait. Returns the waker if it is not used.
    fn begin(&self, waker: Waker) -> (Stage, Option<Waker>) {
        if self.try_wait() {
            return (Stage::Notified, Some(waker));
        }
        let mut waiters = lock(&self.waiters);
        loop {
            let word = self.word.load(Ordering::Relaxed);
            if word == KEPT {
                if self.try_wait() {
                    return (Stage::Notified, Some(waker));
                }
            } else if word == WAITING || self.becomes_waiting() {
                return (Stage::Waiting(waiters.enqueue(waker, ())), None);
            }
        }
    }

    /// Changes the word from NONE to WAITING, for a caller that holds the lock. Returns `false` if
    /// it is not NONE.
    #[must_use]
    fn becomes_waiting(&self) -> bool {
        // ORDERING: Acquire pairs with Release in `notify_all`.
        self.word
            .compare_exchange(NONE, WAITING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Notify")
            .field("kept", &(word == KEPT))
            .field("waiting", &(word == WAITING))
            .finish_non_exhaustive()
    }
}

/// A wait for a notification of a [`Notify`]. It can be awaited or blocked on.
///
/// It is returned by [`Notify::notified`], which begins the wait, and by [`Notify::wait_async`],
/// whose wait begins with the first poll. A wait that has ended stays so: polling it again returns
/// at once.
///
/// # Dropping
///
/// Dropping it ends the wait. A notification by [`notify_one`](Notify::notify_one) that it got and
/// that ended nothing goes to the next waiter, or is kept.
///
/// # Examples
///
/// ```
/// let bell = workmill::Notify::new();
/// let (first, second) = (bell.notified(), bell.notified());
/// bell.notify_one(); // wakes the first
/// drop(first); // which does not use it
/// second.wait();
/// ```
#[must_use = "a wait ends when it is dropped: await it, or call `wait`"]
pub struct Notified<'a> {
    notify: &'a Notify,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The wait has not begun.
    New,
    /// The waiter is in the list, or notified and not aware of it.
    Waiting(Ticket),
    /// The waiter has a notification of its own, which it has not used.
    Notified,
    /// The wait is over.
    Over,
}

impl Notified<'_> {
    /// Blocks until a notification ends this wait.
    ///
    /// # Blocking
    ///
    /// Blocks until a notification comes, and not at all if one came since the wait began.
    ///
    /// # Examples
    ///
    /// ```
    /// let notify = workmill::Notify::new();
    /// let notified = notify.notified(); // begins here
    /// notify.notify_all();
    /// notified.wait();
    /// ```
    pub fn wait(mut self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Blocks until a notification ends this wait, but no longer than `timeout`. Returns `false` if
    /// the time was over first. Then the wait goes on, until this object is dropped.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until a notification comes or the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let bell = workmill::Notify::new();
    /// let mut wait = bell.notified();
    /// assert!(!wait.wait_timeout(Duration::from_millis(5)));
    /// bell.notify_all(); // the wait has not ended, so this ends it
    /// assert!(wait.wait_timeout(Duration::ZERO));
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> bool {
        self.wait_until(Deadline::after(timeout))
    }

    fn wait_until(&mut self, deadline: Deadline) -> bool {
        let ended = block_after_a_look(Cause::Arrival, deadline, |waker| {
            self.poll_with(waker).then_some(())
        });
        // The waiter may have been notified at the deadline.
        ended.is_some() || self.poll_with(Waker::noop())
    }

    /// Returns `true` if the wait is over. If not, `waker` is called when this is to be polled
    /// again.
    fn poll_with(&mut self, waker: &Waker) -> bool {
        if let Stage::Over = self.stage {
            return true;
        }
        // Cloning and dropping a waker is user code. The clone is made before anything changes, and
        // the waker that is left over is dropped outside the lock, when all is settled.
        let waker = waker.clone();
        let (stage, left_over) = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => self.notify.begin(waker),
            Stage::Waiting(ticket) => {
                let mut waiters = lock(&self.notify.waiters);
                match waiters.signal(&ticket) {
                    None => {
                        let other = waiters.set_waker(&ticket, waker);
                        (Stage::Waiting(ticket), other)
                    }
                    Some(_) => {
                        let redeemed = waiters.redeem(ticket);
                        debug_assert!(redeemed.is_ok(), "the ticket was notified");
                        (Stage::Over, Some(waker))
                    }
                }
            }
            Stage::Notified | Stage::Over => (Stage::Over, Some(waker)),
        };
        self.stage = match stage {
            Stage::Notified => Stage::Over,
            stage => stage,
        };
        unwind::discard(left_over);
        matches!(self.stage, Stage::Over)
    }

    /// Ends the wait. Returns `true` if the waiter has a notification that it has not used.
    #[must_use = "the notification is to be passed on"]
    fn give_up(&mut self) -> bool {
        let ticket = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Waiting(ticket) => ticket,
            Stage::Notified => return true,
            Stage::New | Stage::Over => return false,
        };
        let redeemed = {
            let mut waiters = lock(&self.notify.waiters);
            let redeemed = waiters.redeem(ticket);
            if redeemed.is_err() {
                self.notify.settle(&waiters);
            }
            redeemed
        };
        match redeemed {
            Ok(signal) => signal == Signal::One,
            Err((waker, ())) => {
                unwind::discard(waker);
                false
            }
        }
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if self.give_up() {
            self.notify.notify_one();
        }
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_with(cx.waker()) {
            true => Poll::Ready(()),
            false => pending(Cause::Arrival),
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("over", &matches!(self.stage, Stage::Over))
            .finish_non_exhaustive()
    }
}
