//! The contents of a queue's file, for tools.

use std::path::Path;
use std::time::SystemTime;

use crate::error::FileQueueError;
use crate::stamp::Stamp;
use crate::store;

/// The contents of a queue's file at one moment. They are returned by [`inspect`].
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put(&1)?;
/// let contents = workmill_file_queue::inspect(queue.path(), 10)?;
/// assert_eq!((contents.ready, contents.taken), (1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// The number of items that can be taken.
    pub ready: u64,
    /// The number of items that are taken and not done.
    pub taken: u64,
    /// The number of items that were set aside.
    pub set_aside: u64,
    /// The number of bytes that the items which are ready or taken count as. See
    /// [`Builder::max_bytes`](crate::Builder::max_bytes).
    pub bytes: u64,
    /// The queue is closed.
    pub is_closed: bool,
    /// The items, in the order of their puts, as many as were asked for.
    pub items: Vec<ListedItem>,
}

/// An item in a queue's file.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put(&1)?;
/// for item in workmill_file_queue::inspect(queue.path(), 10)?.items {
///     println!("{}: {} bytes, taken {} times", item.id, item.body.len(), item.takes);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedItem {
    /// The item's number, which no other item of the queue has, or had.
    pub id: u64,
    /// How often the item was taken.
    pub takes: u64,
    /// When it was put, by the clock of the process that has put it.
    pub put_at: SystemTime,
    /// The item in MessagePack.
    pub body: Vec<u8>,
    /// Where it stands.
    pub state: ItemState,
}

/// Where an item stands.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::ItemState;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put(&1)?;
/// let _item = queue.get_task()?;
/// let contents = workmill_file_queue::inspect(queue.path(), 10)?;
/// assert!(matches!(contents.items[0].state, ItemState::Taken { is_alive: true, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemState {
    /// It can be taken.
    Ready,
    /// It is taken and not done.
    #[non_exhaustive]
    Taken {
        /// The number of the process that has taken it.
        process: u32,
        /// That process has the queue open. Else the next take finds the item back in the queue.
        is_alive: bool,
    },
    /// It cannot be read, and was set aside.
    #[non_exhaustive]
    SetAside {
        /// The error that a take has met.
        reason: String,
    },
}

/// Returns the contents of a queue's file, with its first `limit` items, whatever their type is.
///
/// It changes nothing: an item of a process that has died is shown as taken. The process may have
/// the queue open at the same time, and others may use it.
///
/// # Blocking
///
/// Reads the file, and waits for nobody. While nobody has the queue open, SQLite makes two files
/// beside it meanwhile, so the user must be able to write there.
///
/// # Errors
///
/// As [`FileQueue::open`](crate::FileQueue::open), except that a file that does not exist is an
/// error, and an empty one is no queue.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::{FileQueue, ItemState, inspect};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("letters");
/// let queue = FileQueue::open(&path)?;
/// queue.put(&"Dear reader".to_owned())?;
/// let contents = inspect(&path, 10)?;
/// assert_eq!((contents.ready, contents.taken), (1, 0));
/// assert_eq!(contents.items[0].state, ItemState::Ready);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect(path: impl AsRef<Path>, limit: usize) -> Result<Contents, FileQueueError> {
    let _stamp = Stamp::new()?;
    store::inspect(path.as_ref(), limit)
}
