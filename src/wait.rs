//! How a thread waits for anything that calls a waker: [`block_until`].
//!
//! Every wait of the crate passes this function, or at least begins a [`Blocking`] (joins of
//! threads). The exceptions are the timer's thread (`timer/alarm.rs`) and workers that have nothing
//! to do (`pool/sleepers.rs`, `pool/resting.rs`). A thread that is about to wait inside a task
//! gives its slot to another thread. The pool does that in hooks, which it sets with
//! [`set_blocking_hooks`], so this module knows no pool.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::primitive::{
    self, AtomicBool, Ordering, Thread, current, park, park_timeout, spin_loop, yield_now,
};
use crate::trampoline;

/// The moment at which a wait ends, or never.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    /// Returns the moment `timeout` from now, or never if the clock cannot represent it.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
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

    fn remaining(self) -> Option<Duration> {
        self.0
            .map(|end| end.saturating_duration_since(Instant::now()))
    }
}

/// The functions that a thread calls before it blocks and, if `before` returned `true`, after that.
struct Hooks {
    before: fn() -> bool,
    after: fn(),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Sets the functions that [`Blocking`] calls: `before` when a thread is about to block and, if
/// that returned `true`, `after` when it has blocked.
///
/// Only the first caller's functions are called. They may be called while the thread unwinds, and
/// must not unwind themselves.
pub(crate) fn set_blocking_hooks(before: fn() -> bool, after: fn()) {
    HOOKS.get_or_init(|| Hooks { before, after });
}

/// A wait of this thread, until it is dropped. Another thread may have its slot meanwhile.
#[must_use = "the slot is taken back when this is dropped"]
pub(crate) struct Blocking {
    after: Option<fn()>,
    /// The thread that began the wait must end it.
    not_send: PhantomData<*mut ()>,
}

impl Blocking {
    /// Begins a wait: makes the calls that this thread has put off, then calls the hook.
    pub(crate) fn begin() -> Self {
        trampoline::catch_up();
        let hooks = HOOKS.get().filter(|hooks| (hooks.before)());
        Self {
            after: hooks.map(|hooks| hooks.after),
            not_send: PhantomData,
        }
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        if let Some(after) = self.after {
            after();
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
/// Inside a task, the thread gives its slot to another thread before it parks.
pub(crate) fn block_until<R>(
    deadline: Deadline,
    mut poll: impl FnMut(&Waker) -> Option<R>,
) -> Option<R> {
    with_waiting_thread(|waiting, waker| {
        let mut blocking = None;
        let _end = AtTheEnd(waiting);
        let mut was_told = false;
        loop {
            waiting.begin();
            if let Some(value) = poll(waker) {
                return Some(value);
            }
            if was_told && waiting.is_told() {
                // A future that wakes itself may wait for something that other threads have to do
                // first.
                blocking.get_or_insert_with(Blocking::begin);
                yield_now();
            }
            was_told = waiting.is_told();
            while !waiting.is_told() {
                if deadline.is_over() {
                    return None;
                }
                match blocking {
                    // This takes a moment, in which the wait may end, so look again before parking.
                    None => blocking = Some(Blocking::begin()),
                    Some(_) => {
                        // The poll called user code, which may have put calls off.
                        trampoline::catch_up();
                        if !waiting.is_told() {
                            deadline.park();
                        }
                    }
                }
            }
        }
    })
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

/// Spins until `done` returns `true`. Returns `false` if the budget runs out first.
///
/// The pauses between two looks double, because each look takes the cache line that it reads away
/// from the thread that is about to write it. In a model `done` is called only once, because a spin
/// adds nothing there except schedules.
pub(crate) fn spin_until(budget: Spin, mut done: impl FnMut() -> bool) -> bool {
    if !cfg!(workmill_loom) {
        for look in 0..budget.doublings {
            if done() {
                return true;
            }
            (0..budget.pauses << look).for_each(|_| spin_loop());
        }
        for _ in 0..budget.yields {
            if done() {
                return true;
            }
            yield_now();
        }
    }
    done()
}

/// How long to spin before parking.
#[derive(Clone, Copy)]
pub(crate) struct Spin {
    /// The number of processor pauses after the first look.
    pub(crate) pauses: u32,
    /// The number of looks with pauses between them.
    pub(crate) doublings: u32,
    /// The number of looks after those. The thread yields the processor after each.
    pub(crate) yields: u32,
}
