//! Tasks that a thread runs in place, because it waits for them.

use std::sync::Arc;

use super::{Local, PoolTask};
use crate::pool::link::PoolLink;
use crate::task::cell::RawTask;

/// After so many tasks that were run in place a thread looks whether it should sweep its local queue.
const INLINE_RUNS: usize = 64;

impl Local {
    /// Runs a task in place if nobody has begun it, this thread is inside its pool, and there is
    /// enough left of the stack.
    pub(crate) fn run_inline(from: PoolLink, task: &RawTask) {
        if !task.can_run_inline() {
            return;
        }
        let is_from = |local: &&Self| local.shared.link == from;
        let ours = if let Some(local) = Self::innermost().filter(is_from) {
            local.try_inline(task)
        } else if let Some(pool) = Self::chain().find(is_from).map(|local| &local.shared) {
            // The task has to find its own pool innermost.
            let (pool, mut ours) = (Arc::clone(pool), false);
            Self::visit(&pool, || {
                ours = Self::innermost().is_some_and(|local| local.try_inline(task));
            });
            ours
        } else {
            false
        };
        if ours {
            let mut residents = Self::chain()
                .filter(is_from)
                .filter(|local| local.is_worker);
            residents
                .next()
                .into_iter()
                .for_each(Self::count_inline_run);
        }
    }

    /// Runs a task in place on this part; `false` if somebody else has begun it, or the stack is
    /// nearly used up.
    fn try_inline(&self, task: &RawTask) -> bool {
        if self.is_deep() {
            return false;
        }
        self.inline.borrow_mut().push(task.id());
        let ours = task.run_inline(self);
        self.inline.borrow_mut().pop();
        ours
    }

    /// Tells whether so much of the stack is used that no task should be run on top of it.
    ///
    /// A resident keeps a quarter free. Of a guest's stack nothing is known.
    fn is_deep(&self) -> bool {
        let here = std::ptr::from_ref(&self).addr();
        self.start.abs_diff(here) > self.room
    }

    /// A task was run in place; its tombstone lies in some queue, most likely in the own local queue.
    fn count_inline_run(&self) {
        self.inline_runs.set(self.inline_runs.get() + 1);
        if self.inline_runs.get() < INLINE_RUNS {
            return;
        }
        if let Some(local_queue) = &*self.local_queue.borrow() {
            if self.inline_runs.get() < local_queue.len() / 2 {
                // It would cost more than it gives back.
                return;
            }
            self.shared
                .queue
                .sweep_lane(local_queue, PoolTask::is_tombstone);
        }
        self.inline_runs.set(0);
        // What was kept was in no queue for a moment.
        self.shared.task_pushed();
    }

    /// Tells whether the thread runs a task in place, for one that waits for it.
    pub(crate) fn runs_inline() -> bool {
        Self::innermost().is_some_and(|local| !local.inline.borrow().is_empty())
    }

    /// Tells whether a task runs on this thread.
    pub(crate) fn runs_tasks() -> bool {
        Self::innermost().is_some()
    }

    /// The cells of the tasks that run on this thread, one for the sake of the other.
    pub(crate) fn tasks() -> Vec<*const ()> {
        let mut tasks = Vec::new();
        for local in Self::chain() {
            tasks.extend(local.inline.borrow().iter());
            tasks.push(local.task.get());
        }
        tasks.retain(|task| !task.is_null());
        tasks
    }
}
