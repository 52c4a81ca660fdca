//! Items that stay in the file until their guard reports them done.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::encoding::decode;
use crate::error::FileQueueError;
use crate::open::Open;
use crate::patience::Patience;
use crate::queue::{FileQueue, next};
use crate::store::{Row, Take};

impl<T: Serialize + DeserializeOwned> FileQueue<T> {
    /// Takes an item, and blocks until there is one. The item stays in the file until its guard
    /// reports it done.
    ///
    /// If the process dies before that, however it dies, the item goes back to its place. So an
    /// item that makes its process die comes back again and again: look at
    /// [`attempt`](FileTaskGuard::attempt), and put what has failed too often elsewhere.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed, and for the disk.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::FileQueue;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let queue = FileQueue::open(folder.path().join("work"))?;
    /// queue.put(&"wash up".to_owned())?;
    /// let task = queue.get_task()?;
    /// assert_eq!((task.as_str(), task.attempt(), queue.unfinished()?), ("wash up", 1, 1));
    /// task.give_back()?; // not now
    /// let task = queue.get_task()?;
    /// assert_eq!(task.attempt(), 2);
    /// task.done()?;
    /// assert_eq!(queue.unfinished()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task(&self) -> Result<FileTaskGuard<T>, FileQueueError> {
        let row = self.take_within(Take::Hold, Patience::Forever)?;
        self.guard(row)
    }

    /// Takes an item if there is one, and returns it in a guard. Never waits.
    ///
    /// # Blocking
    ///
    /// Blocks for the disk only.
    ///
    /// # Errors
    ///
    /// Those of [`try_get`](Self::try_get).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert!(queue.try_get_task().is_err());
    /// queue.put(&1)?;
    /// queue.try_get_task()?.done()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_get_task(&self) -> Result<FileTaskGuard<T>, FileQueueError> {
        let row = self.take_within(Take::Hold, Patience::Now)?;
        self.guard(row)
    }

    /// Takes an item, and blocks until there is one, but no longer than `timeout`. It is returned
    /// in a guard.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed, or others write, until the time is over,
    /// and for the disk.
    ///
    /// # Errors
    ///
    /// Those of [`get_timeout`](Self::get_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert!(queue.get_task_timeout(Duration::from_millis(1)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_task_timeout(&self, timeout: Duration) -> Result<FileTaskGuard<T>, FileQueueError> {
        let row = self.take_within(Take::Hold, Patience::within(timeout))?;
        self.guard(row)
    }

    /// Takes an item, and waits for one without blocking the thread. It is returned in a guard.
    ///
    /// # Blocking
    ///
    /// Each poll blocks for the disk, and for others that write.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing: an item is taken only when the future resolves to it.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// futures_lite::future::block_on(async {
    ///     queue.get_task_async().await?.done()
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_task_async(&self) -> Result<FileTaskGuard<T>, FileQueueError> {
        let row = self.take_async(Take::Hold).await?;
        self.guard(row)
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get_task`](Self::get_task) does, and returns it in a guard.
    ///
    /// It ends after an error, unless that concerned one item only.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put_all(&[1, 2, 3])?;
    /// queue.close()?;
    /// for number in queue.iter_tasks() {
    ///     let number = number?;
    ///     println!("{}", *number);
    ///     number.done()?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter_tasks(&self) -> IterTasks<'_, T> {
        IterTasks {
            queue: self,
            is_over: false,
        }
    }

    /// Decodes an item, or sets it aside. It goes back to the queue if decoding panics.
    fn guard(&self, row: Row) -> Result<FileTaskGuard<T>, FileQueueError> {
        let mut lease = Lease {
            open: Arc::clone(&self.open),
            id: row.id,
            attempt: row.takes.unsigned_abs() + 1,
            was_panicking: thread::panicking(),
            is_over: false,
        };
        match decode(&row.body) {
            Ok(item) => Ok(FileTaskGuard { item, lease }),
            Err(error) => {
                let error = error.of_item(row.id.unsigned_abs());
                lease.is_over = true;
                self.open.set_aside(Take::Hold, row, &error.to_string());
                Err(error)
            }
        }
    }
}

/// A taken item, which stays in the file until this guard reports it done.
///
/// It is returned by [`FileQueue::get_task`]. It is a handle to its queue, and can travel to
/// another thread, or into a task.
///
/// # Dropping
///
/// A guard that is dropped reports its item done, unless its thread unwinds from a panic: then the
/// item goes back to its place in the queue, and the next taker sees that this is another attempt.
/// So where work ends early, by `?` or since a future is dropped, but shall be done again, call
/// [`give_back`](Self::give_back).
///
/// A task that is cancelled before it has begun drops what it owns, too: its item is reported done
/// though nobody has seen it. Take the item in the task, rather than for it.
///
/// A drop blocks for the disk, and tells no error. If the file cannot be written then, the item
/// goes back to the queue with the next call of this open queue that can write, which one that
/// waits for an item tries for some seconds, or when the process has ended: it may be done twice,
/// but is not lost. [`done`](Self::done) tells the error.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put(&1)?;
/// {
///     let number = queue.get_task()?;
///     println!("{}", *number);
/// } // done, unless this block panics
/// assert_eq!(queue.unfinished()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the item is reported done when this is dropped: keep it by `let task = …` while the \
              item is worked on, since `let _ = …` drops it at once"]
pub struct FileTaskGuard<T> {
    /// Dropped first, so that the item is gone when it is reported done.
    item: T,
    lease: Lease,
}

/// The duty to say what becomes of a taken item.
struct Lease {
    open: Arc<Open>,
    id: i64,
    attempt: u64,
    /// The item was taken while the thread was unwinding, so that says nothing about the item.
    was_panicking: bool,
    is_over: bool,
}

impl<T> FileTaskGuard<T> {
    /// Drops the item, and reports it done: it leaves the file.
    ///
    /// # Blocking
    ///
    /// Blocks for the disk, and for others that write.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotTaken`] if the item went back to the queue before,
    /// - [`ErrorKind::NoSpace`] and others for what may be wrong with a file. The item goes back
    ///   to the queue then, as soon as that can be written, or the next time.
    ///
    /// [`ErrorKind::NotTaken`]: crate::ErrorKind::NotTaken
    /// [`ErrorKind::NoSpace`]: crate::ErrorKind::NoSpace
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// queue.get_task()?.done()?;
    /// assert_eq!(queue.unfinished()?, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn done(self) -> Result<(), FileQueueError> {
        let Self { item, mut lease } = self;
        drop(item);
        lease.is_over = true;
        lease.open.finish(lease.id)
    }

    /// Reports the item done, and returns it.
    ///
    /// # Errors
    ///
    /// Those of [`done`](Self::done).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&42)?;
    /// assert_eq!(queue.get_task()?.into_inner()?, 42); // and done
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_inner(self) -> Result<T, FileQueueError> {
        let Self { item, mut lease } = self;
        lease.is_over = true;
        lease.open.finish(lease.id)?;
        Ok(item)
    }

    /// Puts the item back to its place in the queue, to be taken by the next get. It remains
    /// unfinished.
    ///
    /// The queue takes it even if it is full or closed.
    ///
    /// # Blocking
    ///
    /// Blocks for the disk, and for others that write.
    ///
    /// # Errors
    ///
    /// Those of [`done`](Self::done).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put_all(&[1, 2])?;
    /// queue.get_task()?.give_back()?;
    /// assert_eq!(queue.len()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_back(self) -> Result<(), FileQueueError> {
        let Self { item, mut lease } = self;
        drop(item);
        lease.is_over = true;
        lease.open.give_back(lease.id)
    }

    /// Returns how often the item was taken, this time included: 1 for the first time.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// assert_eq!(queue.get_task()?.attempt(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn attempt(&self) -> u64 {
        self.lease.attempt
    }

    /// Returns the item's number, which no other item of the queue has, or had. With it, work that
    /// was done by an earlier attempt can be recognised.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put_all(&[1, 2])?;
    /// let (one, other) = (queue.get_task()?, queue.get_task()?);
    /// assert_ne!(one.id(), other.id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn id(&self) -> u64 {
        self.lease.id.unsigned_abs()
    }
}

impl<T> Deref for FileTaskGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T> DerefMut for FileTaskGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.item
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let panics = thread::panicking() && !self.was_panicking;
        // If it fails, the item goes back to the queue later.
        let _ = match panics {
            true => self.open.give_back(self.id),
            false => self.open.finish(self.id),
        };
    }
}

impl<T: fmt::Debug> fmt::Debug for FileTaskGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTaskGuard")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("item", &self.item)
            .finish()
    }
}

/// An iterator that takes items until the queue is closed and empty, and returns each in a guard.
///
/// It is returned by [`FileQueue::iter_tasks`].
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put_all(&[1, 2])?;
/// queue.close()?;
/// for number in queue.iter_tasks() {
///     number?.done()?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless iterated"]
pub struct IterTasks<'a, T> {
    queue: &'a FileQueue<T>,
    is_over: bool,
}

impl<T: Serialize + DeserializeOwned> Iterator for IterTasks<'_, T> {
    type Item = Result<FileTaskGuard<T>, FileQueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.is_over {
            true => None,
            false => next(self.queue.get_task(), &mut self.is_over),
        }
    }
}
