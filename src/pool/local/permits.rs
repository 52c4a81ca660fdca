//! How a task lends its permits to another for which it is about to wait.
//!
//! A thread notes the extras of the task whose code runs on it, the innermost of those that have
//! any. A closure that joins a task of its group, or of a group within, lends it its permits, and
//! runs it inline if it can. A future notes the tasks whose handles it has polled; when its poll is
//! over, and it is pending, it lends its permits to the first of those that waits for some. It is
//! not polled again until they are back. So does a closure that blocks on a future.

use std::sync::Arc;
use std::task::Waker;

use super::current::{current, current_if_any};
use super::extras::Extras;
use super::here::{Local, with_innermost};
use super::roll::cancel;
use super::standing::watch;
use super::start::{push, start};
use crate::pool::group::Loan;
use crate::pool::group::pending::Pending;
use crate::pool::group::ticket::Ticket;
use crate::pool::link::PoolLink;
use crate::primitive::Ordering;
use crate::task::Extra;
use crate::task::Gone;
use crate::task::cell::RawTask;
use crate::wait::{Cause, Deadline, block_until};

/// Returns `true` unless the task that runs on this thread has lent its permits. If it has, the
/// waker is called when they are back.
pub(super) fn has_permits_here(waker: &Waker) -> bool {
    let current = current_if_any();
    let ticket = current.as_ref().and_then(|current| current.ticket.get());
    ticket.is_none_or(|ticket| ticket.has_permits(waker))
}

/// The task that runs on this thread is about to wait for those whose handles it has polled.
pub(super) fn lend_here() {
    current_if_any()
        .iter()
        .for_each(|current| current.lend_to_wanted());
}

/// The task that runs on this thread is about to wait with its permits, if it has not lent them.
pub(super) fn stand_here() {
    let Some(current) = current().filter(|current| !current.link.is_forked()) else {
        return;
    };
    let ticket = current.ticket.get();
    if let Some((ticket, standing)) = ticket.and_then(|it| Some((it, it.stand()?))) {
        watch(current.link, ticket.group(), &standing);
    }
}

/// The task that runs on this thread has waited.
pub(super) fn go_on_here() {
    let current = current_if_any().filter(|current| !current.link.is_forked());
    let ticket = current.as_ref().and_then(|current| current.ticket.get());
    ticket.into_iter().for_each(Ticket::go_on);
}

impl Extras {
    /// Lends the permits of this task to one of those whose handles it has polled.
    pub(super) fn lend_to_wanted(&self) {
        let Some(ticket) = self.ticket.get() else {
            return;
        };
        loop {
            let Some(task) = self.next_wanted() else {
                return;
            };
            let behind = task.task_behind();
            let behind = behind.as_deref().unwrap_or(&task);
            let other = Self::of(behind).filter(|_| behind.is_queued() && task.is_awaited());
            let Some(other) = other.and_then(|other| other.ticket.get()) else {
                continue;
            };
            match ticket.lend_to(other) {
                Loan::No => {}
                Loan::Waits => return,
                Loan::Begins(pending) => return start(self.link, pending),
            }
        }
    }
}

impl Local {
    /// Blocks until the permits that the task on this thread has lent are back. They may be lent
    /// still although the borrower has ended: if it was cancelled, and had lent them on.
    #[cold]
    pub(crate) fn regain_permits() {
        block_until(Cause::Arrival, Deadline::NEVER, |waker| {
            has_permits_here(waker).then_some(())
        });
    }

    /// Settles, or runs inline, or lends permits to, a task with extras for which this thread is
    /// about to wait.
    #[cold]
    pub(crate) fn prepare_to_join(from: PoolLink, task: &RawTask) {
        let Some(extras) = Extras::of(task).filter(|_| task.is_queued() && !from.is_forked())
        else {
            return;
        };
        if let Some(reason) = extras.forbids() {
            cancel(task, reason, from);
            return;
        }
        if task.can_run_inline() {
            Self::run_due(from, task);
            return;
        }
        let Some(other) = extras.ticket.get() else {
            return;
        };
        let Some(current) = current() else {
            return;
        };
        let Some(ticket) = current.ticket.get() else {
            return;
        };
        let Loan::Begins(pending) = ticket.lend_to(other) else {
            return;
        };
        if task.is_future() || pending.caller.is_some() {
            return start(from, pending);
        }
        let Pending { task: lent, to, .. } = pending;
        lent.come_due();
        if Self::run_due(from, task) {
            drop(lent);
            with_innermost(|local| {
                if let Some(pool) = local.map(|local| &local.shared) {
                    pool.count_gone(Gone::Begun);
                    pool.count_done_here();
                }
            });
        } else {
            push(from, lent, to);
        }
    }

    /// Notes that the future which is polled on this thread waits for a task.
    #[inline]
    pub(crate) fn note_wanted(task: &RawTask) {
        if task.has_extra() || task.is_promise() {
            Self::note_wanted_special(task);
        }
    }

    #[cold]
    fn note_wanted_special(task: &RawTask) {
        // Or the one whose end resolves a mapped handle.
        let behind = task.task_behind();
        let behind = behind.as_deref().unwrap_or(task);
        let extras = Extras::of(behind).filter(|extras| extras.is_in_group());
        let Some(extras) = extras.filter(|_| behind.is_queued()) else {
            return;
        };
        let Some(current) = current().filter(|current| current.is_in_group()) else {
            return;
        };
        let id = Arc::as_ptr(&current).addr();
        if extras.wanted_by.swap(id, Ordering::Relaxed) != id {
            current.add_wanted(task.task_ref());
        }
    }
}
