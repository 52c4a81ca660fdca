//! The order in which tasks are found; the only user of crossbeam-deque.
//!
//! Each slot has a [`LocalQueue`] of its own, first in, first out: its holder pushes to it and takes from
//! it, others steal half. Everyone else pushes to one injector, from which the holders take in
//! batches when their local queues are empty, and one by one when it has its turn.
//!
//! # What the rest of the pool relies on
//! 1. A task that was pushed is taken exactly once.
//! 2. What happened before a push happens before what follows the taking.
//! 3. A push is a Release store (or stronger) and [`Lanes::is_empty`] makes Acquire loads, no
//!    more: whoever needs a push to be seen by someone who looks at the same moment puts fences
//!    on both sides, as `pool/idle.rs` does.
//!
//! A thread that takes several tasks at once holds those that it does not return in no queue
//! for a moment, and then pushes them to its local queue: to others that is a push like any other.
//!
//! Under the model the queues are a stand-in that gives exactly this.

use std::cell::Cell;

use deque::{Injector, Steal, Stealer};

use crate::primitive::{AtomicUsize, Mutex, Ordering, Padded};

#[cfg(not(workmill_loom))]
use crossbeam_deque as deque;

/// After so many tasks of a slot's own the injector has a turn, so that tasks that breed
/// tasks cannot keep the rest waiting for ever.
const TASKS_A_TURN: usize = 61;

/// The most tasks that are taken from the injector at once. Fewer than a turn has, so that what
/// came in a batch has been run when the injector has its turn.
const BATCH: usize = 32;

/// Before each so-many-th batch from the injector another slot has a turn, so that what lies
/// in a local queue behind a long task does not wait until the injector runs dry.
const BATCHES_A_TURN: usize = 8;

/// The queue of one slot, used by the thread that holds the slot.
pub(crate) struct LocalQueue<T> {
    index: usize,
    tasks: deque::Worker<T>,
    /// To take from the local queue as others do.
    thief: Stealer<T>,
    /// Tasks that are taken from the local queue before the injector has its turn.
    turn: Cell<usize>,
    /// Looks for what came from outside before another slot has its turn.
    batches: Cell<usize>,
}

impl<T> LocalQueue<T> {
    /// Which slot the local queue belongs to.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    #[inline(always)]
    pub(crate) fn push(&self, task: T) {
        self.tasks.push(task);
    }

    /// Tells the holder whether the local queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Drops the tombstones, and says how many; the rest keeps its order.
    pub(crate) fn sweep(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        // Not one by one to the other end: a task that is stolen meanwhile would be one too few, and
        // the oldest of the rest would go round twice. And stolen, not popped: a local queue that is popped
        // empty gives its memory back, to ask for it again at once.
        let mut tombstones = 0;
        let is_kept = |task: &T| {
            let is_tombstone = is_tombstone(task);
            tombstones += usize::from(is_tombstone);
            !is_tombstone
        };
        let all = std::iter::from_fn(|| insist(|| self.thief.steal()));
        let kept: Vec<_> = all.filter(is_kept).collect();
        kept.into_iter().for_each(|task| self.tasks.push(task));
        tombstones
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Takes the next task from the local queue, unless it is the injector's turn.
    ///
    /// Tasks are four words: this hands on what the queue gave, unopened, because taking a task
    /// out of its `Option` and putting it back is two copies.
    #[inline]
    pub(crate) fn pop(&self) -> Option<T> {
        let left = self.turn.get();
        if left == 0 {
            return None;
        }
        self.turn.set(left - 1);
        self.tasks.pop()
    }

    /// How many of so many tasks that lie elsewhere the holder may run before it is the injector's turn.
    /// They count as if they came from the local queue, even if they do not run.
    pub(crate) fn count_turns(&self, tasks: usize) -> usize {
        let left = self.turn.get();
        self.turn.set(left.saturating_sub(tasks));
        left.min(tasks)
    }
}

/// All queues of a pool, as everyone may use them.
pub(crate) struct Lanes<T> {
    injector: Padded<Injector<T>>,
    /// What was in the injector when it was swept, and goes before what is there now. Two, so that
    /// sweeping again goes from one to the other.
    swept: [Padded<Injector<T>>; 2],
    /// Which of the two was filled last, and thus holds what is older.
    older: AtomicUsize,
    /// Held while sweeping.
    sweeping: Mutex<()>,
    stealers: Box<[Stealer<T>]>,
    /// How many of them have ever been used.
    used: AtomicUsize,
}

impl<T> Lanes<T> {
    /// Makes the queues for so many slots, and hands out the slots' own.
    pub(crate) fn new(slots: usize) -> (Self, Vec<LocalQueue<T>>) {
        let lanes: Vec<_> = (0..slots)
            .map(|index| {
                let tasks = deque::Worker::new_fifo();
                LocalQueue {
                    index,
                    thief: tasks.stealer(),
                    tasks,
                    turn: Cell::new(TASKS_A_TURN),
                    batches: Cell::new(BATCHES_A_TURN),
                }
            })
            .collect();
        // What all deques of the process share is set up by the first theft, under a lock. Here it is over
        // before there are threads that may be at it while another one forks.
        if let Some(first) = lanes.first() {
            insist(|| first.tasks.stealer().steal());
        }
        let all = Self {
            injector: Padded(Injector::new()),
            swept: [Padded(Injector::new()), Padded(Injector::new())],
            older: AtomicUsize::new(0),
            sweeping: Mutex::new(()),
            stealers: lanes
                .iter()
                .map(|local_queue| local_queue.tasks.stealer())
                .collect(),
            used: AtomicUsize::new(0),
        };
        (all, lanes)
    }

    /// Lets the first so many local queues be used from now on; those before stay in use.
    pub(crate) fn use_lanes(&self, lanes: usize) {
        // ORDERING: Relaxed. A local queue is given out after this, so whoever is to see what was pushed to
        // it, by fences on both sides, sees this.
        self.used.fetch_max(lanes, Ordering::Relaxed);
    }

    fn used(&self) -> &[Stealer<T>] {
        &self.stealers[..self.used.load(Ordering::Relaxed)]
    }

    #[inline]
    pub(crate) fn inject(&self, task: T) {
        self.injector.push(task);
    }

    /// Takes the next task after [`LocalQueue::pop`] gave none: because it is the injector's turn,
    /// or because the local queue is empty.
    pub(crate) fn take_near(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        if local_queue.turn.get() > 0 {
            let stolen = self.take_stolen_in_turn(local_queue);
            return stolen.or_else(|| self.take_injected(local_queue));
        }
        local_queue.turn.set(TASKS_A_TURN);
        self.take_oldest().or_else(|| local_queue.tasks.pop())
    }

    /// Takes a task from elsewhere than the local queue: from another slot if that has its turn, or from the
    /// injector.
    pub(crate) fn take_outsider(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        local_queue.turn.set(TASKS_A_TURN);
        let stolen = self.take_stolen_in_turn(local_queue);
        stolen.or_else(|| self.take_oldest())
    }

    /// Takes tasks from another slot each so-many-th time.
    fn take_stolen_in_turn(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        let left = local_queue.batches.get().checked_sub(1);
        local_queue.batches.set(left.unwrap_or(BATCHES_A_TURN));
        match left {
            Some(_) => None,
            None => self.take_stolen(local_queue, false),
        }
    }

    /// Takes the task that has been in the injector longest.
    pub(crate) fn take_oldest(&self) -> Option<T> {
        self.injectors().find_map(|from| insist(|| from.steal()))
    }

    /// Counts the tasks in the injector.
    pub(crate) fn injected(&self) -> usize {
        self.injectors().map(Injector::len).sum()
    }

    /// All parts of the injector, the older first.
    fn injectors(&self) -> impl Iterator<Item = &Injector<T>> {
        let older = self.older.load(Ordering::Relaxed);
        let swept = [&*self.swept[older], &*self.swept[1 - older]];
        let swept = swept.into_iter().filter(|swept| !swept.is_empty());
        swept.chain([&*self.injector])
    }

    /// Drops the tombstones in the injector, and says how many. The rest keeps its order, but that a
    /// thread which looks meanwhile may find a task before the one that is just being moved.
    pub(crate) fn sweep_injected(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        let Ok(_alone) = self.sweeping.try_lock() else {
            return 0;
        };
        // From here on the empty one is the older: what is moved to it was first in the other.
        let full = self.older.load(Ordering::Relaxed);
        let empty = 1 - full;
        self.older.store(empty, Ordering::Relaxed);
        let mut tombstones = 0;
        for from in [&self.swept[full], &self.injector] {
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

    /// Drops the tombstones in all local queues, and says how many. The rest is stolen, and goes to the injector.
    pub(crate) fn sweep_lanes(&self, is_tombstone: impl Fn(&T) -> bool) -> usize {
        let mut tombstones = 0;
        for local_queue in self.used() {
            for _ in 0..local_queue.len() {
                match insist(|| local_queue.steal()) {
                    Some(task) if is_tombstone(&task) => tombstones += 1,
                    Some(task) => self.inject(task),
                    None => break,
                }
            }
        }
        tombstones
    }

    /// Takes a task from the injector, and some more into `local_queue`, which is empty.
    ///
    /// The injector's next turn comes after those: what came from outside keeps its order.
    fn take_injected(&self, local_queue: &LocalQueue<T>) -> Option<T> {
        local_queue.turn.set(TASKS_A_TURN);
        let batch = &local_queue.tasks;
        self.injectors()
            .find_map(|from| insist(|| from.steal_batch_with_limit_and_pop(batch, BATCH)))
    }

    /// Takes a task from the injector or from another slot, and some more into `local_queue`.
    ///
    /// With `leave_last` it leaves another slot's only task alone, as its holder is
    /// most likely about to run it.
    pub(crate) fn take_far(&self, local_queue: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        self.take_injected(local_queue)
            .or_else(|| self.take_stolen(local_queue, leave_last))
    }

    fn take_stolen(&self, local_queue: &LocalQueue<T>, leave_last: bool) -> Option<T> {
        let (before, from) = self.used().split_at(local_queue.index);
        from.iter()
            .skip(1)
            .chain(before)
            .filter(|victim| !leave_last || victim.len() > 1)
            .find_map(|victim| insist(|| victim.steal_batch_and_pop(&local_queue.tasks)))
    }

    /// Takes one task from anywhere, for someone who has no local queue.
    pub(crate) fn take_any(&self) -> Option<T> {
        self.take_oldest().or_else(|| {
            self.used()
                .iter()
                .find_map(|local_queue| insist(|| local_queue.steal()))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.injectors().all(Injector::is_empty) && self.used().iter().all(Stealer::is_empty)
    }
}

/// Repeats a theft until it is decided.
fn insist<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// Queues with the face of crossbeam-deque, no stronger than the list above says.
///
/// Emptiness is a word of its own, read without the lock, so that a look does not
/// order more than it would outside the model.
#[cfg(workmill_loom)]
mod deque {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use crate::primitive::{AtomicUsize, Mutex, Ordering};

    pub(super) enum Steal<T> {
        Success(T),
        Empty,
        #[expect(dead_code, reason = "the real queues say it")]
        Retry,
    }

    pub(super) struct Injector<T> {
        len: AtomicUsize,
        tasks: Mutex<VecDeque<T>>,
    }

    impl<T> Injector<T> {
        pub(super) fn new() -> Self {
            Self {
                len: AtomicUsize::new(0),
                tasks: Mutex::new(VecDeque::new()),
            }
        }

        pub(super) fn push(&self, task: T) {
            let mut tasks = self.tasks.lock().unwrap();
            tasks.push_back(task);
            self.len.store(tasks.len(), Ordering::Release);
        }

        pub(super) fn steal(&self) -> Steal<T> {
            if self.is_empty() {
                return Steal::Empty;
            }
            let mut tasks = self.tasks.lock().unwrap();
            let task = tasks.pop_front();
            self.len.store(tasks.len(), Ordering::Release);
            task.map_or(Steal::Empty, Steal::Success)
        }

        /// Takes two; the second is in no queue until it is in `local_queue`.
        pub(super) fn steal_batch_with_limit_and_pop(
            &self,
            local_queue: &Worker<T>,
            _: usize,
        ) -> Steal<T> {
            let first = self.steal();
            if matches!(first, Steal::Success(_)) {
                if let Steal::Success(second) = self.steal() {
                    local_queue.push(second);
                }
            }
            first
        }

        pub(super) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(super) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }
    }

    pub(super) struct Worker<T>(Arc<Injector<T>>);
    pub(super) struct Stealer<T>(Arc<Injector<T>>);

    impl<T> Worker<T> {
        pub(super) fn new_fifo() -> Self {
            Self(Arc::new(Injector::new()))
        }

        pub(super) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.0))
        }

        pub(super) fn push(&self, task: T) {
            self.0.push(task);
        }

        pub(super) fn pop(&self) -> Option<T> {
            super::insist(|| self.0.steal())
        }

        pub(super) fn len(&self) -> usize {
            self.0.len()
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl<T> Stealer<T> {
        pub(super) fn steal(&self) -> Steal<T> {
            self.0.steal()
        }

        pub(super) fn steal_batch_and_pop(&self, local_queue: &Worker<T>) -> Steal<T> {
            self.0.steal_batch_with_limit_and_pop(local_queue, 2)
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.len()
        }
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_keeps_its_order_with_and_without_children() {
        for children in [0, 1, 3] {
            let (lanes, own) = Lanes::new(1);
            lanes.use_lanes(1);
            (0..2000).for_each(|task| lanes.inject(task));
            let mut found = Vec::new();
            while found.len() < 2000 {
                let task = own[0].pop().or_else(|| lanes.take_near(&own[0]));
                if let Some(task) = task.filter(|task| *task < 2000) {
                    found.push(task);
                    (0..children).for_each(|child| own[0].push(3000 + child));
                }
            }
            assert!(found.iter().copied().eq(0..2000), "{found:?}");
        }
    }

    #[test]
    fn a_lane_whose_holder_is_busy_is_visited_though_the_injector_never_runs_dry() {
        let (lanes, own) = Lanes::new(2);
        lanes.use_lanes(2);
        (0..4).for_each(|task| lanes.inject(task));
        let taken = lanes.take_near(&own[0]);
        assert_eq!(taken, Some(0));
        assert!(!own[0].is_empty(), "the others came with it");
        let mut looks = 0;
        while !own[0].is_empty() {
            looks += 1;
            assert!(looks < 10_000, "nobody visits");
            (0..40).for_each(|_| lanes.inject(1000));
            let _ = own[1].pop().or_else(|| lanes.take_near(&own[1]));
        }
    }

    #[test]
    fn sweeping_again_and_again_keeps_the_order_of_what_is_left() {
        let (lanes, own) = Lanes::new(1);
        lanes.use_lanes(1);
        let tombstones = Cell::new(0);
        let is_tombstone = |task: &i32| task % 4 == tombstones.get();
        let mut expected = Vec::new();
        for round in 0..4 {
            (0..400).for_each(|task| lanes.inject(round * 400 + task));
            expected.extend(round * 400..round * 400 + 400);
            // Some have been taken meanwhile, one by one and in batches.
            let mut taken: Vec<_> = (0..10).filter_map(|_| lanes.take_oldest()).collect();
            taken.extend(lanes.take_near(&own[0]));
            taken.extend(std::iter::from_fn(|| own[0].tasks.pop()));
            assert_eq!(taken, expected.drain(..taken.len()).collect::<Vec<_>>());
            tombstones.set(round);
            let before = expected.len();
            expected.retain(|task| !is_tombstone(task));
            assert_eq!(lanes.sweep_injected(is_tombstone), before - expected.len());
            assert_eq!(lanes.injected(), expected.len());
        }
        let left: Vec<_> = std::iter::from_fn(|| lanes.take_oldest()).collect();
        assert_eq!(left, expected);
        (0..100).for_each(|task| own[0].push(task));
        tombstones.set(1);
        assert_eq!(own[0].sweep(is_tombstone), 25);
        let left: Vec<_> = std::iter::from_fn(|| own[0].tasks.pop()).collect();
        assert!(left.into_iter().eq((0..100).filter(|task| task % 4 != 1)));
    }
}
