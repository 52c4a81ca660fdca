//! Which process this is: a child that was forked has none of its parent's threads.
//!
//! In a child there is only the thread that forked, so whatever waits for another thread waits for
//! ever, and a lock that another thread held stays locked. So what belongs to a process is marked with
//! a [`Stamp`] when it is made, and left alone where [`Stamp::is_here`] returns `false`.
//!
//! Forks are counted from the first pool or sleep on. Miri has no forks, and nothing that tells of
//! them.

#![cfg_attr(
    all(unix, not(any(workmill_loom, miri))),
    expect(unsafe_code, reason = "std knows nothing of forks")
)]

use std::ops::{Deref, DerefMut};
// The standard library's under the model, too: nothing here orders anything.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use count::{on_child, watch};

/// The process in which something was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(usize);

impl Stamp {
    /// Returns the stamp of this process.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(count::forks())
    }

    /// Returns `true` if this is the process that the stamp was made in, and not a child of it.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        count::forks() == self.0
    }
}

/// A [`Stamp`] that can be changed.
pub(crate) struct AtomicStamp(AtomicUsize);

impl AtomicStamp {
    pub(crate) fn now() -> Self {
        Self(AtomicUsize::new(count::forks()))
    }

    /// Changes the stamp to that of this process.
    pub(crate) fn renew(&self) {
        self.0.store(count::forks(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Relaxed))
    }
}

/// A value that is dropped only in the process that made it. In a forked child it is forgotten: its drop
/// might take a lock that a thread of the parent holds.
#[derive(Debug)]
pub(crate) struct NotInherited<T> {
    /// `None` only while it is dropped.
    value: Option<T>,
    made: Stamp,
}

impl<T> NotInherited<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Some(value),
            made: Stamp::now(),
        }
    }

    /// The value, in the process that made it.
    pub(crate) fn into_inner(mut self) -> Option<T> {
        match self.made.is_here() {
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
        if !self.made.is_here() {
            std::mem::forget(self.value.take());
        }
    }
}

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
        let list = &self.0[count::forks() % GENERATIONS];
        list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the forks out of which this process has come as the child.
#[cfg(all(unix, not(any(workmill_loom, miri))))]
mod count {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static FORKS: AtomicUsize = AtomicUsize::new(0);

    static ON_CHILD: OnceLock<fn()> = OnceLock::new();

    #[inline]
    pub(crate) fn forks() -> usize {
        FORKS.load(Ordering::Relaxed)
    }

    /// Counts forks from now on.
    pub(crate) fn watch() {
        static WATCHED: OnceLock<()> = OnceLock::new();
        WATCHED.get_or_init(|| {
            // SAFETY: the handler lives as long as the process, and does what a handler may: it
            // writes an atomic number, and calls a function that promised to take no lock.
            unsafe { libc::pthread_atfork(None, None, Some(in_the_child)) };
        });
    }

    /// Counts forks from now on, and calls `then` after each, on the only thread of the child.
    ///
    /// Only the first caller's function is called. It must take no lock and not unwind.
    pub(crate) fn on_child(then: fn()) {
        ON_CHILD.get_or_init(|| then);
        watch();
    }

    extern "C" fn in_the_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
        if let Some(then) = ON_CHILD.get() {
            then();
        }
    }
}

#[cfg(any(not(unix), workmill_loom, miri))]
mod count {
    #[inline]
    pub(crate) fn forks() -> usize {
        0
    }

    pub(crate) fn watch() {}

    pub(crate) fn on_child(_: fn()) {}
}
