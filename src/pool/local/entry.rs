//! What a pool does for the thread that asks, which may be inside.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::{HOME, IN_THE_WAY, Local, Pool, PoolTask};
use crate::error::CancelReason;
use crate::pool::link::PoolLink;
use crate::pool::shared::Phase;
use crate::pool::tally::Closed;
use crate::task::Ran;
use crate::task::cell::Cancelled;
use crate::unwind::{self, OnDrop, Payload};

/// What makes room for another task.
enum Oldest {
    /// A closure, or the tombstone of one that was cancelled just now.
    Closure(PoolTask),
    /// A future, which is cancelled by now.
    CancelRequest,
}

impl Pool {
    /// Counts a task that will be pushed by this thread.
    #[inline(always)]
    pub(crate) fn accept(&self) -> Result<(), Closed> {
        match self.part_of_this_thread() {
            Some(_) if self.is_stopping() => Err(Closed),
            Some(local) => {
                self.queue
                    .accept_inside(local.local_queue.borrow().as_ref());
                Ok(())
            }
            None => self.accept_outside(),
        }
    }

    /// Pushes a task that this thread has counted.
    #[inline(always)]
    pub(crate) fn push(self: &Arc<Self>, task: PoolTask) {
        match self.part_of_this_thread() {
            Some(local) => self.queue.push(task, local.local_queue.borrow().as_ref()),
            None => self.queue.push(task, None),
        }
        self.task_pushed();
    }

    /// Pushes a task that was taken; not in a child process, where a queue may be left in the middle of a
    /// change for ever.
    fn push_back(self: &Arc<Self>, task: PoolTask) {
        match self.is_forked() {
            true => std::mem::forget(task),
            false => self.push(task),
        }
    }

    /// Runs a task that was counted on this thread, as one of the pool's.
    pub(crate) fn run_on_caller(self: &Arc<Self>, task: PoolTask) {
        let (mut task, mut ran) = (Some(task), None);
        Local::visit(self, || {
            ran = Local::with(|local| Some(local?.run_or_cancel(&mut task)));
        });
        match ran {
            Some(Ran::GoesOn) => {}
            Some(Ran::Yields) => task.into_iter().for_each(|task| self.push_back(task)),
            _ => self.queue.task_done(None),
        }
        self.check_quiescence();
    }

    /// Cancels the task that has waited longest among those from outside, and has not begun; `false` if
    /// there is none.
    pub(crate) fn drop_oldest(self: &Arc<Self>) -> bool {
        // User code is called in here, and may fork.
        while !self.is_forked() {
            let mut futures = Vec::new();
            let oldest = self.find_first_to_drop(&mut futures);
            // They were in no queue for a moment; and not when user code is called, which may wait for
            // one. One may have been called off, and is dropped by a thread.
            futures.into_iter().for_each(|task| self.push_back(task));
            let live = match oldest {
                None => return false,
                Some(Oldest::CancelRequest) => true,
                Some(Oldest::Closure(task)) => {
                    let mut live = false;
                    Local::visit(self, || live = task.cancel(CancelReason::Rejected));
                    self.queue.task_done(None);
                    self.check_quiescence();
                    live
                }
            };
            if live {
                self.counts.rejected.one_more();
                return true;
            }
            self.link.tombstone_met();
        }
        false
    }

    /// Finds the task from outside that has waited longest, but for tombstones and for futures that have
    /// begun, which come to `futures`.
    fn find_first_to_drop(&self, futures: &mut Vec<PoolTask>) -> Option<Oldest> {
        while let Some(oldest) = self.queue.find_oldest() {
            let Some(look) = oldest.look() else {
                drop(oldest);
                self.queue.task_done(None);
                self.check_quiescence();
                if self.is_forked() {
                    return None;
                }
                self.link.tombstone_met();
                continue;
            };
            if !look.is_future {
                return Some(Oldest::Closure(oldest));
            }
            let request = look.waits && oldest.request_cancel(CancelReason::Rejected);
            futures.push(oldest);
            if request {
                return Some(Oldest::CancelRequest);
            }
        }
        None
    }

    /// Refuses outsiders from now on, cancels what is not due, and lets what was accepted run to its end.
    pub(crate) fn close(self: &Arc<Self>) {
        self.enter(Phase::Closing);
    }

    /// Enters a phase, and says which it was before.
    fn enter(self: &Arc<Self>, phase: Phase) -> Phase {
        // What is not due is dropped as if by a task, which the pool's end waits for. If this is refused,
        // whoever came first sees to it.
        let is_first = self.accept().is_ok();
        let before = self.refuse(phase);
        if is_first {
            Local::visit(self, || self.scheduled.close());
            self.queue.task_done(None);
        }
        if self.is_forked() {
            // What was dropped has forked.
            return before;
        }
        // Last: a waker that is called may wait for the pool's end.
        if let Some(capacity) = &self.capacity {
            capacity.permits.close();
        }
        self.check_quiescence();
        before
    }

    /// Closes, and cancels what has not begun; says how many.
    pub(crate) fn stop(self: &Arc<Self>) -> usize {
        if self.enter(Phase::Stopping) == Phase::Stopping {
            // Someone is at it already, maybe further down on this very stack.
            return 0;
        }
        Local::visit(self, || {
            let cancel = |task| {
                self.cancel(task);
                self.queue.task_done(None);
            };
            let (mut futures, mut closures) = (Vec::new(), Vec::new());
            // What is dropped may fork; in the child nothing more is taken or dropped.
            let next = || (!self.is_forked()).then(|| self.queue.find_any()).flatten();
            while let Some(task) = next() {
                if task.look().is_some_and(|look| look.is_future) {
                    self.request_cancel(&task);
                    futures.push(task);
                } else if futures.is_empty() {
                    cancel(task);
                } else {
                    // What it drops may wait for one of the futures, which are in no queue.
                    closures.push(task);
                }
            }
            // A thread of the pool drops them, and those that nobody has woken.
            futures.into_iter().for_each(|task| self.push_back(task));
            for task in closures {
                match self.is_forked() {
                    true => std::mem::forget(task),
                    false => cancel(task),
                }
            }
            if self.is_forked() {
                return;
            }
            for future in self.spawned.all() {
                if future.cancel(CancelReason::Shutdown) == Cancelled::Soon {
                    self.counts.stopped.one_more();
                }
            }
        });
        self.check_quiescence();
        self.counts.stopped.get()
    }

    pub(super) fn cancel(&self, task: PoolTask) {
        if task.cancel(CancelReason::Shutdown) {
            self.counts.stopped.one_more();
        }
    }

    /// Cancels a future that is to be run once more.
    pub(super) fn request_cancel(&self, future: &PoolTask) {
        if future.request_cancel(CancelReason::Shutdown) {
            self.counts.stopped.one_more();
        }
    }

    /// Lets go of the tombstones in the queues of a pool, if they are more than half of what came from outside:
    /// for one who has left many, while the threads of the pool have no time for that.
    pub(crate) fn sweep(link: PoolLink) {
        let Some(pool) = Self::of(link) else {
            return;
        };
        let tombstones = link.tombstones();
        if tombstones > pool.queue.waiting_outside() / 2 {
            link.swept();
            pool.queue.sweep_any(tombstones / 2, PoolTask::is_tombstone);
            // What was kept was in no queue for a moment, and a tombstone may have been the last task.
            pool.task_pushed();
            pool.check_quiescence();
        }
    }

    /// Calls `body` as a task of the pool would be, if this thread is inside already.
    pub(crate) fn call_inside<R>(
        self: &Arc<Self>,
        body: impl FnOnce() -> R,
    ) -> Option<Result<R, Payload>> {
        let mut result = None;
        if self.is_here() {
            Local::visit(self, || result = Some(unwind::catch(body)));
        }
        result
    }

    /// Calls `body` on this thread as a task of the pool would be, which counts until it has returned; as
    /// none if the pool takes no more.
    pub(crate) fn call_here<R>(self: &Arc<Self>, body: impl FnOnce() -> R) -> R {
        let is_here = self.is_here();
        if !is_here && self.accept().is_err() {
            return body();
        }
        let _done = OnDrop(|| {
            if !is_here {
                self.queue.task_done(None);
                self.check_quiescence();
            }
        });
        let mut result = None;
        Local::visit(self, || result = Some(body()));
        result.expect("it was called")
    }

    /// Lets this thread see the others off when it ends, if it is one of the pool's.
    pub(crate) fn join_others_from_here(&self) {
        if let Some(local) = self.part_of_this_thread().filter(|local| local.is_worker) {
            local.joins_others.set(true);
        }
    }

    /// Returns `true` if the pool's end would wait for this thread: it is one of the pool's, or a guest, or
    /// [stands in the way](Local::in_the_way).
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        let stands_in_the_way = || {
            let is_listed = |pools: &RefCell<Vec<_>>| pools.borrow().contains(&self.link);
            IN_THE_WAY.try_with(is_listed).unwrap_or(false)
        };
        self.is_here() || HOME.with(Cell::get) == self.id() || stands_in_the_way()
    }

    /// Tells whether this thread is one of the pool's, and its thread-locals live, or a guest.
    pub(crate) fn is_here(&self) -> bool {
        self.part_of_this_thread().is_some()
    }
}
