//! The order in which the items of a queue come out; the only user of crossbeam-queue.
//!
//! # What the rest of the queue relies on
//! 1. An item that was pushed is popped exactly once, and what happened before the push happens before
//!    what follows the pop.
//! 2. `push`, `pop` and `len` make no stronger promise about what others see of them at the same
//!    moment: that is what the fences in [`line`](crate::sync::line) are for.
//! 3. A push that panics (comparing is user code) leaves the item out, and all others in.
//!
//! Under the model the lock-free queues are a stand-in that gives exactly this.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

#[cfg(not(workmill_loom))]
use crossbeam_queue as lock_free;
use lock_free::{ArrayQueue, SegQueue};

use crate::primitive::Ordering::Relaxed;
use crate::primitive::{AtomicUsize, Mutex, lock};

/// How a [`Queue`](crate::Queue) orders what is in it: [`Fifo`], [`Lifo`] or [`SmallestFirst`].
///
/// Nothing else can implement it.
pub trait Order<T>: Store<T> {}

/// Where the items are.
pub trait Store<T> {
    /// Makes an empty one, for at most so many items (not none), or for any number.
    fn new(capacity: Option<usize>) -> Self;
    /// Gives the item back if there is no room.
    fn push(&self, item: T) -> Result<(), T>;
    fn pop(&self) -> Option<T>;
    /// As of a moment ago.
    fn len(&self) -> usize;
}

/// First in, first out.
pub struct Fifo<T>(Kind<T>);

enum Kind<T> {
    Bounded(ArrayQueue<T>),
    Large(Counted<T>),
    Unbounded(SegQueue<T>),
}

/// An [`ArrayQueue`] has all its memory from the beginning. With more places than this a queue takes
/// memory as items come.
const MANY: usize = 1 << 16;

/// So many places may be left over for items that are gone.
const SPARE: usize = 64;

impl<T> Order<T> for Fifo<T> {}

impl<T> Store<T> for Fifo<T> {
    fn new(capacity: Option<usize>) -> Self {
        Self(match capacity {
            Some(capacity) if capacity > MANY => Kind::Large(Counted::new(capacity)),
            Some(capacity) => Kind::Bounded(ArrayQueue::new(capacity)),
            None => Kind::Unbounded(SegQueue::new()),
        })
    }

    #[inline]
    fn push(&self, item: T) -> Result<(), T> {
        match &self.0 {
            Kind::Bounded(items) => items.push(item),
            Kind::Large(items) => items.push(item),
            Kind::Unbounded(items) => {
                items.push(item);
                Ok(())
            }
        }
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        match &self.0 {
            Kind::Bounded(items) => items.pop(),
            Kind::Large(items) => items.pop(),
            Kind::Unbounded(items) => items.pop(),
        }
    }

    fn len(&self) -> usize {
        match &self.0 {
            Kind::Bounded(items) => items.len(),
            Kind::Large(items) => items.len(),
            Kind::Unbounded(items) => items.len(),
        }
    }
}

/// A queue that counts its items, and has no more than so many.
struct Counted<T> {
    capacity: usize,
    /// Counted before an item is pushed and after it was popped, so never too few.
    len: AtomicUsize,
    items: SegQueue<T>,
}

impl<T> Counted<T> {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            len: AtomicUsize::new(0),
            items: SegQueue::new(),
        }
    }

    fn push(&self, item: T) -> Result<(), T> {
        let more = |len| (len < self.capacity).then_some(len + 1);
        // ORDERING: Relaxed. The count orders nothing, by promise 2; the item is handed over by the queue.
        let room = self.len.fetch_update(Relaxed, Relaxed, more);
        if room.is_err() {
            return Err(item);
        }
        self.items.push(item);
        Ok(())
    }

    fn pop(&self) -> Option<T> {
        let item = self.items.pop()?;
        self.len.fetch_sub(1, Relaxed);
        Some(item)
    }

    fn len(&self) -> usize {
        self.len.load(Relaxed)
    }
}

/// Last in, first out.
pub struct Lifo<T> {
    capacity: usize,
    items: Mutex<Vec<T>>,
}

impl<T> Order<T> for Lifo<T> {}

impl<T> Store<T> for Lifo<T> {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: capacity.unwrap_or(usize::MAX),
            items: Mutex::new(Vec::new()),
        }
    }

    fn push(&self, item: T) -> Result<(), T> {
        let mut items = lock(&self.items);
        if items.len() == self.capacity {
            return Err(item);
        }
        items.push(item);
        Ok(())
    }

    fn pop(&self) -> Option<T> {
        let mut items = lock(&self.items);
        let item = items.pop();
        if items.capacity() > SPARE && items.len() < items.capacity() / 4 {
            let half = items.capacity() / 2;
            items.shrink_to(half);
        }
        item
    }

    fn len(&self) -> usize {
        lock(&self.items).len()
    }
}

/// The smallest first; among equals first in, first out.
///
/// A set with a number for each item, not a heap: taking the smallest compares nothing, so only a push
/// calls user code.
pub struct SmallestFirst<T> {
    capacity: usize,
    items: Mutex<Ranked<T>>,
}

struct Ranked<T> {
    next: u64,
    items: BTreeSet<Numbered<T>>,
}

struct Numbered<T> {
    item: T,
    number: u64,
}

impl<T: Ord> Order<T> for SmallestFirst<T> {}

impl<T: Ord> Store<T> for SmallestFirst<T> {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: capacity.unwrap_or(usize::MAX),
            items: Mutex::new(Ranked {
                next: 0,
                items: BTreeSet::new(),
            }),
        }
    }

    fn push(&self, item: T) -> Result<(), T> {
        let mut ranked = lock(&self.items);
        if ranked.items.len() == self.capacity {
            return Err(item);
        }
        let number = ranked.next;
        ranked.next += 1;
        ranked.items.insert(Numbered { item, number });
        Ok(())
    }

    fn pop(&self) -> Option<T> {
        lock(&self.items).items.pop_first().map(|first| first.item)
    }

    fn len(&self) -> usize {
        lock(&self.items).items.len()
    }
}

impl<T: Ord> Ord for Numbered<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_number = || self.number.cmp(&other.number);
        self.item.cmp(&other.item).then_with(by_number)
    }
}

impl<T: Ord> PartialOrd for Numbered<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Numbered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Numbered<T> {}

impl<T> fmt::Debug for Fifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fifo")
    }
}

impl<T> fmt::Debug for Lifo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifo")
    }
}

impl<T> fmt::Debug for SmallestFirst<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmallestFirst")
    }
}

/// Queues with the face of crossbeam-queue, no stronger than the list above says.
///
/// Emptiness is a word of its own, read without the lock, so that a look does not
/// order more than it would outside the model.
#[cfg(workmill_loom)]
mod lock_free {
    use std::collections::VecDeque;

    use crate::primitive::{AtomicUsize, Mutex, Ordering, lock};

    pub(super) struct ArrayQueue<T> {
        capacity: usize,
        items: SegQueue<T>,
    }

    impl<T> ArrayQueue<T> {
        pub(super) fn new(capacity: usize) -> Self {
            Self {
                capacity,
                items: SegQueue::new(),
            }
        }

        pub(super) fn push(&self, item: T) -> Result<(), T> {
            if self.len() == self.capacity {
                return Err(item);
            }
            self.items.push_within(item, self.capacity)
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.items.pop()
        }

        pub(super) fn len(&self) -> usize {
            self.items.len()
        }
    }

    pub(super) struct SegQueue<T> {
        len: AtomicUsize,
        items: Mutex<VecDeque<T>>,
    }

    impl<T> SegQueue<T> {
        pub(super) fn new() -> Self {
            Self {
                len: AtomicUsize::new(0),
                items: Mutex::new(VecDeque::new()),
            }
        }

        pub(super) fn push(&self, item: T) {
            drop(self.push_within(item, usize::MAX));
        }

        fn push_within(&self, item: T, capacity: usize) -> Result<(), T> {
            let mut items = lock(&self.items);
            if items.len() == capacity {
                return Err(item);
            }
            items.push_back(item);
            self.len.store(items.len(), Ordering::Release);
            Ok(())
        }

        pub(super) fn pop(&self) -> Option<T> {
            if self.len() == 0 {
                return None;
            }
            let mut items = lock(&self.items);
            let item = items.pop_front();
            self.len.store(items.len(), Ordering::Release);
            item
        }

        pub(super) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }
    }
}
