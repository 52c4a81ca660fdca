//! The extras of a task: all that it has from the view by which it was submitted.
//!
//! A task that was submitted to the pool as such has nothing of this, and pays nothing. Any other
//! has its [`Extras`] in its cell: its name, its class, the bounds in which it takes up room, the
//! [ticket](crate::pool::group) of its group, and the moment at which it expires.
//!
//! # Who settles what
//! A task that has expired is cancelled by the thread that meets it: a worker that is to run it, a
//! thread that joins it, a thread that cancels it. The timer only pushes a task to the pool that
//! does so, for the case that nobody meets it. A token knows the [roll](Roll) of a view, which
//! knows the tasks.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::expiry::Settle;
use super::here::{Pool, PoolTask, TaskGroup};
use super::roll::Roll;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::group::pending::{Destination, Pending};
use crate::pool::group::ticket::Ticket;
use crate::pool::link::PoolLink;
use crate::pool::priority::Priority;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use crate::task::cell::{RawTask, TaskRef};
use crate::task::{End, Extra, Task};
use crate::timer::alarm;
use crate::timer::entries::Key;

/// Room that a task takes up until it begins, or for longer.
pub(crate) trait Bound: Send {
    /// The task begins. Returns what it keeps until it has ended.
    fn begin(self: Box<Self>) -> Option<Box<dyn Bound>>;
}

/// All that a task has from the view by which it was submitted.
pub(crate) struct Extras {
    pub(super) link: PoolLink,
    name: &'static Name,
    pub(super) class: Priority,
    life: Mutex<Life>,
    pub(super) ticket: OnceLock<Ticket<Pending<PoolTask>, TaskRef>>,
    /// The rolls on which the task is, and its keys there.
    rolls: Vec<(Arc<Roll>, AtomicUsize)>,
    /// When the task expires, if it does, and the alarm that is set for that.
    expires: OnceLock<Instant>,
    alarm: Mutex<Option<Key>>,
    /// Whether a group of the task has a bound.
    is_bounded: AtomicBool,
    /// Whether the task comes due after it was made, and joins its group then.
    comes_due: bool,
    /// Whether `life` has bounds, or tasks that are wanted, or had some.
    has_more: AtomicBool,
    /// Why the task must not begin, if that is known.
    forbidden: OnceLock<CancelReason>,
    /// The task has panicked. Written and read by the thread that runs it.
    has_failed: AtomicBool,
    /// The address of the extras of the task that wanted this one last.
    pub(super) wanted_by: AtomicUsize,
}

/// How far a task has come, and the room that it takes up.
#[derive(Default)]
struct Life {
    bounds: Vec<Box<dyn Bound>>,
    /// The tasks whose handles the future of this task has polled.
    wanted: VecDeque<TaskRef>,
    /// The task holds nothing any more.
    is_released: bool,
    /// The outcome of the task is published.
    has_ended: bool,
}

impl Extras {
    /// Creates the extras of a task with a name. `rolls` are those on which it is to be;
    /// `comes_due` says that it joins its group later.
    pub(crate) fn new(
        link: PoolLink,
        name: &'static Name,
        class: Priority,
        rolls: &[Arc<Roll>],
        comes_due: bool,
    ) -> Self {
        let rolls = rolls.iter();
        Self {
            link,
            name,
            class,
            life: Mutex::new(Life::default()),
            ticket: OnceLock::new(),
            rolls: rolls
                .map(|roll| (Arc::clone(roll), AtomicUsize::new(usize::MAX)))
                .collect(),
            expires: OnceLock::new(),
            alarm: Mutex::new(None),
            is_bounded: AtomicBool::new(false),
            comes_due,
            has_more: AtomicBool::new(false),
            forbidden: OnceLock::new(),
            has_failed: AtomicBool::new(false),
            wanted_by: AtomicUsize::new(0),
        }
    }

    /// Creates the extras of a bare task that runs, with its ticket.
    pub(super) fn of_bare(link: PoolLink, group: &Arc<TaskGroup>) -> Self {
        let name = const { &Name::of::<Self>() };
        let extras = Self::new(link, name, Priority::Normal, &[], false);
        let ticket = OnceLock::from(group.ticket());
        Self { ticket, ..extras }
    }

    /// Returns the extras of a task, if it has any.
    pub(crate) fn of(task: &RawTask) -> Option<&Arc<Self>> {
        task.extra_as_any()?.downcast_ref()
    }

    /// Returns `true` if the task is one of the group, or of a group within.
    pub(super) fn is_of(&self, group: &TaskGroup) -> bool {
        let ticket = self.ticket.get();
        ticket.is_some_and(|ticket| ticket.group().is_within(group))
    }

    /// Returns `true` if the task is in a group.
    pub(crate) fn is_in_group(&self) -> bool {
        self.ticket.get().is_some()
    }

    /// Adds room that the task takes up.
    pub(crate) fn add_bound(&self, bound: Box<dyn Bound>) {
        self.note_more();
        let mut life = lock(&self.life);
        // If the task was cancelled as it came due, the room is free again at once.
        let late = match life.is_released {
            true => Some(bound),
            false => {
                life.bounds.push(bound);
                None
            }
        };
        drop(life);
        drop(late);
    }

    // ORDERING: Relaxed. A note from before the task is pushed is seen by the thread that runs it,
    // and all later notes are made by that thread. A thread that cancels a task which has not come
    // due looks under the lock.
    fn note_more(&self) {
        self.has_more.store(true, Ordering::Relaxed);
    }

    fn has_more(&self) -> bool {
        self.comes_due || self.has_more.load(Ordering::Relaxed)
    }

    /// Notes that the future of this task has polled the handle of another.
    pub(super) fn add_wanted(&self, task: TaskRef) {
        self.note_more();
        lock(&self.life).wanted.push_back(task);
    }

    pub(super) fn next_wanted(&self) -> Option<TaskRef> {
        lock(&self.life).wanted.pop_front()
    }

    /// Notes that a group of the task has a bound.
    pub(crate) fn note_bounded(&self) {
        // ORDERING: Relaxed, as for `has_more`.
        self.is_bounded.store(true, Ordering::Relaxed);
    }

    /// Sets the moment at which the task expires if it has not begun.
    pub(crate) fn expire_at(&self, moment: Instant) {
        let _ = self.expires.set(moment);
    }

    /// Makes the thread that meets the task cancel it.
    pub(crate) fn forbid(&self, reason: CancelReason) {
        let _ = self.forbidden.set(reason);
    }

    /// The task will not be placed.
    pub(crate) fn discard(&self) {
        self.release();
        if let Some(ticket) = self.ticket.get() {
            ticket.take_back();
        }
        self.finish(None);
    }

    /// Puts the task on its rolls. Returns `false` if the token of one is cancelled.
    #[must_use = "`false`: the task has to be cancelled"]
    pub(crate) fn enrol(&self, task: &RawTask) -> bool {
        self.rolls.iter().all(|(roll, key)| {
            let added = roll.add(task.task_ref());
            key.store(added.unwrap_or(usize::MAX), Ordering::Relaxed);
            added.is_some()
        })
    }

    /// Puts the task on its rolls, if it has some. Returns a reference to it if the token of one is
    /// cancelled, so that the task has to be cancelled when it has arrived.
    pub(crate) fn enrol_or_cancel(&self, task: &RawTask) -> Option<TaskRef> {
        let has_to_go = !self.rolls.is_empty() && !self.enrol(task);
        has_to_go.then(|| task.task_ref())
    }

    /// Returns the queue of the pool to which the task goes when it has its permits.
    pub(super) fn destination(&self) -> Destination {
        match self.is_bounded.load(Ordering::Relaxed) {
            true => Destination::Grouped,
            false => Destination::Class(self.class),
        }
    }

    /// Makes the timer push a task to the pool that cancels this one when it has expired, if it
    /// does.
    pub(super) fn set_alarm(&self, task: &TaskRef) {
        let Some(moment) = self.expires.get().copied() else {
            return;
        };
        let (link, late) = (self.link, task.task_ref());
        let expire = move || {
            let Some(pool) = Pool::of(link) else {
                return;
            };
            if !pool.accept_chore_due() {
                return pool.check_quiescence();
            }
            let settle = Settle { late, link };
            pool.push_to(Task::new(settle), Destination::Class(Priority::High));
        };
        // Without a timer the task is cancelled when somebody meets it.
        let key = alarm::call_at(moment, Box::new(expire)).ok();
        *lock(&self.alarm) = key;
        if task.is_done() || !task.is_queued() {
            self.forget_alarm();
        }
    }

    fn forget_alarm(&self) {
        let key = lock(&self.alarm).take();
        key.into_iter().for_each(alarm::forget);
    }

    /// The task begins.
    pub(super) fn begin(&self) {
        if self.expires.get().is_some() {
            self.forget_alarm();
        }
        if let Some(ticket) = self.ticket.get() {
            ticket.begins();
        }
        if !self.has_more() {
            return;
        }
        let bounds = std::mem::take(&mut lock(&self.life).bounds);
        let kept: Vec<_> = bounds.into_iter().filter_map(Bound::begin).collect();
        lock(&self.life).bounds.extend(kept);
    }

    /// The task holds nothing any more, except its ticket.
    pub(super) fn release_more(&self) {
        if self.has_more() {
            let mut life = lock(&self.life);
            life.is_released = true;
            let more = (
                std::mem::take(&mut life.bounds),
                std::mem::take(&mut life.wanted),
            );
            drop(life);
            drop(more);
        }
    }

    /// Returns whether the task holds nothing any more, and whether it has ended.
    pub(super) fn is_released_and_has_ended(&self) -> (bool, bool) {
        let life = lock(&self.life);
        (life.is_released, life.has_ended)
    }

    pub(super) fn release_bounds(&self) {
        if !self.link.is_forked() {
            let bounds = std::mem::take(&mut lock(&self.life).bounds);
            drop(bounds);
        }
    }

    /// The outcome of the task is published, or it has none.
    pub(super) fn finish(&self, end: Option<End>) {
        if self.link.is_forked() {
            return;
        }
        for (roll, key) in &self.rolls {
            roll.remove(key.load(Ordering::Relaxed));
        }
        if self.expires.get().is_some() {
            self.forget_alarm();
        }
        if self.comes_due {
            lock(&self.life).has_ended = true;
        }
        if let Some(ticket) = self.ticket.get() {
            ticket.finish(end);
        }
    }
}

impl Extra for Arc<Extras> {
    fn name(&self) -> Option<&'static Name> {
        Some(self.name)
    }

    fn forbids(&self) -> Option<CancelReason> {
        let expired = || Some(*self.expires.get()? <= Instant::now());
        match self.forbidden.get() {
            Some(reason) => Some(*reason),
            None if expired() == Some(true) => Some(CancelReason::Expired),
            None => None,
        }
    }

    fn failed(&self) {
        self.has_failed.store(true, Ordering::Relaxed);
    }

    fn ended(&self, end: End) {
        let has_failed = self.has_failed.load(Ordering::Relaxed);
        self.finish(Some(match end {
            End::Returned if has_failed => End::Panicked,
            end => end,
        }));
    }

    fn as_any(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(self)
    }
}
