//! A worker's way to its parent: one socket, for jobs and their answers, and for what the threads
//! of its jobs ask of the hub.
//!
//! # Reading
//!
//! Any number of threads wait for something from the parent at a time: one for the next job, others
//! for answers. No thread is there only to read. Each that waits looks under the lock of the
//! [`Inbox`] whether what it waits for is there. If not, and nobody reads, it takes the
//! [`Reader`], which is the right to read, reads once, hands out all that has come, and looks
//! again. If somebody reads, it notes who it is, and parks.
//!
//! Why none waits in vain: a thread that leaves, or that reads no more, looks under the lock
//! whether the right to read is free, and then wakes one of those that still wait
//! ([`Inbox::pass_on`]). So at any time at which somebody waits, there is a thread that reads, or
//! one that was woken or has not parked yet, and will look. What a woken thread finds is that it
//! has its answer, and passes the right on when it leaves; or that it may read; or that another
//! reads by now.
//!
//! A future cannot read: it must not block. For those there is one more thread, which is started
//! for the first of them, and is one of those that wait while a future does.
//!
//! # Writing
//!
//! A frame is written as a whole, under a lock. The parent always reads, so a write ends soon.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::process::Pid;

use super::claims::Claims;
use super::serve::{end_group, fail};
use super::socket::{receive, send, wait_readable};
use crate::buffers::{Body, Buffers};
use crate::frame::{Decoder, Frame, FrameError, Kind};
use crate::hub::near::Nears;
use crate::hub::wire::{Request, Verb};
use crate::passing::{Batches, Missing};

/// The time for which a thread that has asked looks for the answer before it blocks.
const LOOK_FOR: Duration = Duration::from_micros(20);

/// The number of waits in which no thread looks after one has looked in vain.
const NOT_AGAIN: u32 = 32;

/// The link of this process, if it is a worker.
static LINK: OnceLock<Link> = OnceLock::new();

/// Returns the link of this process, if it is a worker that serves.
pub(crate) fn link() -> Option<&'static Link> {
    LINK.get()
}

pub(crate) struct Link {
    socket: OwnedFd,
    group: Pid,
    process: u32,
    name: String,
    requests: AtomicU64,
    /// The number of frames that were sent, and the right to send one.
    writing: Mutex<u64>,
    /// The number of the last frame that gets no answer.
    told: AtomicU64,
    /// The number of the last of these that says something else than that an item is done.
    told_else: AtomicU64,
    /// The number of the last frame that was answered.
    heard: AtomicU64,
    inbox: Mutex<Inbox>,
    buffers: Buffers,
    claims: Claims,
    nears: Nears,
    /// The number of waits since a look for the answer was in vain; 0 if it was not.
    vain: AtomicU32,
}

struct Inbox {
    /// The right to read; `None` while a thread reads.
    reader: Option<Reader>,
    /// Jobs, and the order to end.
    jobs: VecDeque<Delivered>,
    /// The thread that serves, while it waits.
    server: Option<Thread>,
    answers: HashMap<u64, Slot>,
    /// The thread that reads for futures.
    helper: Option<Thread>,
}

/// What has been read in parts.
struct Reader {
    decoder: Decoder,
    batches: Batches,
}

/// A frame, and the descriptors that came with it.
pub(super) struct Delivered {
    pub(super) frame: Frame,
    pub(super) descriptors: Result<Vec<OwnedFd>, Missing>,
}

/// The place of an answer.
enum Slot {
    Empty,
    /// A thread has parked.
    Thread(Thread),
    Future(Waker),
    Full(Body),
}

/// What is left to do when the lock is released.
#[derive(Default)]
#[must_use = "threads and futures are to be woken"]
struct Wakes {
    threads: Vec<Thread>,
    futures: Vec<Waker>,
}

impl Wakes {
    fn wake(self) {
        self.threads.iter().for_each(Thread::unpark);
        self.futures.into_iter().for_each(Waker::wake);
    }
}

impl Link {
    /// Makes the link of this process.
    pub(super) fn begin(
        socket: OwnedFd,
        group: Pid,
        claims: Claims,
        name: String,
    ) -> &'static Self {
        LINK.get_or_init(|| Self {
            socket,
            group,
            process: std::process::id(),
            name,
            requests: AtomicU64::new(1),
            writing: Mutex::new(0),
            told: AtomicU64::new(0),
            told_else: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            inbox: Mutex::new(Inbox {
                reader: Some(Reader {
                    decoder: Decoder::new(),
                    batches: Batches::default(),
                }),
                jobs: VecDeque::new(),
                server: None,
                answers: HashMap::new(),
                helper: None,
            }),
            buffers: Buffers::default(),
            claims,
            nears: Nears::default(),
            vain: AtomicU32::new(0),
        })
    }

    /// Returns the words that this process shares with its parent.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns what this process has of queues.
    pub(crate) fn nears(&self) -> &Nears {
        &self.nears
    }

    /// Returns the name of this process.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next job, or the order to end.
    pub(super) fn next_job(&self) -> Delivered {
        loop {
            let mut inbox = self.inbox();
            inbox.server = None;
            if let Some(delivered) = inbox.jobs.pop_front() {
                return self.leave(inbox, delivered);
            }
            self.advance(inbox, false, |inbox| inbox.server = Some(thread::current()));
        }
    }

    /// Sends a request that gets no answer.
    pub(crate) fn tell(&self, request: Request, item: &[&[u8]]) {
        let frame = self.send_request(self.number(), request, item);
        // ORDERING: AcqRel: it is at least this, for all that this thread does next, and for what
        // that makes others do.
        self.told.fetch_max(frame, Ordering::AcqRel);
        if !matches!(request.verb, Verb::Done | Verb::Taken) {
            self.told_else.fetch_max(frame, Ordering::AcqRel);
        }
    }

    /// Returns `true` if the parent knows all that this process has told it without an answer.
    pub(crate) fn is_heard(&self) -> bool {
        self.has_heard(&self.told)
    }

    /// Returns `true` if the parent knows all that, except which items are done.
    pub(crate) fn is_heard_besides(&self) -> bool {
        self.has_heard(&self.told_else)
    }

    fn has_heard(&self, told: &AtomicU64) -> bool {
        // ORDERING: Acquire, in this order: each answer that is seen here was sent when the parent
        // had read what is told here.
        let told = told.load(Ordering::Acquire);
        told <= self.heard.load(Ordering::Acquire)
    }

    /// Notes that a frame was answered, so the parent has read all before it.
    fn hear(&self, frame: u64) {
        self.heard.fetch_max(frame, Ordering::AcqRel);
    }

    /// Sends a request, and blocks until its answer is there.
    pub(crate) fn ask(&self, request: Request, item: &[&[u8]]) -> (u64, Body) {
        let number = self.open(Slot::Empty);
        let frame = self.send_request(number, request, item);
        let mut is_first = true;
        loop {
            let mut inbox = self.inbox();
            if let Some(body) = inbox.take(number) {
                self.hear(frame);
                return (number, self.leave(inbox, body));
            }
            // A worker of a thread pool gives its slot away.
            workmill::blocking(|| {
                self.advance(inbox, std::mem::take(&mut is_first), |inbox| {
                    inbox
                        .answers
                        .insert(number, Slot::Thread(thread::current()));
                });
            });
        }
    }

    /// Sends a request, and returns a future of its number and its answer. If the future is dropped
    /// before, the request is abandoned, and what it was granted comes back.
    pub(crate) fn ask_async(&'static self, request: Request, item: &[&[u8]]) -> Asking {
        let number = self.open(Slot::Empty);
        let frame = self.send_request(number, request, item);
        Asking {
            link: self,
            object: request.object,
            frame,
            number: Some(number),
        }
    }

    /// Returns `false` in a copy of the process that was made by `fork`. It has the socket, too,
    /// and would take the answers of others.
    pub(crate) fn is_ours(&self) -> bool {
        std::process::id() == self.process
    }

    /// Returns the number of the next request.
    fn number(&self) -> u64 {
        assert!(
            self.is_ours(),
            "a handle of a hub cannot be used in a copy of its process that was made by `fork`"
        );
        // ORDERING: Relaxed: only the number counts, and each caller gets another.
        self.requests.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes the place for an answer.
    fn open(&self, slot: Slot) -> u64 {
        let number = self.number();
        self.inbox().answers.insert(number, slot);
        number
    }

    /// Returns the number of the frame.
    fn send_request(&self, number: u64, request: Request, item: &[&[u8]]) -> u64 {
        let length = item.iter().map(|part| part.len()).sum();
        let frame = request.frame(number, length);
        let mut parts = [&frame[..], &[], &[]];
        parts[1..=item.len()].copy_from_slice(item);
        self.send(&parts)
    }

    /// Sends a frame, which comes in parts. Returns its number.
    pub(super) fn send(&self, parts: &[&[u8]]) -> u64 {
        match self.send_with(parts, &[]) {
            Ok(number) => number,
            Err(error) => fail(&error),
        }
    }

    /// Sends a frame with descriptors. An error means that nothing was sent; without descriptors
    /// there is none.
    pub(super) fn send_with(
        &self,
        parts: &[&[u8]],
        mut descriptors: &[Arc<OwnedFd>],
    ) -> io::Result<u64> {
        let mut slices = [IoSlice::new(&[]); 3];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let mut slices = &mut slices[..];
        let mut frames = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        while slices.iter().any(|slice| !slice.is_empty()) {
            match send(self.socket.as_fd(), slices, descriptors) {
                Ok(sent) => {
                    IoSlice::advance_slices(&mut slices, sent);
                    descriptors = &[]; // They go with the first byte.
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => end_group(self.group),
                Err(error) if !descriptors.is_empty() => return Err(error),
                Err(error) => fail(&error),
            }
        }
        *frames += 1;
        Ok(*frames)
    }

    /// Reads once, if nobody reads. Else notes by `note` who waits, and parks.
    fn advance(
        &self,
        mut inbox: MutexGuard<'_, Inbox>,
        is_soon: bool,
        note: impl FnOnce(&mut Inbox),
    ) {
        let Some(mut reader) = inbox.reader.take() else {
            note(&mut inbox);
            drop(inbox);
            return thread::park();
        };
        drop(inbox);
        let is_there = is_soon && self.look_for_a_while();
        let frames = self.read(&mut reader, is_there);
        let mut inbox = self.inbox();
        inbox.reader = Some(reader);
        let mut wakes = Wakes::default();
        for frame in frames {
            inbox.deliver(frame, &mut wakes);
        }
        drop(inbox);
        wakes.wake();
    }

    /// Looks again and again for some microseconds whether something has come, which is faster than
    /// to be woken; unless that was in vain lately. Returns `true` if it has.
    fn look_for_a_while(&self) -> bool {
        // ORDERING: Relaxed: it is a guess.
        let vain = self.vain.load(Ordering::Relaxed);
        if vain % NOT_AGAIN != 0 {
            self.vain.store(vain.wrapping_add(1), Ordering::Relaxed);
            return false;
        }
        let began = Instant::now();
        let mut there = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let is_there = loop {
            match rustix::net::recv(&self.socket, &mut there, flags) {
                Err(Errno::AGAIN) if began.elapsed() >= LOOK_FOR => break false,
                Err(Errno::AGAIN) => std::hint::spin_loop(),
                _ => break true,
            }
        };
        let vain = if is_there { 0 } else { 1 };
        self.vain.store(vain, Ordering::Relaxed);
        is_there
    }

    /// Blocks until something has come, unless it is there, and returns all frames that are whole.
    fn read(&self, reader: &mut Reader, is_there: bool) -> Vec<Delivered> {
        let Reader { decoder, batches } = reader;
        // A thread that sleeps in a read is woken in vain when the parent reads what was sent to
        // it: on Linux the room that this makes is told to readers, too. One that sleeps in `poll`
        // is woken for what it waits for.
        let waited = match is_there {
            true => Ok(()),
            false => wait_readable(self.socket.as_fd()),
        };
        if let Err(error) = waited {
            fail(&error);
        }
        match receive(self.socket.as_fd(), decoder.room(), batches) {
            Ok(0) => end_group(self.group),
            Ok(bytes) => decoder.filled(bytes),
            Err(error) => fail(&error),
        }
        let mut frames = Vec::new();
        loop {
            let next = decoder.next(&self.buffers);
            let next = next.and_then(|next| match next {
                None => Ok(None),
                Some(frame) => {
                    let descriptors = batches.take(frame.header.descriptors)?;
                    Ok(Some(Delivered { frame, descriptors }))
                }
            });
            match next {
                Ok(Some(delivered)) => frames.push(delivered),
                Ok(None) => return frames,
                Err(error) => fail(&io::Error::other(error)),
            }
        }
    }

    /// Ends a wait: passes the right to read on, if nobody has it.
    fn leave<R>(&self, mut inbox: MutexGuard<'_, Inbox>, result: R) -> R {
        let wakes = inbox.pass_on();
        drop(inbox);
        wakes.wake();
        result
    }

    /// The thread that reads for futures.
    fn help(&self) {
        loop {
            let mut inbox = self.inbox();
            if inbox.has_futures() {
                self.advance(inbox, false, |_| ());
            } else {
                let wakes = inbox.pass_on();
                drop(inbox);
                wakes.wake();
                thread::park();
            }
        }
    }
}

impl Inbox {
    fn deliver(&mut self, delivered: Delivered, wakes: &mut Wakes) {
        let frame = delivered.frame;
        match frame.header.kind {
            Kind::Job | Kind::Bye => {
                let descriptors = delivered.descriptors;
                self.jobs.push_back(Delivered { frame, descriptors });
                wakes.threads.extend(self.server.take());
            }
            Kind::Answer => {
                // Else nobody wants it any more.
                if let Some(slot) = self.answers.get_mut(&frame.header.sequence) {
                    match std::mem::replace(slot, Slot::Full(frame.body)) {
                        Slot::Thread(thread) => wakes.threads.push(thread),
                        Slot::Future(waker) => wakes.futures.push(waker),
                        Slot::Empty | Slot::Full(_) => {}
                    }
                }
            }
            kind => fail(&io::Error::other(FrameError::Unexpected(kind))),
        }
    }

    /// Takes an answer, if it is there.
    fn take(&mut self, number: u64) -> Option<Body> {
        match self.answers.get(&number) {
            Some(Slot::Full(_)) => match self.answers.remove(&number) {
                Some(Slot::Full(body)) => Some(body),
                _ => unreachable!("it is there"),
            },
            _ => None,
        }
    }

    fn has_futures(&self) -> bool {
        let mut slots = self.answers.values();
        slots.any(|slot| matches!(slot, Slot::Future(_)))
    }

    /// Wakes one that waits, if nobody reads.
    fn pass_on(&mut self) -> Wakes {
        let mut wakes = Wakes::default();
        if self.reader.is_none() {
            return wakes;
        }
        let thread = self.answers.values().find_map(|slot| match slot {
            Slot::Thread(thread) => Some(thread),
            _ => None,
        });
        if let Some(thread) = self.server.as_ref().or(thread) {
            wakes.threads.push(thread.clone());
        } else if self.has_futures() {
            wakes.threads.extend(self.helper.clone());
        }
        wakes
    }
}

/// A future of an answer.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Asking {
    link: &'static Link,
    object: u64,
    frame: u64,
    /// `None` once it was ready.
    number: Option<u64>,
}

impl Future for Asking {
    type Output = (u64, Body);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let number = self.number.expect("it is polled until it is ready");
        let mut inbox = self.link.inbox();
        if let Some(body) = inbox.take(number) {
            self.number = None;
            self.link.hear(self.frame);
            return Poll::Ready(self.link.leave(inbox, (number, body)));
        }
        let waker = context.waker().clone();
        inbox.answers.insert(number, Slot::Future(waker));
        if inbox.helper.is_none() {
            let link = self.link;
            let builder = thread::Builder::new().name("workmill-reader".to_owned());
            match builder.spawn(|| link.help()) {
                Ok(helper) => inbox.helper = Some(helper.thread().clone()),
                Err(error) => fail(&error),
            }
        }
        self.link.leave(inbox, ());
        Poll::Pending
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Some(number) = self.number else {
            return;
        };
        self.link.inbox().answers.remove(&number);
        if self.link.is_ours() {
            let abandon = Request::new(Verb::Abandon, self.object, number, 0);
            self.link.tell(abandon, &[]);
        }
    }
}
