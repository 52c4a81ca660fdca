//! Threads without a slot that wait to be given one.
//!
//! A thread comes here when it has ended a task after a wait and the slots are all taken, and when its
//! slot goes out of the game. The one that came last is the first to be used again, so the others
//! get the chance to end.
//!
//! # Why no vacancy waits beside a spare thread
//! *Spare:* (R1) join the list; (R2) if there are tasks and a vacancy, claim it and hand it to one in
//! the list. *Whoever has a vacancy and no thread for it:* look at the list, try to start one; (V1)
//! count the slot vacant; (V2) full fence; (V3) look for tasks; (V4) look at the list again. R1 and V4
//! happen under one lock. If R1 is first, V4 sees the spare. If not, R2 sees what was counted in V1,
//! and the tasks that V3 would see.

use std::sync::Arc;

use super::slots::Vacancy;
use crate::primitive::{
    AtomicBool, Deadline, Mutex, Ordering, Spin, Thread, current, lock, spin_until,
};

/// How long a spare thread looks whether it is wanted before it parks: about as long as it takes to wake
/// one up. Where tasks wait all the time, there is then mostly one that is awake to take a slot over.
const LOOK: Spin = Spin {
    pauses: 16,
    doublings: 1,
    yields: 80,
};

pub(crate) struct Spares {
    waiting: Mutex<Vec<Arc<Spare>>>,
}

struct Spare {
    thread: Thread,
    /// How its rest has ended, if it has. Written under the list's lock, when the spare leaves it.
    rested: Mutex<Option<Rested>>,
    /// Whether that has been written.
    is_rested: AtomicBool,
}

/// How a thread's rest has ended.
pub(crate) enum Rested {
    /// It was given a vacancy.
    Given(Vacancy),
    /// It was [told](Spares::tell_all) to look what has changed.
    Told,
    /// The time was over.
    Through,
}

impl Spares {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::new(Vec::new()),
        }
    }

    /// Tells whether anyone waits.
    pub(crate) fn has_any(&self) -> bool {
        !lock(&self.waiting).is_empty()
    }

    /// Gives a vacancy to the thread that came last, or back if there is none.
    pub(crate) fn hand(&self, vacancy: Vacancy) -> Option<Vacancy> {
        let thread = {
            let mut waiting = lock(&self.waiting);
            let Some(spare) = waiting.pop() else {
                return Some(vacancy);
            };
            spare.end(Rested::Given(vacancy))
        };
        thread.unpark();
        None
    }

    /// Has all who wait look what has changed.
    pub(crate) fn tell_all(&self) {
        let threads: Vec<_> = {
            let mut waiting = lock(&self.waiting);
            waiting
                .drain(..)
                .map(|spare| spare.end(Rested::Told))
                .collect()
        };
        threads.into_iter().for_each(|thread| thread.unpark());
    }

    /// Waits to be given a vacancy, until `deadline`.
    ///
    /// R1 and R2: `joined` is called once this thread is in the list, and says whether it is to wait.
    pub(crate) fn wait(&self, deadline: Deadline, joined: impl FnOnce() -> bool) -> Rested {
        let spare = Arc::new(Spare {
            thread: current(),
            rested: Mutex::new(None),
            is_rested: AtomicBool::new(false),
        });
        lock(&self.waiting).push(Arc::clone(&spare));
        let is_over = !joined();
        if !is_over {
            spin_until(LOOK, || spare.is_rested.load(Ordering::Relaxed));
        }
        loop {
            if let Some(rested) = lock(&spare.rested).take() {
                return rested;
            }
            if is_over || deadline.is_over() {
                lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, &spare));
                // Once out of the list nothing more happens to it.
                let rested = lock(&spare.rested).take();
                return rested.unwrap_or(match is_over {
                    true => Rested::Told,
                    false => Rested::Through,
                });
            }
            deadline.park();
        }
    }
}

impl Spare {
    /// The caller unparks the thread that comes back, once the list is not locked any more.
    fn end(&self, rested: Rested) -> Thread {
        *lock(&self.rested) = Some(rested);
        self.is_rested.store(true, Ordering::Relaxed);
        self.thread.clone()
    }
}
