//! The start of a worker process.
//!
//! It is the program itself, started anew: no `fork` without `exec`, since a copy of a process with
//! threads has locks that nobody will release; and nothing runs in between, so no unsafe code is
//! needed. Its end of the socket is its standard input. Descriptors are passed in the first
//! message: the claim words, and standard output. Until then its standard output leads nowhere, so
//! what the program prints before it serves is printed by the parent alone.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::claims::Claims;
use super::marker;
use super::process::{Exit, Process};
use super::socket::{self, Pipe, Socket};
use crate::builder::Program;

/// A worker process that has just been started.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Arc<Process>,
    pub(crate) exit: Exit,
    pub(crate) socket: Socket,
    pub(crate) errors: Pipe,
    pub(crate) claims: Arc<Claims>,
    /// The descriptors for the first message.
    pub(crate) descriptors: Vec<OwnedFd>,
}

pub(crate) fn start(program: &Program) -> io::Result<Started> {
    let (ours, theirs) = socket::pair()?;
    let (errors, their_errors) = pipe()?;
    let (claims, claims_descriptor) = Claims::create()?;
    let mut descriptors = vec![claims_descriptor];
    // If ours is closed, theirs leads nowhere.
    descriptors.extend(io::stdout().as_fd().try_clone_to_owned());
    // What needs room in the tables of the process comes first: a child is not left alone.
    let (socket, errors) = (Socket::new(ours)?, Pipe::new(errors)?);
    let mut command = command(program)?;
    command
        .env(marker::VARIABLE, marker::of(&theirs)?)
        .stdin(theirs)
        .stdout(Stdio::null())
        .stderr(their_errors)
        .process_group(0);
    let (process, exit) = Process::new(command.spawn()?)?;
    Ok(Started {
        process: Arc::new(process),
        exit,
        socket,
        errors,
        claims: Arc::new(claims),
        descriptors,
    })
}

fn command(program: &Program) -> io::Result<Command> {
    let mut command = match &program.path {
        Some(path) => Command::new(path),
        None => {
            let mut command = Command::new(this_program()?);
            let name = std::env::args_os().next();
            command.arg0(name.unwrap_or_else(|| OsString::from("worker")));
            command
        }
    };
    command.args(&program.arguments);
    Ok(command)
}

/// Returns a path to this program. On Linux it leads to the very file that runs, even if that was
/// replaced or deleted.
fn this_program() -> io::Result<PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok(PathBuf::from("/proc/self/exe")),
        false => std::env::current_exe(),
    }
}

/// Creates a pipe that programs which are started do not inherit.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    let pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    #[cfg(not(target_os = "linux"))]
    let pipe = {
        let pipe = rustix::pipe::pipe()?;
        for end in [&pipe.0, &pipe.1] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
        }
        pipe
    };
    Ok((
        socket::above_standard(pipe.0)?,
        socket::above_standard(pipe.1)?,
    ))
}
