//! Named pipes: first in, first out, and a name in the file system.
//!
//! To open one blocks until somebody has opened the other end. Here only writers wait, by an open
//! that blocks, since the system tells of a reader's coming in no other way. A reader opens without
//! blocking, which lets waiting writers go on, and waits for the first writer when it reads: the
//! system tells a reader of the end only after a writer has come and gone.
//!
//! A writer that gives up waiting has a thread left that blocks in that open. It ends it by opening
//! the other end for a moment. The pipe may have a new name by then, or none, so it is reached by a
//! descriptor that was opened before.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::event::PollFlags;
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use workmill::{JoinHandle, promise};

use super::packets::Tried;
use super::socket::above_standard;
use super::waiting::Waitable;

/// A named pipe that was created here, by device and number.
#[derive(Debug)]
pub(crate) struct Created {
    number: (u64, u64),
    /// While it is open, no other file gets that number, even if this one is removed.
    #[cfg(target_os = "linux")]
    _place: File,
}

impl Created {
    #[cfg(target_os = "linux")]
    fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = above_standard(rustix::fs::open(path, flags, Mode::empty())?)?;
        let place = File::from(place);
        let number = number_of(&place.metadata()?, path)?;
        Ok(Self {
            number,
            _place: place,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn at(path: &Path) -> io::Result<Self> {
        let number = number_of(&path.symlink_metadata()?, path)?;
        Ok(Self { number })
    }

    /// Returns `true` if it is still at the path.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let there = path.symlink_metadata();
        there.is_ok_and(|meta| (meta.dev(), meta.ino()) == self.number)
    }
}

fn number_of(meta: &Metadata, path: &Path) -> io::Result<(u64, u64)> {
    match meta.file_type().is_fifo() {
        true => Ok((meta.dev(), meta.ino())),
        false => Err(no_fifo(path)),
    }
}

/// Checks that there is a named pipe at a path. An error says what else is there.
pub(crate) fn expect_fifo(path: &Path) -> io::Result<()> {
    number_of(&path.metadata()?, path).map(drop)
}

fn no_fifo(path: &Path) -> io::Error {
    let message = format!("{} is there, and is no named pipe", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// Creates a named pipe. Nothing may be at the path.
pub(crate) fn create(path: &Path) -> io::Result<Created> {
    let mode = Mode::from_raw_mode(0o666); // without what the process's mask takes away
    #[cfg(target_os = "linux")]
    rustix::fs::mknodat(CWD, path, FileType::Fifo, mode, 0)?;
    #[cfg(not(target_os = "linux"))]
    {
        // It has no call by which a program without unsafe code could do that.
        let _ = (CWD, FileType::Fifo, mode);
        let made = std::process::Command::new("mkfifo").arg(path).status()?;
        if !made.success() {
            return Err(match path.exists() {
                true => io::ErrorKind::AlreadyExists.into(),
                false => io::Error::other("mkfifo failed"),
            });
        }
    }
    // One that would not be known again is not left behind.
    Created::at(path).inspect_err(|_| drop(std::fs::remove_file(path)))
}

/// One open end. It never blocks.
#[derive(Debug)]
pub(crate) struct Fifo(Waitable);

impl Fifo {
    fn of(file: File, path: &Path) -> io::Result<Self> {
        if !file.metadata()?.file_type().is_fifo() {
            return Err(no_fifo(path));
        }
        let descriptor = above_standard(file.into())?;
        fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
        Ok(Self(Waitable::new(descriptor)))
    }

    /// Opens the end that reads. Does not wait for a writer.
    pub(crate) fn open_reader(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path)?;
        Self::of(file, path)
    }

    /// Opens the end that writes, if there is a reader.
    pub(crate) fn try_open_writer(path: &Path) -> io::Result<Option<Self>> {
        let opened = File::options()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(path);
        match opened {
            Ok(file) => Self::of(file, path).map(Some),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {
                expect_fifo(path).map(|()| None)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the end that writes. Blocks until there is a reader.
    pub(crate) fn open_writer(path: &Path) -> io::Result<Self> {
        let file = workmill::blocking(|| File::options().write(true).open(path))?;
        Self::of(file, path)
    }

    pub(crate) fn waitable(&self) -> &Waitable {
        &self.0
    }

    /// Reads what is there; 0 at the end, which is where no writer is left.
    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<Tried<usize>> {
        loop {
            match rustix::io::read(&self.0, &mut *room) {
                Ok(0) if !room.is_empty() => {}
                Ok(bytes) => return Ok(Tried::Done(bytes)),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(Tried::NotNow),
                Err(error) => return Err(error.into()),
            }
            // No writer is there: none yet, or none any more. One may have come meanwhile.
            let time = Some(std::time::Duration::ZERO);
            match self.0.poll_once(PollFlags::IN, time)? {
                Some(flags) if flags.contains(PollFlags::IN) => {}
                Some(_) => return Ok(Tried::Done(0)),
                None => return Ok(Tried::NotNow),
            }
        }
    }

    /// Writes what fits.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<Tried<usize>> {
        loop {
            match rustix::io::write(&self.0, bytes) {
                Ok(written) => return Ok(Tried::Done(written)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Tried::NotNow),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns `true` if a writer's other end is there.
    fn has_reader(&self) -> bool {
        let time = Some(std::time::Duration::ZERO);
        let polled = self.0.poll_once(PollFlags::empty(), time);
        !matches!(polled, Ok(Some(flags)) if flags.contains(PollFlags::ERR))
    }
}

/// A writer that waits for a reader, on a thread of its own.
#[derive(Debug)]
pub(crate) struct Opening {
    handle: Option<JoinHandle<io::Result<File>>>,
    /// Leads to the pipe, without being an end of it. The thread has it as well, lest its number
    /// become that of another file before the thread has used it.
    place: Arc<OwnedFd>,
    /// Is closed to have a descriptor for the end of the wait, if no other is left.
    spare: Option<OwnedFd>,
    path: PathBuf,
}

impl Opening {
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let place = rustix::fs::open(path, flags, Mode::empty())?;
        let spare = File::from(place.try_clone()?);
        number_of(&spare.metadata()?, path)?;
        let place = Arc::new(place);
        let through = through(&place, path);
        let (promise, handle) = promise();
        let its_place = Arc::clone(&place);
        let open = move || {
            let opened = File::options().write(true).open(through);
            drop(its_place);
            // Nobody may want it any more.
            let _ = promise.complete(opened);
        };
        let builder = thread::Builder::new().name("workmill-named-pipe".to_owned());
        builder.stack_size(64 << 10).spawn(open)?;
        Ok(Self {
            handle: Some(handle),
            place,
            spare: Some(spare.into()),
            path: path.to_owned(),
        })
    }

    /// Waits for that long. Returns `None` when the time is over.
    pub(crate) fn wait(mut self, time: std::time::Duration) -> io::Result<Option<Fifo>> {
        let handle = self.handle.as_mut().expect("it waits once");
        match handle.join_timeout(time) {
            Some(opened) => {
                self.handle = None;
                self.opened(opened).map(Some)
            }
            None => {
                // A reader that has come at the last moment is not turned away.
                let writer = self.give_up().and_then(|opened| self.opened(opened).ok());
                Ok(writer.filter(Fifo::has_reader))
            }
        }
    }

    /// Waits without blocking.
    pub(crate) async fn wait_async(mut self) -> io::Result<Fifo> {
        let handle = self.handle.as_mut().expect("it waits once");
        let opened = handle.await;
        self.handle = None;
        self.opened(opened)
    }

    fn opened(&self, opened: Result<io::Result<File>, workmill::JoinError>) -> io::Result<Fifo> {
        Fifo::of(opened.map_err(io::Error::other)??, &self.path)
    }

    /// Ends the wait of the thread.
    fn give_up(&mut self) -> Option<Result<io::Result<File>, workmill::JoinError>> {
        let handle = self.handle.take()?;
        let through = through(&self.place, &self.path);
        self.spare = None;
        let reader = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits() as i32)
            .open(through);
        // While there is a reader the thread's open succeeds. If none can be opened, the thread
        // stays until somebody else comes.
        reader.ok().map(|_reader| handle.join())
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        drop(self.give_up());
    }
}

/// Returns a path by which the pipe can be opened.
fn through(place: &OwnedFd, path: &Path) -> PathBuf {
    match cfg!(target_os = "linux") {
        true => PathBuf::from(format!("/proc/self/fd/{}", place.as_raw_fd())),
        false => path.to_owned(),
    }
}
