//! How items are put and taken, at once or by waiting.
//!
//! [`order`](super::order) keeps the items and their order, and [`ledger`](super::ledger) the
//! counts and the waiters. Putters, getters and joiners wait in a
//! [`WaitQueue`](crate::sync::wait_queue::WaitQueue) each. Its protocol makes sure that no wake-up
//! is lost, since a put and a get notify after they have changed the queue. A queue without
//! capacity works differently: [`direct`](super::direct).

use std::task::Poll;

use super::direct::Direct;
use super::ledger::Ledger;
use super::order::{Look, Order};
use crate::primitive::yield_now;
use crate::sync::error::{AbandonedError, GetError, NotPut, PutError, TryGetError, TryPutError};
use crate::wait::{Cause, Deadline, block_until};

/// The items of a queue, the counts, and the waiters.
pub(super) struct Engine<T, O> {
    pub(super) items: Items<T, O>,
    pub(super) ledger: Ledger,
}

/// Where the items are.
pub(super) enum Items<T, O> {
    /// In the queue, in the order `O`.
    Kept(O),
    /// Nowhere: without capacity they go directly from a put to a get.
    Direct(Direct<T>),
}

impl<T, O: Order<T>> Engine<T, O> {
    /// Creates a queue with room for `capacity` items.
    pub(super) fn bounded(capacity: usize) -> Self {
        Self {
            items: match capacity {
                0 => Items::Direct(Direct::new()),
                _ => Items::Kept(O::new(Some(capacity))),
            },
            ledger: Ledger::new(),
        }
    }

    /// Creates a queue with room for any number of items.
    pub(super) fn unbounded() -> Self {
        Self {
            items: Items::Kept(O::new(None)),
            ledger: Ledger::new(),
        }
    }

    /// Puts the item if there is room. Never waits.
    #[inline]
    pub(super) fn put_now(&self, item: T) -> Result<(), NotPut<T>> {
        let items = match &self.items {
            Items::Kept(items) => items,
            Items::Direct(direct) => return direct.hand_over(item, &self.ledger),
        };
        let Ok(accepted) = self.ledger.accept() else {
            return Err(NotPut::Closed(item));
        };
        items.push(item).map_err(NotPut::Full)?;
        accepted.keep();
        self.ledger.getters().notify_one();
        Ok(())
    }

    /// Puts the item. Waits for room until `deadline`.
    #[cold]
    pub(super) fn put_until(&self, item: T, deadline: Deadline) -> Result<(), TryPutError<T>> {
        if let Items::Direct(direct) = &self.items {
            let mut offer = direct.offer(item, &self.ledger);
            let taken = block_until(
                Cause::Room(self.ledger.room()),
                deadline,
                |waker| match offer.poll(waker) {
                    Poll::Ready(taken) => Some(taken),
                    Poll::Pending => None,
                },
            );
            return match (taken, offer.withdraw()) {
                (Some(taken), _) => taken.map_err(TryPutError::from),
                (None, Some(item)) => Err(TryPutError::full(item)),
                (None, None) => Ok(()),
            };
        }
        let mut item = Some(item);
        let (cause, putters) = (Cause::Room(self.ledger.room()), self.ledger.putters());
        let put = putters.wait(cause, deadline, || self.look_for_room(&mut item));
        match (put, item) {
            (Some(put), _) => put.map_err(TryPutError::from),
            (None, item) => Err(TryPutError::full(item.expect("it was not put"))),
        }
    }

    /// Puts the item if there is room, and returns `None` if not. `item` is `Some` before the call,
    /// and after it if there was no room.
    pub(super) fn look_for_room(&self, item: &mut Option<T>) -> Option<Result<(), PutError<T>>> {
        // Checked first, so that a put that has to wait is not counted and retracted again and
        // again.
        if self.is_full() && !self.ledger.is_closed() {
            return None;
        }
        match self.put_now(item.take().expect("it is put once")) {
            Ok(()) => Some(Ok(())),
            Err(NotPut::Closed(item)) => Some(Err(PutError::new(item))),
            Err(NotPut::Full(back)) => {
                *item = Some(back);
                None
            }
        }
    }

    /// Takes an item. Waits for one until `deadline`.
    #[cold]
    pub(super) fn get_until(&self, deadline: Deadline) -> Result<T, TryGetError> {
        let got = (self.ledger.getters()).wait(Cause::Arrival, deadline, || self.look_for_item());
        match got {
            Some(got) => got.map_err(TryGetError::from),
            None => Err(TryGetError::Empty),
        }
    }

    /// Takes an item if there is one. Returns an error if the queue is drained, and `None` if a
    /// getter has to wait.
    pub(super) fn look_for_item(&self) -> Option<Result<T, GetError>> {
        match self.take() {
            Some(item) => Some(Ok(item)),
            None => self.ledger.is_drained().then_some(Err(GetError)),
        }
    }

    /// Takes an item if there is one, and counts it as taken.
    #[inline(always)]
    pub(super) fn take(&self) -> Option<T> {
        let item = match &self.items {
            Items::Kept(items) => items.pop()?,
            Items::Direct(direct) => return direct.take(&self.ledger),
        };
        self.ledger.take();
        Some(item)
    }

    /// Waits until nothing is unfinished, or the queue is abandoned. Returns `None` if `deadline`
    /// comes first.
    pub(super) fn join_until(&self, deadline: Deadline) -> Option<Result<(), AbandonedError>> {
        let joiners = self.ledger.joiners();
        joiners.wait(Cause::Arrival, deadline, || self.look_whether_done())
    }

    /// Returns `Ok` if nothing is unfinished, an error if the queue is abandoned, and `None` if a
    /// joiner has to wait.
    pub(super) fn look_whether_done(&self) -> Option<Result<(), AbandonedError>> {
        // Read first: the last consumer may finish an item just before it goes.
        let is_abandoned = self.ledger.is_abandoned();
        match self.ledger.unfinished() {
            0 => Some(Ok(())),
            _ => is_abandoned.then_some(Err(AbandonedError)),
        }
    }

    /// Puts an item in front of all others that was taken, and is still to be finished. It is
    /// dropped if the order panics.
    pub(super) fn give_back(&self, item: T) {
        let accepted = self.ledger.accept_again();
        match &self.items {
            Items::Kept(items) => items.give_back(item),
            Items::Direct(direct) => direct.give_back(item),
        }
        accepted.keep();
        self.ledger.getters().notify_one();
    }

    /// E1: counts a producer less, and closes the queue if it was the last.
    pub(super) fn producer_gone(&self) {
        if self.ledger.remove_producer() {
            self.close();
        }
    }

    /// E2 to E4: counts a consumer less, and abandons the queue if it was the last.
    pub(super) fn consumer_gone(&self) {
        if self.ledger.remove_consumer() {
            self.ledger.note_abandoned();
            self.close();
            self.ledger.joiners().notify_all();
        }
    }

    /// Closes the queue: puts are refused from now on, those that wait too.
    pub(super) fn close(&self) {
        self.ledger.close();
        if let Items::Direct(direct) = &self.items {
            direct.close();
        }
    }

    /// Takes out all items that are there, which are counted as finished.
    pub(super) fn drain(&self) -> Vec<T> {
        let most = match &self.items {
            Items::Kept(items) => items.len(),
            Items::Direct(direct) => direct.len(),
        };
        let items = std::iter::from_fn(|| self.take()).take(most);
        let finished = items.inspect(|_| {
            // An error means that a caller of `task_done` has reported too many items done.
            let _ = self.ledger.finish();
        });
        finished.collect()
    }

    /// Takes out the items for which `keep` returns `false`, which are counted as finished.
    pub(super) fn retain(&self, keep: impl FnMut(&T) -> bool) -> Vec<T>
    where
        O: Look<T>,
    {
        let Items::Kept(items) = &self.items else {
            return Vec::new();
        };
        let removed = items.retain(keep);
        for _ in &removed {
            self.ledger.take();
            // An error means that a caller of `task_done` has reported too many items done.
            let _ = self.ledger.finish();
        }
        removed
    }

    /// Closes the queue, and takes out all items, which are counted as finished.
    pub(super) fn close_and_drain(&self) -> Vec<T> {
        self.close();
        let mut drained = Vec::new();
        loop {
            match self.look_for_item() {
                Some(Ok(item)) => {
                    drained.push(item);
                    // An error means that a caller of `task_done` has reported too many items done.
                    let _ = self.ledger.finish();
                }
                Some(Err(GetError)) => break,
                // A put was counted before the close, and is about to push its item.
                None => yield_now(),
            }
        }
        drained
    }

    /// Returns the number of items in the queue. This is a snapshot and may be stale.
    pub(super) fn len(&self) -> usize {
        match &self.items {
            Items::Kept(items) => items.len(),
            Items::Direct(_) => 0,
        }
    }

    /// Returns `true` if there is no room. This is a snapshot and may be stale.
    pub(super) fn is_full(&self) -> bool {
        self.capacity()
            .is_some_and(|capacity| self.len() >= capacity)
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        match &self.items {
            Items::Kept(items) => Some(items.capacity()).filter(|capacity| *capacity < usize::MAX),
            Items::Direct(_) => Some(0),
        }
    }

    /// Changes the capacity. Those who wait for room look again, since there may be more.
    pub(super) fn set_capacity(&self, capacity: usize) {
        assert!(
            capacity > 0,
            "a queue without capacity is made by `bounded(0)`"
        );
        let Items::Kept(items) = &self.items else {
            panic!("a queue that was made without capacity stays so");
        };
        items.set_capacity(capacity);
        self.ledger.putters().notify_all();
    }
}
