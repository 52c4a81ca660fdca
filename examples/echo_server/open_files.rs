//! The number of files and sockets that a process may have open.

use std::io;

/// Allows this process to have the given number open, if it may not yet.
#[cfg(unix)]
pub(crate) fn allow(files: usize) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let files = files as u64;
    if current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    let wanted = Rlimit {
        current: Some(files),
        maximum,
    };
    setrlimit(Resource::Nofile, wanted)
        .map_err(|error| io::Error::other(format!("{files} open files are not allowed: {error}")))
}

/// Nothing to do: elsewhere there is no such limit.
#[cfg(not(unix))]
pub(crate) fn allow(_files: usize) -> io::Result<()> {
    Ok(())
}
