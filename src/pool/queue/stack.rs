//! The stack of one slot.

use super::deque::{Stealer, Worker as Deque, insist};

/// The stack of a slot, for tasks of scopes whose owners run on the thread that holds the slot.
/// That thread pushes, and takes the newest; other threads steal the oldest.
pub(in crate::pool) struct Stack<T> {
    tasks: Deque<T>,
    /// Takes from the stack as other threads do.
    thief: Stealer<T>,
}

impl<T> Stack<T> {
    pub(super) fn new() -> Self {
        let tasks = Deque::new_lifo();
        Self {
            thief: tasks.stealer(),
            tasks,
        }
    }

    #[inline]
    pub(super) fn push(&self, task: T) {
        self.tasks.push(task);
    }

    #[inline]
    pub(in crate::pool) fn take_newest(&self) -> Option<T> {
        self.tasks.pop()
    }

    pub(super) fn take_oldest(&self) -> Option<T> {
        match self.is_empty() {
            true => None,
            false => insist(|| self.thief.steal()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(in crate::pool) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn stealer(&self) -> Stealer<T> {
        self.tasks.stealer()
    }
}
