//! Recognises a forked child, which has none of its parent's threads except the one that forked.
//!
//! In a child, a wait for another thread never ends, and a lock that another thread held stays
//! locked. Therefore what belongs to one process is marked with a [`Stamp`] when it is created, and
//! left alone where [`Stamp::is_here`] returns `false`.
//!
//! Forks are counted from the moment at which the first pool or timer entry is made. Miri has no
//! forks, and no function that would report them.

#![cfg_attr(
    all(unix, not(any(workmill_loom, miri))),
    expect(unsafe_code, reason = "std has no handler for forks")
)]

use std::ops::{Deref, DerefMut};
// Those of the standard library in the models too, because nothing here orders anything.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use count::{on_child, watch};

/// The process in which something was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(usize);

impl Stamp {
    /// Returns the stamp of this process.
    #[inline]
    pub(crate) fn now() -> Self {
        Self(count::forks())
    }

    /// Returns the generation of the process, below [`GENERATIONS`].
    pub(crate) fn generation(self) -> usize {
        self.0 % GENERATIONS
    }

    /// Returns `true` if this is the process in which the stamp was created, and not a child of it.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        count::forks() == self.0
    }
}

/// A [`Stamp`] that can be changed.
pub(crate) struct AtomicStamp(AtomicUsize);

impl AtomicStamp {
    /// Returns the stamp of this process.
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

/// A value that is dropped only in the process that created it. In a forked child it is forgotten,
/// because its drop might take a lock that a thread of the parent holds.
#[derive(Debug)]
pub(crate) struct NotInherited<T> {
    /// `None` only during the drop.
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

    /// Returns the value, or `None` in a forked child.
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

/// The number of generations of forked children that have a list of their own. The next one uses
/// the first list again, which works unless a thread held its lock when that process forked.
pub(crate) const GENERATIONS: usize = 64;

/// A list of the whole process, under a lock. A forked child uses another list than its parent,
/// because the thread that holds the lock of that list may not exist in the child.
pub(crate) struct ProcessList<T>([Mutex<Vec<T>>; GENERATIONS]);

impl<T> ProcessList<T> {
    pub(crate) const fn new() -> Self {
        Self([const { Mutex::new(Vec::new()) }; GENERATIONS])
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        let list = &self.0[Stamp::now().generation()];
        list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the forks that led to this process: 0 in the first process, one more in each child.
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
            // SAFETY: the handler lives as long as the process, and does only what a handler may
            // do: it writes an atomic number, and calls a function that promised to take no lock.
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
