//! A queue without capacity: items go directly from a put to a get.
//!
//! Nobody finds room here. Whoever puts *offers* its item: it waits with the item as its note in a
//! line, and a get takes the note of the longest waiter, which is what notifies it. If nobody offers
//! anything and somebody stands in line for an item, the item is *handed over* instead: it is laid down
//! for that one, which is given a turn. That is one step, under the lock; so something lies there only
//! while somebody is on the way to take it, or was dropped on that way, and then it is the next one's.
//! An offered item is accepted when it is taken, and given back when the queue is closed before that.

use std::collections::VecDeque;
use std::mem;
use std::task::{Poll, Waker};

use super::ledger::Ledger;
use crate::primitive::{Mutex, lock};
use crate::sync::error::{PutError, TryPutError};
use crate::sync::wait_list::{Signal, Ticket, WaitList, wake_all};
use crate::unwind;

pub(super) struct Direct<T>(Mutex<Inside<T>>);

struct Inside<T> {
    offers: WaitList<T>,
    handed_over: VecDeque<T>,
}

impl<T> Direct<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inside {
            offers: WaitList::new(),
            handed_over: VecDeque::new(),
        }))
    }

    /// Gives the item to one that stands in line for it, if there is one.
    pub(super) fn hand_over(&self, item: T, ledger: &Ledger) -> Result<(), TryPutError<T>> {
        let handed_over = {
            let mut inside = lock(&self.0);
            // Whoever has offered something longer comes first.
            let is_wanted = inside.offers.is_empty() && ledger.getters().waiting() > 0;
            if !is_wanted && !ledger.is_closed() {
                return Err(TryPutError::Full(item));
            }
            match ledger.accept() {
                Err(refused) => Err((refused, TryPutError::Closed(item))),
                Ok(accepted) => match ledger.getters().take_notification() {
                    None => Err((Some(accepted), TryPutError::Full(item))),
                    Some(waker) => {
                        inside.handed_over.push_back(item);
                        accepted.keep();
                        Ok(waker)
                    }
                },
            }
        };
        // Who is told of it is told outside the lock: wakers are user code.
        match handed_over {
            Ok(waker) => {
                unwind::wake(waker);
                Ok(())
            }
            Err((_retracted, error)) => Err(error),
        }
    }

    /// Takes what was handed over, or the item of whoever has offered one longest, and counts it.
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
                    let (waker, item) = taken.expect("the line has a head");
                    (Some(waker), item)
                })
            }
        };
        // Outside the lock, as above, and counted before a waker is called, which may ask.
        let (waker, item) = taken.ok()?;
        ledger.take();
        waker.into_iter().for_each(unwind::wake);
        Some(item)
    }

    /// Wakes all who offer something, to take it back. The queue has been closed.
    pub(super) fn close(&self) {
        let woken = lock(&self.0).offers.wake_all_to_retry();
        wake_all(woken);
    }

    /// An offer, not made yet.
    pub(super) fn offer<'a>(&'a self, item: T, ledger: &'a Ledger) -> Offer<'a, T> {
        Offer {
            at: self,
            ledger,
            stage: Stage::New(item),
        }
    }
}

/// An item that somebody waits to be relieved of; dropped, it is withdrawn.
#[must_use = "an offer is withdrawn when it is dropped"]
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
    /// Makes the offer, and tells what has become of it.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Result<(), PutError<T>>> {
        // Cloned and dropped outside the lock: wakers are user code.
        let waker = waker.clone();
        let mut inside = lock(&self.at.0);
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) if self.ledger.is_closed() => {
                drop(inside);
                unwind::discard(waker);
                Poll::Ready(Err(PutError(item)))
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
                    PutError(item)
                }))
            }
            Stage::Over => panic!("a put was polled after it was ready"),
        }
    }

    /// Takes the item back; `None` if somebody else has taken it.
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
