//! The queue as a whole: is all done, is it closed, how much is in it.

use std::path::Path;
use std::time::Duration;

use crate::error::FileQueueError;
use crate::lock_file::Awaited;
use crate::patience::Patience;
use crate::queue::FileQueue;

impl<T> FileQueue<T> {
    /// Blocks until no item is unfinished.
    ///
    /// Items that were set aside count as finished.
    ///
    /// # Blocking
    ///
    /// Blocks until every item was taken by a get or reported done, whichever process does so. If
    /// an item of a process that has died is in the queue again, it waits for that, too.
    ///
    /// # Errors
    ///
    /// [`Replaced`](crate::ErrorKind::Replaced) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| queue.get_task().and_then(|number| number.done()));
    ///     queue.join() // until it is done
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), FileQueueError> {
        self.join_within(Patience::Forever).map(drop)
    }

    /// Blocks until no item is unfinished, but no longer than `timeout`. Returns `false` if the
    /// time was over first.
    ///
    /// [`Duration::ZERO`] checks once. [`Duration::MAX`] waits forever.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// assert!(!queue.join_timeout(Duration::from_millis(1))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, FileQueueError> {
        self.join_within(Patience::within(timeout))
    }

    /// Waits until no item is unfinished, without blocking the thread. Dropping the future ends the
    /// wait.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// futures_lite::future::block_on(queue.join_async())?; // nothing was put
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn join_async(&self) -> Result<(), FileQueueError> {
        let open = &self.open;
        open.wait_async(Awaited::Done, |_, patience| open.is_done(patience))
            .await
    }

    fn join_within(&self, patience: Patience) -> Result<bool, FileQueueError> {
        let open = &self.open;
        let done = open.wait(Awaited::Done, patience, |_, patience| {
            open.is_done(patience)
        });
        Ok(done?.is_some())
    }

    /// Closes the queue, for all processes: all puts are refused from now on, and so are puts that
    /// wait. Gets go on until the queue is empty, and fail from then on, those that wait too.
    ///
    /// It stays closed when it is opened the next time, until [`reopen`](Self::reopen). An item
    /// that returns to a closed queue can be taken, but a get that has failed before does not come
    /// back for it. Closing a closed queue has no effect.
    ///
    /// # Errors
    ///
    /// [`NoSpace`](crate::ErrorKind::NoSpace) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.close()?;
    /// assert!(queue.put(&1).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> Result<(), FileQueueError> {
        self.open.set_closed(true)
    }

    /// Opens a closed queue again, for all processes.
    ///
    /// # Errors
    ///
    /// [`NoSpace`](crate::ErrorKind::NoSpace) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let queue = FileQueue::open(folder.path().join("doors"))?;
    /// queue.close()?;
    /// assert_eq!(queue.put(&1).unwrap_err().kind(), ErrorKind::Closed);
    /// queue.reopen()?;
    /// queue.put(&1)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reopen(&self) -> Result<(), FileQueueError> {
        self.open.set_closed(false)
    }

    /// Returns `true` if the queue is closed.
    ///
    /// # Errors
    ///
    /// [`Replaced`](crate::ErrorKind::Replaced) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert!(!queue.is_closed()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> Result<bool, FileQueueError> {
        Ok(self.open.peek(Patience::Forever)?.is_closed)
    }

    /// Returns the number of items in the queue, without those that are taken. This is a snapshot
    /// and may be stale.
    ///
    /// Items of a process that has died count as taken until the next take looks for them.
    ///
    /// # Errors
    ///
    /// [`Replaced`](crate::ErrorKind::Replaced) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// assert_eq!(queue.len()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> Result<u64, FileQueueError> {
        Ok(self.open.peek(Patience::Forever)?.ready)
    }

    /// Returns `true` if no item is in the queue. This is a snapshot and may be stale.
    ///
    /// # Errors
    ///
    /// Those of [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert!(queue.is_empty()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> Result<bool, FileQueueError> {
        Ok(self.len()? == 0)
    }

    /// Returns the number of items that were put, and neither taken by a get nor reported done.
    /// This is a snapshot and may be stale.
    ///
    /// # Errors
    ///
    /// Those of [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// let number = queue.get_task()?;
    /// assert_eq!((queue.len()?, queue.unfinished()?), (0, 1));
    /// number.done()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unfinished(&self) -> Result<u64, FileQueueError> {
        let peek = self.open.peek(Patience::Forever)?;
        Ok(peek.ready + peek.taken)
    }

    /// Puts all items that were set aside back to their places in the queue, whatever its bounds
    /// are, and returns the number of them. [`inspect`](crate::inspect) shows what was wrong.
    ///
    /// # Errors
    ///
    /// [`NoSpace`](crate::ErrorKind::NoSpace) and others for what may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("ages");
    /// FileQueue::open(&path)?.put(&"forty".to_owned())?;
    ///
    /// let queue = FileQueue::<u32>::open(&path)?;
    /// assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::Decode);
    /// assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::Empty);
    ///
    /// assert_eq!(queue.restore()?, 1);
    /// assert_eq!(FileQueue::<String>::open(&path)?.get()?, "forty");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self) -> Result<u64, FileQueueError> {
        self.open.restore()
    }

    /// Returns the largest number of items that this open queue fills the file to, or `None` for
    /// any number.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert_eq!(queue.capacity(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(&self) -> Option<u64> {
        self.open.bounds.capacity
    }

    /// Returns the number of bytes that this open queue fills the file to, or `None` for any
    /// number. See [`Builder::max_bytes`](crate::Builder::max_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert_eq!(queue.max_bytes(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_bytes(&self) -> Option<u64> {
        self.open.bounds.max_bytes
    }

    /// Returns the path of the file, without symbolic links.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// println!("{}", queue.path().display());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        self.open.path()
    }
}
