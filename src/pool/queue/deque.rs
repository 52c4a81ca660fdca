//! The door to crossbeam-deque, and what stands in for it under the models.
//!
//! # What the rest of the pool relies on
//! 1. A task that was pushed is taken exactly once.
//! 2. Everything before a push happens before everything after the taking of that task.
//! 3. A push is a Release store (or stronger), and a check for emptiness makes Acquire loads and no
//!    more. A thread whose push must be seen by a thread that checks at the same moment needs a
//!    full fence on both sides, as in `pool/idle.rs`.
//!
//! A thread that takes several tasks at once holds all but the first of them in no queue for a
//! moment, and then pushes them to its local queue: to other threads these are pushes like any
//! other.

#[cfg(not(workmill_loom))]
pub(super) use crossbeam_deque::{Injector, Steal, Stealer, Worker};
#[cfg(workmill_loom)]
pub(super) use stand_in::{Injector, Steal, Stealer, Worker};

/// Repeats an attempt to steal until it succeeds, or finds nothing.
pub(super) fn insist<T>(mut steal: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

/// Queues with the interface of crossbeam-deque that promise what the list at the top says, and no
/// more.
///
/// Emptiness is a word of its own, read without the lock, so that a check does not order more than
/// it does outside the models.
#[cfg(workmill_loom)]
mod stand_in {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use super::insist;
    use crate::primitive::{AtomicUsize, Mutex, Ordering};

    pub(in crate::pool::queue) enum Steal<T> {
        Success(T),
        Empty,
        #[expect(dead_code, reason = "only the real queues give it")]
        Retry,
    }

    pub(in crate::pool::queue) struct Injector<T> {
        len: AtomicUsize,
        tasks: Mutex<VecDeque<T>>,
    }

    impl<T> Injector<T> {
        pub(in crate::pool::queue) fn new() -> Self {
            Self {
                len: AtomicUsize::new(0),
                tasks: Mutex::new(VecDeque::new()),
            }
        }

        pub(in crate::pool::queue) fn push(&self, task: T) {
            let mut tasks = self.tasks.lock().unwrap();
            tasks.push_back(task);
            self.len.store(tasks.len(), Ordering::Release);
        }

        pub(in crate::pool::queue) fn steal(&self) -> Steal<T> {
            if self.is_empty() {
                return Steal::Empty;
            }
            let mut tasks = self.tasks.lock().unwrap();
            let task = tasks.pop_front();
            self.len.store(tasks.len(), Ordering::Release);
            task.map_or(Steal::Empty, Steal::Success)
        }

        fn take_newest(&self) -> Option<T> {
            let mut tasks = self.tasks.lock().unwrap();
            let task = tasks.pop_back();
            self.len.store(tasks.len(), Ordering::Release);
            task
        }

        /// Takes two; the second is in no queue until it is in `batch`.
        pub(in crate::pool::queue) fn steal_batch_with_limit_and_pop(
            &self,
            batch: &Worker<T>,
            _: usize,
        ) -> Steal<T> {
            let first = self.steal();
            if matches!(first, Steal::Success(_)) {
                if let Steal::Success(second) = self.steal() {
                    batch.push(second);
                }
            }
            first
        }

        pub(in crate::pool::queue) fn is_empty(&self) -> bool {
            self.len() == 0
        }

        pub(in crate::pool::queue) fn len(&self) -> usize {
            self.len.load(Ordering::Acquire)
        }
    }

    pub(in crate::pool::queue) struct Worker<T> {
        tasks: Arc<Injector<T>>,
        is_lifo: bool,
    }
    pub(in crate::pool::queue) struct Stealer<T>(Arc<Injector<T>>);

    impl<T> Worker<T> {
        pub(in crate::pool::queue) fn new_fifo() -> Self {
            Self {
                tasks: Arc::new(Injector::new()),
                is_lifo: false,
            }
        }

        pub(in crate::pool::queue) fn new_lifo() -> Self {
            Self {
                is_lifo: true,
                ..Self::new_fifo()
            }
        }

        pub(in crate::pool::queue) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.tasks))
        }

        pub(in crate::pool::queue) fn push(&self, task: T) {
            self.tasks.push(task);
        }

        pub(in crate::pool::queue) fn pop(&self) -> Option<T> {
            match self.is_lifo {
                true => self.tasks.take_newest(),
                false => insist(|| self.tasks.steal()),
            }
        }

        pub(in crate::pool::queue) fn len(&self) -> usize {
            self.tasks.len()
        }

        pub(in crate::pool::queue) fn is_empty(&self) -> bool {
            self.tasks.is_empty()
        }
    }

    impl<T> Stealer<T> {
        pub(in crate::pool::queue) fn steal(&self) -> Steal<T> {
            self.0.steal()
        }

        pub(in crate::pool::queue) fn steal_batch_and_pop(&self, batch: &Worker<T>) -> Steal<T> {
            self.0.steal_batch_with_limit_and_pop(batch, 2)
        }

        pub(in crate::pool::queue) fn steal_batch_with_limit_and_pop(
            &self,
            batch: &Worker<T>,
            limit: usize,
        ) -> Steal<T> {
            self.0.steal_batch_with_limit_and_pop(batch, limit)
        }

        pub(in crate::pool::queue) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(in crate::pool::queue) fn len(&self) -> usize {
            self.0.len()
        }
    }
}
