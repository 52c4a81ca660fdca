//! The ends of a queue: producers and consumers that are counted, so that those at one end hear
//! when nobody is left at the other.
//!
//! # Why no thread waits for an end that is gone
//! *Last producer:* (E1) close the queue; this wakes all that wait for an item (`ledger.rs`).
//! *Last consumer:* (E2) note that the queue is abandoned; (E3) close it; (E4) notify all joiners,
//! which makes a full fence first. *Joiner:* it looks, joins the queue of waiters, makes a full
//! fence, and looks again. So it sees E2, or E4 sees the joiner.
//!
//! # Why a joiner is not told too much
//! A joiner reads first whether the queue is abandoned, and then whether anything is unfinished.
//! The end of a consumer is counted with Release, the last with Acquire too, and E2 is a Release.
//! So a joiner that reads E2 sees all items finished that consumers have finished, whichever
//! consumer was the last. A guard that owns a share of the queue, and may be in another thread than
//! the consumer that it came from, is counted as a consumer itself.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::basic::{Iter, Queue};
use super::order::Order;

/// A handle to a queue for a thread or task that puts items: when the last producer of a queue is
/// dropped, the queue is closed.
///
/// It is returned by [`Queue::producer`], and is cloned for each that puts. It dereferences to the
/// queue. It corresponds to the sender of a channel.
///
/// # Dropping
///
/// When the last producer of a queue is dropped, also while its thread unwinds, the queue is
/// [closed](Queue::close): gets go on until it is empty, and fail from then on.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
/// use workmill::JoinableQueue;
///
/// let queue = Arc::new(JoinableQueue::bounded(4));
/// // Both are there before one can go.
/// for (name, producer) in ["Ann", "Bob"].map(|name| (name, queue.producer())) {
///     thread::spawn(move || (0..3).for_each(|n| producer.put((name, n)).unwrap()));
/// }
/// assert_eq!(queue.iter().count(), 6); // ends when both producers are gone
/// ```
#[must_use = "the queue is closed when its last producer is dropped: keep it by \
              `let producer = …`, since `let _ = …` drops it at once"]
pub struct Producer<T, O: Order<T>> {
    queue: Arc<Queue<T, O>>,
}

/// A handle to a queue for a thread or task that takes items: when the last consumer of a queue is
/// dropped, the queue is abandoned.
///
/// It is returned by [`Queue::consumer`], and is cloned for each that takes items. It dereferences
/// to the queue. It corresponds to the receiver of a channel.
///
/// # Dropping
///
/// When the last consumer of a queue is dropped, also while its thread unwinds, the queue is
/// [closed](Queue::close): puts, those that wait too, give their items back. From then on
/// [`Queue::join`] is an error unless no item is unfinished. While there is a consumer, each call
/// of [`Queue::get_task_owned`] and its other forms, their futures, and the [`OwnedTaskGuard`]s
/// that they return count as consumers, too.
///
/// [`OwnedTaskGuard`]: super::task::OwnedTaskGuard
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::thread;
/// use workmill::JoinableQueue;
///
/// let queue = Arc::new(JoinableQueue::bounded(1));
/// let consumer = queue.consumer();
/// let taken = thread::spawn(move || consumer.get()); // takes one and goes
/// let put = (1..).find(|n| queue.put(*n).is_err());
/// assert_eq!(taken.join().unwrap(), Ok(1));
/// assert!(put > Some(1));
/// assert!(queue.join().is_err());
/// ```
#[must_use = "the queue is abandoned when its last consumer is dropped: keep it by \
              `let consumer = …`, since `let _ = …` drops it at once"]
pub struct Consumer<T, O: Order<T>> {
    queue: Arc<Queue<T, O>>,
}

impl<T, O: Order<T>> Queue<T, O> {
    /// Returns a producer, which closes the queue when it is dropped and was the last.
    ///
    /// Once the queue was closed its producers can put nothing. A queue that had producers can be
    /// used without one, too, until it is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let queue = Arc::new(workmill::JoinableQueue::unbounded());
    /// let producer = queue.producer();
    /// producer.put("bread").unwrap();
    /// drop(producer); // the last one: closes the queue
    /// assert_eq!(queue.iter().count(), 1);
    /// ```
    pub fn producer(self: &Arc<Self>) -> Producer<T, O> {
        self.engine.ledger.add_producer();
        Producer {
            queue: Arc::clone(self),
        }
    }

    /// Returns a consumer, which abandons the queue when it is dropped and was the last.
    ///
    /// A consumer of a queue that was abandoned takes the items that are left in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let queue = Arc::new(workmill::JoinableQueue::unbounded());
    /// drop(queue.consumer()); // the last one: nobody will take anything
    /// assert!(queue.put("bread").is_err());
    /// ```
    pub fn consumer(self: &Arc<Self>) -> Consumer<T, O> {
        self.engine.ledger.add_consumer();
        Consumer {
            queue: Arc::clone(self),
        }
    }
}

impl<T, O: Order<T>> Clone for Producer<T, O> {
    fn clone(&self) -> Self {
        self.queue.producer()
    }
}

impl<T, O: Order<T>> Clone for Consumer<T, O> {
    fn clone(&self) -> Self {
        self.queue.consumer()
    }
}

impl<T, O: Order<T>> Drop for Producer<T, O> {
    fn drop(&mut self) {
        self.queue.engine.producer_gone();
    }
}

impl<T, O: Order<T>> Drop for Consumer<T, O> {
    fn drop(&mut self) {
        self.queue.engine.consumer_gone();
    }
}

impl<T, O: Order<T>> Deref for Producer<T, O> {
    type Target = Arc<Queue<T, O>>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

impl<T, O: Order<T>> Deref for Consumer<T, O> {
    type Target = Arc<Queue<T, O>>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

impl<T, O: Order<T>> fmt::Debug for Producer<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Producer").field(&self.queue).finish()
    }
}

impl<T, O: Order<T>> fmt::Debug for Consumer<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Consumer").field(&self.queue).finish()
    }
}

impl<'a, T, O: Order<T>> IntoIterator for &'a Consumer<T, O> {
    type Item = T;
    type IntoIter = Iter<'a, T, O>;

    fn into_iter(self) -> Self::IntoIter {
        self.queue.iter()
    }
}

/// Takes items until the queue is closed and empty, as a consumer for as long as the iterator
/// lives.
impl<T, O: Order<T>> IntoIterator for Consumer<T, O> {
    type Item = T;
    type IntoIter = IntoIter<T, O>;

    fn into_iter(self) -> Self::IntoIter {
        IntoIter { consumer: self }
    }
}

/// An iterator that takes items until the queue is closed and empty, and is a [`Consumer`] of the
/// queue.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// let queue = Arc::new(workmill::JoinableQueue::unbounded());
/// queue.put("bread").unwrap();
/// queue.close();
/// for dish in queue.consumer() {
///     println!("{dish}");
/// }
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless iterated"]
pub struct IntoIter<T, O: Order<T>> {
    consumer: Consumer<T, O>,
}

impl<T, O: Order<T>> Iterator for IntoIter<T, O> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.consumer.get().ok()
    }
}
