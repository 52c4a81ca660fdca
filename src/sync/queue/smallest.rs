//! The order of a [`PriorityQueue`](crate::PriorityQueue).

use std::borrow::Borrow;
use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use super::order::{Look, Order, Store};
use crate::primitive::Ordering::Relaxed;
use crate::primitive::{AtomicUsize, Mutex, lock};

/// The smallest item first, and among equal items first in, first out: the [`Order`] of a
/// [`PriorityQueue`](crate::PriorityQueue).
///
/// Only putting an item compares items. Taking the smallest compares nothing.
pub struct SmallestFirst<T> {
    capacity: AtomicUsize,
    items: Mutex<Ranked<T>>,
}

/// A set with a number for each item, and not a heap, so that `pop` calls no user code.
struct Ranked<T> {
    /// The number of the next item that is put.
    next: i64,
    /// The number of the next item that is given back.
    before: i64,
    items: BTreeSet<Numbered<T>>,
}

struct Numbered<T> {
    item: T,
    number: Number,
}

/// It is set anew when items are chosen: by it, an item is found without comparing items.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Number(Cell<i64>);

impl<T> Borrow<Number> for Numbered<T> {
    fn borrow(&self) -> &Number {
        &self.number
    }
}

impl<T> Ranked<T> {
    /// Numbers all items in their order, from 0 on. Equal items so keep their order.
    fn renumber(&mut self) {
        for (number, numbered) in (0..).zip(&self.items) {
            numbered.number.0.set(number);
            self.next = number + 1;
        }
        self.before = -1;
    }
}

impl<T: Ord> Order<T> for SmallestFirst<T> {}

impl<T: Ord> Look<T> for SmallestFirst<T> {
    fn peek<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        let ranked = lock(&self.items);
        ranked.items.first().map(|first| look(&first.item))
    }

    fn retain(&self, mut keep: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut ranked = lock(&self.items);
        // All are asked before any is moved, so that a panic leaves them as they were.
        let asked = (0..).zip(ranked.items.iter().map(|numbered| keep(&numbered.item)));
        let go = asked.filter(|(_, keep)| !keep);
        let go: Vec<_> = go.map(|(number, _)| Number(Cell::new(number))).collect();
        ranked.renumber();
        // Found by their numbers, since comparing items is user code.
        let removed = go.iter().filter_map(|number| ranked.items.take(number));
        removed.map(|numbered| numbered.item).collect()
    }
}

impl<T: Ord> Store<T> for SmallestFirst<T> {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: AtomicUsize::new(capacity.unwrap_or(usize::MAX)),
            items: Mutex::new(Ranked {
                next: 0,
                before: -1,
                items: BTreeSet::new(),
            }),
        }
    }

    fn push(&self, item: T) -> Result<(), T> {
        let mut ranked = lock(&self.items);
        if ranked.items.len() >= self.capacity.load(Relaxed) {
            return Err(item);
        }
        let number = ranked.next;
        ranked.next += 1;
        let number = Number(Cell::new(number));
        ranked.items.insert(Numbered { item, number });
        Ok(())
    }

    fn give_back(&self, item: T) {
        let mut ranked = lock(&self.items);
        let number = ranked.before;
        ranked.before -= 1;
        let number = Number(Cell::new(number));
        ranked.items.insert(Numbered { item, number });
    }

    fn pop(&self) -> Option<T> {
        lock(&self.items).items.pop_first().map(|first| first.item)
    }

    fn len(&self) -> usize {
        lock(&self.items).items.len()
    }

    fn capacity(&self) -> usize {
        self.capacity.load(Relaxed)
    }

    fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity, Relaxed);
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

impl<T> fmt::Debug for SmallestFirst<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmallestFirst")
    }
}
