//! How threads of one process wait for what any process does to the file.
//!
//! One thread for each open queue that was ever waited for reads the watch on the lock file
//! (`lock_file.rs`), and wakes all waiters of this process at each report: they look for
//! themselves. A waiter that dies, or gives up, so takes nothing with it. The watch is set when the
//! first waiter comes, and ended at the first report that finds no waiter: so a process whose calls
//! never wait is never woken, and one that waits is not woken while nothing happens.
//!
//! # The end of a taker
//! The kernel reports that a file was closed a moment before it releases the locks of that file. So
//! a look at that report may find the lock of a dead taker still held. The waiters are woken again
//! after one millisecond, ten milliseconds after that, and so on until ten seconds: five looks for
//! each process that ends, and the lock is released by what the kernel does next. A waiter that
//! comes while others hold items begins such a series, too, since one of those may have closed the
//! file just before the watch was set.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use workmill::Semaphore;

use crate::error::{ErrorKind, FileQueueError};
use crate::lock_file::{self, Awaited, LockFile};
use crate::stamp::Stamp;

/// The pauses of a series of looks after a process has closed the file, in milliseconds.
const LOOKS: [u64; 5] = [1, 10, 100, 1000, 10_000];

/// The waiters of one open queue.
#[derive(Debug)]
pub(crate) struct Bell {
    /// The thread and what it shares, once somebody has waited.
    thread: Mutex<Option<(Arc<Shared>, JoinHandle<()>)>>,
}

#[derive(Debug)]
struct Shared {
    watch: Inotify,
    /// Written to when the thread has to look at the state.
    poke: EventFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiters: HashMap<u64, Arc<Semaphore>>,
    /// The number of the next waiter.
    next: u64,
    /// The watches, while they are set.
    armed: Vec<WatchDescriptor>,
    /// A series of looks has to begin.
    expects_an_end: bool,
    /// The thread calls wakers.
    calls_wakers: bool,
    is_over: bool,
}

/// A waiter, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    shared: Arc<Shared>,
    file: &'a LockFile,
    stamp: &'a Stamp,
    number: u64,
    awaited: Awaited,
    /// A permit for each wake-up. A task of a pool that waits for room lends its slot, and one that
    /// waits for something to come gives it away: the two kinds of semaphores.
    wake_ups: Arc<Semaphore>,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            thread: Mutex::new(None),
        }
    }

    /// Begins to wait. What happens from now on wakes the waiter.
    pub(crate) fn wait<'a>(
        &self,
        file: &'a LockFile,
        stamp: &'a Stamp,
        awaited: Awaited,
    ) -> io::Result<Waiter<'a>> {
        let shared = self.shared()?;
        let wake_ups = Arc::new(match awaited {
            Awaited::Room => Semaphore::limit(0),
            Awaited::Item | Awaited::Done => Semaphore::signals(0),
        });
        let mut state = shared.lock();
        if state.armed.is_empty() {
            state.armed = watch(&shared.watch, file)?;
        }
        file.announce(awaited)?;
        let number = state.next;
        state.next += 1;
        state.waiters.insert(number, Arc::clone(&wake_ups));
        drop(state);
        Ok(Waiter {
            shared,
            file,
            stamp,
            number,
            awaited,
            wake_ups,
        })
    }

    /// Returns what the thread shares, and starts the thread if there is none.
    fn shared(&self) -> io::Result<Arc<Shared>> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((shared, _)) = &*thread {
            return Ok(Arc::clone(shared));
        }
        let shared = Arc::new(Shared {
            watch: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            poke: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            state: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("file-queue-bell".into())
            .spawn(move || for_thread.run())?;
        *thread = Some((Arc::clone(&shared), handle));
        Ok(shared)
    }

    /// Makes those who wait look again several times, since a change has to be made again.
    pub(crate) fn look_again(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((shared, _)) = &*thread {
            shared.expect_an_end();
        }
    }

    /// Ends the thread, and waits for its end, unless it calls wakers: these are user code, which
    /// may drop the last handle itself, or wait for a lock under which it is dropped here.
    pub(crate) fn end(&mut self) {
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((shared, handle)) = thread.take() {
            let mut state = shared.lock();
            state.is_over = true;
            let ends_later = state.calls_wakers;
            drop(state);
            shared.poke();
            if !ends_later {
                let _ = handle.join();
            }
        }
    }

    /// Forgets the thread, in a child of a fork, where it does not run.
    pub(crate) fn forget(&mut self) {
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        mem::forget(thread.take());
    }
}

/// Watches the lock file: what is written to it, its being closed by one that could write, its
/// removal. And the queue's own file, but for its removal only.
fn watch(inotify: &Inotify, file: &LockFile) -> io::Result<Vec<WatchDescriptor>> {
    // A file that is open is removed by taking its name away, which is a change of its attributes.
    let removed =
        AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
    let rung = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
    let lock = inotify.add_watch(file.path(), removed | rung)?;
    match inotify.add_watch(file.queue(), removed) {
        Ok(queue) => Ok(vec![lock, queue]),
        Err(error) => {
            let _ = inotify.rm_watch(lock);
            Err(error.into())
        }
    }
}

/// Returns the error of a wait that cannot begin.
pub(crate) fn failure(path: &Path, error: io::Error) -> FileQueueError {
    let errno = error.raw_os_error().map(Errno::from_raw);
    match errno {
        // The last is said of watches, not of the disk.
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOSPC) => {
            let limits = "the limits of /proc/sys/fs/inotify, or that of open files, are reached";
            let detail = format!("{}: {error}: {limits}", path.display());
            FileQueueError::new(ErrorKind::Io, detail)
        }
        _ => lock_file::failure(path, error),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a series of looks.
    fn expect_an_end(&self) {
        self.lock().expects_an_end = true;
        self.poke();
    }

    fn poke(&self) {
        // It can only fail when the counter is full, and then the thread is woken anyway.
        let _ = self.poke.write(1);
    }

    /// The thread: waits for reports, and wakes the waiters.
    fn run(&self) {
        let mut looks = Looks::default();
        let mut waiters = Vec::new();
        loop {
            let mut sources = [
                PollFd::new(self.watch.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.poke.as_fd(), PollFlags::POLLIN),
            ];
            // An interrupted wait is a look too many.
            let _ = poll(&mut sources, looks.timeout());
            let has_closed = self.read_reports();
            let _ = self.poke.read();
            let mut state = self.lock();
            if state.is_over {
                return;
            }
            let expects = mem::take(&mut state.expects_an_end);
            if state.waiters.is_empty() {
                looks = Looks::default();
                for watch in state.armed.drain(..) {
                    // It fails if the file is gone, and the watch with it.
                    let _ = self.watch.rm_watch(watch);
                }
                continue;
            }
            if has_closed || expects {
                looks.begin();
            } else {
                looks.go_on();
            }
            waiters.extend(state.waiters.values().cloned());
            state.calls_wakers = true;
            drop(state);
            // It does not panic: workmill ends the panics of wakers.
            for wake_ups in waiters.drain(..) {
                if wake_ups.available_permits() == 0 {
                    // It cannot fail: there is one at most.
                    let _ = wake_ups.add_permits(1);
                }
            }
            self.lock().calls_wakers = false;
        }
    }

    /// Reads all reports, and returns `true` if one says that the file was closed.
    fn read_reports(&self) -> bool {
        let mut has_closed = false;
        loop {
            match self.watch.read_events() {
                Ok(events) => {
                    let is_end = |mask: AddWatchFlags| {
                        mask.intersects(
                            AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_Q_OVERFLOW,
                        )
                    };
                    has_closed |= events.iter().any(|event| is_end(event.mask));
                }
                Err(Errno::EINTR) => {}
                Err(_) => return has_closed,
            }
        }
    }
}

/// A series of looks, at longer and longer intervals.
#[derive(Debug, Default)]
struct Looks {
    /// The index of the next pause, and when it is over.
    next: Option<(usize, Instant)>,
}

impl Looks {
    fn begin(&mut self) {
        self.next = Self::after(0);
    }

    /// Goes to the next look, if the time of one is over.
    fn go_on(&mut self) {
        if let Some((index, at)) = self.next
            && at <= Instant::now()
        {
            self.next = Self::after(index + 1);
        }
    }

    fn after(index: usize) -> Option<(usize, Instant)> {
        let pause = Duration::from_millis(*LOOKS.get(index)?);
        Some((index, Instant::now() + pause))
    }

    fn timeout(&self) -> PollTimeout {
        let Some((_, at)) = self.next else {
            return PollTimeout::NONE;
        };
        let left = at.saturating_duration_since(Instant::now());
        // Rounded up, or the thread would turn until the time is over.
        PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
    }
}

impl Waiter<'_> {
    /// Makes the waiters look again several times, since a process that holds items may have
    /// ended just before.
    pub(crate) fn expect_an_end(&self) {
        self.shared.expect_an_end();
    }

    /// Blocks until something has happened, but no longer than the time. Returns `false` if the
    /// time was over first.
    pub(crate) fn block(&self, timeout: Duration) -> bool {
        let woken = self.wake_ups.acquire_timeout(timeout);
        woken.map(|permit| permit.forget()).is_ok()
    }

    /// Waits until something has happened, without blocking the thread.
    pub(crate) async fn woken(&self) {
        if let Ok(permit) = self.wake_ups.acquire_async().await {
            permit.forget();
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.stamp.is_forked() {
            return; // the lock of this file is the parent's, which waits on
        }
        self.shared.lock().waiters.remove(&self.number);
        self.file.withdraw(self.awaited);
    }
}
