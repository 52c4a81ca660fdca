//! A line for those who look again each time they are notified.
//!
//! For things that are changed without a lock, by those who then notify: the waiters look, and stand
//! in line when there is nothing for them.
//!
//! # Words
//! To *look* is to take what one waits for, if it is there. A notification by
//! [`notify_one`](Line::notify_one) is a *turn*: it goes to the one that has stood in the line
//! longest, who spends it by looking.
//!
//! # Protocol
//! *Waiter:* (W1) look; (W2) stand in the line; (W3) full fence; (W4) look again, and if there is
//! nothing, sleep until notified, and begin anew. *Notifier:* (N1) change what is looked at; (N2) full
//! fence; (N3) if anybody stands in the line, notify.
//!
//! # Why no wake-up is lost
//! One of the fences W3 and N2 comes first in the one order of all such fences. If it is W3, N3 sees
//! somebody in the line. If it is N2, W4 sees the change, unless somebody else has taken it.
//!
//! With turns: while somebody sleeps in the line without a turn, there are at least as many turns, and
//! notifiers between N1 and N3, as there are things to take. It holds when that one goes to sleep,
//! since W4 found nothing but what came after W3, and each of that makes a turn. Things are taken by
//! newcomers, which leaves it true; and by those who have been notified, who spend one turn for one
//! thing. A turn that meets nothing is spent when there was nothing to take. Whoever leaves with a turn
//! that it has not spent by a look passes it on; what all were told at once need not be.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use super::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::primitive::{AtomicUsize, Mutex, Ordering, fence, lock};
use crate::unwind;
use crate::wait::{Deadline, Spin, block_until, spin_until};

/// How long one looks before it stands in the line: about as long as it takes to be woken there.
const LOOK: Spin = Spin {
    pauses: 1,
    doublings: 6,
    yields: 16,
};

/// The line, with a lock of its own.
#[derive(Debug)]
pub(crate) struct WaitQueue {
    /// How many stand in the line who have not been notified. Written under the lock.
    waiting: AtomicUsize,
    list: Mutex<WaitList>,
}

impl WaitQueue {
    pub(crate) fn new() -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            list: Mutex::new(WaitList::new()),
        }
    }

    /// Counts those who stand in the line and have not been notified, a snapshot, may be stale.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// N2 and N3: gives a turn to the one that has stood in the line longest.
    #[inline]
    pub(crate) fn notify_one(&self) {
        // N2. ORDERING: pairs with W3 in `stand`.
        fence(Ordering::SeqCst);
        if self.waiting() > 0 {
            self.notify_first();
        }
    }

    #[cold]
    fn notify_first(&self) {
        if let Some(waker) = self.take_notification() {
            unwind::wake(waker);
        }
    }

    /// Gives a turn, and has the caller wake the one that got it; for one who holds a lock that is
    /// taken to look.
    #[must_use = "the caller wakes it, outside the lock"]
    pub(crate) fn take_notification(&self) -> Option<Waker> {
        let mut list = lock(&self.list);
        let (waker, ()) = list.notify_one(Signal::One)?;
        self.remove_waiting(1);
        Some(waker)
    }

    /// N2 and N3: wakes all who stand in the line.
    #[inline]
    pub(crate) fn notify_all(&self) {
        // N2. ORDERING: as above.
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

    /// So many stand no more. The caller holds the lock.
    fn remove_waiting(&self, many: usize) {
        let waiting = self.waiting();
        self.waiting.store(waiting - many, Ordering::Relaxed);
    }

    /// A place for one, not taken yet.
    pub(crate) fn waiter(&self) -> Waiter<'_> {
        Waiter {
            queue: self,
            ticket: None,
        }
    }

    /// Waits until `look` gives something; `None` if `deadline` came first.
    pub(crate) fn wait<R>(
        &self,
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
        let found = block_until(deadline, |waker| waiter.look_or_enqueue(waker, &mut look));
        // A turn at the very end is spent like any other.
        found.or_else(|| waiter.spend().then(look)?)
    }

    /// Waits until `look` gives something.
    pub(crate) async fn wait_async<R>(&self, mut look: impl FnMut() -> Option<R>) -> R {
        let mut waiter = self.waiter();
        poll_fn(|cx| match waiter.look_or_enqueue(cx.waker(), &mut look) {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        })
        .await
    }

    /// W2 and W3: takes the place that `ticket` is for, at the end if it was notified, which is what
    /// comes back.
    pub(crate) fn enqueue(&self, ticket: &mut Option<Ticket>, waker: &Waker) -> bool {
        // Cloned and dropped outside the lock: wakers are user code.
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
        // W3. ORDERING: pairs with N2.
        fence(Ordering::SeqCst);
        notified
    }

    /// Leaves the place that `ticket` is for, and tells how it was notified, if it was.
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

/// A place in a line; dropped, it is left, and a turn that came meanwhile is passed on.
#[derive(Debug)]
#[must_use = "a wait ends when this is dropped"]
pub(crate) struct Waiter<'a> {
    queue: &'a WaitQueue,
    ticket: Option<Ticket>,
}

impl Waiter<'_> {
    /// As [`WaitQueue::enqueue`].
    pub(crate) fn enqueue(&mut self, waker: &Waker) -> bool {
        self.queue.enqueue(&mut self.ticket, waker)
    }

    /// Leaves the place, with a look made or about to be; tells whether it was notified.
    pub(crate) fn spend(&mut self) -> bool {
        self.queue.leave(&mut self.ticket).is_some()
    }

    /// W1 to W4: gives what `look` finds, or stands in the line.
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
        // A turn that came after this one stood in the line may be for something else.
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
