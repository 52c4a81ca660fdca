//! What one thread has of a pool.
//!
//! A thread's [`Local`] leads a task that submits to the local queue of the slot it runs on, and tells
//! every entry point whether it was called from inside. A pointer of the thread's own leads to it. It is
//! put aside for what is done between two tasks, so whatever is called there (wakers of those who
//! wait until all is done, and what the user wants to be told) is no task of the pool.
//!
//! # Residents and guests
//! A *resident* is one of the pool's threads. A *guest* is another thread that does one of the pool's
//! tasks a service, and with it counts as inside: it runs a task that it submitted itself, or drops
//! one that it cancels. Until the guest has gone that task is unfinished, so the pool's end must not
//! be waited for on that thread. A guest of one pool may be a resident of another, or a guest
//! already: the parts form a chain, from the innermost outwards. A task that is run in place finds
//! its own pool innermost, so there may be a guest's part above a resident's of the same pool.
//!
//! # In this room
//! The pointer, the parts, and what the worker's loop asks of them. [`entry`] is what a
//! pool does for the thread that asks, [`inline`] runs what a thread waits for, [`slot`] is how a
//! thread comes by a slot and leaves it, [`futures`] where a future goes when it is woken, and [`yielded`] where one goes
//! that gives way.

#![expect(
    unsafe_code,
    reason = "a thread finds its own part through a pointer to its stack"
)]

mod entry;
mod futures;
mod inline;
mod slot;
mod yielded;

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use self::yielded::Yielded;
use super::lanes::LocalQueue;
use super::link::{MANY_TOMBSTONES, PoolLink};
use super::roster::Worker;
use super::shared::Shared;
use super::slots::ReservedSlot;
use super::task_queue::TaskQueue;
use crate::fork::Stamp;
use crate::primitive::thread_cell;
use crate::task::{Context, Name, Ran, Task};
use crate::trampoline;
use crate::unwind::{OnDrop, Payload};

/// A task as the threads of a pool run it.
pub(crate) type PoolTask = Task<Local>;

/// A pool of such tasks.
pub(crate) type Pool = Shared<PoolTask>;

/// A way to look for a task.
type Find = fn(&TaskQueue<PoolTask>, &LocalQueue<PoolTask>) -> Option<PoolTask>;

/// So many bytes of a guest's stack may be used before no more tasks are run in place: what every
/// thread has, as one may hope.
const FOREIGN_STACK: usize = 64 << 10;

// The innermost [`Local`] of this thread, while it has one.
thread_cell!(HERE: *const () = std::ptr::null());

// The pool that cannot end before this thread does, to the end of its last thread-local: its id, in
// the form of a pointer.
thread_cell!(HOME: *const () = std::ptr::null());

std::thread_local! {
    /// Pools whose end may depend on what this thread does at the moment, though it is not inside.
    static IN_THE_WAY: RefCell<Vec<PoolLink>> = const { RefCell::new(Vec::new()) };
}

/// What one thread has of a pool.
pub(crate) struct Local {
    pub(crate) shared: Arc<Pool>,
    /// The local queue of the slot that the thread holds. Never borrowed across a call into
    /// user code, so that a task may give the slot up.
    local_queue: RefCell<Option<LocalQueue<PoolTask>>>,
    yielded: Yielded,
    /// Where the thread notes what it runs.
    worker: Arc<Worker>,
    /// The cell of the task whose closure runs here, if it has one, or null; what is run in place is in
    /// `inline`.
    task: Cell<*const ()>,
    /// The cells of the tasks that run in place, the outer ones first.
    inline: RefCell<Vec<*const ()>>,
    /// How the thread waits, if it does, or is about to.
    wait: Cell<Wait>,
    /// Whether the thread is counted as away from its slot.
    away: Cell<bool>,
    /// Whether the thread is counted as searching.
    searching: Cell<bool>,
    /// Whether looking around for a while might have spared the thread its last sleep.
    spin_pays: Cell<bool>,
    /// Tasks run in place since the local queue was swept last.
    inline_runs: Cell<usize>,
    /// Whether this thread has to see the others off, because the pool's last owner was dropped here.
    joins_others: Cell<bool>,
    /// Where this thread's first part begins on the stack, as an address, and how many bytes from there
    /// may be used before no more tasks are run in place.
    start: usize,
    room: usize,
    /// Whether the thread is one of the pool's.
    is_worker: bool,
    /// The part that this thread had before, and will have again.
    outer: *const Self,
}

/// How a thread waits in a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    Not,
    /// With its slot, because too many are away.
    Uncovered,
    /// Another may have the slot.
    Covered,
}

/// How a thread of the pool has left.
pub(super) struct Left {
    /// The pool goes on without it.
    pub(super) before_the_end: bool,
    /// It has to see the others off.
    pub(super) joins_others: bool,
}

impl Pool {
    /// This thread's part of the pool, if it has one: that of a resident rather than of a guest.
    ///
    /// Not to be kept: the callers in this room let go of it before they return.
    #[inline]
    fn part_of_this_thread(&self) -> Option<&Local> {
        let innermost = Local::innermost()?;
        if innermost.is_worker && innermost.is_part_of(self) {
            return Some(innermost);
        }
        self.part_of_this_chain()
    }

    #[cold]
    fn part_of_this_chain(&self) -> Option<&Local> {
        let parts = || Local::chain().filter(|local| local.is_part_of(self));
        parts().find(|local| local.is_worker).or(parts().next())
    }
}

impl Local {
    /// Takes the slot that was claimed for this thread, which may be counted as searching, and calls
    /// `work` as a thread of the pool, which tells whether the thread leaves before the pool's end.
    pub(super) fn enter(
        shared: Arc<Pool>,
        worker: &Arc<Worker>,
        reserved: ReservedSlot,
        searching: bool,
        work: impl FnOnce(&Self) -> bool,
    ) -> Left {
        let local_queue = shared.slots.occupy(reserved);
        let local = Self::new(shared, Arc::clone(worker), Some(local_queue));
        local.searching.set(searching);
        let mut before_the_end = false;
        local.inhabit(|local| before_the_end = work(local));
        if local.shared.is_forked() {
            local.forget_yielded();
        }
        match local.local_queue.take() {
            Some(local_queue) if !local.shared.is_forked() => {
                local
                    .shared
                    .slots
                    .vacate(local_queue, local.searching.get());
            }
            _ => {}
        }
        Left {
            before_the_end,
            joins_others: local.joins_others.get(),
        }
    }

    /// Calls `body` inside the pool: as a guest, unless the pool is this thread's innermost already.
    fn visit(shared: &Arc<Pool>, body: impl FnOnce()) {
        if Self::innermost().is_some_and(|local| local.is_part_of(shared)) {
            body();
        } else {
            // What was put off outside is called outside, and what is put off inside is called inside.
            trampoline::catch_up();
            let foreign = Arc::clone(&shared.foreign);
            Self::new(Arc::clone(shared), foreign, None).inhabit(|_| {
                body();
                trampoline::catch_up();
            });
        }
    }

    fn is_part_of(&self, pool: &Pool) -> bool {
        std::ptr::eq(&raw const *self.shared, pool)
    }

    fn new(
        shared: Arc<Pool>,
        worker: Arc<Worker>,
        local_queue: Option<LocalQueue<PoolTask>>,
    ) -> Self {
        let is_worker = local_queue.is_some();
        let outer = HERE.with(Cell::get).cast();
        let (start, room) = match Self::innermost() {
            Some(outer) => (outer.start, outer.room),
            None if is_worker => (
                std::ptr::from_ref(&is_worker).addr(),
                shared.stack_size / 4 * 3,
            ),
            None => (std::ptr::from_ref(&is_worker).addr(), FOREIGN_STACK),
        };
        Self {
            start,
            room,
            shared,
            worker,
            task: Cell::new(std::ptr::null()),
            inline: RefCell::new(Vec::new()),
            wait: Cell::new(Wait::Not),
            away: Cell::new(false),
            local_queue: RefCell::new(local_queue),
            yielded: Yielded::default(),
            searching: Cell::new(false),
            spin_pays: Cell::new(true),
            inline_runs: Cell::new(0),
            joins_others: Cell::new(false),
            is_worker,
            outer,
        }
    }

    /// Makes this the innermost part of the thread for as long as `body` runs.
    fn inhabit(&self, body: impl FnOnce(&Self)) {
        Self::with_here(self, self.outer, || body(self));
    }

    /// Notes that nothing on this thread is to wait for the end of this pool, to the thread's very end.
    pub(super) fn settle(shared: &Pool) {
        HOME.with(|home| home.set(shared.id()));
    }

    /// Calls `body`, which a task of this pool may wait for, or its end: so the end is not waited for on
    /// this thread meanwhile. The thread does not count as inside.
    pub(crate) fn in_the_way<R>(pool: PoolLink, body: impl FnOnce() -> R) -> R {
        if cfg!(workmill_loom) {
            // The model's threads share the one that they run on.
            return body();
        }
        // While a thread ends its list may be gone already.
        let listed = IN_THE_WAY.try_with(|pools| pools.borrow_mut().push(pool));
        let _end = OnDrop(|| {
            if listed.is_ok() {
                let _ = IN_THE_WAY.try_with(|pools| pools.borrow_mut().pop());
            }
        });
        body()
    }

    /// Calls `body`, which is between two tasks of this resident, outside the pool.
    #[inline]
    pub(super) fn outside<R>(&self, body: impl FnOnce() -> R) -> R {
        let result = Self::with_here(self.outer, self, body);
        if self.shared.is_forked() {
            // Whatever was called has forked, and this is the child.
            self.shared.end_in_the_child();
        }
        result
    }

    /// Has the pointer lead to one part while `body` runs, and to another after that; in a child
    /// process to none, since there the thread is inside nothing.
    #[inline]
    fn with_here<R>(here: *const Self, after: *const Self, body: impl FnOnce() -> R) -> R {
        let before = Stamp::now();
        HERE.with(|pointer| pointer.set(here.cast()));
        let _back = OnDrop(|| {
            let after = if before.is_here() {
                after
            } else {
                std::ptr::null()
            };
            HERE.with(|pointer| pointer.set(after.cast()));
        });
        body()
    }

    /// Calls `body` with this thread's part of whatever pool it is innermost inside.
    pub(crate) fn with<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        body(Self::innermost().and_then(Self::prefer_worker))
    }

    /// The part of the same pool that this thread has as a resident, if it has one; else this.
    #[inline]
    fn prefer_worker(&self) -> Option<&Self> {
        match self.is_worker {
            true => Some(self),
            false => self.shared.part_of_this_chain(),
        }
    }

    /// This thread's part of whatever pool it is innermost inside, for as long as the caller runs.
    ///
    /// Private, because the lifetime says nothing: nobody may keep the reference.
    #[inline]
    fn innermost<'a>() -> Option<&'a Self> {
        let here = HERE.with(Cell::get).cast::<Self>();
        // SAFETY: the pointer is null or was set by `with_here` on this thread, to a part that `inhabit`
        // was called on further down the stack and has not returned from, or to the outer part of one,
        // of which the same holds. Their callers keep them on their stacks, shared only. Whoever runs
        // on this thread meanwhile is called by `inhabit`, and no caller in this room keeps the reference.
        unsafe { here.as_ref() }
    }

    /// This thread's parts of whatever pools it is inside, innermost first; as
    /// [`innermost`](Self::innermost).
    fn chain<'a>() -> impl Iterator<Item = &'a Self> {
        std::iter::successors(Self::innermost(), |local| {
            // SAFETY: `new` read the pointer where `innermost` does, and what held of it there holds
            // until this part is gone.
            unsafe { local.outer.as_ref() }
        })
    }

    /// Lets go of the tombstones in the queues if they are many, and more than half of what is there.
    #[inline]
    pub(super) fn sweep_if_wanted(&self) {
        if self.shared.link.tombstones() >= MANY_TOMBSTONES {
            self.outside(|| self.sweep());
        }
    }

    #[cold]
    fn sweep(&self) {
        let shared = &self.shared;
        if shared.link.tombstones() <= shared.queue.waiting_outside() / 2 {
            return;
        }
        match &*self.local_queue.borrow() {
            Some(local_queue) => {
                shared.link.swept();
                shared.queue.sweep(local_queue, PoolTask::is_tombstone);
            }
            None => return,
        }
        // What was kept was in no queue for a moment.
        shared.task_pushed();
    }

    /// Tells whether this thread holds a slot.
    #[inline]
    pub(super) fn has_slot(&self) -> bool {
        self.local_queue.borrow().is_some()
    }

    /// Which slot this thread holds, from 0.
    pub(crate) fn slot_index(&self) -> Option<usize> {
        self.local_queue.borrow().as_ref().map(LocalQueue::index)
    }

    #[inline]
    fn pop_local(&self) -> Option<PoolTask> {
        match &*self.local_queue.borrow() {
            Some(local_queue) => local_queue.pop(),
            None => None,
        }
    }

    /// Looks where a busy thread looks when its own local queue gave nothing.
    pub(super) fn find_near(&self) -> Option<PoolTask> {
        self.find_with(TaskQueue::find_near)
    }

    /// Looks for what others have to run, while this thread has some of its own.
    pub(super) fn find_outsider(&self) -> Option<PoolTask> {
        self.find_with(TaskQueue::find_outsider)
    }

    fn find_with(&self, find: Find) -> Option<PoolTask> {
        let (task, is_empty) = match &*self.local_queue.borrow() {
            Some(local_queue) => (
                find(&self.shared.queue, local_queue)?,
                local_queue.is_empty(),
            ),
            None => return None,
        };
        if !self.searching.get() && !is_empty {
            // It came with others, which were in no queue for a moment: as good as pushed anew.
            self.shared.task_pushed();
        }
        Some(task)
    }

    /// Looks everywhere but in the own local queue; with `leave_last` leaves another slot's only
    /// task alone.
    pub(super) fn find_far(&self, leave_last: bool) -> Option<PoolTask> {
        let local_queue = self.local_queue.borrow();
        self.shared
            .queue
            .find_far(local_queue.as_ref()?, leave_last)
    }

    /// How far the other slots have come; two answers tell whether they get on.
    pub(super) fn finished_by_others(&self) -> usize {
        let local_queue = self.local_queue.borrow();
        let count = |local_queue| self.shared.queue.finished_by_others(local_queue);
        local_queue.as_ref().map_or(0, count)
    }

    /// Tells whether the thread may search, because it does already or few do.
    pub(super) fn may_search(&self) -> bool {
        if !self.searching.get() {
            self.searching.set(self.shared.slots.start_searching());
        }
        self.searching.get()
    }

    /// Looks around if anyone waits for that, before the thread spends time on searching.
    ///
    /// Those who wait may have brought wakers of their own, which are user code: it runs while the
    /// thread is busy, so that others are woken for new tasks meanwhile.
    pub(super) fn check_quiescence_if_wanted(&self) {
        if self.shared.wants_attention() {
            self.stop_searching();
            self.shared.check_quiescence();
        }
    }

    /// Searching to busy.
    #[inline]
    pub(super) fn stop_searching(&self) {
        if self.searching.take() {
            self.shared.found();
        }
    }

    /// Notes that the thread runs nothing.
    pub(super) fn note_idle(&self) {
        self.worker.note_running(None);
    }

    /// Tells whether the thread may go on as it is, for all that others have to say.
    #[inline]
    pub(super) fn is_calm(&self) -> bool {
        self.shared.slots.is_calm()
    }

    /// Tells whether looking around for a while might have spared the thread its last sleep.
    pub(super) fn spin_pays(&self) -> bool {
        // The model knows no time, and looking around adds nothing to it but schedules.
        self.spin_pays.get() && !cfg!(workmill_loom)
    }

    /// Runs a task, or cancels it if the pool is stopping.
    #[inline]
    pub(super) fn run(&self, found: &mut Option<PoolTask>) {
        if self.searching.get() {
            self.outside(|| self.stop_searching());
        }
        match self.run_or_cancel(found) {
            Ran::Yields => found
                .take()
                .into_iter()
                .for_each(|task| self.put_behind(task)),
            ran => self.count_if_ended(ran),
        }
    }

    /// Counts a task if it has ended.
    #[inline]
    fn count_if_ended(&self, ran: Ran) {
        match ran {
            Ran::Ended | Ran::Tombstone => self
                .shared
                .queue
                .task_done(self.local_queue.borrow().as_ref()),
            Ran::GoesOn | Ran::Yields => {}
        }
    }

    #[inline]
    fn run_or_cancel(&self, found: &mut Option<PoolTask>) -> Ran {
        if self.shared.is_stopping() {
            return self.cancel(found);
        }
        let ran = PoolTask::run(found, self);
        if ran == Ran::Tombstone {
            self.shared.link.tombstone_met();
        }
        ran
    }

    #[cold]
    fn cancel(&self, found: &mut Option<PoolTask>) -> Ran {
        let look = found.as_ref().and_then(PoolTask::look);
        self.worker.note_running(look.map(|look| look.name));
        if look.is_some_and(|look| look.is_future) {
            found
                .iter()
                .for_each(|task| self.shared.request_cancel(task));
            return PoolTask::run(found, self);
        }
        found
            .take()
            .into_iter()
            .for_each(|task| self.shared.cancel(task));
        Ran::Ended
    }
}

impl Context for Local {
    #[inline]
    fn begins(&self, name: &'static Name) {
        self.worker.note_running(Some(name));
    }

    #[inline]
    fn can_be_joined(&self, cell: *const ()) {
        self.task.set(cell);
    }

    #[inline]
    fn returned(&self) {
        self.task.set(std::ptr::null());
    }

    fn panicked(&self, payload: Payload) {
        self.shared.report(payload);
    }

    fn future_ended(&self, key: usize) {
        if !self.shared.is_forked() {
            self.shared.spawned.remove(key);
        }
    }
}
