//! Futures that gave way, and go on after others.
//!
//! While every slot is taken up with work, nobody could take such a future off this thread's hands. So it
//! stays in a line of the thread's own, which costs neither fence nor exchange. Line and local queue have their
//! turns: first all that was in the local queue when the line's first came there, then all that is in the line,
//! and so on. So whatever comes to the end of either runs after what was there before, and neither
//! keeps the other waiting. Now and then the thread looks at what came from outside, and at what other
//! threads have, as it does with its local queue alone.
//!
//! The line goes to the local queue, where others find it, as soon as anyone could take from it, before anything
//! is begun, and before the thread waits. So a future in the line may wait, though another thread has
//! nothing to do by now, for as long as one poll takes of another future.

use std::cell::{Cell, RefCell};

use super::{Local, PoolTask};
use crate::pool::lanes::LocalQueue;
use crate::task::{Task, Word};

/// For so many there is memory left when the line was emptied.
const SPARE: usize = 1024;

/// One that gave way, in half of what other tasks take: the line goes through the processor's first cache
/// once a round, beside the futures.
type Gave = Task<Local, Word>;

/// The line, and whose turn it is.
#[derive(Default)]
pub(super) struct Yielded {
    futures: RefCell<YieldQueue>,
    /// Whether there may be anyone in it. A flag, since each thread asks after each task.
    is_used: Cell<bool>,
    /// How many of the local queue go before the next of the line.
    queue_left: Cell<usize>,
}

/// Those that have a turn before the local queue has one, and those that gave way since.
#[derive(Default)]
struct YieldQueue {
    /// In reverse, to be popped from the end.
    now: Vec<Gave>,
    then: Vec<Gave>,
}

impl YieldQueue {
    fn is_empty(&self) -> bool {
        self.now.is_empty() && self.then.is_empty()
    }

    /// How many have a turn now: none only if the line is empty.
    fn in_turn(&mut self) -> usize {
        if self.now.is_empty() {
            std::mem::swap(&mut self.now, &mut self.then);
            self.now.reverse();
        }
        self.now.len()
    }

    /// All of it, in order.
    fn drain(&mut self) -> impl Iterator<Item = Gave> {
        self.now.drain(..).rev().chain(self.then.drain(..))
    }
}

impl Local {
    /// Takes a future that gave way, unless anyone could take it from this thread.
    pub(super) fn put_behind(&self, task: PoolTask) {
        let is_first = self.yielded.futures.borrow().is_empty();
        if !self.has_slot() || is_first && !self.shared.slots.are_all_busy() {
            return self.shared.push(task);
        }
        if is_first {
            self.let_queue_in();
        }
        match task.narrow() {
            Ok(task) => self.yielded.futures.borrow_mut().then.push(task),
            Err(task) => return self.shared.push(task),
        }
        self.yielded.is_used.set(true);
    }

    /// Lets all that is in the local queue by now go before the next of the line.
    fn let_queue_in(&self) {
        let local_queue = self.local_queue.borrow();
        self.yielded
            .queue_left
            .set(local_queue.as_ref().map_or(0, LocalQueue::len));
    }

    /// Runs what is in the line, for as long as it is its turn.
    #[inline]
    pub(in crate::pool) fn run_yielded(&self) {
        if self.yielded.is_used.get() {
            loop {
                match self.begin_turn() {
                    0 => return,
                    polls => self.run_turn(polls),
                }
            }
        }
    }

    /// How many of the line may run before this thread looks again whose turn it is.
    fn begin_turn(&self) -> usize {
        let Yielded {
            futures,
            is_used,
            queue_left,
        } = &self.yielded;
        is_used.set(!futures.borrow().is_empty());
        if queue_left.get() > 0 || !self.keeps_yielded() {
            return 0;
        }
        let local_queue = self.local_queue.borrow();
        let turns =
            |local_queue: &LocalQueue<_>| local_queue.count_turns(futures.borrow_mut().in_turn());
        local_queue.as_ref().map_or(0, turns)
    }

    /// Tells whether nobody could take what is in the line, and nobody has anything to say to this thread.
    #[inline]
    fn keeps_yielded(&self) -> bool {
        self.shared.slots.are_all_busy() && self.is_calm()
    }

    /// Runs so many of the line, or less.
    fn run_turn(&self, polls: usize) {
        let Yielded {
            futures, is_used, ..
        } = &self.yielded;
        for _ in 0..polls {
            if !self.keeps_yielded() {
                break;
            }
            // None is left if a poll has had the line go to the local queue.
            let Some(next) = futures.borrow_mut().now.pop() else {
                break;
            };
            match next.run_once(self) {
                Err(task) if self.has_slot() => futures.borrow_mut().then.push(task),
                Err(task) => self.outside(|| self.shared.push(task.widen())),
                Ok(ran) => self.count_if_ended(ran),
            }
        }
        if futures.borrow().now.is_empty() {
            self.let_queue_in();
        }
        // A poll may have emptied the line, before it gave way itself.
        is_used.set(true);
    }

    /// Takes the next task of the own local queue, or of the line.
    #[inline]
    pub(in crate::pool) fn pop(&self) -> Option<PoolTask> {
        match self.yielded.is_used.get() {
            true => self.pop_beside_yielded(),
            false => self.pop_local(),
        }
    }

    fn pop_beside_yielded(&self) -> Option<PoolTask> {
        if !self.shared.slots.are_all_busy() {
            self.outside(|| self.publish_yielded());
            return self.pop_local();
        }
        let left = self.yielded.queue_left.get();
        if left == 0 {
            return match self.outside(|| self.find_outsider()) {
                Some(task) => Some(self.before(task)),
                None => self.first_yielded(),
            };
        }
        if let Some(task) = self.pop_local() {
            self.yielded.queue_left.set(left - 1);
            return Some(self.before(task));
        }
        // It is empty, or not its turn but that of what came from outside.
        if let Some(task) = self.outside(|| self.find_near()) {
            return Some(self.before(task));
        }
        self.yielded.queue_left.set(0);
        self.first_yielded()
    }

    /// Takes one from the line when there is nothing else.
    fn first_yielded(&self) -> Option<PoolTask> {
        let mut futures = self.yielded.futures.borrow_mut();
        if futures.in_turn() <= 1 {
            self.let_queue_in();
        }
        futures.now.pop().map(Task::widen)
    }

    /// Has the line go to the local queue if this task is to begin.
    fn before(&self, task: PoolTask) -> PoolTask {
        if task.look().is_none_or(|look| look.waits) {
            self.outside(|| self.publish_yielded());
        }
        task
    }

    /// Has the line go to the local queue.
    pub(super) fn publish_yielded(&self) {
        self.yielded.is_used.set(false);
        if self.yielded.futures.borrow().is_empty() {
            return;
        }
        // Nothing of the user's is called until it is done.
        let mut futures = self.yielded.futures.borrow_mut();
        let local_queue = self.local_queue.borrow();
        for task in futures.drain() {
            self.shared.queue.push(task.widen(), local_queue.as_ref());
        }
        // Its memory was for as many as have ever been there at a time.
        futures.now.shrink_to(SPARE);
        futures.then.shrink_to(SPARE);
        drop((futures, local_queue));
        self.shared.task_pushed();
    }

    /// Lets go of the line in a forked child, where nothing is run or dropped any more.
    pub(super) fn forget_yielded(&self) {
        let mut futures = self.yielded.futures.take();
        futures.drain().for_each(std::mem::forget);
    }
}
