//! Which threads of a pool live, and who waits until none does.

use crate::primitive::{
    AtomicUsize, Deadline, Mutex, Ordering, ThreadHandle, block_until, current, lock,
};
use crate::sync::wait_list::{Signal, WaitList};
use crate::unwind;

/// The threads of one pool.
pub(crate) struct Roster {
    /// How many have started and not left.
    live: AtomicUsize,
    /// Until someone sees them off. Whoever holds this lock may be joining threads, so no
    /// thread of the pool waits for it.
    handles: Mutex<Vec<ThreadHandle<()>>>,
    /// Who waits until all have left.
    line: Mutex<WaitList>,
}

impl Roster {
    pub(crate) fn new() -> Self {
        Self {
            live: AtomicUsize::new(0),
            handles: Mutex::new(Vec::new()),
            line: Mutex::new(WaitList::default()),
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
            let woken = lock(&self.line).notify_all(Signal::Proceed);
            woken.into_iter().for_each(unwind::wake);
        }
    }

    /// Tells whether every thread has left the pool.
    pub(crate) fn all_left(&self) -> bool {
        // ORDERING: Acquire takes what the threads did before they left.
        self.live.load(Ordering::Acquire) == 0
    }

    /// Waits until all threads have ended, thread-locals and all.
    ///
    /// Not for a thread of the pool.
    pub(crate) fn join(&self) {
        lock(&self.handles).drain(..).for_each(see_off);
        // They may have been taken by a thread of the pool that sees them off itself.
        let mut ticket = None;
        block_until(Deadline::NEVER, |waker| {
            let mut line = lock(&self.line);
            if let Some(ticket) = ticket.take() {
                // What comes back is this thread's own waker, harmless under the lock.
                let _ = line.redeem(ticket);
            }
            if self.all_left() {
                return Some(());
            }
            ticket = Some(line.enqueue(waker.clone()));
            None
        });
    }

    /// Takes the threads over, to be seen off by the caller, unless someone is at it.
    pub(crate) fn take_handles(&self) -> Vec<ThreadHandle<()>> {
        self.handles
            .try_lock()
            .map(|mut handles| std::mem::take(&mut *handles))
            .unwrap_or_default()
    }
}

/// Waits for the end of a thread, unless it is this one.
pub(crate) fn see_off(thread: ThreadHandle<()>) {
    if thread.thread().id() != current().id() {
        // A thread of ours does not panic: `unwind` catches all that could.
        drop(thread.join());
    }
}
