//! The slot that a thread holds, and how the thread waits without it.

use std::cell::{Cell, RefCell};

use crate::pool::idle::Searching;
use crate::pool::queue::local::LocalQueue;

pub(super) struct Held<T> {
    /// The local queue of the slot. Never borrowed across a call into user code, so that a task may
    /// give the slot up.
    queue: RefCell<Option<LocalQueue<T>>>,
    /// The evidence, while the thread counts as searching.
    searching: Cell<Option<Searching>>,
    /// Whether spinning for a while might have spared the thread its last sleep.
    spin_pays: Cell<bool>,
    /// How the thread waits, if it does, or is about to.
    wait: Cell<Wait>,
    /// Whether the thread is counted as away from its slot.
    is_away: Cell<bool>,
}

/// How a thread waits in a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// It does not.
    Not,
    /// It keeps its slot, because too many threads are away.
    Uncovered,
    /// Another thread may have the slot.
    Covered,
}

impl<T> Held<T> {
    /// For a thread without a slot.
    pub(super) fn nothing() -> Self {
        Self {
            queue: RefCell::new(None),
            searching: Cell::new(None),
            spin_pays: Cell::new(true),
            wait: Cell::new(Wait::Not),
            is_away: Cell::new(false),
        }
    }

    /// Calls `body` with the local queue, if the thread holds a slot. It must not call user code.
    #[inline(always)]
    pub(super) fn with_queue<R>(&self, body: impl FnOnce(Option<&LocalQueue<T>>) -> R) -> R {
        body(self.queue.borrow().as_ref())
    }

    #[inline]
    pub(super) fn has_slot(&self) -> bool {
        self.queue.borrow().is_some()
    }

    /// Returns the index of the slot, if the thread holds one.
    pub(super) fn index(&self) -> Option<usize> {
        self.with_queue(|own| own.map(LocalQueue::index))
    }

    /// Takes the next task of the local queue, unless it is the injector's turn.
    #[inline]
    pub(super) fn pop(&self) -> Option<T> {
        self.with_queue(|own| match own {
            Some(own) => own.pop(),
            None => None,
        })
    }

    /// Keeps a slot that the thread has occupied.
    pub(super) fn put(&self, (queue, searching): (LocalQueue<T>, Option<Searching>)) {
        let before = self.queue.replace(Some(queue));
        debug_assert!(before.is_none(), "a thread holds one slot");
        self.searching.set(searching);
    }

    /// Takes the slot, to be left.
    pub(super) fn take(&self) -> Option<(LocalQueue<T>, Option<Searching>)> {
        let queue = self.queue.take()?;
        Some((queue, self.searching.take()))
    }

    /// Returns `true` if the thread counts as searching.
    #[inline]
    pub(super) fn is_searching(&self) -> bool {
        let searching = self.searching.take();
        let is_searching = searching.is_some();
        self.searching.set(searching);
        is_searching
    }

    pub(super) fn set_searching(&self, searching: Option<Searching>) {
        self.searching.set(searching);
    }

    #[inline]
    pub(super) fn take_searching(&self) -> Option<Searching> {
        self.searching.take()
    }

    pub(super) fn spin_pays(&self) -> bool {
        self.spin_pays.get()
    }

    pub(super) fn set_spin_pays(&self, spin_pays: bool) {
        self.spin_pays.set(spin_pays);
    }

    pub(super) fn wait(&self) -> Wait {
        self.wait.get()
    }

    pub(super) fn set_wait(&self, wait: Wait) {
        self.wait.set(wait);
    }

    pub(super) fn set_away(&self) {
        self.is_away.set(true);
    }

    /// Returns `true` if the thread was counted as away, which the caller takes back.
    #[must_use = "`true`: the thread has to be counted as back"]
    pub(super) fn take_away(&self) -> bool {
        self.is_away.take()
    }
}
