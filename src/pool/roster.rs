//! Which threads of a pool are alive, what they are called, and who waits until none is.
//!
//! # Words
//! Workers have *numbers*, from 0; a number is used again when its worker has left. A worker
//! *stays* until it has decided to leave. It is *alive* until it has left the pool, on the last
//! lines of `run_thread`, and *ends* when its thread-locals are gone. It is *away* while it runs a
//! task, or waits in one, without a slot (`pool/local/slot.rs`).
//!
//! # Invariants
//! 1. Once no worker is alive, none will be: only a pool with a worker that is alive, or one that
//!    is being built, takes another in. So a thread that has seen that all workers have left need
//!    not look again.
//! 2. A thread that sees that a worker has left finds the worker's handle, or the handle of a
//!    worker that joins it before it ends itself: a worker that left later, or the successor in the
//!    number. Workers join only workers whose numbers were free before they freed theirs, or took
//!    it; so never in a circle. The one worker on which the last owner was dropped joins all others
//!    at the pool's end; none of them joins it, since it keeps its number until then.
//! 3. A worker leaves before the pool's end only while more workers stay, and are not away, than
//!    have to. Both are counted in one word, so a worker cannot leave on the strength of another
//!    that is just about to go away.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::meter::Meter;
use crate::clock::Nanos;
use crate::error::{Busy, BusyThread};
use crate::fork::NotInherited;
use crate::primitive::{AtomicU64, AtomicUsize, Mutex, Ordering, ThreadHandle, current, lock};
use crate::sync::wait_queue::{WaitQueue, Waiter};
use crate::wait::{Blocking, Cause, Deadline, block_until};

/// The threads of one pool.
pub(super) struct Roster {
    /// The number of workers that have started and not left; the builder of the pool counts as one.
    alive: AtomicUsize,
    /// The number of workers that stay, and the number of these that are away.
    crew: AtomicU64,
    /// By number.
    workers: Mutex<Vec<Entry>>,
    /// Held while the workers are joined, so that all threads which join them return when all have
    /// ended. Never taken by a worker of the pool.
    joining: Mutex<()>,
    /// The threads that wait until all workers have left.
    waiters: WaitQueue,
    /// The counts of foreign threads.
    pub(super) foreign: Arc<Meter>,
}

/// One worker that stays, in the word that counts them.
const STAYING: u64 = 1;
/// One worker that is away.
const AWAY: u64 = 1 << 32;

/// A copy of the word that counts the crew.
#[derive(Clone, Copy)]
struct Crew(u64);

impl Crew {
    fn staying(self) -> usize {
        (self.0 % AWAY) as usize
    }

    fn away(self) -> usize {
        (self.0 / AWAY) as usize
    }

    fn present(self) -> usize {
        self.staying().saturating_sub(self.away())
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew")
            .field("staying", &self.staying())
            .field("away", &self.away())
            .finish()
    }
}

/// Why a thread was not started.
pub(super) enum NotStarted {
    /// The pool has ended, or has all the threads that it may have.
    NotWanted,
    /// The system failed to start it.
    Failed(io::Error),
}

/// The worker that has a number, or had it last.
struct Entry {
    is_taken: bool,
    worker: Option<Arc<Worker>>,
    /// That of all workers that have had the number, and the name of the last.
    meter: Arc<Meter>,
    name: String,
    /// Until a thread takes it to join the worker.
    handle: Option<ThreadHandle<()>>,
}

/// A number, and the worker that has it, or had it last.
pub(super) struct Listed {
    pub(super) name: String,
    /// Whether that worker has not left.
    pub(super) is_alive: bool,
    pub(super) meter: Arc<Meter>,
}

impl Listed {
    /// Returns what the worker runs, if it runs something. `seen` is the number of a run, and when
    /// that was seen.
    pub(super) fn busy(self, now: Nanos, seen: Option<(u64, Nanos)>) -> Option<BusyThread> {
        let task = self.meter.runs().filter(|_| self.is_alive)?;
        let run = self.meter.run_number();
        let seen = seen.filter(|(seen, _)| *seen == run);
        let seen_for = seen.map(|(_, since)| Duration::from_nanos(now.saturating_sub(since)));
        Some(BusyThread::new(Busy {
            thread: self.name,
            task: task.get(),
            place: task.place(),
            running_for: self
                .meter
                .running_for(now)
                .max(seen_for)
                .unwrap_or_default(),
            group: self.meter.group(),
            waits: self.meter.waits(),
        }))
    }
}

impl Entry {
    fn new() -> Self {
        Self {
            is_taken: false,
            worker: None,
            meter: Meter::new(),
            name: String::new(),
            handle: None,
        }
    }
}

/// One thread of a pool.
pub(super) struct Worker {
    number: usize,
    name: String,
    /// Its counts, and the name of the task that it runs.
    meter: Arc<Meter>,
    /// The worker that had the number before, which may not have ended.
    predecessor: Mutex<Option<ThreadHandle<()>>>,
}

impl Worker {
    fn new(
        number: usize,
        name: String,
        meter: Arc<Meter>,
        predecessor: Option<ThreadHandle<()>>,
    ) -> Self {
        Self {
            number,
            name,
            meter,
            predecessor: Mutex::new(predecessor),
        }
    }

    /// A worker that is in no roster.
    #[cfg(all(test, workmill_loom))]
    pub(super) fn unlisted() -> Self {
        Self::new(0, String::new(), Meter::new(), None)
    }

    pub(super) fn number(&self) -> usize {
        self.number
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Joins the worker that had the number before; the last thing that a worker does.
    pub(super) fn join_predecessor(&self) {
        let predecessor = lock(&self.predecessor).take();
        predecessor.into_iter().for_each(join_thread);
    }
}

impl Roster {
    /// A roster that counts the builder of the pool, which is [counted out](Self::count_out) when
    /// the pool is built.
    pub(super) fn new() -> Self {
        Self {
            alive: AtomicUsize::new(1),
            crew: AtomicU64::new(0),
            workers: Mutex::new(Vec::new()),
            joining: Mutex::new(()),
            waiters: WaitQueue::new(),
            foreign: Meter::new(),
        }
    }

    /// Starts a worker, unless `most` workers stay already or all have left.
    ///
    /// The worker is [counted out](Self::count_out_worker) in the end, and by the caller if the
    /// system failed to start it.
    ///
    /// `name` is given the number and returns a name; if it returns none this is a child process.
    pub(super) fn start(
        &self,
        most: usize,
        name: impl FnOnce(usize) -> Option<String>,
        spawn: impl FnOnce(&Arc<Worker>) -> io::Result<ThreadHandle<()>>,
    ) -> Result<(), NotStarted> {
        if !self.change(STAYING, |crew| crew.staying() < most) {
            return Err(NotStarted::NotWanted);
        }
        let one_more = |alive: usize| (alive > 0).then_some(alive + 1);
        let counted = self
            .alive
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if counted.is_err() {
            self.refuse_to_stay();
            return Err(NotStarted::NotWanted);
        }
        let (number, meter, predecessor) = self.take_number();
        // Not under the lock: the name is user code.
        let Some(name) = name(number) else {
            // Here the lock may be held forever.
            return Err(NotStarted::NotWanted);
        };
        let worker = Arc::new(Worker::new(number, name, meter, predecessor));
        let started = self.start_worker(&worker, spawn);
        if started.is_err() {
            self.refuse_to_stay();
        }
        started.map_err(NotStarted::Failed)
    }

    /// Takes the lowest number that is free, with its meter, and the handle of the worker that had
    /// it last.
    fn take_number(&self) -> (usize, Arc<Meter>, Option<ThreadHandle<()>>) {
        let mut workers = lock(&self.workers);
        let free = workers.iter().position(|entry| !entry.is_taken);
        let number = free.unwrap_or_else(|| {
            workers.push(Entry::new());
            workers.len() - 1
        });
        let entry = &mut workers[number];
        entry.is_taken = true;
        (number, Arc::clone(&entry.meter), entry.handle.take())
    }

    fn start_worker(
        &self,
        worker: &Arc<Worker>,
        spawn: impl FnOnce(&Arc<Worker>) -> io::Result<ThreadHandle<()>>,
    ) -> io::Result<()> {
        // Locked until the handle is kept: a thread that sees that the worker has left finds its
        // handle.
        let mut workers = lock(&self.workers);
        let entry = &mut workers[worker.number];
        let started = spawn(worker).map(|handle| {
            entry.handle = Some(handle);
            entry.worker = Some(Arc::clone(worker));
            entry.name.clone_from(&worker.name);
        });
        if started.is_err() {
            entry.handle = lock(&worker.predecessor).take();
            entry.is_taken = false;
        }
        started
    }

    /// Adds to the word of the crew if `may` allows it. Returns `true` if it did.
    fn change(&self, change: u64, may: impl Fn(Crew) -> bool) -> bool {
        let change = |crew| may(Crew(crew)).then_some(crew.wrapping_add(change));
        self.crew
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }

    /// Counts a worker that has nothing to do as leaving. Returns `false` if it has to stay,
    /// because no more than `least` workers are present.
    #[must_use = "`true`: the worker has to leave"]
    pub(super) fn leave(&self, least: usize) -> bool {
        self.change(STAYING.wrapping_neg(), |crew| crew.present() > least)
    }

    /// Returns `true` if [`leave`](Self::leave) would let a worker leave; a snapshot, may be stale.
    pub(super) fn has_to_spare(&self, least: usize) -> bool {
        Crew(self.crew.load(Ordering::Relaxed)).present() > least
    }

    /// Counts a worker as away. Returns `false` if `most` workers are away already.
    #[must_use = "`true`: the worker is counted as away until it is back"]
    pub(super) fn go_away(&self, most: usize) -> bool {
        self.change(AWAY, |crew| crew.away() < most)
    }

    /// Counts a worker that was away as back.
    pub(super) fn is_back(&self) {
        let before = Crew(self.crew.fetch_sub(AWAY, Ordering::Relaxed));
        debug_assert!(before.away() > 0, "{before:?}");
    }

    /// Counts a worker that could not start, or refused to, as leaving.
    pub(super) fn refuse_to_stay(&self) {
        let before = Crew(self.crew.fetch_sub(STAYING, Ordering::Relaxed));
        debug_assert!(before.staying() > 0, "{before:?}");
    }

    /// Frees the number of a worker that leaves before the pool's end. Returns the handles of
    /// workers that left before, for the worker to [join](join_thread) at its very end.
    pub(super) fn free_number(&self, worker: &Worker) -> Vec<ThreadHandle<()>> {
        let mut workers = lock(&self.workers);
        let free = workers.iter_mut().filter(|entry| !entry.is_taken);
        let before = free.filter_map(|entry| entry.handle.take()).collect();
        let entry = &mut workers[worker.number];
        debug_assert!(entry.is_taken, "a worker has a number");
        entry.is_taken = false;
        entry.worker = None;
        before
    }

    /// Counts out a worker. Calls `last` before that if it is the last, which is the pool's end;
    /// `last` returns `false` in a child process, where nothing is counted.
    ///
    /// A thread that was just being started may be counted out after the last, as another last.
    pub(super) fn count_out_worker(&self, last: impl FnOnce() -> bool) {
        let one_less = |alive: usize| (alive > 1).then(|| alive - 1);
        // ORDERING: as in `count_out`; the last takes what the others did before they left.
        let left = self
            .alive
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        if left.is_err() && last() {
            self.count_out();
        }
    }

    /// Counts out the builder of the pool, or the last worker.
    pub(super) fn count_out(&self) {
        // ORDERING: pairs with `alive`.
        let before = self.alive.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "each is counted out once");
        if before == 1 {
            self.waiters.notify_all();
        }
    }

    /// Returns all numbers that workers have had.
    pub(super) fn meters(&self) -> Vec<Listed> {
        let workers = lock(&self.workers);
        let listed = |entry: &Entry| Listed {
            name: entry.name.clone(),
            is_alive: entry.worker.is_some(),
            meter: Arc::clone(&entry.meter),
        };
        workers.iter().map(listed).collect()
    }

    /// Returns the number of workers that are away; a snapshot, may be stale.
    pub(super) fn away(&self) -> usize {
        Crew(self.crew.load(Ordering::Relaxed)).away()
    }

    /// Returns `true` if a worker runs a task and does not wait in it; a snapshot, may be stale.
    pub(super) fn anyone_runs(&self) -> bool {
        let workers = lock(&self.workers);
        let mut workers = workers.iter().filter_map(|entry| entry.worker.as_ref());
        workers.any(|worker| worker.meter.runs().is_some() && !worker.meter.waits())
    }

    /// Returns the number of workers that have not left the pool.
    pub(super) fn alive(&self) -> usize {
        // ORDERING: Acquire takes what the workers did before they left.
        self.alive.load(Ordering::Acquire)
    }

    /// Returns `true` if every worker has left the pool.
    pub(super) fn all_left(&self) -> bool {
        self.alive() == 0
    }

    /// Blocks until all workers have ended, thread-locals and all. Not for a worker of the pool.
    pub(super) fn join(&self) {
        // The thread may be a worker of another pool.
        let _blocking = Blocking::begin(Cause::Arrival);
        let _alone = lock(&self.joining);
        self.join_all();
        // Some may be joined by a worker of the pool, and some have started meanwhile.
        self.wait(Deadline::NEVER);
        self.join_all();
    }

    /// Blocks until all workers have left the pool. Returns `false` if `deadline` came first.
    ///
    /// The workers may still be dropping their thread-locals then: there is no timed wait for that.
    pub(super) fn wait(&self, deadline: Deadline) -> bool {
        let mut watcher = self.watcher();
        block_until(Cause::Arrival, deadline, |waker| {
            watcher.poll(waker).then_some(())
        })
        .is_some()
    }

    /// Returns a watcher, which waits until all workers have left.
    pub(super) fn watcher(&self) -> Watcher<'_> {
        Watcher {
            waiter: NotInherited::new(self.waiters.waiter()),
            roster: self,
        }
    }

    /// Joins every worker that has started, except this thread.
    pub(super) fn join_all(&self) {
        let next = || {
            lock(&self.workers)
                .iter_mut()
                .find_map(|entry| entry.handle.take())
        };
        while let Some(thread) = next() {
            if thread.thread().id() != current().id() {
                join_thread(thread);
            }
        }
    }
}

/// Blocks until a worker has ended.
pub(super) fn join_thread(thread: ThreadHandle<()>) {
    // A worker does not panic: `unwind` catches all panics of user code.
    drop(thread.join());
}

/// Waits until all workers have left; dropped, it waits no longer.
pub(crate) struct Watcher<'a> {
    waiter: NotInherited<Waiter<'a>>,
    roster: &'a Roster,
}

impl Watcher<'_> {
    /// Returns `true` if all workers have left; if not, `waker` is called when they have.
    pub(crate) fn poll(&mut self, waker: &std::task::Waker) -> bool {
        // In this order, with the fence of the wait queue in between: a worker that leaves after
        // the look finds us in the queue.
        self.waiter.enqueue(waker);
        self.roster.all_left()
    }
}
