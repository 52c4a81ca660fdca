//! The order in which the items of a queue come out. The only user of crossbeam-queue.
//!
//! # What the rest of the queue relies on
//! 1. An item that was pushed is popped exactly once, and everything before the push happens before
//!    everything after the pop.
//! 2. `push`, `pop` and `len` promise nothing stronger about what other threads see of them at the
//!    same moment. The fences of [`wait_queue`](crate::sync::wait_queue) are there for that.
//! 3. A push that panics (comparing items is user code) leaves its item out of the queue, and all
//!    others in it.
//!
//! Under the model the lock-free queues are replaced by queues that promise exactly this.

use std::{fmt, mem};

#[cfg(not(workmill_loom))]
use crossbeam_queue as lock_free;
use lock_free::{ArrayQueue, SegQueue};

use crate::primitive::Ordering::Relaxed;
use crate::primitive::{AtomicU8, AtomicUsize, Mutex, lock};

/// The order in which a [`Queue`](crate::Queue) gives its items out: [`Fifo`], [`Lifo`] or
/// [`SmallestFirst`](crate::SmallestFirst).
///
/// This trait is sealed: no type outside this crate can implement it.
pub trait Order<T>: Store<T> {}

/// Keeps the items.
pub trait Store<T> {
    /// Creates an empty store for at most `capacity` items, which is not 0, or for any number.
    fn new(capacity: Option<usize>) -> Self;
    /// Adds the item, or returns it if there is no room.
    fn push(&self, item: T) -> Result<(), T>;
    /// Adds an item that comes out before all others, or before all that are equal to it, whether
    /// or not there is room.
    fn give_back(&self, item: T);
    /// Removes and returns the next item.
    fn pop(&self) -> Option<T>;
    /// Returns the number of items. This is a snapshot and may be stale.
    fn len(&self) -> usize;
    /// Returns the number of items that there is room for; the largest number is any number.
    fn capacity(&self) -> usize;
    /// Changes the number of items that there is room for. All items stay, if there are more.
    fn set_capacity(&self, capacity: usize);
}

/// Keeps the items so that one can be looked at.
///
/// This trait is sealed: no type outside this crate can implement it.
pub trait Look<T>: Store<T> {
    /// Calls `look` with the next item, under the lock.
    fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R>;
    /// Calls `keep` with each item in order, under the lock. Then removes and returns those for
    /// which it returned `false`.
    fn retain(&self, keep: impl FnMut(&T) -> bool) -> Vec<T>;
}

/// First in, first out: the [`Order`] of a [`JoinableQueue`](crate::JoinableQueue).
pub struct Fifo<T> {
    /// [`FRONT`], [`OTHERS`] and [`RESIZED`], in one word, so that most calls look at nothing else.
    parts: AtomicU8,
    /// The items, unless they are in `others`. Then it has room for one, and is not used.
    ring: ArrayQueue<T>,
    /// Items that are put after the capacity was changed come here, too. Those in `ring` are older.
    others: Others<T>,
    /// Items that were given back, the last of them first.
    front: Mutex<Vec<T>>,
    /// Changed under the lock of `front`.
    capacity: AtomicUsize,
}

/// Set while there are items that were given back. Written under their lock.
const FRONT: u8 = 1;

/// Set if the capacity is larger than [`MANY`], or unlimited.
const OTHERS: u8 = 2;

/// Set once the capacity was changed. From then on items are put under the lock of `front`, since
/// neither the ring nor a count of [`Others`] knows the capacity. A call that happens after one
/// which has seen this bit sees it as well, so no item overtakes an older one.
const RESIZED: u8 = 4;

/// The items of a queue whose capacity is large, or unlimited.
enum Others<T> {
    Bounded(Counted<T>),
    Unbounded(SegQueue<T>),
}

/// The largest capacity for which an [`ArrayQueue`] is used, which allocates all its memory at
/// once. A queue with a larger capacity allocates as items come.
const MANY: usize = 1 << 16;

/// A [`Lifo`] with memory for more items than this gives half of it back once most is unused.
const SPARE: usize = 64;

impl<T> Order<T> for Fifo<T> {}

impl<T> Store<T> for Fifo<T> {
    fn new(capacity: Option<usize>) -> Self {
        let small = capacity.filter(|capacity| *capacity <= MANY);
        Self {
            parts: AtomicU8::new(if small.is_some() { 0 } else { OTHERS }),
            ring: ArrayQueue::new(small.unwrap_or(1)),
            others: match capacity.filter(|_| small.is_none()) {
                Some(capacity) => Others::Bounded(Counted::new(capacity)),
                None => Others::Unbounded(SegQueue::new()),
            },
            front: Mutex::new(Vec::new()),
            capacity: AtomicUsize::new(capacity.unwrap_or(usize::MAX)),
        }
    }

    #[inline]
    fn push(&self, item: T) -> Result<(), T> {
        match self.parts.load(Relaxed) {
            0 => self.ring.push(item),
            OTHERS => self.others.push(item),
            _ => self.push_behind(item),
        }
    }

    fn give_back(&self, item: T) {
        let mut front = lock(&self.front);
        front.push(item);
        self.parts.fetch_or(FRONT, Relaxed);
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        match self.parts.load(Relaxed) {
            0 => self.ring.pop(),
            OTHERS => self.others.pop(),
            _ => self.pop_front(),
        }
    }

    fn len(&self) -> usize {
        let front = self.has(FRONT).then(|| lock(&self.front).len());
        front.unwrap_or(0) + self.len_behind()
    }

    fn capacity(&self) -> usize {
        self.capacity.load(Relaxed)
    }

    fn set_capacity(&self, capacity: usize) {
        let _front = lock(&self.front);
        self.capacity.store(capacity, Relaxed);
        self.parts.fetch_or(RESIZED, Relaxed);
    }
}

impl<T> Fifo<T> {
    /// Returns `true` if the part is used. By promise 2 it orders nothing.
    #[inline]
    fn has(&self, part: u8) -> bool {
        self.parts.load(Relaxed) & part != 0
    }

    /// Returns the number of items that were not given back.
    fn len_behind(&self) -> usize {
        match self.parts.load(Relaxed) & (OTHERS | RESIZED) {
            0 => self.ring.len(),
            _ => self.ring.len() + self.others.len(),
        }
    }

    /// Adds an item while there are some that were given back, which take up room, too, or once the
    /// capacity was changed.
    #[cold]
    fn push_behind(&self, item: T) -> Result<(), T> {
        let front = lock(&self.front);
        if front.len() + self.len_behind() >= self.capacity.load(Relaxed) {
            return Err(item);
        }
        if self.has(RESIZED) {
            self.others.push_anyway(item);
            return Ok(());
        }
        match self.has(OTHERS) {
            false => self.ring.push(item),
            true => self.others.push(item),
        }
    }

    /// Takes an item that was given back, or any other.
    #[cold]
    fn pop_front(&self) -> Option<T> {
        let mut front = lock(&self.front);
        let given_back = front.pop();
        if front.is_empty() {
            self.parts.fetch_and(!FRONT, Relaxed);
        }
        // Still under the lock, so that after the look into the ring no item can come beside it,
        // whose putter may have put another into the ring before.
        given_back.or_else(|| match self.parts.load(Relaxed) & (OTHERS | RESIZED) {
            0 => self.ring.pop(),
            OTHERS => self.others.pop(),
            _ => self.ring.pop().or_else(|| self.others.pop()),
        })
    }
}

impl<T> Others<T> {
    #[inline]
    fn push(&self, item: T) -> Result<(), T> {
        match self {
            Self::Bounded(items) => items.push(item),
            Self::Unbounded(items) => {
                items.push(item);
                Ok(())
            }
        }
    }

    /// Adds the item, whether or not there is room.
    fn push_anyway(&self, item: T) {
        match self {
            Self::Bounded(items) => items.push_anyway(item),
            Self::Unbounded(items) => items.push(item),
        }
    }

    #[inline]
    fn pop(&self) -> Option<T> {
        match self {
            Self::Bounded(items) => items.pop(),
            Self::Unbounded(items) => items.pop(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bounded(items) => items.len(),
            Self::Unbounded(items) => items.len(),
        }
    }
}

/// A queue that counts its items and has at most `capacity` of them.
struct Counted<T> {
    capacity: usize,
    /// Counted up before an item is pushed and down after it was popped, so never too small.
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
        // ORDERING: Relaxed, since the count need not order anything, by promise 2. The queue hands
        // the item over.
        let room = self.len.fetch_update(Relaxed, Relaxed, more);
        if room.is_err() {
            return Err(item);
        }
        self.items.push(item);
        Ok(())
    }

    fn push_anyway(&self, item: T) {
        self.len.fetch_add(1, Relaxed);
        self.items.push(item);
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

/// Last in, first out: the [`Order`] of a [`LifoQueue`](crate::LifoQueue).
pub struct Lifo<T> {
    capacity: AtomicUsize,
    items: Mutex<Vec<T>>,
}

impl<T> Order<T> for Lifo<T> {}

impl<T> Look<T> for Lifo<T> {
    fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        lock(&self.items).last().map(look)
    }

    fn retain(&self, mut keep: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut items = lock(&self.items);
        // All are asked before any is moved, so that a panic leaves them as they were.
        let goes: Vec<bool> = items.iter().rev().map(|item| !keep(item)).collect();
        let (mut kept, mut removed) = (Vec::with_capacity(items.len()), Vec::new());
        for (item, goes) in mem::take(&mut *items)
            .into_iter()
            .zip(goes.into_iter().rev())
        {
            match goes {
                true => removed.push(item),
                false => kept.push(item),
            }
        }
        *items = kept;
        removed.reverse();
        removed
    }
}

impl<T> Store<T> for Lifo<T> {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: AtomicUsize::new(capacity.unwrap_or(usize::MAX)),
            items: Mutex::new(Vec::new()),
        }
    }

    fn push(&self, item: T) -> Result<(), T> {
        let mut items = lock(&self.items);
        if items.len() >= self.capacity.load(Relaxed) {
            return Err(item);
        }
        items.push(item);
        Ok(())
    }

    fn give_back(&self, item: T) {
        lock(&self.items).push(item);
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

    fn capacity(&self) -> usize {
        self.capacity.load(Relaxed)
    }

    fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Relaxed);
    }
}

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

/// Queues with the interface of crossbeam-queue, which promise no more than the module's
/// documentation lists.
///
/// The length is a word of its own that is read without the lock, so that a look orders no more
/// than it does outside the model.
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
