//! The contents of a queue's file, as tools see them.

use std::time::SystemTime;

/// The contents of a queue's file at one moment. They are returned by [`inspect`](crate::inspect).
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
