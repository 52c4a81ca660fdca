//! The worker's side: it reads a job, calls it, writes its result, and so on.
//!
//! One thread does that. Another only waits for the parent to be gone, whatever the first is doing:
//! it polls the socket for the end of the other side, and reads nothing. Then it kills its own
//! process group, and so itself and all that its jobs have started, except what has left the group.
//! That the parent's *thread* has ended would not do (what the system offers as a signal at the
//! parent's death is that), and it would come too late if the parent were dead before it was asked
//! for.

use std::any::Any;
use std::io::{self, IoSlice};
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
use super::socket::{receive, send};
use crate::buffers::Buffers;
use crate::frame::{Decoder, Frame, FrameError, HEADER, Header, Hello, JobHead, Kind, VERSION};
use crate::passing::{Batches, Decoding, Encoding, Missing};

/// The status with which a worker ends that could not begin.
const CANNOT_SERVE: i32 = 70;

/// Serves, and ends the process.
pub(crate) fn serve(jobs: &Jobs) -> ! {
    let status = match Worker::begin(jobs).and_then(Worker::run) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("a worker process cannot serve: {error}");
            CANNOT_SERVE
        }
    };
    std::process::exit(status)
}

/// Kills the group that this process was started in, and this process, which a job may have put
/// into another: that of somebody else.
fn end_group(group: Pid) -> ! {
    let _ = kill_process_group(group, Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

struct Worker<'a> {
    jobs: &'a Jobs,
    names: Vec<&'static str>,
    socket: OwnedFd,
    claims: Claims,
    group: Pid,
    parent: u32,
    decoder: Decoder,
    batches: Batches,
    buffers: Buffers,
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
        let worker = Self {
            jobs,
            socket,
            claims,
            group: getpgrp(),
            parent: hello.process,
            decoder: Decoder::new(),
            batches: Batches::default(),
            buffers: Buffers::default(),
            reply: Vec::new(),
            names,
        };
        worker.watch_parent()?;
        if hello.memory != u64::MAX {
            // More than the parent itself may have is no error, and no more than that.
            let maximum = getrlimit(Resource::As).maximum;
            let limit = Rlimit {
                current: Some(maximum.map_or(hello.memory, |most| most.min(hello.memory))),
                maximum,
            };
            setrlimit(Resource::As, limit)?;
        }
        worker.say_ready()?;
        Ok(worker)
    }

    /// Says with what code this worker was built; the parent decides whether that will do.
    fn say_ready(&self) -> io::Result<()> {
        let hello = Hello {
            version: VERSION,
            fingerprint: self.jobs.fingerprint(),
            process: std::process::id(),
            memory: 0,
            names: self.names.join(", "),
        };
        let body = hello.to_bytes();
        let mut frame = Header::new(Kind::Ready, 0, body.len() as u32)
            .to_bytes()
            .to_vec();
        frame.extend(body);
        self.write(&frame)
    }

    fn watch_parent(&self) -> io::Result<()> {
        let (socket, group) = (self.socket.try_clone()?, self.group);
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

    /// Serves until the parent says that it is enough.
    fn run(mut self) -> io::Result<()> {
        loop {
            let frame = self.decoder.next(&self.buffers).map_err(io::Error::other)?;
            let Some(frame) = frame else {
                self.read()?;
                continue;
            };
            // Those of a job that was withdrawn are closed.
            let descriptors = self.batches.take(frame.header.descriptors);
            let descriptors = descriptors.map_err(io::Error::other)?;
            match frame.header.kind {
                Kind::Job => self.call(&frame, descriptors)?,
                Kind::Bye => return Ok(()),
                kind => return Err(io::Error::other(FrameError::Unexpected(kind))),
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        match receive(self.socket.as_fd(), self.decoder.room(), &mut self.batches)? {
            0 => end_group(self.group),
            bytes => self.decoder.filled(bytes),
        }
        Ok(())
    }

    fn call(
        &mut self,
        frame: &Frame,
        descriptors: Result<Vec<OwnedFd>, Missing>,
    ) -> io::Result<()> {
        let sequence = frame.header.sequence;
        if !self.claims.begin(sequence) {
            return Ok(()); // It was withdrawn.
        }
        if frame.header.descriptors > 0 {
            // The parent may close its own.
            self.write(&Header::new(Kind::Begun, sequence, 0).to_bytes())?;
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
        let (jobs, reply) = (self.jobs, &mut self.reply);
        let call = || {
            let descriptors = descriptors.map_err(|it| (Kind::NotCalled, it.to_string()))?;
            within(name, attempt, || {
                call(jobs, name, (arguments, descriptors), reply)
            })
        };
        let (kind, descriptors) = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(Ok(descriptors)) => (Kind::Value, descriptors),
            Ok(Err((kind, text))) => (self.tell(kind, &text), Vec::new()),
            Err(payload) => (self.tell(Kind::Panicked, &message(payload)), Vec::new()),
        };
        self.reply(kind, sequence, &descriptors)
    }

    /// Makes a text the body of the frame that is being made.
    fn tell(&mut self, kind: Kind, text: &str) -> Kind {
        self.reply.truncate(HEADER);
        self.reply.extend(text.bytes());
        kind
    }

    /// Sends the frame that has been made.
    fn reply(
        &mut self,
        mut kind: Kind,
        sequence: u64,
        mut descriptors: &[Arc<OwnedFd>],
    ) -> io::Result<()> {
        loop {
            let length = u32::try_from(self.reply.len() - HEADER).unwrap_or_else(|_| {
                kind = self.tell(Kind::NotEncoded, "it is larger than 4 GiB");
                descriptors = &[];
                (self.reply.len() - HEADER) as u32
            });
            let mut header = Header::new(kind, sequence, length);
            header.descriptors = descriptors.len() as u8;
            self.reply[..HEADER].copy_from_slice(&header.to_bytes());
            match self.write_some(&self.reply, descriptors) {
                Ok(written) => break self.write(&self.reply[written..])?,
                // That may be too many descriptors on their way. Nothing was written.
                Err(error) if !descriptors.is_empty() => {
                    let text = format!("its descriptors could not be sent: {error}");
                    kind = self.tell(Kind::NotEncoded, &text);
                    descriptors = &[];
                }
                Err(error) => return Err(error),
            }
        }
        if self.reply.capacity() > 32 << 20 {
            self.reply = Vec::new();
        }
        Ok(())
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.write_some(bytes, &[])?..];
        }
        Ok(())
    }

    fn write_some(&self, bytes: &[u8], descriptors: &[Arc<OwnedFd>]) -> io::Result<usize> {
        match send(self.socket.as_fd(), &[IoSlice::new(bytes)], descriptors) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => end_group(self.group),
            sent => sent,
        }
    }
}

/// Calls a job, and appends its result to `reply`. Returns the descriptors of the result. An error
/// is the frame that tells of it.
fn call(
    jobs: &Jobs,
    name: &str,
    (arguments, descriptors): (&[u8], Vec<OwnedFd>),
    reply: &mut Vec<u8>,
) -> Result<Vec<Arc<OwnedFd>>, (Kind, String)> {
    let begun = Decoding::begin(arguments, descriptors);
    let (decoding, arguments) = begun.map_err(|error| (Kind::NotCalled, error.to_string()))?;
    let (mut decoding, mut encoding) = (Some(decoding), None);
    // While the job runs, it is neither of both.
    let tell = &mut |phase| match phase {
        Phase::Decode => {}
        Phase::Run => decoding = None,
        Phase::Encode => encoding = Some(Encoding::begin()),
    };
    let called = jobs.call_in_phases(name, arguments, reply, tell);
    match (called, encoding, decoding) {
        (Ok(()), Some(encoding), _) => Ok(encoding.end(reply)),
        (Err(CallError::Result(error)), Some(encoding), _) => {
            let text = encoding.fail().unwrap_or_else(|| error.to_string());
            Err((Kind::NotEncoded, text))
        }
        (Err(error), _, decoding) => {
            let told = decoding.and_then(Decoding::fail);
            let told = told.map(|text| format!("the arguments cannot be decoded: {text}"));
            Err((Kind::NotCalled, told.unwrap_or_else(|| error.to_string())))
        }
        (Ok(()), None, _) => unreachable!("what was encoded was called before"),
    }
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
