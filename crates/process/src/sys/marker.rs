//! The mark of a worker process: an entry of the environment that names its standard input.
//!
//! The environment is inherited by all that a worker starts, so the entry alone would make workers
//! of its children. A process is a worker only if its standard input *is* the socket that the entry
//! names, by device and number. A worker that serves has something else there.

use std::env;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat};

pub(super) const VARIABLE: &str = "WORKMILL_PROCESS_WORKER";

/// Returns the value of the entry for a socket.
pub(super) fn of(socket: impl AsFd) -> io::Result<String> {
    let stat = fstat(socket)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => Ok(format!("{}:{}", stat.st_dev, stat.st_ino)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Returns `true` if this process was started as a worker and does not serve yet.
pub(crate) fn is_here() -> bool {
    let Some(marked) = env::var_os(VARIABLE) else {
        return false;
    };
    of(io::stdin()).is_ok_and(|here| marked == *here)
}
