//! `Queue`, and what its methods do here or by way of the parent.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use workmill::{GetError, PutError, TryGetError, TryPutError};
use workmill_jobs::Sendable;

use super::held::{Closed, Fifo, Kept, Lifo, Order, SmallestFirst};
use super::near::{Near, Sent};
use super::queue_items::{
    NewOf, Outgoing, SAME_VERSION, decode_there, for_good, not_put, value_here,
};
use super::registry::{Handle, Registry, There, answer};
use super::served::Served;
use super::task::{Lease, TaskGuard};
use super::wire::{Answer, Status, Verb, item, limit};
use crate::buffers::Body;

/// A queue between processes that gives items out in the order in which they were put. Made by
/// [`HubRef::queue`](super::HubRef::queue); see [`Queue`] for its methods.
///
/// It corresponds to Python's `multiprocessing.JoinableQueue`, and does for
/// `multiprocessing.Queue`, too.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::JoinableQueue;
///
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue: JoinableQueue<u64> = hub.queue(None);
/// queue.put(1)?;
/// queue.put(2)?;
/// assert_eq!((queue.get()?, queue.get()?), (1, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type JoinableQueue<T> = Queue<T, Fifo>;

/// A queue between processes that gives out the item that was put last. Made by
/// [`HubRef::lifo_queue`](super::HubRef::lifo_queue); see [`Queue`] for its methods.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::LifoQueue;
///
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue: LifoQueue<u64> = hub.lifo_queue(None);
/// queue.put(1)?;
/// queue.put(2)?;
/// assert_eq!((queue.get()?, queue.get()?), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type LifoQueue<T> = Queue<T, Lifo>;

/// A queue between processes that gives out the smallest item first, and equal items in the order
/// in which they were put. Made by [`HubRef::priority_queue`](super::HubRef::priority_queue); see
/// [`Queue`] for its methods.
///
/// Python has none between processes. The items are compared in the parent, by a thread that drives
/// the processes, so their decoding and comparison should be quick.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::PriorityQueue;
///
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue: PriorityQueue<(u8, String)> = hub.priority_queue(None);
/// queue.put((2, "wash up".to_owned()))?;
/// queue.put((1, "put out the fire".to_owned()))?;
/// assert_eq!(queue.get()?.1, "put out the fire");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type PriorityQueue<T> = Queue<T, SmallestFirst>;

/// A queue for threads of any number of processes, which can be bounded, closed and joined.
///
/// [`JoinableQueue`], [`LifoQueue`] and [`PriorityQueue`] are this type with different orders. It
/// has the methods of [`workmill::Queue`], which it is in the parent. A handle goes into the
/// arguments of jobs; clones are the same queue. Items are values that can be encoded, with handles
/// of the same hub in them if need be. Large bytes should not go through it: they are copied
/// several times.
///
/// # When a process dies
///
/// An item belongs to the process that takes it once its [`get`](Self::get) returns, or once the
/// guard of its [`get_task`](Self::get_task) is dropped. If the process dies before, the item goes
/// back to the front of the queue, also if that is full or closed, and remains unfinished. An item
/// that a `put` was still waiting to put is not put. Nothing else changes.
///
/// # Joining, closing
///
/// As with a [`workmill::Queue`]: an item is *unfinished* from its put until it is reported done,
/// by the drop of a [`TaskGuard`] or by [`task_done`](Self::task_done) after a `get`;
/// [`join`](Self::join) waits until none is. After [`close`](Self::close) puts are refused, and
/// gets fail once the queue is empty.
///
/// # Waiting
///
/// In a worker a method that returns something waits for the answer of the parent, some
/// microseconds; methods whose names begin with `try_` wait no longer than that. Reporting an item
/// done and closing do not wait: they take effect in the order in which the process calls methods
/// of the hub. Nor do, mostly, the puts and gets of a [`JoinableQueue`] without a bound: a process
/// that puts one item after the other does not wait for the answers, and one that gets them alone
/// is sent several at a time. This changes nothing of the order, nor of what a close or a death
/// does. In a queue with a bound each item costs a round trip.
///
/// # Panics
///
/// A method panics if the item cannot be encoded or decoded, which is an error in the
/// implementation of its `Serialize` or `Deserialize`, or a handle of another hub in it. An item
/// that cannot be decoded is out of the queue then, and done.
///
/// # Examples
///
/// ```
/// use workmill_process::hub::JoinableQueue;
/// use workmill_process::{Hub, Jobs};
///
/// fn eat(dishes: JoinableQueue<String>) -> usize {
///     dishes.iter_tasks().count() // each is done when its guard is dropped
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("eat", eat)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let hub = Hub::new(jobs())?;
///     let dishes = hub.queue(20);
///     let eaters = [(); 2].map(|()| hub.spawn(eat, dishes.clone()));
///     for number in 0..4 {
///         dishes.put(format!("bun {number}"))?;
///     }
///     dishes.join()?; // all are eaten
///     dishes.close(); // which ends the loops of the eaters
///     let mut eaten = 0;
///     for eater in eaters {
///         eaten += eater.join()?;
///     }
///     assert_eq!(eaten, 4);
///     Ok(())
/// }
/// ```
pub struct Queue<T: Send + 'static, O: Order<T>> {
    pub(super) handle: Handle<Kept<T, O>>,
    /// The greatest number for a queue without a bound.
    pub(super) capacity: u64,
    /// In a worker, if items go ahead.
    near: Option<Arc<Near>>,
}

impl<T: Sendable, O: Order<T>> Queue<T, O> {
    pub(super) fn new(home: &Arc<Registry>, capacity: Option<usize>) -> Self {
        let queue = Arc::new(Kept::new(capacity, home));
        let served = Served::Queue(Arc::clone(&queue) as _);
        Self {
            handle: home.add(queue, served),
            capacity: capacity.map_or(u64::MAX, |capacity| capacity as u64),
            near: None,
        }
    }

    /// Puts an item into the queue, and blocks until there is room.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full, or without capacity until the item is taken.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the queue is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(1);
    /// queue.put(1)?;
    /// queue.close();
    /// assert_eq!(queue.put(2).unwrap_err().into_inner(), 2); // refused, and returned
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_within(item, None).map_err(for_good)
    }

    /// Puts an item into the queue if there is room. Never waits, except for the answer of the
    /// parent.
    ///
    /// # Errors
    ///
    /// [`TryPutError`] with the item if the queue is full or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(1);
    /// queue.try_put(1)?;
    /// assert!(queue.try_put(2).unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        self.put_within(item, Some(Duration::ZERO))
    }

    /// Puts an item into the queue, and blocks until there is room, but no longer than `timeout`.
    /// [`Duration::MAX`] waits forever.
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
    /// let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(1);
    /// queue.put("first".to_owned())?;
    /// let refused = queue.put_timeout("second".to_owned(), Duration::from_millis(5));
    /// assert_eq!(refused.unwrap_err().into_inner(), "second");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), TryPutError<T>> {
        self.put_within(item, Some(timeout))
    }

    fn put_within(&self, item: T, time: Option<Duration>) -> Result<(), TryPutError<T>> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (kept, value) = O::Item::new_of(what, item);
                let put = match (what.putting(), time) {
                    (Err(Closed), _) => Err(PutError::new(kept).into()),
                    (Ok(inner), None) => inner.put(kept).map_err(TryPutError::from),
                    (Ok(inner), Some(Duration::ZERO)) => inner.try_put(kept),
                    (Ok(inner), Some(time)) => inner.put_timeout(kept, time),
                };
                put.map_err(|error| not_put::<T, O>(error, value))
            }
            Handle::There(there) => {
                let put = Outgoing::new(there, &item);
                if self.goes_ahead(there, &put) {
                    return Ok(());
                }
                let request = there.request(Verb::Put, limit(time), 0);
                let (_, body) = there.link.ask(request, &put.parts());
                self.was_put(&body, item)
            }
        }
    }

    /// Sends an item without waiting for the answer, if there is credit for that.
    fn goes_ahead(&self, there: &There, put: &Outgoing) -> bool {
        let Some(near) = &self.near else {
            return false;
        };
        let has_credit = there.link.is_ours() && near.spend(there.link.claims());
        if has_credit {
            let request = there.request(Verb::PutAhead, 0, 0);
            there.link.tell(request, &put.parts());
        }
        has_credit
    }

    /// Returns what the answer to a put says.
    fn was_put(&self, body: &[u8], item: T) -> Result<(), TryPutError<T>> {
        let (Answer { status, number }, why) = answer(body);
        match status {
            Status::Yes => {
                if let Some(near) = &self.near {
                    near.note_slot(number);
                }
                Ok(())
            }
            Status::No => Err(TryPutError::full(item)),
            Status::Refused => {
                panic!("the item cannot be put: {}", String::from_utf8_lossy(why))
            }
            Status::Closed | Status::TooMany => Err(PutError::new(item).into()),
        }
    }

    /// Puts an item into the queue, and waits for room without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the item, unless it was put.
    ///
    /// # Errors
    ///
    /// [`PutError`] with the item if the queue is closed, or is closed during the wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(1);
    /// workmill_process::workmill::block_on(queue.put_async(1))?;
    /// assert_eq!(queue.get()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_async(&self, item: T) -> Result<(), PutError<T>> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (kept, value) = O::Item::new_of(what, item);
                let put = match what.putting() {
                    Ok(inner) => inner.put_async(kept).await,
                    Err(Closed) => Err(PutError::new(kept)),
                };
                put.map_err(|error| for_good(not_put::<T, O>(error.into(), value)))
            }
            Handle::There(there) => {
                let put = Outgoing::new(there, &item);
                if self.goes_ahead(there, &put) {
                    return Ok(());
                }
                let request = there.request(Verb::Put, limit(None), 0);
                let asking = there.link.ask_async(request, &put.parts());
                let (_, body) = asking.await;
                self.was_put(&body, item).map_err(for_good)
            }
        }
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.close();
    /// assert_eq!(queue.get()?, 1);
    /// assert!(queue.get().is_err()); // closed, and empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self) -> Result<T, GetError> {
        self.get_within(None).map_err(|_| GetError)
    }

    /// Takes an item out of the queue if there is one. Never waits, except for the answer of the
    /// parent.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is no item, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::workmill::TryGetError;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue::<u64>(None);
    /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    /// queue.close();
    /// assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        self.get_within(Some(Duration::ZERO))
    }

    /// Takes an item out of the queue, and blocks until there is one, but no longer than `timeout`.
    /// [`Duration::MAX`] waits forever.
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
    /// use workmill_process::workmill::TryGetError;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue::<u64>(None);
    /// assert_eq!(queue.get_timeout(Duration::from_millis(10)), Err(TryGetError::Empty));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, TryGetError> {
        self.get_within(Some(timeout))
    }

    fn get_within(&self, time: Option<Duration>) -> Result<T, TryGetError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (_waiting, inner) = what.taking();
                let item = match time {
                    None => inner.get()?,
                    Some(Duration::ZERO) => inner.try_get()?,
                    Some(time) => inner.get_timeout(time)?,
                };
                Ok(value_here(what, item))
            }
            Handle::There(there) => {
                let (value, lease) = self.take_there(there, time, true)?;
                lease.taken();
                Ok(value)
            }
        }
    }

    /// Takes an item that was sent ahead, or asks for one.
    fn take_there(
        &self,
        there: &There,
        time: Option<Duration>,
        for_good: bool,
    ) -> Result<(T, Lease), TryGetError> {
        if let Some(taken) = self.take_near(there, for_good) {
            return Ok(taken);
        }
        let put_back = self.near.as_ref().map(|near| near.put_back());
        let request = there.request(Verb::Get, limit(time), 0);
        let (number, body) = there.link.ask(request, &[]);
        self.taken(there, number, body, put_back)
    }

    async fn take_there_async(
        &self,
        there: &There,
        for_good: bool,
    ) -> Result<(T, Lease), TryGetError> {
        if let Some(taken) = self.take_near(there, for_good) {
            return Ok(taken);
        }
        let put_back = self.near.as_ref().map(|near| near.put_back());
        let request = there.request(Verb::Get, limit(None), 0);
        let (number, body) = there.link.ask_async(request, &[]).await;
        self.taken(there, number, body, put_back)
    }

    /// Takes an item that was sent ahead.
    fn take_near(&self, there: &There, for_good: bool) -> Option<(T, Lease)> {
        let near = self.near.as_ref().filter(|_| there.link.is_ours())?;
        let sent = near.take(there.link.claims(), for_good)?;
        let lease = Lease::ahead(there, near, sent.sequence, for_good);
        Some((decode_there(there, sent.bytes()), lease))
    }

    /// Returns the item that the answer to a get has brought, and keeps those behind it.
    fn taken(
        &self,
        there: &There,
        number: u64,
        body: Body,
        put_back: Option<u64>,
    ) -> Result<(T, Lease), TryGetError> {
        let (
            Answer {
                status,
                number: slot,
            },
            mut items,
        ) = answer(&body);
        match status {
            Status::Yes => {}
            Status::No => return Err(TryGetError::Empty),
            _ => return Err(TryGetError::Closed),
        }
        // If it cannot be decoded, the drop of this reports it done.
        let lease = Lease::new(there, self.near.as_ref(), number);
        let (_, item) = item::next(&mut items).expect(SAME_VERSION);
        let value = decode_there(there, item);
        if let (Some(near), Some(put_back), false) = (&self.near, put_back, items.is_empty()) {
            near.note_slot(slot);
            let start = body.len() - items.len();
            let body = Arc::new(body);
            let mut rest = &body[start..];
            let sent = std::iter::from_fn(|| {
                let (sequence, item) = item::next(&mut rest)?;
                Some(Sent::new(sequence, &body, item))
            });
            near.keep(put_back, sent);
        }
        Ok((value, lease))
    }

    /// Takes an item out of the queue, and waits for one without blocking the thread.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: an item that was on its way goes back to the front.
    ///
    /// # Errors
    ///
    /// [`GetError`] once the queue is closed and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// assert_eq!(workmill_process::workmill::block_on(queue.get_async())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_async(&self) -> Result<T, GetError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (_waiting, inner) = what.taking();
                let item = inner.get_async().await?;
                Ok(value_here(what, item))
            }
            Handle::There(there) => {
                let taken = self.take_there_async(there, true).await;
                let (value, lease) = taken.map_err(|_| GetError)?;
                lease.taken();
                Ok(value)
            }
        }
    }

    /// Takes an item out of the queue, and blocks until there is one, like [`get`](Self::get). The
    /// item is reported done when the guard is dropped, also during unwinding, and goes back to the
    /// front of the queue if the process dies before that.
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put("bun".to_owned())?;
    /// {
    ///     let bun = queue.get_task()?;
    ///     println!("eating the {}", *bun);
    /// } // done
    /// queue.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task(&self) -> Result<TaskGuard<T, O>, GetError> {
        self.get_task_within(None).map_err(|_| GetError)
    }

    /// Takes an item out of the queue if there is one, like [`try_get`](Self::try_get), and returns
    /// it in a guard that reports it done.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is no item, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// assert_eq!(*queue.try_get_task()?, 1);
    /// assert!(queue.try_get_task().is_err()); // empty
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_get_task(&self) -> Result<TaskGuard<T, O>, TryGetError> {
        self.get_task_within(Some(Duration::ZERO))
    }

    /// Takes an item out of the queue, and blocks for at most `timeout`, like
    /// [`get_timeout`](Self::get_timeout). It is returned in a guard that reports it done.
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
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// assert_eq!(*queue.get_task_timeout(Duration::from_secs(10))?, 1);
    /// assert_eq!(queue.unfinished(), 0); // the guard is dropped already
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task_timeout(&self, timeout: Duration) -> Result<TaskGuard<T, O>, TryGetError> {
        self.get_task_within(Some(timeout))
    }

    fn get_task_within(&self, time: Option<Duration>) -> Result<TaskGuard<T, O>, TryGetError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (_waiting, inner) = what.taking();
                let guard = match time {
                    None => inner.get_task_owned()?,
                    Some(Duration::ZERO) => inner.try_get_task_owned()?,
                    Some(time) => inner.get_task_owned_timeout(time)?,
                };
                Ok(TaskGuard::here(what, guard))
            }
            Handle::There(there) => {
                let (value, lease) = self.take_there(there, time, false)?;
                Ok(TaskGuard::there(value, lease))
            }
        }
    }

    /// Takes an item out of the queue, and waits for one without blocking the thread, like
    /// [`get_async`](Self::get_async). It is returned in a guard that reports it done.
    ///
    /// # Errors
    ///
    /// [`GetError`] once the queue is closed and empty.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: an item that was on its way goes back to the front.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// let task = workmill_process::workmill::block_on(queue.get_task_async())?;
    /// assert_eq!((*task, queue.unfinished()), (1, 1)); // not done yet
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_task_async(&self) -> Result<TaskGuard<T, O>, GetError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (_waiting, inner) = what.taking();
                let guard = inner.get_task_owned_async().await?;
                Ok(TaskGuard::here(what, guard))
            }
            Handle::There(there) => {
                let taken = self.take_there_async(there, false).await;
                let (value, lease) = taken.map_err(|_| GetError)?;
                Ok(TaskGuard::there(value, lease))
            }
        }
    }
}

impl<T: Send + 'static, O: Order<T>> Clone for Queue<T, O> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            capacity: self.capacity,
            near: self.near.clone(),
        }
    }
}

impl<T: Send + 'static, O: Order<T>> fmt::Debug for Queue<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl<T: Sendable, O: Order<T>> Serialize for Queue<T, O> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.handle.encode(O::NAME, self.capacity, serializer)
    }
}

impl<'de, T: Sendable, O: Order<T>> Deserialize<'de> for Queue<T, O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (handle, capacity) = Handle::decode(O::NAME, deserializer)?;
        let near = match &handle {
            Handle::There(there) if O::AHEAD && capacity == u64::MAX => {
                Some(Arc::clone(&there.near))
            }
            _ => None,
        };
        Ok(Self {
            handle,
            capacity,
            near,
        })
    }
}
