//! Threads without a slot that wait to be given one.
//!
//! A thread comes here when it has ended a task after a wait and the slots are all taken, and when its
//! slot goes out of the game. The one that came last is the first to be used again, so the others
//! get the chance to end.
//!
//! A thread that was given a vacancy may take a while to wake up. Until it has, another that is awake may
//! [take the vacancy back](Spares::take_back) and use it at once.
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
    AtomicBool, AtomicUsize, Deadline, Mutex, Ordering, Spin, Thread, current, lock, spin_until,
};

/// How long a spare thread looks whether it is wanted before it parks: about as long as it takes to wake
/// one up.
const LOOK: Spin = Spin {
    pauses: 16,
    doublings: 1,
    yields: 80,
};

pub(crate) struct Spares {
    resting: Mutex<Vec<Entry>>,
    /// How many of them have been given a vacancy. Written under the lock.
    given: AtomicUsize,
}

/// A thread in the list.
struct Entry {
    spare: Arc<Spare>,
    rested: Option<Rested>,
}

struct Spare {
    thread: Thread,
    /// Whether its rest has ended. Written under the list's lock.
    is_called: AtomicBool,
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

impl Rested {
    fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }
}

impl Spares {
    pub(crate) fn new() -> Self {
        Self {
            resting: Mutex::new(Vec::new()),
            given: AtomicUsize::new(0),
        }
    }

    /// Tells whether anyone rests who could be given a vacancy.
    pub(crate) fn has_any(&self) -> bool {
        lock(&self.resting).iter().any(Entry::is_free)
    }

    /// Gives a vacancy to the thread that came last, or back if there is none.
    pub(crate) fn hand(&self, vacancy: Vacancy) -> Option<Vacancy> {
        let thread = {
            let mut resting = lock(&self.resting);
            let Some(entry) = resting.iter_mut().rfind(|entry| entry.is_free()) else {
                return Some(vacancy);
            };
            self.given.fetch_add(1, Ordering::Relaxed);
            entry.end(Rested::Given(vacancy))
        };
        thread.unpark();
        None
    }

    /// Takes a vacancy back from a thread that has been given it and has not woken up, if there is one.
    pub(crate) fn take_back(&self) -> Option<Vacancy> {
        if self.given.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut resting = lock(&self.resting);
        resting.iter_mut().find_map(|entry| match entry.rested {
            Some(Rested::Given(_)) => {
                // It may be on its way, and will find that nobody has called it.
                entry.spare.is_called.store(false, Ordering::Relaxed);
                self.vacancy_of(entry.rested.take())
            }
            _ => None,
        })
    }

    /// Has all who rest look what has changed.
    pub(crate) fn tell_all(&self) {
        let threads: Vec<_> = {
            let mut resting = lock(&self.resting);
            let free = resting.iter_mut().filter(|entry| entry.is_free());
            free.map(|entry| entry.end(Rested::Told)).collect()
        };
        threads.into_iter().for_each(|thread| thread.unpark());
    }

    /// Rests until a vacancy is given, or `deadline`.
    ///
    /// R1 and R2: `joined` is called once this thread is in the list, and says whether it is to rest.
    pub(crate) fn wait(&self, deadline: Deadline, joined: impl FnOnce() -> bool) -> Rested {
        let spare = Arc::new(Spare {
            thread: current(),
            is_called: AtomicBool::new(false),
        });
        lock(&self.resting).push(Entry {
            spare: Arc::clone(&spare),
            rested: None,
        });
        let is_called = || spare.is_called.load(Ordering::Relaxed);
        if !joined() {
            let rested = self.leave(&spare, true);
            return rested.filter(Rested::is_given).unwrap_or(Rested::Told);
        }
        spin_until(LOOK, is_called);
        loop {
            let is_over = deadline.is_over();
            if is_called() || is_over {
                if let Some(rested) = self.leave(&spare, is_over) {
                    return rested;
                }
            }
            deadline.park();
        }
    }

    /// Takes a thread out of the list if its rest has ended, or if it is over anyway.
    fn leave(&self, spare: &Arc<Spare>, is_over: bool) -> Option<Rested> {
        let mut resting = lock(&self.resting);
        let place = |entry: &Entry| Arc::ptr_eq(&entry.spare, spare);
        let place = resting.iter().position(place)?;
        if resting[place].is_free() && !is_over {
            return None;
        }
        let rested = resting.remove(place).rested;
        Some(match rested {
            Some(Rested::Given(_)) => Rested::Given(self.vacancy_of(rested)?),
            Some(rested) => rested,
            None => Rested::Through,
        })
    }

    /// The vacancy that was given, which counts as given no more.
    fn vacancy_of(&self, rested: Option<Rested>) -> Option<Vacancy> {
        let Some(Rested::Given(vacancy)) = rested else {
            return None;
        };
        self.given.fetch_sub(1, Ordering::Relaxed);
        Some(vacancy)
    }
}

impl Entry {
    /// Tells whether the thread's rest goes on.
    fn is_free(&self) -> bool {
        self.rested.is_none()
    }

    /// Ends the thread's rest; the caller unparks it once the list is not locked any more.
    fn end(&mut self, rested: Rested) -> Thread {
        self.rested = Some(rested);
        self.spare.is_called.store(true, Ordering::Relaxed);
        self.spare.thread.clone()
    }
}
