//! Sockets between two processes that keep the borders of what is sent: a packet goes as a whole or
//! not at all.
//!
//! They are of the kind `SOCK_SEQPACKET`, which macOS does not have. Its other kinds either cut
//! what does not fit, or do not tell of the other end's end.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};

#[cfg(target_os = "linux")]
use super::socket::above_standard;
use super::socket::{receive, send};
use super::waiting::Waitable;
use crate::passing::Batches;

/// One of two connected sockets. It never blocks.
#[derive(Debug)]
pub(crate) struct Packets(Waitable);

/// The outcome of a try.
#[derive(Debug)]
pub(crate) enum Tried<T> {
    Done(T),
    /// There is no room, or nothing has come.
    NotNow,
    /// The other end has gone, and nothing of it is left.
    Closed,
}

impl Packets {
    #[cfg(target_os = "linux")]
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let new = |socket| Ok::<_, io::Error>(Self(Waitable::new(above_standard(socket)?)));
        Ok((new(pair.0)?, new(pair.1)?))
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let message = "pipes need sockets of the kind SOCK_SEQPACKET, which this system lacks";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    /// Takes a socket that another process has sent.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(descriptor: OwnedFd) -> Result<Self, String> {
        match sockopt::socket_type(&descriptor) {
            Ok(SocketType::SEQPACKET) => Ok(Self(Waitable::new(descriptor))),
            _ => Err("the descriptor of a connection is no socket of one".to_owned()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: OwnedFd) -> Result<Self, String> {
        Err("this system has no connections".to_owned())
    }

    pub(crate) fn descriptor(&self) -> &Arc<OwnedFd> {
        self.0.descriptor()
    }

    pub(crate) fn waitable(&self) -> &Waitable {
        &self.0
    }

    /// Sends a packet.
    pub(crate) fn send(
        &self,
        parts: &[IoSlice<'_>],
        descriptors: &[Arc<OwnedFd>],
    ) -> io::Result<Tried<()>> {
        match send(self.0.as_fd(), parts, descriptors) {
            Ok(_) => Ok(Tried::Done(())),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) => Ok(Tried::NotNow),
                Some(Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN) => {
                    Ok(Tried::Closed)
                }
                _ => Err(error),
            },
        }
    }

    /// Receives a packet, and returns its length.
    pub(crate) fn receive(
        &self,
        room: &mut [u8],
        batches: &mut Batches,
    ) -> io::Result<Tried<usize>> {
        loop {
            return match receive(self.0.as_fd(), room, batches) {
                Ok(0) => Ok(Tried::Closed),
                Ok(bytes) => Ok(Tried::Done(bytes)),
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::AGAIN) => Ok(Tried::NotNow),
                    // The other end has gone without reading all. It is told once, and before what
                    // is left to be read here.
                    Some(Errno::CONNRESET) => continue,
                    _ => Err(error),
                },
            };
        }
    }
}
