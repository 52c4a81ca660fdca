//! What all threads of a pool share.
//!
//! The queue, the slots, the phase of the pool's life, and what the user wants called. The gate of
//! admission is kept here too, as plain data: the decisions about it are made above. The threads look
//! at it only when they wait, if a pass stands for a free thread. What depends on the thread that
//! asks is in [`local`](super::local).
//!
//! # Phases
//! Open, then closing (outsiders are refused, all that was accepted is finished), then perhaps
//! stopping (what has not begun is cancelled). The phase only grows. The end, when all is done and
//! the threads leave, is called out to those who have slots (`pool/slots.rs`), by whoever finds
//! the closed queue quiet, which it then stays (`pool/tally.rs`).
//!
//! # Forks
//! In a child process there is only the thread that forked. Its pools are stopping there, and at their
//! end; nothing of them is waited for, and no lock of theirs is taken, since it may be held by a
//! thread that is not there.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, DropBehavior, Hooks, Overflow, default_name};
use super::link::{PoolLink, Reach};
use super::roster::{NotStarted, Roster, Worker};
use super::scheduled::Scheduled;
use super::slots::{LastLook, ReservedSlot, Slots};
use super::spares::Spares;
use super::spawned::Spawned;
use super::tally::{Closed, Joiner};
use super::task_queue::TaskQueue;
use crate::attributes::Attributes;
use crate::error::{BusyThread, CancelReason, Rejected, StillRunning, Warning};
use crate::fork::Stamp;
use crate::primitive::{AtomicU8, AtomicUsize, Mutex, Ordering, fence, lock};
use crate::sync::permits::{MAX_PERMITS, Permits};
use crate::timer::alarm;
use crate::trampoline;
use crate::unwind::{self, Payload};
use crate::wait::Deadline;

/// How far the pool's life has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    Closing,
    Stopping,
}

/// Bits of `warned`.
const OF_STARTS: u8 = 1;
const OF_SPARES: u8 = 2;

/// A pool whose tasks are of type `T`.
pub(crate) struct Shared<T> {
    pub(super) queue: TaskQueue<T>,
    pub(super) slots: Slots<T>,
    pub(super) spares: Spares,
    phase: AtomicU8,
    pub(crate) hooks: Hooks,
    pub(crate) capacity: Option<Arc<Capacity>>,
    pub(crate) roster: Roster,
    pub(super) spawned: Spawned,
    pub(crate) scheduled: Scheduled,
    /// Gives a reserved slot to a new thread; from the room above that knows what threads do. The reserved slot
    /// comes back if no thread can be started.
    start_thread: StartThread<T>,
    pub(crate) stack_size: usize,
    pub(crate) link: PoolLink,
    pub(crate) counts: Counts,
    /// What the user has been warned of.
    warned: AtomicU8,
    /// Why a thread could not be started, where the user could not be warned.
    untold: Mutex<Option<io::Error>>,
    /// Unlike that of any other pool, before or after.
    id: usize,
    /// How often the process had forked when the pool was made.
    process: Stamp,
    limits: Limits,
    first_names: Vec<String>,
    /// What a guest notes is noted here, and read by nobody.
    pub(super) foreign: Arc<Worker>,
    on_drop: DropBehavior,
    /// What all threads have, whoever starts them.
    pub(super) attributes: Attributes,
    /// How many processors the threads may run on.
    processors: usize,
    /// Whether nobody is to wait for the pool's end.
    in_background: AtomicU8,
}

type StartThread<T> = fn(&Arc<Shared<T>>, ReservedSlot) -> Result<(), (ReservedSlot, NotStarted)>;

/// How many threads there may be, and for how long.
struct Limits {
    min_threads: usize,
    max_spare_threads: usize,
    keep_alive: Duration,
}

/// How many tasks may wait, and what happens to one more.
pub(crate) struct Capacity {
    pub(crate) permits: Permits,
    pub(crate) overflow: Overflow,
    /// Whether a permit stands for a thread that is free rather than for a place in the queue, and
    /// is kept until the task has ended.
    pub(crate) hand_off: bool,
    /// How often the process had forked when the pool was made.
    process: Stamp,
}

impl Capacity {
    /// Takes a pass back, but not in a forked child: whoever is there to be served is in the parent.
    pub(crate) fn take_back(&self) {
        if self.process.is_here() {
            self.permits.give_back(1);
        }
    }
}

/// What happened rarely enough to be counted in one place.
#[derive(Default)]
pub(crate) struct Counts {
    /// Tasks that were turned away or dropped for others.
    pub(crate) rejected: Count,
    /// Tasks of the pool's own that were let in although it was full.
    pub(crate) over_capacity: Count,
    /// Runs of series that were left out because the pool was full.
    pub(crate) skipped: Count,
    /// Tasks that the end of the pool has cancelled.
    pub(crate) stopped: Count,
    /// Threads that the system would not start when there was work for them.
    pub(crate) failed_starts: Count,
    /// Waits that kept their slots because too many threads were away already.
    pub(crate) uncovered_waits: Count,
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
    pub(crate) fn new(config: Config, start_thread: StartThread<T>) -> Arc<Self> {
        let threads = config.threads;
        let (queue, lanes) = TaskQueue::new(config.max_threads);
        queue.use_slots(threads);
        let overflow = config.overflow;
        let shared = Arc::new(Self {
            queue,
            slots: Slots::new(lanes, threads),
            spares: Spares::new(),
            phase: AtomicU8::new(Phase::Open as u8),
            capacity: config.queue_capacity.map(|capacity| {
                let hand_off = capacity == 0;
                let free = if hand_off { threads } else { capacity };
                let permits = Permits::new(free, MAX_PERMITS, None);
                Arc::new(Capacity {
                    permits,
                    overflow,
                    hand_off,
                    process: Stamp::now(),
                })
            }),
            hooks: config.hooks,
            roster: Roster::new(),
            spawned: Spawned::new(config.max_threads),
            scheduled: Scheduled::new(),
            start_thread,
            stack_size: config.stack_size,
            link: PoolLink::new(),
            counts: Counts::default(),
            warned: AtomicU8::new(0),
            untold: Mutex::new(None),
            id: new_id(),
            process: Stamp::now(),
            limits: Limits {
                min_threads: config.min_threads,
                max_spare_threads: config.max_spare_threads,
                keep_alive: config.keep_alive,
            },
            first_names: config.first_names,
            foreign: Arc::new(Worker::foreign()),
            on_drop: config.on_drop,
            attributes: config.attributes,
            processors: config.processors,
            in_background: AtomicU8::new(0),
        });
        let reach: Arc<dyn Reach> = shared.clone();
        shared.link.lead_to(&reach);
        shared
    }

    /// What no other pool has, before or after; never null.
    pub(super) fn id(&self) -> *const () {
        std::ptr::without_provenance(self.id)
    }

    /// How many tasks may run at a time.
    pub(crate) fn threads(&self) -> usize {
        self.slots.wanted()
    }

    /// How many that may become.
    pub(crate) fn max_threads(&self) -> usize {
        self.slots.most()
    }

    /// Lets so many tasks run at a time from now on, which is at most `max_threads`.
    pub(crate) fn set_threads(self: &Arc<Self>, threads: usize) {
        self.queue.use_slots(threads);
        let before = self.slots.want(threads);
        if threads < before {
            // Slots that nobody has go first. Whoever has one hears of it before the next task.
            self.slots.take_out_vacant();
            // Fewer have to stay.
            self.slots.wake_all();
            self.spares.tell_all();
        }
        if let Some(capacity) = self.capacity.as_ref().filter(|capacity| capacity.hand_off) {
            capacity.permits.give_back(threads.saturating_sub(before));
            for _ in threads..before {
                capacity.permits.take_anyway();
            }
        }
        self.look_for_tasks();
    }

    /// What a thread is called; that is asked for once a thread.
    pub(super) fn thread_name(&self, number: usize) -> String {
        if let Some(name) = self.first_names.get(number) {
            return name.clone();
        }
        let given = self.hooks.thread_name.as_ref();
        let given = given.map(|name| unwind::catch(|| name(number)));
        match given {
            Some(Ok(name)) => name.replace('\0', "\u{fffd}"),
            // A late thread is needed, whatever it is called.
            Some(Err(_)) | None => default_name(number),
        }
    }

    /// Tells whether this is a child process, in which the pool has no threads.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.process.is_here()
    }

    /// What the thread that forked does in the child, if it is inside this pool: nothing is begun there
    /// any more.
    pub(super) fn end_in_the_child(&self) {
        self.phase.store(Phase::Stopping as u8, Ordering::Relaxed);
        self.slots.end();
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
        if self.is_forked() {
            return Err(Closed);
        }
        // A refusal may have been counted and taken back, which is a finish like any other.
        self.queue
            .accept_outside()
            .inspect_err(|Closed| self.check_quiescence())
    }

    /// Refuses outsiders from now on, and says which phase it was before.
    pub(super) fn refuse(&self, phase: Phase) -> Phase {
        let before = self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.queue.close();
        [Phase::Open, Phase::Closing, Phase::Stopping][usize::from(before)]
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Relaxed) >= Phase::Stopping as u8
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.slots.have_ended()
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
        if let Some(reserved) = self.slots.task_pushed() {
            self.fill(reserved);
        }
    }

    /// Searching to busy.
    pub(super) fn found(self: &Arc<Self>) {
        if let Some(reserved) = self.slots.found(|| self.queue.has_tasks()) {
            self.fill(reserved);
        }
    }

    /// Searching to busy, of a thread that has yet to start.
    pub(super) fn does_not_search(&self) {
        self.slots.does_not_search(|| self.queue.has_tasks());
    }

    /// V3 of one that has left its slot: as if it had pushed what is there.
    pub(super) fn look_for_tasks(self: &Arc<Self>) {
        if self.queue.has_tasks() {
            self.task_pushed();
        }
    }

    /// Gives a reserved slot to a thread: a spare one, or a new one. If there is none it stays.
    #[cold]
    pub(super) fn fill(self: &Arc<Self>, reserved: ReservedSlot) {
        match alarm::is_this_thread() {
            true => self.fill_elsewhere(reserved),
            false => self.fill_here(reserved),
        }
    }

    /// As [`fill`](Self::fill), but no thread is started here, and nothing of the user's is called.
    fn fill_elsewhere(self: &Arc<Self>, reserved: ReservedSlot) {
        let Some(reserved) = self.spares.hand(reserved) else {
            return;
        };
        // If the other thread does not start, the reserved slot comes back.
        let given = Arc::new(Mutex::new(Some(reserved)));
        let (pool, taken) = (Arc::clone(self), Arc::clone(&given));
        let started = alarm::call_elsewhere(move || {
            let reserved = lock(&taken).take();
            reserved
                .into_iter()
                .for_each(|reserved| pool.fill_here(reserved));
        });
        let Err(error) = started else {
            return;
        };
        *lock(&self.untold) = Some(error);
        self.slots.call_untold();
        let reserved = lock(&given).take();
        let left = reserved.and_then(|reserved| self.leave_vacant(reserved, true));
        // There is a spare thread after all.
        left.into_iter()
            .for_each(|reserved| self.fill_elsewhere(reserved));
    }

    /// Tells the user of a thread that could not be started where nobody could be told.
    pub(super) fn tell_untold(&self) {
        self.slots.told();
        let error = lock(&self.untold).take();
        error.into_iter().for_each(|error| self.start_failed(error));
    }

    fn fill_here(self: &Arc<Self>, reserved: ReservedSlot) {
        let mut next = Some(reserved);
        let mut failed = None;
        while let Some(reserved) = next.take() {
            let enabled = match self.slots.are_too_many() {
                true => self.slots.withdraw(reserved),
                false => Some(reserved),
            };
            let Some(reserved) = enabled else {
                next = self.claim_for_tasks();
                continue;
            };
            let Some(reserved) = self.spares.hand(reserved) else {
                continue;
            };
            let Err((reserved, why)) = (self.start_thread)(self, reserved) else {
                continue;
            };
            if self.is_forked() {
                return;
            }
            if let NotStarted::Failed(error) = why {
                failed = Some(error);
            }
            next = self.leave_vacant(reserved, true);
        }
        if let Some(error) = failed {
            self.start_failed(error);
        }
    }

    /// Counts a task that has just come due; `false` if the pool has closed, which sees to it then.
    ///
    /// It calls nothing of the user's: the caller [looks around](Self::look_around) if it was refused.
    pub(crate) fn accept_due(&self) -> bool {
        self.queue.accept_outside().is_ok()
    }

    /// Takes notice of a thread that has started, so that the next that cannot is worth a word again.
    pub(super) fn one_has_started(&self) {
        self.warned.fetch_and(!OF_STARTS, Ordering::Relaxed);
    }

    /// Takes notice of a thread that could not be started, or did not want to.
    pub(super) fn start_failed(&self, error: io::Error) {
        self.counts.failed_starts.one_more();
        self.warn(OF_STARTS, Warning::ThreadNotStarted(error));
    }

    /// How many threads there may be, those that wait included.
    pub(super) fn most_threads(&self) -> usize {
        self.threads().saturating_add(self.limits.max_spare_threads)
    }

    /// Counts a thread away from its slot, unless too many are, in which case it has to keep it.
    pub(super) fn may_go_away(&self) -> bool {
        let most = self.limits.max_spare_threads;
        let may = self.roster.may_go_away(most);
        if !may {
            self.counts.uncovered_waits.one_more();
            self.warn(OF_SPARES, Warning::SpareThreadsUsedUp(most));
        }
        may
    }

    /// How many threads stay however long they have nothing to do.
    fn least_threads(&self) -> usize {
        self.limits.min_threads.min(self.threads())
    }

    /// How long a thread may have nothing to do before it leaves: for ever if it has to stay.
    pub(super) fn keep_alive_deadline(&self) -> Deadline {
        match self.roster.has_to_spare(self.least_threads()) {
            true => Deadline::after(self.limits.keep_alive),
            false => Deadline::NEVER,
        }
    }

    /// Tells whether a thread that has had nothing to do for so long is to leave, which it then has to.
    pub(super) fn may_leave(&self) -> bool {
        self.roster.may_leave(self.least_threads())
    }

    /// A thread does not run its task for a while, so there may be room for another where a pass stands
    /// for a free thread.
    pub(super) fn one_waits(&self) {
        if let Some(capacity) = self.capacity.as_ref().filter(|capacity| capacity.hand_off) {
            capacity.take_back();
        }
    }

    /// The thread goes on with its task.
    pub(super) fn one_waits_no_more(&self) {
        if let Some(capacity) = self.capacity.as_ref().filter(|capacity| capacity.hand_off) {
            capacity.permits.take_anyway();
        }
    }

    /// V1 to V4: leaves a slot vacant for which there is no thread. Gives a reserved slot back if there may be
    /// one after all.
    pub(super) fn leave_vacant(
        &self,
        reserved: ReservedSlot,
        was_searching: bool,
    ) -> Option<ReservedSlot> {
        let has_tasks = || self.queue.has_tasks();
        self.slots.leave_vacant(reserved, was_searching, has_tasks);
        // V4. A thread may have come to rest meanwhile.
        let spare = self.spares.has_any();
        spare.then(|| self.claim_for_tasks()).flatten()
    }

    fn claim_for_tasks(&self) -> Option<ReservedSlot> {
        let wanted = self.queue.has_tasks();
        wanted.then(|| self.slots.task_pushed()).flatten()
    }

    /// What everyone does who has finished a task and goes on to something else: wakes those
    /// who wait until all is done, and ends the pool if it was closed.
    pub(crate) fn check_quiescence(&self) {
        if self.is_forked() {
            return;
        }
        // ORDERING: pairs with the fence of a joiner, and orders us with other finishers.
        fence(Ordering::SeqCst);
        // Wakers are called in there.
        if self.queue.check_done() && !self.is_forked() && self.slots.end() {
            // ORDERING: as a pusher: a sleeper sees the end, or we see the sleeper.
            fence(Ordering::SeqCst);
            self.slots.wake_all();
            self.spares.tell_all();
            // Once more, for all who have finished since: threads that see the end do not look any more.
            // Last, since it calls user code.
            self.queue.wake_joiners();
        }
    }

    /// Tells whether anyone wants to know when all is done.
    pub(super) fn wants_attention(&self) -> bool {
        self.queue.wants_attention()
    }

    /// The last look of a thread that is counted asleep by now, behind a full fence.
    ///
    /// It calls no user code: if there are joiners to wake, or the end to call out, the thread has to get
    /// up for it.
    pub(super) fn last_look(&self) -> LastLook {
        if self.has_ended() || self.queue.wants_a_look() {
            LastLook::Wanted
        } else if self.queue.has_tasks() {
            LastLook::Tasks
        } else {
            LastLook::Nothing
        }
    }

    /// A picture of what the pool is at.
    pub(crate) fn still_running(&self) -> StillRunning {
        let busy = self.roster.busy().into_iter();
        let busy = busy.map(|(thread, task)| BusyThread::new(thread, task.get()));
        let busy = busy.collect();
        StillRunning::new(self.queue.unfinished(), self.roster.alive(), busy)
    }

    /// Tells the user of a thing that goes worse than promised, once.
    #[cold]
    fn warn(&self, kind: u8, warning: Warning) {
        if self.warned.fetch_or(kind, Ordering::Relaxed) & kind != 0 {
            return unwind::discard(warning);
        }
        let told = unwind::catch(|| match &self.hooks.warning {
            Some(hook) => hook(warning),
            None => eprintln!("workmill: {warning}"),
        });
        if let Err(payload) = told {
            self.report(payload);
        }
    }

    /// Tells the user of a panic that no handle will show.
    pub(crate) fn report(&self, payload: Payload) {
        if let Some(handler) = &self.hooks.panic {
            // A handler that panics has said what it had to say by its own panic.
            drop(unwind::catch(|| handler(payload.into_inner())));
        }
    }

    /// Hands a closure that was not taken to the user, or drops it.
    pub(crate) fn turn_away(
        self: &Arc<Self>,
        closure: Box<dyn FnOnce() + Send>,
        reason: CancelReason,
    ) {
        let pool = Arc::clone(self);
        trampoline::call(move || {
            let Some(hook) = &pool.hooks.rejected else {
                return drop(closure);
            };
            if let Err(payload) = unwind::catch(|| hook(Rejected::new(closure, reason))) {
                pool.report(payload);
            }
        });
    }
}

impl<T: Send + 'static> Reach for Shared<T> {
    fn report(&self, payload: Payload) {
        self.report(payload);
    }

    fn leaves_a_processor(&self) -> bool {
        self.slots.awake() < self.processors
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let hooks = std::mem::take(&mut self.hooks);
        self.link.end();
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
