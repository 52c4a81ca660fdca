//! The building blocks of the crate: those of std, or those of loom in the models.
//!
//! The modules above this one take atomics, locks, cells, threads and parking from here, so that
//! the models run the code that users run. Under `--cfg workmill_loom` the names below are those of
//! `loom`. This cfg is the crate's own, so a user's `--cfg loom` has no effect here.

mod atomic_static;
#[cfg(workmill_loom)]
mod loom;

use std::ops::Deref;

pub(crate) use self::atomic_static::AtomicStatic;
#[cfg(workmill_loom)]
pub(crate) use self::loom::*;
#[cfg(not(workmill_loom))]
pub(crate) use self::os::*;

/// The building blocks of the standard library.
#[cfg(not(workmill_loom))]
mod os {
    pub(crate) use std::hint::spin_loop;
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering, fence,
    };
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread::{
        Builder as ThreadBuilder, JoinHandle as ThreadHandle, Thread, current, park, park_timeout,
        yield_now,
    };
    pub(crate) use std::thread_local;

    /// [`std::cell::UnsafeCell`] with loom's interface: an access lasts as long as a closure runs.
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

/// Takes a lock and ignores poisoning: its data stay consistent whatever panics while it is held.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A value on cache lines of its own.
///
/// 128 bytes are two lines, because x86 fetches lines in pairs. For words that several threads
/// write. Not for the cells of tasks, which must stay cheap to allocate.
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Declares a thread-local `Cell` of a `Copy` type with a constant initial value. It has no
/// destructor, so it outlives the thread-locals that have one.
#[cfg(not(workmill_loom))]
macro_rules! thread_cell {
    ($name:ident: $type:ty = $initial:expr) => {
        thread_local! {
            static $name: std::cell::Cell<$type> = const { std::cell::Cell::new($initial) };
        }
    };
}

#[cfg(workmill_loom)]
macro_rules! thread_cell {
    ($name:ident: $type:ty = $initial:expr) => {
        $crate::primitive::thread_local! {
            static $name: std::cell::Cell<$type> = std::cell::Cell::new($initial);
        }
    };
}

pub(crate) use thread_cell;
