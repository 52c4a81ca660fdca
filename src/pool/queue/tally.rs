//! Answers one question: is everything that was accepted finished?
//!
//! # Words
//! A task is *accepted* before it is pushed. It is *finished* after its closure has ended, been
//! dropped, or been met as a tombstone. The pool is *quiescent* when both counts are equal.
//!
//! # Invariants
//! 1. Every count only grows. Each shard counts both, and a task may be accepted in one shard and
//!    finished in another. Shards never disappear.
//! 2. A slot's shard is written by the holder of the slot alone, with plain stores. All other
//!    threads count in the shared shard, with read-modify-writes.
//! 3. CLOSED is a bit of the shared count of accepted tasks. So an outsider learns in the exchange
//!    that counts its task whether the task came before the end.
//! 4. A thread that has finished a task and goes on to sleep, or to something outside the pool,
//!    calls [`wants_attention`](Tally::wants_attention) behind a full fence. If the answer is
//!    `true` the thread checks whether the pool is quiescent, and wakes the joiners if it is;
//!    unless the thread sees that the pool has ended. The thread that announced the end does this
//!    once more for all threads that finished tasks before.
//!
//! # Why the answer is right
//! [`is_quiescent`](Tally::is_quiescent) reads all finished counts, then all accepted counts. Let F
//! be the finishes and A the acceptances that it saw. A task is accepted before it is pushed, run
//! and finished, and a finish is published with Release and read with Acquire. So for each finish
//! in F that task's acceptance, and the acceptances of all tasks that it pushed, are in A. Equal
//! numbers then mean that A is exactly the tasks of F: each task has finished, and so have all its
//! children. An acceptance that was not seen is an outsider's, made during the look. After CLOSED
//! there are none of those, so a closed tally that was quiescent once stays quiescent, except for
//! the moment in which an outsider that met CLOSED takes its acceptance back.
//!
//! # Why no joiner sleeps forever
//! *Joiner:* (J1) raise `attention`; (J2) join the wait queue; (J3) full fence; (J4) look, and
//! sleep if the tally is not quiescent. *Finisher:* (T1) count; (T2) full fence; (T3) read
//! `attention`. If J3 comes before T2, T3 sees the joiner, and the finisher takes the queue's lock
//! and wakes the joiner. If T2 comes first, J4 sees T1. Of several finishers the last by the order
//! of their fences sees the counts of all. A joiner that is woken looks again, because a new task
//! may have come before the joiner was added to the wait queue.
//!
//! # Why not otherwise
//! One counter that goes up at each submission and down at each end moves a cache line to and fro
//! for every task.

use std::task::Waker;

use super::books::Books;
use crate::fork::NotInherited;
use crate::primitive::{AtomicUsize, Ordering, Padded};
use crate::sync::wait_queue::{WaitQueue, Waiter};
use crate::wait::{Cause, Deadline, block_until};

/// The bit of the shared count of acceptances that refuses outsiders.
const CLOSED: usize = 1;
/// One task in a count; all counts keep the lowest bit free for [`CLOSED`].
const ONE: usize = 2;

/// The tally was closed, so the task was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

#[derive(Default)]
struct Shard {
    accepted: AtomicUsize,
    finished: AtomicUsize,
    /// The number of finished tasks that were only tombstones, counted before they are finished.
    tombstones: AtomicUsize,
}

impl Shard {
    /// Returns the number of tasks that were run to their end, in some unit.
    fn ran(&self) -> usize {
        let tombstones = self.tombstones.load(Ordering::Relaxed);
        let finished = self.finished.load(Ordering::Relaxed);
        finished.wrapping_sub(tombstones)
    }
}

pub(in crate::pool) struct Tally {
    /// Each is written by the holder of the slot alone.
    slots: Box<[Padded<Shard>]>,
    /// The number of slots that have ever been used; only grows.
    used: AtomicUsize,
    /// Written by all threads without a slot.
    shared: Padded<Shard>,
    books: Books,
    /// The number of joiners, and one more from the close on.
    attention: Padded<AtomicUsize>,
    joiners: WaitQueue,
}

impl Tally {
    pub(in crate::pool) fn new(slots: usize) -> Self {
        Self::starting_at(slots, 0)
    }

    /// A tally whose counts begin at `count`, so that a test can make them wrap.
    fn starting_at(slots: usize, count: usize) -> Self {
        let shard = || {
            Padded(Shard {
                accepted: AtomicUsize::new(count & !CLOSED),
                finished: AtomicUsize::new(count & !CLOSED),
                tombstones: AtomicUsize::new(0),
            })
        };
        Self {
            slots: (0..slots).map(|_| shard()).collect(),
            used: AtomicUsize::new(0),
            shared: shard(),
            books: Books::new(),
            attention: Padded(AtomicUsize::new(0)),
            joiners: WaitQueue::new(),
        }
    }

    /// Marks the first `slots` slots as used from now on; there is no way back.
    pub(in crate::pool) fn use_slots(&self, slots: usize) {
        // ORDERING: Relaxed. The slots are given out after this, with orderings of their own. So a
        // thread that must see what was pushed to a slot's queue, by fences on both sides, sees
        // this too; and `unfinished` argues from there.
        self.used.fetch_max(slots, Ordering::Relaxed);
    }

    /// Returns the number of slots that have ever been used.
    #[inline]
    pub(in crate::pool) fn used_slots(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn used(&self) -> &[Padded<Shard>] {
        &self.slots[..self.used_slots()]
    }

    /// Accepts a task from a thread that runs no task of the pool.
    #[inline]
    pub(in crate::pool) fn accept_outside(&self) -> Result<(), Closed> {
        if self.is_closed() {
            return Err(Closed);
        }
        // ORDERING: Relaxed. The push publishes. The exchanges on this word have one order, so an
        // acceptance that did not see CLOSED is seen by a thread that reads after `close`.
        let before = self.shared.accepted.fetch_add(ONE, Ordering::Relaxed);
        if before & CLOSED == 0 {
            return Ok(());
        }
        // Taken back by a finish, since counts only grow.
        self.finish_aside();
        Err(Closed)
    }

    /// Accepts a task from the holder of slot `index`, closed or not: the task that runs there now
    /// has not finished, so the tally cannot have been quiescent.
    #[inline]
    pub(super) fn accept_inside(&self, index: usize) {
        add_one(&self.slots[index].accepted);
    }

    /// Accepts a task from a thread that runs one of the pool's tasks without a slot, closed or
    /// not.
    pub(super) fn accept_without_slot(&self) {
        let before = self.shared.accepted.fetch_add(ONE, Ordering::Relaxed);
        if before & CLOSED != 0 {
            self.books.note_late();
        }
    }

    /// Calls `accept`, which accepts something that is no task, and is to be finished by
    /// [`finish_aside`](Self::finish_aside).
    pub(in crate::pool) fn accept_aside(
        &self,
        accept: impl FnOnce() -> Result<(), Closed>,
    ) -> Result<(), Closed> {
        self.books.accept_aside(accept)
    }

    /// Notes that what is about to be finished is no task.
    pub(in crate::pool) fn finishes_aside(&self) {
        self.books.finish_aside(|| ());
    }

    /// Finishes something that is no task, on any thread.
    pub(in crate::pool) fn finish_aside(&self) {
        self.books.finish_aside(|| self.finish_without_slot());
    }

    /// Finishes a task on the thread that holds slot `index`.
    #[inline]
    pub(super) fn finish_inside(&self, index: usize) {
        add_one(&self.slots[index].finished);
    }

    /// Notes that the thread which holds slot `index` is about to finish a tombstone.
    pub(super) fn note_tombstone(&self, index: usize) {
        add_one(&self.slots[index].tombstones);
    }

    /// Returns the number of tasks from the queues that threads with a slot have run to their end,
    /// in some unit: two answers tell whether there is progress.
    pub(in crate::pool) fn ran(&self) -> usize {
        let shards = self.used().iter();
        shards.fold(0_usize, |sum, shard| sum.wrapping_add(shard.ran()))
    }

    /// Returns the number of tasks that the holders of slot `index` have run to their end, in some
    /// unit.
    pub(in crate::pool) fn ran_in(&self, index: usize) -> usize {
        self.slots[index].ran()
    }

    /// Finishes a task on a thread without a slot.
    pub(super) fn finish_without_slot(&self) {
        // ORDERING: Release gives `is_quiescent` the acceptances before this.
        self.shared.finished.fetch_add(ONE, Ordering::Release);
    }

    /// Returns what the holders of all slots except `index` have finished, in some unit: two
    /// answers tell whether they make progress.
    pub(in crate::pool) fn finished_by_others(&self, index: usize) -> usize {
        let (before, from) = self.used().split_at(index);
        let others = before.iter().chain(&from[1..]);
        others.fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.finished.load(Ordering::Relaxed))
        })
    }

    /// Refuses outsiders from now on; what they had accepted before is counted.
    pub(in crate::pool) fn close(&self) {
        self.books.close(|| {
            // ORDERING: Acquire and Release order the exchange with acceptances before and after.
            let before = self.shared.accepted.fetch_or(CLOSED, Ordering::AcqRel);
            if before & CLOSED == 0 {
                self.attention.fetch_add(1, Ordering::Relaxed);
            }
            (before & CLOSED == 0).then_some(before / ONE)
        });
    }

    #[inline]
    pub(in crate::pool) fn is_closed(&self) -> bool {
        self.shared.accepted.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Returns `true` if the pool is closed, or a thread waits for it to be quiescent. The caller
    /// has made a full fence since it last counted a finish; without one the answer is a hint, as
    /// for a worker that goes on to search and looks again before it sleeps.
    pub(in crate::pool) fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) != 0
    }

    /// Returns `true` if there was a moment since the call began at which nothing was unfinished.
    pub(in crate::pool) fn is_quiescent(&self) -> bool {
        self.unfinished() == 0
    }

    /// Returns the number of tasks that are unfinished, or were at some moment since the call
    /// began.
    pub(in crate::pool) fn unfinished(&self) -> usize {
        // Asked twice: a shard that came into use meanwhile is among the second, if it was used
        // before a finish among the first. Tasks that were finished in it and not seen are as if
        // they were to finish later.
        let shards = || self.used().iter().chain([&self.shared]);
        // ORDERING: Acquire takes what `add_one` and `finish_without_slot` released.
        let finished = shards().fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.finished.load(Ordering::Acquire))
        });
        let accepted = shards().fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.accepted.load(Ordering::Acquire) & !CLOSED)
        });
        accepted.wrapping_sub(finished) / ONE
    }

    /// Calls `between` after it has read how many tasks have finished, and before it reads how many
    /// were accepted, all in all. Returns these numbers, and what `between` has returned.
    pub(in crate::pool) fn totals<R>(&self, between: impl Fn() -> R) -> (u64, R, u64) {
        // ORDERING: Acquire takes what `add_one` and `finish_without_slot` released.
        let get = |count: &AtomicUsize| count.load(Ordering::Acquire) / ONE;
        self.books.read(|| {
            let shards = self.used().iter().chain([&self.shared]);
            let finished: usize = shards.map(|shard| get(&shard.finished)).sum();
            let finished = finished.saturating_sub(self.books.finished());
            let result = between();
            let shared = match self.books.at_close() {
                None => get(&self.shared.accepted),
                Some((at_close, late)) => at_close + late,
            };
            let own: usize = self.used().iter().map(|shard| get(&shard.accepted)).sum();
            let accepted = (own + shared).saturating_sub(self.books.accepted());
            (finished as u64, result, accepted as u64)
        })
    }

    /// Returns `true` if the pool is quiescent and a thread has to [say
    /// so](Self::wake_if_quiescent): a joiner waits, or the pool is closed. The caller has made a
    /// full fence since it last counted a finish.
    pub(in crate::pool) fn wants_a_check(&self) -> bool {
        let wanted = || self.is_closed() || self.joiners.waiting() > 0;
        self.wants_attention() && self.is_quiescent() && wanted()
    }

    /// Wakes the joiners if the pool is quiescent. Returns `true` if the pool is also closed, and
    /// so stays quiescent. The caller has made a full fence since it last counted a finish.
    #[must_use = "`true`: the pool has to end"]
    pub(in crate::pool) fn wake_if_quiescent(&self) -> bool {
        if !self.wants_attention() || !self.is_quiescent() {
            return false;
        }
        self.wake_joiners();
        // In this order: only a look that began after the last acceptance is final.
        self.is_closed() && self.is_quiescent()
    }

    /// Wakes all joiners, so that they look again.
    pub(in crate::pool) fn wake_joiners(&self) {
        self.joiners.notify_all();
    }

    /// Returns a joiner, which waits until nothing is unfinished.
    pub(in crate::pool) fn joiner(&self) -> Joiner<'_> {
        // J1.
        self.attention.fetch_add(1, Ordering::Relaxed);
        Joiner {
            waiter: NotInherited::new(self.joiners.waiter()),
            tally: self,
        }
    }

    /// Blocks until nothing is unfinished. Returns `false` if `deadline` came first.
    pub(in crate::pool) fn join(&self, deadline: Deadline) -> bool {
        let mut joiner = self.joiner();
        block_until(Cause::Arrival, deadline, |waker| {
            joiner.poll(waker).then_some(())
        })
        .is_some()
    }
}

/// Adds one task to a count that this thread alone writes.
#[inline]
fn add_one(count: &AtomicUsize) {
    let next = count.load(Ordering::Relaxed).wrapping_add(ONE);
    // ORDERING: Release gives `is_quiescent` all that this thread accepted before it finished.
    count.store(next, Ordering::Release);
}

/// Waits until nothing is unfinished; dropped, it leaves the wait queue.
pub(crate) struct Joiner<'a> {
    waiter: NotInherited<Waiter<'a>>,
    tally: &'a Tally,
}

impl Joiner<'_> {
    /// Returns `true` if nothing is unfinished; if not, `waker` is called when that may have
    /// changed.
    pub(crate) fn poll(&mut self, waker: &Waker) -> bool {
        // J2 and J3: the fence in there pairs with the fence before `wants_attention`.
        self.waiter.enqueue(waker);
        self.tally.is_quiescent()
    }
}

impl Drop for Joiner<'_> {
    fn drop(&mut self) {
        // A joiner that is in the wait queue and not counted is on its way out, and no finisher has
        // to look for it.
        self.tally.attention.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_that_wrap_stay_equal() {
        let tally = Tally::starting_at(2, usize::MAX - 3);
        tally.use_slots(2);
        for round in 0..4 {
            tally.accept_outside().unwrap();
            tally.accept_inside(1);
            assert!(!tally.is_quiescent(), "round {round}");
            tally.finish_inside(0);
            tally.finish_inside(1);
            assert!(tally.is_quiescent(), "round {round}");
        }
        tally.close();
        assert_eq!(tally.accept_outside(), Err(Closed));
        assert!(tally.is_closed() && tally.is_quiescent());
    }
}
