//! Tasks that a thread runs inline, because it waits for them.

use std::sync::Arc;

use super::here::{Local, with_chain, with_innermost};
use crate::pool::link::PoolLink;
use crate::task::cell::RawTask;
use crate::task::stack::Owner;

/// A task that the thread which waits for it may run.
pub(crate) trait Inline {
    /// Returns an address that identifies the task's cell.
    fn id(&self) -> *const ();

    /// Returns `true` if the task may be run inline, and was neither begun nor cancelled.
    fn can_run_inline(&self) -> bool;

    /// Runs the task, unless it was begun or cancelled before. Returns `true` if it was run. Never
    /// unwinds.
    fn run_inline(&self, cx: &Local) -> bool;
}

impl Inline for RawTask {
    fn id(&self) -> *const () {
        Self::id(self)
    }

    fn can_run_inline(&self) -> bool {
        self.is_plain_and_due()
    }

    fn run_inline(&self, cx: &Local) -> bool {
        Self::run_inline(self, cx)
    }
}

impl Local {
    /// Runs a task inline if no thread has begun it, this thread is inside the task's pool, and
    /// there is enough left of the stack.
    ///
    /// Not for a task of a view, for which [`prepare_to_join`](Self::prepare_to_join) is.
    pub(crate) fn run_inline(from: PoolLink, task: &impl Inline) {
        if task.can_run_inline() {
            Self::run_due(from, task);
        }
    }

    /// Runs a closure inline that is due. Returns `false` if it was not run here.
    pub(super) fn run_due(from: PoolLink, task: &impl Inline) -> bool {
        let is_from = |local: &&Self| local.shared.link == from;
        let innermost = with_innermost(|local| {
            let local = local.filter(is_from)?;
            Some(local.try_inline(task))
        });
        let ours = innermost.unwrap_or_else(|| Self::visit_inline(from, task));
        if ours {
            with_chain(|chain| {
                let mut workers = chain.filter(is_from).filter(|local| local.is_worker());
                workers.next().into_iter().for_each(Self::count_inline_run);
            });
        }
        ours
    }

    /// Runs a task inline, of a pool that this thread is inside, but not innermost: the task has to
    /// find its own pool innermost.
    fn visit_inline(from: PoolLink, task: &impl Inline) -> bool {
        let pool = with_chain(|mut chain| {
            let local = chain.find(|local| local.shared.link == from)?;
            Some(Arc::clone(&local.shared))
        });
        let mut ours = false;
        if let Some(pool) = pool {
            Self::visit(&pool, || {
                ours = with_innermost(|local| local.is_some_and(|local| local.try_inline(task)));
            });
        }
        ours
    }

    /// Runs a task inline. Returns `false` if another thread has begun it, or the stack is nearly
    /// used up.
    fn try_inline(&self, task: &impl Inline) -> bool {
        if self.running.is_deep() {
            return false;
        }
        // So the private halves of joins are always those of the innermost task.
        self.publish_all();
        self.running.inline(task.id(), || task.run_inline(self))
    }

    /// Returns `true` if this thread runs a task inline.
    pub(crate) fn runs_inline() -> bool {
        with_innermost(|local| local.is_some_and(|local| local.running.runs_inline()))
    }

    /// Returns the number of tasks that this thread runs inline.
    pub(crate) fn inline_depth(&self) -> usize {
        self.running.inline_depth()
    }

    /// Returns `true` if a task runs on this thread.
    pub(crate) fn runs_tasks() -> bool {
        with_innermost(|local| local.is_some())
    }

    /// Returns the cells of the tasks that run on this thread, in no particular order.
    pub(crate) fn tasks() -> Vec<*const ()> {
        let mut cells = Vec::new();
        with_chain(|chain| chain.for_each(|local| local.running.collect(&mut cells)));
        cells.retain(|cell| !cell.is_null());
        cells
    }
}
