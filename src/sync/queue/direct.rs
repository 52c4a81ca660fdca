//! A queue without capacity: items go directly from a put to a get.
//!
//! There is never room. A put that waits *offers* its item: it waits in a list of offers, with the
//! item as its note. A get takes the note of the oldest offer, and by that notifies its waiter. If
//! there is no offer and a getter waits, the item is *handed over* instead: it is laid down for
//! that getter, which is notified. That is one step, under the lock. So an item lies there only
//! while a getter is on its way to take it, or if the getter was dropped on its way, or the item
//! was given back; then the next getter takes it. An offered item is accepted when it is taken, and
//! given back to its putter if the queue is closed before that.

use std::collections::VecDeque;
use std::mem;
use std::task::{Poll, Waker};

use super::ledger::Ledger;
use crate::primitive::{Mutex, lock};
use crate::sync::error::{NotPut, PutError};
use crate::sync::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::unwind;

/// The offers, and the items that were handed over.
pub(super) struct Direct<T>(Mutex<Inside<T>>);

struct Inside<T> {
    offers: WaitList<T>,
    handed_over: VecDeque<T>,
}

impl<T> Direct<T> {
    /// Creates a queue without offers.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inside {
            offers: WaitList::new(),
            handed_over: VecDeque::new(),
        }))
    }

    /// Hands the item over to the getter that has waited longest, if one waits.
    pub(super) fn hand_over(&self, item: T, ledger: &Ledger) -> Result<(), NotPut<T>> {
        let handed_over = {
            let mut inside = lock(&self.0);
            // An item that was offered before comes first.
            let is_wanted = inside.offers.is_empty() && ledger.getters().waiting() > 0;
            if !is_wanted && !ledger.is_closed() {
                return Err(NotPut::Full(item));
            }
            match ledger.accept() {
                Err(refused) => Err((refused, NotPut::Closed(item))),
                Ok(accepted) => match ledger.getters().take_notification() {
                    None => Err((Some(accepted), NotPut::Full(item))),
                    Some(waker) => {
                        inside.handed_over.push_back(item);
                        accepted.keep();
                        Ok(waker)
                    }
                },
            }
        };
        // Wakers are user code, so they are called outside the lock. A retraction calls some too.
        match handed_over {
            Ok(waker) => {
                unwind::wake(waker);
                Ok(())
            }
            Err((_retracted, error)) => Err(error),
        }
    }

    /// Takes an item that was handed over, or else that of the oldest offer, and counts it as
    /// taken.
    pub(super) fn take(&self, ledger: &Ledger) -> Option<T> {
        let taken = {
            let mut inside = lock(&self.0);
            if let Some(item) = inside.handed_over.pop_front() {
                Ok((None, item))
            } else {
                inside.offers.head()?;
                ledger.accept().map(|accepted| {
                    let taken = inside.offers.notify_one(Signal::One);
                    accepted.keep();
                    let (waker, item) = taken.expect("the list has a head");
                    (Some(waker), item)
                })
            }
        };
        // Outside the lock, and the item is counted before the waker is called, which may ask for
        // counts.
        let (waker, item) = taken.ok()?;
        ledger.take();
        if let Some(waker) = waker {
            ledger.room().served();
            unwind::wake(waker);
        }
        Some(item)
    }

    /// Returns the number of items that can be taken.
    pub(super) fn len(&self) -> usize {
        let inside = lock(&self.0);
        inside.offers.len() + inside.handed_over.len()
    }

    /// Lays down an item for the next getter.
    pub(super) fn give_back(&self, item: T) {
        lock(&self.0).handed_over.push_front(item);
    }

    /// Wakes all waiters that offer an item, to take it back. The queue has been closed.
    pub(super) fn close(&self) {
        let woken = lock(&self.0).offers.wake_all_to_retry();
        wake_all(woken);
    }

    /// Creates an offer. It is made at the first poll.
    pub(super) fn offer<'a>(&'a self, item: T, ledger: &'a Ledger) -> Offer<'a, T> {
        Offer {
            at: self,
            ledger,
            stage: Stage::New(item),
        }
    }
}

/// An item that waits to be taken. Dropping the offer withdraws it.
#[must_use = "the offer is withdrawn when this is dropped"]
pub(super) struct Offer<'a, T> {
    at: &'a Direct<T>,
    ledger: &'a Ledger,
    stage: Stage<T>,
}

enum Stage<T> {
    New(T),
    Made(Ticket),
    /// Taken, or withdrawn.
    Over,
}

impl<T> Offer<'_, T> {
    /// Makes the offer, unless it is made, and has `waker` called when the item is taken or the
    /// queue is closed.
    ///
    /// # Errors
    ///
    /// The item, if the queue is closed and the item was not taken before.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), PutError<T>>> {
        // Wakers are cloned and dropped outside the lock: that is user code.
        let waker = waker.clone();
        let mut inside = lock(&self.at.0);
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) if self.ledger.is_closed() => {
                drop(inside);
                unwind::discard(waker);
                Poll::Ready(Err(PutError::new(item)))
            }
            Stage::New(item) => {
                self.stage = Stage::Made(inside.offers.enqueue(waker, item));
                drop(inside);
                self.ledger.getters().notify_one();
                Poll::Pending
            }
            Stage::Made(ticket)
                if inside.offers.signal(&ticket).is_none() && !self.ledger.is_closed() =>
            {
                let other = inside.offers.set_waker(&ticket, waker);
                self.stage = Stage::Made(ticket);
                drop(inside);
                unwind::discard(other);
                Poll::Pending
            }
            Stage::Made(ticket) => {
                let redeemed = inside.offers.redeem(ticket);
                drop(inside);
                unwind::discard(waker);
                Poll::Ready(redeemed.map(drop).map_err(|(other, item)| {
                    unwind::discard(other);
                    PutError::new(item)
                }))
            }
            Stage::Over => panic!("a put was polled after it was ready"),
        }
    }

    /// Takes the item back. Returns `None` if a get has taken it, or if it was taken back before.
    pub(super) fn withdraw(&mut self) -> Option<T> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) => Some(item),
            Stage::Made(ticket) => {
                let redeemed = lock(&self.at.0).offers.redeem(ticket);
                let (waker, item) = redeemed.err()?;
                unwind::discard(waker);
                Some(item)
            }
            Stage::Over => None,
        }
    }
}

impl<T> Drop for Offer<'_, T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}
