//! Items that were taken and are reported done when their guard is dropped, or are given back.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::basic::Queue;
use super::engine::Engine;
use super::order::Order;
use crate::sync::error::{GetError, TryGetError};
use crate::unwind;

impl<T, O: Order<T>> Queue<T, O> {
    /// Takes an item out of the queue, and blocks until there is one, like [`get`](Self::get). The
    /// item is reported done when the guard is dropped, also during unwinding.
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
    /// queue.put("wash up")?;
    /// let task = queue.get_task()?;
    /// assert_eq!((*task, queue.unfinished()), ("wash up", 1));
    /// drop(task);
    /// queue.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn get_task(&self) -> Result<TaskGuard<'_, T, O>, GetError> {
        self.get().map(|item| self.guard(item))
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
    /// let queue = workmill::JoinableQueue::unbounded();
    /// assert!(queue.try_get_task().is_err());
    /// queue.put("bread").unwrap();
    /// assert_eq!(*queue.try_get_task().unwrap(), "bread"); // and done
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    pub fn try_get_task(&self) -> Result<TaskGuard<'_, T, O>, TryGetError> {
        self.try_get().map(|item| self.guard(item))
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
    /// let queue = workmill::JoinableQueue::<u32>::unbounded();
    /// assert!(queue.get_task_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn get_task_timeout(&self, timeout: Duration) -> Result<TaskGuard<'_, T, O>, TryGetError> {
        self.get_timeout(timeout).map(|item| self.guard(item))
    }

    /// Takes an item out of the queue, and waits for one without blocking the thread, like
    /// [`get_async`](Self::get_async). It is returned in a guard that reports it done.
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
    /// assert_eq!(*workmill::block_on(queue.get_task_async()).unwrap(), "bread");
    /// ```
    pub async fn get_task_async(&self) -> Result<TaskGuard<'_, T, O>, GetError> {
        self.get_async().await.map(|item| self.guard(item))
    }

    /// Takes an item out of the queue, and blocks until there is one, like
    /// [`get_task`](Self::get_task). The guard has its own share of the queue, so it can go with
    /// the item to another thread, or into a task.
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
    /// use std::sync::Arc;
    /// use workmill::{JoinableQueue, ThreadPoolExecutor};
    ///
    /// let pool = ThreadPoolExecutor::new(2)?;
    /// let orders = Arc::new(JoinableQueue::unbounded());
    /// orders.put("tea")?;
    /// let order = orders.get_task_owned()?;
    /// let brewed = pool.submit(move || format!("a cup of {}", *order)); // done, or panicked
    /// orders.join()?;
    /// assert_eq!(brewed.join()?, "a cup of tea");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task_owned(self: &Arc<Self>) -> Result<OwnedTaskGuard<T, O>, GetError> {
        let share = Share::new(self);
        self.get().map(|item| share.guard(item))
    }

    /// Takes an item out of the queue if there is one, and returns it in a guard with its own share
    /// of the queue. Never waits.
    ///
    /// # Errors
    ///
    /// [`TryGetError::Empty`] if there is no item, [`TryGetError::Closed`] once the queue is closed
    /// and empty.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = std::sync::Arc::new(workmill::JoinableQueue::unbounded());
    /// queue.put("bread").unwrap();
    /// let dish = queue.try_get_task_owned().unwrap();
    /// std::thread::spawn(move || println!("{}", *dish)).join().unwrap();
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    pub fn try_get_task_owned(self: &Arc<Self>) -> Result<OwnedTaskGuard<T, O>, TryGetError> {
        let share = Share::new(self);
        self.try_get().map(|item| share.guard(item))
    }

    /// Takes an item out of the queue, and blocks for at most `timeout`. It is returned in a guard
    /// with its own share of the queue.
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
    /// let queue = std::sync::Arc::new(workmill::JoinableQueue::<u32>::unbounded());
    /// assert!(queue.get_task_owned_timeout(Duration::from_millis(1)).is_err());
    /// ```
    pub fn get_task_owned_timeout(
        self: &Arc<Self>,
        timeout: Duration,
    ) -> Result<OwnedTaskGuard<T, O>, TryGetError> {
        let share = Share::new(self);
        self.get_timeout(timeout).map(|item| share.guard(item))
    }

    /// Takes an item out of the queue, and waits for one without blocking the thread. It is
    /// returned in a guard with its own share of the queue.
    ///
    /// The future has a share of the queue, too, from this call on, so it can be spawned.
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
    /// let queue = std::sync::Arc::new(workmill::JoinableQueue::unbounded());
    /// queue.put("bread").unwrap();
    /// assert_eq!(*workmill::block_on(queue.get_task_owned_async()).unwrap(), "bread");
    /// ```
    pub fn get_task_owned_async(
        self: &Arc<Self>,
    ) -> impl Future<Output = Result<OwnedTaskGuard<T, O>, GetError>> + use<T, O> {
        let share = Share::new(self);
        async move {
            let item = share.queue.get_async().await;
            item.map(|item| share.guard(item))
        }
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get_task`](Self::get_task) does, and returns it in a guard.
    ///
    /// [`join`](Self::join) waits for guards that are kept.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// ["sow", "reap"].map(|work| queue.put(work).unwrap());
    /// queue.close();
    /// for task in queue.iter_tasks() {
    ///     println!("{}", *task);
    /// } // the guard is dropped here, which reports the item done
    /// queue.join()?;
    /// # Ok::<(), workmill::AbandonedError>(())
    /// ```
    pub fn iter_tasks(&self) -> IterTasks<'_, T, O> {
        IterTasks { queue: self }
    }

    /// Wraps a taken item in a guard.
    #[inline]
    fn guard(&self, item: T) -> TaskGuard<'_, T, O> {
        TaskGuard {
            item: Some(item),
            engine: &self.engine,
        }
    }
}

/// A taken item, which is reported done when the guard is dropped.
///
/// It is returned by [`Queue::get_task`]. The item is dropped before it is reported done, so it is
/// gone when [`join`](Queue::join) returns.
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::unbounded();
/// queue.put("bread").unwrap();
/// {
///     let dish = queue.get_task().unwrap();
///     println!("{}", *dish);
/// } // done, also if this block panics
/// assert_eq!(queue.unfinished(), 0);
/// ```
#[must_use = "the item is reported done when this is dropped: keep it by `let task = …` while the \
              item is worked on, since `let _ = …` drops it at once"]
pub struct TaskGuard<'a, T, O: Order<T>> {
    /// `None` only while the guard is dropped.
    item: Option<T>,
    engine: &'a Engine<T, O>,
}

/// A taken item with its own share of the queue, which is reported done when the guard is dropped.
///
/// It is returned by [`Queue::get_task_owned`]. The item is dropped before it is reported done, so
/// it is gone when [`join`](Queue::join) returns.
///
/// # Examples
///
/// ```
/// let queue = std::sync::Arc::new(workmill::JoinableQueue::unbounded());
/// queue.put("bread").unwrap();
/// let dish = queue.get_task_owned().unwrap(); // may go to another thread
/// std::thread::spawn(move || drop(dish)).join().unwrap();
/// assert_eq!(queue.unfinished(), 0);
/// ```
#[must_use = "the item is reported done when this is dropped: keep it by `let task = …` while the \
              item is worked on, since `let _ = …` drops it at once"]
pub struct OwnedTaskGuard<T, O: Order<T>> {
    /// `None` only while the guard is dropped.
    item: Option<T>,
    /// Whether its drop reports the item done.
    reports: bool,
    /// Dropped after the item was reported done.
    share: Share<T, O>,
}

/// A share of the queue, which is counted as a consumer if the queue has others.
struct Share<T, O: Order<T>> {
    is_consumer: bool,
    queue: Arc<Queue<T, O>>,
}

impl<T, O: Order<T>> Share<T, O> {
    /// Takes a share. This is done before an item is taken, so that the queue is not abandoned by
    /// other consumers in between.
    fn new(queue: &Arc<Queue<T, O>>) -> Self {
        Self {
            is_consumer: queue.engine.ledger.add_consumer_if_any(),
            queue: Arc::clone(queue),
        }
    }

    fn guard(self, item: T) -> OwnedTaskGuard<T, O> {
        OwnedTaskGuard {
            item: Some(item),
            reports: true,
            share: self,
        }
    }
}

impl<T, O: Order<T>> Drop for Share<T, O> {
    fn drop(&mut self) {
        if self.is_consumer {
            self.queue.engine.consumer_gone();
        }
    }
}

/// The text that both guards have.
const IS_THERE: &str = "it is there until the drop";

impl<T, O: Order<T>> TaskGuard<'_, T, O> {
    /// Returns the item, and reports it done.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put(String::from("bread")).unwrap();
    /// let bread: String = queue.get_task().unwrap().into_inner();
    /// assert_eq!((bread.as_str(), queue.unfinished()), ("bread", 0));
    /// ```
    pub fn into_inner(mut self) -> T {
        self.item.take().expect(IS_THERE)
    }

    /// Returns the item to the queue, where the next get takes it. See
    /// [`OwnedTaskGuard::give_back`].
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = workmill::JoinableQueue::unbounded();
    /// queue.put_all(["bread", "a bun"]).unwrap();
    /// queue.get_task().unwrap().give_back();
    /// assert_eq!(queue.get(), Ok("bread")); // before all others
    /// ```
    pub fn give_back(mut self) {
        let item = self.item.take().expect(IS_THERE);
        self.engine.give_back(item);
    }
}

impl<T, O: Order<T>> OwnedTaskGuard<T, O> {
    /// Returns the item, and reports it done.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = std::sync::Arc::new(workmill::JoinableQueue::unbounded());
    /// queue.put(String::from("bread")).unwrap();
    /// let bread: String = queue.get_task_owned().unwrap().into_inner();
    /// assert_eq!((bread.as_str(), queue.unfinished()), ("bread", 0));
    /// ```
    pub fn into_inner(mut self) -> T {
        self.item.take().expect(IS_THERE)
    }

    /// Returns the item to the queue, to be taken by the next get. It remains unfinished. Never
    /// waits.
    ///
    /// The item is put in front of all others, in a [`PriorityQueue`](crate::PriorityQueue) in
    /// front of those that are equal to it. The queue takes it even if it is full or closed. A get
    /// that has failed before because the queue was closed and empty does not come back for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use workmill::JoinableQueue;
    ///
    /// let queue = Arc::new(JoinableQueue::bounded(2));
    /// (1..=2).for_each(|n| queue.put(n).unwrap());
    /// let task = queue.get_task_owned()?;
    /// queue.put(3)?; // the queue is full
    /// task.give_back();
    /// queue.close();
    /// assert_eq!(queue.unfinished(), 3);
    /// assert!(queue.iter().eq([1, 2, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_back(mut self) {
        let item = self.item.take().expect(IS_THERE);
        self.share.queue.engine.give_back(item);
    }

    /// Returns the item without reporting it done. It is as if [`get`](Queue::get) had returned it:
    /// it remains unfinished until [`task_done`](Queue::task_done) is called for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use workmill::JoinableQueue;
    ///
    /// let queue = Arc::new(JoinableQueue::unbounded());
    /// queue.put("wash up")?;
    /// let work = queue.get_task_owned()?.into_unfinished();
    /// assert_eq!((work, queue.unfinished()), ("wash up", 1));
    /// queue.task_done()?;
    /// queue.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_unfinished(mut self) -> T {
        self.reports = false;
        self.item.take().expect(IS_THERE)
    }
}

impl<T, O: Order<T>> Deref for TaskGuard<'_, T, O> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect(IS_THERE)
    }
}

impl<T, O: Order<T>> Deref for OwnedTaskGuard<T, O> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect(IS_THERE)
    }
}

impl<T, O: Order<T>> DerefMut for TaskGuard<'_, T, O> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect(IS_THERE)
    }
}

impl<T, O: Order<T>> DerefMut for OwnedTaskGuard<T, O> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect(IS_THERE)
    }
}

impl<T, O: Order<T>> Drop for TaskGuard<'_, T, O> {
    #[inline]
    fn drop(&mut self) {
        unwind::discard(self.item.take());
        // An error means that the item was reported done by `task_done`.
        let _ = self.engine.ledger.finish();
    }
}

impl<T, O: Order<T>> Drop for OwnedTaskGuard<T, O> {
    fn drop(&mut self) {
        unwind::discard(self.item.take());
        if self.reports {
            // An error means that the item was reported done by `task_done`.
            let _ = self.share.queue.engine.ledger.finish();
        }
    }
}

impl<T: fmt::Debug, O: Order<T>> fmt::Debug for TaskGuard<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskGuard").field(&**self).finish()
    }
}

impl<T: fmt::Debug, O: Order<T>> fmt::Debug for OwnedTaskGuard<T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedTaskGuard").field(&**self).finish()
    }
}

/// An iterator that takes items until the queue is closed and empty, and returns each in a guard.
///
/// It is returned by [`Queue::iter_tasks`].
///
/// # Examples
///
/// ```
/// let queue = workmill::JoinableQueue::unbounded();
/// queue.put_all([1, 2, 3]).unwrap();
/// queue.close();
/// for number in queue.iter_tasks() {
///     println!("{}", *number);
/// } // done, one after the other
/// assert_eq!(queue.unfinished(), 0);
/// ```
#[must_use = "iterators do nothing unless iterated"]
pub struct IterTasks<'a, T, O> {
    queue: &'a Queue<T, O>,
}

impl<'a, T, O: Order<T>> Iterator for IterTasks<'a, T, O> {
    type Item = TaskGuard<'a, T, O>;

    fn next(&mut self) -> Option<Self::Item> {
        self.queue.get_task().ok()
    }
}

impl<T, O: Order<T>> fmt::Debug for IterTasks<'_, T, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IterTasks").field(self.queue).finish()
    }
}
