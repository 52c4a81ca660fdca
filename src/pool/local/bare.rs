//! How a bare task of a group, which has nothing but its closure, is placed, run and cancelled.
//!
//! `pool/group/bare.rs` says what becomes of it in the group.

use std::sync::Arc;

use super::current::{RunsBare, holds_up};
use super::entry::MakeWith;
use super::here::{Local, Pool, PoolTask, TaskGroup, with_part_of};
use super::standing::watch;
use super::start::{push, start};
use super::tokens::BareToken;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::group::pending::{Destination, Pending};
use crate::pool::group::{Arrived, Begin, Next, Taken};
use crate::pool::link::PoolLink;
use crate::pool::meter::Event;
use crate::pool::priority::Priority;
use crate::task::{Context, End, Gone, Look, Ran, Task, Work};
use crate::trampoline;

/// A task that was taken out of its group before it began.
pub(super) type TakenTask = Taken<Pending<PoolTask>, TaskGroup>;

const USUAL: Destination = Destination::Class(Priority::Normal);

/// A call of the bare task of a group that has been ready for longest.
struct Call {
    link: PoolLink,
    group: Arc<TaskGroup>,
}

impl Call {
    /// Returns the permits, and begins what can begin.
    fn give_back(&self) {
        let begins = self.group.give_back();
        begins.for_each(|it| begin(self.link, it));
    }

    /// Runs a task of the group, and goes on with others for as long as these would be the next on
    /// this thread if they were pushed.
    fn run_from(self, first: PoolTask, cx: &Local) {
        let Self { link, group } = self;
        let runs = RunsBare::begin(link, &group);
        let mut place = Some(first);
        loop {
            let end = match PoolTask::run(&mut place, cx) {
                Ran::Failed => End::Panicked,
                _ => End::Returned,
            };
            if link.is_forked() {
                return;
            }
            if !runs.is_bare() {
                return runs.end(end);
            }
            match group.next(end, cx.would_run_next()) {
                Next::Runs(Pending { task, .. }) => {
                    group.finish_bare();
                    cx.count_if_ended(Ran::Ended);
                    place = Some(task);
                }
                Next::Begins(begins) => {
                    drop(runs);
                    begins.for_each(|it| begin(link, it));
                    return group.finish_bare();
                }
            }
        }
    }
}

impl Work<Local> for Call {
    fn run(self, cx: &Local) -> Ran {
        match self.group.call() {
            Some(Pending { task, .. }) => self.run_from(task, cx),
            None => {
                self.give_back();
                cx.met_cancelled(CancelReason::Shutdown, false);
            }
        }
        Ran::Ended
    }

    fn cancel(self, reason: CancelReason) -> Result<(), Gone> {
        if self.link.is_forked() {
            return Ok(());
        }
        let cancelled = match self.group.take_ready() {
            Some(Pending { task, .. }) => task.cancel(reason),
            None => Err(Gone::Cancelled(CancelReason::Shutdown)),
        };
        if self.link.is_forked() {
            // The drop of the closure has forked.
            return cancelled;
        }
        self.give_back();
        if cancelled.is_ok() {
            self.group.cancel_bare(reason);
        }
        cancelled
    }

    fn gone(&self) -> Option<Gone> {
        None
    }

    fn look(&self) -> Result<Look, Gone> {
        Ok(Look::of_closure(const { &Name::of::<Self>() }))
    }
}

/// Pushes something that has its permits.
pub(super) fn begin(link: PoolLink, begins: Begin<Pending<PoolTask>, TaskGroup>) {
    match begins {
        Begin::Task(pending) => start(link, pending),
        Begin::Call(group) => push_call(link, group),
    }
}

/// Pushes a call of a bare task that is ready.
fn push_call(link: PoolLink, group: Arc<TaskGroup>) {
    push(link, Task::new(Call { link, group }), USUAL);
}

/// Counts a task as cancelled that was taken out of its group, if it is bare: not in a child
/// process, which the drop of its closure may have forked.
pub(super) fn count_cancelled(link: PoolLink, bare: Option<Arc<TaskGroup>>, reason: CancelReason) {
    if !link.is_forked() {
        bare.iter().for_each(|group| group.cancel_bare(reason));
    }
}

impl Pool {
    /// Accepts a task, makes it, and places it as a bare one of a group. Returns it if the pool or
    /// the group takes no more.
    pub(crate) fn place_bare<M: MakeWith>(
        self: &Arc<Self>,
        make: M,
        group: &Arc<TaskGroup>,
    ) -> Result<M::Handle, M> {
        let Some(slot) = self.accept_bare(group) else {
            return Err(make);
        };
        let (task, handle) = make.make(self, slot, BareToken);
        self.put(group, task);
        Ok(handle)
    }

    /// Accepts a bare task of a group, and returns the slot of this thread, if it has one.
    fn accept_bare(&self, group: &Arc<TaskGroup>) -> Option<Option<usize>> {
        if !group.accept_bare(holds_up) {
            return None;
        }
        let slot = with_part_of(self, |part| {
            let accepted = self.accept_on(part);
            accepted.map(|()| part.and_then(Local::slot_index))
        });
        if slot.is_err() {
            group.finish_bare();
        }
        slot.ok()
    }

    fn put(self: &Arc<Self>, group: &Arc<TaskGroup>, task: PoolTask) {
        let pending = Pending {
            task,
            to: USUAL,
            caller: None,
        };
        match group.put(pending) {
            Arrived::Begins(group) => return push_call(self.link, group),
            Arrived::Waits => {}
            Arrived::AllStand(standing) => watch(self.link, group, &standing),
        }
        self.look_whether_it_stops(group);
    }

    /// Cancels a bare task of a group that is stopped.
    pub(super) fn cancel_bare(link: PoolLink, taken: TakenTask, has_call: bool) {
        let TakenTask { task, bare } = taken;
        let cancel = move || {
            let cancelled = Local::in_the_way(link, || task.task.cancel(CancelReason::Shutdown));
            debug_assert!(cancelled.is_ok(), "a bare task that is taken has not begun");
            count_cancelled(link, bare, CancelReason::Shutdown);
            // Else its call is counted.
            if let Some(pool) = Self::of(link).filter(|_| !has_call && !link.is_forked()) {
                pool.count(Event::Cancelled(CancelReason::Shutdown));
                pool.queue.task_done(None);
                pool.check_quiescence();
            }
        };
        trampoline::call(cancel);
    }
}
