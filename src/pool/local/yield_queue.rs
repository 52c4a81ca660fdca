//! The queue of the futures that gave way on a thread, and whose turn it is: theirs, or that of the
//! local queue.

use std::cell::{Cell, RefCell};

/// The memory that is kept when the queue was emptied is enough for this many futures.
const KEPT: usize = 1024;

pub(super) struct YieldQueue<T> {
    futures: RefCell<Futures<T>>,
    /// Whether there may be any future. A flag, since each thread asks after each task.
    is_used: Cell<bool>,
    /// The number of tasks of the local queue that go before the next future.
    local_first: Cell<usize>,
}

/// The futures that have their turn before the local queue has one, and those that gave way since.
struct Futures<T> {
    /// In reverse, to be popped from the end.
    now: Vec<T>,
    then: Vec<T>,
}

impl<T> Default for YieldQueue<T> {
    fn default() -> Self {
        let (now, then) = (Vec::new(), Vec::new());
        Self {
            futures: RefCell::new(Futures { now, then }),
            is_used: Cell::new(false),
            local_first: Cell::new(0),
        }
    }
}

impl<T> YieldQueue<T> {
    /// Returns `true` if there may be a future in the queue.
    #[inline]
    pub(super) fn is_used(&self) -> bool {
        self.is_used.get()
    }

    /// Makes [`is_used`](Self::is_used) return `true`: the queue may have been filled.
    #[inline]
    pub(super) fn mark_used(&self) {
        self.is_used.set(true);
    }

    /// Makes [`is_used`](Self::is_used) exact again.
    #[inline]
    pub(super) fn refresh_used(&self) {
        self.is_used.set(!self.is_empty());
    }

    /// Makes [`is_used`](Self::is_used) return `false`: the queue is about to be emptied.
    #[inline]
    pub(super) fn mark_unused(&self) {
        self.is_used.set(false);
    }

    pub(super) fn is_empty(&self) -> bool {
        let futures = self.futures.borrow();
        futures.now.is_empty() && futures.then.is_empty()
    }

    /// Adds a future behind all others.
    #[inline]
    pub(super) fn push(&self, future: T) {
        self.futures.borrow_mut().then.push(future);
    }

    /// Takes the next future of the present turn.
    #[inline]
    pub(super) fn pop(&self) -> Option<T> {
        self.futures.borrow_mut().now.pop()
    }

    /// Returns `true` if no future of the present turn is left.
    #[inline]
    pub(super) fn is_turn_over(&self) -> bool {
        self.futures.borrow().now.is_empty()
    }

    /// Begins the next turn if the present one is over, and returns the number of futures left in
    /// it: 0 only if the queue is empty.
    #[inline]
    pub(super) fn in_turn(&self) -> usize {
        let Futures { now, then } = &mut *self.futures.borrow_mut();
        if now.is_empty() {
            std::mem::swap(now, then);
            now.reverse();
        }
        now.len()
    }

    /// Returns the number of tasks of the local queue that go before the next future.
    #[inline]
    pub(super) fn local_first(&self) -> usize {
        self.local_first.get()
    }

    #[inline]
    pub(super) fn set_local_first(&self, tasks: usize) {
        self.local_first.set(tasks);
    }

    /// Takes all futures out, in order, and gives back the memory of many. `each` must not use the
    /// queue.
    pub(super) fn drain(&self, each: impl FnMut(T)) {
        let Futures { now, then } = &mut *self.futures.borrow_mut();
        now.drain(..).rev().chain(then.drain(..)).for_each(each);
        now.shrink_to(KEPT);
        then.shrink_to(KEPT);
    }
}
