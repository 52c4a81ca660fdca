//! How a thread waits for anything that calls a waker: [`block_until`].
//!
//! Every wait of the crate passes this function, or at least begins a [`Blocking`] (joins of
//! threads). The exceptions are the timer's thread (`timer/alarm.rs`) and workers that have nothing
//! to do (`pool/sleepers.rs`, `pool/resting.rs`). A thread that is about to wait inside a task
//! gives its slot to another thread, or lends it, as the [`Cause`] of the wait says. The pool does
//! that in hooks, which it sets with [`set_blocking_hooks`], so this module knows no pool.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::primitive::{
    self, AtomicBool, Ordering, Thread, current, park, park_timeout, thread_cell, yield_now,
};
use crate::room::{Record, Room};
use crate::spin::{Spin, spin_until};
use crate::trampoline;
use crate::unwind::OnDrop;

/// The moment at which a wait ends, or never.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    /// Returns the moment `timeout` from now, or never if the clock cannot represent it.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Returns the given moment.
    pub(crate) fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// Returns `true` if the wait never ends by itself.
    pub(crate) fn is_never(self) -> bool {
        self.0.is_none()
    }

    /// Returns `true` if the moment has come.
    pub(crate) fn is_over(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    /// Parks this thread until it is unparked or the moment has come. It may also return
    /// spuriously.
    pub(crate) fn park(self) {
        match self.remaining() {
            None => park(),
            Some(left) => park_timeout(left),
        }
    }

    /// Returns the earlier of this and the moment `timeout` from now.
    pub(crate) fn or_after(self, timeout: Duration) -> Self {
        let other = Self::after(timeout);
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (one, another) => Self(one.or(another)),
        }
    }

    fn remaining(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// The cause of a wait, which decides what becomes of the slot of a task that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// Something arrives: a result, an item, a signal, the end of something. The slot is given
    /// away.
    Arrival,
    /// Others make room, as a full queue's getters do. The slot is lent.
    Room(&'a Room),
    /// A function of the user's returns. The slot is given away, and the thread counts as running.
    Return,
}

/// The thing that the pool has done for a thread that is about to block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Nothing: the thread runs no task, or waits already.
    Nothing,
    /// It is to be told when the wait is over.
    Counted,
    /// The slot is lent: the thread parks as the pool says, and tells it when the wait is over.
    Lent,
    /// The wait is within one in which the slot is lent: the thread parks as the pool says.
    Within,
}

/// The outcome of a wait for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Got,
    /// The time was over, or there is nothing to wait for any more.
    InVain,
    /// The thread is about to see.
    Unknown,
}

/// The functions that a thread calls when it blocks.
pub(crate) struct Hooks {
    /// Called when a thread is about to block.
    pub(crate) before: fn(Cause<'_>) -> Begun,
    /// Parks the thread, once or until the deadline, if `before` returned [`Begun::Lent`] or
    /// [`Begun::Within`].
    pub(crate) park: fn(Deadline),
    /// Called when the thread has blocked, if `before` returned [`Begun::Counted`] or
    /// [`Begun::Lent`].
    pub(crate) after: fn(Outcome),
    /// Called before the thread polls a future for which it waits. If it returns `false` the thread
    /// must not go on yet, and the waker is called when it may.
    pub(crate) may_poll: fn(&Waker) -> bool,
    /// Called when that future is pending.
    pub(crate) pends: fn(),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Sets the functions that [`Blocking`] calls.
///
/// Only the first caller's functions are called. They may be called while the thread unwinds, and
/// must not unwind themselves.
pub(crate) fn set_blocking_hooks(hooks: Hooks) {
    HOOKS.get_or_init(|| hooks);
}

// Whether waits of this thread for room lend its slot.
thread_cell!(LENDS: bool = true);

/// Calls `body`, in which waits for room give the slot away, as other waits do.
pub(crate) fn without_loans<R>(body: impl FnOnce() -> R) -> R {
    let outer = LENDS.with(|lends| lends.replace(false));
    let _end = OnDrop(|| LENDS.with(|lends| lends.set(outer)));
    body()
}

/// A wait of this thread, until it is dropped. Another thread may have its slot meanwhile.
#[must_use = "the slot is taken back when this is dropped"]
pub(crate) struct Blocking {
    hooks: Option<&'static Hooks>,
    begun: Begun,
    outcome: Outcome,
    /// The thread that began the wait must end it.
    not_send: PhantomData<*mut ()>,
}

impl Blocking {
    /// Begins a wait: makes the calls that this thread has put off, then calls the hook.
    pub(crate) fn begin(cause: Cause<'_>) -> Self {
        trampoline::catch_up();
        let cause = match (cause, LENDS.with(Cell::get)) {
            (Cause::Room(_), false) => Cause::Arrival,
            (cause, _) => cause,
        };
        let hooks = HOOKS.get();
        Self {
            hooks,
            begun: hooks.map_or(Begun::Nothing, |hooks| (hooks.before)(cause)),
            outcome: Outcome::InVain,
            not_send: PhantomData,
        }
    }

    /// Parks this thread until it is unparked or the moment has come. It may also return
    /// spuriously.
    fn park(&self, deadline: Deadline) {
        match (self.hooks, self.begun) {
            (Some(hooks), Begun::Lent | Begun::Within) => (hooks.park)(deadline),
            _ => deadline.park(),
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let (Some(hooks), Begun::Counted | Begun::Lent) = (self.hooks, self.begun) {
            (hooks.after)(self.outcome);
        }
    }
}

/// Calls `poll` until it returns a value, and parks this thread in between. Returns `None` when
/// `deadline` has passed; `poll` was called at least once by then.
///
/// `poll` must arrange that the waker is called when its answer may have changed. It is called
/// again after every wake-up, so a spurious one does no harm. It need not order its reads: the poll
/// that follows a wake-up sees what was done before it (see [`WaitingThread`]). Before the first
/// wake-up there is no such order. Therefore each wait of this crate has a lock, a fence or an
/// exchange between leaving its waker and its last look.
///
/// Inside a task, the thread gives its slot to another thread before it parks, or lends it, as
/// `cause` says.
pub(crate) fn block_until<R>(
    cause: Cause<'_>,
    deadline: Deadline,
    poll: impl FnMut(&Waker) -> Option<R>,
) -> Option<R> {
    block(deadline, None, poll, || Blocking::begin(cause), Some)
}

/// Blocks as [`block_until`] does, but looks for a moment whether the waker was called before the
/// thread parks. For waits that another thread often ends at once.
pub(crate) fn block_after_a_look<R>(
    cause: Cause<'_>,
    deadline: Deadline,
    poll: impl FnMut(&Waker) -> Option<R>,
) -> Option<R> {
    block(deadline, Some(LOOK), poll, || Blocking::begin(cause), Some)
}

/// How long a thread looks whether it was woken. It gives the processor away at once, because the
/// thread that is to wake it may want this one.
const LOOK: Spin = Spin {
    pauses: 0,
    doublings: 0,
    yields: 2,
};

/// Calls `poll`, which polls a future, until it returns a value, as [`block_until`] does.
///
/// The cause of the wait is what the futures of this crate have [noted](pending) in the last poll
/// in which they noted anything. The slot is lent if they wait for room, and none of them for
/// something that arrives. It is lent until the next poll only, since that may run for long, wait
/// for something itself, and go on to wait for something else.
pub(crate) fn block_on_noted<R>(mut poll: impl FnMut(&Waker) -> Option<R>) -> R {
    let notes = RefCell::new(Notes::NONE);
    let poll = |waker: &Waker| {
        if !HOOKS.get().is_none_or(|hooks| (hooks.may_poll)(waker)) {
            return None;
        }
        let (value, noted) = Notes::collect(|| poll(waker));
        if noted.has_any() {
            *notes.borrow_mut() = noted;
        }
        if value.is_none() {
            HOOKS.get().into_iter().for_each(|hooks| (hooks.pends)());
        }
        value
    };
    let begin = || match notes.borrow().room() {
        Some(record) => Blocking::begin(Cause::Room(&Room::with(record))),
        None => Blocking::begin(Cause::Arrival),
    };
    let keep = |mut blocking: Blocking| match blocking.begun {
        Begun::Lent => {
            blocking.outcome = Outcome::Unknown;
            None
        }
        _ => Some(blocking),
    };
    block(Deadline::NEVER, None, poll, begin, keep).expect("there is no deadline")
}

/// Blocks as [`block_until`] says. `begin` begins the thread's wait, and `keep` returns it before a
/// poll, unless it is to end. `look` says how long the thread looks before it begins its wait.
fn block<R>(
    deadline: Deadline,
    mut look: Option<Spin>,
    mut poll: impl FnMut(&Waker) -> Option<R>,
    begin: impl Fn() -> Blocking,
    keep: impl Fn(Blocking) -> Option<Blocking>,
) -> Option<R> {
    with_waiting_thread(|waiting, waker| {
        let mut blocking: Option<Blocking> = None;
        let _end = AtTheEnd(waiting);
        let mut was_told = false;
        loop {
            blocking = blocking.and_then(&keep);
            waiting.begin();
            if let Some(value) = poll(waker) {
                let set = |blocking: &mut Blocking| blocking.outcome = Outcome::Got;
                blocking.iter_mut().for_each(set);
                return Some(value);
            }
            if was_told && waiting.is_told() {
                // A future that wakes itself may wait for something that other threads have to do
                // first.
                blocking.get_or_insert_with(&begin);
                yield_now();
            }
            was_told = waiting.is_told();
            while !waiting.is_told() {
                if deadline.is_over() {
                    return None;
                }
                if let Some(look) = look.take() {
                    spin_until(look, || waiting.is_told());
                    continue;
                }
                match blocking {
                    // This takes a moment, in which the wait may end, so look again before parking.
                    None => blocking = Some(begin()),
                    Some(ref blocking) => {
                        // The poll called user code, which may have put calls off.
                        trampoline::catch_up();
                        if !waiting.is_told() {
                            blocking.park(deadline);
                        }
                    }
                }
            }
        }
    })
}

// Whether futures note what they wait for, since this thread blocks on one.
thread_cell!(COLLECTS: bool = false);

/// The causes for which the futures wait that were polled on this thread.
#[derive(Default)]
struct Notes {
    /// One waits for something that arrives.
    arrives: bool,
    /// One waits for the room that has this record.
    room: Option<Arc<Record>>,
}

impl Notes {
    const NONE: Self = Self {
        arrives: false,
        room: None,
    };

    /// Calls `poll`, and returns with its result what was noted meanwhile.
    fn collect<R>(poll: impl FnOnce() -> R) -> (R, Self) {
        let collects = COLLECTS.with(|it| it.replace(true));
        let outer = Cell::new(Self::replace(Self::NONE));
        let noted = Cell::new(Self::NONE);
        let result = {
            let _end = OnDrop(|| {
                noted.set(Self::replace(outer.take()));
                COLLECTS.with(|it| it.set(collects));
            });
            poll()
        };
        (result, noted.into_inner())
    }

    /// Replaces the notes of this thread. While the thread ends they may be gone already.
    fn replace(new: Self) -> Self {
        NOTES
            .try_with(|notes| notes.replace(new))
            .unwrap_or_default()
    }

    /// Returns `true` if anything was noted.
    fn has_any(&self) -> bool {
        self.arrives || self.room.is_some()
    }

    /// Returns the record of the room that is waited for, if nothing is that arrives.
    fn room(&self) -> Option<Arc<Record>> {
        self.room.clone().filter(|_| !self.arrives)
    }
}

primitive::thread_local!(static NOTES: RefCell<Notes> = RefCell::default());

/// Notes what a future waits for, if this thread blocks on one. Returns [`Poll::Pending`].
#[inline]
pub(crate) fn pending<R>(cause: Cause<'_>) -> Poll<R> {
    if COLLECTS.with(Cell::get) {
        note(cause);
    }
    Poll::Pending
}

#[cold]
fn note(cause: Cause<'_>) {
    let note = |notes: &RefCell<Notes>| match cause {
        Cause::Room(room) => notes.borrow_mut().room = Some(Arc::clone(room.record())),
        Cause::Arrival | Cause::Return => notes.borrow_mut().arrives = true,
    };
    let _ = NOTES.try_with(note);
}

/// A thread that waits, as its waker sees it.
///
/// A wake-up is noted here, and not only in the thread's park token, because `poll` calls user code
/// (the wakers of others), which may park and thereby consume the token. The user code may also
/// wait in a [`block_until`] of its own. Then the outer wait polls once more.
///
/// # Why no wake-up is lost
/// *Waiter:* (B1) exchange `told` for `false`; (B2) poll; (B3) park until `told` is `true`, and
/// start again at B1. *Waker:* (K1) change what `poll` reads; (K2) exchange `told` for `true`; (K3)
/// unpark.
///
/// `told` is changed by exchanges only, so B1 and each K2 have one order. If K2 comes after B1, the
/// waiter finds `told` set at B3, or is unparked after it has looked. If K2 comes before B1, then
/// B1 reads what K2 wrote, or what a later exchange wrote. Every such exchange, on whatever thread,
/// continues the release sequence of K2. So K1 happens before B2, whatever `poll` does; a load is
/// enough.
///
/// # Why not otherwise
/// A plain store at B1 may stay in the store buffer until `poll` has read what K1 is about to
/// change, and then overwrite K2. A plain store at K2, or [at the end](AtTheEnd), breaks the
/// release sequence of an earlier waker, whose K1 the next poll may then miss.
struct WaitingThread {
    thread: Thread,
    told: AtomicBool,
}

impl WaitingThread {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: current(),
            told: AtomicBool::new(false),
        })
    }

    /// B1.
    fn begin(&self) {
        // ORDERING: Acquire takes what all earlier wakers released in `wake_by_ref`.
        self.told.swap(false, Ordering::Acquire);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }
}

/// Makes the outer wait of this thread, if there is one, poll once more when this one ends.
struct AtTheEnd<'a>(&'a WaitingThread);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        // ORDERING: an exchange, so that what earlier wakers released is not hidden from `begin`.
        self.0.told.swap(true, Ordering::Relaxed);
    }
}

impl Wake for WaitingThread {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // K2. ORDERING: Release hands what was done before to the next poll, through `begin`.
        self.told.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Calls `body` with the waiting and the waker of this thread, which are created once a thread.
fn with_waiting_thread<R>(body: impl FnOnce(&WaitingThread, &Waker) -> R) -> R {
    fn new() -> (Arc<WaitingThread>, Waker) {
        let waiting = WaitingThread::new();
        (Arc::clone(&waiting), Waker::from(waiting))
    }
    primitive::thread_local!(static WAITING_THREAD: (Arc<WaitingThread>, Waker) = new());
    let mut body = Some(body);
    let mut run = |(waiting, waker): &(Arc<WaitingThread>, Waker)| {
        body.take().expect("a body runs once")(waiting, waker)
    };
    // While a thread ends, its thread-local may be gone already. Then new ones will do.
    WAITING_THREAD
        .try_with(&mut run)
        .unwrap_or_else(|_| run(&new()))
}
