//! The queues, and how their users put and take items. The work is done in
//! [`engine`](super::engine).

use std::fmt;
use std::time::Duration;

use super::engine::Engine;
use super::order::{Fifo, Lifo, Order};
use super::put::Put;
use super::smallest::SmallestFirst;
use crate::sync::error::{
    AbandonedError, GetError, NotPut, PutError, TaskDoneError, TryGetError, TryPutError,
};
use crate::wait::Deadline;

/// A queue that gives items out in the order in which they were put.
///
/// It corresponds to Python's `queue.Queue` and `multiprocessing.JoinableQueue`. See [`Queue`] for
/// its methods.
///
/// # Examples
///
/// Two cooks put dishes, two guests eat them, and the queue is closed in the end:
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
///     kitchen.join().unwrap(); // all eight have been eaten
///     kitchen.close(); // which ends the loops of the guests
///     guests.map(|guest| guest.join().unwrap()).iter().sum()
/// });
/// assert_eq!(eaten, 8);
/// ```
#[doc(alias(
    "BlockingQueue",
    "channel",
    "mpsc",
    "SimpleQueue",
    "LinkedBlockingQueue"
))]
pub type JoinableQueue<T> = Queue<T, Fifo<T>>;

/// A queue that gives out the item that was put last. See [`Queue`] for its methods.
///
/// # Examples
///
/// ```
/// let plates = workmill::LifoQueue::unbounded();
/// ["first", "second"].map(|plate| plates.put(plate).unwrap());
/// assert_eq!(plates.get()?, "second");
/// # Ok::<(), workmill::GetError>(())
/// ```
#[doc(alias("LIFO", "stack"))]
pub type LifoQueue<T> = Queue<T, Lifo<T>>;

/// A queue that gives out the smallest item first, and equal items in the order in which they were
/// put. See [`Queue`] for its methods.
///
/// The order is that of Python, and the reverse of [`BinaryHeap`](std::collections::BinaryHeap)'s.
///
/// If comparing items panics, the put panics too, and its item is dropped and not in the queue.
/// Taking an item compares nothing. A comparison must not use the queue itself, nor must the drop
/// of an item whose comparison panics: they would wait forever.
///
/// # Examples
///
/// ```
/// let letters = workmill::PriorityQueue::unbounded();
/// [(2, "bill"), (1, "telegram"), (2, "postcard")].map(|letter| letters.put(letter).unwrap());
/// letters.close();
/// assert!(letters.iter().eq([(1, "telegram"), (2, "bill"), (2, "postcard")]));
/// ```
#[doc(alias("PriorityBlockingQueue", "heapq"))]
pub type PriorityQueue<T> = Queue<T, SmallestFirst<T>>;

/// A queue for any number of threads, tasks and futures, which can be bounded, closed and joined.
///
/// [`JoinableQueue`], [`LifoQueue`] and [`PriorityQueue`] are this type with different orders. A
/// queue is shared by reference or in an [`Arc`](std::sync::Arc). Threads, tasks of a pool and
/// futures of any runtime can use it at the same time.
///
/// # Capacity
///
/// A put into a full queue waits for room. A put into an [`unbounded`](Self::unbounded) queue never
/// waits. A queue that is [`bounded(0)`](Self::bounded) never has room: a put waits until a get
/// takes its item, or hands the item to a get that waits. Waiting puts and gets are woken in order
/// of arrival, but newcomers may be faster.
///
/// # Joining
///
/// An item is *unfinished* from its put until it is reported done: by the drop of the
/// [`TaskGuard`](crate::TaskGuard) that [`get_task`](Self::get_task) returns, or by
/// [`task_done`](Self::task_done) after a [`get`](Self::get). [`join`](Self::join) waits until no
/// item is unfinished.
///
/// # Closing
///
/// After [`close`](Self::close) all puts are refused. Gets go on until the queue is empty, and fail
/// from then on. [`close_and_drain`](Self::close_and_drain) empties the queue at once.
///
/// # Ends
///
/// A queue that is used by reference has no ends, like Python's: if all that put have panicked,
/// gets wait forever. [`producer`](Self::producer) and [`consumer`](Self::consumer) return handles
/// that are counted, as the sender and the receiver of a channel are. The last producer that is
/// dropped closes the queue. The last consumer closes it too, so that puts return their items, and
/// [`join`](Self::join) is an error if anything is unfinished.
///
/// # Ordering
///
/// Everything before the put of an item happens before everything after its get. Everything before
/// an item is reported done happens before the return of a `join` that waits for it.
///
/// # Dropping
///
/// Dropping the queue drops the items that are left in it.
///
/// # Examples
///
/// ```
/// use workmill::{JoinableQueue, TryGetError};
///
/// let queue = JoinableQueue::bounded(2);
/// queue.put("a")?;
/// queue.put("b")?;
/// assert!(queue.try_put("c").unwrap_err().is_full());
/// assert_eq!((queue.get()?, queue.get()?), ("a", "b"));
/// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias(
    "BlockingQueue",
    "channel",
    "mpsc",
    "SimpleQueue",
    "LinkedBlockingQueue"
))]
pub struct Queue<T, O> {
    pub(super) engine: Engine<T, O>,
}

impl<T, O: Order<T>> Queue<T, O> {
    /// Creates a queue that holds at most `capacity` items. With a capacity of 0 each item goes
    /// directly from a put to a get.
    ///
    /// Python's `Queue(0)` is [`unbounded`](Self::unbounded). The capacity can be any number: a
    /// [`JoinableQueue`] for up to 65,536 items allocates memory for them at once, and every other
    /// queue as items come.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("bread").unwrap();
    /// assert!(queue.try_put("a bun").is_err());
    /// ```
    #[doc(alias(
        "maxsize",
        "SynchronousQueue",
        "rendezvous",
        "Exchanger",
        "sync_channel"
    ))]
    pub fn bounded(capacity: usize) -> Self {
        Self {
            engine: Engine::bounded(capacity),
        }
    }

    /// Creates a queue that holds any number of items.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// for n in 0..1000 {
    ///     queue.put(n).unwrap();
    /// }
    /// assert_eq!(queue.len(), 1000);
    /// ```
    pub fn unbounded() -> Self {
        Self {
            engine: Engine::unbounded(),
        }
    }

    /// Puts an item into the queue, and blocks until there is room.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full, or without capacity until the item is taken. A task of a
    /// pool lends its slot meanwhile, so that no other producer begins in its place: see the
    /// [guide](crate::guide::waiting#waits-for-room).
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the queue is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(5);
    /// queue.put("bread")?;
    /// assert_eq!(queue.get(), Ok("bread"));
    /// # Ok::<(), workmill::PutError<&str>>(())
    /// ```
    #[inline]
    #[doc(alias = "send")]
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        match self.engine.put_now(item) {
            Ok(()) => Ok(()),
            Err(NotPut::Closed(item)) => Err(PutError::new(item)),
            Err(NotPut::Full(item)) => match self.engine.put_until(item, Deadline::NEVER) {
                Ok(()) => Ok(()),
                Err(error) => Err(PutError::new(error.into_inner())),
            },
        }
    }

    /// Puts an item into the queue if there is room. Never waits.
    ///
    /// Without capacity, the item is put if a get waits. If that get is a future that is dropped
    /// before it is polled again, the item goes to the next get.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue is full or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// assert!(queue.try_put("bread").is_ok());
    /// assert_eq!(queue.try_put("a bun").unwrap_err().into_inner(), "a bun");
    /// ```
    #[doc(alias("put_nowait", "offer"))]
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.engine.put_now(item).map_err(TryPutError::from)
    }

    /// Puts an item into the queue, and blocks until there is room, but no longer than `timeout`.
    ///
    /// With [`Duration::ZERO`] this is [`try_put`](Self::try_put). With [`Duration::MAX`] it waits
    /// forever.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full, or without capacity until the item is taken, until the time
    /// is over.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the time is over, or if the queue is closed, or is closed
    /// during the wait.
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
            Err(NotPut::Full(item)) if !timeout.is_zero() => {
                self.engine.put_until(item, Deadline::after(timeout))
            }
            decided => decided.map_err(TryPutError::from),
        }
    }

    /// Returns a future that puts an item into the queue, and waits for room without blocking the
    /// thread.
    ///
    /// The wait begins when the future is first polled.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the item, unless it was put. Without capacity a get may have taken
    /// the item although the future has not been polled since. [`Put::withdraw`] ends the wait too,
    /// and returns the item if it was not put.
    ///
    /// # Errors
    ///
    /// The future resolves to [`PutError`] with the item if the queue is closed, or is closed
    /// during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill::{JoinableQueue, block_on};
    ///
    /// let table = JoinableQueue::bounded(1);
    /// block_on(table.put_async("bread"))?; // would wait for room
    /// assert_eq!(block_on(table.get_async())?, "bread");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_async(&self, item: T) -> Put<'_, T, O> {
        Put::new(&self.engine, item)
    }

    /// Takes an item out of the queue, and blocks until there is one.
    ///
    /// The item is unfinished until [`task_done`](Self::task_done) is called for it.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed.
    ///
    /// # Errors
    ///
    /// [`GetError`] once the queue is closed and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// queue.close();
    /// assert_eq!(queue.get()?, "bread"); // what is in it can be had
    /// assert!(queue.get().is_err());
    /// # Ok::<(), workmill::GetError>(())
    /// ```
    #[inline]
    #[doc(alias("take", "recv"))]
    pub fn get(&self) -> Result<T, GetError> {
        if let Some(item) = self.engine.take() {
            return Ok(item);
        }
        self.engine.get_until(Deadline::NEVER).map_err(|_| GetError)
    }

    /// Takes an item out of the queue if there is one. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is no item, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// assert!(queue.try_get().is_err());
    /// queue.put("bread").unwrap();
    /// assert_eq!(queue.try_get(), Ok("bread"));
    /// ```
    #[doc(alias("get_nowait", "poll"))]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        match self.engine.look_for_item() {
            Some(decided) => decided.map_err(TryGetError::from),
            None => Err(TryGetError::Empty),
        }
    }

    /// Takes an item out of the queue, and blocks until there is one, but no longer than `timeout`.
    ///
    /// With [`Duration::ZERO`] this is [`try_get`](Self::try_get). With [`Duration::MAX`] it waits
    /// forever.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed, until the time is over.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if the time is over, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = workmill::JoinableQueue::<u32>::unbounded();
    /// assert!(queue.get_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, TryGetError> {
        match self.try_get() {
            Err(TryGetError::Empty) if !timeout.is_zero() => {
                self.engine.get_until(Deadline::after(timeout))
            }
            decided => decided,
        }
    }

    /// Takes an item out of the queue, and waits for one without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: an item is taken only when the future resolves to it.
    ///
    /// # Errors
    ///
    /// The future resolves to [`GetError`] once the queue is closed and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// assert_eq!(workmill::block_on(queue.get_async()), Ok("bread"));
    /// ```
    pub async fn get_async(&self) -> Result<T, GetError> {
        let items = self.engine.ledger.getters();
        items.wait_async(|| self.engine.look_for_item()).await
    }

    /// Reports a taken item done.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError`] if all items that were taken have been reported done. Nothing has changed
    /// then.
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

    /// Blocks until no item is unfinished.
    ///
    /// # Blocking
    ///
    /// Blocks until every item that was put has been reported done, and not at all if no item is
    /// unfinished. Items that are put before this thread wakes up are waited for too.
    ///
    /// # Errors
    ///
    /// [`AbandonedError`] if the last [`Consumer`](crate::Consumer) of the queue has gone and an
    /// item is unfinished, also if it is only being put. A queue that never had a consumer is not
    /// abandoned.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| queue.get_task().map(|dish| println!("{}", *dish)));
    ///     queue.join().unwrap(); // until it is eaten
    /// });
    /// ```
    pub fn join(&self) -> Result<(), AbandonedError> {
        let done = self.engine.join_until(Deadline::NEVER);
        done.expect("there is no deadline")
    }

    /// Blocks until no item is unfinished, but no longer than `timeout`. Returns `false` if the
    /// time was over first.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until every item that was put has been reported done, or the time is over.
    ///
    /// # Errors
    ///
    /// [`AbandonedError`] if the last [`Consumer`](crate::Consumer) of the queue has gone and an
    /// item is unfinished.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// assert_eq!(queue.join_timeout(Duration::from_millis(1)), Ok(false));
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, AbandonedError> {
        match self.engine.join_until(Deadline::after(timeout)) {
            Some(done) => done.map(|()| true),
            None => Ok(false),
        }
    }

    /// Waits until no item is unfinished, without blocking the thread. Dropping the future ends the
    /// wait.
    ///
    /// # Errors
    ///
    /// The future resolves to [`AbandonedError`] if the last [`Consumer`](crate::Consumer) of the
    /// queue has gone and an item is unfinished.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// drop(queue.get_task());
    /// workmill::block_on(queue.join_async())?;
    /// # Ok::<(), workmill::AbandonedError>(())
    /// ```
    pub async fn join_async(&self) -> Result<(), AbandonedError> {
        let joiners = self.engine.ledger.joiners();
        joiners.wait_async(|| self.engine.look_whether_done()).await
    }

    /// Returns the number of items that were put and have not been reported done. This is a
    /// snapshot and may be stale. An item that is just being given back may be counted twice.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// let dish = queue.get_task().unwrap();
    /// assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    /// drop(dish);
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    pub fn unfinished(&self) -> usize {
        self.engine.ledger.unfinished()
    }

    /// Closes the queue: all puts are refused from now on, and so are puts that wait. Gets go on
    /// until the queue is empty.
    ///
    /// Closing a closed queue has no effect.
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
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.engine.close();
    }

    /// Closes the queue, and returns all items that are in it, in the queue's order.
    ///
    /// The returned items are no longer unfinished. [`join`](Self::join) still waits for items that
    /// were taken before.
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

    /// Returns `true` if the queue was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::<u32>::unbounded();
    /// queue.close();
    /// assert!(queue.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.engine.ledger.is_closed()
    }

    /// Returns the number of items in the queue. This is a snapshot and may be stale.
    ///
    /// Without capacity it is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put("bread").unwrap();
    /// assert_eq!(queue.len(), 1);
    /// ```
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.engine.len()
    }

    /// Returns `true` if no item is in the queue. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(workmill::JoinableQueue::<u32>::unbounded().is_empty());
    /// ```
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if there is no room in the queue. This is a snapshot and may be stale.
    ///
    /// Without capacity there never is room.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("bread").unwrap();
    /// assert!(queue.is_full());
    /// ```
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.engine.is_full()
    }

    /// Returns the largest number of items that the queue holds, or `None` for any number.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(workmill::JoinableQueue::<u32>::bounded(5).capacity(), Some(5));
    /// assert_eq!(workmill::JoinableQueue::<u32>::unbounded().capacity(), None);
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        self.engine.capacity()
    }

    /// Changes the largest number of items that the queue holds; [`usize::MAX`] is any number.
    ///
    /// Puts that wait go on if there is room now. If the queue has more items than the new capacity
    /// they stay, and puts wait until enough were taken. A put that has just found room in the old
    /// capacity may still come.
    ///
    /// A [`JoinableQueue`] whose capacity was changed takes a lock for each put and get from then
    /// on; it takes none before.
    ///
    /// # Panics
    ///
    /// Panics if the capacity is 0, or if the queue was made by [`bounded(0)`](Self::bounded):
    /// items that go directly from a put to a get are a different kind of queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::bounded(1);
    /// queue.put("first")?;
    /// assert!(queue.try_put("second").is_err());
    /// queue.set_capacity(2);
    /// queue.put("second")?;
    /// assert_eq!((queue.get()?, queue.get()?), ("first", "second"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn set_capacity(&self, capacity: usize) {
        self.engine.set_capacity(capacity);
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get`](Self::get) does.
    ///
    /// `for item in &queue` uses this iterator.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put_all([1, 2, 3]).unwrap();
    /// queue.close();
    /// assert_eq!(queue.iter().sum::<i32>(), 6); // ends since the queue is closed
    /// ```
    pub fn iter(&self) -> Iter<'_, T, O> {
        Iter { queue: self }
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

/// An iterator that takes items until the queue is closed and empty.
///
/// It is returned by [`Queue::iter`].
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::unbounded();
/// queue.put_all([1, 2, 3]).unwrap();
/// queue.close();
/// for number in &queue {
///     println!("{number}");
/// }
/// ```
#[must_use = "iterators do nothing unless iterated"]
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
