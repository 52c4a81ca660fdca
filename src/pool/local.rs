//! What one thread has of a pool.
//!
//! A thread's [`Local`] leads a task that submits to the lane of the slot it runs on, and tells
//! every entry point whether it was called from inside. A pointer of the thread's own leads to it.
//!
//! # Residents and guests
//! A *resident* is one of the pool's threads. A *guest* is another thread that does one of the pool's
//! tasks a service, and with it counts as inside: it runs a task that it submitted itself, or drops
//! one that it cancels. Until the guest has gone that task is unfinished, so the pool's end must not
//! be waited for on that thread. A guest of one pool may be a resident of another, or a guest
//! already: the parts form a chain, from the innermost outwards. A task that is run in place finds
//! its own pool innermost, so there may be a guest's part above a resident's of the same pool.

#![expect(
    unsafe_code,
    reason = "a thread finds its own part through a pointer to its stack"
)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lanes::Lane;
use super::origin::Origin;
use super::shared::{Running, Shared};
use super::tally::Closed;
use crate::error::CancelReason;
use crate::primitive::thread_pointer;
use crate::task::cell::Remote;
use crate::task::{Context, Name, Task};
use crate::unwind::{self, Payload};

/// A task as the threads of a pool run it.
pub(crate) type PoolTask = Task<Local>;

/// A pool of such tasks.
pub(crate) type Pool = Shared<PoolTask>;

/// After so many tasks that were run in place a thread looks whether it should sweep its lane.
const CLAIMS: usize = 64;

/// A sleep that costs more than it spares: to be woken takes some microseconds on both sides.
const NAP: Duration = Duration::from_micros(120);

/// So many cancelled tasks may lie in the queues without anyone minding.
const SHELLS: usize = 1024;

// The innermost [`Local`] of this thread, while it has one.
thread_pointer!(HERE);

// The pool that cannot end before this thread does, to the end of its last thread-local: its id, in
// the form of a pointer.
thread_pointer!(HOME);

/// What one thread has of a pool.
pub(crate) struct Local {
    pub(crate) shared: Arc<Pool>,
    /// The lane of the slot that the thread holds. Never borrowed across a call into
    /// user code, so that a task may give the slot up.
    lane: RefCell<Option<Lane<PoolTask>>>,
    /// Where the thread notes what it runs, if it has a slot.
    running: Option<Arc<Running>>,
    /// Whether the thread is counted as searching.
    searching: Cell<bool>,
    /// Whether looking around for a while might have spared the thread its last sleep.
    hopeful: Cell<bool>,
    /// Tasks run in place since the lane was swept last.
    claims: Cell<usize>,
    /// Whether this thread has to see the others off, because the pool's last owner was dropped here.
    sees_off: Cell<bool>,
    /// Whether the thread is one of the pool's.
    resident: bool,
    /// The part that this thread had before, and will have again.
    outer: *const Self,
}

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

    fn cancel(&self, task: PoolTask) {
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

    /// This thread's part of the pool, if it has one: that of a resident rather than of a guest.
    ///
    /// Not to be kept: the callers in this room let go of it before they return.
    #[inline]
    fn part_of_this_thread(&self) -> Option<&Local> {
        let innermost = Local::innermost()?;
        if innermost.resident && innermost.is_part_of(self) {
            return Some(innermost);
        }
        self.part_of_this_chain()
    }

    #[cold]
    fn part_of_this_chain(&self) -> Option<&Local> {
        let parts = || Local::chain().filter(|local| local.is_part_of(self));
        parts().find(|local| local.resident).or(parts().next())
    }
}

impl Local {
    /// Takes slot `index`, which was claimed for this thread, and calls `body` as a thread of the
    /// pool. Tells whether this one has to see the others off.
    pub(crate) fn enter(shared: Arc<Pool>, index: usize, body: impl FnOnce(&Self)) -> bool {
        HOME.with(|home| home.set(shared.id()));
        let lane = shared.slots.occupy(index);
        let local = Self::new(shared, Some(lane), true);
        local.inhabit(body);
        if let Some(lane) = local.lane.take() {
            local.shared.slots.vacate(lane, local.searching.get());
        }
        local.sees_off.get()
    }

    /// Calls `body` inside the pool: as a guest, unless the pool is this thread's innermost already.
    fn visit(shared: &Arc<Pool>, body: impl FnOnce()) {
        if Self::innermost().is_some_and(|local| local.is_part_of(shared)) {
            body();
        } else {
            Self::new(Arc::clone(shared), None, false).inhabit(|_| body());
        }
    }

    fn is_part_of(&self, pool: &Pool) -> bool {
        std::ptr::eq(&raw const *self.shared, pool)
    }

    fn new(shared: Arc<Pool>, lane: Option<Lane<PoolTask>>, resident: bool) -> Self {
        Self {
            running: lane.as_ref().map(|lane| shared.running(lane.index())),
            shared,
            lane: RefCell::new(lane),
            // Whoever starts a thread counts it as searching.
            searching: Cell::new(resident),
            hopeful: Cell::new(true),
            claims: Cell::new(0),
            sees_off: Cell::new(false),
            resident,
            outer: HERE.with(Cell::get).cast(),
        }
    }

    /// Makes this the innermost part of the thread for as long as `body` runs.
    fn inhabit(&self, body: impl FnOnce(&Self)) {
        HERE.with(|here| here.set(std::ptr::from_ref(self).cast()));
        let _gone = OnDrop(|| HERE.with(|here| here.set(self.outer.cast())));
        body(self);
    }

    /// Calls `body` with this thread's part of whatever pool it is innermost inside.
    pub(crate) fn with<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        body(Self::innermost().and_then(Self::rather_resident))
    }

    /// The part of the same pool that this thread has as a resident, if it has one; else this.
    #[inline]
    fn rather_resident(&self) -> Option<&Self> {
        match self.resident {
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
        // SAFETY: the pointer is null or was set by `inhabit` on this thread, whose caller keeps the
        // value on its stack, shared only, and which sets the pointer back before it returns.
        // Whoever runs on this thread meanwhile is called by `inhabit`, and no caller in this room
        // keeps it.
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

    /// Runs a task in place if nobody has begun it and this thread is inside its pool.
    pub(crate) fn run_in_place(from: &'static Origin, task: &Remote) {
        if !task.is_queued() {
            return;
        }
        let is_from = |local: &&Self| std::ptr::eq(local.shared.origin, from);
        let ours = if Self::innermost().filter(is_from).is_some() {
            task.run_here()
        } else if let Some(pool) = Self::chain().find(is_from).map(|local| &local.shared) {
            // The task has to find its own pool innermost.
            let (pool, mut ours) = (Arc::clone(pool), false);
            Self::visit(&pool, || ours = task.run_here());
            ours
        } else {
            false
        };
        if ours {
            let mut residents = Self::chain().filter(is_from).filter(|local| local.resident);
            residents.next().into_iter().for_each(Self::claimed);
        }
    }

    /// A task was run in place; its shell lies in some queue, most likely in the own lane.
    fn claimed(&self) {
        self.claims.set(self.claims.get() + 1);
        if self.claims.get() < CLAIMS {
            return;
        }
        if let Some(lane) = &*self.lane.borrow() {
            if self.claims.get() < lane.len() / 2 {
                // It would cost more than it gives back.
                return;
            }
            self.shared.queue.sweep_lane(lane, PoolTask::is_shell);
        }
        self.claims.set(0);
        // What was kept was in no queue for a moment.
        self.shared.task_pushed();
    }

    /// Lets go of the shells in the queues if they are many, and more than half of what is there.
    #[inline]
    pub(super) fn sweep_if_wanted(&self) {
        if self.shared.origin.shells() >= SHELLS {
            self.sweep();
        }
    }

    #[cold]
    fn sweep(&self) {
        let shared = &self.shared;
        if shared.origin.shells() > shared.queue.waiting_outside() / 2 {
            shared.origin.swept();
            if let Some(lane) = &*self.lane.borrow() {
                shared.queue.sweep(lane, PoolTask::is_shell);
            }
            // What was kept was in no queue for a moment.
            shared.task_pushed();
        }
    }

    /// Which slot this thread holds, from 0.
    pub(crate) fn slot_index(&self) -> Option<usize> {
        self.lane.borrow().as_ref().map(Lane::index)
    }

    /// Takes the next task of the own lane.
    #[inline]
    pub(super) fn pop(&self) -> Option<PoolTask> {
        match &*self.lane.borrow() {
            Some(lane) => lane.pop(),
            None => None,
        }
    }

    /// Looks where a busy thread looks when its own lane gave nothing.
    pub(super) fn find_near(&self) -> Option<PoolTask> {
        let lane = self.lane.borrow();
        let lane = lane.as_ref()?;
        let task = self.shared.queue.find_near(lane)?;
        if !self.searching.get() && !lane.is_empty() {
            // It came with others, which were in no queue for a moment: as good as pushed anew.
            self.shared.task_pushed();
        }
        Some(task)
    }

    /// Looks everywhere but in the own lane; with `leave_last` leaves another slot's only
    /// task alone.
    pub(super) fn find_far(&self, leave_last: bool) -> Option<PoolTask> {
        let lane = self.lane.borrow();
        self.shared.queue.find_far(lane.as_ref()?, leave_last)
    }

    /// How far the other slots have come; two answers tell whether they get on.
    pub(super) fn finished_by_others(&self) -> usize {
        let lane = self.lane.borrow();
        let count = |lane| self.shared.queue.finished_by_others(lane);
        lane.as_ref().map_or(0, count)
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
    /// thread is busy, so that others are woken for new tasks meanwhile, and outside the pool,
    /// because it is no task of it.
    pub(super) fn look_around_if_wanted(&self) {
        if self.shared.wants_attention() {
            self.stop_searching();
            HERE.with(|here| here.set(self.outer.cast()));
            let _back = OnDrop(|| HERE.with(|here| here.set(std::ptr::from_ref(self).cast())));
            self.shared.look_around();
        }
    }

    /// Searching to busy.
    #[inline]
    pub(super) fn stop_searching(&self) {
        if self.searching.take() {
            self.shared.found();
        }
    }

    /// Notes what the thread runs.
    #[inline]
    pub(super) fn note_running(&self, name: Option<&'static Name>) {
        if let Some(running) = &self.running {
            running.note(name);
        }
    }

    /// Sleeps until there may be a task, or the pool has ended.
    pub(super) fn sleep(&self) {
        let Some(index) = self.slot_index() else {
            return;
        };
        let (shared, asleep) = (&self.shared, Instant::now());
        shared
            .slots
            .sleep(index, self.searching.get(), || shared.last_look());
        // Whoever wakes a thread counts it as searching.
        self.searching.set(true);
        self.hopeful.set(asleep.elapsed() < NAP);
    }

    /// Tells whether looking around for a while might have spared the thread its last sleep.
    pub(super) fn is_hopeful(&self) -> bool {
        // The model knows no time, and looking around adds nothing to it but schedules.
        self.hopeful.get() && !cfg!(workmill_loom)
    }

    /// Runs a task to its end, or cancels it if the pool is stopping.
    #[inline]
    pub(super) fn run(&self, found: &mut Option<PoolTask>) {
        self.stop_searching();
        self.run_or_cancel(found);
        self.shared.queue.task_done(self.lane.borrow().as_ref());
    }

    #[inline]
    fn run_or_cancel(&self, found: &mut Option<PoolTask>) {
        if self.shared.is_stopping() {
            if let Some(task) = found.take() {
                self.note_running(task.name());
                self.shared.cancel(task);
            }
        } else if !PoolTask::run(found, self) {
            self.shared.origin.shell_met();
        }
    }
}

/// Calls a function when it is dropped, while unwinding too.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl Context for Local {
    #[inline]
    fn begins(&self, name: &'static Name) {
        self.note_running(Some(name));
    }

    fn panicked(&self, payload: Payload) {
        self.shared.report(payload);
    }
}
