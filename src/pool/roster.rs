//! Which threads of a pool live, and who waits until none does.
//!
//! # Invariant
//! Once nobody lives, nobody will: only a pool with a live thread, or one that is being built, takes
//! another in. So whoever has seen that all have left need not look again.

use std::io;

use crate::primitive::{
    AtomicUsize, Deadline, Mutex, Ordering, ThreadHandle, block_until, current, lock,
};
use crate::sync::line::{Line, Place};

/// The threads of one pool.
pub(crate) struct Roster {
    /// How many have started and not left; whoever builds the pool counts as one of them.
    live: AtomicUsize,
    /// Until someone sees them off.
    handles: Mutex<Vec<ThreadHandle<()>>>,
    /// Held while seeing them off, so that everyone who wants that waits for it. No thread of the pool
    /// does.
    joining: Mutex<()>,
    /// Who waits until all have left.
    line: Line,
}

impl Roster {
    /// Counts in whoever builds the pool, who [leaves](Self::leave) when it is built.
    pub(crate) fn new() -> Self {
        Self {
            live: AtomicUsize::new(1),
            handles: Mutex::new(Vec::new()),
            joining: Mutex::new(()),
            line: Line::new(),
        }
    }

    /// Starts a thread, which has to [leave](Self::leave) in the end.
    ///
    /// Not in a pool that all have left.
    pub(crate) fn start(
        &self,
        spawn: impl FnOnce() -> io::Result<ThreadHandle<()>>,
    ) -> io::Result<()> {
        // Locked until the handle is kept: whoever sees that the thread has left finds its handle.
        let mut handles = lock(&self.handles);
        let one_more = |live: usize| (live > 0).then_some(live + 1);
        self.live
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map_err(|_| io::Error::other("the pool has ended"))?;
        let started = spawn().map(|handle| handles.push(handle));
        drop(handles);
        if started.is_err() {
            self.leave();
        }
        started
    }

    /// Counts a thread out.
    pub(crate) fn leave(&self) {
        // ORDERING: pairs with `live`.
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
        let _in_turn = lock(&self.joining);
        self.see_all_off();
        // Some may be seen off by a thread of the pool, and some have started meanwhile.
        self.wait(Deadline::NEVER);
        self.see_all_off();
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

    /// Waits for the end of every thread that has started, but not of this one.
    pub(crate) fn see_all_off(&self) {
        let next = || lock(&self.handles).pop();
        while let Some(thread) = next() {
            if thread.thread().id() != current().id() {
                // A thread of ours does not panic: `unwind` catches all that could.
                drop(thread.join());
            }
        }
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
