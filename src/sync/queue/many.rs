//! Several items at once, and looks into a queue.

use std::time::{Duration, Instant};

use super::basic::Queue;
use super::engine::Items;
use super::order::{Look, Order};
use crate::sync::error::{PutError, TryPutError};

impl<T, O: Order<T>> Queue<T, O> {
    /// Puts all items into the queue, one after the other, and blocks until there is room for each.
    ///
    /// Items of other threads may come in between.
    ///
    /// # Blocking
    ///
    /// Blocks like [`put`](Self::put) for each item.
    ///
    /// # Errors
    ///
    /// [`PutError`] if the queue is closed, with the item that was refused and the iterator, which
    /// has those that follow.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put_all(1..=3).unwrap();
    /// queue.close();
    /// let (refused, rest) = queue.put_all(4..=6).unwrap_err().into_inner();
    /// assert_eq!((refused, rest), (4, 5..=6));
    /// ```
    pub fn put_all<I>(&self, items: I) -> Result<(), PutError<(T, I::IntoIter)>>
    where
        I: IntoIterator<Item = T>,
    {
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            if let Err(error) = self.put(item) {
                return Err(PutError::new((error.into_inner(), items)));
            }
        }
        Ok(())
    }

    /// Puts items into the queue as long as there is room. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] if the queue is full or closed, with the item that was refused and the
    /// iterator, which has those that follow.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(2);
    /// let (refused, rest) = queue.try_put_all([1, 2, 3, 4]).unwrap_err().into_inner();
    /// assert_eq!((refused, rest.collect::<Vec<_>>()), (3, vec![4]));
    /// ```
    pub fn try_put_all<I>(&self, items: I) -> Result<(), TryPutError<(T, I::IntoIter)>>
    where
        I: IntoIterator<Item = T>,
    {
        self.put_all_timeout(items, Duration::ZERO)
    }

    /// Puts all items into the queue, one after the other, and blocks until there is room for each,
    /// but no longer than `timeout` in all.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full, until the time is over.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] if the time is over or the queue is closed, with the item that was refused
    /// and the iterator, which has those that follow.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// let refused = queue.put_all_timeout([1, 2], Duration::from_millis(1)).unwrap_err();
    /// assert_eq!(refused.into_inner().0, 2);
    /// ```
    pub fn put_all_timeout<I>(
        &self,
        items: I,
        timeout: Duration,
    ) -> Result<(), TryPutError<(T, I::IntoIter)>>
    where
        I: IntoIterator<Item = T>,
    {
        let end = Instant::now().checked_add(timeout);
        let left = || {
            end.map_or(Duration::MAX, |end| {
                end.saturating_duration_since(Instant::now())
            })
        };
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            if let Err(error) = self.put_timeout(item, left()) {
                return Err(error.map(|item| (item, items)));
            }
        }
        Ok(())
    }

    /// Puts all items into the queue, one after the other, and waits for room without blocking the
    /// thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the item that waits for room, and the iterator.
    ///
    /// # Errors
    ///
    /// The future resolves to [`PutError`] if the queue is closed, with the item that was refused
    /// and the iterator, which has those that follow.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(3);
    /// assert!(workmill::block_on(queue.put_all_async([1, 2, 3])).is_ok());
    /// ```
    pub async fn put_all_async<I>(&self, items: I) -> Result<(), PutError<(T, I::IntoIter)>>
    where
        I: IntoIterator<Item = T>,
    {
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            if let Err(error) = self.put_async(item).await {
                return Err(PutError::new((error.into_inner(), items)));
            }
        }
        Ok(())
    }

    /// Takes all items that are in the queue, in the queue's order. The queue stays open. Never
    /// waits.
    ///
    /// The returned items are no longer unfinished. Without capacity these are the items of the
    /// puts that wait, and those that were given back.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put_all(1..=3)?;
    /// assert_eq!(queue.drain(), [1, 2, 3]);
    /// assert_eq!((queue.unfinished(), queue.is_closed()), (0, false));
    /// # Ok::<(), workmill::PutError<(i32, std::ops::RangeInclusive<i32>)>>(())
    /// ```
    #[doc(alias = "drainTo")]
    pub fn drain(&self) -> Vec<T> {
        self.engine.drain()
    }
}

/// Looks into a queue, where its order allows it.
impl<T, O: Order<T> + Look<T>> Queue<T, O> {
    /// Calls `look` with the next item, which stays in the queue. Returns `None` if the queue is
    /// empty, or has no capacity.
    ///
    /// Another thread may take the item right after that. `look` must not use the queue itself: it
    /// would wait forever.
    ///
    /// A [`JoinableQueue`](crate::JoinableQueue) has no such look: its items are not behind a lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::PriorityQueue::unbounded();
    /// queue.put_all([3, 1, 2]).unwrap();
    /// assert_eq!(queue.peek(|item| *item), Some(1));
    /// assert_eq!(queue.len(), 3);
    /// ```
    pub fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        match &self.engine.items {
            Items::Kept(items) => items.peek(look),
            Items::Direct(_) => None,
        }
    }

    /// Calls `keep` with each item in the queue's order, and takes those out for which it returns
    /// `false`. Returns them in the queue's order. Never waits.
    ///
    /// The returned items are no longer unfinished, and nobody else has got them. `keep` must not
    /// use the queue itself: it would wait forever. If `keep` panics, all items stay in the queue.
    /// A queue without capacity has no items, so nothing is taken out of it.
    ///
    /// A [`JoinableQueue`](crate::JoinableQueue) cannot do this: its items are not behind a lock.
    ///
    /// # Examples
    ///
    /// ```
    /// let orders = workmill::PriorityQueue::unbounded();
    /// orders.put_all([(1, "rye"), (3, "oats"), (2, "wheat")]).unwrap();
    /// let late = orders.retain(|(priority, _)| *priority < 3);
    /// assert_eq!(late, [(3, "oats")]);
    /// assert_eq!((orders.len(), orders.unfinished()), (2, 2));
    /// ```
    #[must_use = "the items are taken out of the queue, and dropped with this"]
    #[doc(alias("remove", "removeIf"))]
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) -> Vec<T> {
        self.engine.retain(keep)
    }
}
