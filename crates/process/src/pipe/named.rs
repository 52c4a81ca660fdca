//! Pipes that have a name in the file system.

use std::io::{self, Read, Write};
#[cfg(any(target_os = "linux", target_os = "macos"))]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sys::{Created, Fifo, Opening, Tried, Until, create_fifo, expect_fifo};

/// A pipe that has a name in the file system: programs that know the path write to it and read from
/// it, no matter which program started them.
///
/// It carries bytes one way, from writers to readers, and keeps none when nobody has it open. What
/// is written at once in up to 4096 bytes (512 on macOS) stays together if several write. For typed
/// items, and between processes that come from one program, [`pipe`](crate::pipe()) is better.
///
/// The object that has [created](Self::create) a named pipe removes it when it is dropped, if it is
/// still at its path. Ends that are open stay open then.
///
/// On systems other than Linux and macOS it can be neither created nor opened:
/// [`Unsupported`](io::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// use workmill_process::{Jobs, NamedPipe, ProcessPoolExecutor};
///
/// fn send(path: String) -> Result<(), String> {
///     let send = || NamedPipe::open(path)?.writer()?.write_all(b"Hello, receiver!");
///     send().map_err(|error: std::io::Error| error.to_string())
/// }
///
/// fn jobs() -> Jobs {
///     Jobs::new().with("send", send)
/// }
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     workmill_process::serve_if_worker(jobs());
///     let pool = ProcessPoolExecutor::new(1, jobs())?;
///     let path = std::env::temp_dir().join(format!("workmill-fifo-{}", std::process::id()));
///     let named = NamedPipe::create(&path)?;
///     let sent = pool.submit(send, path.to_str().unwrap().to_owned());
///     let mut text = String::new();
///     named.reader()?.read_to_string(&mut text)?; // ends when the writer has gone
///     assert_eq!(text, "Hello, receiver!");
///     sent.join()??;
///     drop(named);
///     assert!(!path.exists());
///     Ok(())
/// }
/// ```
#[doc(alias("fifo", "mkfifo", "FIFO"))]
#[derive(Debug)]
pub struct NamedPipe {
    path: PathBuf,
    /// The file that is removed with this, if it is still at the path.
    created: Option<Created>,
}

impl NamedPipe {
    /// Creates a named pipe. Its permissions are those of a new file. The drop removes it.
    ///
    /// # Errors
    ///
    /// An error of the kind [`AlreadyExists`](io::ErrorKind::AlreadyExists) if anything is at the
    /// path: it may be a named pipe that an earlier program has left. Others if the system reports
    /// them.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-1-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// assert!(path.exists());
    /// assert!(NamedPipe::create(&path).is_err()); // there is one
    /// drop(named);
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let created = Some(create_fifo(&path)?);
        Ok(Self { path, created })
    }

    /// Takes a named pipe that is there. The drop does not remove it.
    ///
    /// # Errors
    ///
    /// An error of the kind [`NotFound`](io::ErrorKind::NotFound) if nothing is at the path, of the
    /// kind [`InvalidInput`](io::ErrorKind::InvalidInput) if something else is.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-2-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let created = NamedPipe::create(&path)?;
    /// drop(NamedPipe::open(&path)?);
    /// assert!(path.exists()); // `created` will remove it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        expect_fifo(&path)?;
        let created = None;
        Ok(Self { path, created })
    }

    /// Takes the named pipe that is there, or creates one. The drop removes it only if this has
    /// created it.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and [`open`](Self::open).
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-3-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let created = NamedPipe::create_or_open(&path)?; // whoever comes first creates it
    /// let opened = NamedPipe::create_or_open(&path)?;
    /// drop(opened);
    /// assert!(path.exists());
    /// drop(created);
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_or_open(path: impl AsRef<Path>) -> io::Result<Self> {
        match Self::create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            created => created,
        }
    }

    /// Returns the path.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-4-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// assert_eq!(named.path(), path);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the named pipe where it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-5-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// NamedPipe::create(&path)?.keep();
    /// let later = NamedPipe::open(&path)?; // perhaps by another program
    /// later.remove()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self) {
        self.created = None;
    }

    /// Removes the named pipe, also one that another has created. If something else is at its path
    /// by now, that stays.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there is no named pipe at the path, or it cannot be removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-6-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// NamedPipe::create(&path)?.keep();
    /// NamedPipe::open(&path)?.remove()?;
    /// assert!(!path.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(mut self) -> io::Result<()> {
        let created = self.created.take();
        expect_fifo(&self.path)?;
        match created.is_none_or(|created| created.is_at(&self.path)) {
            true => std::fs::remove_file(&self.path),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Opens the end that reads. Writers that wait for a reader go on. It does not wait for a
    /// writer: the first read does.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there is no named pipe at the path any more, or it may not be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-7-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let mut reader = named.reader()?; // does not wait for a writer
    /// named.writer()?.write_all(b"flour")?; // which has gone after this
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text)?;
    /// assert_eq!(text, "flour");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reader(&self) -> io::Result<NamedPipeReader> {
        Fifo::open_reader(&self.path).map(NamedPipeReader)
    }

    /// Opens the end that writes, and waits for a reader if there is none.
    ///
    /// # Blocking
    ///
    /// Blocks until there is a reader. A task of a pool gives its slot to another thread meanwhile.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if there is no named pipe at the path any more, or it may not be written to.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-8-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// std::thread::scope(|scope| {
    ///     let text = scope.spawn(|| std::io::read_to_string(named.reader()?));
    ///     named.writer()?.write_all(b"flour")?; // waits for the reader
    ///     assert_eq!(text.join().unwrap()?, "flour");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(&self) -> io::Result<NamedPipeWriter> {
        Fifo::open_writer(&self.path).map(NamedPipeWriter)
    }

    /// Opens the end that writes if there is a reader.
    ///
    /// # Errors
    ///
    /// Those of [`writer`](Self::writer), and one of the kind
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no reader.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-9-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// assert_eq!(named.try_writer().unwrap_err().kind(), ErrorKind::WouldBlock);
    /// let _reader = named.reader()?;
    /// assert!(named.try_writer().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_writer(&self) -> io::Result<NamedPipeWriter> {
        let opened = Fifo::try_open_writer(&self.path)?;
        opened
            .map(NamedPipeWriter)
            .ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// Opens the end that writes, and waits for a reader, but no longer than `timeout`.
    ///
    /// Giving up opens the end that reads for a moment. Other writers that wait go on then, and
    /// find no reader when they write.
    ///
    /// # Blocking
    ///
    /// Blocks until there is a reader or the time is over.
    ///
    /// # Errors
    ///
    /// Those of [`writer`](Self::writer), and one of the kind [`TimedOut`](io::ErrorKind::TimedOut)
    /// when the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-10-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let error = named.writer_timeout(Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut); // no reader has come
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer_timeout(&self, timeout: Duration) -> io::Result<NamedPipeWriter> {
        match self.try_writer() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            opened => return opened,
        }
        let opened = Opening::begin(&self.path)?.wait(timeout)?;
        opened
            .map(NamedPipeWriter)
            .ok_or_else(|| io::ErrorKind::TimedOut.into())
    }

    /// Opens the end that writes, and waits for a reader without blocking the thread: another
    /// thread does.
    ///
    /// # Errors
    ///
    /// Those of [`writer`](Self::writer).
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready, nothing is opened. Giving up opens the end that
    /// reads for a moment, as with [`writer_timeout`](Self::writer_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-11-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let reader = named.reader()?;
    /// let mut writer = workmill_process::workmill::block_on(named.writer_async())?;
    /// writer.write_all(b"flour")?;
    /// drop(writer);
    /// assert_eq!(std::io::read_to_string(reader)?, "flour");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn writer_async(&self) -> io::Result<NamedPipeWriter> {
        match self.try_writer() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            opened => return opened,
        }
        let opening = Opening::begin(&self.path)?;
        opening.wait_async().await.map(NamedPipeWriter)
    }
}

impl Drop for NamedPipe {
    fn drop(&mut self) {
        if let Some(created) = &self.created {
            // A file that somebody else has put there stays there.
            if created.is_at(&self.path) {
                let _ = std::fs::remove_file(&self.path);
            }
        }
    }
}

/// Tries until something is done, or the deadline has come.
fn until<T>(
    fifo: &Fifo,
    event: Until,
    deadline: Option<Instant>,
    mut attempt: impl FnMut() -> io::Result<Tried<T>>,
) -> io::Result<T> {
    loop {
        match attempt()? {
            Tried::Done(done) => return Ok(done),
            Tried::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
            Tried::NotNow if fifo.waitable().wait(event, deadline)? => {}
            Tried::NotNow => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn until_async<T>(
    fifo: &Fifo,
    event: Until,
    mut attempt: impl FnMut() -> io::Result<Tried<T>>,
) -> io::Result<T> {
    loop {
        match attempt()? {
            Tried::Done(done) => return Ok(done),
            Tried::Closed => return Err(io::ErrorKind::BrokenPipe.into()),
            Tried::NotNow => fifo.waitable().wait_async(event).await?,
        }
    }
}

fn now<T>(tried: Tried<T>) -> io::Result<T> {
    match tried {
        Tried::Done(done) => Ok(done),
        Tried::NotNow => Err(io::ErrorKind::WouldBlock.into()),
        Tried::Closed => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

/// The end of a [`NamedPipe`] that reads.
///
/// Its [`Read`] blocks until there is something, at first until a writer comes; it returns 0 when
/// all writers have gone, however they ended. A writer that comes later can be read from as well. A
/// task of a pool that waits gives its slot to another thread. Its drop closes the end.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use workmill_process::NamedPipe;
///
/// # let name = format!("workmill-example-12-{}", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// let named = NamedPipe::create(&path)?;
/// let mut reader = named.reader()?;
/// let mut text = String::new();
/// for word in ["flour", " and water"] {
///     named.writer()?.write_all(word.as_bytes())?;
///     reader.read_to_string(&mut text)?; // until the writer has gone; another may come
/// }
/// assert_eq!(text, "flour and water");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NamedPipeReader(Fifo);

impl NamedPipeReader {
    /// Reads what is there, without waiting; 0 if all writers have gone.
    ///
    /// # Errors
    ///
    /// An error of the kind [`WouldBlock`](io::ErrorKind::WouldBlock) if nothing is there, or no
    /// writer has come yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-13-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let mut reader = named.reader()?;
    /// let error = reader.try_read(&mut [0; 16]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::WouldBlock); // no writer has come
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        now(self.0.read(buffer)?)
    }

    /// Reads, and waits for something to read, but no longer than `timeout`.
    ///
    /// # Blocking
    ///
    /// Blocks until there is something, all writers have gone, or the time is over.
    ///
    /// # Errors
    ///
    /// An error of the kind [`TimedOut`](io::ErrorKind::TimedOut) when the time is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-14-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let mut reader = named.reader()?;
    /// let _writer = named.writer()?; // and writes nothing
    /// let error = reader.read_timeout(&mut [0; 16], Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_timeout(&mut self, buffer: &mut [u8], timeout: Duration) -> io::Result<usize> {
        let deadline = Instant::now().checked_add(timeout);
        until(&self.0, Until::Readable, deadline, || self.0.read(buffer))
    }

    /// Reads, and waits without blocking the thread.
    ///
    /// # Errors
    ///
    /// [`io::Error`] if the system reports one.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready, nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-15-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let mut reader = named.reader()?;
    /// named.writer()?.write_all(b"flour")?;
    /// let mut buffer = [0; 16];
    /// let read = workmill_process::workmill::block_on(reader.read_async(&mut buffer))?;
    /// assert_eq!(buffer[..read], *b"flour");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn read_async(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        until_async(&self.0, Until::Readable, || self.0.read(buffer)).await
    }
}

impl Read for NamedPipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        until(&self.0, Until::Readable, None, || self.0.read(buffer))
    }
}

/// The end of a [`NamedPipe`] that writes.
///
/// Its [`Write`] blocks while there is no room (the system keeps 64 KB), and returns an error of
/// the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) when no reader is left. A task of a pool that
/// waits gives its slot to another thread. Its drop closes the end: what was written is still read,
/// if there is a reader.
///
/// # Examples
///
/// ```
/// use std::io::{ErrorKind, Write};
/// use workmill_process::NamedPipe;
///
/// # let name = format!("workmill-example-16-{}", std::process::id());
/// # let path = std::env::temp_dir().join(name);
/// let named = NamedPipe::create(&path)?;
/// let reader = named.reader()?;
/// let mut writer = named.writer()?;
/// writer.write_all(b"flour")?; // there is room, so it does not wait
/// drop(reader);
/// assert_eq!(writer.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NamedPipeWriter(Fifo);

impl NamedPipeWriter {
    /// Writes what fits, without waiting, and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// An error of the kind [`WouldBlock`](io::ErrorKind::WouldBlock) if there is no room, of the
    /// kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) if no reader is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-17-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let _reader = named.reader()?; // and reads nothing
    /// let mut writer = named.writer()?;
    /// while writer.try_write(&[0; 4096]).is_ok() {}
    /// assert_eq!(writer.try_write(&[0; 4096]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now(self.0.write(bytes)?)
    }

    /// Writes what fits, and waits for room, but no longer than `timeout`. Returns the number of
    /// bytes.
    ///
    /// # Blocking
    ///
    /// Blocks until there is room or the time is over.
    ///
    /// # Errors
    ///
    /// An error of the kind [`TimedOut`](io::ErrorKind::TimedOut) when the time is over, of the
    /// kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) if no reader is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-18-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let _reader = named.reader()?; // and reads nothing
    /// let mut writer = named.writer()?;
    /// while writer.try_write(&[0; 4096]).is_ok() {}
    /// let error = writer.write_timeout(&[0; 4096], Duration::from_millis(10)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TimedOut);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_timeout(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        let deadline = Instant::now().checked_add(timeout);
        until(&self.0, Until::Writable, deadline, || self.0.write(bytes))
    }

    /// Writes what fits, and waits for room without blocking the thread. Returns the number of
    /// bytes.
    ///
    /// # Errors
    ///
    /// An error of the kind [`BrokenPipe`](io::ErrorKind::BrokenPipe) if no reader is left.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped before it is ready, nothing was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use workmill_process::NamedPipe;
    ///
    /// # let name = format!("workmill-example-19-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(name);
    /// let named = NamedPipe::create(&path)?;
    /// let _reader = named.reader()?;
    /// let mut writer = named.writer()?;
    /// let written = workmill_process::workmill::block_on(writer.write_async(b"flour"))?;
    /// assert_eq!(written, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn write_async(&mut self, bytes: &[u8]) -> io::Result<usize> {
        until_async(&self.0, Until::Writable, || self.0.write(bytes)).await
    }
}

impl Write for NamedPipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        until(&self.0, Until::Writable, None, || self.0.write(bytes))
    }

    /// Does nothing: what was written can be read.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
macro_rules! ends {
    ($($end:ty)+) => {$(
        impl AsFd for $end {
            /// The descriptor does not block.
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.waitable().as_fd()
            }
        }
    )+};
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
ends! { NamedPipeReader NamedPipeWriter }
