//! Which threads of a pool live, what they are called, and who waits until none does.
//!
//! # Words
//! Threads have *numbers*, from 0; a number is used again when its thread has left. A thread *stays*
//! until it has decided to leave; it *lives* until it has left the pool, on the last lines of its
//! way; and *ends* when its thread-locals are gone. It is *away* while it runs a task, or waits in one,
//! without a slot (`pool/local/slot.rs`).
//!
//! # Invariants
//! 1. Once nobody lives, nobody will: only a pool with a live thread, or one that is being built, takes
//!    another in. So whoever has seen that all have left need not look again.
//! 2. Whoever sees that a thread has left finds its handle, or the handle of one that waits for the
//!    end of that one before its own: a thread that left later, or the successor in the number.
//!    Threads wait so only for those whose numbers were free before they freed theirs, or took it;
//!    so never in a circle.
//! 3. A thread leaves before the pool's end only while more stay, and are not away, than have to; both
//!    are counted in one word, so none leaves because it takes for present one that is just going away.

use std::io;
use std::sync::Arc;

use crate::fork::NotInherited;
use crate::primitive::{
    AtomicStatic, AtomicU64, AtomicUsize, Mutex, Ordering, Padded, ThreadHandle, current, lock,
};
use crate::sync::wait_queue::{WaitQueue, Waiter};
use crate::task::Name;
use crate::wait::{Blocking, Deadline, block_until};

/// The threads of one pool.
pub(crate) struct Roster {
    /// How many have started and not left; whoever builds the pool counts as one of them.
    alive: AtomicUsize,
    /// How many threads stay, and how many of these are away.
    crew: AtomicU64,
    /// By number.
    workers: Mutex<Vec<Entry>>,
    /// Held while seeing them off, so that everyone who wants that waits for it. No thread of the pool
    /// does.
    joining: Mutex<()>,
    /// Who waits until all have left.
    waiters: WaitQueue,
}

/// One that stays, in the word that counts them.
const STAYING: u64 = 1;
/// One that is away.
const AWAY: u64 = 1 << 32;

/// A copy of that word.
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

/// Why a thread was not started.
pub(crate) enum NotStarted {
    /// The pool has ended, or has all the threads that it may have.
    NotWanted,
    /// The system would not.
    Failed(io::Error),
}

/// Who has a number, or had it last.
#[derive(Default)]
struct Entry {
    is_taken: bool,
    worker: Option<Arc<Worker>>,
    /// Until someone sees the thread off.
    handle: Option<ThreadHandle<()>>,
}

/// One thread of a pool.
///
/// On lines of its own: what it runs is written for each task.
pub(crate) struct Worker {
    number: usize,
    name: String,
    running: Padded<AtomicStatic<Name>>,
    /// The thread that had the number before, which may not have ended.
    before: Mutex<Option<ThreadHandle<()>>>,
}

impl Worker {
    fn new(number: usize, name: String, before: Option<ThreadHandle<()>>) -> Self {
        Self {
            number,
            name,
            running: Padded(AtomicStatic::new()),
            before: Mutex::new(before),
        }
    }

    /// One who is not in the roster.
    pub(crate) fn foreign() -> Self {
        Self::new(0, String::new(), None)
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Notes what the thread runs.
    #[inline]
    pub(crate) fn note_running(&self, name: Option<&'static Name>) {
        self.running.set(name);
    }
}

impl Roster {
    /// Counts in whoever builds the pool, who is [counted out](Self::count_out) when it is built.
    pub(crate) fn new() -> Self {
        Self {
            alive: AtomicUsize::new(1),
            crew: AtomicU64::new(0),
            workers: Mutex::new(Vec::new()),
            joining: Mutex::new(()),
            waiters: WaitQueue::new(),
        }
    }

    /// Starts a thread, which is [counted out](Self::count_out) in the end; unless so many stay already.
    ///
    /// Not in a pool that all have left. `name` is asked for a name; without one this is a child process.
    pub(crate) fn start(
        &self,
        most: usize,
        name: impl FnOnce(usize) -> Option<String>,
        spawn: impl FnOnce(&Arc<Worker>) -> io::Result<ThreadHandle<()>>,
    ) -> Result<(), NotStarted> {
        if !self.change(STAYING, |crew| crew.staying() < most) {
            return Err(NotStarted::NotWanted);
        }
        let one_more = |alive: usize| (alive > 0).then_some(alive + 1);
        let lives = self
            .alive
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        if lives.is_err() {
            self.does_not_stay();
            return Err(NotStarted::NotWanted);
        }
        let (number, before) = self.take_number();
        // Not under the lock: the name is user code.
        let Some(name) = name(number) else {
            // Whose lock may be held for ever.
            return Err(NotStarted::NotWanted);
        };
        let worker = Arc::new(Worker::new(number, name, before));
        let started = self.start_worker(&worker, spawn);
        if started.is_err() {
            self.does_not_stay();
            self.count_out();
        }
        started.map_err(NotStarted::Failed)
    }

    /// Takes the lowest number that is free; with it comes the handle of the thread that had it last.
    fn take_number(&self) -> (usize, Option<ThreadHandle<()>>) {
        let mut workers = lock(&self.workers);
        let free = workers.iter().position(|entry| !entry.is_taken);
        let number = free.unwrap_or_else(|| {
            workers.push(Entry::default());
            workers.len() - 1
        });
        let entry = &mut workers[number];
        entry.is_taken = true;
        (number, entry.handle.take())
    }

    fn start_worker(
        &self,
        worker: &Arc<Worker>,
        spawn: impl FnOnce(&Arc<Worker>) -> io::Result<ThreadHandle<()>>,
    ) -> io::Result<()> {
        // Locked until the handle is kept: whoever sees that the thread has left finds its handle.
        let mut workers = lock(&self.workers);
        let entry = &mut workers[worker.number];
        let started = spawn(worker).map(|handle| {
            entry.handle = Some(handle);
            entry.worker = Some(Arc::clone(worker));
        });
        if started.is_err() {
            entry.handle = lock(&worker.before).take();
            entry.is_taken = false;
        }
        started
    }

    /// Adds to the word of the crew if `may` says so of it, and tells.
    fn change(&self, change: u64, may: impl Fn(Crew) -> bool) -> bool {
        let change = |crew| may(Crew(crew)).then_some(crew.wrapping_add(change));
        self.crew
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }

    /// Lets a thread leave that has nothing to do, if more are present than have to be.
    pub(crate) fn may_leave(&self, least: usize) -> bool {
        self.change(STAYING.wrapping_neg(), |crew| crew.present() > least)
    }

    /// Tells whether [`may_leave`](Self::may_leave) would let a thread leave, as of now.
    pub(crate) fn has_to_spare(&self, least: usize) -> bool {
        Crew(self.crew.load(Ordering::Relaxed)).present() > least
    }

    /// Lets a thread go away that stays, unless so many are away.
    pub(crate) fn may_go_away(&self, most: usize) -> bool {
        self.change(AWAY, |crew| crew.away() < most)
    }

    /// Counts a thread back that was away.
    pub(crate) fn is_back(&self) {
        self.crew.fetch_sub(AWAY, Ordering::Relaxed);
    }

    /// Counts a thread as leaving that did not want to start.
    pub(crate) fn does_not_stay(&self) {
        self.crew.fetch_sub(STAYING, Ordering::Relaxed);
    }

    /// Tells a thread's number that it is free, because the thread leaves before the pool's end, and
    /// gives it the handles of those that left before, to [see them off](join_thread) at its very end.
    pub(crate) fn free_number(&self, worker: &Worker) -> Vec<ThreadHandle<()>> {
        let mut workers = lock(&self.workers);
        let free = workers.iter_mut().filter(|entry| !entry.is_taken);
        let before = free.filter_map(|entry| entry.handle.take()).collect();
        let entry = &mut workers[worker.number];
        entry.is_taken = false;
        entry.worker = None;
        before
    }

    /// Counts a thread out, or whoever built the pool.
    pub(crate) fn count_out(&self) {
        // ORDERING: pairs with `alive`.
        if self.alive.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiters.notify_all();
        }
    }

    /// What the threads run that have said so, by name of the thread.
    pub(crate) fn busy(&self) -> Vec<(String, &'static Name)> {
        let workers = lock(&self.workers);
        let workers = workers.iter().filter_map(|entry| entry.worker.as_ref());
        let busy = |worker: &Arc<Worker>| Some((worker.name.clone(), worker.running.get()?));
        workers.filter_map(busy).collect()
    }

    /// Tells how many threads have not left the pool.
    pub(crate) fn alive(&self) -> usize {
        // ORDERING: Acquire takes what the threads did before they left.
        self.alive.load(Ordering::Acquire)
    }

    /// Tells whether every thread has left the pool.
    pub(crate) fn all_left(&self) -> bool {
        self.alive() == 0
    }

    /// Waits until all threads have ended, thread-locals and all.
    ///
    /// Not for a thread of the pool.
    pub(crate) fn join(&self) {
        // Of this pool; it may be one of another.
        let _blocking = Blocking::begin();
        let _in_turn = lock(&self.joining);
        self.join_all();
        // Some may be seen off by a thread of the pool, and some have started meanwhile.
        self.wait(Deadline::NEVER);
        self.join_all();
    }

    /// Waits until all threads have left the pool; `false` if the time was over first.
    ///
    /// They may still be dropping their thread-locals then: there is no timed wait for that.
    pub(crate) fn wait(&self, deadline: Deadline) -> bool {
        let mut watcher = self.watcher();
        block_until(deadline, |waker| watcher.poll(waker).then_some(())).is_some()
    }

    /// One who waits until all threads have left.
    pub(crate) fn watcher(&self) -> Watcher<'_> {
        Watcher {
            waiter: NotInherited::new(self.waiters.waiter()),
            roster: self,
        }
    }

    /// Waits for the end of every thread that has started, but not of this one.
    pub(crate) fn join_all(&self) {
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

impl Worker {
    /// Waits for the end of the thread that had the number before; the last thing that this one does.
    pub(crate) fn join_predecessor(&self) {
        let before = lock(&self.before).take();
        before.into_iter().for_each(join_thread);
    }
}

/// Waits for the end of a thread that has left.
pub(crate) fn join_thread(thread: ThreadHandle<()>) {
    // A thread of ours does not panic: `unwind` catches all that could.
    drop(thread.join());
}

/// One who waits until all threads have left; dropped, it waits no longer.
pub(crate) struct Watcher<'a> {
    waiter: NotInherited<Waiter<'a>>,
    roster: &'a Roster,
}

impl Watcher<'_> {
    /// Tells whether all have left; if not, `waker` is called when they have.
    pub(crate) fn poll(&mut self, waker: &std::task::Waker) -> bool {
        // In this order, with the line's fence in between: who leaves after the look finds us in the line.
        self.waiter.enqueue(waker);
        self.roster.all_left()
    }
}
