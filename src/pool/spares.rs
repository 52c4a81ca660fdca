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
use crate::primitive::{Deadline, Mutex, Thread, current, lock};

pub(crate) struct Spares {
    waiting: Mutex<Vec<Arc<Spare>>>,
}

struct Spare {
    thread: Thread,
    /// What the thread was given. Written under the list's lock, when the spare leaves it.
    given: Mutex<Option<Vacancy>>,
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
            *lock(&spare.given) = Some(vacancy);
            spare.thread.clone()
        };
        thread.unpark();
        None
    }

    /// Waits to be given a vacancy; `None` if `deadline` has passed or `is_over` says so, of which the
    /// thread is [told](Self::tell_all).
    ///
    /// R1 and R2: `joined` is called once this thread is in the list.
    pub(crate) fn wait(
        &self,
        deadline: Deadline,
        joined: impl FnOnce(),
        is_over: impl Fn() -> bool,
    ) -> Option<Vacancy> {
        let spare = Arc::new(Spare {
            thread: current(),
            given: Mutex::new(None),
        });
        lock(&self.waiting).push(Arc::clone(&spare));
        joined();
        loop {
            let given = lock(&spare.given).take();
            if given.is_some() {
                return given;
            }
            if is_over() || deadline.is_over() {
                lock(&self.waiting).retain(|other| !Arc::ptr_eq(other, &spare));
                // Once out of the list it is given nothing more.
                return lock(&spare.given).take();
            }
            deadline.park();
        }
    }

    /// Has all who wait look whether it is over.
    pub(crate) fn tell_all(&self) {
        let threads: Vec<_> = {
            let waiting = lock(&self.waiting);
            waiting.iter().map(|spare| spare.thread.clone()).collect()
        };
        threads.into_iter().for_each(|thread| thread.unpark());
    }
}
