//! The tasks of a scope, as its owner sees them: how many have not ended, which of them no thread
//! has begun, and whether one has failed.
//!
//! # The list
//! An owner that is inside the pool runs tasks of its scope while it waits for them. It finds them
//! in a list of the scope and not in the pool's queues, where there are others, which it does not
//! wait for. Each entry is a counted reference to a task that lies in a queue, too; the first thread
//! that begins it has it, as with a join that runs a closure inline. The newest is run first, since
//! the queues give away the oldest first.
//!
//! Tasks that have begun stay in the list for a while. When it has grown to twice the length that it
//! had when they were removed last, they are removed again. So it has at most twice as many entries
//! as there were tasks that had not begun, or [`FEW`], and each task pays for a constant share of
//! that work. The owner parks when it finds nothing to run, and gives its slot away; then the list
//! ends.

use std::marker::PhantomData;

use super::end::{Count, Waiter};
use crate::error::CancelReason;
use crate::fork::Stamp;
use crate::pool::PoolLink;
use crate::primitive::{AtomicBool, Mutex, Ordering, lock};
use crate::task::cell::TaskRef;
use crate::unwind::Payload;

/// The length up to which a list may grow before tasks that have begun are removed from it.
const FEW: usize = 64;

/// The tasks of a scope. Made by [`run`](super::run) alone, which waits for their end.
///
/// Invariant in its lifetime: a task may borrow only things that live until the end, which is longer
/// than some reference to this lives.
pub(super) struct Tasks<'scope> {
    pub(super) count: Count,
    pub(super) waiter: Waiter,
    list: Mutex<List>,
    /// Whether the owner is inside the pool, and will look at the list.
    is_listing: AtomicBool,
    failure: Failure,
    pub(super) from: PoolLink,
    /// The process in which the owner waits.
    pub(super) process: Stamp,
    /// Makes a model fail if a task touches the scope after its end.
    #[cfg(workmill_loom)]
    pub(super) is_gone: AtomicBool,
    scope: PhantomData<&'scope mut &'scope ()>,
}

struct List {
    tasks: Vec<TaskRef>,
    /// The length at which tasks that have begun are removed.
    full: usize,
}

/// What has failed, and what follows from it.
struct Failure {
    /// Whether the first panic cancels what has not begun.
    cancels: AtomicBool,
    has_cancelled: AtomicBool,
    /// The first panic that no handle returns.
    first: Mutex<Option<Payload>>,
}

impl Tasks<'_> {
    pub(super) fn new(from: PoolLink) -> Self {
        Self {
            count: Count::new(),
            waiter: Waiter::new(),
            list: Mutex::new(List {
                tasks: Vec::new(),
                full: FEW,
            }),
            is_listing: AtomicBool::new(false),
            failure: Failure {
                cancels: AtomicBool::new(false),
                has_cancelled: AtomicBool::new(false),
                first: Mutex::new(None),
            },
            from,
            process: Stamp::now(),
            #[cfg(workmill_loom)]
            is_gone: AtomicBool::new(false),
            scope: PhantomData,
        }
    }

    /// Lists tasks from now on: the owner is inside the pool, and will look for them.
    pub(super) fn begin_list(&self) {
        self.is_listing.store(true, Ordering::Relaxed);
    }

    /// Lists no more tasks: the owner will not look any more.
    pub(super) fn end_list(&self) {
        self.is_listing.store(false, Ordering::Relaxed);
    }

    /// Returns `true` if the owner will look at the list.
    pub(super) fn is_listing(&self) -> bool {
        self.is_listing.load(Ordering::Relaxed)
    }

    /// Returns `true` if there are tasks in the list, begun or not.
    pub(super) fn has_listed(&self) -> bool {
        !lock(&self.list).tasks.is_empty()
    }

    /// Takes all tasks from the list, unless its lock is held, perhaps forever.
    pub(super) fn take_listed(&self) -> Vec<TaskRef> {
        let list = self.list.try_lock();
        list.map(|mut list| std::mem::take(&mut list.tasks))
            .unwrap_or_default()
    }

    /// Lists a task that was pushed, if the owner will look for it.
    #[inline]
    pub(super) fn list(&self, task: TaskRef) {
        if self.is_listing() && task.is_queued() {
            // Dropped outside the lock: these may be the last references to cells.
            let _begun = {
                let mut list = lock(&self.list);
                list.tasks.push(task);
                (list.tasks.len() >= list.full).then(|| list.remove_begun())
            };
        }
    }

    /// Takes the newest task from the list.
    pub(super) fn newest(&self) -> Option<TaskRef> {
        lock(&self.list).tasks.pop()
    }

    /// Notes a panic of a task, whether or not its handle will return it.
    pub(super) fn note_panic(&self) {
        if self.failure.cancels.load(Ordering::Relaxed) {
            self.failure.has_cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// Makes the first panic from now on cancel what has not begun.
    pub(super) fn cancel_on_panic(&self) {
        self.failure.cancels.store(true, Ordering::Relaxed);
    }

    /// Returns why tasks that have not begun are cancelled, if they are.
    #[inline]
    pub(super) fn doomed(&self) -> Option<CancelReason> {
        let has_cancelled = self.failure.has_cancelled.load(Ordering::Relaxed);
        has_cancelled.then_some(CancelReason::ScopeFailed)
    }

    /// Keeps a panic that no handle returns for the end of the scope, if it is the first, and
    /// reports it to the pool if not.
    #[cold]
    pub(super) fn keep_panic(&self, payload: Payload) {
        if !self.process.is_here() {
            // The lock may be held forever.
            return drop(payload);
        }
        let another = {
            let mut first = lock(&self.failure.first);
            match *first {
                Some(_) => Some(payload),
                None => {
                    *first = Some(payload);
                    None
                }
            }
        };
        another.into_iter().for_each(|it| self.from.report(it));
    }

    /// Takes the first panic that no handle has returned.
    pub(super) fn take_panic(&self) -> Option<Payload> {
        match self.process.is_here() {
            true => lock(&self.failure.first).take(),
            false => None,
        }
    }
}

impl List {
    /// Takes the tasks out that have begun, and decides when to do so next.
    fn remove_begun(&mut self) -> Vec<TaskRef> {
        let tasks = std::mem::take(&mut self.tasks);
        let (queued, begun) = tasks.into_iter().partition(|task| task.is_queued());
        self.tasks = queued;
        self.full = FEW.max(2 * self.tasks.len());
        begun
    }
}

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;
    use crate::task::cell::{HandleRef, Runnable, pair};

    /// A task that the list takes for one of its scope's.
    fn task() -> (Runnable, HandleRef<()>) {
        pair(crate::task::Job::<(), _, _>::new((), || ()))
    }

    fn length(tasks: &Tasks<'_>) -> usize {
        lock(&tasks.list).tasks.len()
    }

    #[test]
    fn a_list_does_not_grow_with_tasks_that_have_begun() {
        let tasks = Tasks::new(PoolLink::new());
        tasks.begin_list();
        for n in 0..100_000 {
            let (runnable, handle) = task();
            tasks.list(handle.task_ref());
            assert!((1..=FEW).contains(&length(&tasks)), "{n} tasks");
            drop(runnable);
        }
    }

    #[test]
    fn a_list_keeps_tasks_that_have_not_begun() {
        let tasks = Tasks::new(PoolLink::new());
        tasks.begin_list();
        let queued: Vec<_> = (0..1000).map(|_| task()).collect();
        for (_, handle) in &queued {
            tasks.list(handle.task_ref());
            // One that begins at once.
            let (runnable, handle) = task();
            tasks.list(handle.task_ref());
            drop(runnable);
        }
        assert!(length(&tasks) <= 2 * queued.len());
        let newest = std::iter::from_fn(|| tasks.newest()).filter(|task| task.is_queued());
        let expected = queued.iter().rev().map(|(_, handle)| handle.id());
        assert!(newest.map(|task| task.id()).eq(expected));
    }

    #[test]
    fn what_has_begun_before_it_is_listed_is_not_listed() {
        let tasks = Tasks::new(PoolLink::new());
        tasks.begin_list();
        let (runnable, handle) = task();
        drop(runnable);
        tasks.list(handle.task_ref());
        assert_eq!(length(&tasks), 0);
    }
}
