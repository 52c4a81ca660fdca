//! The halves of joins that are public: where thieves find them, and their owners take them back.
//!
//! A half is a part of its task, so none of this is counted by the tally. `task/stack.rs` has the
//! words.
//!
//! # Places
//! Each slot has a place, for the halves of its holder. The *shared* place has those of threads
//! that wait in a task, or run one without a slot. A place is a queue under a lock of its own, with
//! its length beside it, to be read without the lock. An owner comes to its place seldom: it makes
//! one half public when the last was taken, and all when a thread sleeps (`pool/local/halves.rs`).
//! Before it waits it moves all that is in the place of its slot to the shared one.
//!
//! # Why no half gets lost, or is run twice
//! There is one [`Public`] for each half. It is taken out of the queue by a thief or the owner,
//! under the lock. An owner that does not find it there any more waits for the thief.
//!
//! # Why a waiter runs nothing but its half
//! A thread that waits for its half, which a thief runs, may take [descendants](Halves::steal_from)
//! of that half: those that the thief has made public since it began the half. The waiter sees,
//! under the lock of the thief's place, that its half is not done. If the thief had ended it, and
//! then made other halves public there, it had done so under the same lock, and the waiter would
//! see the half done. Older halves of the thief have smaller numbers than the one that it noted
//! when it began. If the thief waits, another thread may have its slot by now, and the place with
//! it; so the owner of each half is noted. The mark of the thief is its own until the half is done.
//!
//! # Why a half is found
//! A push is followed by P2 to P4 of `pool/idle.rs`. The length is written before that and read by
//! a sleeper's last look, as the length of a queue of tasks is.

use std::collections::VecDeque;
use std::num::NonZero;

use crate::name::Name;
use crate::primitive::{AtomicBool, AtomicUsize, Mutex, Ordering, Padded, lock};
use crate::task::stack::{Half, Public, Thief};

/// A public half.
pub(in crate::pool) struct PublicHalf {
    pub(in crate::pool) public: Public,
    /// Identifies the owner until the half is over.
    pub(in crate::pool) owner: NonZero<usize>,
    pub(in crate::pool) task: OwnTask,
}

/// The task that a half is a part of.
#[derive(Clone, Copy)]
pub(in crate::pool) struct OwnTask {
    pub(in crate::pool) name: Option<&'static Name>,
    /// The address of the task's cell, or 0.
    pub(in crate::pool) cell: usize,
}

struct Listed {
    half: PublicHalf,
    /// The number of halves that were pushed here before this one.
    number: u64,
}

#[derive(Default)]
struct Queue {
    halves: VecDeque<Listed>,
    pushed: u64,
}

#[derive(Default)]
struct Place {
    /// The number of halves in the queue. Written under its lock.
    len: AtomicUsize,
    queue: Mutex<Queue>,
}

impl Place {
    #[inline]
    fn is_empty(&self) -> bool {
        // ORDERING: as for the queues of tasks, see `deque.rs`.
        self.len.load(Ordering::Acquire) == 0
    }

    /// Changes the queue.
    fn change<R>(&self, body: impl FnOnce(&mut Queue) -> R) -> R {
        let mut queue = lock(&self.queue);
        let result = body(&mut queue);
        self.len.store(queue.halves.len(), Ordering::Release);
        result
    }
}

impl Queue {
    fn push(&mut self, half: PublicHalf) {
        let number = self.pushed;
        self.pushed += 1;
        self.halves.push_back(Listed { half, number });
    }

    /// Takes the half at an index out for a thief.
    fn take(&mut self, index: usize, thief: Thief) -> Option<PublicHalf> {
        let half = self.halves.remove(index)?.half;
        half.public.taken_by(thief);
        Some(half)
    }
}

pub(in crate::pool) struct Halves {
    /// Whether any half was ever public: most pools have none.
    are_used: AtomicBool,
    /// The places of the slots, and the shared one.
    places: Box<[Padded<Place>]>,
}

impl Halves {
    pub(in crate::pool) fn new(slots: usize) -> Self {
        Self {
            are_used: AtomicBool::new(false),
            places: (0..=slots).map(|_| Padded(Place::default())).collect(),
        }
    }

    /// Returns the shared place.
    pub(in crate::pool) fn shared(&self) -> usize {
        self.places.len() - 1
    }

    /// Returns `true` if there is no half in a place, or no such place; a snapshot, may be stale.
    #[inline(always)]
    pub(in crate::pool) fn is_empty(&self, place: usize) -> bool {
        let len = |place: &Padded<Place>| place.len.load(Ordering::Relaxed);
        self.places.get(place).map_or(0, len) == 0
    }

    /// Returns `true` if a half may be found.
    pub(super) fn has_any(&self, used: usize) -> bool {
        self.are_used() && (!self.shared_place().is_empty() || !self.slots_are_empty(used))
    }

    #[inline]
    fn are_used(&self) -> bool {
        self.are_used.load(Ordering::Relaxed)
    }

    fn shared_place(&self) -> &Place {
        &self.places[self.shared()]
    }

    fn slots_are_empty(&self, used: usize) -> bool {
        self.places[..used].iter().all(|place| place.is_empty())
    }

    /// Adds halves of one thread, the oldest first.
    pub(in crate::pool) fn push(&self, place: usize, halves: impl Iterator<Item = PublicHalf>) {
        if !self.are_used() {
            self.are_used.store(true, Ordering::Relaxed);
        }
        self.places[place].change(|queue| halves.for_each(|half| queue.push(half)));
    }

    /// Moves all halves of a slot's place to the shared one. The caller is their owner. They are in
    /// no place for a moment.
    pub(in crate::pool) fn share(&self, slot: usize) {
        if self.is_empty(slot) {
            return;
        }
        let shared = self.shared();
        let halves = self.places[slot].change(|queue| std::mem::take(&mut queue.halves));
        let moved = halves.into_iter().map(|listed| {
            listed.half.public.move_to(shared);
            listed.half
        });
        self.push(shared, moved);
    }

    /// Takes a half back for its owner, unless a thief has it.
    pub(in crate::pool) fn take_back(&self, half: &Half) -> Option<Public> {
        self.places[half.place()].change(|queue| {
            let is_it = |listed: &Listed| half.is_of(&listed.half.public);
            let index = queue.halves.iter().rposition(is_it)?;
            Some(queue.halves.remove(index)?.half.public)
        })
    }

    /// Returns a thief that makes its own halves public in that place. To be called by the thief.
    pub(in crate::pool) fn thief(&self, thread: NonZero<usize>, place: usize) -> Thief {
        // Only the holder of a slot pushes to its place, and the shared one is not asked.
        let since = match place < self.shared() {
            true => lock(&self.places[place].queue).pushed,
            false => 0,
        };
        Thief {
            thread,
            place,
            since,
        }
    }

    /// Takes the oldest half of a place: of the shared one, since its owners wait, else of a slot,
    /// beginning behind the thief's own.
    pub(in crate::pool) fn steal(
        &self,
        used: usize,
        thief: impl Fn() -> Thief,
        slot: usize,
    ) -> Option<PublicHalf> {
        if !self.are_used() {
            return None;
        }
        let (before, from) = self.places[..used].split_at(slot.min(used));
        let slots = from.iter().skip(1).chain(before).map(|place| &**place);
        std::iter::once(self.shared_place())
            .chain(slots)
            .filter(|place| !place.is_empty())
            .find_map(|place| {
                let thief = thief();
                place.change(|queue| queue.take(0, thief))
            })
    }

    /// Returns the thief of a half, if one has taken it. To be called by the half's owner.
    pub(in crate::pool) fn thief_of(&self, half: &Half) -> Option<Thief> {
        // Under the lock under which a thief takes it.
        let _queue = lock(&self.places[half.place()].queue);
        half.thief()
    }

    /// Takes the oldest descendant of a half that its thief has made public, for the owner of that
    /// half, which waits for it.
    pub(in crate::pool) fn steal_from(
        &self,
        of: Thief,
        waited: &Half,
        thief: impl Fn() -> Thief,
    ) -> Option<PublicHalf> {
        let place = &self.places[of.place];
        if of.place == self.shared() || place.is_empty() {
            return None;
        }
        let thief = thief();
        place.change(|queue| {
            if waited.is_done() {
                return None;
            }
            let is_younger =
                |listed: &Listed| listed.half.owner == of.thread && listed.number >= of.since;
            let index = queue.halves.iter().position(is_younger)?;
            queue.take(index, thief)
        })
    }
}
