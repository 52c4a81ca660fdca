//! What a pool does for the thread that asks, which may be inside.

use std::cell::Cell;
use std::sync::Arc;

use super::{HOME, Local, Pool, PoolTask};
use crate::error::CancelReason;
use crate::pool::tally::Closed;
use crate::unwind::{self, Payload};

impl Pool {
    /// Counts a task that will be pushed by this thread.
    #[inline(always)]
    pub(crate) fn accept(&self) -> Result<(), Closed> {
        match self.part_of_this_thread() {
            Some(_) if self.is_stopping() => Err(Closed),
            Some(local) => {
                self.queue.accept_inside(local.lane.borrow().as_ref());
                Ok(())
            }
            None => self.accept_outside(),
        }
    }

    /// Pushes a task that this thread has counted.
    #[inline(always)]
    pub(crate) fn push(self: &Arc<Self>, task: PoolTask) {
        match self.part_of_this_thread() {
            Some(local) => self.queue.push(task, local.lane.borrow().as_ref()),
            None => self.queue.push(task, None),
        }
        self.task_pushed();
    }

    /// Runs a task that was counted on this thread, as one of the pool's.
    pub(crate) fn run_on_caller(self: &Arc<Self>, task: PoolTask) {
        let mut task = Some(task);
        Local::visit(self, || {
            Local::with(|local| local.map(|local| local.run_or_cancel(&mut task)));
        });
        self.queue.task_done(None);
        self.look_around();
    }

    /// Cancels the task that has waited longest among those from outside; `false` if there is none.
    pub(crate) fn drop_oldest(self: &Arc<Self>) -> bool {
        while let Some(oldest) = self.queue.find_oldest() {
            let mut live = false;
            Local::visit(self, || live = oldest.cancel(CancelReason::Rejected));
            self.queue.task_done(None);
            self.look_around();
            if live {
                self.counts.rejected.one_more();
                return true;
            }
            self.origin.shell_met();
        }
        false
    }

    /// Closes, and cancels what has not begun; says how many.
    pub(crate) fn stop(self: &Arc<Self>) -> usize {
        if !self.start_stopping() {
            // Someone is at it already, maybe further down on this very stack.
            return 0;
        }
        Local::visit(self, || {
            while let Some(task) = self.queue.find_any() {
                self.cancel(task);
                self.queue.task_done(None);
            }
        });
        self.look_around();
        self.counts.stopped.get()
    }

    pub(super) fn cancel(&self, task: PoolTask) {
        if task.cancel(CancelReason::Shutdown) {
            self.counts.stopped.one_more();
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

    /// Lets this thread see the others off when it ends, if it is one of the pool's.
    pub(crate) fn see_off_from_here(&self) {
        if let Some(local) = self.part_of_this_thread().filter(|local| local.resident) {
            local.sees_off.set(true);
        }
    }

    /// Tells whether the pool's end would wait for this thread: it is one of the pool's, or a guest.
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        self.is_here() || HOME.with(Cell::get) == self.id()
    }

    /// Tells whether this thread is one of the pool's, and its thread-locals live, or a guest.
    pub(crate) fn is_here(&self) -> bool {
        self.part_of_this_thread().is_some()
    }
}
