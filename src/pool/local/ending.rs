//! How a pool is closed and stopped.

use std::sync::Arc;

use super::bare::{TakenTask, count_cancelled};
use super::here::{Local, Pool, PoolTask, TaskGroup};
use super::roll::cancel;
use crate::error::CancelReason;
use crate::pool::meter::Event;
use crate::pool::shared::Phase;
use crate::task::cell::{Cancelled, TaskRef};
use crate::unwind;

impl Pool {
    /// Refuses outsiders from now on, cancels what is not due, and lets what was accepted run to
    /// its end.
    pub(crate) fn close(self: &Arc<Self>) {
        self.enter(Phase::Closing);
    }

    /// Enters a phase, and returns the phase before.
    fn enter(self: &Arc<Self>, phase: Phase) -> Phase {
        // Postponed closures are dropped as in a task, for which the pool's end waits. If that task
        // is refused, the thread that closed the pool before drops the closures.
        let tally = &self.queue.tally;
        let is_first = tally.accept_aside(|| self.accept()).is_ok();
        let before = self.refuse(phase);
        if phase == Phase::Stopping && before != Phase::Stopping {
            // First, since the drop of a capture may wait for a task that waits for the token. The
            // callbacks are called as in a task, for which the pool's end waits.
            if let Some(token) = self.asked_token() {
                match is_first {
                    true => Local::visit(self, || token.cancel()),
                    // The pool may end meanwhile, and then has no threads for a task.
                    false => Local::in_the_way(self.link, || token.cancel()),
                }
            }
        }
        if self.is_forked() {
            // A callback has forked.
            return before;
        }
        if is_first {
            Local::visit(self, || self.postponed.close());
            tally.finish_aside();
        }
        if self.is_forked() {
            // A drop has forked.
            return before;
        }
        // Last: a waker that is called may wait for the pool's end.
        if let Some(observer) = &self.observer {
            observer.closed();
        }
        self.check_quiescence();
        before
    }

    /// Closes the pool and cancels what has not begun. Returns the number of tasks that it
    /// cancelled.
    pub(crate) fn stop(self: &Arc<Self>) -> usize {
        if self.enter(Phase::Stopping) == Phase::Stopping {
            // A thread is at it already, maybe further down on this very stack.
            return 0;
        }
        if !self.is_forked() {
            self.give_all();
        }
        Local::visit(self, || self.cancel_all());
        self.check_quiescence();
        self.incidents.stopped.get()
    }

    fn cancel_all(self: &Arc<Self>) {
        let cancel = |task, group: Option<Arc<TaskGroup>>| {
            self.cancel_at_the_end(task);
            count_cancelled(self.link, group, CancelReason::Shutdown);
            self.queue.task_done(None);
        };
        let (mut futures, mut closures) = (Vec::new(), Vec::new());
        // A drop may fork; in the child nothing more is taken or dropped.
        let groups = self.groups.all().into_iter();
        let waiting: Vec<_> = groups.flat_map(|group| self.drain(&group)).collect();
        let mut waiting = waiting.into_iter();
        let mut next = || match self.is_forked() {
            true => None,
            false => {
                let taken = waiting.next().map(|taken| (taken.task.task, taken.bare));
                taken.or_else(|| Some((self.queue.find_any()?, None)))
            }
        };
        while let Some((task, group)) = next() {
            if task.look().is_some_and(|look| look.is_future) {
                self.request_cancel_at_the_end(&task);
                futures.push(task);
            } else if futures.is_empty() {
                cancel(task, group);
            } else {
                // Its drop may wait for one of the futures, which are in no queue.
                closures.push((task, group));
            }
        }
        if self.is_forked() {
            // The tasks that were taken out of the groups belong to the parent.
            std::mem::forget(waiting);
        }
        // A worker drops them, and those that nobody has woken.
        futures.into_iter().for_each(|task| self.push_back(task));
        for (task, group) in closures {
            match self.is_forked() {
                true => std::mem::forget(task),
                false => cancel(task, group),
            }
        }
        if self.is_forked() {
            return;
        }
        for future in self.spawned.all() {
            if future.cancel(CancelReason::Shutdown) == Cancelled::Soon {
                self.incidents.stopped.add_one();
            }
        }
    }

    /// A task waits in a group now: the pool may have looked before.
    pub(super) fn look_whether_it_stops(self: &Arc<Self>, group: &TaskGroup) {
        if self.is_stopping() {
            let outermost = group.path().last();
            outermost
                .into_iter()
                .for_each(|group| self.cancel_waiting(group));
        }
    }

    /// Cancels what waits in a group, since the pool is stopping.
    fn cancel_waiting(self: &Arc<Self>, group: &TaskGroup) {
        for taken in self.drain(group) {
            let (task, bare) = (taken.task.task, taken.bare);
            if self.is_forked() {
                std::mem::forget(task);
                continue;
            }
            if task.look().is_some_and(|look| look.is_future) {
                self.request_cancel_at_the_end(&task);
                self.push_back(task);
            } else {
                Local::visit(self, || self.cancel_at_the_end(task));
                count_cancelled(self.link, bare, CancelReason::Shutdown);
                self.queue.task_done(None);
            }
        }
        self.check_quiescence();
    }

    /// Cancels the tasks of a group that have not begun, and its futures. Returns the number of
    /// tasks that it cancelled.
    pub(crate) fn stop_group(self: &Arc<Self>, group: &TaskGroup) -> usize {
        let stopped = group.stop(|task| task.task_ref());
        let cancel_all = |tasks: Vec<TaskRef>| {
            let tasks = tasks.into_iter();
            let cancelled = tasks.filter(|it| cancel(it, CancelReason::Shutdown, self.link));
            cancelled.count()
        };
        let mut cancelled = cancel_all(stopped.waiting);
        for (tasks, have_calls) in [(stopped.bare, false), (stopped.ready, true)] {
            for task in tasks {
                if self.is_forked() {
                    // The drop of another has forked.
                    std::mem::forget(task);
                    continue;
                }
                cancelled += 1;
                Self::cancel_bare(self.link, task, have_calls);
            }
        }
        cancelled + cancel_all(stopped.others)
    }

    /// Takes what waits in a group.
    fn drain(&self, group: &TaskGroup) -> Vec<TakenTask> {
        let drained = group.drain();
        drained.lenders.into_iter().for_each(unwind::wake);
        drained.tasks
    }

    /// Makes a group of this pool's tasks.
    pub(crate) fn new_group(&self, limit: usize) -> Arc<TaskGroup> {
        let group = TaskGroup::new(limit);
        self.groups.add(&group);
        group
    }

    /// Makes a group within another of this pool's.
    pub(crate) fn new_group_within(&self, outer: &Arc<TaskGroup>, limit: usize) -> Arc<TaskGroup> {
        let group = outer.within(limit);
        self.groups.add(&group);
        group
    }

    /// Cancels a task because the pool is stopping.
    pub(super) fn cancel_at_the_end(&self, task: PoolTask) {
        // A drop must not wait for the group of the task.
        match Local::in_the_way(self.link, || task.cancel(CancelReason::Shutdown)) {
            Ok(()) => {
                self.incidents.stopped.add_one();
                self.count(Event::Cancelled(CancelReason::Shutdown));
            }
            Err(gone) => self.count_gone(gone),
        }
    }

    /// Requests the cancel of a future, which is to be run once more, because the pool is stopping.
    pub(super) fn request_cancel_at_the_end(&self, future: &PoolTask) {
        if future.request_cancel(CancelReason::Shutdown) {
            self.incidents.stopped.add_one();
        }
    }
}
