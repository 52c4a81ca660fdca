//! Which process this is.
//!
//! A connection to SQLite must not be used in a child that was made by a fork, nor closed there:
//! the locks on the file belong to the parent. Nor can such a child open the file anew while it has
//! its parent's connection in its memory: SQLite takes the parent's locks for its own there.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{ErrorKind, FileQueueError};

/// The process that has stamps, in the upper half, and how many, in the lower. A child has the
/// number of its parent. It is one word, so that two threads which make the first two stamps at the
/// same time do not take each other for a parent.
static STAMPS: AtomicU64 = AtomicU64::new(0);

/// The process that something was made in.
#[derive(Debug)]
pub(crate) struct Stamp(u32);

impl Stamp {
    /// Returns a stamp of this process, unless it is a child whose parent had others when it
    /// forked.
    pub(crate) fn new() -> Result<Self, FileQueueError> {
        let process = process::id();
        let one_more = |stamps: u64| {
            let of = stamps >> u32::BITS;
            let has_none = stamps << u32::BITS == 0;
            match of == u64::from(process) {
                true => Some(stamps + 1),
                false if has_none => Some(u64::from(process) << u32::BITS | 1),
                false => None,
            }
        };
        let counted = STAMPS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        match counted {
            Ok(_) => Ok(Self(process)),
            Err(_) => Err(ErrorKind::Forked.into()),
        }
    }

    /// Returns `true` in a child that was forked from the process.
    pub(crate) fn is_forked(&self) -> bool {
        process::id() != self.0
    }

    /// Fails in a child that was forked from the process.
    pub(crate) fn check(&self) -> Result<(), FileQueueError> {
        match self.is_forked() {
            true => Err(ErrorKind::Forked.into()),
            false => Ok(()),
        }
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        // In a child the number stays: SQLite still has what it has from the parent.
        if !self.is_forked() {
            STAMPS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
