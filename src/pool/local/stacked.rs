//! The stack of a slot: where the tasks of a scope lie whose owner runs on the slot's holder.
//!
//! The *owner* of a scope is the thread that has opened it (`scope/owner.rs`). While it waits for
//! the scope's end it may run tasks of that scope, but no others, since it may hold a lock that
//! others want. On the stack it need not look for them: the newest tasks are its own. A task on the
//! stack needs neither a cell nor a tombstone, since the thread that takes it has it.
//!
//! # Levels
//! The scopes of a thread are nested, like its calls. A [`Level`] tells a scope from the others: it
//! is the thread's [`Local`], the *term* in which the thread holds its slot, which ends when it
//! gives the slot up, and the number of scopes on the thread up to this one. A thread is *at* that
//! level in this term, while it has opened no other scope within this one. A task that a scope's
//! owner submits to the scope goes to the stack if the thread is at the scope's level, else to a
//! queue.
//!
//! # Why an owner takes only its own
//! Let n be the number of tasks that a scope's owner has pushed to the stack, less those that it
//! has taken from there. While its thread is at the scope's level, the newest n tasks on the stack
//! are of this scope; or fewer than n are left, and all of these are. For only the holder of the
//! slot pushes to the stack. The tasks that it had pushed at lower levels lie below. Those that it
//! has pushed at higher levels since then have been taken, as they belonged to scopes that have
//! ended. And others take the oldest: if they have taken one of the n, nothing is left below. So an
//! owner for which n is not 0 finds a task of its own, or nothing, and then n is 0 from there on.
//!
//! # Where an owner finds nothing
//! Once the owner has given its slot up, or others have stolen its tasks, these lie where it cannot
//! take them. Then it waits, and gives its slot to another thread, which can. So there are levels
//! only in pools that have spare threads. When all of these are used up, a wait keeps its slot, and
//! an owner may wait for a task that lies behind one that waits: the pool says that it may hang
//! then.
//!
//! In a forked child this thread is at no level, and takes nothing. The tasks that are left on the
//! stack never begin.

use std::cell::Cell;

use super::here::{Local, Pool, PoolTask, with_innermost};
use crate::pool::queue::local::LocalQueue;
use crate::primitive::thread_cell;
use crate::task::stack::Owner;

/// The level of a scope on its owner's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level {
    local: usize,
    term: usize,
    scopes: usize,
}

/// The answer to a request to run the newest task of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Newest {
    Ran,
    /// There is none.
    None,
    /// It lies there still: too much of the call stack is used to run a task on top of it.
    TooDeep,
}

/// The tasks that are left on the stack of a slot that this thread held in its parent process.
#[derive(Clone, Copy)]
struct Left {
    local: usize,
    term: usize,
    tasks: usize,
}

thread_cell!(LEFT: Option<Left> = None);

impl Level {
    /// Enters the level of a scope that this thread opens. Returns `None` if the thread is no
    /// worker of the pool with a slot, or waits, or if no other would come in its place.
    pub(crate) fn enter(pool: &Pool) -> Option<Self> {
        with_innermost(|local| {
            let local = local.filter(|it| it.is_worker() && it.is_part_of(pool))?;
            if local.held.place().is_none() || local.borrows() || !local.is_covered() {
                return None;
            }
            local.running.set_scopes(local.running.scopes() + 1);
            Some(local.level())
        })
    }

    /// Leaves the level of a scope that has ended.
    pub(crate) fn leave(self) {
        with_innermost(|local| {
            if let Some(local) = local.filter(|it| it.level().local == self.local) {
                local.running.set_scopes(self.scopes - 1);
            }
        });
    }

    /// Calls `body` with what this thread has of the pool, if it is at this level.
    #[inline]
    fn with<R>(self, body: impl FnOnce(Option<&Local>) -> R) -> R {
        with_innermost(|local| body(local.filter(|it| it.level() == self)))
    }

    /// Returns `true` if this thread is at this level, and the pool takes tasks from it.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        self.with(|local| local.is_some_and(|it| !it.shared.is_stopping()))
    }

    /// Accepts a task, makes it and pushes it. Returns `true` if it was pushed to the stack. This
    /// thread is at this level.
    #[inline]
    pub(crate) fn place(self, make: impl FnOnce() -> PoolTask) -> bool {
        with_innermost(|local| {
            let local = local.expect("the thread is at a level");
            let queue = &local.shared.queue;
            local.held.with_queue(|own| queue.accept_inside(own));
            let task = make();
            // A subscriber that was told may have waited.
            let is_here = local.level() == self;
            local.held.with_queue(|own| match own {
                Some(own) if is_here => queue.push_stacked(task, own),
                own => queue.push(task, own),
            });
            local.shared.task_pushed();
            is_here
        })
    }

    /// Takes the newest task of the stack, if this thread is at this level, and runs it. Never
    /// unwinds.
    pub(crate) fn run_newest(self) -> Newest {
        self.with(|local| local.map_or(Newest::None, Local::run_newest))
    }

    /// Takes tasks from those that are left on the stack in a forked child, and returns their
    /// number: as many as there are, and no more than `tasks`, which the owner has not taken.
    pub(crate) fn forget_in_child(self, tasks: usize) -> usize {
        let is_here = |left: &Left| (left.local, left.term) == (self.local, self.term);
        let Some(left) = LEFT.with(Cell::get).filter(is_here) else {
            return 0;
        };
        let forgotten = tasks.min(left.tasks);
        let tasks = left.tasks - forgotten;
        LEFT.with(|place| place.set(Some(Left { tasks, ..left })));
        forgotten
    }
}

impl Local {
    #[inline]
    fn level(&self) -> Level {
        Level {
            local: std::ptr::from_ref(self).addr(),
            term: self.held.term(),
            scopes: self.running.scopes(),
        }
    }

    fn run_newest(&self) -> Newest {
        if self.running.is_deep() {
            return Newest::TooDeep;
        }
        // So the private halves of joins are always those of the innermost task.
        self.publish_all();
        let newest = |own: Option<&LocalQueue<_>>| own?.stack().take_newest();
        let mut found = self.held.with_queue(newest);
        if found.is_none() {
            return Newest::None;
        }
        let (name, meter) = (self.running.name(), self.running.meter());
        let is_first = meter.is_first_run();
        self.running.inline(std::ptr::null(), || {
            let ran = self.run_or_cancel(&mut found);
            self.count_if_ended(ran);
        });
        self.running.note(name);
        if is_first {
            meter.note_first_run();
        }
        Newest::Ran
    }

    /// Notes what is left on the stack, in a child process that this thread has forked.
    pub(super) fn note_left_in_child(&self) {
        let Level { local, term, .. } = self.level();
        if let Some(tasks) = self.held.with_queue(|own| own.map(|own| own.stack().len())) {
            LEFT.with(|place| place.set(Some(Left { local, term, tasks })));
        }
    }
}
