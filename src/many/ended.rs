//! How many tasks tell one waiter that they have ended.
//!
//! Each task has a waker that knows the task's key. The end of the task calls it, once: it *tells*
//! the key, under a lock, and wakes the waiter if there is one. The waiter takes all keys at once.
//!
//! # Why no wake-up is lost
//! Keys and waiter are behind one lock. A waiter that finds no key leaves its waker in the same
//! critical section. A task that ends after that finds the waker, takes it, and wakes. A task that
//! ended before has left its key, which the waiter found. A waker that was taken is left again by
//! the waiter when it looks next, which it does because it was woken. A waiter that gives up, as
//! its time is over, leaves an old waker behind: it is called in vain, or replaced.
//!
//! # Why no key is told twice
//! A handle calls its waker once, unless it is told to stop. A key is used again only after it was
//! told, and its handle taken out.
//!
//! In a forked child the lock may be held forever by a thread that is not there. A waiter that
//! finds itself in a child makes a new one of these.

use std::sync::Arc;
use std::task::{Wake, Waker};

use crate::fork::{NotInherited, Stamp};
use crate::primitive::{AtomicBool, Mutex, Ordering, lock};
use crate::unwind;

/// The keys of the tasks that have ended, and have not been taken yet.
#[derive(Clone)]
pub(super) struct Ended(Arc<Inner>);

struct Inner {
    /// Whether there are keys. Written under the lock; without the lock it is a hint.
    any: AtomicBool,
    told: Mutex<Told>,
    made: Stamp,
}

struct Told {
    keys: Vec<usize>,
    waiter: Option<NotInherited<Waker>>,
}

impl Ended {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            any: AtomicBool::new(false),
            told: Mutex::new(Told {
                keys: Vec::new(),
                waiter: None,
            }),
            made: Stamp::now(),
        }))
    }

    /// Returns a waker that tells `key`.
    pub(super) fn waker(&self, key: usize) -> Waker {
        let ended = self.clone();
        Waker::from(Arc::new(Teller { ended, key }))
    }

    /// Returns `true` if this is a child of the process that waits.
    pub(super) fn is_forked(&self) -> bool {
        !self.0.made.is_here()
    }

    /// Returns `true` if a task has ended whose key was not taken; a snapshot, may be stale.
    pub(super) fn has_any(&self) -> bool {
        self.0.any.load(Ordering::Relaxed)
    }

    /// Moves all keys to `keys`, which is empty. If there are none, `waker` is called when there
    /// are some, if it is given.
    pub(super) fn take(&self, keys: &mut Vec<usize>, waker: Option<&Waker>) {
        debug_assert!(keys.is_empty(), "keys are taken when all others were used");
        let mut told = lock(&self.0.told);
        std::mem::swap(&mut told.keys, keys);
        if !keys.is_empty() {
            self.0.any.store(false, Ordering::Relaxed);
        } else if let Some(waker) = waker {
            let old = told.waiter.take();
            let new = match old {
                Some(old) if old.will_wake(waker) => old,
                old => {
                    // The clone and the drop are user code, so they are not called under the lock.
                    drop(told);
                    unwind::discard(old);
                    return self.leave(keys, waker.clone());
                }
            };
            told.waiter = Some(new);
        }
    }

    /// Leaves a waker, unless there are keys now.
    #[cold]
    fn leave(&self, keys: &mut Vec<usize>, waker: Waker) {
        let waker = NotInherited::new(waker);
        let unused = {
            let mut told = lock(&self.0.told);
            std::mem::swap(&mut told.keys, keys);
            match keys.is_empty() {
                true => told.waiter.replace(waker),
                false => {
                    self.0.any.store(false, Ordering::Relaxed);
                    Some(waker)
                }
            }
        };
        unwind::discard(unused);
    }

    /// Notes that the task of `key` has ended, and wakes the waiter.
    fn tell(&self, key: usize) {
        let waiter = {
            let mut told = lock(&self.0.told);
            told.keys.push(key);
            self.0.any.store(true, Ordering::Relaxed);
            told.waiter.take()
        };
        if let Some(waker) = waiter.and_then(NotInherited::into_inner) {
            unwind::wake(waker);
        }
    }
}

/// The waker of a task, which knows the task's key.
struct Teller {
    ended: Ended,
    key: usize,
}

impl Wake for Teller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ended.tell(self.key);
    }
}
