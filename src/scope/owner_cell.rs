//! A value of which only the thread that made it can see anything.

#![expect(
    unsafe_code,
    reason = "other threads have a reference, and are turned away"
)]

use std::cell::RefCell;

use crate::primitive::thread_cell;

// Its address tells the thread from all others that are alive.
thread_cell!(MARK: u8 = 0);

fn this_thread() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

/// A value that only its owner's thread uses: the one that made it, and that outlives it.
pub(super) struct OwnerCell<T> {
    owner: usize,
    value: RefCell<T>,
}

// SAFETY: `with` is the only way to the `RefCell`, and takes it on one thread only. That thread
// made the value, and drops it. No other thread has its mark meanwhile, since it is alive: it is
// inside `run`, which has the value on its stack.
unsafe impl<T: Send> Sync for OwnerCell<T> {}

impl<T> OwnerCell<T> {
    /// Makes a cell of this thread's. It must not outlive the call of [`run`](super::run) that made
    /// it.
    pub(super) fn new(value: T) -> Self {
        Self {
            owner: this_thread(),
            value: RefCell::new(value),
        }
    }

    /// Calls `body` with the value if this is the owner's thread. It must not call user code.
    #[inline]
    pub(super) fn with<R>(&self, body: impl FnOnce(&mut T) -> R) -> Option<R> {
        (self.owner == this_thread()).then(|| body(&mut self.value.borrow_mut()))
    }
}
