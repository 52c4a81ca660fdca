//! The queue, and how its users put and take items.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::encoding::{decode, encode};
use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::Awaited;
use crate::open::Open;
use crate::patience::Patience;
use crate::store::{Row, Take};

/// A queue in a file, for any number of threads and processes of one machine, that outlives them.
///
/// It gives items out in the order in which they were put. It has the methods of
/// [`workmill::Queue`], each of which returns a [`Result`], since each reads or writes a file. A
/// clone is another handle to the same open queue. To open the same path twice, in one process or
/// in several, is the same queue, too. For a queue in memory, use [`workmill::JoinableQueue`].
///
/// # At most once, at least once
///
/// [`get`](Self::get) takes an item out of the file. If the process dies before it has done what
/// the item says, nobody does it. [`get_task`](Self::get_task) leaves the item in the file until
/// its guard reports it done. If the process dies before, or the thread panics, the item goes back
/// to its place in the queue, and the next taker sees that this is another
/// [`attempt`](crate::FileTaskGuard::attempt): so what the item says may be done twice, or in part,
/// but is done. A process that is only stopped keeps its items, and so does one whose forked child
/// lives.
///
/// # Other than in memory
///
/// Items are put by reference, since their bytes go into the file: an item that is refused was
/// never given away. A `get` finishes its item, so there is no `task_done`. Guards are handles to
/// the queue, so there is no `get_task_owned`. Threads and processes that wait are woken all at
/// once, and are served in no order, with newcomers among them.
///
/// # Joining
///
/// An item is *unfinished* from its put until it is taken by `get`, or reported done.
/// [`join`](Self::join) waits until no item is unfinished.
///
/// # Closing
///
/// After [`close`](Self::close) all puts are refused, and gets go on until the queue is empty. That
/// the queue is closed is kept in the file, so it is closed for all processes, and the next time,
/// until [`reopen`](Self::reopen).
///
/// # What lasts
///
/// With [`SyncMode::Full`](crate::SyncMode::Full), the default, a call returns when the change is
/// on the disk. If a process is killed during a call, the change is made or not, but never in part.
/// If the disk is full, calls fail with [`ErrorKind::NoSpace`], those that take items as well,
/// since SQLite writes changes beside the file first. Nothing is lost then, and all goes on when
/// there is room: [`Builder::max_bytes`] keeps room.
///
/// Each item has a checksum. One that was damaged, or cannot be decoded as a `T`, is *set aside*,
/// so that it does not stand in the way of others: the get that met it fails, and
/// [`restore`](Self::restore) puts it back when what was wrong is mended.
///
/// Items are stored in MessagePack, with the names of fields: a struct to which a field with
/// `#[serde(default)]` was added reads what an older program has put. An `Option` directly inside
/// an `Option`, or of `()`, does not keep its outer layer. One that nests values more than about a
/// thousand deep can be put, but not decoded, and before that the stack of a thread may be too
/// small for it.
///
/// # Where
///
/// On a local file system. Not on a network's, where the locks and the memory that SQLite shares
/// between processes do not work. Beside the file are up to three more, with `-wal`, `-shm` and
/// `-lock` at the end of their names, which belong to it: while a queue is open, none of the four
/// must be moved or removed. If one is, calls fail with [`ErrorKind::Replaced`]. The file must have
/// one name only, no hard links; symbolic links do no harm. And a process that has the queue open
/// must not read the file by other means: when it closes it, SQLite's locks are lost. To see what
/// is in it, call [`inspect`](crate::inspect).
///
/// # Blocking
///
/// All calls read or write the file in the calling thread, futures too: with full sync that is some
/// milliseconds, and longer while others write. While another process is stopped in the middle of
/// a write, calls without a time limit fail after half a minute with [`ErrorKind::Busy`]. Waiting
/// for an item, for room or for the end polls nothing. In a task of a [`workmill`] pool a wait for
/// an item gives its slot to another thread, and a wait for room lends it.
///
/// Threads that share one open queue use its file in turn. While one does so, if only to read, a
/// call of another that begins with `try_` fails with [`ErrorKind::Busy`], and so does one whose
/// time is over before its turn comes: a transaction with large items may take some hundred
/// milliseconds.
///
/// Each open queue that is waited for needs an inotify instance, of which Linux gives a user 128
/// unless `/proc/sys/fs/inotify/max_user_instances` says otherwise.
///
/// # Ordering
///
/// Everything before the put of an item happens before everything after its get, also if that is in
/// another process.
///
/// # Forks
///
/// In a child that is made by a fork, without a new program, while its parent has any queue open,
/// all calls fail with [`ErrorKind::Forked`], and it cannot open a queue itself: SQLite takes its
/// parent's locks for its own there. Open queues after the fork.
///
/// # Dropping
///
/// The drop of the last handle closes the file. Items and the file stay. A [`FileTaskGuard`] is a
/// handle, too.
///
/// [`FileTaskGuard`]: crate::FileTaskGuard
///
/// # Examples
///
/// ```
/// use workmill_file_queue::FileQueue;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("mails");
///
/// let queue = FileQueue::open(&path)?;
/// queue.put(&("ann@example.org".to_owned(), "Welcome".to_owned()))?;
/// drop(queue); // and the program ends
///
/// let queue = FileQueue::<(String, String)>::open(&path)?; // the next time
/// let mail = queue.get_task()?;
/// println!("{} to {}", mail.1, mail.0);
/// mail.done()?;
/// queue.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FileQueue<T> {
    pub(crate) open: Arc<Open>,
    /// Items go through, and are not kept.
    items: PhantomData<fn(T) -> T>,
}

impl<T: Serialize + DeserializeOwned> FileQueue<T> {
    /// Opens the queue in the file, with full sync and without bounds, and makes the file if it
    /// does not exist. Its folder must exist. [`Builder`] has other settings.
    ///
    /// The type of the items is not kept in the file: see [`ErrorKind::Decode`].
    ///
    /// # Blocking
    ///
    /// Reads and writes files, and may wait for others that do so at the same moment.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`] if the folder does not exist,
    /// - [`ErrorKind::NotAQueue`] if the file is of another kind; it is not changed then,
    /// - [`ErrorKind::Newer`] if a newer version of this crate has made it,
    /// - [`ErrorKind::Damaged`], [`ErrorKind::ReadOnly`], [`ErrorKind::NoSpace`], or
    ///   [`ErrorKind::Io`] for what else may be wrong with a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let queue = FileQueue::<u32>::open(folder.path().join("numbers"))?; // makes the file
    /// let same = FileQueue::<u32>::open(queue.path())?; // as another process would
    /// queue.put(&1)?;
    /// assert_eq!(same.get()?, 1);
    ///
    /// let error = FileQueue::<u32>::open(folder.path().join("no folder/numbers")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileQueueError> {
        Self::with(path.as_ref(), &Builder::new())
    }

    pub(crate) fn with(path: &Path, settings: &Builder) -> Result<Self, FileQueueError> {
        Ok(Self {
            open: Arc::new(Open::new(path, settings)?),
            items: PhantomData,
        })
    }

    /// Puts an item into the queue, and blocks until there is room.
    ///
    /// It takes a reference, since what goes into the file are the item's bytes.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full, and for the disk.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Closed`] if the queue is closed, or is closed during the wait,
    /// - [`ErrorKind::Encode`] if serde cannot write the item,
    /// - [`ErrorKind::TooLarge`] if the item alone has more bytes than
    ///   [`max_bytes`](Builder::max_bytes), or the queue a capacity of 0,
    /// - [`ErrorKind::NoSpace`] and others for what may be wrong with a file.
    ///
    /// The item was not put then. If the disk itself reports an error, or the process is killed,
    /// it may be there nevertheless.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?; // on the disk when this returns
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put(&self, item: &T) -> Result<(), FileQueueError> {
        self.put_within([item], Patience::Forever)
    }

    /// Puts an item into the queue if there is room. Never waits.
    ///
    /// # Blocking
    ///
    /// Blocks for the disk only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if there is no room, [`ErrorKind::Busy`] if somebody else is writing
    /// just now, or another thread uses this open queue, and those of [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{Builder, ErrorKind};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = Builder::new().capacity(1).open::<u32>(path)?;
    /// queue.try_put(&1)?;
    /// assert_eq!(queue.try_put(&2).unwrap_err().kind(), ErrorKind::Full);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_put(&self, item: &T) -> Result<(), FileQueueError> {
        self.put_within([item], Patience::Now)
    }

    /// Puts an item into the queue, and blocks until there is room, but no longer than `timeout`.
    ///
    /// With [`Duration::ZERO`] this is [`try_put`](Self::try_put). With [`Duration::MAX`] it waits
    /// forever.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is full or others write, until the time is over, and for the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if there was no room in time, [`ErrorKind::Busy`] if others wrote all
    /// the time, and those of [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill_file_queue::{Builder, ErrorKind};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = Builder::new().capacity(1).open::<u32>(path)?;
    /// queue.put_timeout(&1, Duration::from_secs(10))?; // there is room at once
    /// let error = queue.put_timeout(&2, Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Full);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_timeout(&self, item: &T, timeout: Duration) -> Result<(), FileQueueError> {
        self.put_within([item], Patience::within(timeout))
    }

    /// Puts an item into the queue, and waits for room without blocking the thread.
    ///
    /// # Blocking
    ///
    /// Each poll blocks for the disk, and for others that write.
    ///
    /// # Cancellation
    ///
    /// Dropping the future puts nothing, unless it has resolved.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// futures_lite::future::block_on(queue.put_async(&1))?;
    /// assert_eq!(queue.get()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_async(&self, item: &T) -> Result<(), FileQueueError> {
        let body = [encode(item)?];
        self.put_bodies_async(&body).await
    }

    /// Puts all items into the queue, in one transaction: all of them or none. Blocks until there
    /// is room for all.
    ///
    /// That is many times as fast as putting one after the other, since all wait for the disk
    /// once. No items of others come in between.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue has too little room, and for the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if there can never be room for all of them, and those of
    /// [`put`](Self::put).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::FileQueue;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let queue = FileQueue::open(folder.path().join("numbers"))?;
    /// queue.put_all(&(1..=1000).collect::<Vec<u32>>())?;
    /// assert_eq!((queue.len()?, queue.get()?), (1000, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_all<'a, I>(&self, items: I) -> Result<(), FileQueueError>
    where
        I: IntoIterator<Item = &'a T>,
        T: 'a,
    {
        self.put_within(items, Patience::Forever)
    }

    /// Puts all items into the queue, or none, if there is room for all. Never waits.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if there is too little room, [`ErrorKind::Busy`] if somebody else is
    /// writing just now, and those of [`put_all`](Self::put_all).
    ///
    /// # Blocking
    ///
    /// Blocks for the disk only.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{Builder, ErrorKind};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = Builder::new().capacity(3).open::<u32>(path)?;
    /// queue.try_put_all(&[1, 2])?;
    /// assert_eq!(queue.try_put_all(&[3, 4]).unwrap_err().kind(), ErrorKind::Full);
    /// assert_eq!(queue.len()?, 2); // none of the second two
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_put_all<'a, I>(&self, items: I) -> Result<(), FileQueueError>
    where
        I: IntoIterator<Item = &'a T>,
        T: 'a,
    {
        self.put_within(items, Patience::Now)
    }

    /// Puts all items into the queue, or none, and blocks until there is room for all, but no
    /// longer than `timeout`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Full`] if there was too little room in time, [`ErrorKind::Busy`] if others
    /// wrote all the time, and those of [`put_all`](Self::put_all).
    ///
    /// # Blocking
    ///
    /// Blocks while the queue has too little room or others write, until the time is over, and for
    /// the disk.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill_file_queue::Builder;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = Builder::new().capacity(3).open::<u32>(path)?;
    /// queue.put_all_timeout(&[1, 2], Duration::from_secs(10))?;
    /// let error = queue.put_all_timeout(&[3, 4], Duration::from_millis(10)).unwrap_err();
    /// assert!(error.would_block()); // later there may be room
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn put_all_timeout<'a, I>(&self, items: I, timeout: Duration) -> Result<(), FileQueueError>
    where
        I: IntoIterator<Item = &'a T>,
        T: 'a,
    {
        self.put_within(items, Patience::within(timeout))
    }

    /// Puts all items into the queue, or none, and waits for room without blocking the thread.
    ///
    /// # Errors
    ///
    /// Those of [`put_all`](Self::put_all).
    ///
    /// # Blocking
    ///
    /// Each poll blocks for the disk, and for others that write.
    ///
    /// # Cancellation
    ///
    /// Dropping the future puts nothing, unless it has resolved.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// futures_lite::future::block_on(queue.put_all_async(&[1, 2, 3]))?;
    /// assert_eq!(queue.len()?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn put_all_async<'a, I>(&self, items: I) -> Result<(), FileQueueError>
    where
        I: IntoIterator<Item = &'a T>,
        T: 'a,
    {
        let bodies = bodies(items)?;
        self.put_bodies_async(&bodies).await
    }

    fn put_within<'a, I>(&self, items: I, patience: Patience) -> Result<(), FileQueueError>
    where
        I: IntoIterator<Item = &'a T>,
        T: 'a,
    {
        let bodies = bodies(items)?;
        if bodies.is_empty() {
            return Ok(());
        }
        let open = &self.open;
        let put = open.wait(Awaited::Room, patience, |look, patience| {
            open.put(&bodies, look, patience)
        });
        put?.ok_or_else(|| ErrorKind::Full.into())
    }

    async fn put_bodies_async(&self, bodies: &[Vec<u8>]) -> Result<(), FileQueueError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let open = &self.open;
        let put = open.wait_async(Awaited::Room, |look, patience| {
            open.put(bodies, look, patience)
        });
        put.await
    }

    /// Takes an item out of the queue and its file, and blocks until there is one.
    ///
    /// If the process is killed before it has used the item, the item is gone:
    /// [`get_task`](Self::get_task) does not lose it.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed, and for the disk.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Closed`] once the queue is closed and empty,
    /// - [`ErrorKind::Decode`] or [`ErrorKind::DamagedItem`] if the first item is no `T`, or not
    ///   as it was put: it was set aside, and the next call takes the next item,
    /// - [`ErrorKind::NoSpace`] and others for what may be wrong with a file. The item is still in
    ///   the queue then.
    ///
    /// An item whose decoding panics is set aside, too.
    ///
    /// # Examples
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// assert_eq!(queue.get()?, 1); // and out of the file
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get(&self) -> Result<T, FileQueueError> {
        self.get_within(Patience::Forever)
    }

    /// Takes an item out of the queue and its file if there is one. Never waits.
    ///
    /// # Blocking
    ///
    /// Blocks for the disk only.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Empty`] if there is no item, [`ErrorKind::Busy`] if there may be one and
    /// somebody else is writing just now, or another thread uses this open queue, and those of
    /// [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = FileQueue::<u32>::open(path)?;
    /// queue.put(&1)?;
    /// assert_eq!(queue.try_get()?, 1);
    /// assert_eq!(queue.try_get().unwrap_err().kind(), ErrorKind::Empty);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_get(&self) -> Result<T, FileQueueError> {
        self.get_within(Patience::Now)
    }

    /// Takes an item out of the queue and its file, and blocks until there is one, but no longer
    /// than `timeout`.
    ///
    /// With [`Duration::ZERO`] this is [`try_get`](Self::try_get). With [`Duration::MAX`] it waits
    /// forever.
    ///
    /// # Blocking
    ///
    /// Blocks while the queue is empty and not closed, or others write, until the time is over,
    /// and for the disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Empty`] if there was no item in time, [`ErrorKind::Busy`] if others wrote all
    /// the time, and those of [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use workmill_file_queue::{ErrorKind, FileQueue};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("numbers");
    /// let queue = FileQueue::<u32>::open(path)?;
    /// let error = queue.get_timeout(Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Empty);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, FileQueueError> {
        self.get_within(Patience::within(timeout))
    }

    /// Takes an item out of the queue and its file, and waits for one without blocking the thread.
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
    /// assert_eq!(futures_lite::future::block_on(queue.get_async())?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn get_async(&self) -> Result<T, FileQueueError> {
        let row = self.take_async(Take::Out).await?;
        self.decoded(row)
    }

    fn get_within(&self, patience: Patience) -> Result<T, FileQueueError> {
        let row = self.take_within(Take::Out, patience)?;
        self.decoded(row)
    }

    /// Decodes an item that was taken out of the file, or sets it aside there.
    fn decoded(&self, row: Row) -> Result<T, FileQueueError> {
        let id = row.id.unsigned_abs();
        let mut rescue = Rescue {
            open: &self.open,
            row: Some(row),
            reason: "a panic while it was decoded".to_owned(),
        };
        let body = rescue.row.as_ref().map_or(&[][..], |row| &row.body);
        match decode(body) {
            Ok(item) => {
                rescue.row = None;
                Ok(item)
            }
            Err(error) => {
                let error = error.of_item(id);
                rescue.reason = error.to_string();
                Err(error)
            }
        }
    }

    pub(crate) fn take_within(
        &self,
        take: Take,
        patience: Patience,
    ) -> Result<Row, FileQueueError> {
        let open = &self.open;
        let taken = open.wait(Awaited::Item, patience, |look, patience| {
            open.take(take, look, patience)
        });
        taken?.ok_or_else(|| ErrorKind::Empty.into())
    }

    pub(crate) async fn take_async(&self, take: Take) -> Result<Row, FileQueueError> {
        let open = &self.open;
        let taken = open.wait_async(Awaited::Item, |look, patience| {
            open.take(take, look, patience)
        });
        taken.await
    }

    /// Returns an iterator that takes items until the queue is closed and empty. It blocks for each
    /// item as [`get`](Self::get) does.
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
    /// let mut sum = 0;
    /// for number in &queue {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter {
            queue: self,
            is_over: false,
        }
    }
}

/// Sets an item that was taken out of the file aside there when this is dropped.
struct Rescue<'a> {
    open: &'a Open,
    /// `None` once it was decoded.
    row: Option<Row>,
    reason: String,
}

impl Drop for Rescue<'_> {
    fn drop(&mut self) {
        if let Some(row) = self.row.take() {
            self.open.set_aside(Take::Out, row, &self.reason);
        }
    }
}

/// Returns the bytes of all items.
fn bodies<'a, T: Serialize + 'a>(
    items: impl IntoIterator<Item = &'a T>,
) -> Result<Vec<Vec<u8>>, FileQueueError> {
    items.into_iter().map(encode).collect()
}

impl<T> Clone for FileQueue<T> {
    fn clone(&self) -> Self {
        Self {
            open: Arc::clone(&self.open),
            items: PhantomData,
        }
    }
}

impl<T> fmt::Debug for FileQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileQueue")
            .field("path", &self.path())
            .field("capacity", &self.capacity())
            .field("max_bytes", &self.max_bytes())
            .finish_non_exhaustive()
    }
}

impl<'a, T: Serialize + DeserializeOwned> IntoIterator for &'a FileQueue<T> {
    type Item = Result<T, FileQueueError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An iterator that takes items until the queue is closed and empty.
///
/// It is returned by [`FileQueue::iter`].
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("numbers");
/// let queue = workmill_file_queue::FileQueue::<u32>::open(path)?;
/// queue.put_all(&[1, 2])?;
/// queue.close()?;
/// let numbers: Vec<u32> = queue.iter().collect::<Result<_, _>>()?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "iterators do nothing unless iterated"]
pub struct Iter<'a, T> {
    queue: &'a FileQueue<T>,
    is_over: bool,
}

/// Returns what an iterator over a queue returns for the outcome of a get, and notes its end.
pub(crate) fn next<R>(
    outcome: Result<R, FileQueueError>,
    is_over: &mut bool,
) -> Option<Result<R, FileQueueError>> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::Closed => {
            *is_over = true;
            None
        }
        outcome => {
            *is_over = outcome.as_ref().is_err_and(|error| !error.is_of_item());
            Some(outcome)
        }
    }
}

impl<T: Serialize + DeserializeOwned> Iterator for Iter<'_, T> {
    type Item = Result<T, FileQueueError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.is_over {
            true => None,
            false => next(self.queue.get(), &mut self.is_over),
        }
    }
}
