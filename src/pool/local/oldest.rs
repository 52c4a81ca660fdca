//! How the task that has waited longest is dropped in favour of a new one.

use std::sync::Arc;

use super::bare::{TakenTask, count_cancelled};
use super::here::{Local, Pool, PoolTask, TaskGroup};
use crate::error::CancelReason;
use crate::pool::meter::Event;

/// The task that makes room for another.
enum Oldest {
    /// A closure, or the tombstone of a closure that was cancelled just now.
    Closure(PoolTask),
    /// A future whose cancel was requested.
    Future,
}

impl Pool {
    /// Cancels the task of a group that has waited longest for a permit. Returns `false` if there
    /// is none.
    pub(crate) fn drop_oldest_of(self: &Arc<Self>, group: &TaskGroup) -> bool {
        self.drop_waiting(|| group.take_oldest())
    }

    /// Cancels the task that `take` takes out of the queue of a group. Returns `false` if it takes
    /// none.
    fn drop_waiting(self: &Arc<Self>, take: impl Fn() -> Option<TakenTask>) -> bool {
        while !self.is_forked() {
            let Some(TakenTask { task, bare }) = take() else {
                return false;
            };
            let task = task.task;
            let mut was_waiting = false;
            if task.look().is_some_and(|look| look.is_future) {
                was_waiting = task.request_cancel(CancelReason::Rejected);
                self.push_back(task);
            } else {
                Local::visit(self, || was_waiting = self.drop_in_favour(task));
                count_cancelled(self.link, bare, CancelReason::Rejected);
                self.queue.task_done(None);
                self.check_quiescence();
            }
            if was_waiting {
                self.incidents.rejected.add_one();
                return true;
            }
        }
        false
    }

    /// Cancels the task that has waited longest among the tasks from outside that have not begun,
    /// or else one that waits in a group. Returns `false` if there is none.
    pub(crate) fn drop_oldest(self: &Arc<Self>) -> bool {
        // User code is called in here, and may fork.
        while !self.is_forked() {
            let mut futures = Vec::new();
            let oldest = self.find_first_to_drop(&mut futures);
            // They were in no queue for a moment, and are back when user code is called, which may
            // wait for one of them. If the cancel of one was requested, a worker drops it.
            futures.into_iter().for_each(|task| self.push_back(task));
            let was_waiting = match oldest {
                None => return self.drop_oldest_of_all_groups(),
                Some(Oldest::Future) => true,
                Some(Oldest::Closure(task)) => {
                    let mut was_waiting = false;
                    Local::visit(self, || was_waiting = self.drop_in_favour(task));
                    self.queue.task_done(None);
                    self.check_quiescence();
                    was_waiting
                }
            };
            if was_waiting {
                self.incidents.rejected.add_one();
                return true;
            }
            self.link.tombstone_met();
        }
        false
    }

    fn drop_oldest_of_all_groups(self: &Arc<Self>) -> bool {
        // In a child process the lock of the list may be held forever.
        let groups = match self.is_forked() {
            true => Vec::new(),
            false => self.groups.all(),
        };
        self.drop_waiting(|| groups.iter().find_map(|group| group.take_oldest_within()))
    }

    /// Cancels a task in favour of another. Returns `false` if it had gone.
    fn drop_in_favour(&self, task: PoolTask) -> bool {
        // A drop must not wait for the group of the task.
        let cancelled = Local::in_the_way(self.link, || task.cancel(CancelReason::Rejected));
        match cancelled {
            Ok(()) => self.count(Event::Cancelled(CancelReason::Rejected)),
            Err(gone) => self.count_gone(gone),
        }
        cancelled.is_ok()
    }

    /// Finds the task from outside that has waited longest, except tombstones, and futures that
    /// have begun, which go to `futures`.
    fn find_first_to_drop(&self, futures: &mut Vec<PoolTask>) -> Option<Oldest> {
        while let Some(oldest) = self.queue.find_oldest() {
            let Some(look) = oldest.look() else {
                self.drop_gone(oldest);
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
            let requested = look.waits && oldest.request_cancel(CancelReason::Rejected);
            futures.push(oldest);
            if requested {
                return Some(Oldest::Future);
            }
        }
        None
    }
}
