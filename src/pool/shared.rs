//! What all threads of a pool share.
//!
//! The queue, the slots, the phase of the pool's life, and what the user wants called. The gate of
//! admission is kept here too, as plain data: the decisions about it are made above, and the threads
//! never look at it. What depends on the thread that asks is in [`local`](super::local).
//!
//! # Phases
//! OPEN, then CLOSING (outsiders are refused, all that was accepted is finished), then perhaps
//! STOPPING (what has not begun is cancelled), then ENDED (all is done; threads leave). The
//! phase only grows. ENDED is set by whoever finds the closed queue quiet, which it
//! then stays (`pool/tally.rs`).

use std::io;
use std::sync::Arc;

use super::config::{Config, DropBehavior, Hooks, Overflow};
use super::origin::{Origin, Reach};
use super::roster::Roster;
use super::slots::{LastLook, Slots, Vacancy};
use super::tally::{Closed, Joiner};
use super::task_queue::TaskQueue;
use crate::error::{BusyThread, CancelReason, Rejected, StillRunning};
use crate::primitive::{AtomicStatic, AtomicU8, AtomicUsize, Deadline, Ordering, Padded, fence};
use crate::sync::permits::{MAX_PERMITS, Permits};
use crate::task::Name;
use crate::unwind::{self, Payload};

const OPEN: u8 = 0;
const CLOSING: u8 = 1;
const STOPPING: u8 = 2;
const ENDED: u8 = 3;

/// A pool whose tasks are of type `T`.
pub(crate) struct Shared<T> {
    pub(super) queue: TaskQueue<T>,
    pub(super) slots: Slots<T>,
    phase: AtomicU8,
    /// What each slot's holder runs, as far as it has said.
    running: Box<[Arc<Running>]>,
    thread_names: Vec<String>,
    pub(crate) hooks: Hooks,
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) roster: Roster,
    /// Starts a thread for the slot that is named; from the room above that knows what threads do.
    start_thread: fn(&Arc<Self>, usize) -> io::Result<()>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) origin: &'static Origin,
    pub(crate) counts: Counts,
    /// Unlike that of any other pool, before or after.
    id: usize,
    on_drop: DropBehavior,
    /// How many the machine gives the process.
    processors: usize,
    /// Whether nobody is to wait for the pool's end.
    in_background: AtomicU8,
}

/// What a thread runs, as far as it has said. On lines of its own: it is written for each task.
pub(super) struct Running(Padded<AtomicStatic<Name>>);

impl Default for Running {
    fn default() -> Self {
        Self(Padded(AtomicStatic::new()))
    }
}

impl Running {
    #[inline]
    pub(super) fn note(&self, name: Option<&'static Name>) {
        self.0.set(name);
    }
}

/// How many tasks may wait, and what happens to one more.
pub(crate) struct Gate {
    pub(crate) permits: Permits,
    pub(crate) overflow: Overflow,
    /// Whether a permit stands for a thread that is free rather than for a place in the queue, and
    /// is kept until the task has ended.
    pub(crate) hand_off: bool,
}

/// What happened rarely enough to be counted in one place.
#[derive(Default)]
pub(crate) struct Counts {
    /// Tasks that were turned away or dropped for others.
    pub(crate) rejected: Count,
    /// Tasks of the pool's own that were let in although it was full.
    pub(crate) over_capacity: Count,
    /// Tasks that the end of the pool has cancelled.
    pub(crate) stopped: Count,
    /// Threads that the system would not start when there was work for them.
    pub(crate) failed_starts: Count,
}

/// A count that orders nothing.
pub(crate) struct Count(AtomicUsize);

impl Default for Count {
    fn default() -> Self {
        Self(AtomicUsize::new(0))
    }
}

impl Count {
    pub(crate) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T: Send + 'static> Shared<T> {
    pub(crate) fn new(
        config: Config,
        start_thread: fn(&Arc<Self>, usize) -> io::Result<()>,
    ) -> Arc<Self> {
        let threads = config.thread_names.len();
        let (queue, lanes) = TaskQueue::new(threads);
        let overflow = config.overflow;
        // A late callback may still panic, and must not come to a stranger's handler.
        let again = config.hooks.panic.is_none();
        let shared = Arc::new(Self {
            queue,
            slots: Slots::new(lanes),
            phase: AtomicU8::new(OPEN),
            running: (0..threads).map(|_| Arc::default()).collect(),
            gate: config.queue_capacity.map(|capacity| {
                let hand_off = capacity == 0;
                let free = if hand_off { threads } else { capacity };
                let permits = Permits::new(free, MAX_PERMITS, None);
                Arc::new(Gate {
                    permits,
                    overflow,
                    hand_off,
                })
            }),
            thread_names: config.thread_names,
            hooks: config.hooks,
            roster: Roster::new(),
            start_thread,
            stack_size: config.stack_size,
            origin: Origin::take(again),
            counts: Counts::default(),
            id: new_id(),
            on_drop: config.on_drop,
            processors: config.processors,
            in_background: AtomicU8::new(0),
        });
        let reach: Arc<dyn Reach> = shared.clone();
        shared.origin.lead_to(&reach);
        shared
    }

    /// What no other pool has, before or after; never null.
    pub(super) fn id(&self) -> *const () {
        std::ptr::without_provenance(self.id)
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn thread_name(&self, index: usize) -> &str {
        &self.thread_names[index]
    }

    /// What the drop of the last owner is to do, unless it is to do nothing.
    pub(crate) fn on_drop(&self) -> Option<DropBehavior> {
        (self.in_background.load(Ordering::Relaxed) == 0).then_some(self.on_drop)
    }

    /// Lets nobody wait for the pool's end, the drop of its last owner neither.
    pub(crate) fn end_in_background(&self) {
        self.in_background.store(1, Ordering::Relaxed);
    }

    /// Counts a task that nobody's task will push.
    #[inline]
    pub(super) fn accept_outside(&self) -> Result<(), Closed> {
        // A refusal may have been counted and taken back, which is a finish like any other.
        self.queue
            .accept_outside()
            .inspect_err(|Closed| self.look_around())
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

    /// Closes, and lets nothing begin any more; `false` if someone has done so before.
    pub(super) fn start_stopping(&self) -> bool {
        let before = self.phase.fetch_max(STOPPING, Ordering::AcqRel);
        self.close();
        before < STOPPING
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
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

    /// One who waits until nothing is unfinished.
    pub(crate) fn idle_joiner(&self) -> Joiner<'_> {
        self.queue.joiner()
    }

    /// Sees to it that a task which was just pushed is found.
    #[inline]
    pub(super) fn task_pushed(self: &Arc<Self>) {
        if let Some(vacancy) = self.slots.task_pushed() {
            self.fill(vacancy);
        }
    }

    /// Searching to busy.
    pub(super) fn found(self: &Arc<Self>) {
        if let Some(vacancy) = self.slots.found(|| self.queue.has_tasks()) {
            self.fill(vacancy);
        }
    }

    /// Starts a thread; if that cannot be, the pool goes on with those it has.
    #[cold]
    fn fill(self: &Arc<Self>, vacancy: Vacancy) {
        if !self.has_ended() && (self.start_thread)(self, vacancy.index()).is_ok() {
            return;
        }
        // An ended pool takes nobody in, which is no failure.
        if !self.has_ended() {
            self.counts.failed_starts.one_more();
        }
        self.slots.leave_vacant(vacancy, || self.queue.has_tasks());
    }

    /// What everyone does who has finished a task and goes on to something else: wakes those
    /// who wait until all is done, and ends the pool if it was closed.
    pub(super) fn look_around(&self) {
        // ORDERING: pairs with the fence of a joiner, and orders us with other finishers.
        fence(Ordering::SeqCst);
        if self.queue.check_done() && self.phase.fetch_max(ENDED, Ordering::AcqRel) != ENDED {
            // ORDERING: as a pusher: a sleeper sees the end, or we see the sleeper.
            fence(Ordering::SeqCst);
            self.slots.wake_all();
        }
    }

    /// Tells whether anyone wants to know when all is done.
    pub(super) fn wants_attention(&self) -> bool {
        self.queue.wants_attention()
    }

    /// The last look of a thread that is counted asleep by now, behind a full fence.
    ///
    /// It calls no user code: if there are joiners to wake, the thread has to get up for it.
    pub(super) fn last_look(&self) -> LastLook {
        if self.queue.has_tasks() || self.queue.keeps_joiners_waiting() {
            LastLook::Tasks
        } else if self.has_ended() {
            // Said first: a refused outsider may just be taking its acceptance back.
            LastLook::Ended
        } else if self.queue.is_over() {
            self.phase.fetch_max(ENDED, Ordering::AcqRel);
            // ORDERING: as a pusher: a sleeper sees the end, or is seen by us, who wake everyone next.
            fence(Ordering::SeqCst);
            LastLook::Ended
        } else {
            LastLook::Nothing
        }
    }

    /// Where the holder of slot `index` notes what it runs.
    pub(super) fn running(&self, index: usize) -> Arc<Running> {
        Arc::clone(&self.running[index])
    }

    /// A picture of what the pool is at.
    pub(crate) fn still_running(&self) -> StillRunning {
        let busy = self.running.iter().zip(&self.thread_names);
        let busy = busy.filter_map(|(running, thread)| {
            let name = running.0.get()?;
            Some(BusyThread::new(thread.clone(), name.get()))
        });
        let busy = busy.collect();
        StillRunning::new(self.queue.unfinished(), self.roster.live(), busy)
    }

    /// Tells the user of a panic that no handle will show.
    pub(crate) fn report(&self, payload: Payload) {
        if let Some(handler) = &self.hooks.panic {
            // A handler that panics has said what it had to say by its own panic.
            drop(unwind::catch(|| handler(payload.into_inner())));
        }
    }

    /// Hands a closure that was not taken to the user, or drops it.
    pub(crate) fn turn_away(&self, closure: Box<dyn FnOnce() + Send>, reason: CancelReason) {
        let Some(hook) = &self.hooks.rejected else {
            return unwind::discard(closure);
        };
        if let Err(payload) = unwind::catch(|| hook(Rejected::new(closure, reason))) {
            self.report(payload);
        }
    }
}

impl<T: Send + 'static> Reach for Shared<T> {
    fn report(&self, payload: Payload) {
        self.report(payload);
    }

    fn leaves_a_processor(&self) -> bool {
        self.slots.awake() < self.processors
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let hooks = std::mem::take(&mut self.hooks);
        self.origin.give_back(hooks.panic.is_none());
        unwind::discard(hooks);
    }
}

/// A number that is given once.
fn new_id() -> usize {
    // Plain std under the model too: it orders nothing.
    use std::sync::atomic::AtomicUsize;
    static LAST: AtomicUsize = AtomicUsize::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
