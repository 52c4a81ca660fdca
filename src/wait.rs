//! How a thread waits for anything that calls a waker: [`block_until`].
//!
//! Only threads of a pool that have nothing to do park elsewhere, in `pool/slots.rs` and
//! `pool/spares.rs`. A thread that is about to wait in one of a pool's tasks lets the pool know by a
//! hook, which the pool sets with [`set_blocking_hooks`]: this module knows no pool.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::primitive::{
    self, AtomicBool, Ordering, Thread, current, park, park_timeout, spin_loop, yield_now,
};
use crate::trampoline;

/// A moment after which waiting ends, or never.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NEVER: Self = Self(None);

    /// The moment `timeout` from now; a moment beyond what the clock can say is never.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Returns `true` if waiting never ends by itself.
    pub(crate) fn is_never(self) -> bool {
        self.0.is_none()
    }

    /// Tells whether the moment has come.
    pub(crate) fn is_over(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    /// Parks this thread until it is unparked or the moment has come, or for no reason at all.
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

/// What a thread does before it waits and, if the answer was yes, after it has waited.
struct Hooks {
    before: fn() -> bool,
    after: fn(),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Has `before` called by every thread that is about to wait, and `after` when it has waited, if the
/// answer was yes. Set once; both may be called while unwinding, and must not unwind.
pub(crate) fn set_blocking_hooks(before: fn() -> bool, after: fn()) {
    HOOKS.get_or_init(|| Hooks { before, after });
}

/// A wait of this thread's, for as long as it is kept: another may have its place in a pool.
#[must_use = "the place is taken back when this is dropped"]
pub(crate) struct Blocking {
    after: Option<fn()>,
    /// It is this thread that has to come back.
    not_send: PhantomData<*mut ()>,
}

impl Blocking {
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

/// Calls `poll` until it gives a value, parking this thread in between.
///
/// `poll` must see to it that the waker is called when its answer may have changed. It need not order
/// its reads: what was done before a wake-up is seen by the poll that follows (see [`Sleeper`]). Where
/// nothing has been woken yet, between the moment at which a poll leaves its waker somewhere and the
/// last look that it takes, there is a lock, a fence or an exchange in each wait of this crate.
/// `poll` is called again after every wake-up, so a spurious one does no harm. Gives
/// `None` when `deadline` has passed; `poll` has been called at least once by then.
///
/// A thread that runs a pool's task gives its place in the pool up before it parks.
pub(crate) fn block_until<R>(
    deadline: Deadline,
    mut poll: impl FnMut(&Waker) -> Option<R>,
) -> Option<R> {
    with_sleeper(|sleeper, waker| {
        let mut blocking = None;
        let _end = AtTheEnd(sleeper);
        let mut was_told = false;
        loop {
            sleeper.begin();
            if let Some(value) = poll(waker) {
                return Some(value);
            }
            if was_told && sleeper.is_told() {
                // A future that wakes itself may wait for what others have to do first.
                blocking.get_or_insert_with(Blocking::begin);
                yield_now();
            }
            was_told = sleeper.is_told();
            while !sleeper.is_told() {
                if deadline.is_over() {
                    return None;
                }
                match blocking {
                    // It takes a moment, in which the wait may end.
                    None => blocking = Some(Blocking::begin()),
                    Some(_) => {
                        // A poll calls user code.
                        trampoline::catch_up();
                        if !sleeper.is_told() {
                            deadline.park();
                        }
                    }
                }
            }
        }
    })
}

/// A thread that waits, as its waker knows it.
///
/// A wake-up is kept here, and not only in the thread's own token: `poll` calls user code (the wakers of
/// others), which may park, and so take the token. It may wait by [`block_until`] itself; then the wait
/// below looks once more.
///
/// # Why no wake-up is lost
/// *Waiter:* (B1) exchange `told` for `false`; (B2) poll; (B3) park until `told` is `true`, and begin
/// anew. *Waker:* (K1) change what `poll` reads; (K2) exchange `told` for `true`; (K3) unpark.
///
/// `told` changes by exchanges only, so B1 and each K2 have one order. If K2 comes after B1, the waiter
/// finds `told` set at B3, or is unparked after it has looked. If K2 comes before B1, B1 reads what K2
/// wrote, or what a later exchange wrote: these all go on with the release sequence of K2, whoever makes
/// them. So K1 happens before B2, whatever `poll` does; a load is enough.
///
/// # Why not otherwise
/// A plain store at B1 may lie in the store buffer until `poll` has read what K1 is about to change, and
/// then land on top of K2. A plain store at K2, or [at the end](AtTheEnd), breaks the release sequence
/// of an earlier waker, whose K1 the next poll may then miss.
struct Sleeper {
    thread: Thread,
    told: AtomicBool,
}

impl Sleeper {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: current(),
            told: AtomicBool::new(false),
        })
    }

    /// B1.
    fn begin(&self) {
        // ORDERING: Acquire takes what every waker before released in `wake_by_ref`.
        self.told.swap(false, Ordering::Acquire);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }
}

/// Has the wait below, if there is one, look once more when this one ends.
struct AtTheEnd<'a>(&'a Sleeper);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        // ORDERING: an exchange, so that what wakers before have released is not hidden from `begin`.
        self.0.told.swap(true, Ordering::Relaxed);
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // K2. ORDERING: Release hands what was done before to the next `poll`, by way of `begin`.
        self.told.swap(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Lends what this thread waits with, which is made once a thread.
fn with_sleeper<R>(body: impl FnOnce(&Sleeper, &Waker) -> R) -> R {
    fn new() -> (Arc<Sleeper>, Waker) {
        let sleeper = Sleeper::new();
        (Arc::clone(&sleeper), Waker::from(sleeper))
    }
    primitive::thread_local!(static SLEEPER: (Arc<Sleeper>, Waker) = new());
    let mut body = Some(body);
    let mut run = |(sleeper, waker): &(Arc<Sleeper>, Waker)| {
        body.take().expect("a body runs once")(sleeper, waker)
    };
    // While a thread ends its own may be gone already; then a new one will do.
    SLEEPER.try_with(&mut run).unwrap_or_else(|_| run(&new()))
}

/// Spins until `done` says yes; `false` when the budget ran out first.
///
/// The pauses between two looks double, because each look takes the cache line that it reads
/// away from the thread that is about to write it. Under the model it only asks once: a spin
/// adds nothing there but schedules.
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
    /// Pauses of the processor after the first look.
    pub(crate) pauses: u32,
    /// How many looks there are before the core is given away between them.
    pub(crate) doublings: u32,
    /// How many looks there are after those, each followed by giving the core away.
    pub(crate) yields: u32,
}
