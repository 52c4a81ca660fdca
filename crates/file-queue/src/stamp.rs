//! Which process this is.
//!
//! A connection to SQLite must not be used in a child that was made by a fork, nor closed there:
//! the locks on the file belong to the parent. Nor can such a child open the file anew while it has
//! its parent's connection in its memory: SQLite takes the parent's locks for its own there.

use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::error::{ErrorKind, FileQueueError};

/// How many stamps there are in this process. A child has the number of its parent.
static STAMPS: AtomicUsize = AtomicUsize::new(0);

/// The process that the number belongs to.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The process that something was made in.
#[derive(Debug)]
pub(crate) struct Stamp(u32);

impl Stamp {
    /// Returns a stamp of this process, unless it is a child whose parent had others when it
    /// forked.
    pub(crate) fn new() -> Result<Self, FileQueueError> {
        let process = process::id();
        // A race with another thread does no harm: both find the same.
        if PROCESS.load(Ordering::SeqCst) != process {
            if STAMPS.load(Ordering::SeqCst) != 0 {
                return Err(ErrorKind::Forked.into());
            }
            PROCESS.store(process, Ordering::SeqCst);
        }
        STAMPS.fetch_add(1, Ordering::SeqCst);
        Ok(Self(process))
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
