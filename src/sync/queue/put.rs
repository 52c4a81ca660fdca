//! The future that puts an item in.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::direct::Offer;
use super::engine::{Engine, Items};
use super::order::Order;
use crate::sync::error::{PutError, TryPutError};
use crate::sync::wait_queue::Waiter;

/// Waits for room and puts an item in; made by [`Queue::put_async`](crate::Queue::put_async).
///
/// Polled again after it was ready, it panics.
///
/// # Dropping
///
/// Drops the item, unless it was put.
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T, O: Order<T>> {
    engine: &'a Engine<T, O>,
    stage: Stage<'a, T>,
}

enum Stage<'a, T> {
    New(T),
    /// Until there is room.
    Waiting(T, Waiter<'a>),
    /// Until the item is taken, if the queue has no capacity.
    Offered(Offer<'a, T>),
    Over,
}

impl<'a, T, O: Order<T>> Put<'a, T, O> {
    pub(super) fn new(engine: &'a Engine<T, O>, item: T) -> Self {
        let stage = Stage::New(item);
        Self { engine, stage }
    }

    /// Ends the wait, and gives the item back unless it was put.
    ///
    /// `None` if it was, whether the future has said so or not; or if it was given back before.
    ///
    /// # Examples
    ///
    /// Putting an item in unless that takes too long:
    ///
    /// ```
    /// use std::time::Duration;
    /// use futures_lite::future::block_on;
    /// use workmill::{JoinableQueue, timer::timeout};
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
        let (item, mut place) = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) => match (engine.put_now(item), &engine.items) {
                (Err(TryPutError::Full(item)), Items::Direct(direct)) => {
                    return self.poll_offer(direct.offer(item, &engine.ledger), cx);
                }
                (Err(TryPutError::Full(item)), Items::Kept(_)) => {
                    (item, engine.ledger.putters().waiter())
                }
                (decided, _) => {
                    return Poll::Ready(decided.map_err(|error| PutError(error.into_inner())));
                }
            },
            Stage::Waiting(item, place) => (item, place),
            Stage::Offered(offer) => return self.poll_offer(offer, cx),
            Stage::Over => panic!("a put was polled after it was ready"),
        };
        let mut item = Some(item);
        let put = place.look_or_enqueue(cx.waker(), || engine.look_for_room(&mut item));
        match (put, item) {
            (Some(put), _) => Poll::Ready(put),
            (None, item) => {
                self.stage = Stage::Waiting(item.expect("it was not put"), place);
                Poll::Pending
            }
        }
    }
}

impl<'a, T, O: Order<T>> Put<'a, T, O> {
    fn poll_offer(
        &mut self,
        mut offer: Offer<'a, T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), PutError<T>>> {
        let answer = offer.poll(cx.waker());
        if answer.is_pending() {
            self.stage = Stage::Offered(offer);
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
