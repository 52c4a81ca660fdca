//! Sockets, and what is sent and received by them. The parent's end of a worker process's socket,
//! and of its standard error, never block.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::{Async, ReadableOwned};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

use crate::passing::{Batches, MOST};

/// Creates two connected sockets that programs which are started do not inherit.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    let flags = SocketFlags::CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = SocketFlags::empty();
    let pair = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    #[cfg(not(target_os = "linux"))]
    for end in [&pair.0, &pair.1] {
        rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        rustix::net::sockopt::set_socket_nosigpipe(end, true)?;
    }
    Ok((above_standard(pair.0)?, above_standard(pair.1)?))
}

/// Returns the descriptor, or another in place of it if it has the number of a standard one. In a
/// process that has closed these, what is printed would go there.
pub(super) fn above_standard(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    match descriptor.as_raw_fd() {
        0..=2 => Ok(rustix::io::fcntl_dupfd_cloexec(&descriptor, 3)?),
        _ => Ok(descriptor),
    }
}

/// Sends what fits. No signal is raised if the other end is closed.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[IoSlice<'_>],
    descriptors: &[Arc<OwnedFd>],
) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = SendFlags::NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    let flags = SendFlags::empty();
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    loop {
        match sendmsg(socket, bytes, &mut control, flags) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent?),
        }
    }
}

/// Reads bytes, and notes the descriptors that come with them; 0 at the end.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
    batches: &mut Batches,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    #[cfg(target_os = "linux")]
    let flags = RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(target_os = "linux"))]
    let flags = RecvFlags::empty();
    let received = loop {
        let mut room = [IoSliceMut::new(room)];
        match recvmsg(socket, &mut room, &mut control, flags) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    let mut is_short = received.flags.contains(ReturnFlags::CTRUNC);
    let mut descriptors = Vec::new();
    for message in control.drain() {
        let RecvAncillaryMessage::ScmRights(came) = message else {
            continue;
        };
        for descriptor in came {
            #[cfg(not(target_os = "linux"))]
            rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
            match above_standard(descriptor) {
                Ok(descriptor) => descriptors.push(descriptor),
                Err(_) => is_short = true,
            }
        }
    }
    batches.add(descriptors, is_short);
    Ok(received.bytes)
}

/// Blocks until there is something to read, or the end.
pub(super) fn wait_readable(socket: BorrowedFd<'_>) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::from_borrowed_fd(socket, PollFlags::IN)], None) {
            Ok(0) | Err(Errno::INTR | Errno::AGAIN) => {}
            ready => return Ok(ready.map(drop)?),
        }
    }
}

fn read(from: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match rustix::io::read(from, &mut *room) {
            Err(Errno::INTR) => {}
            read => return Ok(read?),
        }
    }
}

/// The parent's end of the socket.
#[derive(Debug)]
pub(crate) struct Socket(Async<OwnedFd>);

impl Socket {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        Async::new(socket).map(Self)
    }

    /// Sends what fits, with the descriptors.
    pub(crate) fn send(
        &self,
        bytes: &[IoSlice<'_>],
        descriptors: &[Arc<OwnedFd>],
    ) -> io::Result<usize> {
        send(self.0.get_ref().as_fd(), bytes, descriptors)
    }

    /// Reads what is there; 0 at the end.
    pub(crate) fn read(&self, room: &mut [u8], batches: &mut Batches) -> io::Result<usize> {
        receive(self.0.get_ref().as_fd(), room, batches)
    }

    /// Blocks until there is something to read, but no longer than `time`. Returns `true` if there
    /// is.
    pub(crate) fn wait_readable(&self, time: Duration) -> bool {
        let mut sockets = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        let limit = Timespec::try_from(time).ok();
        poll(&mut sockets, limit.as_ref()).is_ok_and(|ready| ready > 0)
    }

    /// Has the task woken when there is something to read; a read must have found nothing before.
    /// `Ready` says no more than that it may be tried again.
    pub(crate) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(context)
    }

    /// Has the task woken when there is room; a write must have found none before.
    pub(crate) fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_writable(context)
    }
}

/// The parent's end of a pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    pipe: Arc<Async<OwnedFd>>,
    readable: ReadableOwned<OwnedFd>,
}

impl Pipe {
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        let pipe = Arc::new(Async::new(pipe)?);
        let readable = Arc::clone(&pipe).readable_owned();
        Ok(Self { pipe, readable })
    }

    /// Reads what is there; 0 at the end.
    pub(crate) fn read(&self, room: &mut [u8]) -> io::Result<usize> {
        read(self.pipe.get_ref().as_fd(), room)
    }

    /// Returns `Ready` if there may be something to read.
    pub(crate) fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let ready = Pin::new(&mut self.readable).poll(context).map(drop);
        if ready.is_ready() {
            self.readable = Arc::clone(&self.pipe).readable_owned();
        }
        ready
    }
}
