//! The worker's side: it reads a job, calls it, writes its result, and so on.
//!
//! One thread does that. Another only waits for the parent to be gone, whatever the first is doing:
//! it polls the socket for the end of the other side, and reads nothing. Then it kills its own
//! process group, and so itself and all that its jobs have started, except what has left the group.
//! That the parent's *thread* has ended would not do (what the system offers as a signal at the
//! parent's death is that), and it would come too late if the parent were dead before it was asked
//! for.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpgrp, getpid, getrlimit, kill_process, kill_process_group,
    setrlimit,
};
use workmill_jobs::executors::{Attempt, Phase, within};
use workmill_jobs::{CallError, Jobs};

use super::claims::Claims;
use super::link::{Delivered, Link};
use super::socket::receive;
use crate::buffers::Buffers;
use crate::frame::{Decoder, FrameError, HEADER, Header, Hello, JobHead, Kind, VERSION};
use crate::hub::passing::{self, Objects, Side};
use crate::hub::wire::{Request, Verb};
use crate::passing::{Batches, Decoding, Encoding};

/// The status with which a worker ends that could not begin.
const CANNOT_SERVE: i32 = 70;

/// Serves, and ends the process.
pub(crate) fn serve(jobs: &Jobs) -> ! {
    match Worker::begin(jobs).and_then(Worker::run) {
        Ok(status) => std::process::exit(status),
        Err(error) => fail(&error),
    }
}

/// Kills the group that this process was started in, and this process, which a job may have put
/// into another: that of somebody else.
pub(super) fn end_group(group: Pid) -> ! {
    let _ = kill_process_group(group, Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

/// Ends a process that cannot go on.
pub(super) fn fail(error: &io::Error) -> ! {
    eprintln!("a worker process cannot serve: {error}");
    std::process::exit(CANNOT_SERVE)
}

struct Worker<'a> {
    jobs: &'a Jobs,
    names: Vec<&'static str>,
    link: &'static Link,
    parent: u32,
    /// The frame that is being made: a header, and a body.
    reply: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn begin(jobs: &'a Jobs) -> io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        let (hello, mut descriptors) = first_message(&socket)?;
        let claims = descriptors.next().map(Claims::open);
        let claims = claims.unwrap_or_else(|| Err(io::Error::other("no claim words came")))?;
        if let Some(stdout) = descriptors.next() {
            rustix::stdio::dup2_stdout(stdout)?;
        }
        let names: Vec<_> = jobs.names().collect();
        watch_parent(socket.try_clone()?, getpgrp())?;
        let worker = Self {
            jobs,
            link: Link::begin(socket, getpgrp(), claims, hello.names),
            parent: hello.process,
            reply: Vec::new(),
            names,
        };
        if hello.memory != u64::MAX {
            // More than the parent itself may have is no error, and no more than that.
            let maximum = getrlimit(Resource::As).maximum;
            let limit = Rlimit {
                current: Some(maximum.map_or(hello.memory, |most| most.min(hello.memory))),
                maximum,
            };
            setrlimit(Resource::As, limit)?;
        }
        worker.say_ready();
        Ok(worker)
    }

    /// Says with what code this worker was built; the parent decides whether that will do.
    fn say_ready(&self) {
        let hello = Hello {
            version: VERSION,
            fingerprint: self.jobs.fingerprint(),
            process: std::process::id(),
            memory: 0,
            names: self.names.join(", "),
        };
        let body = hello.to_bytes();
        let header = Header::new(Kind::Ready, 0, body.len() as u32).to_bytes();
        self.link.send(&[&header, &body]);
    }

    /// Serves until the parent says that it is enough. Returns the status to end with.
    fn run(mut self) -> io::Result<i32> {
        loop {
            let delivered = self.link.next_job();
            match delivered.frame.header.kind {
                Kind::Job => self.call(delivered)?,
                _ => return Ok(delivered.frame.header.sequence as i32),
            }
        }
    }

    /// Calls a job. The descriptors of one that was withdrawn are closed.
    fn call(&mut self, delivered: Delivered) -> io::Result<()> {
        let Delivered { frame, descriptors } = delivered;
        let sequence = frame.header.sequence;
        if !self.link.claims().begin(sequence) {
            return Ok(()); // It was withdrawn.
        }
        if frame.header.descriptors > 0 {
            // The parent may close its own.
            let begun = Header::new(Kind::Begun, sequence, 0).to_bytes();
            self.link.send(&[&begun]);
        }
        let (head, arguments) = JobHead::parse(&frame.body).map_err(io::Error::other)?;
        let attempt = Attempt {
            origin: self.parent,
            submission: head.submission,
            number: head.attempt,
        };
        let name = self.names.get(head.function as usize).copied();
        let name = name.ok_or_else(|| io::Error::other("a job that is not in the list"))?;
        self.reply.clear();
        self.reply.resize(HEADER, 0);
        let (jobs, link, reply) = (self.jobs, self.link, &mut self.reply);
        let call = || {
            let descriptors = descriptors.map_err(|it| (Kind::NotCalled, it.to_string()))?;
            within(name, attempt, || {
                call(jobs, link, name, (arguments, descriptors), reply)
            })
        };
        let called = catch_unwind(AssertUnwindSafe(call));
        drop(passing::set(None));
        // What the result names is kept until that is on its way.
        let (kind, returned) = match called {
            Ok(Ok(returned)) => (Kind::Value, returned),
            Ok(Err((kind, text))) => (self.tell(kind, &text), Returned::default()),
            Err(payload) => {
                let kind = self.tell(Kind::Panicked, &message(payload));
                (kind, Returned::default())
            }
        };
        if !returned.objects.there.is_empty() {
            let names = Request::new(Verb::Returns, 0, 0, 0);
            self.link.tell(names, &[&returned.objects.head()]);
        }
        self.reply(kind, sequence, &returned.descriptors);
        Ok(())
    }

    /// Makes a text the body of the frame that is being made.
    fn tell(&mut self, kind: Kind, text: &str) -> Kind {
        self.reply.truncate(HEADER);
        self.reply.extend(text.bytes());
        kind
    }

    /// Sends the frame that has been made.
    fn reply(&mut self, mut kind: Kind, sequence: u64, mut descriptors: &[Arc<OwnedFd>]) {
        loop {
            let length = u32::try_from(self.reply.len() - HEADER).unwrap_or_else(|_| {
                kind = self.tell(Kind::NotEncoded, "it is larger than 4 GiB");
                descriptors = &[];
                (self.reply.len() - HEADER) as u32
            });
            let mut header = Header::new(kind, sequence, length);
            header.descriptors = descriptors.len() as u8;
            self.reply[..HEADER].copy_from_slice(&header.to_bytes());
            match self.link.send_with(&[&self.reply], descriptors) {
                Ok(_) => break,
                // That may be too many descriptors on their way. Nothing was written.
                Err(error) => {
                    let text = format!("its descriptors could not be sent: {error}");
                    kind = self.tell(Kind::NotEncoded, &text);
                    descriptors = &[];
                }
            }
        }
        if self.reply.capacity() > 32 << 20 {
            self.reply = Vec::new();
        }
    }
}

/// The descriptors of a result, and the objects that it names.
#[derive(Default)]
struct Returned {
    descriptors: Vec<Arc<OwnedFd>>,
    objects: Objects,
}

/// Calls a job, and appends its result to `reply`. An error is the frame that tells of it.
fn call(
    jobs: &Jobs,
    link: &'static Link,
    name: &str,
    (arguments, descriptors): (&[u8], Vec<OwnedFd>),
    reply: &mut Vec<u8>,
) -> Result<Returned, (Kind, String)> {
    let begun = Decoding::begin(arguments, descriptors);
    let (decoding, arguments) = begun.map_err(|error| (Kind::NotCalled, error.to_string()))?;
    let (mut decoding, mut encoding) = (Some(decoding), None);
    let tell = &mut |phase| {
        // Handles come and go in arguments and results only, and so do descriptors.
        passing::set((phase != Phase::Run).then_some(Side::worker(link)));
        match phase {
            Phase::Decode => {}
            Phase::Run => decoding = None,
            Phase::Encode => encoding = Some(Encoding::begin()),
        }
    };
    let called = jobs.call_in_phases(name, arguments, reply, tell);
    let (objects, refused) = passing::set(None);
    match (called, encoding, decoding) {
        (Ok(()), Some(encoding), _) => Ok(Returned {
            descriptors: encoding.end(reply),
            objects,
        }),
        (Err(CallError::Result(error)), Some(encoding), _) => {
            let told = encoding.fail().or(refused);
            Err((Kind::NotEncoded, told.unwrap_or_else(|| error.to_string())))
        }
        (Err(error), _, decoding) => {
            let told = decoding.and_then(Decoding::fail).or(refused);
            let told = told.map(|text| format!("the arguments cannot be decoded: {text}"));
            Err((Kind::NotCalled, told.unwrap_or_else(|| error.to_string())))
        }
        (Ok(()), None, _) => unreachable!("what was encoded was called before"),
    }
}

/// Starts the thread that waits for the parent to be gone.
fn watch_parent(socket: OwnedFd, group: Pid) -> io::Result<()> {
    let watch = move || {
        // The end of the other side is told without being asked for; data is not.
        #[cfg(target_os = "linux")]
        let flags = PollFlags::RDHUP;
        #[cfg(not(target_os = "linux"))]
        let flags = PollFlags::empty();
        loop {
            let mut sockets = [PollFd::new(&socket, flags)];
            match poll(&mut sockets, None) {
                Ok(_) if !sockets[0].revents().is_empty() => end_group(group),
                Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => end_group(group),
            }
        }
    };
    let builder = thread::Builder::new().name("workmill-watcher".to_owned());
    builder.stack_size(64 << 10).spawn(watch)?;
    Ok(())
}

/// Returns the message of a panic. The drop of a payload may panic as well.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned()));
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
    text.unwrap_or_else(|| "a payload that is no text".to_owned())
}

/// Reads the first message, which comes with descriptors.
pub(super) fn first_message(
    socket: &OwnedFd,
) -> io::Result<(Hello, impl Iterator<Item = OwnedFd> + use<>)> {
    let mut decoder = Decoder::new();
    let buffers = Buffers::default();
    let mut batches = Batches::default();
    loop {
        match decoder.next(&buffers).map_err(io::Error::other)? {
            None => {
                let bytes = receive(socket.as_fd(), decoder.room(), &mut batches)?;
                if bytes == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                decoder.filled(bytes);
            }
            Some(frame) if frame.header.kind != Kind::Hello => {
                let kind = frame.header.kind;
                return Err(io::Error::other(FrameError::Unexpected(kind)));
            }
            Some(frame) => {
                let taken = batches.take(frame.header.descriptors);
                let taken = taken.map_err(io::Error::other)?;
                let descriptors = taken.map_err(|missing| io::Error::other(missing.to_string()))?;
                batches.expect_at_most(0).map_err(io::Error::other)?;
                let hello = Hello::parse(&frame.body).map_err(io::Error::other)?;
                return Ok((hello, descriptors.into_iter()));
            }
        }
    }
}
