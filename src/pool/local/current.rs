//! The task whose code runs on a thread, as its group sees it, and those that are about to end
//! there.

use std::cell::RefCell;
use std::sync::Arc;

use super::extras::Extras;
use super::here::{TaskGroup, with_innermost};
use crate::pool::link::PoolLink;
use crate::task::End;
use crate::task::cell::RawTask;

std::thread_local! {
    /// The innermost task whose code runs on this thread, of those that have extras or are bare.
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::None) };
    /// The extras of the tasks whose callbacks run on this thread, or whose futures are dropped:
    /// they have yet to end for their groups.
    static ENDING: RefCell<Vec<Arc<Extras>>> = const { RefCell::new(Vec::new()) };
}

/// A task whose code runs.
enum Current {
    None,
    Extras(Arc<Extras>),
    /// A bare task of the group, which has no extras yet.
    Bare(PoolLink, Arc<TaskGroup>),
}

impl Current {
    fn group(&self) -> Option<&Arc<TaskGroup>> {
        match self {
            Self::None => None,
            Self::Extras(extras) => extras.ticket.get().map(|ticket| ticket.group()),
            Self::Bare(_, group) => Some(group),
        }
    }
}

/// Sets the task that runs on this thread, and returns the one before.
fn replace(new: Current) -> Option<Current> {
    let group = new.group().and_then(|group| group.number());
    with_innermost(|local| local.into_iter().for_each(|it| it.note_group(group)));
    // While a thread ends, its thread-local may be gone already.
    CURRENT.try_with(|current| current.replace(new)).ok()
}

fn look<R>(body: impl FnOnce(&Current) -> R) -> Option<R> {
    CURRENT.try_with(|current| body(&current.borrow())).ok()
}

/// Returns the extras of the task that runs on this thread, if it has any. Those of a bare task are
/// made now.
pub(super) fn current() -> Option<Arc<Extras>> {
    let bare = look(|current| match current {
        Current::None => Err(None),
        Current::Extras(extras) => Err(Some(Arc::clone(extras))),
        Current::Bare(link, group) => Ok((*link, Arc::clone(group))),
    });
    let (link, group) = match bare? {
        Ok(bare) => bare,
        Err(extras) => return extras,
    };
    if link.is_forked() {
        // The lock of the tree may be held forever.
        return None;
    }
    let extras = Arc::new(Extras::of_bare(link, &group));
    let new = Current::Extras(Arc::clone(&extras));
    let before = CURRENT.try_with(|current| current.replace(new));
    drop(before);
    Some(extras)
}

/// Returns the extras of the task that runs on this thread, if it has any, or had to get some.
pub(super) fn current_if_any() -> Option<Arc<Extras>> {
    look(|current| match current {
        Current::Extras(extras) => Some(Arc::clone(extras)),
        Current::None | Current::Bare(..) => None,
    })
    .flatten()
}

/// Returns `true` if this thread runs a task of the group, or of one within, and so has a permit of
/// the group.
pub(crate) fn runs_task_of(group: &TaskGroup) -> bool {
    let is_of = |current: &Current| current.group().is_some_and(|own| own.is_within(group));
    look(is_of).unwrap_or_default()
}

/// Returns `true` if this thread runs a task of the group, or of one within, or callbacks of such a
/// task, or drops its future. The group does not become idle meanwhile.
pub(crate) fn holds_up(group: &TaskGroup) -> bool {
    let ends =
        |ending: &RefCell<Vec<Arc<Extras>>>| ending.borrow().iter().any(|it| it.is_of(group));
    runs_task_of(group) || ENDING.try_with(ends).unwrap_or_default()
}

/// Returns `true` if this thread runs a task that may hold a permit which the tasks of the group
/// need: one of the group, of a group within, or of one around it.
pub(crate) fn runs_task_near(group: &TaskGroup) -> bool {
    let is_near = |current: &Current| {
        let own = current.group();
        own.is_some_and(|own| own.is_within(group) || group.is_within(own))
    };
    look(is_near).unwrap_or_default()
}

/// Notes that the code of a task runs on this thread, until this is dropped.
pub(super) struct Runs {
    outer: Option<Current>,
}

impl Runs {
    pub(super) fn begin(extras: Arc<Extras>) -> Self {
        Self {
            outer: replace(Current::Extras(extras)),
        }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        drop(self.outer.take().and_then(replace));
    }
}

/// Notes that the code of bare tasks of a group runs on this thread, until this is dropped.
#[must_use = "dropped at once it notes nothing"]
pub(super) struct RunsBare {
    outer: Option<Current>,
}

impl RunsBare {
    pub(super) fn begin(link: PoolLink, group: &Arc<TaskGroup>) -> Self {
        Self {
            outer: replace(Current::Bare(link, Arc::clone(group))),
        }
    }

    /// Returns `true` unless the task that has run had to get extras.
    pub(super) fn is_bare(&self) -> bool {
        look(|current| matches!(current, Current::Bare(..))).unwrap_or(true)
    }

    /// A task that had to get extras has ended in that way.
    pub(super) fn end(mut self, end: End) {
        let own = self.outer.take().and_then(replace);
        if let Some(Current::Extras(extras)) = own {
            extras.release();
            extras.finish(Some(end));
        }
    }
}

impl Drop for RunsBare {
    fn drop(&mut self) {
        drop(self.outer.take().and_then(replace));
    }
}

/// Notes that the callbacks of a task run on this thread, until this is dropped.
pub(crate) struct Ending(bool);

impl Ending {
    /// Notes it for a task whose outcome was just published, by the thread that ends it.
    pub(crate) fn begin(task: &RawTask) -> Self {
        let extras = Extras::of(task).filter(|extras| extras.is_in_group());
        Self(extras.is_some_and(note_ending))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.0 {
            let ended = ENDING.try_with(|ending| ending.borrow_mut().pop());
            drop(ended);
        }
    }
}

/// Notes that this thread calls code of a task's that holds its group up. Returns `false` if it
/// could not.
pub(super) fn note_ending(extras: &Arc<Extras>) -> bool {
    // While a thread ends, its thread-local may be gone already.
    let noted = ENDING.try_with(|ending| ending.borrow_mut().push(Arc::clone(extras)));
    noted.is_ok()
}

/// That code has returned. It was noted last, if it was noted.
pub(super) fn forget_ending(extras: &Arc<Extras>) {
    let last = ENDING.try_with(|ending| {
        let mut ending = ending.borrow_mut();
        let is_last = ending.last().is_some_and(|last| Arc::ptr_eq(last, extras));
        is_last.then(|| ending.pop()).flatten()
    });
    drop(last);
}
