//! What a queue between processes tells of itself, its end, and all of its items at once.

use std::time::Duration;

use workmill::{AbandonedError, TaskDoneError};
use workmill_jobs::Sendable;

use super::held::{AnyQueue, Order};
use super::queue::Queue;
use super::registry::Handle;
use super::task::TaskGuard;
use super::wire::{Status, Verb, limit};

/// What is unfinished, the end, and all items at once.
impl<T: Sendable, O: Order<T>> Queue<T, O> {
    /// Reports a taken item done. In a worker this waits for the answer of the parent, which the
    /// drop of a [`TaskGuard`] does not.
    ///
    /// # Errors
    ///
    /// [`TaskDoneError`] if all items that were taken have been reported done. Nothing has changed
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// let _number = queue.get()?;
    /// queue.task_done()?;
    /// assert_eq!(queue.unfinished(), 0);
    /// assert!(queue.task_done().is_err()); // once too often
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        match &self.handle {
            Handle::Here { what, .. } => what.report_done(),
            Handle::There(there) => match there.ask(Verb::TaskDone, 0, 0).1.status {
                Status::Yes => Ok(()),
                _ => Err(TaskDoneError),
            },
        }
    }

    /// Blocks until no item is unfinished.
    ///
    /// # Blocking
    ///
    /// Blocks until every item that was put has been reported done. An item that comes back because
    /// its process has died is unfinished until another has done it.
    ///
    /// # Errors
    ///
    /// None: a queue of a hub has no counted consumers, and is not abandoned. The type is that of
    /// [`workmill::Queue::join`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| queue.get_task().map(drop));
    ///     queue.join()
    /// })?;
    /// assert_eq!(queue.unfinished(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), AbandonedError> {
        self.join_within(None).map(|_| ())
    }

    /// Blocks until no item is unfinished, but no longer than `timeout`. Returns `false` if the
    /// time was over first. [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Blocking
    ///
    /// Blocks until every item that was put has been reported done, or the time is over.
    ///
    /// # Errors
    ///
    /// None, as for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// assert!(!queue.join_timeout(Duration::from_millis(10))?); // nobody takes it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, AbandonedError> {
        self.join_within(Some(timeout))
    }

    fn join_within(&self, time: Option<Duration>) -> Result<bool, AbandonedError> {
        match (&self.handle, time) {
            (Handle::Here { what, .. }, None) => what.joining().1.join().map(|()| true),
            (Handle::Here { what, .. }, Some(time)) => what.joining().1.join_timeout(time),
            (Handle::There(there), time) => {
                let answer = there.ask(Verb::Join, limit(time), 0).1;
                Ok(answer.status == Status::Yes)
            }
        }
    }

    /// Waits until no item is unfinished, without blocking the thread. Dropping the future ends the
    /// wait.
    ///
    /// # Errors
    ///
    /// None, as for [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// drop(queue.get_task()?);
    /// workmill_process::workmill::block_on(queue.join_async())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn join_async(&self) -> Result<(), AbandonedError> {
        match &self.handle {
            Handle::Here { what, .. } => {
                let (_joining, inner) = what.joining();
                inner.join_async().await
            }
            Handle::There(there) => {
                there.ask_async(Verb::Join, limit(None), 0).await;
                Ok(())
            }
        }
    }

    /// Returns the number of items that were put and have not been reported done. This is a
    /// snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// let task = queue.get_task()?;
    /// assert_eq!((queue.len(), queue.unfinished()), (0, 1));
    /// drop(task);
    /// assert_eq!(queue.unfinished(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unfinished(&self) -> usize {
        match &self.handle {
            Handle::Here { what, .. } => what.settled().unfinished(),
            Handle::There(there) => there.number(Verb::Unfinished, 0),
        }
    }

    /// Closes the queue for all processes: puts are refused from now on, and so are puts that wait.
    /// Gets go on until the queue is empty. Closing a closed queue has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.close();
    /// assert!(queue.put(2).is_err());
    /// assert_eq!(queue.get()?, 1); // what was put before is not lost
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) {
        match &self.handle {
            Handle::Here { what, .. } => what.close(),
            Handle::There(there) => there.tell(Verb::Close, 0),
        }
    }

    /// Closes the queue, and returns all items that are in it, in the queue's order. They are no
    /// longer unfinished. Items that others have taken as tasks stay with them.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// assert_eq!(queue.close_and_drain(), [1, 2]);
    /// queue.join()?; // nothing is unfinished
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_and_drain(&self) -> Vec<T> {
        self.close();
        self.iter_tasks().map(TaskGuard::into_inner).collect()
    }

    /// Takes out all items that are in the queue now, in its order. They are no longer unfinished.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// assert_eq!(queue.drain(), [1, 2]);
    /// queue.put(3)?; // it is still open
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drain(&self) -> Vec<T> {
        let there = std::iter::from_fn(|| self.try_get_task().ok());
        there.take(self.len()).map(TaskGuard::into_inner).collect()
    }

    /// Returns `true` if the queue was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue::<u64>(None);
    /// assert!(!queue.is_closed());
    /// queue.close();
    /// assert!(queue.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        match &self.handle {
            Handle::Here { what, .. } => what.is_closed(),
            Handle::There(there) => there.number(Verb::IsClosed, 0) != 0,
        }
    }

    /// Returns the number of items in the queue. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// assert_eq!(queue.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        match &self.handle {
            Handle::Here { what, .. } => what.len(),
            Handle::There(there) => there.number(Verb::Length, 0),
        }
    }

    /// Returns `true` if no item is in the queue. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// assert!(queue.is_empty());
    /// queue.put(1)?;
    /// assert!(!queue.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `true` if there is no room in the queue. This is a snapshot and may be stale.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(1);
    /// assert!(!queue.is_full());
    /// queue.put(1)?;
    /// assert!(queue.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.capacity()
            .is_some_and(|capacity| self.len() >= capacity)
    }

    /// Returns the largest number of items that the queue holds, or `None` for any number.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// assert_eq!(hub.queue::<u64>(5).capacity(), Some(5));
    /// assert_eq!(hub.queue::<u64>(None).capacity(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> Option<usize> {
        match self.capacity {
            u64::MAX => None,
            capacity => usize::try_from(capacity).ok(),
        }
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get`](Self::get) does. `for item in &queue` uses this iterator.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// queue.close();
    /// assert_eq!(queue.iter().sum::<u64>(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T, O> {
        Iter { queue: self }
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get_task`](Self::get_task) does, and returns it in a guard.
    ///
    /// # Examples
    ///
    /// ```
    /// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
    /// let queue = hub.queue(None);
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// queue.close();
    /// for number in queue.iter_tasks() {
    ///     println!("{}", *number);
    /// } // each is done at the end of its turn
    /// assert_eq!(queue.unfinished(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_tasks(&self) -> IterTasks<'_, T, O> {
        IterTasks { queue: self }
    }
}

impl<'a, T: Sendable, O: Order<T>> IntoIterator for &'a Queue<T, O> {
    type Item = T;
    type IntoIter = Iter<'a, T, O>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An iterator that takes items until the queue is closed and empty. Returned by [`Queue::iter`].
///
/// # Examples
///
/// ```
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue = hub.queue(None);
/// queue.put(1)?;
/// queue.close(); // else the loop would wait for more
/// for number in &queue {
///     assert_eq!(number, 1);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless iterated"]
pub struct Iter<'a, T: Send + 'static, O: Order<T>> {
    queue: &'a Queue<T, O>,
}

impl<T: Sendable, O: Order<T>> Iterator for Iter<'_, T, O> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.queue.get().ok()
    }
}

/// An iterator that takes items until the queue is closed and empty, and returns each in a guard.
/// Returned by [`Queue::iter_tasks`].
///
/// # Examples
///
/// ```
/// # let hub = workmill_process::Hub::new(workmill_process::Jobs::new())?;
/// let queue = hub.queue(None);
/// queue.put(1)?;
/// queue.close();
/// assert_eq!(queue.iter_tasks().map(|task| task.into_inner()).sum::<u64>(), 1);
/// queue.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless iterated"]
pub struct IterTasks<'a, T: Send + 'static, O: Order<T>> {
    queue: &'a Queue<T, O>,
}

impl<T: Sendable, O: Order<T>> Iterator for IterTasks<'_, T, O> {
    type Item = TaskGuard<T, O>;

    fn next(&mut self) -> Option<TaskGuard<T, O>> {
        self.queue.get_task().ok()
    }
}
