//! Which process this is. A connection to SQLite must not be used in a child that was made by a
//! fork, nor closed there: the locks on the file belong to the parent.

use std::process;

use crate::error::{ErrorKind, FileQueueError};

/// The process that something was made in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(u32);

impl Stamp {
    pub(crate) fn new() -> Self {
        Self(process::id())
    }

    /// Returns `true` in a child that was forked from the process.
    pub(crate) fn is_forked(self) -> bool {
        process::id() != self.0
    }

    /// Fails in a child that was forked from the process.
    pub(crate) fn check(self) -> Result<(), FileQueueError> {
        match self.is_forked() {
            true => Err(ErrorKind::Forked.into()),
            false => Ok(()),
        }
    }
}
