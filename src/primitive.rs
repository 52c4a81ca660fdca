//! The building blocks that the rest of the crate stands on: std, or its model.
//!
//! Everything above this room takes its atomics, locks, cells, threads and parking
//! from here, so that the models run the very code that users run. Under
//! `--cfg workmill_loom` the names below are loom's; the cfg is the crate's own, so a
//! user's `--cfg loom` never reaches in.
//!
//! Here is also how a thread waits for anything that calls a waker: [`block_until`]. Only threads
//! of a pool that have nothing to do park elsewhere, in `pool/slots.rs` and `pool/spares.rs`. A thread
//! that is about to wait in one of a pool's tasks lets the pool know, by a hook: this room knows no
//! pool.

#![expect(
    unsafe_code,
    reason = "std has no atomic reference, and knows nothing of forks"
)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use crate::trampoline;

#[cfg(not(workmill_loom))]
mod imp {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread::{
        Builder as ThreadBuilder, JoinHandle as ThreadHandle, Thread, current, park, park_timeout,
        yield_now,
    };
    pub(super) use std::thread_local;

    /// [`std::cell::UnsafeCell`] with loom's face: access lasts as long as a closure.
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        pub(crate) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(workmill_loom)]
mod imp {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::hint::spin_loop;
    use loom::sync::Condvar;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use loom::thread::{
        Builder as ThreadBuilder, JoinHandle as ThreadHandle, yield_now,
    };

    pub(super) use loom::thread_local;

    type Token = std::sync::Arc<(Mutex<bool>, Condvar)>;

    loom::thread_local! {
        static TOKEN: Token = Token::default();
    }

    /// A thread that is parked by a lock. Loom's own loses wake-ups that come while the thread waits
    /// for a lock or for another's end.
    #[derive(Clone)]
    pub(crate) struct Thread {
        id: loom::thread::ThreadId,
        token: Token,
    }

    impl Thread {
        pub(crate) fn id(&self) -> loom::thread::ThreadId {
            self.id
        }

        pub(crate) fn unpark(&self) {
            *self.token.0.lock().unwrap() = true;
            self.token.1.notify_one();
        }
    }

    pub(crate) fn current() -> Thread {
        Thread {
            id: loom::thread::current().id(),
            token: TOKEN.with(Token::clone),
        }
    }

    pub(crate) fn park() {
        let token = TOKEN.with(Token::clone);
        let mut is_unparked = token.0.lock().unwrap();
        while !std::mem::take(&mut *is_unparked) {
            is_unparked = token.1.wait(is_unparked).unwrap();
        }
    }

    /// Loom has no clock: a timed wait that reaches this point just gives way.
    pub(crate) fn park_timeout(_: std::time::Duration) {
        yield_now();
    }
}

pub(crate) use imp::*;

/// Takes a lock whose data stay consistent whatever panicked while it was held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A value on cache lines of its own.
///
/// 128 bytes: two lines, because x86 fetches them in pairs. For words that several
/// threads write; not for the cells of tasks, whose alignment must stay cheap to allocate.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A place for a reference to something that lives for ever, to be set and read by anyone.
///
/// Orders nothing: what it refers to was there from the beginning.
pub(crate) struct AtomicStatic<T: 'static>(AtomicPtr<T>);

impl<T: Sync> AtomicStatic<T> {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    #[inline]
    pub(crate) fn set(&self, value: Option<&'static T>) {
        let value = value.map_or(std::ptr::null(), std::ptr::from_ref);
        self.0.store(value.cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<&'static T> {
        let value = self.0.load(Ordering::Relaxed).cast_const();
        // SAFETY: the pointer is null or was made from a reference that lives for ever, by `set`.
        unsafe { value.as_ref() }
    }
}

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
pub(crate) fn around_waits(before: fn() -> bool, after: fn()) {
    HOOKS.get_or_init(|| Hooks { before, after });
}

/// A wait of this thread's, for as long as it is kept: another may have its place in a pool.
#[must_use = "the place is taken back when this is dropped"]
pub(crate) struct Away {
    after: Option<fn()>,
    /// It is this thread that has to come back.
    not_send: PhantomData<*mut ()>,
}

impl Away {
    pub(crate) fn go() -> Self {
        trampoline::catch_up();
        let hooks = HOOKS.get().filter(|hooks| (hooks.before)());
        Self {
            after: hooks.map(|hooks| hooks.after),
            not_send: PhantomData,
        }
    }
}

impl Drop for Away {
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
        let mut away = None;
        let _end = AtTheEnd(sleeper);
        let mut was_told = false;
        loop {
            sleeper.begin();
            if let Some(value) = poll(waker) {
                return Some(value);
            }
            if was_told && sleeper.is_told() {
                // A future that wakes itself may wait for what others have to do first.
                away.get_or_insert_with(Away::go);
                yield_now();
            }
            was_told = sleeper.is_told();
            while !sleeper.is_told() {
                if deadline.is_over() {
                    return None;
                }
                match away {
                    // It takes a moment, in which the wait may end.
                    None => away = Some(Away::go()),
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
    imp::thread_local!(static SLEEPER: (Arc<Sleeper>, Waker) = new());
    let mut body = Some(body);
    let mut run = |(sleeper, waker): &(Arc<Sleeper>, Waker)| {
        body.take().expect("a body runs once")(sleeper, waker)
    };
    // While a thread ends its own may be gone already; then a new one will do.
    SLEEPER.try_with(&mut run).unwrap_or_else(|_| run(&new()))
}

/// A pointer of a thread's own, null at first. It has no destructor, so it outlives those that do.
#[cfg(not(workmill_loom))]
macro_rules! thread_pointer {
    ($name:ident) => {
        thread_local!(static $name: std::cell::Cell<*const ()> = const { std::cell::Cell::new(std::ptr::null()) });
    };
}

#[cfg(workmill_loom)]
macro_rules! thread_pointer {
    ($name:ident) => {
        loom::thread_local!(static $name: std::cell::Cell<*const ()> = std::cell::Cell::new(std::ptr::null()));
    };
}

pub(crate) use thread_pointer;

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

/// Counts the forks that this process has come out of as the child, since the first pool or sleep.
///
/// In a child there is only the thread that forked, so whatever waits for another waits for ever.
/// Miri has no forks, and nothing that tells of them.
#[cfg(all(unix, not(any(workmill_loom, miri))))]
mod forks {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static FORKS: AtomicUsize = AtomicUsize::new(0);

    static WATCHED: OnceLock<()> = OnceLock::new();

    static IN_THE_CHILD: OnceLock<fn()> = OnceLock::new();

    #[inline]
    pub(crate) fn forks() -> usize {
        FORKS.load(Ordering::Relaxed)
    }

    /// Has forks counted from now on.
    pub(crate) fn watch_forks() {
        WATCHED.get_or_init(|| {
            // SAFETY: the handler lives as long as the process, and does what a handler may: it
            // writes an atomic number, and calls a function that promised to take no lock.
            unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
        });
    }

    /// Has forks counted from now on, and `then` called after each, on the only thread of the child.
    ///
    /// Only the first caller's function is called. It must take no lock and not unwind.
    pub(crate) fn count_forks(then: fn()) {
        IN_THE_CHILD.get_or_init(|| then);
        watch_forks();
    }

    extern "C" fn in_the_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        if let Some(then) = IN_THE_CHILD.get() {
            then();
        }
    }
}

#[cfg(any(not(unix), workmill_loom, miri))]
mod forks {
    #[inline]
    pub(crate) fn forks() -> usize {
        0
    }

    pub(crate) fn watch_forks() {}

    pub(crate) fn count_forks(_: fn()) {}
}

pub(crate) use forks::{count_forks, forks, watch_forks};

/// A value that is dropped only in the process that made it. In a forked child it is forgotten: its drop
/// might take a lock that a thread of the parent holds.
#[derive(Debug)]
pub(crate) struct NotInherited<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    forks: usize,
}

impl<T> NotInherited<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Some(value),
            forks: forks(),
        }
    }

    /// The value, in the process that made it.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        match forks() == self.forks {
            true => self.value.take(),
            false => None,
        }
    }
}

impl<T> Deref for NotInherited<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("whole until it is dropped")
    }
}

impl<T> DerefMut for NotInherited<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("whole until it is dropped")
    }
}

impl<T> Drop for NotInherited<T> {
    fn drop(&mut self) {
        if forks() != self.forks {
            std::mem::forget(self.value.take());
        }
    }
}

mod process {
    // Plain std under the model too: nothing else depends on it.
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::forks;

    /// Children of children of children. The next uses the first one's list again, which is as good as
    /// any unless it was locked when that one forked.
    const GENERATIONS: usize = 64;

    /// A list of the whole process, under a lock. A forked child has another than its parent, because
    /// who holds that one's lock may not be there.
    pub(crate) struct ProcessList<T>([Mutex<Vec<T>>; GENERATIONS]);

    impl<T> ProcessList<T> {
        pub(crate) const fn new() -> Self {
            Self([const { Mutex::new(Vec::new()) }; GENERATIONS])
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<T>> {
            let list = &self.0[forks() % GENERATIONS];
            list.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

pub(crate) use process::ProcessList;
