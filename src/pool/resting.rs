//! Threads without a slot that wait to be given one.
//!
//! A worker comes here when it has ended a task after a wait and all slots are taken, and when its
//! slot is disabled. The worker that came last is the first to be used again, so the others get the
//! chance to end.
//!
//! A thread that was given a reserved slot may take a while to get a processor. Until it has,
//! another thread that is awake may [take the slot back](RestingThreads::take_back) and use it at
//! once: a thread that comes back from a wait, or one that rests and has not parked yet.
//!
//! # Why no vacant slot waits beside a spare thread
//! *Spare:* (R1) join the list; (R2) if there are tasks, do P2 to P4 (`pool/idle.rs`); a slot that
//! is reserved there is handed to a thread in the list. *Thread that has a reserved slot and no
//! thread for it:* look at the list, try to start a thread; (V1) count the slot vacant; (V2) full
//! fence; (V3) look for tasks; (V4) look at the list again. R1 and V4 take one lock. If R1 is
//! first, V4 sees the spare. If V4 is first, R2 sees all that came before V4: the slot counted in
//! V1, and the tasks that V3 saw.

use std::sync::Arc;

use super::slots::ReservedSlot;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering, Thread, current, lock};
use crate::spin::{Spin, spin_until};
use crate::wait::Deadline;

/// How long a spare thread looks whether it is wanted before it parks: about as long as it takes to
/// wake a thread.
const LOOK: Spin = Spin {
    pauses: 16,
    doublings: 1,
    yields: 80,
};

pub(super) struct RestingThreads {
    resting: Mutex<Vec<Entry>>,
    /// The number of threads in the list that have been given a reserved slot. Written under the
    /// lock.
    given: AtomicUsize,
}

/// A thread in the list.
struct Entry {
    spare: Arc<Spare>,
    given: Option<ReservedSlot>,
}

struct Spare {
    thread: Thread,
    /// Whether it is to check the pool again.
    is_told: AtomicBool,
}

/// How a thread's rest has ended.
pub(super) enum Rested {
    /// It was given a reserved slot, or has taken back a slot that another thread was given.
    Given(ReservedSlot),
    /// It was [told](RestingThreads::tell_all) to check the pool again.
    Told,
    /// The time was over.
    TimedOut,
}

impl RestingThreads {
    pub(super) fn new() -> Self {
        Self {
            resting: Mutex::new(Vec::new()),
            given: AtomicUsize::new(0),
        }
    }

    /// Returns `true` if a thread rests that could be given a reserved slot.
    pub(super) fn has_any(&self) -> bool {
        lock(&self.resting).iter().any(Entry::is_free)
    }

    /// Hands a reserved slot to the thread that came last, or returns it if there is none.
    pub(super) fn hand(&self, reserved: ReservedSlot) -> Option<ReservedSlot> {
        let thread = {
            let mut resting = lock(&self.resting);
            let Some(entry) = resting.iter_mut().rfind(|entry| entry.is_free()) else {
                return Some(reserved);
            };
            entry.given = Some(reserved);
            self.given.fetch_add(1, Ordering::Relaxed);
            entry.spare.thread.clone()
        };
        thread.unpark();
        None
    }

    /// Takes back a slot from a thread that was handed it and has not got up yet; not a loan.
    /// Returns `None` if there is no such thread.
    pub(super) fn take_back(&self) -> Option<ReservedSlot> {
        if !self.has_given() {
            return None;
        }
        self.take_given(&mut lock(&self.resting), |reserved| !reserved.is_loan())
    }

    /// Takes the first slot that one of these threads was handed, of those that `may` be taken; the
    /// thread goes on resting.
    fn take_given(
        &self,
        resting: &mut [Entry],
        may: impl Fn(&ReservedSlot) -> bool,
    ) -> Option<ReservedSlot> {
        let mut given = resting.iter_mut().map(|entry| &mut entry.given);
        let reserved = given.find_map(|given| given.take_if(|reserved| may(reserved)))?;
        self.given.fetch_sub(1, Ordering::Relaxed);
        Some(reserved)
    }

    /// Returns `true` if a reserved slot is on its way to a thread; a snapshot, may be stale.
    fn has_given(&self) -> bool {
        self.given.load(Ordering::Relaxed) != 0
    }

    /// Wakes every spare thread to check the pool again.
    pub(super) fn tell_all(&self) {
        let threads: Vec<_> = lock(&self.resting)
            .iter()
            .map(|Entry { spare, .. }| {
                spare.is_told.store(true, Ordering::Relaxed);
                spare.thread.clone()
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.unpark());
    }

    /// Rests until a reserved slot is given, or `deadline`.
    ///
    /// R1 and R2: `joined` is called once this thread is in the list, and returns `true` if the
    /// thread is to rest.
    pub(super) fn wait(&self, deadline: Deadline, joined: impl FnOnce() -> bool) -> Rested {
        let spare = Arc::new(Spare {
            thread: current(),
            is_told: AtomicBool::new(false),
        });
        lock(&self.resting).push(Entry {
            spare: Arc::clone(&spare),
            given: None,
        });
        if !joined() {
            spare.is_told.store(true, Ordering::Relaxed);
        }
        let may_leave = || spare.is_told() || self.has_given();
        spin_until(LOOK, may_leave);
        loop {
            if may_leave() || deadline.is_over() {
                if let Some(rested) = self.leave(&spare, deadline) {
                    return rested;
                }
            }
            deadline.park();
        }
    }

    /// Takes a thread out of the list if its rest has ended, with the slot that it was given, or
    /// else a slot that another thread was given.
    fn leave(&self, spare: &Arc<Spare>, deadline: Deadline) -> Option<Rested> {
        let mut resting = lock(&self.resting);
        let is_own = |entry: &Entry| Arc::ptr_eq(&entry.spare, spare);
        let index = resting.iter().position(is_own)?;
        let own = self.take_given(&mut resting[index..=index], |_| true);
        let rested = match own.or_else(|| self.take_given(&mut resting, |_| true)) {
            Some(reserved) => Rested::Given(reserved),
            None if spare.is_told() => Rested::Told,
            None if deadline.is_over() => Rested::TimedOut,
            None => return None,
        };
        resting.remove(index);
        Some(rested)
    }
}

impl Spare {
    fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Relaxed)
    }
}

impl Entry {
    /// Returns `true` if the thread rests, and has been neither given a slot nor told anything.
    fn is_free(&self) -> bool {
        self.given.is_none() && !self.spare.is_told()
    }
}
