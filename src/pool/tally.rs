//! Answers one question: is everything that was accepted finished?
//!
//! # Words
//! A task is *accepted* before it is pushed and *finished* after its closure has ended, been
//! dropped, or been met as an empty tombstone. The pool is *quiet* when both counts are equal.
//!
//! # Invariants
//! 1. Every count only grows. Each shard counts both, and a task may be accepted in one
//!    and finished in another. Shards never disappear.
//! 2. A slot's shard is written by the holder of the slot alone, with plain stores; everyone
//!    else counts in the shared shard, with read-modify-writes.
//! 3. CLOSED is a bit of the shared count of accepted tasks, so an outsider learns in
//!    the exchange that counts its task whether it came before the end.
//! 4. Whoever goes on after a finish, to sleep or to other things than the pool's, calls
//!    [`wants_attention`](Tally::wants_attention) behind a full fence, and if told so looks whether
//!    all is quiet and wakes the joiners; unless it sees that the pool has ended. Whoever called that out
//!    does it once more for all who finished before.
//!
//! # Why a quiet tally is right
//! [`is_quiescent`](Tally::is_quiescent) reads all finished counts, then all accepted ones. Let F be the
//! finishes and A the acceptances that it saw. A task is accepted before it is pushed, run and
//! finished, and a finish is published with Release and read with Acquire, so for each finish in F
//! that task's acceptance, and those of all tasks that it pushed, are in A. Equal numbers then mean
//! that A is exactly the tasks of F: each has finished, and so have all their children. An
//! acceptance that was not seen is an outsider's, made while we looked. After CLOSED there are none
//! of those, so a closed tally that was quiet once stays quiet, but for the moment in which an
//! outsider that met CLOSED takes its acceptance back.
//!
//! # Why no joiner sleeps for ever
//! *Joiner:* (J1) raise `attention`; (J2) join the line; (J3) full fence; (J4) look, and sleep if
//! it is not quiet. *Finisher:* (F1) count; (F2) full fence; (F3) read `attention`. If J3 comes
//! before F2, F3 sees the joiner, and F takes the line's lock and wakes it. If F2 comes first, J4
//! sees F1. Of several finishers the one whose fence is last sees the counts of all. A joiner that
//! is woken looks again, because a new task may have come before it was added to the line.
//!
//! # Why not otherwise
//! One counter up at submit and down at the end moves a cache line to and fro for every task.

use std::task::Waker;

use crate::fork::NotInherited;
use crate::primitive::{AtomicUsize, Ordering, Padded};
use crate::sync::wait_queue::{WaitQueue, Waiter};
use crate::wait::{Deadline, block_until};

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
}

pub(crate) struct Tally {
    slots: Box<[Padded<Shard>]>,
    /// How many of them have ever been used.
    used: AtomicUsize,
    shared: Padded<Shard>,
    /// How many joiners there are, and one more for ever once closed.
    attention: Padded<AtomicUsize>,
    waiters: WaitQueue,
}

impl Tally {
    pub(crate) fn new(slots: usize) -> Self {
        Self::starting_at(slots, 0)
    }

    /// A tally whose counts begin at `count`, so that a test can make them wrap.
    pub(crate) fn starting_at(slots: usize, count: usize) -> Self {
        let shard = || {
            Padded(Shard {
                accepted: AtomicUsize::new(count & !CLOSED),
                finished: AtomicUsize::new(count & !CLOSED),
            })
        };
        Self {
            slots: (0..slots).map(|_| shard()).collect(),
            used: AtomicUsize::new(0),
            shared: shard(),
            attention: Padded(AtomicUsize::new(0)),
            waiters: WaitQueue::new(),
        }
    }

    /// Lets the first so many shards be used from now on; those before stay in use.
    pub(crate) fn use_slots(&self, slots: usize) {
        // ORDERING: Relaxed. The slots are given out after this, with orderings of their own, and
        // `unfinished` argues from there.
        self.used.fetch_max(slots, Ordering::Relaxed);
    }

    fn used(&self) -> &[Padded<Shard>] {
        &self.slots[..self.used.load(Ordering::Relaxed)]
    }

    /// Accepts a task from a thread that runs no task of the pool.
    #[inline]
    pub(crate) fn accept_outside(&self) -> Result<(), Closed> {
        if self.is_closed() {
            return Err(Closed);
        }
        // ORDERING: Relaxed. The push publishes; and the exchanges on this word have one order,
        // so an acceptance that did not see CLOSED is seen by whoever reads after `close`.
        let before = self.shared.accepted.fetch_add(ONE, Ordering::Relaxed);
        if before & CLOSED == 0 {
            return Ok(());
        }
        // Taken back by a finish, since counts only grow.
        self.finish_outside();
        Err(Closed)
    }

    /// Accepts a task from the holder of slot `index`, closed or not: what runs there now has
    /// not finished, so the tally cannot have been quiet.
    #[inline]
    pub(crate) fn accept_inside(&self, index: usize) {
        count(&self.slots[index].accepted);
    }

    /// Accepts a task from a thread that runs one of the pool's without a slot, closed or not.
    pub(crate) fn accept_beside(&self) {
        self.shared.accepted.fetch_add(ONE, Ordering::Relaxed);
    }

    /// Finishes a task on the thread that holds slot `index`.
    #[inline]
    pub(crate) fn finish_inside(&self, index: usize) {
        count(&self.slots[index].finished);
    }

    /// What the holders of all slots but `index` have finished, in some unit.
    pub(crate) fn finished_by_others(&self, index: usize) -> usize {
        let (before, from) = self.used().split_at(index);
        let others = before.iter().chain(&from[1..]);
        others.fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.finished.load(Ordering::Relaxed))
        })
    }

    /// Finishes a task on a thread without a slot.
    pub(crate) fn finish_outside(&self) {
        // ORDERING: Release gives `is_quiescent` the acceptances before this.
        self.shared.finished.fetch_add(ONE, Ordering::Release);
    }

    /// Refuses outsiders from now on; what they had accepted before is counted.
    pub(crate) fn close(&self) {
        // ORDERING: Acquire and Release order the exchange with acceptances before and after.
        let before = self.shared.accepted.fetch_or(CLOSED, Ordering::AcqRel);
        if before & CLOSED == 0 {
            self.attention.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.accepted.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Tells whether anyone wants to know when all is quiet. The caller has made a full fence
    /// since it last counted a finish.
    pub(crate) fn wants_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed) != 0
    }

    /// Tells whether there was a moment since the call began at which nothing was unfinished.
    pub(crate) fn is_quiescent(&self) -> bool {
        self.unfinished() == 0
    }

    /// Counts what is unfinished, or was at some moment since the call began.
    pub(crate) fn unfinished(&self) -> usize {
        // Twice asked: a shard that came into use meanwhile is among the second, if it was before a
        // finish among the first. What is finished in it and not seen is as if it were to come.
        let shards = || self.used().iter().chain([&self.shared]);
        // ORDERING: Acquire takes what `count` and `finish_outside` released.
        let finished = shards().fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.finished.load(Ordering::Acquire))
        });
        let accepted = shards().fold(0_usize, |sum, shard| {
            sum.wrapping_add(shard.accepted.load(Ordering::Acquire) & !CLOSED)
        });
        accepted.wrapping_sub(finished) / ONE
    }

    /// Tells whether nothing is unfinished, and somebody wants to know: a joiner in the line, or all if
    /// the tally is closed. The caller has made a full fence since it last counted a finish.
    pub(crate) fn wants_a_look(&self) -> bool {
        let wanted = || self.is_closed() || self.waiters.waiting() > 0;
        self.wants_attention() && self.is_quiescent() && wanted()
    }

    /// Wakes all who wait in [`join`](Self::join), for another look.
    pub(crate) fn wake_joiners(&self) {
        self.waiters.notify_all();
    }

    /// One who waits until nothing is unfinished.
    pub(crate) fn joiner(&self) -> Joiner<'_> {
        // J1.
        self.attention.fetch_add(1, Ordering::Relaxed);
        Joiner {
            waiter: NotInherited::new(self.waiters.waiter()),
            tally: self,
        }
    }

    /// Waits until nothing is unfinished; `false` if the time was over first.
    pub(crate) fn join(&self, deadline: Deadline) -> bool {
        let mut joiner = self.joiner();
        block_until(deadline, |waker| joiner.poll(waker).then_some(())).is_some()
    }
}

/// Adds one task to a count that this thread alone writes.
#[inline]
fn count(counter: &AtomicUsize) {
    let next = counter.load(Ordering::Relaxed).wrapping_add(ONE);
    // ORDERING: Release gives `is_quiescent` all that this thread accepted before it finished.
    counter.store(next, Ordering::Release);
}

/// One who waits for quiet; dropped, it leaves the line.
pub(crate) struct Joiner<'a> {
    waiter: NotInherited<Waiter<'a>>,
    tally: &'a Tally,
}

impl Joiner<'_> {
    /// Tells whether nothing is unfinished; if not, `waker` is called when that may have changed.
    pub(crate) fn poll(&mut self, waker: &Waker) -> bool {
        // J2 and J3: the fence in there pairs with the one before `wants_attention`.
        self.waiter.enqueue(waker);
        self.tally.is_quiescent()
    }
}

impl Drop for Joiner<'_> {
    fn drop(&mut self) {
        // Who is in the line and not counted is not waited for by anyone: it is on its way out.
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
