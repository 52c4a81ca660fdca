//! Which threads of a pool live, and who waits until none does.

use crate::primitive::{
    AtomicUsize, Deadline, Mutex, Ordering, ThreadHandle, block_until, current, lock,
};
use crate::sync::wait_list::{Line, Place};

/// The threads of one pool.
pub(crate) struct Roster {
    /// How many have started and not left.
    live: AtomicUsize,
    /// Until someone sees them off. Whoever holds this lock may be joining threads, so no
    /// thread of the pool waits for it.
    handles: Mutex<Vec<ThreadHandle<()>>>,
    /// Who waits until all have left.
    line: Line,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self {
            live: AtomicUsize::new(0),
            handles: Mutex::new(Vec::new()),
            line: Line::new(),
        }
    }

    /// Counts a thread in, before it starts.
    pub(crate) fn enlist(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps the handle of a thread that was counted in.
    pub(crate) fn keep(&self, handle: ThreadHandle<()>) {
        lock(&self.handles).push(handle);
    }

    /// Counts a thread out.
    pub(crate) fn leave(&self) {
        // ORDERING: pairs with `all_left`.
        if self.live.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.line.notify_all();
        }
    }

    /// Tells how many threads have not left the pool.
    pub(crate) fn live(&self) -> usize {
        // ORDERING: Acquire takes what the threads did before they left.
        self.live.load(Ordering::Acquire)
    }

    /// Tells whether every thread has left the pool.
    pub(crate) fn all_left(&self) -> bool {
        self.live() == 0
    }

    /// Waits until all threads have ended, thread-locals and all.
    ///
    /// Not for a thread of the pool.
    pub(crate) fn join(&self) {
        lock(&self.handles).drain(..).for_each(see_off);
        // They may have been taken by a thread of the pool that sees them off itself.
        self.wait(Deadline::NEVER);
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
            place: self.line.place(),
            roster: self,
        }
    }

    /// Takes the threads over, to be seen off by the caller, unless someone is at it.
    pub(crate) fn take_handles(&self) -> Vec<ThreadHandle<()>> {
        self.handles
            .try_lock()
            .map(|mut handles| std::mem::take(&mut *handles))
            .unwrap_or_default()
    }
}

/// One who waits until all threads have left; dropped, it waits no longer.
pub(crate) struct Watcher<'a> {
    place: Place<'a>,
    roster: &'a Roster,
}

impl Watcher<'_> {
    /// Tells whether all have left; if not, `waker` is called when they have.
    pub(crate) fn poll(&mut self, waker: &std::task::Waker) -> bool {
        // In this order: who leaves after the look finds us in the line.
        self.place.stand(waker);
        self.roster.all_left()
    }
}

/// Waits for the end of a thread, unless it is this one.
pub(crate) fn see_off(thread: ThreadHandle<()>) {
    if thread.thread().id() != current().id() {
        // A thread of ours does not panic: `unwind` catches all that could.
        drop(thread.join());
    }
}
