//! A queue of waiters that look again each time they are notified.
//!
//! It is for things that change without a lock. The thread that changes them notifies; a waiter
//! looks, and joins the queue if there is nothing for it.
//!
//! # Words
//! To *look* is to take an *item* that is waited for, if there is one. A *notification* by
//! [`notify_one`](WaitQueue::notify_one) goes to the waiter that has been in the queue longest. It
//! is *outstanding* until that waiter *spends* it by looking. A *sleeper* is a waiter that has
//! found nothing at W4.
//!
//! # Protocol
//! *Waiter:* (W1) look; (W2) join the queue; (W3) full fence; (W4) look again, and if there is
//! nothing, sleep until notified, and begin anew.
//!
//! *Notifier:* (N1) change what is looked at; (N2) full fence; (N3) if the queue is not empty,
//! notify.
//!
//! # Why no wake-up is lost
//! All full fences have one order. If W3 comes before N2, N3 sees the waiter in the queue. If N2
//! comes before W3, W4 sees the change, unless another thread has taken the item.
//!
//! For `notify_one`, which wakes one waiter of several, this is an invariant:
//!
//! ```text
//! sleepers without a notification > 0
//!     implies  outstanding notifications + notifiers between N1 and N3 >= available items
//! ```
//!
//! So while a waiter sleeps, every available item has a thread on its way to it. Each event
//! preserves the invariant:
//!
//! - A waiter goes to sleep. W4 found nothing, so for every available item N2 comes after W3, and
//!   N3 sees the waiter: the notifier is still before N3, or has notified.
//! - An item becomes available at N1: one item more, and one notifier more between N1 and N3.
//! - A notifier passes N3 and sees a waiter: one notifier less, one notification more.
//! - A notifier passes N3 and sees no waiter: then N2 came before the W3 of every sleeper. Each of
//!   them found nothing at W4, so the item has been taken, and the notifier was one too many.
//! - A newcomer takes an item: one item less.
//! - A notified waiter looks and takes an item: one notification less, and one item less.
//! - A notified waiter looks and finds nothing: one notification less, and no item was available.
//! - A waiter takes an item at W4 and was notified since W2: one item less, and it passes the
//!   notification on, as a notifier at N2.
//! - A notified waiter leaves without a look: it passes the notification on, as a notifier at N2.
//!
//! [`notify_all`](WaitQueue::notify_all) leaves no sleeper without a notification, so a waiter that
//! was notified by it passes nothing on.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::primitive::{AtomicUsize, Mutex, Ordering, fence, lock};
use crate::spin::{Spin, spin_until};
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until, pending};

/// How long a thread looks before it joins the queue: about as long as it takes to be woken there.
const LOOK: Spin = Spin {
    pauses: 1,
    doublings: 6,
    yields: 16,
};

/// The queue of waiters, with a lock of its own.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    /// The number of waiters that have not been notified. Written under the lock.
    waiting: AtomicUsize,
    list: Mutex<WaitList>,
}

impl WaitQueue {
    /// Creates an empty queue.
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            list: Mutex::new(WaitList::new()),
        }
    }

    /// Returns the number of waiters that have not been notified. This is a snapshot and may be
    /// stale.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// N2 and N3: notifies the waiter that has been in the queue longest.
    #[inline]
    pub(crate) fn notify_one(&self) {
        self.notify_one_after(|| {});
    }

    /// [`notify_one`](Self::notify_one), which calls `before` first if there are waiters.
    #[inline]
    pub(crate) fn notify_one_after(&self, before: impl FnOnce()) {
        // N2. ORDERING: SeqCst pairs with W3 in `enqueue`.
        fence(Ordering::SeqCst);
        if self.waiting() > 0 {
            before();
            self.notify_first();
        }
    }

    #[cold]
    fn notify_first(&self) {
        if let Some(waker) = self.take_notification() {
            unwind::wake(waker);
        }
    }

    /// Notifies the waiter that has been in the queue longest, and returns its waker for the caller
    /// to call. For a caller that holds a lock which waiters take to look.
    #[must_use = "the caller wakes it, outside the lock"]
    pub(crate) fn take_notification(&self) -> Option<Waker> {
        let mut list = lock(&self.list);
        let (waker, ()) = list.notify_one(Signal::One)?;
        self.remove_waiting(1);
        Some(waker)
    }

    /// N2 and N3: notifies all waiters.
    #[inline]
    pub(crate) fn notify_all(&self) {
        // N2. ORDERING: SeqCst pairs with W3 in `enqueue`.
        fence(Ordering::SeqCst);
        if self.waiting() > 0 {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        let woken = {
            let mut list = lock(&self.list);
            let woken = list.notify_all(Signal::All);
            self.remove_waiting(woken.len());
            woken
        };
        wake_all(woken.into_iter().map(|(waker, ())| waker));
    }

    /// Subtracts `n` waiters from the count. The caller holds the lock.
    fn remove_waiting(&self, n: usize) {
        let waiting = self.waiting();
        self.waiting.store(waiting - n, Ordering::Relaxed);
    }

    /// Creates a waiter that is not in the queue yet.
    pub(crate) fn waiter(&self) -> Waiter<'_> {
        Waiter {
            queue: self,
            ticket: None,
        }
    }

    /// Blocks until `look` returns a value. Returns `None` if `deadline` comes first.
    pub(crate) fn wait<R>(
        &self,
        cause: Cause<'_>,
        deadline: Deadline,
        mut look: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let mut found = None;
        let is_decided = || {
            found = look();
            found.is_some() || deadline.is_over()
        };
        if spin_until(LOOK, is_decided) {
            return found;
        }
        let mut waiter = self.waiter();
        let found = block_until(cause, deadline, |waker| {
            waiter.look_or_enqueue(waker, &mut look)
        });
        // A notification that came with the deadline is spent by a last look.
        found.or_else(|| waiter.spend().then(look)?)
    }

    /// Waits until `look` returns a value.
    pub(crate) async fn wait_async<R>(&self, mut look: impl FnMut() -> Option<R>) -> R {
        let mut waiter = self.waiter();
        poll_fn(|cx| match waiter.look_or_enqueue(cx.waker(), &mut look) {
            Some(found) => Poll::Ready(found),
            None => pending(Cause::Arrival),
        })
        .await
    }

    /// W2 and W3: has `waker` called at the next notification. The waiter joins the queue at the
    /// end, unless `ticket` is for a waiter that has not been notified.
    ///
    /// Returns `true` if the waiter had been notified, which the caller has to spend by a look.
    pub(crate) fn enqueue(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        // Wakers are cloned and dropped outside the lock: that is user code.
        let waker = waker.clone();
        let (notified, left_over) = {
            let mut list = lock(&self.list);
            match ticket.take() {
                Some(waiting) if list.signal(&waiting).is_none() => {
                    let other = list.set_waker(&waiting, waker);
                    *ticket = Some(waiting);
                    (false, Some(other))
                }
                other => {
                    let notified = other.is_some_and(|notified| list.redeem(notified).is_ok());
                    *ticket = Some(list.enqueue(waker, ()));
                    let waiting = self.waiting();
                    self.waiting.store(waiting + 1, Ordering::Relaxed);
                    (notified, None)
                }
            }
        };
        unwind::discard(left_over);
        // W3. ORDERING: SeqCst pairs with N2 in `notify_one` and `notify_all`.
        fence(Ordering::SeqCst);
        notified
    }

    /// Leaves the queue, if `ticket` is for a waiter. Returns how the waiter was notified, if it
    /// was.
    pub(crate) fn leave(&self, ticket: &mut Option<Ticket>) -> Option<Signal> {
        let ticket = ticket.take()?;
        let redeemed = {
            let mut list = lock(&self.list);
            let redeemed = list.redeem(ticket);
            self.remove_waiting(redeemed.is_err().into());
            redeemed
        };
        match redeemed {
            Ok(signal) => Some(signal),
            Err((waker, ())) => {
                unwind::discard(waker);
                None
            }
        }
    }
}

/// A waiter, in the queue or not. Dropping it leaves the queue, and passes on a notification that
/// was not spent.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub(crate) struct Waiter<'a> {
    queue: &'a WaitQueue,
    ticket: Option<Ticket>,
}

impl Waiter<'_> {
    /// W2 and W3: joins the queue, or stays in it if it has not been notified, and has `waker`
    /// called at the next notification.
    ///
    /// Returns `true` if the waiter had been notified, which the caller has to spend by a look.
    pub(crate) fn enqueue(&mut self, waker: &Waker) -> bool {
        self.queue.enqueue(&mut self.ticket, waker)
    }

    /// Leaves the queue, with a look made or about to be made. Returns `true` if the waiter had
    /// been notified.
    pub(crate) fn spend(&mut self) -> bool {
        self.queue.leave(&mut self.ticket).is_some()
    }

    /// W1 to W4: returns what `look` finds, or joins the queue.
    pub(crate) fn look_or_enqueue<R>(
        &mut self,
        waker: &Waker,
        mut look: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        if let Some(found) = look() {
            self.spend();
            return Some(found);
        }
        self.enqueue(waker);
        let found = look()?;
        // A notification that came since the waiter joined the queue may be for another item.
        if self.spend() {
            self.queue.notify_one();
        }
        Some(found)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.queue.leave(&mut self.ticket) == Some(Signal::One) {
            self.queue.notify_one();
        }
    }
}
