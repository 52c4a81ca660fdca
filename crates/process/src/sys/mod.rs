//! The operating system: sockets, processes, shared memory. On systems without them, see
//! `unsupported.rs`, which has the same names.

mod claims;
mod link;
mod marker;
mod memory;
mod process;
mod serve;
mod socket;
mod start;
#[cfg(test)]
mod tests;

pub(crate) use claims::{CREDITS, Claims, ITEMS, WORDS, Whose};
pub(crate) use link::{Link, link};
pub(crate) use marker::is_here as is_unserved_worker;
pub(crate) use process::{Exit, Process};
pub(crate) use serve::serve;
pub(crate) use socket::{Pipe, Socket};
pub(crate) use start::{Started, start};

/// What can be passed to another process.
pub(crate) type Descriptor = std::os::fd::OwnedFd;

/// Returns `Ok` if this system is supported.
pub(crate) fn supported() -> std::io::Result<()> {
    Ok(())
}
