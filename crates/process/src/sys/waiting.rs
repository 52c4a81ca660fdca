//! Waits for a descriptor that never blocks: by a thread, for a time, or by a task.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_io::Async;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// The event that a wait is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// There is something to read, or the end.
    Readable,
    /// There is room, or the reader has gone.
    Writable,
}

/// A descriptor, and its registration with the reactor, which the first task that waits makes.
#[derive(Debug)]
pub(crate) struct Waitable {
    // Dropped first, so that the reactor knows the descriptor for as long as it is open.
    registered: Mutex<Option<Arc<Async<Arc<OwnedFd>>>>>,
    descriptor: Arc<OwnedFd>,
}

impl Waitable {
    pub(super) fn new(descriptor: OwnedFd) -> Self {
        Self {
            registered: Mutex::default(),
            descriptor: Arc::new(descriptor),
        }
    }

    pub(super) fn descriptor(&self) -> &Arc<OwnedFd> {
        &self.descriptor
    }

    /// Returns what is so of these now, or once one of them is: `None` when the time is over.
    pub(super) fn poll_once(
        &self,
        flags: PollFlags,
        time: Option<Duration>,
    ) -> io::Result<Option<PollFlags>> {
        let mut ours = [PollFd::new(&*self.descriptor, flags)];
        // A time that is too long is forever.
        let limit = time.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut ours, limit.as_ref())? {
            0 => Ok(None),
            _ => Ok(Some(ours[0].revents())),
        }
    }

    /// Blocks until that is so, or until the deadline. Returns `true` if it is, or may be. A task
    /// of a pool gives its slot to another thread meanwhile.
    pub(crate) fn wait(&self, until: Until, deadline: Option<Instant>) -> io::Result<bool> {
        let flags = match until {
            Until::Readable => PollFlags::IN,
            Until::Writable => PollFlags::OUT,
        };
        workmill::blocking(|| {
            loop {
                let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
                match self.poll_once(flags, left) {
                    Ok(Some(_)) => return Ok(true),
                    Ok(None) if left.is_some() => return Ok(false),
                    Ok(None) => {}
                    Err(error) if Errno::from_io_error(&error) == Some(Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Waits without blocking until that is so, or may be. A try must have failed before.
    pub(crate) fn wait_async(
        &self,
        until: Until,
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let registered = self.register();
        async move {
            let registered = registered?;
            match until {
                Until::Readable => registered.readable().await,
                Until::Writable => registered.writable().await,
            }
        }
    }

    fn register(&self) -> io::Result<Arc<Async<Arc<OwnedFd>>>> {
        let mut registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(registered) = &*registered {
            return Ok(Arc::clone(registered));
        }
        let new = Arc::new(Async::new_nonblocking(Arc::clone(&self.descriptor))?);
        *registered = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl AsFd for Waitable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
