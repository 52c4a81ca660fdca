//! Queues that threads and futures put items into and take them from, and that can be joined.
//!
//! Where the items are, and in what order, is [`order`]'s business; what is counted, [`ledger`]'s. Here
//! is how one waits: for an item and for room in a [`WaitQueue`](super::wait_queue::Line), whose protocol sees to
//! it that no wake-up is lost, since whoever puts or takes notifies after it has. A queue without
//! capacity is another thing: [`direct`].

mod direct;
mod ledger;
pub(crate) mod order;

use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use self::direct::{Direct, Offer};
use self::ledger::Ledger;
use self::order::{Fifo, Lifo, Order, SmallestFirst};
use crate::primitive::yield_now;
use crate::sync::error::{GetError, PutError, TaskDoneError, TryGetError, TryPutError};
use crate::sync::wait_queue::Waiter;
use crate::unwind;
use crate::wait::{Deadline, block_until};

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
    items: Items<T, O>,
    capacity: Option<usize>,
    ledger: Ledger,
}

enum Items<T, O> {
    Kept(O),
    /// They go from hand to hand, if there is no capacity.
    Direct(Direct<T>),
}

impl<T, O: Order<T>> Queue<T, O> {
    /// Makes a queue that holds at most so many items; with 0 it hands each from a put to a get.
    ///
    /// Python's `Queue(0)` is [`unbounded`](Self::unbounded). Any number will do: a [`JoinableQueue`] for
    /// up to 65,536 items takes the memory for them at once, and every other queue as items come.
    pub fn bounded(capacity: usize) -> Self {
        Self {
            items: match capacity {
                0 => Items::Direct(Direct::new()),
                _ => Items::Kept(O::new(Some(capacity))),
            },
            capacity: Some(capacity),
            ledger: Ledger::new(),
        }
    }

    /// Makes a queue that holds any number of items.
    pub fn unbounded() -> Self {
        Self {
            items: Items::Kept(O::new(None)),
            capacity: None,
            ledger: Ledger::new(),
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
        match self.put_now(item) {
            Ok(()) => Ok(()),
            Err(TryPutError::Closed(item)) => Err(PutError(item)),
            Err(TryPutError::Full(item)) => match self.put_until(item, Deadline::NEVER) {
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
        self.put_now(item)
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
        match self.put_now(item) {
            Err(TryPutError::Full(item)) if !timeout.is_zero() => {
                self.put_until(item, Deadline::after(timeout))
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
        Put {
            queue: self,
            stage: Stage::New(item),
        }
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
        if let Some(item) = self.take() {
            return Ok(item);
        }
        self.get_until(Deadline::NEVER).map_err(|_| GetError)
    }

    /// Takes an item if there is one; never waits.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is none, [`TryGetError::Closed`] once the queue is closed and
    /// empty.
    pub fn try_get(&self) -> Result<T, TryGetError> {
        match self.look_for_item() {
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
                self.get_until(Deadline::after(timeout))
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
        let items = self.ledger.getters();
        items.wait_async(|| self.look_for_item()).await
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
            ledger: &self.ledger,
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
        self.ledger.finish()
    }

    /// Waits until nothing is unfinished.
    ///
    /// # Blocking
    ///
    /// Until every item that was put has been reported done; not at all if nothing is unfinished. Items
    /// that are put before this thread wakes up are waited for too.
    pub fn join(&self) {
        self.join_until(Deadline::NEVER);
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
        self.join_until(Deadline::after(timeout))
    }

    /// Waits until nothing is unfinished, without blocking the thread. Dropping the future ends the
    /// wait.
    pub async fn join_async(&self) {
        let joiners = self.ledger.joiners();
        joiners.wait_async(|| self.is_done().then_some(())).await;
    }

    fn join_until(&self, deadline: Deadline) -> bool {
        let done = || self.is_done().then_some(());
        self.ledger.joiners().wait(deadline, done).is_some()
    }

    fn is_done(&self) -> bool {
        self.unfinished() == 0
    }

    /// Counts the items that were put and have not been reported done, a snapshot, may be stale.
    pub fn unfinished(&self) -> usize {
        self.ledger.unfinished()
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
        self.ledger.close();
        if let Items::Direct(direct) = &self.items {
            direct.close();
        }
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

    /// Tells whether the queue was closed.
    pub fn is_closed(&self) -> bool {
        self.ledger.is_closed()
    }

    /// Counts the items in the queue, a snapshot, may be stale.
    ///
    /// Without capacity there are none.
    pub fn len(&self) -> usize {
        match &self.items {
            Items::Kept(items) => items.len(),
            Items::Direct(_) => 0,
        }
    }

    /// Tells whether nothing is in the queue, a snapshot, may be stale.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether there is no room in the queue, a snapshot, may be stale. Without capacity there never is.
    pub fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.len() >= capacity)
    }

    /// Tells how many items it holds at most; `None` for any number.
    pub fn capacity(&self) -> Option<usize> {
        self.capacity
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

    #[inline]
    fn put_now(&self, item: T) -> Result<(), TryPutError<T>> {
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
    fn put_until(&self, item: T, deadline: Deadline) -> Result<(), TryPutError<T>> {
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
    fn look_for_room(&self, item: &mut Option<T>) -> Option<Result<(), PutError<T>>> {
        // Looked at first, so that a put that has to wait is not counted and retracted again and again.
        if self.is_full() && !self.is_closed() {
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
    fn get_until(&self, deadline: Deadline) -> Result<T, TryGetError> {
        let got = (self.ledger.getters()).wait(deadline, || self.look_for_item());
        match got {
            Some(got) => got.map_err(TryGetError::from),
            None => Err(TryGetError::Empty),
        }
    }

    fn look_for_item(&self) -> Option<Result<T, GetError>> {
        match self.take() {
            Some(item) => Some(Ok(item)),
            None => self.ledger.is_drained().then_some(Err(GetError)),
        }
    }

    #[inline]
    fn take(&self) -> Option<T> {
        let item = match &self.items {
            Items::Kept(items) => items.pop()?,
            Items::Direct(direct) => return direct.take(&self.ledger),
        };
        self.ledger.take();
        Some(item)
    }
}

/// Waits for room and puts an item in; made by [`Queue::put_async`].
///
/// Polled again after it was ready, it panics.
///
/// # Dropping
///
/// Drops the item, unless it was put.
#[must_use = "futures do nothing unless awaited"]
pub struct Put<'a, T, O: Order<T>> {
    queue: &'a Queue<T, O>,
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

impl<T, O: Order<T>> Put<'_, T, O> {
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
        let queue = self.queue;
        let (item, mut place) = match mem::replace(&mut self.stage, Stage::Over) {
            Stage::New(item) => match (queue.put_now(item), &queue.items) {
                (Err(TryPutError::Full(item)), Items::Direct(direct)) => {
                    return self.poll_offer(direct.offer(item, &queue.ledger), cx);
                }
                (Err(TryPutError::Full(item)), Items::Kept(_)) => {
                    (item, queue.ledger.putters().waiter())
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
        let put = place.look_or_enqueue(cx.waker(), || queue.look_for_room(&mut item));
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
