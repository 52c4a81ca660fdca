//! Systems on which no worker process can be started. Nothing here is ever called, except
//! [`supported`]; it has the names of `sys/mod.rs`.

#![allow(dead_code, reason = "no pool can be built, so none of this has a user")]

use std::future::Ready;
use std::io::{self, IoSlice};
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};

use workmill_jobs::Jobs;

use crate::buffers::Body;
use crate::builder::Program;
use crate::hub::near::Nears;
use crate::hub::wire::Request;

pub(crate) const WORDS: u64 = 16;
pub(crate) const CREDITS: usize = 16;
pub(crate) const ITEMS: u64 = 224;

#[derive(Debug)]
pub(crate) enum Whose {
    Parents,
    Leased,
    Kept,
    Done,
}

pub(crate) fn supported() -> io::Result<()> {
    let message = "process pools need Linux or macOS";
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

pub(crate) fn is_unserved_worker() -> bool {
    false
}

#[derive(Debug)]
pub(crate) enum Never {}

pub(crate) type Descriptor = Never;

pub(crate) fn serve(_: &Jobs) -> ! {
    unreachable!("there is no worker process")
}

pub(crate) fn link() -> Option<&'static Link> {
    None
}

#[derive(Debug)]
pub(crate) struct Link(Never);

impl Link {
    pub(crate) fn name(&self) -> &str {
        match self.0 {}
    }

    pub(crate) fn is_ours(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_heard(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_heard_besides(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn claims(&self) -> &Claims {
        match self.0 {}
    }

    pub(crate) fn nears(&self) -> &Nears {
        match self.0 {}
    }

    pub(crate) fn tell(&self, _: Request, _: &[&[u8]]) {
        match self.0 {}
    }

    pub(crate) fn ask(&self, _: Request, _: &[&[u8]]) -> (u64, Body) {
        match self.0 {}
    }

    pub(crate) fn ask_async(&'static self, _: Request, _: &[&[u8]]) -> Ready<(u64, Body)> {
        match self.0 {}
    }
}

pub(crate) fn start(_: &Program) -> io::Result<Started> {
    supported().and(Err(io::ErrorKind::Unsupported.into()))
}

#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) process: Arc<Process>,
    pub(crate) exit: Exit,
    pub(crate) socket: Socket,
    pub(crate) errors: Pipe,
    pub(crate) claims: Arc<Claims>,
    pub(crate) descriptors: Vec<Never>,
}

#[derive(Debug)]
pub(crate) struct Claims(Never);

impl Claims {
    pub(crate) fn send(&self, _: u64) {
        match self.0 {}
    }

    pub(crate) fn withdraw(&self, _: u64) -> bool {
        match self.0 {}
    }

    pub(crate) fn grant(&self, _: usize, _: u64) {
        match self.0 {}
    }

    pub(crate) fn revoke(&self, _: usize) -> u64 {
        match self.0 {}
    }

    pub(crate) fn spend(&self, _: usize) -> bool {
        match self.0 {}
    }

    pub(crate) fn offer(&self, _: u64) {
        match self.0 {}
    }

    pub(crate) fn lend(&self, _: u64) {
        match self.0 {}
    }

    pub(crate) fn want(&self, _: u64) -> bool {
        match self.0 {}
    }

    pub(crate) fn release(&self, _: u64) -> bool {
        match self.0 {}
    }

    pub(crate) fn acquire(&self, _: u64) -> bool {
        match self.0 {}
    }

    pub(crate) fn take_back(&self, _: u64) -> Whose {
        match self.0 {}
    }

    pub(crate) fn taken(&self, _: u64) -> Option<Whose> {
        match self.0 {}
    }

    pub(crate) fn ask_to_be_told(&self, _: usize, _: bool) {
        match self.0 {}
    }

    pub(crate) fn done(&self, _: u64, _: usize) -> bool {
        match self.0 {}
    }

    pub(crate) fn is_offered(&self, _: u64) -> bool {
        match self.0 {}
    }

    pub(crate) fn take(&self, _: u64, _: bool) -> bool {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Process(Never);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn is_alive(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn kill_group(&self) {
        match self.0 {}
    }

    pub(crate) fn reap(&self) -> Option<ExitStatus> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Exit(Never);

impl Exit {
    pub(crate) fn poll(&mut self, _: &Process, _: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Socket(Never);

impl Socket {
    pub(crate) fn send(&self, _: &[IoSlice<'_>], _: &[Never]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn wait_readable(&self, _: std::time::Duration) -> bool {
        match self.0 {}
    }

    pub(crate) fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Pipe(Never);

impl Pipe {
    pub(crate) fn read(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
