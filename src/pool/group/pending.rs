//! A task that waits in a group, and where it goes when it begins.

// The standard library's under the model, too: there it orders what the lock inside orders.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use super::Group;
use crate::pool::priority::Priority;
use crate::primitive::{Mutex, lock};
use crate::task::cell::TaskRef;
use crate::unwind;
use crate::wait::{Cause, Deadline, block_until};

/// A task that has its permits when it is taken out.
pub(crate) struct Pending<T> {
    pub(crate) task: T,
    pub(crate) to: Destination,
    /// The submitter, if it runs the task itself.
    pub(crate) caller: Option<CallerEnd<T>>,
}

/// The queue of the pool to which a task goes.
#[derive(Clone, Copy)]
pub(crate) enum Destination {
    Class(Priority),
    /// That of the tasks of groups with a bound.
    Grouped,
}

/// The groups of a pool, so that its end finds what waits in them.
pub(in crate::pool) struct Groups<T> {
    all: OnceLock<Mutex<Vec<Weak<OfPool<T>>>>>,
    /// The number of groups that were made.
    made: AtomicUsize,
}

/// A group of a pool's tasks.
pub(crate) type OfPool<T> = Group<Pending<T>, TaskRef>;

impl<T> Groups<T> {
    pub(in crate::pool) fn new() -> Self {
        Self {
            all: OnceLock::new(),
            made: AtomicUsize::new(0),
        }
    }

    pub(in crate::pool) fn add(&self, group: &Arc<OfPool<T>>) {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let _ = group.number.set(number);
        let mut groups = lock(self.all.get_or_init(|| Mutex::new(Vec::new())));
        // Now and then, so that it costs little for each.
        if groups.len() == groups.capacity() {
            groups.retain(|group| group.strong_count() > 0);
        }
        groups.push(Arc::downgrade(group));
    }

    pub(in crate::pool) fn all(&self) -> Vec<Arc<OfPool<T>>> {
        // A pool without groups pays no lock.
        let groups = self.all.get().map(lock);
        let groups = groups.iter().flat_map(|groups| groups.iter());
        groups.filter_map(Weak::upgrade).collect()
    }
}

/// A submitter that waits until it may run its task itself.
pub(crate) struct Caller<T>(Arc<Turn<T>>);

/// The other end. Dropped, it tells the submitter that the task is gone.
pub(crate) struct CallerEnd<T>(Arc<Turn<T>>);

struct Turn<T>(Mutex<Inside<T>>);

enum Inside<T> {
    Waits(Option<Waker>),
    Runs(T),
    IsGone,
}

impl<T> Caller<T> {
    pub(crate) fn new() -> (Self, CallerEnd<T>) {
        let turn = Arc::new(Turn(Mutex::new(Inside::Waits(None))));
        (Self(Arc::clone(&turn)), CallerEnd(turn))
    }

    /// Blocks until the task may be run. Returns `None` if it was cancelled.
    pub(crate) fn wait(self, cause: Cause<'_>) -> Option<T> {
        let look = |waker: &Waker| {
            let new = Some(waker.clone());
            let mut inside = lock(&self.0.0);
            let (answer, old) = match std::mem::replace(&mut *inside, Inside::IsGone) {
                Inside::Waits(old) => {
                    *inside = Inside::Waits(new);
                    (None, old)
                }
                Inside::Runs(task) => (Some(Some(task)), new),
                Inside::IsGone => (Some(None), new),
            };
            drop(inside);
            unwind::discard(old);
            answer
        };
        block_until(cause, Deadline::NEVER, look).flatten()
    }
}

impl<T> CallerEnd<T> {
    /// Hands the task to the submitter.
    pub(crate) fn run(self, task: T) {
        self.tell(Inside::Runs(task));
    }

    fn tell(&self, what: Inside<T>) {
        let mut inside = lock(&self.0.0);
        let waker = match &mut *inside {
            Inside::Waits(waker) => {
                let waker = waker.take();
                *inside = what;
                waker
            }
            Inside::Runs(_) | Inside::IsGone => None,
        };
        drop(inside);
        waker.into_iter().for_each(unwind::wake);
    }
}

impl<T> Drop for CallerEnd<T> {
    fn drop(&mut self) {
        self.tell(Inside::IsGone);
    }
}
