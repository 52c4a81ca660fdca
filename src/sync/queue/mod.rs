//! Queues that threads and futures put items into and take them from, and that can be joined.
//!
//! Here is the public face; [`engine`] is what it does.

mod direct;
mod engine;
mod ledger;
pub(crate) mod order;
mod put;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use self::engine::Engine;
use self::ledger::Ledger;
use self::order::{Fifo, Lifo, Order, SmallestFirst};
pub use self::put::Put;
use crate::sync::error::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::unwind;
use crate::wait::Deadline;

/// A queue that gives items out in the order in which they came in.
///
/// Python's `queue.Queue` and `multiprocessing.JoinableQueue`; see [`Queue`] for all that it can do.
///
/// # Examples
///
/// Two cooks, two who eat, and an end for all:
///
/// ```
/// use std::thread;
/// use workmill::JoinableQueue;
///
/// let kitchen = JoinableQueue::bounded(20);
/// let eaten: usize = thread::scope(|scope| {
///     let guests = [(); 2].map(|()| scope.spawn(|| kitchen.iter_tasks().count()));
///     let cooks = ["dumplings", "buns"].map(|dish| {
///         let kitchen = &kitchen;
///         scope.spawn(move || (0..4).for_each(|number| kitchen.put((dish, number)).unwrap()))
///     });
///     cooks.map(|cook| cook.join().unwrap());
///     kitchen.join(); // all eight have been eaten
///     kitchen.close(); // which ends the loops of the guests
///     guests.map(|guest| guest.join().unwrap()).iter().sum()
/// });
/// assert_eq!(eaten, 8);
/// ```
pub type JoinableQueue<T> = Queue<T, Fifo<T>>;

/// A queue that gives out what came in last; see [`Queue`] for all that it can do.
///
/// # Examples
///
/// ```
/// let plates = workmill::LifoQueue::unbounded();
/// ["first", "second"].map(|plate| plates.put(plate).unwrap());
/// assert_eq!(plates.get()?, "second");
/// # Ok::<(), workmill::GetError>(())
/// ```
pub type LifoQueue<T> = Queue<T, Lifo<T>>;

/// A queue that gives out the smallest item first, and of equal ones the first that came in; see
/// [`Queue`] for all that it can do.
///
/// As in Python, and the other way round than [`BinaryHeap`](std::collections::BinaryHeap). If
/// comparing items panics, so does the put, and the item is dropped and not in the queue; taking items
/// compares nothing. A comparison, and the drop of an item whose comparison panics, must not use the
/// queue itself: they would wait for ever.
///
/// # Examples
///
/// ```
/// let letters = workmill::PriorityQueue::unbounded();
/// [(2, "bill"), (1, "telegram"), (2, "postcard")].map(|letter| letters.put(letter).unwrap());
/// letters.close();
/// assert!(letters.iter().eq([(1, "telegram"), (2, "bill"), (2, "postcard")]));
/// ```
pub type PriorityQueue<T> = Queue<T, SmallestFirst<T>>;

/// A queue for any number of threads, tasks and futures, that can be bounded, closed and joined.
///
/// [`JoinableQueue`], [`LifoQueue`] and [`PriorityQueue`] are this type, each with another order. It is
/// shared by reference or in an [`Arc`](std::sync::Arc); threads, tasks of a pool and futures of any
/// runtime use one queue at the same time.
///
/// # Capacity
///
/// A put into a full queue waits for room. [`unbounded`](Self::unbounded) never waits.
/// [`bounded(0)`](Self::bounded) has no room at all: each put waits until a get takes its item, or hands
/// it to one that waits. Who waits for room or for items is woken in order of arrival, but newcomers may
/// be faster.
///
/// # Joining
///
/// An item is *unfinished* from its put until it is reported done: by the drop of the [`TaskGuard`] that
/// [`get_task`](Self::get_task) gives, or by [`task_done`](Self::task_done) after a
/// [`get`](Self::get). [`join`](Self::join) waits until nothing is unfinished.
///
/// # Closing
///
/// [`close`](Self::close) refuses all puts from then on and lets the gets empty the queue; then they
/// end. [`close_and_drain`](Self::close_and_drain) empties it at once.
///
/// # Ordering
///
/// What was done before an item was put has happened before its get gives it; what was done before it
/// was reported done has happened before a `join` that this ends returns.
///
/// # Dropping
///
/// Drops the items that are left.
///
/// # Examples
///
/// ```
/// use workmill::{JoinableQueue, TryGetError, TryPutError};
///
/// let queue = JoinableQueue::bounded(2);
/// queue.put("a")?;
/// queue.put("b")?;
/// assert_eq!(queue.try_put("c"), Err(TryPutError::Full("c")));
/// assert_eq!((queue.get()?, queue.get()?), ("a", "b"));
/// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T, O> {
    engine: Engine<T, O>,
}

impl<T, O: Order<T>> Queue<T, O> {
    /// Makes a queue that holds at most so many items; with 0 it hands each from a put to a get.
    ///
    /// Python's `Queue(0)` is [`unbounded`](Self::unbounded). Any number will do: a [`JoinableQueue`] for
    /// up to 65,536 items takes the memory for them at once, and every other queue as items come.
    pub fn bounded(capacity: usize) -> Self {
        Self {
            engine: Engine::bounded(capacity),
        }
    }

    /// Makes a queue that holds any number of items.
    pub fn unbounded() -> Self {
        Self {
            engine: Engine::unbounded(),
        }
    }

    /// Puts an item in; waits for room.
    ///
    /// # Blocking
    ///
    /// While the queue is full. Without capacity until the item is taken.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the queue is or gets closed.
    #[inline]
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        match self.engine.put_now(item) {
            Ok(()) => Ok(()),
            Err(TryPutError::Closed(item)) => Err(PutError(item)),
            Err(TryPutError::Full(item)) => match self.engine.put_until(item, Deadline::NEVER) {
                Ok(()) => Ok(()),
                Err(error) => Err(PutError(error.into_inner())),
            },
        }
    }

    /// Puts an item in if there is room; never waits.
    ///
    /// Without capacity: if somebody waits for an item. If that one is a future that is dropped before it
    /// is polled again, the item goes to the next get.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue is full or closed.
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.engine.put_now(item)
    }

    /// Puts an item in; waits for room, but no longer than `timeout`.
    ///
    /// [`Duration::ZERO`] is [`try_put`](Self::try_put); [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// While the queue is full and the time is not over. Without capacity until the item is taken or
    /// the time is over.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item when the time is over, or if the queue is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("first")?;
    /// let refused = queue.put_timeout("second", Duration::from_millis(5)).unwrap_err();
    /// assert_eq!(refused.into_inner(), "second");
    /// # Ok::<(), workmill::PutError<&str>>(())
    /// ```
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
        match self.engine.put_now(item) {
            Err(TryPutError::Full(item)) if !timeout.is_zero() => {
                self.engine.put_until(item, Deadline::after(timeout))
            }
            decided => decided,
        }
    }

    /// Puts an item in; waits for room without blocking the thread.
    ///
    /// The wait begins when the future is first polled.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the item, unless it was put. Without capacity it may have been taken
    /// although the future has not said so yet, since it was dropped before it was polled again.
    /// [`Put::withdraw`] ends the wait as well, and tells.
    ///
    /// # Errors
    ///
    /// The future gives [`PutError`] with the item if the queue is or gets closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::future::{block_on, zip};
    ///
    /// let table = workmill::JoinableQueue::bounded(0);
    /// let (put, got) = block_on(zip(table.put_async("bread"), table.get_async()));
    /// assert_eq!((put?, got?), ((), "bread"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_async(&self, item: T) -> Put<'_, T, O> {
        Put::new(&self.engine, item)
    }

    /// Takes an item; waits for one.
    ///
    /// It is unfinished until [`task_done`](Self::task_done) is called for it.
    ///
    /// # Blocking
    ///
    /// While the queue is empty and not closed.
    ///
    /// # Errors
    ///
    /// [`GetError`] once the queue is closed and empty.
    #[inline]
    pub fn get(&self) -> Result<T, GetError> {
        if let Some(item) = self.engine.take() {
            return Ok(item);
        }
        self.engine.get_until(Deadline::NEVER).map_err(|_| GetError)
    }

    /// Takes an item if there is one; never waits.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is none, [`TryGetError::Closed`] once the queue is closed and
    /// empty.
    pub fn try_get(&self) -> Result<T, TryGetError> {
        match self.engine.look_for_item() {
            Some(decided) => decided.map_err(TryGetError::from),
            None => Err(TryGetError::Empty),
        }
    }

    /// Takes an item; waits for one, but no longer than `timeout`.
    ///
    /// [`Duration::ZERO`] is [`try_get`](Self::try_get); [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// While the queue is empty and not closed, and the time is not over.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] when the time is over, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, TryGetError> {
        match self.try_get() {
            Err(TryGetError::Empty) if !timeout.is_zero() => {
                self.engine.get_until(Deadline::after(timeout))
            }
            decided => decided,
        }
    }

    /// Takes an item; waits for one without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: an item is taken only when the future gives it.
    ///
    /// # Errors
    ///
    /// The future gives [`GetError`] once the queue is closed and empty.
    pub async fn get_async(&self) -> Result<T, GetError> {
        let items = self.engine.ledger.getters();
        items.wait_async(|| self.engine.look_for_item()).await
    }

    /// Takes an item like [`get`](Self::get), which is reported done when the guard is dropped, while
    /// unwinding too.
    ///
    /// # Blocking
    ///
    /// As `get`.
    ///
    /// # Errors
    ///
    /// As `get`.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("wash up")?;
    /// let task = queue.get_task()?;
    /// assert_eq!((*task, queue.unfinished()), ("wash up", 1));
    /// drop(task);
    /// queue.join();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task(&self) -> Result<TaskGuard<'_, T>, GetError> {
        self.get().map(|item| self.guard(item))
    }

    /// Takes an item like [`try_get`](Self::try_get), with a guard.
    ///
    /// # Errors
    ///
    /// As `try_get`.
    pub fn try_get_task(&self) -> Result<TaskGuard<'_, T>, TryGetError> {
        self.try_get().map(|item| self.guard(item))
    }

    /// Takes an item like [`get_timeout`](Self::get_timeout), with a guard.
    ///
    /// # Blocking
    ///
    /// As `get_timeout`.
    ///
    /// # Errors
    ///
    /// As `get_timeout`.
    pub fn get_task_timeout(&self, timeout: Duration) -> Result<TaskGuard<'_, T>, TryGetError> {
        self.get_timeout(timeout).map(|item| self.guard(item))
    }

    /// Takes an item like [`get_async`](Self::get_async), with a guard.
    ///
    /// # Errors
    ///
    /// As `get_async`.
    pub async fn get_task_async(&self) -> Result<TaskGuard<'_, T>, GetError> {
        self.get_async().await.map(|item| self.guard(item))
    }

    fn guard(&self, item: T) -> TaskGuard<'_, T> {
        TaskGuard {
            item: Some(item),
            ledger: &self.engine.ledger,
        }
    }

    /// Reports that an item which was taken is done.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError`] if it was called more often than items were taken; nothing has changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put(1)?;
    /// assert!(queue.task_done().is_err(), "nobody has taken it");
    /// queue.get()?;
    /// queue.task_done()?;
    /// assert!(queue.task_done().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        self.engine.ledger.finish()
    }

    /// Waits until nothing is unfinished.
    ///
    /// # Blocking
    ///
    /// Until every item that was put has been reported done; not at all if nothing is unfinished. Items
    /// that are put before this thread wakes up are waited for too.
    pub fn join(&self) {
        self.engine.join_until(Deadline::NEVER);
    }

    /// Waits until nothing is unfinished, but no longer than `timeout`; `false` if the time was over
    /// first.
    ///
    /// [`Duration::ZERO`] looks once; [`Duration::MAX`] waits for ever.
    ///
    /// # Blocking
    ///
    /// As [`join`](Self::join), or until the time is over.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        self.engine.join_until(Deadline::after(timeout))
    }

    /// Waits until nothing is unfinished, without blocking the thread. Dropping the future ends the
    /// wait.
    pub async fn join_async(&self) {
        let joiners = self.engine.ledger.joiners();
        joiners
            .wait_async(|| self.engine.is_done().then_some(()))
            .await;
    }

    /// Counts the items that were put and have not been reported done, a snapshot, may be stale.
    pub fn unfinished(&self) -> usize {
        self.engine.ledger.unfinished()
    }

    /// Refuses all puts from now on, those that wait too; gets go on until the queue is empty.
    ///
    /// Closing twice does nothing more.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("last")?;
    /// queue.close();
    /// assert_eq!(queue.put("too late").unwrap_err().into_inner(), "too late");
    /// assert_eq!(queue.get()?, "last");
    /// assert!(queue.get().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        self.engine.close();
    }

    /// Closes the queue, and takes out all that is in it, in its order.
    ///
    /// What comes back is not unfinished any more. [`join`](Self::join) goes on to wait for items that
    /// have been taken before.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// (1..=3).for_each(|number| queue.put(number).unwrap());
    /// let one = queue.get_task()?;
    /// assert_eq!(queue.close_and_drain(), [2, 3]);
    /// assert_eq!(queue.unfinished(), 1);
    /// # drop(one);
    /// # Ok::<(), workmill::GetError>(())
    /// ```
    pub fn close_and_drain(&self) -> Vec<T> {
        self.engine.close_and_drain()
    }

    /// Tells whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        self.engine.ledger.is_closed()
    }

    /// Counts the items in the queue, a snapshot, may be stale.
    ///
    /// Without capacity there are none.
    pub fn len(&self) -> usize {
        self.engine.len()
    }

    /// Tells whether nothing is in the queue, a snapshot, may be stale.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether there is no room in the queue, a snapshot, may be stale. Without capacity there never is.
    pub fn is_full(&self) -> bool {
        self.engine.is_full()
    }

    /// Tells how many items it holds at most; `None` for any number.
    pub fn capacity(&self) -> Option<usize> {
        self.engine.capacity
    }

    /// Takes items until the queue is closed and empty; waits for each as [`get`](Self::get) does.
    ///
    /// So does `for item in &queue`.
    pub fn iter(&self) -> Iter<'_, T, O> {
        Iter { queue: self }
    }

    /// Takes items until the queue is closed and empty, each with a guard as
    /// [`get_task`](Self::get_task) gives it. Guards that are kept keep [`join`](Self::join) waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// ["sow", "reap"].map(|work| queue.put(work).unwrap());
    /// queue.close();
    /// for task in queue.iter_tasks() {
    ///     println!("{}", *task);
    /// } // where it is reported done
    /// queue.join();
    /// ```
    pub fn iter_tasks(&self) -> IterTasks<'_, T, O> {
        IterTasks { queue: self }
    }
}

impl<T, O: Order<T>> fmt::Debug for Queue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .field("unfinished", &self.unfinished())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<'a, T, O: Order<T>> IntoIterator for &'a Queue<T, O> {
    type Item = T;
    type IntoIter = Iter<'a, T, O>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An item that was taken, and is reported done when this is dropped; made by [`Queue::get_task`].
///
/// The item is dropped first, so when [`join`](Queue::join) returns it is gone.
#[must_use = "the item is reported done when this is dropped"]
pub struct TaskGuard<'a, T> {
    /// `None` only while it is dropped.
    item: Option<T>,
    ledger: &'a Ledger,
}

impl<T> TaskGuard<'_, T> {
    /// Takes the item out, and reports it done.
    pub fn into_inner(mut self) -> T {
        self.item.take().expect("it is there until the drop")
    }
}

impl<T> Deref for TaskGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("it is there until the drop")
    }
}

impl<T> DerefMut for TaskGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for TaskGuard<'_, T> {
    fn drop(&mut self) {
        unwind::discard(self.item.take());
        // Somebody may have reported it done by hand.
        let _ = self.ledger.finish();
    }
}

impl<T: fmt::Debug> fmt::Debug for TaskGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskGuard").field(&**self).finish()
    }
}

/// Takes items until the queue is closed and empty; made by [`Queue::iter`].
pub struct Iter<'a, T, O> {
    queue: &'a Queue<T, O>,
}

impl<T, O: Order<T>> Iterator for Iter<'_, T, O> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.get().ok()
    }
}

impl<T, O: Order<T>> fmt::Debug for Iter<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(self.queue).finish()
    }
}

/// Takes items until the queue is closed and empty, each with a guard; made by
/// [`Queue::iter_tasks`].
pub struct IterTasks<'a, T, O> {
    queue: &'a Queue<T, O>,
}

impl<'a, T, O: Order<T>> Iterator for IterTasks<'a, T, O> {
    type Item = TaskGuard<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.queue.get_task().ok()
    }
}

impl<T, O: Order<T>> fmt::Debug for IterTasks<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IterTasks").field(self.queue).finish()
    }
}
