//! How items are put and taken, at once or by waiting.
//!
//! Where the items are, and in what order, is [`order`](super::order)'s business; what is counted, [`ledger`](super::ledger)'s. Here
//! is how one waits: for an item and for room in a [`WaitQueue`](crate::sync::wait_queue::WaitQueue), whose protocol sees to
//! it that no wake-up is lost, since whoever puts or takes notifies after it has. A queue without
//! capacity is another thing: [`direct`](super::direct).

use std::task::Poll;

use super::direct::Direct;
use super::ledger::Ledger;
use super::order::Order;
use crate::primitive::yield_now;
use crate::sync::error::{GetError, PutError, TryGetError, TryPutError};
use crate::wait::{Deadline, block_until};

/// The items of a queue, and who waits for them.
pub(super) struct Engine<T, O> {
    pub(super) items: Items<T, O>,
    pub(super) capacity: Option<usize>,
    pub(super) ledger: Ledger,
}

pub(super) enum Items<T, O> {
    Kept(O),
    /// They go from hand to hand, if there is no capacity.
    Direct(Direct<T>),
}

impl<T, O: Order<T>> Engine<T, O> {
    pub(super) fn bounded(capacity: usize) -> Self {
        Self {
            items: match capacity {
                0 => Items::Direct(Direct::new()),
                _ => Items::Kept(O::new(Some(capacity))),
            },
            capacity: Some(capacity),
            ledger: Ledger::new(),
        }
    }

    pub(super) fn unbounded() -> Self {
        Self {
            items: Items::Kept(O::new(None)),
            capacity: None,
            ledger: Ledger::new(),
        }
    }

    #[inline]
    pub(super) fn put_now(&self, item: T) -> Result<(), TryPutError<T>> {
        let items = match &self.items {
            Items::Kept(items) => items,
            Items::Direct(direct) => return direct.hand_over(item, &self.ledger),
        };
        let Ok(accepted) = self.ledger.accept() else {
            return Err(TryPutError::Closed(item));
        };
        items.push(item).map_err(TryPutError::Full)?;
        accepted.keep();
        self.ledger.getters().notify_one();
        Ok(())
    }

    #[cold]
    pub(super) fn put_until(&self, item: T, deadline: Deadline) -> Result<(), TryPutError<T>> {
        if let Items::Direct(direct) = &self.items {
            let mut offer = direct.offer(item, &self.ledger);
            let taken = block_until(deadline, |waker| match offer.poll(waker) {
                Poll::Ready(taken) => Some(taken),
                Poll::Pending => None,
            });
            return match (taken, offer.withdraw()) {
                (Some(taken), _) => taken.map_err(TryPutError::from),
                (None, Some(item)) => Err(TryPutError::Full(item)),
                (None, None) => Ok(()),
            };
        }
        let mut item = Some(item);
        let put = (self.ledger.putters()).wait(deadline, || self.look_for_room(&mut item));
        match (put, item) {
            (Some(put), _) => put.map_err(TryPutError::from),
            (None, item) => Err(TryPutError::Full(item.expect("it was not put"))),
        }
    }

    /// Puts the item, if there is room; it is there until then.
    pub(super) fn look_for_room(&self, item: &mut Option<T>) -> Option<Result<(), PutError<T>>> {
        // Looked at first, so that a put that has to wait is not counted and retracted again and again.
        if self.is_full() && !self.ledger.is_closed() {
            return None;
        }
        match self.put_now(item.take().expect("it is put once")) {
            Ok(()) => Some(Ok(())),
            Err(TryPutError::Closed(item)) => Some(Err(PutError(item))),
            Err(TryPutError::Full(back)) => {
                *item = Some(back);
                None
            }
        }
    }

    #[cold]
    pub(super) fn get_until(&self, deadline: Deadline) -> Result<T, TryGetError> {
        let got = (self.ledger.getters()).wait(deadline, || self.look_for_item());
        match got {
            Some(got) => got.map_err(TryGetError::from),
            None => Err(TryGetError::Empty),
        }
    }

    pub(super) fn look_for_item(&self) -> Option<Result<T, GetError>> {
        match self.take() {
            Some(item) => Some(Ok(item)),
            None => self.ledger.is_drained().then_some(Err(GetError)),
        }
    }

    #[inline]
    pub(super) fn take(&self) -> Option<T> {
        let item = match &self.items {
            Items::Kept(items) => items.pop()?,
            Items::Direct(direct) => return direct.take(&self.ledger),
        };
        self.ledger.take();
        Some(item)
    }

    pub(super) fn join_until(&self, deadline: Deadline) -> bool {
        let done = || self.is_done().then_some(());
        self.ledger.joiners().wait(deadline, done).is_some()
    }

    pub(super) fn is_done(&self) -> bool {
        self.ledger.unfinished() == 0
    }

    pub(super) fn close(&self) {
        self.ledger.close();
        if let Items::Direct(direct) = &self.items {
            direct.close();
        }
    }

    pub(super) fn close_and_drain(&self) -> Vec<T> {
        self.close();
        let mut drained = Vec::new();
        loop {
            match self.look_for_item() {
                Some(Ok(item)) => {
                    drained.push(item);
                    // Somebody may have reported too many by hand.
                    let _ = self.ledger.finish();
                }
                Some(Err(GetError)) => break,
                // A put was counted before the close, and is about to push.
                None => yield_now(),
            }
        }
        drained
    }

    pub(super) fn len(&self) -> usize {
        match &self.items {
            Items::Kept(items) => items.len(),
            Items::Direct(_) => 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.len() >= capacity)
    }
}
