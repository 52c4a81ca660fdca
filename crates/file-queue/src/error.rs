//! The error of every call.

use std::error::Error;
use std::fmt;

/// The reason why a call of a [`FileQueue`](crate::FileQueue) failed.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::{ErrorKind, FileQueue};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("counts");
/// let queue = FileQueue::<u32>::open(path)?;
/// assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::Empty);
/// queue.close()?;
/// assert_eq!(queue.put(&1).unwrap_err().kind(), ErrorKind::Closed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The queue was closed: nothing can be put, and no item is left to get.
    Closed,
    /// There was no item in the queue without waiting, or in time.
    Empty,
    /// There was no room in the queue without waiting, or in time.
    Full,
    /// Another thread or process was writing to the file, or another thread was using this open
    /// queue. A call that begins with `try_` does not wait for that, one with a time limit waits no
    /// longer than that, and any other call gives up after half a minute of another's writing.
    Busy,
    /// The item, or the batch, is larger than the queue can ever hold.
    TooLarge,
    /// The item cannot be encoded. Nothing was put.
    Encode,
    /// The item that was taken cannot be decoded as the queue's type. It was set aside.
    Decode,
    /// The item that was taken is not as it was put: its checksum differs. It was set aside.
    DamagedItem,
    /// The item is not taken by this guard any more: somebody has returned it to the queue.
    NotTaken,
    /// The file is damaged.
    Damaged,
    /// The file is no queue: it is not of SQLite, or belongs to another program.
    NotAQueue,
    /// The file was made by a newer version of this crate.
    Newer,
    /// The file, its folder, or the file system cannot be written to.
    ReadOnly,
    /// The folder of the file does not exist, or the file that was to be inspected.
    NotFound,
    /// The disk is full. Nothing has changed.
    NoSpace,
    /// The file, or one of those beside it, was removed, renamed or replaced while it was open.
    Replaced,
    /// This is a child that was made by a fork, without a new program, while its parent had a queue
    /// open.
    Forked,
    /// The system reported another error.
    Io,
}

impl ErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::Closed => "the queue was closed",
            Self::Empty => "the queue was empty",
            Self::Full => "the queue was full",
            Self::Busy => "another thread or process was using the queue's file",
            Self::TooLarge => "larger than the queue can ever hold",
            Self::Encode => "the item cannot be encoded, so nothing was put",
            Self::Decode => "the item cannot be decoded, and was set aside",
            Self::DamagedItem => "the item is not as it was put, and was set aside",
            Self::NotTaken => "the item was returned to the queue before",
            Self::Damaged => "the queue's file is damaged",
            Self::NotAQueue => "the file is no queue",
            Self::Newer => "the queue's file was made by a newer version of workmill-file-queue",
            Self::ReadOnly => "the queue's file, or its folder, cannot be written to",
            Self::NotFound => "the queue's file, or its folder, does not exist",
            Self::NoSpace => "the disk is full, and nothing has changed",
            Self::Replaced => "the queue's file was removed, renamed or replaced while it was open",
            Self::Forked => {
                "the process that has forked this one had a queue open, so it can use none"
            }
            Self::Io => "the queue's file cannot be used",
        }
    }
}

/// The error of all calls of a [`FileQueue`](crate::FileQueue).
///
/// [`kind`](Self::kind) returns the reason. Nothing is lost by an error: an item that was to be put
/// is still the caller's, and an item that was to be taken is still in the file.
///
/// # Examples
///
/// ```
/// use workmill_file_queue::{ErrorKind, FileQueue};
///
/// let error = FileQueue::<String>::open("/there/is/no/such/folder/q").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
pub struct FileQueueError {
    kind: ErrorKind,
    item: Option<u64>,
    detail: Option<Box<dyn Error + Send + Sync>>,
}

impl FileQueueError {
    /// Creates an error with the text or the error that has led to it.
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            item: None,
            detail: Some(detail.into()),
        }
    }

    /// Notes which item the error concerns.
    pub(crate) fn of_item(self, item: u64) -> Self {
        Self {
            item: Some(item),
            ..self
        }
    }

    /// Returns the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("counts");
    /// let queue = FileQueue::<u32>::open(path)?;
    /// match queue.try_get() {
    ///     Ok(number) => println!("{number}"),
    ///     Err(error) if error.kind() == ErrorKind::Empty => println!("nothing to do"),
    ///     Err(error) => return Err(error.into()),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the number of the item that the error concerns, if it concerns one that is in the
    /// file.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert_eq!(queue.try_get().unwrap_err().item_id(), None); // it concerns no item
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn item_id(&self) -> Option<u64> {
        self.item
    }

    /// Returns `true` if the call may succeed later without anything being mended: the queue was
    /// empty or full, or somebody else was writing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// assert!(queue.try_get().unwrap_err().would_block()); // later there may be an item
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn would_block(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Empty | ErrorKind::Full | ErrorKind::Busy
        )
    }

    /// Returns `true` if the error concerns one item only, so that the next call may succeed.
    pub(crate) fn is_of_item(&self) -> bool {
        matches!(self.kind, ErrorKind::Decode | ErrorKind::DamagedItem)
    }
}

impl From<ErrorKind> for FileQueueError {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            item: None,
            detail: None,
        }
    }
}

impl fmt::Debug for FileQueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FileQueueError");
        debug.field("kind", &self.kind);
        if let Some(item) = self.item {
            debug.field("item", &item);
        }
        if let Some(detail) = &self.detail {
            debug.field("detail", &format_args!("{detail}"));
        }
        debug.finish()
    }
}

impl fmt::Display for FileQueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if let Some(item) = self.item {
            write!(f, ": item {item}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl Error for FileQueueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.detail.as_deref().map(|it| it as _)
    }
}

/// An I/O error can be asked for its kind, as those of std are.
impl From<FileQueueError> for std::io::Error {
    fn from(error: FileQueueError) -> Self {
        use std::io::ErrorKind as Io;
        let kind = match error.kind {
            ErrorKind::Closed => Io::BrokenPipe,
            ErrorKind::Empty | ErrorKind::Full | ErrorKind::Busy => Io::WouldBlock,
            ErrorKind::TooLarge | ErrorKind::Encode => Io::InvalidInput,
            ErrorKind::Decode
            | ErrorKind::DamagedItem
            | ErrorKind::Damaged
            | ErrorKind::NotAQueue
            | ErrorKind::Newer => Io::InvalidData,
            ErrorKind::ReadOnly => Io::PermissionDenied,
            ErrorKind::NotFound => Io::NotFound,
            ErrorKind::NoSpace => Io::StorageFull,
            ErrorKind::NotTaken | ErrorKind::Replaced | ErrorKind::Forked | ErrorKind::Io => {
                Io::Other
            }
        };
        Self::new(kind, error)
    }
}
