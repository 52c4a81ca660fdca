//! How a task with extras joins its group, arrives there, and gives back what it holds.

use std::sync::{Arc, OnceLock};

use super::bare::begin;
use super::current::holds_up;
use super::extras::Extras;
use super::here::{Pool, PoolTask, TaskGroup};
use super::standing::watch;
use super::start::start;
use crate::pool::group::pending::{Caller, Pending};
use crate::pool::group::{Arrived, Left};
use crate::task::cell::TaskRef;
use crate::unwind;

impl Extras {
    /// Counts a task that was not pushed yet in its group. Returns `false` if that is closed to
    /// this thread.
    #[must_use = "`false`: the task must not be placed"]
    pub(crate) fn join_group_first(self: &mut Arc<Self>, group: &Arc<TaskGroup>) -> bool {
        let Some(ticket) = group.accept(holds_up) else {
            return false;
        };
        let extras = Arc::get_mut(self).expect("the extras are not shared before the task is made");
        extras.ticket = OnceLock::from(ticket);
        true
    }

    /// Counts a task that comes due in its group. Returns `false` if that is closed to this thread.
    #[must_use = "`false`: the task must not be placed"]
    pub(crate) fn join_group(&self, group: &Arc<TaskGroup>) -> bool {
        let Some(ticket) = group.accept(holds_up) else {
            return false;
        };
        let ticket = self.ticket.get_or_init(|| ticket);
        // A task that has just come due may have been cancelled meanwhile, by a thread that has
        // seen no ticket. If it has not, it sees the ticket after it has locked.
        let (is_released, has_ended) = self.is_released_and_has_ended();
        if is_released {
            self.settle(ticket.leave());
        }
        if has_ended {
            ticket.finish(None);
        }
        true
    }

    /// Places a task that was accepted: pushes it if it has the permits of its groups, and else has
    /// it wait for them.
    pub(crate) fn arrive(&self, pool: &Arc<Pool>, task: PoolTask, task_ref: TaskRef) {
        self.set_alarm(&task_ref);
        let pending = Pending {
            task,
            to: self.destination(),
            caller: None,
        };
        self.arrive_as(pool, pending, task_ref);
    }

    /// Places a task that was accepted, and that the submitter is to run: it gets it back when that
    /// has the permits of its groups.
    pub(crate) fn arrive_with_caller(
        &self,
        pool: &Arc<Pool>,
        task: PoolTask,
        task_ref: TaskRef,
    ) -> Caller<PoolTask> {
        let (caller, end) = Caller::new();
        let pending = Pending {
            task,
            to: self.destination(),
            caller: Some(end),
        };
        self.arrive_as(pool, pending, task_ref);
        caller
    }

    fn arrive_as(&self, pool: &Arc<Pool>, pending: Pending<PoolTask>, task_ref: TaskRef) {
        let Some(ticket) = self.ticket.get() else {
            return start(self.link, pending);
        };
        match ticket.arrive(pending, task_ref, self.class) {
            Arrived::Begins(pending) => return start(self.link, pending),
            Arrived::Waits => {}
            Arrived::AllStand(standing) => watch(self.link, ticket.group(), &standing),
        }
        pool.look_whether_it_stops(ticket.group());
    }

    /// The task has run, or will never begin: it holds nothing any more.
    pub(super) fn release(&self) {
        if self.link.is_forked() {
            return;
        }
        self.release_more();
        if let Some(ticket) = self.ticket.get() {
            self.settle(ticket.leave());
        }
    }

    /// Does what is to be done when a ticket has left.
    fn settle(&self, left: Left<Pending<PoolTask>, TaskRef, TaskGroup>) {
        let Left {
            own,
            lender,
            begins,
            task,
        } = left;
        drop(task);
        lender.into_iter().for_each(unwind::wake);
        begins.for_each(|it| begin(self.link, it));
        if let Some(Pending { task, caller, .. }) = own {
            drop(caller);
            self.meet_cancelled(task);
        }
    }

    /// A task was taken out of its group's queue since it was cancelled.
    fn meet_cancelled(&self, task: PoolTask) {
        let Some(pool) = Pool::of(self.link) else {
            return;
        };
        if task.look().is_some_and(|look| look.is_future) {
            // A worker drops it.
            return pool.push_back(task);
        }
        pool.drop_gone(task);
        self.link.tombstone_met();
        pool.queue.task_done(None);
        pool.check_quiescence();
    }
}
