//! The work of a thread for its pool, counted by the thread itself.
//!
//! Each number of a worker has a [`Meter`], which outlives the worker: its successor in the number
//! goes on with it. A foreign thread has one for as long as it is inside, and adds it to the pool's
//! when it goes. So a meter is written by one thread at a time, with plain loads and stores, on
//! cache lines that no other thread writes; [`Meter::add_shared`] is for the one of the pool that
//! several foreign threads add to.
//!
//! # Why the counts add up
//! A task is accepted before it is started or met as cancelled, and that is counted before it is
//! counted as finished (`pool/queue/tally.rs`). All of these are written with Release and read with
//! Acquire, in the opposite order: finished, then started and cancelled, then accepted. So for each
//! end that a reader has seen it sees the start, and for each start the acceptance. Events
//! meanwhile only make the later numbers larger. The tasks in progress, and those in a queue, are
//! the differences, which the reader computes: no count of them exists.

// The standard library's under the model, too: no decision of a thread depends on these.
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::{Nanos, now};
use crate::error::CancelReason;
use crate::name::Name;
use crate::primitive::{AtomicStatic, Padded};

/// The events that are counted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A closure was started, or met after it was run by a thread that waited for it.
    Started,
    /// A future was polled.
    Polled,
    /// A future was polled for the first time.
    FutureBegan,
    /// A task has panicked.
    Panicked,
    /// A task was met that was cancelled, for one of five reasons.
    Cancelled(CancelReason),
    /// A future was cancelled after it had begun.
    CancelledBegun,
    /// Tasks were stolen from another slot.
    Stole,
    /// A half of a join was run that another thread had made public.
    RanHalf,
    /// The thread fell asleep.
    Parked,
    /// The thread was woken and found nothing.
    WokenInVain,
}

const REASONS: usize = 5;
const EVENTS: usize = 9 + REASONS;

impl Event {
    #[inline(always)]
    const fn index(self) -> usize {
        match self {
            Self::Started => 0,
            Self::Polled => 1,
            Self::FutureBegan => 2,
            Self::Panicked => 3,
            Self::CancelledBegun => 4,
            Self::Stole => 5,
            Self::RanHalf => 6,
            Self::Parked => 7,
            Self::WokenInVain => 8,
            Self::Cancelled(reason) => 9 + reason_index(reason),
        }
    }
}

/// Returns the index of a reason among those for which a pool cancels tasks.
pub(super) const fn reason_index(reason: CancelReason) -> usize {
    match reason {
        CancelReason::Shutdown => 1,
        CancelReason::Rejected => 2,
        CancelReason::Expired => 3,
        CancelReason::ScopeFailed => 4,
        _ => 0,
    }
}

/// How a worker spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has left, or has not begun.
    Absent = 0,
    /// It looks for tasks, sleeps, or rests.
    Idle = 1,
    /// It runs tasks.
    Busy = 2,
    /// It waits in a task.
    Waiting = 3,
}

const PHASES: usize = 4;

pub(super) struct Meter {
    /// On lines of their own, since they are written for each task.
    hot: Padded<Hot>,
    /// Whether the thread waits in its task; not for a function of the user's that waits.
    waits: AtomicBool,
    phase: AtomicU8,
    /// When the phase began.
    since: AtomicU64,
    /// When the thread became busy last, and the number of its runs by then.
    busy_since: AtomicU64,
    busy_run: AtomicU64,
    /// The number of the group whose task runs, and one more; 0 if it is in none.
    group: AtomicUsize,
    /// The time in each phase before that.
    spent: [AtomicU64; PHASES],
}

struct Hot {
    /// The name of what the thread runs.
    running: AtomicStatic<Name>,
    counts: [AtomicU64; EVENTS],
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            hot: Padded(Hot {
                running: AtomicStatic::new(),
                counts: [const { AtomicU64::new(0) }; EVENTS],
            }),
            waits: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Absent as u8),
            since: AtomicU64::new(0),
            busy_since: AtomicU64::new(0),
            busy_run: AtomicU64::new(0),
            group: AtomicUsize::new(0),
            spent: [const { AtomicU64::new(0) }; PHASES],
        })
    }

    /// Counts an event, on the thread that has the meter.
    #[inline(always)]
    pub(super) fn add(&self, event: Event) {
        let count = &self.hot.counts[event.index()];
        // ORDERING: Release, and Acquire in `get`; see the module's documentation.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// Notes the name of the task that is about to run, and counts an event, on the thread that has
    /// the meter.
    #[inline(always)]
    pub(super) fn begin(&self, name: &'static Name, event: Event) {
        self.note_running(Some(name));
        self.add(event);
    }

    /// Counts an event, on any thread.
    #[cold]
    pub(super) fn add_shared(&self, event: Event) {
        // ORDERING: as in `add`.
        self.hot.counts[event.index()].fetch_add(1, Ordering::Release);
    }

    pub(super) fn get(&self, event: Event) -> u64 {
        // ORDERING: takes what `add` has released.
        self.hot.counts[event.index()].load(Ordering::Acquire)
    }

    /// Adds all counts to those of `other`, and begins anew.
    fn move_to(&self, other: &Self) {
        for (own, sum) in self.hot.counts.iter().zip(&other.hot.counts) {
            let count = own.load(Ordering::Relaxed);
            if count > 0 {
                own.store(0, Ordering::Relaxed);
                // ORDERING: as in `add`.
                sum.fetch_add(count, Ordering::Release);
            }
        }
        self.note_running(None);
    }

    /// Notes what the thread runs.
    #[inline(always)]
    pub(super) fn note_running(&self, name: Option<&'static Name>) {
        self.hot.running.set(name);
    }

    /// Returns the name of what the thread runs.
    pub(super) fn runs(&self) -> Option<&'static Name> {
        self.hot.running.get()
    }

    /// Returns a number that changes with everything that the thread begins to run.
    pub(super) fn run_number(&self) -> u64 {
        self.get(Event::Started)
            .wrapping_add(self.get(Event::Polled))
    }

    pub(super) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Returns `true` if the thread is in that phase.
    #[inline]
    pub(super) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// Notes that a phase begins. Returns `true` if it was another before.
    #[inline]
    pub(super) fn enter(&self, phase: Phase) -> bool {
        let changes = !self.is_in(phase);
        if changes {
            self.enter_at(phase, now());
        }
        changes
    }

    #[cold]
    fn enter_at(&self, phase: Phase, now: Nanos) {
        let before = usize::from(self.phase.load(Ordering::Relaxed));
        let time = now.saturating_sub(self.since.load(Ordering::Relaxed));
        let spent = &self.spent[before];
        let sum = spent.load(Ordering::Relaxed).saturating_add(time);
        spent.store(sum, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        // ORDERING: Release; a reader that sees the phase sees when it began, or later.
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Notes that the thread, which looked for tasks, has found some. Returns `true` if it was not
    /// busy before.
    #[inline]
    pub(super) fn become_busy(&self) -> bool {
        let changes = self.enter(Phase::Busy);
        if changes {
            let since = self.since.load(Ordering::Relaxed);
            self.busy_since.store(since, Ordering::Relaxed);
            self.busy_run.store(self.run_number(), Ordering::Relaxed);
        }
        changes
    }

    /// Returns `true` if what the thread runs is its first run since it was idle.
    pub(super) fn is_first_run(&self) -> bool {
        self.run_number() == self.busy_run.load(Ordering::Relaxed) + 1
    }

    /// Notes that the thread goes on with its first run since it was idle, after others in between.
    pub(super) fn note_first_run(&self) {
        self.busy_run
            .store(self.run_number() - 1, Ordering::Relaxed);
    }

    /// Returns for how long the thread has run what it runs, if that is its first run since it was
    /// idle; a snapshot, may be stale.
    pub(super) fn running_for(&self, now: Nanos) -> Option<Duration> {
        let since = self.busy_since.load(Ordering::Relaxed);
        self.is_first_run()
            .then(|| Duration::from_nanos(now.saturating_sub(since)))
    }

    /// Notes the group of the task that runs.
    pub(super) fn note_group(&self, group: Option<usize>) {
        let group = group.map_or(0, |group| group + 1);
        self.group.store(group, Ordering::Relaxed);
    }

    /// Returns the number of the group of the task that runs.
    pub(super) fn group(&self) -> Option<usize> {
        self.group.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Returns the time that was spent in a phase until now; a snapshot, may be stale.
    pub(super) fn time_in(&self, phase: Phase, now: Nanos) -> Nanos {
        let is_in = self.phase.load(Ordering::Acquire) == phase as u8;
        let since = self.since.load(Ordering::Relaxed);
        let spent = self.spent[phase as usize].load(Ordering::Relaxed);
        match is_in {
            true => spent.saturating_add(now.saturating_sub(since)),
            false => spent,
        }
    }
}

std::thread_local! {
    /// A meter for the next pool that this thread comes inside as a foreign thread.
    static SPARE: RefCell<Option<Arc<Meter>>> = const { RefCell::new(None) };
}

/// The meter of a foreign thread. Its drop adds the counts to those of the pool.
pub(super) struct ForeignMeter {
    own: Arc<Meter>,
    pool: Arc<Meter>,
}

impl ForeignMeter {
    pub(super) fn new(pool: Arc<Meter>) -> Self {
        // While a thread ends its thread-local may be gone already.
        let spare = SPARE.try_with(|spare| spare.take());
        let own = spare.ok().flatten().unwrap_or_else(Meter::new);
        Self { own, pool }
    }

    pub(super) fn own(&self) -> &Arc<Meter> {
        &self.own
    }
}

impl Drop for ForeignMeter {
    fn drop(&mut self) {
        self.own.move_to(&self.pool);
        let own = Arc::clone(&self.own);
        // A model's values must not outlive the model.
        if !cfg!(workmill_loom) {
            let _ = SPARE.try_with(|spare| spare.replace(Some(own)));
        }
    }
}
