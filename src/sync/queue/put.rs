//! The future of [`Queue::put_async`](crate::Queue::put_async).

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::direct::Offer;
use super::engine::{Engine, Items};
use super::order::Order;
use crate::sync::error::{NotPut, PutError};
use crate::sync::wait_queue::Waiter;
use crate::wait::{Cause, pending};

/// A future that waits for room and puts an item into a queue.
///
/// It is returned by [`Queue::put_async`](crate::Queue::put_async).
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// # Dropping
///
/// Dropping the future drops the item, unless it was put.
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::bounded(1);
/// workmill::block_on(async {
///     queue.put_async("bread").await.unwrap(); // waits for room
/// });
/// assert_eq!(queue.len(), 1);
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T, O: Order<T>> {
    engine: &'a Engine<T, O>,
    stage: Stage<'a, T>,
}

enum Stage<'a, T> {
    /// The future has not been polled.
    New(T),
    /// The put waits for room.
    Waiting(T, Waiter<'a>),
    /// The put waits for a get to take the item. The queue has no capacity.
    Offered(Offer<'a, T>),
    /// The future was ready, or the item was withdrawn.
    Over,
}

impl<'a, T, O: Order<T>> Put<'a, T, O> {
    /// Creates a put, which begins with the first poll.
    pub(super) fn new(engine: &'a Engine<T, O>, item: T) -> Self {
        let stage = Stage::New(item);
        Self { engine, stage }
    }

    /// Ends the wait and returns the item, unless it was put.
    ///
    /// Returns `None` if the item was put, even if the future has not been ready yet, and if the
    /// item was returned before.
    ///
    /// # Examples
    ///
    /// Abandons a put that takes too long:
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill::{JoinableQueue, block_on, timer::timeout};
    ///
    /// let table = JoinableQueue::bounded(0);
    /// let mut put = table.put_async("bread");
    /// let too_long = block_on(timeout(Duration::from_millis(5), &mut put)).is_err();
    /// assert!(too_long);
    /// assert_eq!(put.withdraw(), Some("bread"));
    /// ```
    pub fn withdraw(&mut self) -> Option<T> {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) | Stage::Waiting(item, _) => Some(item),
            Stage::Offered(mut offer) => offer.withdraw(),
            Stage::Over => None,
        }
    }
}

impl<T, O: Order<T>> Future for Put<'_, T, O> {
    type Output = Result<(), PutError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let engine = self.engine;
        let (item, mut waiter) = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) => match (engine.put_now(item), &engine.items) {
                (Err(NotPut::Full(item)), Items::Direct(direct)) => {
                    return self.poll_offer(direct.offer(item, &engine.ledger), cx);
                }
                (Err(NotPut::Full(item)), Items::Kept(_)) => {
                    (item, engine.ledger.putters().waiter())
                }
                (Err(NotPut::Closed(item)), _) => return Poll::Ready(Err(PutError::new(item))),
                (Ok(()), _) => return Poll::Ready(Ok(())),
            },
            Stage::Waiting(item, waiter) => (item, waiter),
            Stage::Offered(offer) => return self.poll_offer(offer, cx),
            Stage::Over => panic!("a put was polled after it was ready"),
        };
        let mut item = Some(item);
        let put = waiter.look_or_enqueue(cx.waker(), || engine.look_for_room(&mut item));
        match (put, item) {
            (Some(put), _) => Poll::Ready(put),
            (None, item) => {
                self.stage = Stage::Waiting(item.expect("it was not put"), waiter);
                pending(Cause::Room(engine.ledger.room()))
            }
        }
    }
}

impl<'a, T, O: Order<T>> Put<'a, T, O> {
    /// Polls the offer, and keeps it if it is pending.
    fn poll_offer(
        &mut self,
        mut offer: Offer<'a, T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PutError<T>>> {
        let answer = offer.poll(cx.waker());
        if answer.is_pending() {
            self.stage = Stage::Offered(offer);
            return pending(Cause::Room(self.engine.ledger.room()));
        }
        answer
    }
}

impl<T, O: Order<T>> Unpin for Put<'_, T, O> {}

impl<T, O: Order<T>> fmt::Debug for Put<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put").finish_non_exhaustive()
    }
}
