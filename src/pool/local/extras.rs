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
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::expiry::Settle;
use super::here::{Pool, PoolTask, with_innermost};
use super::roll::Roll;
use super::standing::watch;
use crate::error::CancelReason;
use crate::name::Name;
use crate::pool::group::pending::{Caller, Destination, Pending};
use crate::pool::group::{Arrived, Group, Left, Ticket};
use crate::pool::link::PoolLink;
use crate::pool::priority::Priority;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use crate::task::cell::{RawTask, TaskRef};
use crate::task::{End, Extra, Task};
use crate::timer::alarm;
use crate::timer::entries::Key;
use crate::unwind;

/// A group of a pool's tasks.
pub(crate) type TaskGroup = Group<Pending<PoolTask>, TaskRef>;

/// Room that a task takes up until it begins, or for longer.
pub(crate) trait Bound: Send {
    /// The task begins. Returns what it keeps until it has ended.
    fn begin(self: Box<Self>) -> Option<Box<dyn Bound>>;
}

/// All that a task has from the view by which it was submitted.
pub(crate) struct Extras {
    pub(super) link: PoolLink,
    name: &'static Name,
    class: Priority,
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

std::thread_local! {
    /// The extras of the task whose code runs on this thread, the innermost that has any.
    static CURRENT: RefCell<Option<Arc<Extras>>> = const { RefCell::new(None) };
    /// The extras of the tasks whose callbacks run on this thread, or whose futures are dropped:
    /// they have yet to end for their groups.
    static ENDING: RefCell<Vec<Arc<Extras>>> = const { RefCell::new(Vec::new()) };
}

/// Sets the extras of the task that runs on this thread, and returns those before.
fn replace_current(new: Option<Arc<Extras>>) -> Option<Arc<Extras>> {
    // While a thread ends, its thread-local may be gone already.
    let ticket = new.as_ref().and_then(|extras| extras.ticket.get());
    let group = ticket.and_then(|ticket| ticket.group().number());
    with_innermost(|local| local.into_iter().for_each(|it| it.note_group(group)));
    let replaced = CURRENT.try_with(|current| current.replace(new));
    replaced.unwrap_or_default()
}

pub(super) fn current() -> Option<Arc<Extras>> {
    CURRENT.try_with(|it| it.borrow().clone()).ok().flatten()
}

/// Returns `true` if this thread runs a task of the group, or of one within, and so has a permit of
/// the group.
pub(crate) fn runs_task_of(group: &TaskGroup) -> bool {
    current().is_some_and(|extras| extras.is_of(group))
}

/// Returns `true` if this thread runs a task of the group, or of one within, or callbacks of such a
/// task, or drops its future. The group does not become idle meanwhile.
pub(crate) fn holds_up(group: &TaskGroup) -> bool {
    let ends =
        |ending: &RefCell<Vec<Arc<Extras>>>| ending.borrow().iter().any(|it| it.is_of(group));
    runs_task_of(group) || ENDING.try_with(ends).unwrap_or_default()
}

/// Notes that the callbacks of a task run on this thread, until this is dropped.
pub(crate) struct Ending(bool);

impl Ending {
    /// Notes it for a task whose outcome was just published, by the thread that ends it.
    pub(crate) fn begin(task: &RawTask) -> Self {
        let extras = Extras::of(task).filter(|extras| extras.is_in_group());
        let is_noted = extras.is_some_and(|extras| {
            // While a thread ends, its thread-local may be gone already.
            let note = |ending: &RefCell<Vec<_>>| ending.borrow_mut().push(Arc::clone(extras));
            ENDING.try_with(note).is_ok()
        });
        Self(is_noted)
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

/// Returns `true` if this thread runs a task that may hold a permit which the tasks of the group
/// need: one of the group, of a group within, or of one around it.
pub(crate) fn runs_task_near(group: &TaskGroup) -> bool {
    let current = current();
    let ticket = current.as_ref().and_then(|current| current.ticket.get());
    ticket.is_some_and(|ticket| ticket.group().is_within(group) || group.is_within(ticket.group()))
}

/// Notes that the code of a task runs on this thread, until this is dropped.
pub(super) struct Runs {
    outer: Option<Arc<Extras>>,
}

impl Runs {
    pub(super) fn begin(extras: Arc<Extras>) -> Self {
        Self {
            outer: replace_current(Some(extras)),
        }
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        drop(replace_current(self.outer.take()));
    }
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

    /// Returns the extras of a task, if it has any.
    pub(crate) fn of(task: &RawTask) -> Option<&Arc<Self>> {
        task.extra_as_any()?.downcast_ref()
    }

    /// Returns `true` if the task is one of the group, or of a group within.
    fn is_of(&self, group: &TaskGroup) -> bool {
        let ticket = self.ticket.get();
        ticket.is_some_and(|ticket| ticket.group().is_within(group))
    }

    /// Notes that this thread calls code of the task's that holds its group up.
    pub(super) fn note_ending(this: &Arc<Self>) {
        // While a thread ends, its thread-local may be gone already.
        let _ = ENDING.try_with(|ending| ending.borrow_mut().push(Arc::clone(this)));
    }

    /// That code has returned. It was noted last, if it was noted.
    pub(super) fn forget_ending(this: &Arc<Self>) {
        let last = ENDING.try_with(|ending| {
            let mut ending = ending.borrow_mut();
            let is_last = ending.last().is_some_and(|last| Arc::ptr_eq(last, this));
            is_last.then(|| ending.pop()).flatten()
        });
        drop(last);
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
        let (is_released, has_ended) = {
            let life = lock(&self.life);
            (life.is_released, life.has_ended)
        };
        if is_released {
            self.settle(ticket.leave());
        }
        if has_ended {
            ticket.finish(None);
        }
        true
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

    /// Places a task that was accepted: pushes it if it has the permits of its groups, and else has
    /// it wait for them.
    pub(crate) fn arrive(&self, pool: &Arc<Pool>, task: PoolTask, task_ref: TaskRef) {
        if let Some(moment) = self.expires.get() {
            self.set_alarm(*moment, task_ref.task_ref());
        }
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

    fn destination(&self) -> Destination {
        match self.is_bounded.load(Ordering::Relaxed) {
            true => Destination::Grouped,
            false => Destination::Class(self.class),
        }
    }

    fn arrive_as(&self, pool: &Arc<Pool>, pending: Pending<PoolTask>, task_ref: TaskRef) {
        let Some(ticket) = self.ticket.get() else {
            return start(self.link, pending);
        };
        match ticket.arrive(pending, task_ref, self.class) {
            Arrived::Begins(pending) => return start(self.link, pending),
            Arrived::Waits => {}
            Arrived::AllStand(standing) => watch(self.link, ticket, &standing),
        }
        // The pool may have looked before the task was in the queue.
        if pool.is_stopping() {
            let group = ticket.group().path().last();
            group
                .into_iter()
                .for_each(|group| pool.cancel_waiting(group));
        }
    }

    /// Makes the timer push a task to the pool that cancels this one when it has expired.
    fn set_alarm(&self, moment: Instant, task: TaskRef) {
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

    /// The task has run, or will never begin: it holds nothing any more.
    pub(super) fn release(&self) {
        if self.link.is_forked() {
            return;
        }
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
        if let Some(ticket) = self.ticket.get() {
            self.settle(ticket.leave());
        }
    }

    pub(super) fn release_bounds(&self) {
        if !self.link.is_forked() {
            let bounds = std::mem::take(&mut lock(&self.life).bounds);
            drop(bounds);
        }
    }

    /// Does what is to be done when a ticket has left.
    fn settle(&self, left: Left<Pending<PoolTask>, TaskRef>) {
        let Left {
            own,
            lender,
            begins,
            task,
        } = left;
        drop(task);
        lender.into_iter().for_each(unwind::wake);
        begins.for_each(|it| start(self.link, it));
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

    /// The outcome of the task is published, or it has none.
    fn finish(&self, end: Option<End>) {
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

/// Pushes a task that has its permits, or hands it to the submitter that runs it.
pub(super) fn start(link: PoolLink, pending: Pending<PoolTask>) {
    let Pending { task, to, caller } = pending;
    task.come_due();
    if let Some(caller) = caller {
        return caller.run(task);
    }
    push(link, task, to);
}

pub(super) fn push(link: PoolLink, task: PoolTask, to: Destination) {
    let mut task = Some(task);
    with_innermost(|local| {
        if let Some(local) = local.filter(|local| local.shared.link == link) {
            let task = task.take().expect("a task is pushed once");
            local.shared.push_to(task, to);
        }
    });
    if let Some(task) = task {
        match Pool::of(link) {
            Some(pool) => pool.push_to(task, to),
            None => unreachable!("a pool with unfinished tasks exists"),
        }
    }
}
