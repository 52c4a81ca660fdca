//! How a thread joins two halves: which of its halves are public, and how it waits for one that was
//! stolen.
//!
//! Halves are private for as long as nobody needs them. A thread makes the oldest public whenever
//! its place is empty (`pool/queue/halves.rs`), so there is always something to steal: the oldest,
//! which is the largest in most programs. When it adds a half while a thread sleeps, or a slot has
//! no thread, it makes all public; but not for a thread that searches, which finds the oldest, and
//! may be far from running if the processors are busy. Before it waits it makes all public, too,
//! since it may wait for one of them: [`Blocking`] tells the pool. A thread that waits already, as
//! in [`blocking`](crate::blocking), or has no slot, makes each half public as it is added.
//!
//! A thread that waits for a half which was stolen runs nothing but descendants of that half, which
//! it steals from the thief. If it finds none for [a while](GIVE_AWAY) it waits as for any result,
//! and gives its slot away. If no thread can come in its place, it takes the half back, unless a
//! thief has it. Where little is left of the stack, both halves run elsewhere, if they can. So does
//! the half of a thread that unwinds. But all other threads may wait for what that thread is to do
//! next, such as to release a lock, and the pool does not see every wait. So it takes the half back
//! when none has come for [long](BESIDE_PANIC).

use std::num::NonZero;
use std::ptr::NonNull;
use std::time::Duration;

use super::here::{Local, with_chain};
use crate::clock::{Nanos, now};
use crate::pool::queue::halves::{OwnTask, PublicHalf};
use crate::spin::{Spin, spin_until};
use crate::task::stack::{self, Half, Owner, Pending, Public, Thief};
use crate::wait::{Blocking, Cause, Deadline, block_until};

/// The time after which a thread that waits for a stolen half, and finds none of its descendants,
/// gives its slot away.
const GIVE_AWAY: Nanos = 50_000;

/// The time after which a thread that unwinds takes its half back, if no other has come for it.
const BESIDE_PANIC: Duration = Duration::from_secs(1);

/// How a thread looks for descendants of a stolen half, for as long as [`GIVE_AWAY`].
const LEAPFROG: Spin = Spin {
    pauses: 8,
    doublings: 3,
    yields: 200,
};

impl Local {
    /// Calls both closures, the second maybe on another thread, and returns their results.
    #[inline(always)]
    pub(crate) fn join<A, B, RA, RB>(&self, a: A, b: B) -> (RA, RB)
    where
        A: FnOnce() -> RA + Send,
        B: FnOnce() -> RB + Send,
        RA: Send,
        RB: Send,
    {
        match self.running.is_deep_for_halves() && self.is_covered() {
            true => stack::join_elsewhere(self, a, b),
            false => stack::join(self, a, b),
        }
    }

    /// Makes private halves public: the oldest, or all if threads sleep or slots have none.
    #[cold]
    #[inline(never)]
    fn publish_some(&self) {
        let most = match self.held.place() {
            Some(_) if !self.shared.slots.idle.has_spare() => 1,
            _ => usize::MAX,
        };
        self.publish(self.place(), most);
    }

    /// Returns where this thread makes its halves public.
    fn place(&self) -> usize {
        let shared = self.shared.queue.halves.shared();
        self.held.place().unwrap_or(shared)
    }

    /// Makes that many private halves public, or all, the oldest first.
    fn publish(&self, place: usize, most: usize) {
        if self.halves.pending.has_no_private() || self.shared.is_forked() {
            return;
        }
        let (owner, task) = (self.key(), self.own_task());
        let next = || self.halves.pending.make_oldest_public(place);
        let public = std::iter::from_fn(next).map(|public| PublicHalf {
            public,
            owner,
            task,
        });
        self.shared.queue.halves.push(place, public.take(most));
        self.shared.task_pushed();
    }

    /// Makes the halves of this thread, which is about to wait, public for all, in whatever pools
    /// it is.
    pub(super) fn share_halves() {
        with_chain(|chain| chain.for_each(Self::share_own_halves));
    }

    fn share_own_halves(&self) {
        let halves = &self.shared.queue.halves;
        let offers_none = halves.is_empty(self.held.place_if_any());
        if offers_none && self.halves.pending.has_no_private() || self.shared.is_forked() {
            return;
        }
        if let Some(slot) = self.held.place() {
            // Others may have the slot soon, and with it the place.
            halves.share(slot);
        }
        self.publish(halves.shared(), usize::MAX);
        // Those that were moved were in no place for a moment.
        self.shared.look_for_tasks();
    }

    /// Identifies this thread in its pool while it runs a task.
    fn key(&self) -> NonZero<usize> {
        NonNull::from(self).addr()
    }

    fn own_task(&self) -> OwnTask {
        OwnTask {
            name: self.running.name(),
            cell: self.running.innermost().addr(),
        }
    }

    /// Returns what the owner of a half is told of this thread.
    fn as_thief(&self) -> Thief {
        self.shared.queue.halves.thief(self.key(), self.place())
    }

    /// Returns `true` at every second call: then halves have their turn, before tasks.
    pub(in crate::pool) fn is_turn_of_halves(&self) -> bool {
        self.halves.is_turn()
    }

    /// Looks for a half of another thread, for [`run_found_half`](Self::run_found_half). Returns
    /// `true` if it has found one.
    pub(in crate::pool) fn find_half(&self) -> bool {
        let Some(slot) = self.held.index() else {
            return false;
        };
        let used = self.shared.queue.tally.used_slots();
        let halves = &self.shared.queue.halves;
        let found = halves.steal(used, || self.as_thief(), slot);
        self.halves.keep(found)
    }

    /// Returns `true` if a half was found, and has not been run.
    pub(in crate::pool) fn has_found_half(&self) -> bool {
        self.halves.keep(self.halves.take())
    }

    /// Runs the half that was found, if one was. Returns `true` if it did.
    pub(in crate::pool) fn run_found_half(&self) -> bool {
        let Some(half) = self.halves.take() else {
            return false;
        };
        if self.held.is_searching() {
            self.outside(|| self.stop_searching());
        }
        self.running.note(half.task.name);
        self.running.set_task(half.task.cell());
        half.public.run();
        self.running.set_task(std::ptr::null());
        true
    }

    /// Runs descendants of a half that a thief has, until it is done, or none was found for a
    /// while.
    fn leapfrog(&self, half: &Half) {
        let halves = &self.shared.queue.halves;
        // Code on a thread that unwinds sees that it does.
        let is_deep = self.running.is_deep_for_halves() || std::thread::panicking();
        let mut thief = None;
        loop {
            let give_away = now() + GIVE_AWAY;
            let mut found = None;
            spin_until(LEAPFROG, || {
                if half.is_done() {
                    return true;
                }
                if !is_deep {
                    thief = thief.or_else(|| halves.thief_of(half));
                    found = thief.and_then(|it| halves.steal_from(it, half, || self.as_thief()));
                }
                found.is_some() || now() > give_away
            });
            match found {
                // It is a part of what this thread runs already.
                Some(found) => self
                    .running
                    .inline(found.task.cell(), || found.public.run()),
                None => return,
            }
            if self.shared.is_forked() {
                // The half has forked. The others belong to the parent as well.
                return;
            }
        }
    }
}

impl OwnTask {
    fn cell(self) -> *const () {
        std::ptr::without_provenance(self.cell)
    }
}

impl Owner for Local {
    #[inline(always)]
    fn pending(&self) -> &Pending {
        &self.halves.pending
    }

    #[inline(always)]
    fn pushed(&self) {
        let place = self.held.place_if_any();
        let offers_none = self.shared.queue.halves.is_empty(place);
        if offers_none || self.shared.slots.idle.has_spare() {
            self.publish_some();
        }
    }

    fn publish_all(&self) {
        self.publish(self.place(), usize::MAX);
    }

    fn is_covered(&self) -> bool {
        !self.shared.is_forked() && self.shared.staff.limits.max_spare_threads > 0
    }

    fn take_back(&self, half: &Half) -> Option<Public> {
        match self.shared.is_forked() {
            true => half.take_back_in_child(),
            false => self.shared.queue.halves.take_back(half),
        }
    }

    fn wait_for(&self, half: &Half) -> Option<Public> {
        if self.shared.is_forked() {
            return None;
        }
        self.leapfrog(half);
        let failed_starts = || self.shared.incidents.failed_starts.get();
        let before = failed_starts();
        let _blocking = Blocking::begin(Cause::Arrival);
        if half.is_done() || self.shared.is_forked() {
            return None;
        }
        // This thread keeps its slot, since too many are away; or no thread could be started for
        // the slot that it has given away, and takes back when this wait is over.
        if self.held.index().is_some() || failed_starts() != before {
            let own = self.take_back(half);
            if own.is_some() {
                return own;
            }
        }
        let poll = |waker: &_| half.poll_done(waker).then_some(());
        if std::thread::panicking() {
            let deadline = Deadline::after(BESIDE_PANIC);
            if block_until(Cause::Arrival, deadline, poll).is_some() {
                return None;
            }
            let own = self.take_back(half);
            if own.is_some() {
                return own;
            }
        }
        block_until(Cause::Arrival, Deadline::NEVER, poll);
        None
    }
}
