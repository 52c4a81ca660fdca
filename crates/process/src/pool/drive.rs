//! The driver of a worker process: a future of the pool, which starts the process, writes and reads
//! its socket, and sees to its death.
//!
//! # How a driver waits
//!
//! What comes through the socket is told by the reactor's thread, which wakes the thread of the
//! drivers: so an answer wakes two threads. While nothing can be done before the next answer, the
//! driver waits for that itself, and blocks its thread. That is so if no other process has jobs,
//! and this one has as many as it may have, or no job is in line: submitted, but not entered, as
//! its future was not polled yet. For if the driver waited while jobs are in line, it would keep
//! the only thread from polling them, and its process would never have a job ahead.
//!
//! - It waits for [`WAIT_FOR`] at most. What else happens meanwhile, as a cancel, waits as long.
//! - What has waited for a job does not: when one has ended, the driver gives way once, and the
//!   future of that job runs before the driver waits again.
//! - After a wait in vain the reactor is asked for the next [`NOT_AGAIN`] answers.
//!
//! Why no answer is missed: the driver is ready for now only after it has asked the reactor, or has
//! woken itself to give way, or if nothing is to come.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use workmill::timer::{Sleep, sleep_until};
use workmill::{JoinError, JoinHandle, Lost};

use super::Shared;
use super::worker::{Out, Phase};
use crate::error::NotCalled;
use crate::frame::{Decoder, Frame, FrameError, Hello, Kind};
use crate::hub::leases::Leases;
use crate::job::{Job, Outcome, Reply};
use crate::passing::Batches;
use crate::sys::{Descriptor, Exit, Pipe, Process, Socket, Started, start};

/// The duty to start a process that the state counts as one that starts. If it is dropped before,
/// since the drivers' pool has ended, that is a failed start.
pub(super) struct Seat {
    shared: Arc<Shared>,
    number: u64,
    is_taken: bool,
}

impl Seat {
    pub(super) fn new(shared: &Arc<Shared>, number: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            number,
            is_taken: false,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_taken {
            let error = io::Error::other("the pool has ended");
            self.shared.not_started(self.number, &error);
        }
    }
}

/// Starts a process, and drives it until it is dead and buried.
pub(super) async fn drive(mut seat: Seat) {
    seat.is_taken = true;
    let (shared, number) = (Arc::clone(&seat.shared), seat.number);
    let mut started = match start(&shared.config.program) {
        Ok(started) => started,
        Err(error) => return shared.not_started(number, &error),
    };
    shared.started(number, &mut started);
    let mut driver = Driver::new(shared, number, started);
    poll_fn(|context| driver.poll(context)).await;
    driver.see_to_death();
}

/// The time for which a driver blocks its thread for an answer.
const WAIT_FOR: Duration = Duration::from_micros(50);

/// The number of answers for which no driver waits like that after one has waited in vain.
const NOT_AGAIN: u32 = 32;

/// The most frames that are written at once.
const TOGETHER: usize = 8;

/// The number of reads of standard error that find all that fits into a pipe.
const CHUNKS: usize = 16;

/// Frames that are being written, in order, and the number of their bytes that are. One that has
/// descriptors is alone.
#[derive(Default)]
struct Writing {
    frames: Vec<Out>,
    written: usize,
}

/// What a read has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Nothing,
    /// Less than there was room for. There may be more only if descriptors come with it.
    Little,
    Much,
}

struct Driver {
    shared: Arc<Shared>,
    number: u64,
    process: Arc<Process>,
    exit: Exit,
    socket: Socket,
    decoder: Decoder,
    batches: Batches,
    writing: Writing,
    /// Nothing more can be written, or nothing read.
    is_mute: bool,
    is_deaf: bool,
    /// What the process has of the hub.
    leases: Leases,
    errors: Option<Pipe>,
    /// Whether something may be in the pipe, and the task that passes on what was.
    may_have_errors: bool,
    passing: Option<JoinHandle<()>>,
    last_words: LastWords,
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    is_buried: bool,
    /// Whether the process has jobs; whether it is the only one that has, and can be sent no more.
    is_busy: bool,
    is_all: bool,
    /// Whether something is to come from it.
    is_to_answer: bool,
    /// Whether jobs have ended in this poll.
    has_settled: bool,
    /// The time since when it has the job that it runs.
    busy_since: Instant,
    /// The number of answers since a wait for one was in vain; 0 if it was not.
    vain: u32,
}

impl Driver {
    fn new(shared: Arc<Shared>, number: u64, started: Started) -> Self {
        Self {
            last_words: LastWords::new(shared.config.last_words),
            shared,
            number,
            process: started.process,
            exit: started.exit,
            socket: started.socket,
            decoder: Decoder::new(),
            batches: Batches::default(),
            writing: Writing::default(),
            is_mute: false,
            is_deaf: false,
            leases: Leases::new(&started.claims),
            errors: Some(started.errors),
            may_have_errors: false,
            passing: None,
            timer: None,
            is_buried: false,
            is_busy: false,
            is_all: false,
            is_to_answer: true,
            has_settled: false,
            busy_since: Instant::now(),
            vain: 0,
        }
    }

    /// Does what can be done now. Ready when the process has died.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.poll_errors(context);
        self.leases.poll_ready(context.waker());
        let talked = self.talk(context);
        if let Err(verdict) = talked {
            self.is_deaf = true;
            self.is_mute = true;
            self.shared.doom(self.number, verdict);
        }
        if self.exit.poll(&self.process, context).is_ready() {
            return Poll::Ready(());
        }
        self.poll_timer(context);
        Poll::Pending
    }

    fn talk(&mut self, context: &mut Context<'_>) -> Result<(), Option<String>> {
        self.has_settled = false;
        self.poll_write(context)?;
        let mut is_dry = false;
        // An answer to what was written just now is not there yet.
        if self.time_to_wait_here().is_none() {
            is_dry = self.read_all(context)?;
        }
        while let Some(time) = self.time_to_wait_here() {
            if !self.socket.wait_readable(time) {
                is_dry = true;
                self.vain = 1;
                break;
            }
            self.vain = 0;
            is_dry = self.read_all(context)?;
        }
        // The socket of a process that has nothing to say is left alone: that it has ended is known
        // by another event. What else comes can wait until it has a job, except what a thread that
        // a job has left behind asks of the hub.
        if self.is_deaf || !self.is_to_answer && !self.leases.are_used() {
            return Ok(());
        }
        if self.has_settled && self.may_wait_here() {
            // The futures of the jobs that have ended run first.
            context.waker().wake_by_ref();
            return Ok(());
        }
        // A read comes first: the reactor does not tell of what was there before it was asked.
        while !is_dry || self.socket.poll_readable(context).is_ready() {
            while self.read()? != Came::Nothing {}
            self.poll_write(context)?;
            is_dry = true;
        }
        Ok(())
    }

    /// Reads what is there, and writes what that has led to: it may have made room for more jobs.
    /// Returns `true` if the last read has found nothing.
    fn read_all(&mut self, context: &mut Context<'_>) -> Result<bool, Option<String>> {
        while !self.is_deaf {
            let came = self.read()?;
            if came == Came::Nothing {
                return Ok(true);
            }
            self.poll_write(context)?;
            if came == Came::Little {
                break;
            }
        }
        Ok(false)
    }

    /// Returns `true` if nothing can be done before the next answer, and that may come soon.
    fn may_wait_here(&self) -> bool {
        let is_free = self.writing.frames.is_empty() && !self.is_deaf;
        self.is_all && is_free && self.vain % NOT_AGAIN == 0
    }

    /// Returns for how long the thread may wait here for an answer, if one is likely to come soon.
    fn time_to_wait_here(&self) -> Option<Duration> {
        if self.has_settled || !self.may_wait_here() {
            return None;
        }
        WAIT_FOR.checked_sub(self.busy_since.elapsed())
    }

    /// Takes the next frames that are to be written, and has the driver woken for those after.
    fn next_out(&mut self, context: &Context<'_>) {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let worker = state.worker(self.number);
        match &mut worker.driver {
            Some(known) => known.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        let is_busy = !worker.sent.is_empty();
        if is_busy && !std::mem::replace(&mut self.is_busy, is_busy) {
            self.busy_since = Instant::now();
        }
        self.writing.take_from(&mut worker.out);
        self.is_busy = is_busy;
        self.is_to_answer = is_busy || worker.phase == Phase::Starting;
        let is_fed = worker.sent.len() >= shared.config.depth || !shared.has_jobs_in_line();
        self.is_all = is_busy && is_fed && state.busy_workers() == 1;
        drop(state);
        for out in &self.writing.frames {
            if let Out::Job(_, job, _, _) = out {
                self.leases.hand(&job.objects);
            }
        }
        if self.writing.frames.is_empty() {
            let answers = self.leases.take_out().map(Out::Answers);
            self.writing.frames.extend(answers);
        }
    }

    /// The error is how the end of the process is to be described, if its status does not tell.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<(), Option<String>> {
        while !self.is_mute {
            if self.writing.frames.is_empty() {
                self.next_out(context);
            }
            if self.writing.frames.is_empty() {
                return Ok(());
            }
            let error = match self.writing.write(&self.socket) {
                Ok(()) => continue,
                Err(error) => error,
            };
            if error.kind() == ErrorKind::WouldBlock {
                // A job that is written for long may be cancelled meanwhile: the driver is woken
                // for that by the death of the process.
                match self.socket.poll_writable(context) {
                    Poll::Ready(_) => continue,
                    Poll::Pending => return Ok(()),
                }
            }
            let writing = std::mem::take(&mut self.writing);
            match &writing.frames[..] {
                // It has died, or has closed its socket. What it has said before is read.
                _ if error.kind() == ErrorKind::BrokenPipe => {
                    self.is_mute = true;
                    self.shared.doom(self.number, None);
                }
                // That may be too many descriptors on their way. Nothing was written.
                [Out::Job(_, _, sequence, descriptors)] if !descriptors.is_empty() => {
                    self.shared.not_sent(self.number, *sequence, &error);
                }
                _ => return Err(Some(format!("could not be sent a message: {error}"))),
            }
        }
        Ok(())
    }

    /// Reads once, and takes the frames.
    fn read(&mut self) -> Result<Came, Option<String>> {
        let room = self.decoder.room();
        let most = room.len();
        match self.socket.read(room, &mut self.batches) {
            // Somebody has closed the socket; whether the process lives is not known.
            Ok(0) => Err(None),
            Ok(bytes) => {
                self.decoder.filled(bytes);
                self.take_frames()?;
                Ok(match bytes < most {
                    true => Came::Little,
                    false => Came::Much,
                })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Came::Nothing),
            Err(_) => Err(None),
        }
    }

    fn take_frames(&mut self) -> Result<(), Option<String>> {
        let wrong = |error: FrameError| Some(format!("sent {error}"));
        while let Some(frame) = self.decoder.next(&self.shared.buffers).map_err(wrong)? {
            self.take(frame)?;
        }
        let most = usize::from(!self.decoder.is_between_frames());
        self.batches.expect_at_most(most).map_err(wrong)
    }

    fn take(&mut self, frame: Frame) -> Result<(), Option<String>> {
        let wrong = |error: FrameError| Some(format!("sent {error}"));
        let Frame { header, mut body } = frame;
        let descriptors = self.batches.take(header.descriptors).map_err(wrong)?;
        if header.kind == Kind::Ready {
            let hello = Hello::parse(&body).map_err(wrong)?;
            self.shared.serves(self.number, &hello).map_err(Some)?;
            self.shared.config.hooks.started(self.process.id());
            return Ok(());
        }
        if header.kind == Kind::Request {
            self.note_answer();
            return self.leases.take(header.sequence, &body).map_err(wrong);
        }
        match header.kind {
            Kind::Value | Kind::Panicked | Kind::NotCalled | Kind::NotEncoded => {
                let sequence = header.sequence;
                self.note_answer();
                self.has_settled = true;
                // What a result names that could not be sent after all is let go.
                let returned = self.leases.take_returned();
                if header.kind == Kind::Value && !returned.is_empty() {
                    body.keep(returned);
                }
                let outcome = |job: &Job| -> Outcome {
                    let error = match header.kind {
                        Kind::Value => match descriptors {
                            Ok(descriptors) => return Ok(Reply { body, descriptors }),
                            Err(missing) => {
                                JoinError::lost(Lost::new("its result", missing.to_string()))
                            }
                        },
                        Kind::Panicked => JoinError::panicked(body.text()),
                        Kind::NotCalled => {
                            JoinError::refused(NotCalled::new(job.name, body.text()))
                        }
                        _ => {
                            let end = format!("could not be encoded: {}", body.text());
                            JoinError::lost(Lost::new("its result", end))
                        }
                    };
                    Err(error.with_task_name(job.name))
                };
                self.shared
                    .answered(self.number, sequence, outcome)
                    .map_err(wrong)
            }
            Kind::Begun => self
                .shared
                .begun(self.number, header.sequence)
                .map_err(wrong),
            kind => Err(wrong(FrameError::Unexpected(kind))),
        }
    }

    /// Notes that the process has said something.
    fn note_answer(&mut self) {
        self.busy_since = Instant::now();
        if self.vain > 0 {
            self.vain = self.vain.wrapping_add(1);
        }
    }

    /// Passes on what the process has written to standard error, a chunk at a time.
    fn poll_errors(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some(passing) = &mut self.passing {
                if Pin::new(passing).poll(context).is_pending() {
                    return;
                }
                self.passing = None;
            }
            let Some(errors) = &mut self.errors else {
                return;
            };
            if !self.may_have_errors && errors.poll_readable(context).is_pending() {
                return;
            }
            self.may_have_errors = true;
            match self.read_errors() {
                Some(text) => self.passing = Some(self.pass_on(text)),
                None => self.may_have_errors = false,
            }
        }
    }

    /// Reads a chunk of standard error, if there is something.
    fn read_errors(&mut self) -> Option<Vec<u8>> {
        let mut room = [0; 4096];
        match self.errors.as_ref()?.read(&mut room) {
            Ok(bytes @ 1..) => {
                let text = &room[..bytes];
                self.last_words.add(text);
                return Some(text.to_vec());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => self.errors = None,
        }
        None
    }

    /// Writes to standard error, after what is being written. That may be a pipe that nobody reads,
    /// so a thread does it that drives nothing meanwhile.
    fn pass_on(&mut self, text: Vec<u8>) -> JoinHandle<()> {
        let before = self.passing.take();
        let write = move || {
            if let Some(before) = before {
                drop(before.join());
            }
            let _ = workmill::blocking(|| io::stderr().write_all(&text));
        };
        self.shared.drivers().submit(write)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) {
        loop {
            let deadline = self.shared.state().worker(self.number).deadline();
            let Some(deadline) = deadline else {
                return;
            };
            let timer = match &mut self.timer {
                Some((known, timer)) => {
                    if *known != deadline {
                        timer.as_mut().get_mut().reset(deadline);
                        *known = deadline;
                    }
                    timer
                }
                none => &mut none.insert((deadline, Box::pin(sleep_until(deadline)))).1,
            };
            if timer.as_mut().poll(context).is_pending() {
                return;
            }
            self.timer = None;
            self.shared.overdue(self.number);
            // What that has left to write.
            let _ = self.poll_write(context);
        }
    }

    /// The steps at a death, as they are in the documentation of the pool's state.
    fn see_to_death(&mut self) {
        self.shared.doom(self.number, None);
        while !self.is_deaf && matches!(self.read(), Ok(Came::Little | Came::Much)) {}
        // What fits into a pipe. A process that has left the group may write on forever.
        let mut rest = Vec::new();
        for _ in 0..CHUNKS {
            let Some(text) = self.read_errors() else {
                break;
            };
            rest.extend(text);
        }
        if !rest.is_empty() {
            drop(self.pass_on(rest));
        }
        self.bury();
    }

    /// Takes the leases back, and then gives the jobs their due: see `hub/leases.rs`.
    fn bury(&mut self) {
        self.is_buried = true;
        self.leases.end();
        self.shared.bury(self.number, self.last_words.text());
    }
}

impl Drop for Driver {
    /// If the future is dropped before its end, as its pool was: the process ends, and is not
    /// left behind.
    fn drop(&mut self) {
        if !self.is_buried {
            self.shared.doom(self.number, None);
            while self.process.is_alive() {
                std::thread::yield_now();
            }
            self.bury();
        }
    }
}

impl Writing {
    /// Takes frames out of the list that can be written at once.
    fn take_from(&mut self, list: &mut VecDeque<Out>) {
        while self.frames.len() < TOGETHER {
            let Some(next) = list.front() else {
                return;
            };
            let (_, _, descriptors) = next.parts();
            let is_to_be_alone = !descriptors.is_empty();
            if is_to_be_alone && !self.frames.is_empty() {
                return;
            }
            self.frames.extend(list.pop_front());
            if is_to_be_alone {
                return;
            }
        }
    }

    /// Writes what fits. When that was all, no frames are left.
    fn write(&mut self, socket: &Socket) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); 2 * TOGETHER];
        // They go with the first byte.
        let mut descriptors: &[Arc<Descriptor>] = &[];
        for (slices, frame) in slices.chunks_exact_mut(2).zip(&self.frames) {
            let (head, tail, with) = frame.parts();
            slices.copy_from_slice(&[IoSlice::new(head), IoSlice::new(tail)]);
            if self.written == 0 && !with.is_empty() {
                descriptors = with;
            }
        }
        let mut rest = &mut slices[..2 * self.frames.len()];
        let all: usize = rest.iter().map(|slice| slice.len()).sum();
        IoSlice::advance_slices(&mut rest, self.written);
        self.written += socket.send(rest, descriptors)?;
        if self.written == all {
            self.frames.clear();
            self.written = 0;
        } else if let Some(Out::Job(_, _, _, descriptors)) = self.frames.first_mut() {
            descriptors.clear();
        }
        Ok(())
    }
}

/// The end of what a process has written to standard error.
struct LastWords {
    bytes: Vec<u8>,
    most: usize,
}

impl LastWords {
    fn new(most: usize) -> Self {
        let bytes = Vec::new();
        Self { bytes, most }
    }

    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(self.most);
        self.bytes.drain(..surplus);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
