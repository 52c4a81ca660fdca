//! The settings of an open queue.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::FileQueueError;
use crate::queue::FileQueue;

/// When a change is on the disk.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::{Builder, SyncMode};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("counts");
/// // A loss of power may undo the last changes; nothing else does.
/// let queue = Builder::new().sync(SyncMode::Normal).open(path)?;
/// queue.put(&1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SyncMode {
    /// When the call returns. It survives a loss of power as well as the end of the process. Each
    /// call waits for the disk, usually for some milliseconds; [`put_all`] puts many items in one
    /// such wait.
    ///
    /// [`put_all`]: crate::FileQueue::put_all
    #[default]
    Full,
    /// Some time after the call. It survives the end of the process, by whatever it ends; a crash
    /// of the system or a loss of power may undo the last changes, but only the last, and damages
    /// nothing. An item that was taken may then come back. Calls are many times as fast.
    Normal,
}

/// The settings with which a queue is opened. They belong to this open queue: another process may
/// open the same file with others.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::{Builder, SyncMode};
///
/// let folder = tempfile::tempdir()?;
/// let builder = Builder::new().sync(SyncMode::Normal).capacity(1);
/// let queue = builder.open(folder.path().join("mails"))?;
/// queue.put(&"first".to_owned())?;
/// assert!(queue.try_put(&"second".to_owned()).unwrap_err().would_block());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until it opens a queue"]
pub struct Builder {
    pub(crate) sync: SyncMode,
    pub(crate) capacity: Option<u64>,
    pub(crate) max_bytes: Option<u64>,
}

impl Builder {
    /// Creates settings without bounds, with full sync.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = workmill_file_queue::Builder::new().open::<u32>(path)?;
    /// assert_eq!(queue.capacity(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets when a change is on the disk. [`SyncMode::Full`] unless said otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{Builder, SyncMode};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = Builder::new().sync(SyncMode::Normal).open::<u32>(path)?;
    /// queue.put(&1)?; // does not wait for the disk
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sync(mut self, sync: SyncMode) -> Self {
        self.sync = sync;
        self
    }

    /// Sets the number of items that can be in the queue when this open queue puts one. A put that
    /// finds it full waits for room. Items that are taken and not done are not in the queue.
    ///
    /// With 0 nothing can be put by this open queue: there is no hand-over without a file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = workmill_file_queue::Builder::new().capacity(1).open::<u32>(path)?;
    /// queue.put(&1)?;
    /// assert!(queue.try_put(&2).unwrap_err().would_block());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capacity(mut self, items: u64) -> Self {
        self.capacity = Some(items);
        self
    }

    /// Sets the number of bytes that all items may have when this open queue puts one: those that
    /// are in the queue, and those that are taken and not done. Each counts with its bytes in
    /// MessagePack and 64 more. A put that finds too little room waits.
    ///
    /// It keeps a producer without a consumer from filling the disk. The file itself may be some
    /// megabytes larger: SQLite keeps the latest changes beside it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = workmill_file_queue::Builder::new().max_bytes(1_000_000).open::<u32>(path)?;
    /// assert_eq!(queue.max_bytes(), Some(1_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// Opens the queue in the file, and makes the file if it does not exist.
    ///
    /// # Blocking
    ///
    /// Reads and writes files, and may wait for others that do so at the same moment.
    ///
    /// # Errors
    ///
    /// As [`FileQueue::open`].
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = workmill_file_queue::Builder::new().open(&path)?;
    /// queue.put(&42)?;
    /// assert_eq!(queue.get()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open<T>(&self, path: impl AsRef<Path>) -> Result<FileQueue<T>, FileQueueError>
    where
        T: Serialize + DeserializeOwned,
    {
        FileQueue::with(path.as_ref(), self)
    }
}
