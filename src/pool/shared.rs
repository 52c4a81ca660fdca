//! What all threads of a pool share, and what each has of its own.
//!
//! [`Shared`] is the pool as a whole: the queue, the slots, the phase of its life. [`Local`] is
//! one thread's part; a pointer of the thread's own leads to it, so that a task that submits finds
//! the lane of the slot it runs on. The gate of admission is kept here too, as plain data: the
//! decisions about it are made above, and the threads never look at it.
//!
//! # Phases
//! OPEN, then CLOSING (outsiders are refused, all that was accepted is finished), then perhaps
//! STOPPING (what has not begun is cancelled), then ENDED (all is done; threads leave). The
//! phase only grows. ENDED is set by whoever finds the closed queue quiet, which it
//! then stays (`pool/tally.rs`).

#![expect(
    unsafe_code,
    reason = "a thread finds its own part through a pointer to its stack"
)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::config::{Config, Overflow};
use super::lanes::Lane;
use super::roster::Roster;
use super::slots::{LastLook, Slots};
use super::tally::Closed;
use super::task_queue::TaskQueue;
use crate::error::CancelReason;
use crate::primitive::{
    AtomicU8, AtomicUsize, Deadline, Ordering, ThreadHandle, fence, thread_pointer,
};
use crate::sync::semaphore::Semaphore;
use crate::task::{Context, Task};
use crate::unwind::Payload;

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const STOPPING: u8 = 2;
const ENDED: u8 = 3;

/// A task as the threads of a pool run it.
pub(crate) type PoolTask = Task<Local>;

pub(crate) struct Shared {
    queue: TaskQueue<PoolTask>,
    slots: Slots<PoolTask>,
    phase: AtomicU8,
    /// Tasks that `stop` and the threads have cancelled.
    cancelled: AtomicUsize,
    pub(crate) gate: Option<Gate>,
    pub(crate) roster: Roster,
}

/// How many tasks may wait, and what happens to one more.
pub(crate) struct Gate {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) overflow: Overflow,
}

/// Which pool something belongs to, for as long as that pool lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolId(usize);

impl Shared {
    pub(crate) fn new(config: &Config) -> Self {
        let (queue, lanes) = TaskQueue::new(config.thread_names.len());
        Self {
            queue,
            slots: Slots::new(lanes),
            phase: AtomicU8::new(OPEN),
            cancelled: AtomicUsize::new(0),
            gate: config.queue_capacity.map(|capacity| Gate {
                permits: Arc::new(Semaphore::new(capacity)),
                overflow: config.overflow,
            }),
            roster: Roster::new(),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> PoolId {
        PoolId(self.address().addr())
    }

    fn address(&self) -> *const () {
        std::ptr::from_ref(self).cast()
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Counts a task that will be pushed by this thread.
    #[inline]
    pub(crate) fn accept(&self) -> Result<(), Closed> {
        match self.part_of_this_thread() {
            Some(_) if self.is_stopping() => Err(Closed),
            Some(local) => self.queue.accept(local.lane.borrow().as_ref()),
            // A refusal may have been counted and taken back, which is a finish like any other.
            None => self
                .queue
                .accept(None)
                .inspect_err(|Closed| self.look_around()),
        }
    }

    /// Pushes a task that this thread has counted.
    #[inline]
    pub(crate) fn push(&self, task: PoolTask) {
        match self.part_of_this_thread() {
            Some(local) => self.queue.push(task, local.lane.borrow().as_ref()),
            None => self.queue.push(task, None),
        }
        self.slots.task_pushed();
    }

    /// Lets this thread see the others off when it ends, if it is one of the pool's.
    pub(crate) fn see_off_from_here(&self) {
        if let Some(local) = self.part_of_this_thread() {
            local.to_join.replace(self.roster.take_handles());
        }
    }

    /// Tells whether the pool's end would wait for this thread: it is one of the pool's, or holds
    /// a task of the pool that it is cancelling.
    pub(crate) fn waits_for_this_thread(&self) -> bool {
        self.is_here()
            || SERVING
                .try_with(Cell::get)
                .is_ok_and(|pool| pool == self.address())
    }

    /// Tells whether this thread is one of the pool's, and its thread-locals live.
    pub(crate) fn is_here(&self) -> bool {
        self.part_of_this_thread().is_some()
    }

    /// This thread's part of the pool, if it is one of its threads.
    ///
    /// Not to be kept: the callers in this room let go of it before they return.
    #[inline]
    fn part_of_this_thread(&self) -> Option<&Local> {
        Local::here().filter(|local| std::ptr::eq(&raw const *local.shared, self))
    }

    /// Refuses outsiders from now on, and lets what was accepted run to its end.
    pub(crate) fn close(&self) {
        self.phase.fetch_max(CLOSING, Ordering::AcqRel);
        self.queue.close();
        if let Some(gate) = &self.gate {
            gate.permits.close();
        }
        self.look_around();
    }

    /// Closes, and cancels what has not begun; says how many.
    pub(crate) fn stop(&self) -> usize {
        let before = self.phase.fetch_max(STOPPING, Ordering::AcqRel);
        self.close();
        if before >= STOPPING {
            // Someone is at it already, maybe further down on this very stack.
            return 0;
        }
        // What is cancelled here is unfinished until it is counted, so no drop of a capture may
        // wait on this thread until it is.
        let serving = SERVING.with(|serving| serving.replace(self.address()));
        let _restore = OnDrop(|| SERVING.with(|place| place.set(serving)));
        while let Some(task) = self.queue.find_any() {
            self.cancel(task);
            self.queue.task_done(None);
        }
        self.look_around();
        self.cancelled.load(Ordering::Relaxed)
    }

    fn cancel(&self, task: PoolTask) {
        if task.cancel(CancelReason::Shutdown) {
            self.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    #[inline]
    fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= STOPPING
    }

    pub(crate) fn has_ended(&self) -> bool {
        // ORDERING: Acquire takes all that was done before `look_around` set it.
        self.phase.load(Ordering::Acquire) == ENDED
    }

    /// Waits until nothing is unfinished; `false` if the time was over first.
    pub(crate) fn wait_idle(&self, deadline: Deadline) -> bool {
        self.queue.join(deadline)
    }

    /// What everyone does who has finished a task and goes on to something else: wakes those
    /// who wait until all is done, and ends the pool if it was closed.
    fn look_around(&self) {
        // ORDERING: pairs with the fence of a joiner, and orders us with other finishers.
        fence(Ordering::SeqCst);
        if self.queue.check_done() && self.phase.fetch_max(ENDED, Ordering::AcqRel) != ENDED {
            // ORDERING: as a pusher: a sleeper sees the end, or we see the sleeper.
            fence(Ordering::SeqCst);
            self.slots.wake_all();
        }
    }

    /// Looks around if anyone waits for that, before a thread spends time on searching.
    pub(super) fn look_around_if_wanted(&self) {
        if self.queue.wants_attention() {
            self.look_around();
        }
    }

    /// The last look of a thread that is counted asleep by now.
    fn last_look(&self) -> LastLook {
        self.look_around();
        if self.has_ended() {
            LastLook::Ended
        } else if self.queue.has_tasks() {
            LastLook::Tasks
        } else {
            LastLook::Nothing
        }
    }
}

// This thread's [`Local`], while it runs the pool's loop.
thread_pointer!(HERE);

// The pool that cannot end before this thread goes on: its own, to the end of its last
// thread-local, or one whose tasks it is cancelling. Only ever compared.
thread_pointer!(SERVING);

/// What one thread of a pool has of its own.
pub(crate) struct Local {
    pub(crate) shared: Arc<Shared>,
    /// The lane of the slot that the thread holds. Never borrowed across a call into
    /// user code, so that a task may give the slot up.
    lane: RefCell<Option<Lane<PoolTask>>>,
    /// Whether the thread is counted as searching.
    searching: Cell<bool>,
    /// Threads that this one has to see off, because the pool's last owner was dropped here.
    to_join: RefCell<Vec<ThreadHandle<()>>>,
}

impl Local {
    /// Takes slot `index` and calls `body` as a thread of the pool.
    ///
    /// Gives back the threads that this one has to see off.
    pub(crate) fn enter(
        shared: Arc<Shared>,
        index: usize,
        body: impl FnOnce(&Self),
    ) -> Vec<ThreadHandle<()>> {
        let lane = shared.slots.occupy(index);
        let local = Self {
            shared,
            lane: RefCell::new(Some(lane)),
            searching: Cell::new(false),
            to_join: RefCell::default(),
        };
        SERVING.with(|serving| serving.set(local.shared.address()));
        HERE.with(|here| here.set(std::ptr::from_ref(&local).cast()));
        let gone = OnDrop(|| HERE.with(|here| here.set(std::ptr::null())));
        body(&local);
        drop(gone);
        if let Some(lane) = local.lane.take() {
            local.shared.slots.vacate(lane, local.searching.get());
        }
        local.to_join.take()
    }

    /// Calls `body` with this thread's part of whatever pool it belongs to.
    pub(crate) fn with<R>(body: impl FnOnce(Option<&Self>) -> R) -> R {
        body(Self::here())
    }

    /// This thread's part of whatever pool it belongs to, for as long as the caller runs.
    ///
    /// Private, because the lifetime says nothing: nobody may keep the reference.
    #[inline]
    fn here<'a>() -> Option<&'a Self> {
        let here = HERE
            .try_with(Cell::get)
            .unwrap_or(std::ptr::null())
            .cast::<Self>();
        // SAFETY: the pointer is null or was set by `enter` on this thread, which keeps the value
        // on its stack, shared only, and sets the pointer back before it goes. Whoever runs on
        // this thread meanwhile is called by `enter`, and no caller in this room keeps it.
        unsafe { here.as_ref() }
    }

    /// Tells whether this thread belongs to the pool `id`.
    pub(crate) fn is_part_of(id: PoolId) -> bool {
        Self::here().is_some_and(|local| local.shared.id() == id)
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
            self.shared.slots.task_pushed();
        }
        Some(task)
    }

    /// Looks everywhere but in the own lane; with `leave_last` leaves another slot's only
    /// task alone.
    pub(super) fn find_far(&self, leave_last: bool) -> Option<PoolTask> {
        let lane = self.lane.borrow();
        self.shared.queue.find_far(lane.as_ref()?, leave_last)
    }

    /// Tells whether the thread may search, because it does already or few do.
    pub(super) fn may_search(&self) -> bool {
        if !self.searching.get() {
            self.searching.set(self.shared.slots.start_searching());
        }
        self.searching.get()
    }

    /// Sleeps until there may be a task, or the pool has ended.
    pub(super) fn sleep(&self) {
        let Some(index) = self.slot_index() else {
            return;
        };
        let shared = &self.shared;
        shared
            .slots
            .sleep(index, self.searching.get(), || shared.last_look());
        // Whoever wakes a thread counts it as searching.
        self.searching.set(true);
    }

    /// Runs a task to its end, or cancels it if the pool is stopping.
    #[inline]
    pub(super) fn run(&self, found: &mut Option<PoolTask>) {
        if self.searching.take() {
            self.shared.slots.found(|| self.shared.queue.has_tasks());
        }
        if self.shared.is_stopping() {
            found
                .take()
                .into_iter()
                .for_each(|task| self.shared.cancel(task));
        } else {
            PoolTask::run(found, self);
        }
        self.shared.queue.task_done(self.lane.borrow().as_ref());
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
    /// The panic hook has said what there is to say.
    fn panicked(&self, payload: Payload) {
        drop(payload);
    }
}
