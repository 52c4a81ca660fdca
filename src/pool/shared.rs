//! The pool as all its threads share it, and the phases of its life.
//!
//! The struct puts the modules below together. The work of several of them is in the modules above:
//! [`spares`](super::spares) gives threads to vacant slots, [`staffing`](super::staffing) decides
//! how many there may be, and [`local`](super::local) has what depends on the thread that calls.
//!
//! # Phases
//! Open, then closing (outsiders are refused, all that was accepted is finished), then perhaps
//! stopping (what has not begun is cancelled). The phase only grows. The end comes when the pool is
//! closed and quiescent, which it then stays (`pool/queue/tally.rs`). The thread that finds this
//! sets a flag for all slot holders (`pool/slots.rs`), and the threads leave.
//!
//! # The token
//! Running tasks hear of the stop by a token, which is made when the first task asks for it. It is
//! made under a lock, and cancelled at once if the pool is stopping by then. The thread that stops
//! the pool enters the phase first, and looks for a token under the lock after that. So a token
//! that was made before its look is found and cancelled by that thread, and a maker that comes
//! after the look sees the phase.
//!
//! # Forks
//! In a child process there is only the thread that forked. The pools that this thread is inside
//! are stopping there, and at their end. No thread of the child waits for anything of a pool of the
//! parent's, or takes a lock of it, since the lock may be held by a thread that does not exist
//! there.

use std::any::Any;
use std::sync::Arc;

use super::config::{Config, Limits, ThreadSetup};
use super::group::pending::Groups;
use super::hooks::HookCaller;
use super::incidents::Incidents;
use super::lenders::{GiveWay, Lenders};
use super::link::{PoolLink, Reach};
use super::observer::PoolObserver;
use super::postponed::PostponedTasks;
use super::queue::TaskQueue;
use super::queue::tally::{Closed, Joiner};
use super::resting::RestingThreads;
use super::roster::{NotStarted, Roster};
use super::sleepers::LastLook;
use super::slots::{ReservedSlot, Slots};
use super::spawned::Spawned;
use super::watch::Watch;
use crate::clock::{Nanos, now};
use crate::error::StillRunning;
use crate::fork::{NotInherited, Stamp};
use crate::primitive::{AtomicU8, Mutex, Ordering, fence, lock};
use crate::sync::cancel::CancelToken;
use crate::unwind::Payload;
use crate::wait::Deadline;

/// How far the pool's life has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    Closing,
    Stopping,
}

/// A pool whose tasks are of type `T`.
pub(crate) struct Shared<T> {
    pub(super) queue: TaskQueue<T>,
    pub(super) slots: Slots<T>,
    pub(super) staff: Staff<T>,
    pub(super) lenders: Lenders,
    life: Life,
    pub(crate) hooks: HookCaller,
    pub(crate) observer: Option<Arc<dyn PoolObserver>>,
    pub(super) spawned: Spawned,
    pub(crate) postponed: PostponedTasks,
    pub(super) groups: Groups<T>,
    pub(crate) incidents: Incidents,
    /// Looks for tasks that run for long, if the user wants to know of them.
    pub(super) watch: Option<Arc<Watch>>,
    pub(crate) link: PoolLink,
}

/// The pool's threads, and how they are started.
pub(super) struct Staff<T> {
    pub(super) roster: Roster,
    pub(super) resting: RestingThreads,
    pub(super) limits: Limits,
    pub(super) setup: ThreadSetup,
    /// Starts a thread for a reserved slot. A function pointer, so that this module need not know
    /// `thread_lifecycle`.
    pub(super) start_thread: StartThread<T>,
}

/// The reserved slot comes back if no thread can be started.
pub(super) type StartThread<T> =
    fn(&Arc<Shared<T>>, ReservedSlot) -> Result<(), (ReservedSlot, NotStarted)>;

struct Life {
    phase: AtomicU8,
    /// Cancelled when the pool stops; none until a task asks for it.
    token: Mutex<Option<NotInherited<CancelToken>>>,
    /// The process in which the pool was made.
    process: Stamp,
}

impl<T: Send + 'static> Shared<T> {
    pub(super) fn new(config: Config, start_thread: StartThread<T>) -> Arc<Self> {
        let (queue, local_queues) = TaskQueue::new(config.max_threads);
        queue.tally.use_slots(config.threads);
        let shared = Arc::new(Self {
            queue,
            slots: Slots::new(local_queues, config.threads),
            lenders: Lenders::new(GiveWay::new(config.limits.give_way)),
            staff: Staff {
                roster: Roster::new(),
                resting: RestingThreads::new(),
                limits: config.limits,
                setup: config.setup,
                start_thread,
            },
            life: Life {
                phase: AtomicU8::new(Phase::Open as u8),
                token: Mutex::new(None),
                process: Stamp::now(),
            },
            watch: config.hooks.long_task.as_ref().map(|it| Watch::new(it.0)),
            hooks: HookCaller::new(config.hooks, config.first_names),
            observer: config.observer,
            spawned: Spawned::new(config.max_threads),
            postponed: PostponedTasks::new(),
            groups: Groups::new(),
            incidents: Incidents::default(),
            link: PoolLink::new(),
        });
        let reach: Arc<dyn Reach> = shared.clone();
        shared.link.lead_to(&reach);
        shared
    }

    /// Returns `true` if this is a child process, in which the pool has no threads.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.life.process.is_here()
    }

    /// Ends the pool in a child process, on the thread that forked inside it: nothing is begun
    /// there any more.
    pub(super) fn end_in_the_child(&self) {
        let stopping = Phase::Stopping as u8;
        self.life.phase.store(stopping, Ordering::Relaxed);
        self.slots.end();
    }

    /// Accepts a task from a thread that runs no task of the pool.
    #[inline]
    pub(super) fn accept_outside(&self) -> Result<(), Closed> {
        if self.is_forked() {
            return Err(Closed);
        }
        // A refusal may have been counted and taken back, which is a finish like any other.
        self.queue
            .tally
            .accept_outside()
            .inspect_err(|Closed| self.check_quiescence())
    }

    /// Accepts a task that has just come due. Returns `false` if the pool has closed, which cancels
    /// the task then.
    ///
    /// It calls no user code: the caller [checks](Self::check_quiescence) after a refusal.
    #[must_use = "`false`: the task must not be pushed"]
    pub(crate) fn accept_due(&self) -> bool {
        self.queue.tally.accept_outside().is_ok()
    }

    /// Accepts a chore that has come due, which is no task of the user's, as
    /// [`accept_due`](Self::accept_due) does.
    #[must_use = "`false`: the chore must not be pushed"]
    pub(super) fn accept_chore_due(&self) -> bool {
        let tally = &self.queue.tally;
        tally.accept_aside(|| tally.accept_outside()).is_ok()
    }

    /// Refuses outsiders from now on, and returns the phase before.
    pub(super) fn refuse(&self, phase: Phase) -> Phase {
        let before = self.life.phase.fetch_max(phase as u8, Ordering::AcqRel);
        self.queue.tally.close();
        [Phase::Open, Phase::Closing, Phase::Stopping][usize::from(before)]
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.queue.tally.is_closed()
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.life.phase.load(Ordering::Relaxed) >= Phase::Stopping as u8
    }

    /// Returns the token that is cancelled when the pool stops, and makes it if there is none.
    /// In a child process, returns a token that is never cancelled.
    pub(crate) fn token(&self) -> CancelToken {
        if self.is_forked() {
            return CancelToken::new();
        }
        let mut token = lock(&self.life.token);
        let token = token.get_or_insert_with(|| {
            let token = CancelToken::new();
            if self.is_stopping() {
                // Nobody else has the token, so no callback is called under the lock.
                token.cancel();
            }
            NotInherited::new(token)
        });
        CancelToken::clone(token)
    }

    /// Returns the token if a task has asked for it. To be called once the phase has been entered
    /// in which it is cancelled; not in a child process.
    pub(super) fn asked_token(&self) -> Option<CancelToken> {
        lock(&self.life.token).as_deref().cloned()
    }

    /// Returns `true` if the pool has ended and every thread has left it.
    pub(crate) fn is_terminated(&self) -> bool {
        self.slots.have_ended() && self.staff.roster.all_left()
    }

    /// Blocks until the pool is quiescent. Returns `false` if `deadline` came first.
    pub(crate) fn wait_idle(&self, deadline: Deadline) -> bool {
        self.queue.tally.join(deadline)
    }

    /// Returns a joiner, which waits until the pool is quiescent.
    pub(crate) fn idle_joiner(&self) -> Joiner<'_> {
        self.queue.tally.joiner()
    }

    /// Wakes the joiners if the pool is quiescent, and ends the pool if it is closed, too.
    ///
    /// A thread that has finished a task calls this before it goes on to anything but the next
    /// task, or to a search.
    pub(crate) fn check_quiescence(&self) {
        if self.is_forked() {
            return;
        }
        // ORDERING: pairs with the fence of a joiner, and orders us with other finishers.
        fence(Ordering::SeqCst);
        // Wakers are called in there, and may fork.
        if self.queue.tally.wake_if_quiescent() && !self.is_forked() && self.slots.end() {
            // ORDERING: as for a pusher: a sleeper sees the end, or we see the sleeper.
            fence(Ordering::SeqCst);
            self.slots.wake_all();
            self.staff.resting.tell_all();
            // Once more, for all threads that have finished a task since: threads that see the end
            // do not check any more. Last, since it calls user code.
            self.queue.tally.wake_joiners();
        }
    }

    /// The last look of a thread that is counted asleep by now, behind a full fence.
    ///
    /// It calls no user code: if there are joiners to wake, or an end to announce, the thread has
    /// to get up.
    pub(super) fn last_look(&self) -> LastLook {
        if self.slots.have_ended() || self.queue.tally.wants_a_check() {
            LastLook::Wanted
        } else if self.queue.has_tasks() {
            LastLook::Tasks
        } else {
            LastLook::Nothing
        }
    }

    /// Returns the tasks that the workers run now, to be passed to
    /// [`still_running`](Self::still_running) later.
    pub(crate) fn runs_now(&self) -> RunsThen {
        let workers = self.staff.roster.meters().into_iter();
        RunsThen {
            moment: now(),
            runs: workers.map(|worker| worker.meter.run_number()).collect(),
        }
    }

    /// Returns what the pool is doing; a snapshot, may be stale. For how long a task runs is known
    /// as far as the worker was idle before, or has run the same one `then`.
    pub(crate) fn still_running(&self, then: &RunsThen) -> StillRunning {
        let workers = self.staff.roster.meters().into_iter().enumerate();
        let now = now();
        let busy = workers.filter_map(|(number, worker)| {
            let run = then.runs.get(number);
            worker.busy(now, run.map(|run| (*run, then.moment)))
        });
        let busy = busy.collect();
        let (unfinished, alive) = (self.queue.tally.unfinished(), self.staff.roster.alive());
        StillRunning::new(unfinished, alive, busy)
    }

    /// Wakes the watcher of long tasks, if there is one: a worker has become busy.
    #[inline]
    pub(super) fn ring_watch(&self) {
        self.watch.iter().for_each(|watch| watch.ring());
    }
}

/// The runs of the workers at a moment, by number.
pub(crate) struct RunsThen {
    moment: Nanos,
    runs: Vec<u64>,
}

impl<T: Send + 'static> Reach for Shared<T> {
    fn report(&self, payload: Payload) {
        self.hooks.panicked(payload);
    }

    fn leaves_a_processor(&self) -> bool {
        self.slots.awake() < self.staff.setup.processors
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // First, so that no drop of the user's reaches the pool.
        self.link.end();
        // In a child process the lock may be held forever.
        if self.life.process.is_here() {
            self.watch.iter().for_each(|watch| watch.end());
        }
        self.hooks.discard();
    }
}
