//! Stealing: how a thread takes tasks from the local queues of other slots.

use super::deque::{Stealer, insist};
use super::local::LocalQueue;

/// The local queues of all slots, as threads that do not hold the slots may use them.
///
/// Each method is given the number of slots that have ever been used; the queues of the others are
/// empty.
pub(super) struct Stealers<T>(Box<[Stealer<T>]>);

impl<T> Stealers<T> {
    pub(super) fn new(queues: &[LocalQueue<T>]) -> Self {
        // All deques of the process share what the first theft sets up, under a lock. Here that is
        // over before there are threads that may be at it while another thread forks.
        if let Some(first) = queues.first() {
            insist(|| first.stealer().steal());
        }
        Self(queues.iter().map(LocalQueue::stealer).collect())
    }

    /// Takes a task of another slot, and up to half of what that slot has into `thief`. The search
    /// begins behind the thief's own slot.
    ///
    /// With `leave_last` it leaves another slot's only task alone, because the slot's holder is
    /// most likely about to run it.
    pub(super) fn steal(&self, used: usize, thief: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        // Nothing is asked of those that have nothing, since that makes crossbeam-epoch look at
        // every thread from time to time.
        let left = usize::from(leave_last);
        let (before, from) = self.0[..used].split_at(thief.index());
        from.iter()
            .skip(1)
            .chain(before)
            .filter(|victim| victim.len() > left)
            .find_map(|victim| insist(|| victim.steal_batch_and_pop(thief.batch())))
    }

    /// Takes one task of any slot.
    pub(super) fn steal_any(&self, used: usize) -> Option<T> {
        let mut victims = self.0[..used].iter().filter(|victim| !victim.is_empty());
        victims.find_map(|victim| insist(|| victim.steal()))
    }

    pub(super) fn are_empty(&self, used: usize) -> bool {
        self.0[..used].iter().all(Stealer::is_empty)
    }

    /// Drops the tombstones of all slots and returns their number. The other tasks go to `kept`.
    #[must_use = "the tombstones have to be counted as finished"]
    pub(super) fn sweep(
        &self,
        used: usize,
        is_tombstone: impl Fn(&T) -> bool,
        kept: impl Fn(T),
    ) -> usize {
        let mut tombstones = 0;
        for victim in &self.0[..used] {
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
