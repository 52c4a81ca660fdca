//! When futures that gave way run again, after what was there before them.
//!
//! While every slot is taken up with work, no thread could take such a future off this thread's
//! hands. So it stays in a queue of the thread's own, which costs neither fence nor exchange. The
//! yield queue and the local queue take turns: first all that was in the local queue when the first
//! future came to the yield queue, then all that is in the yield queue, and so on. So whatever
//! comes to the end of either runs after what was there before, and neither keeps the other
//! waiting. Now and then the thread looks at what came from outside, and at what other threads
//! have, as it does with its local queue alone.
//!
//! The yield queue is flushed to the local queue, where it can be stolen, when any worker is idle,
//! before a new task begins, and before this thread blocks. So a future in the yield queue may
//! wait, though another thread has nothing to do by now, for as long as one poll of another future
//! takes.

use super::here::{Local, PoolTask};
use crate::pool::queue::local::LocalQueue;
use crate::task::Task;

impl Local {
    /// Keeps a future that gave way, unless another thread could take it from this one.
    pub(super) fn put_behind(&self, task: PoolTask) {
        let is_first = self.yielded.is_empty();
        let all_busy = || self.shared.slots.idle.are_all_busy();
        if !self.has_slot() || is_first && (!all_busy() || self.borrows()) {
            return self.push_begun(task);
        }
        if is_first {
            self.let_local_go_first();
        }
        match task.narrow() {
            Ok(task) => self.yielded.push(task),
            Err(task) => return self.push_begun(task),
        }
        self.yielded.mark_used();
    }

    /// Puts all that is in the local queue by now before the next future.
    fn let_local_go_first(&self) {
        let len = |own: Option<&LocalQueue<_>>| own.map_or(0, LocalQueue::len);
        self.yielded.set_local_first(self.held.with_queue(len));
    }

    /// Returns `true` if there may be futures that gave way.
    #[inline]
    pub(in crate::pool) fn has_yielded(&self) -> bool {
        self.yielded.is_used()
    }

    /// Runs the futures that gave way, for as long as it is their turn.
    #[inline]
    pub(in crate::pool) fn run_yielded(&self) {
        if self.has_yielded() {
            loop {
                match self.begin_turn() {
                    0 => return,
                    polls => self.run_turn(polls),
                }
            }
        }
    }

    /// Returns the number of futures that may run before this thread looks again whose turn it is.
    #[inline(always)]
    fn begin_turn(&self) -> usize {
        let yielded = &self.yielded;
        yielded.refresh_used();
        if yielded.local_first() > 0 || !self.keeps_yielded() {
            return 0;
        }
        let turn = |own: Option<&LocalQueue<_>>| own.map_or(0, |own| own.spend(yielded.in_turn()));
        self.held.with_queue(turn)
    }

    /// Returns `true` if no thread could take what is in the yield queue, and no flag is set.
    #[inline]
    fn keeps_yielded(&self) -> bool {
        self.shared.slots.idle.are_all_busy() && self.no_flags()
    }

    /// Runs `polls` futures, or fewer.
    fn run_turn(&self, polls: usize) {
        for _ in 0..polls {
            if !self.keeps_yielded() {
                break;
            }
            // None is left if a poll has flushed the yield queue.
            let Some(next) = self.yielded.pop() else {
                break;
            };
            match next.run_once(self) {
                Err(task) if self.has_slot() => self.yielded.push(task),
                Err(task) => self.outside(|| self.push_begun(task.widen())),
                Ok(ran) => self.count_if_ended(ran),
            }
        }
        if self.yielded.is_turn_over() {
            self.let_local_go_first();
        }
        // A poll may have emptied the yield queue, before it gave way itself.
        self.yielded.mark_used();
    }

    /// Takes the next task of the local queue, or of the yield queue, which may have some.
    pub(in crate::pool) fn pop_beside_yielded(&self) -> Option<PoolTask> {
        if !self.shared.slots.idle.are_all_busy() {
            self.outside(|| self.publish_yielded());
            return self.pop();
        }
        let left = self.yielded.local_first();
        if left == 0 {
            return match self.outside(|| self.find_elsewhere()) {
                Some(task) => Some(self.before(task)),
                None => self.first_yielded(),
            };
        }
        if let Some(task) = self.pop() {
            self.yielded.set_local_first(left - 1);
            return Some(self.before(task));
        }
        // The local queue is empty, or it is the turn of what came from outside.
        if let Some(task) = self.outside(|| self.find_near()) {
            return Some(self.before(task));
        }
        self.yielded.set_local_first(0);
        self.first_yielded()
    }

    /// Takes a future from the yield queue when there is nothing else.
    fn first_yielded(&self) -> Option<PoolTask> {
        if self.yielded.in_turn() <= 1 {
            self.let_local_go_first();
        }
        self.yielded.pop().map(Task::widen)
    }

    /// Flushes the yield queue if this task is to begin.
    fn before(&self, task: PoolTask) -> PoolTask {
        if task.look().is_none_or(|look| look.waits) {
            self.outside(|| self.publish_yielded());
        }
        task
    }

    /// Flushes the yield queue to where what has begun [belongs](Self::for_begun).
    pub(super) fn publish_yielded(&self) {
        self.yielded.mark_unused();
        if self.yielded.is_empty() {
            return;
        }
        // No user code is called until it is done.
        self.held.with_queue(|own| {
            let own = self.for_begun(own);
            let push = |task: Task<Self, _>| self.shared.queue.push_begun(task.widen(), own);
            self.yielded.drain(push);
        });
        self.shared.task_pushed();
    }

    /// Forgets the yield queue in a forked child, where nothing is run or dropped any more.
    pub(super) fn forget_yielded(&self) {
        self.yielded.drain(std::mem::forget);
    }
}
