//! A worker process, as its parent sees it.

use std::io;
#[cfg(target_os = "linux")]
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

/// A child that leads a process group of its own. Until it is [reaped](Self::reap) its number is
/// that of no other process, so it is killed only under the lock under which it is reaped.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
}

impl Process {
    pub(super) fn new(child: std::process::Child) -> io::Result<(Self, Exit)> {
        let pid = Pid::from_child(&child);
        match Exit::new(child, pid) {
            Ok(exit) => Ok((Self { pid }, exit)),
            Err(error) => {
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get() as u32
    }

    /// Kills the process and all of its group. It must not have been reaped.
    pub(crate) fn kill_group(&self) {
        // It fails if the process has ended, and nobody else is in the group: all are gone.
        let _ = kill_process_group(self.pid, Signal::KILL);
        // A job may have left the group, and taken the process with it.
        let _ = kill_process(self.pid, Signal::KILL);
    }

    /// Returns `true` if the process has not ended. It must not have been reaped.
    pub(crate) fn is_alive(&self) -> bool {
        use rustix::process::{WaitId, WaitIdOptions, waitid};

        // It is left in the table.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// Takes the process from the system's table, if it has ended. Returns how it has ended, or
    /// `None` if somebody else has taken it: a handler of SIGCHLD, or the system, if that signal is
    /// ignored.
    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        use std::os::unix::process::ExitStatusExt;

        loop {
            match waitpid(Some(self.pid), WaitOptions::NOHANG) {
                Ok(Some((_, status))) => return Some(ExitStatus::from_raw(status.as_raw())),
                Err(rustix::io::Errno::INTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// That a process has ended, as an event. What the process has started may live, and may hold what
/// it held.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Exit(async_io::ReadableOwned<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Exit {
    fn new(_child: std::process::Child, pid: Pid) -> io::Result<Self> {
        use rustix::process::{PidfdFlags, pidfd_open};

        let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
        let descriptor = async_io::Async::new_nonblocking(descriptor)?;
        Ok(Self(std::sync::Arc::new(descriptor).readable_owned()))
    }

    /// Returns `Ready` once the process has ended, and must not be polled after that.
    pub(crate) fn poll(&mut self, _: &Process, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct Exit(async_io::os::kqueue::Filter<async_io::os::kqueue::Exit>);

#[cfg(not(target_os = "linux"))]
impl Exit {
    fn new(child: std::process::Child, _pid: Pid) -> io::Result<Self> {
        use async_io::os::kqueue;

        kqueue::Filter::new(kqueue::Exit::new(child)).map(Self)
    }

    /// Returns `Ready` once the process has ended.
    pub(crate) fn poll(&mut self, process: &Process, context: &mut Context<'_>) -> Poll<()> {
        // The event comes once, and may be taken for an earlier one.
        while process.is_alive() {
            if self.0.poll_ready(context).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}
