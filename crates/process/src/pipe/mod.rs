//! Pipes: typed ones between two processes, and those that have a name in the file system.

mod end;
mod error;
mod named;

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde::ser::Serializer;

use crate::passing::{self, Class};
use crate::sys::Packets;
use end::{Arrived, End, Message, Patience};
pub use error::{PipeError, PipeErrorKind};
pub use named::{NamedPipe, NamedPipeReader, NamedPipeWriter};

const WHAT: &str = "a connection";

/// Creates a pipe, and returns its two ends. What the first sends the second receives, and the
/// other way round: the first sends `A` and receives `B`.
///
/// Each end can be used here, or be an argument or the result of a job: then it is the end of
/// another process. Both may be used in one process, too. Where items go one way only, the other
/// type is `()`.
///
/// # Errors
///
/// [`io::Error`] if the process has too many open files. On systems other than Linux, an error of
/// the kind [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use workmill_process::{Connection, Jobs, PipeError, ProcessPoolExecutor, pipe};
///
/// /// Answers each number by its square, until the other end is gone.
/// fn squares(numbers: Connection<u64, u64>) -> Result<(), String> {
///     for number in numbers.iter() {
///         let number = number.map_err(|error| error.to_string())?;
///         numbers.send(&(number * number)).map_err(|error| error.to_string())?;
///     }
///     Ok(())
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("squares", squares)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
/// #   if !cfg!(target_os = "linux") { return Ok(()) }
///     let pool = ProcessPoolExecutor::new(1, jobs())?;
///     let (here, there) = pipe()?;
///     let done = pool.submit(squares, there);
///     here.send(&12)?;
///     assert_eq!(here.recv()?, 144);
///     drop(here);
///     done.join()??;
///     Ok(())
/// }
/// ```
#[doc(alias("Pipe", "socketpair", "channel", "multiprocessing.Pipe"))]
pub fn pipe<A, B>() -> io::Result<(Connection<A, B>, Connection<B, A>)> {
    let (first, second) = Packets::pair()?;
    Ok((Connection::new(first), Connection::new(second)))
}

/// One end of a [`pipe`]: sends `A`, and receives `B`.
///
/// Items are encoded by serde and postcard, like the arguments of jobs, and may contain what these
/// may: other connections, shared memory, [descriptors](crate::Descriptor). They arrive in the
/// order in which they were sent, whole or not at all. All methods take `&self`: threads may send
/// and receive at the same time. Those that send take turns, in the order in which they came, and
/// so do those that receive.
///
/// # Room
///
/// The system keeps about 200 KB for each direction, and counts some hundred bytes for each item
/// beside its own. When that is full, senders wait until the other end receives; those that wait
/// go on when most of it has been received, not at the first item. An item that is larger is sent
/// in parts, while it is being received; so [`try_send`](Self::try_send) does not send it unless
/// somebody receives at that moment.
///
/// # The end
///
/// An end is gone when all that had it have dropped it, or have ended, however they did. (A program
/// that such a process has started does not have it; a copy of it, made by a bare `fork`, does.)
/// Then the other end still receives what was sent, and after that a call returns an error that
/// [`is_closed`](PipeError::is_closed). A process that was killed while it sent a large item leaves
/// a part of it: that is an error ([`Incomplete`](PipeErrorKind::Incomplete)), and no item.
///
/// A job that is submitted with a connection gets a copy of it. The submitter's is dropped by
/// `submit`, and the pool's when the job begins, or with the job, if it may begin
/// [again](crate::Builder::retries).
///
/// # Several processes at one end
///
/// They share what is sent and received there: each item goes to one of them. Items of up to 32,000
/// encoded bytes go well that way. Parts of larger ones may get between each other, or to different
/// receivers. That is noticed: such an item is lost, with an error, and is never one of parts of
/// others.
///
/// # Errors
///
/// [`PipeError`]. It can be encoded only in the arguments or the result of a job and in the items
/// of a pipe, and not while it has received a part of an item; elsewhere that is an error.
///
/// # Happens-before
///
/// All that a process did before it sent an item happens before all that another does after it has
/// received it, also in memory that they share.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let (flour, oven) = workmill_process::pipe::<String, ()>()?;
/// flour.send(&"dough".to_owned())?;
/// assert_eq!(oven.recv()?, "dough");
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("Pipe", "multiprocessing.connection.Connection"))]
pub struct Connection<A, B> {
    end: End,
    types: PhantomData<fn(A) -> B>,
}

impl<A, B> Connection<A, B> {
    fn new(packets: Packets) -> Self {
        Self {
            end: End::new(packets),
            types: PhantomData,
        }
    }
}

fn within(timeout: Duration) -> Patience {
    match Instant::now().checked_add(timeout) {
        Some(deadline) => Patience::Until(deadline),
        None => Patience::Forever,
    }
}

/// Sending.
impl<A: Serialize, B> Connection<A, B> {
    fn encoded(item: &A) -> Result<Message, PipeError> {
        let mut bytes = Vec::new();
        match passing::encode(item, &mut bytes) {
            Ok(descriptors) => Ok(Message::new(bytes, descriptors)),
            Err(text) => Err(PipeError::with_text(PipeErrorKind::Encode, text)),
        }
    }

    /// Sends an item, and waits for room if there is none.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room. A task of a pool gives its slot to another thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`Closed`](PipeErrorKind::Closed) if the other end has gone,
    /// [`Encode`](PipeErrorKind::Encode) if the item cannot be encoded, [`Io`](PipeErrorKind::Io)
    /// if the system has too many descriptors on their way. The other end gets nothing of the item
    /// then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u32, u32>()?;
    /// here.send(&1)?;
    /// there.send(&(there.recv()? + 1))?;
    /// assert_eq!(here.recv()?, 2);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, item: &A) -> Result<(), PipeError> {
        self.end.send(Self::encoded(item)?, Patience::Forever)
    }

    /// Sends an item if that needs no wait.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`Full`](PipeErrorKind::Full) if there is no room for all
    /// of the item, or if another thread is sending by this end. What was sent of a large item is
    /// dropped by the other end, and takes up room until then.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, _there) = workmill_process::pipe::<u64, ()>()?;
    /// let sent = (0..).take_while(|item| here.try_send(item).is_ok()).count();
    /// assert!(sent > 100);
    /// assert!(here.try_send(&0).unwrap_err().is_full());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send(&self, item: &A) -> Result<(), PipeError> {
        self.end.send(Self::encoded(item)?, Patience::Never)
    }

    /// Sends an item, and waits for room, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`Full`](PipeErrorKind::Full) when the time is over. The
    /// other end gets nothing of the item then, even if a part of it was sent; the part takes up
    /// room until the other end receives.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::time::Duration;
    ///
    /// // More than there is room for, and nobody receives.
    /// let (here, _there) = workmill_process::pipe::<Vec<u8>, ()>()?;
    /// let sent = here.send_timeout(&vec![1; 1 << 20], Duration::from_millis(10));
    /// assert!(sent.unwrap_err().is_full());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_timeout(&self, item: &A, timeout: Duration) -> Result<(), PipeError> {
        let patience = within(timeout);
        self.end.send(Self::encoded(item)?, patience)
    }

    /// Sends an item, and waits for room without blocking the thread. The item is encoded when this
    /// is called; the future does not borrow it.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready, the other end gets nothing of the item.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u8, u8>()?;
    /// workmill_process::workmill::block_on(async {
    ///     here.send_async(&1).await?;
    ///     there.send_async(&2).await?;
    ///     assert_eq!(there.recv_async().await?, 1);
    ///     assert_eq!(here.recv_async().await?, 2);
    ///     Ok::<_, workmill_process::PipeError>(())
    /// })?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_async<'a>(
        &'a self,
        item: &A,
    ) -> impl Future<Output = Result<(), PipeError>> + Send + use<'a, A, B> {
        let message = Self::encoded(item);
        let end = &self.end;
        async move { end.send_async(message?).await }
    }
}

/// Receiving.
impl<A, B: DeserializeOwned> Connection<A, B> {
    fn decoded(&self, arrived: Arrived) -> Result<B, PipeError> {
        let wrong = |text| PipeError::with_text(PipeErrorKind::Decode, text);
        let descriptors = arrived.descriptors.map_err(wrong)?;
        let item = passing::decode(&arrived.bytes, descriptors).map_err(wrong);
        self.end.give_back(arrived.bytes);
        item
    }

    /// Receives an item, and waits for it if none is there.
    ///
    /// # Blocking
    ///
    /// Blocks until an item is there or the other end has gone. A task of a pool gives its slot to
    /// another thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`Closed`](PipeErrorKind::Closed) if the other end has gone and nothing of it is left;
    /// [`Incomplete`](PipeErrorKind::Incomplete) and [`Decode`](PipeErrorKind::Decode) if an item
    /// is lost: later ones are not.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u32, ()>()?;
    /// here.send(&1)?;
    /// drop(here);
    /// assert_eq!(there.recv()?, 1); // what was sent is received
    /// assert!(there.recv().unwrap_err().is_closed());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv(&self) -> Result<B, PipeError> {
        let arrived = self.end.receive(Patience::Forever)?;
        self.decoded(arrived)
    }

    /// Receives an item if one is there.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv), and [`Empty`](PipeErrorKind::Empty) if no whole item is
    /// there, or if another thread is receiving by this end.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u8, ()>()?;
    /// assert!(there.try_recv().unwrap_err().is_empty());
    /// here.send(&1)?;
    /// assert_eq!(there.try_recv()?, 1);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&self) -> Result<B, PipeError> {
        let arrived = self.end.receive(Patience::Never)?;
        self.decoded(arrived)
    }

    /// Receives an item, and waits for it, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until an item is there, the other end has gone, or the time is over.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv), and [`Empty`](PipeErrorKind::Empty) when the time is over.
    /// The part of an item that has come is kept for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use std::time::Duration;
    ///
    /// let (here, there) = workmill_process::pipe::<(), u8>()?;
    /// let time = Duration::from_millis(10);
    /// assert!(here.recv_timeout(time).unwrap_err().is_empty());
    /// drop(there);
    /// assert!(here.recv_timeout(time).unwrap_err().is_closed());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Result<B, PipeError> {
        let arrived = self.end.receive(within(timeout))?;
        self.decoded(arrived)
    }

    /// Receives an item, and waits for it without blocking the thread.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready, no item is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u32, ()>()?;
    /// here.send(&1)?;
    /// assert_eq!(workmill_process::workmill::block_on(there.recv_async())?, 1);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn recv_async(&self) -> Result<B, PipeError> {
        let arrived = self.end.receive_async().await?;
        self.decoded(arrived)
    }

    /// Returns an iterator that receives until the other end has gone. Each step blocks as
    /// [`recv`](Self::recv) does. An item that is an error does not end it, unless the system
    /// reported the error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let (here, there) = workmill_process::pipe::<u32, ()>()?;
    /// (1..=3).try_for_each(|item| here.send(&item))?;
    /// drop(here);
    /// let items: Vec<_> = there.iter().collect::<Result<_, _>>()?;
    /// assert_eq!(items, [1, 2, 3]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Result<B, PipeError>> {
        let mut has_failed = false;
        std::iter::from_fn(move || {
            if has_failed {
                return None;
            }
            let item = self.recv();
            has_failed = matches!(&item, Err(error) if error.kind() == PipeErrorKind::Io);
            match item {
                Err(error) if error.is_closed() => None,
                item => Some(item),
            }
        })
    }
}

impl<A, B> Serialize for Connection<A, B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        passing::give(serializer, WHAT, Class::Connection, || {
            let descriptor = self.end.descriptor();
            descriptor.ok_or_else(|| format!("{WHAT} that has received a part of an item"))
        })
    }
}

impl<'de, A, B> Deserialize<'de> for Connection<A, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let make = |descriptor| Packets::of(descriptor).map(Self::new);
        passing::take(deserializer, WHAT, Class::Connection, make)
    }
}

impl<A, B> fmt::Debug for Connection<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}
