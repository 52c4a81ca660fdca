//! Stealing: how a thread takes tasks from the local queues and the stacks of other slots.

use super::deque::{Stealer, insist};
use super::local::LocalQueue;
use crate::primitive::{AtomicBool, Ordering};

/// The part of a stack that a thief takes. The rest of what is stolen at once lies in the thief's
/// queue for a while, where the owner of the scope does not find it: so that is little, and only of
/// a scope that has many tasks. Of scopes within each other the oldest task is the largest in most
/// programs, and taken alone.
const STACK_SHARE: usize = 16;

/// The largest number of tasks that are stolen from a stack at once.
const STACK_BATCH: usize = 8;

/// The local queues and stacks of all slots, as threads that do not hold the slots may use them.
///
/// Each method is given the number of slots that have ever been used; the others have nothing.
pub(super) struct Stealers<T> {
    queues: Box<[Stealer<T>]>,
    stacks: Box<[Stealer<T>]>,
    /// Whether a task was ever pushed to a stack: in most pools none is.
    stacks_are_used: AtomicBool,
}

impl<T> Stealers<T> {
    pub(super) fn new(queues: &[LocalQueue<T>]) -> Self {
        // All deques of the process share what the first theft sets up, under a lock. Here that is
        // over before there are threads that may be at it while another thread forks.
        if let Some(first) = queues.first() {
            insist(|| first.stealer().steal());
        }
        Self {
            queues: queues.iter().map(LocalQueue::stealer).collect(),
            stacks: queues.iter().map(|queue| queue.stack().stealer()).collect(),
            stacks_are_used: AtomicBool::new(false),
        }
    }

    /// Notes that tasks are about to be pushed to stacks.
    #[inline]
    pub(super) fn use_stacks(&self) {
        // ORDERING: Relaxed. A thread that must see a push, by fences on both sides, sees this.
        if !self.stacks_are_used() {
            self.stacks_are_used.store(true, Ordering::Relaxed);
        }
    }

    /// Returns `true` if there may be a task on a stack.
    #[inline]
    pub(super) fn stacks_are_used(&self) -> bool {
        self.stacks_are_used.load(Ordering::Relaxed)
    }

    /// Returns the stacks of the slots that were used, or none if no stack was.
    fn stacks(&self, used: usize) -> &[Stealer<T>] {
        match self.stacks_are_used() {
            true => &self.stacks[..used],
            false => &[],
        }
    }

    /// Takes a task of another slot, and some more into `thief`: up to half of a queue, or a few of
    /// a stack. By turns it looks at all queues first, or at all stacks. The search begins behind
    /// the thief's own slot.
    ///
    /// With `leave_last` it leaves another slot's only task alone, because the slot's holder is
    /// most likely about to run it.
    pub(super) fn steal(&self, used: usize, thief: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        // Nothing is asked of those that have nothing, since that makes crossbeam-epoch look at
        // every thread from time to time.
        let left = usize::from(leave_last);
        let (batch, index) = (thief.batch(), thief.index());
        let queued = || {
            let mut victims = behind(&self.queues[..used], index).filter(|it| it.len() > left);
            victims.find_map(|victim| insist(|| victim.steal_batch_and_pop(batch)))
        };
        let stacked = || {
            let steal = |victim: &Stealer<T>| {
                let few = (victim.len() / STACK_SHARE).clamp(1, STACK_BATCH);
                victim.steal_batch_with_limit_and_pop(batch, few)
            };
            let mut victims = behind(self.stacks(used), index).filter(|it| it.len() > left);
            victims.find_map(|victim| insist(|| steal(victim)))
        };
        match thief.is_turn_of_stacks() {
            true => stacked().or_else(queued),
            false => queued().or_else(stacked),
        }
    }

    /// Takes one task of any slot.
    pub(super) fn steal_any(&self, used: usize) -> Option<T> {
        let mut victims = self.all(used).filter(|victim| !victim.is_empty());
        victims.find_map(|victim| insist(|| victim.steal()))
    }

    pub(super) fn are_empty(&self, used: usize) -> bool {
        self.all(used).all(Stealer::is_empty)
    }

    fn all(&self, used: usize) -> impl Iterator<Item = &Stealer<T>> {
        self.queues[..used].iter().chain(self.stacks(used))
    }

    /// Drops the tombstones in the queues of all slots and returns their number; there are none on
    /// stacks. The other tasks go to `kept`.
    #[must_use = "the tombstones have to be counted as finished"]
    pub(super) fn sweep(
        &self,
        used: usize,
        is_tombstone: impl Fn(&T) -> bool,
        kept: impl Fn(T),
    ) -> usize {
        let mut tombstones = 0;
        for victim in &self.queues[..used] {
            for _ in 0..victim.len() {
                match insist(|| victim.steal()) {
                    Some(task) if is_tombstone(&task) => tombstones += 1,
                    Some(task) => kept(task),
                    None => break,
                }
            }
        }
        tombstones
    }
}

/// Returns all but the one at an index, beginning behind it.
fn behind<T>(all: &[T], index: usize) -> impl Iterator<Item = &T> {
    let (before, from) = all.split_at(index.min(all.len()));
    from.iter().skip(1).chain(before)
}
