//! Systems on which no worker process can be started. Nothing here is ever called, except
//! [`supported`]; it has the names of `sys/mod.rs`.

#![allow(dead_code, reason = "no pool can be built, so none of this has a user")]

use std::future::Ready;
use std::io::{self, IoSlice};
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use workmill_jobs::Jobs;

use crate::buffers::Body;
use crate::builder::Program;
use crate::hub::near::Nears;
use crate::hub::wire::Request;
use crate::passing::Batches;

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
    unsupported("process pools need Linux or macOS")
}

fn unsupported<T>(message: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

pub(crate) fn is_unserved_worker() -> bool {
    false
}

#[derive(Debug, Clone, Copy, PartialEq)]
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
    pub(crate) fn send(&self, _: &[IoSlice<'_>], _: &[Arc<Never>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &mut [u8], _: &mut Batches) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn poll_readable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    pub(crate) fn wait_readable(&self, _: Duration) -> bool {
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

/// The event that a wait is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    Readable,
    Writable,
}

#[derive(Debug)]
pub(crate) struct Waitable(Never);

impl Waitable {
    pub(crate) fn wait(&self, _: Until, _: Option<Instant>) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn wait_async(
        &self,
        _: Until,
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        std::future::pending()
    }
}

/// The outcome of a try.
#[derive(Debug)]
pub(crate) enum Tried<T> {
    Done(T),
    NotNow,
    Closed,
}

#[derive(Debug)]
pub(crate) struct Packets(Never);

impl Packets {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        unsupported("pipes need Linux")
    }

    pub(crate) fn of(descriptor: Never) -> Result<Self, String> {
        match descriptor {}
    }

    pub(crate) fn descriptor(&self) -> &Arc<Never> {
        match self.0 {}
    }

    pub(crate) fn waitable(&self) -> &Waitable {
        match self.0 {}
    }

    pub(crate) fn send(&self, _: &[IoSlice<'_>], _: &[Arc<Never>]) -> io::Result<Tried<()>> {
        match self.0 {}
    }

    pub(crate) fn receive(&self, _: &mut [u8], _: &mut Batches) -> io::Result<Tried<usize>> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Created(Never);

impl Created {
    pub(crate) fn is_at(&self, _: &Path) -> bool {
        match self.0 {}
    }
}

pub(crate) fn create_fifo(_: &Path) -> io::Result<Created> {
    unsupported("named pipes need Linux or macOS")
}

pub(crate) fn expect_fifo(_: &Path) -> io::Result<()> {
    unsupported("named pipes need Linux or macOS")
}

#[derive(Debug)]
pub(crate) struct Fifo(Never);

impl Fifo {
    pub(crate) fn open_reader(_: &Path) -> io::Result<Self> {
        unsupported("named pipes need Linux or macOS")
    }

    pub(crate) fn try_open_writer(_: &Path) -> io::Result<Option<Self>> {
        unsupported("named pipes need Linux or macOS")
    }

    pub(crate) fn open_writer(_: &Path) -> io::Result<Self> {
        unsupported("named pipes need Linux or macOS")
    }

    pub(crate) fn waitable(&self) -> &Waitable {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &mut [u8]) -> io::Result<Tried<usize>> {
        match self.0 {}
    }

    pub(crate) fn write(&self, _: &[u8]) -> io::Result<Tried<usize>> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(crate) struct Opening(Never);

impl Opening {
    pub(crate) fn begin(_: &Path) -> io::Result<Self> {
        unsupported("named pipes need Linux or macOS")
    }

    pub(crate) fn wait(self, _: Duration) -> io::Result<Option<Fifo>> {
        match self.0 {}
    }

    pub(crate) async fn wait_async(self) -> io::Result<Fifo> {
        match self.0 {}
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedBytes(Never);

impl SharedBytes {
    pub(crate) fn new(_: usize) -> io::Result<Self> {
        unsupported("shared memory needs Linux or macOS")
    }

    pub(crate) fn open(descriptor: Never) -> Result<Self, String> {
        match descriptor {}
    }

    pub(crate) fn len(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn read(&self, _: &mut [u8], _: usize) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn write(&self, _: &[u8], _: usize) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn copy(&self) -> io::Result<Never> {
        match self.0 {}
    }
}

/// Values and arrays.
pub(crate) mod shared {
    use std::io;
    use std::marker::PhantomData;

    use super::{Never, unsupported};
    use crate::primitive::SharedPrimitive;

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Value<T>(Never, PhantomData<fn() -> T>);

    impl<T: SharedPrimitive> Value<T> {
        pub(crate) fn new() -> io::Result<Self> {
            unsupported("shared values need Linux or macOS")
        }

        pub(crate) fn open(descriptor: Never) -> Result<Self, String> {
            match descriptor {}
        }

        pub(crate) fn get(&self) -> &T::Atomic {
            match self.0 {}
        }

        pub(crate) fn copy(&self) -> io::Result<Never> {
            match self.0 {}
        }
    }

    #[derive(Debug, Clone)]
    pub(crate) struct Array<T>(Never, PhantomData<fn() -> T>);

    #[derive(Debug)]
    pub(crate) enum NotLocked {
        Held,
        HeldHere,
        Frozen,
        Io(io::Error),
    }

    impl<T> Array<T> {
        pub(crate) fn new(_: &[T]) -> io::Result<Self> {
            unsupported("shared arrays need Linux")
        }

        pub(crate) fn zeroed(_: usize) -> io::Result<Self> {
            unsupported("shared arrays need Linux")
        }

        pub(crate) fn open(descriptor: Never) -> Result<Self, String> {
            match descriptor {}
        }

        pub(crate) fn len(&self) -> usize {
            match self.0 {}
        }

        pub(crate) fn copy(&self) -> io::Result<Never> {
            match self.0 {}
        }

        pub(crate) fn try_lock(&self) -> Result<Locked<'_, T>, NotLocked> {
            match self.0 {}
        }

        pub(crate) fn lock(&self) -> Result<Locked<'_, T>, NotLocked> {
            match self.0 {}
        }

        pub(crate) fn frozen(&self) -> Option<Frozen<T>> {
            match self.0 {}
        }
    }

    #[derive(Debug)]
    pub(crate) struct Locked<'a, T>(Never, PhantomData<(&'a T, *const ())>);

    impl<T> Locked<'_, T> {
        pub(crate) fn is_torn(&self) -> bool {
            match self.0 {}
        }

        pub(crate) fn elements(&self) -> &[T] {
            match self.0 {}
        }

        pub(crate) fn elements_mut(&mut self) -> &mut [T] {
            match self.0 {}
        }

        pub(crate) fn freeze(self) -> Frozen<T> {
            match self.0 {}
        }
    }

    #[derive(Debug, Clone)]
    pub(crate) struct Frozen<T>(Never, PhantomData<fn() -> T>);

    impl<T> Frozen<T> {
        pub(crate) fn elements(&self) -> &[T] {
            match self.0 {}
        }

        pub(crate) fn copy(&self) -> io::Result<Never> {
            match self.0 {}
        }
    }
}
