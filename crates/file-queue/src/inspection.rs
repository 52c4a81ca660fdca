//! A look into a queue's file, for tools.

use std::path::Path;

use crate::contents::Contents;
use crate::error::FileQueueError;
use crate::stamp::Stamp;
use crate::store;

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
