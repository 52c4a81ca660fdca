//! The queue of all that is pushed by threads without a slot: first in, first out.

use super::deque::{Injector as Deque, Worker, insist};
use crate::primitive::{AtomicUsize, Mutex, Ordering, Padded};

/// The most tasks that are taken from the injector at once. Fewer than the budget of a local queue,
/// so that a batch has been run when the injector has its next turn.
pub(super) const BATCH: usize = 32;

pub(super) struct Injector<T> {
    new: Padded<Deque<T>>,
    /// The tasks that were in the injector when it was swept, which go before those in `new`. Two
    /// queues, so that the next sweep moves tasks from one to the other.
    swept: [Padded<Deque<T>>; 2],
    /// Which of the two was filled last, and thus holds the older tasks.
    older: AtomicUsize,
    /// Held during a sweep.
    sweeping: Mutex<()>,
}

impl<T> Injector<T> {
    pub(super) fn new() -> Self {
        Self {
            new: Padded(Deque::new()),
            swept: [Padded(Deque::new()), Padded(Deque::new())],
            older: AtomicUsize::new(0),
            sweeping: Mutex::new(()),
        }
    }

    #[inline]
    pub(super) fn push(&self, task: T) {
        self.new.push(task);
    }

    /// Takes the task that has been there longest.
    pub(super) fn take_oldest(&self) -> Option<T> {
        self.parts().find_map(|from| insist(|| from.steal()))
    }

    /// Takes a task, and some more into `batch`, which is empty.
    pub(super) fn take_batch(&self, batch: &Worker<T>) -> Option<T> {
        self.parts()
            .find_map(|from| insist(|| from.steal_batch_with_limit_and_pop(batch, BATCH)))
    }

    pub(super) fn len(&self) -> usize {
        self.parts().map(Deque::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts().all(Deque::is_empty)
    }

    /// All parts, the older first.
    fn parts(&self) -> impl Iterator<Item = &Deque<T>> {
        let older = self.older.load(Ordering::Relaxed);
        let swept = [&*self.swept[older], &*self.swept[1 - older]];
        let swept = swept.into_iter().filter(|swept| !swept.is_empty());
        swept.chain([&*self.new])
    }

    /// Drops the tombstones and returns their number. The other tasks keep their order, except that
    /// a thread which looks meanwhile may find a task before the one that is just being moved.
    #[must_use = "the tombstones have to be counted as finished"]
    pub(super) fn sweep(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        let Ok(_alone) = self.sweeping.try_lock() else {
            return 0;
        };
        // From here on the empty part is the older: what is moved there was first in the other.
        let full = self.older.load(Ordering::Relaxed);
        let empty = 1 - full;
        self.older.store(empty, Ordering::Relaxed);
        let mut tombstones = 0;
        for from in [&self.swept[full], &self.new] {
            for _ in 0..from.len() {
                match insist(|| from.steal()) {
                    Some(task) if is_tombstone(&task) => tombstones += 1,
                    Some(task) => self.swept[empty].push(task),
                    None => break,
                }
            }
        }
        tombstones
    }
}
