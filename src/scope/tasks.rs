//! The tasks of a scope, as its owner sees them: how many have not ended, which of them nobody has
//! begun, and what has failed.
//!
//! # The list
//! An owner that is inside the pool runs tasks of its scope while it waits for them. It finds them
//! in a list of the scope and not in the pool's queues, where there are others, which it does not
//! wait for. Each entry is a counted reference to a task that also lies in a queue: whoever begins
//! it first has it, as with a join that runs a closure inline. The newest is run first, since the
//! queues give away the oldest first.
//!
//! Tasks that have begun stay in the list for a while. When it has grown to twice what it was after
//! the last time, those are removed. So its length is at most twice the number of tasks that had not
//! begun, or [`FEW`], and each task pays for a constant share of that work. When the owner parks,
//! which it does when it has found nothing to run, it gives its slot away, and the list ends.

use std::marker::PhantomData;

use super::end::{Count, Waiter};
use super::scoped_task::{self, Listed};
use crate::error::CancelReason;
use crate::fork::Stamp;
use crate::handle::look_for_a_while;
use crate::pool::{Local, PoolLink};
use crate::primitive::{AtomicBool, Mutex, Ordering, lock};
use crate::task::cell::TaskRef;
use crate::unwind::Payload;
use crate::wait::{Blocking, Cause, Deadline, block_until};

/// The length up to which a list may grow before tasks that have begun are removed from it.
const FEW: usize = 64;

/// The tasks of a scope. Made by [`run`](super::run) alone, which waits for their end.
///
/// Invariant in its lifetime: what a task may borrow lives until the end, and not only as long as
/// some reference to this.
pub(super) struct Tasks<'scope> {
    pub(super) count: Count,
    pub(super) waiter: Waiter,
    list: Mutex<List>,
    /// Whether the owner is inside the pool, and will look at the list.
    is_listing: AtomicBool,
    failure: Failure,
    pub(super) from: PoolLink,
    /// The process in which the owner waits.
    process: Stamp,
    /// Makes a model fail if the scope is touched after its end.
    #[cfg(workmill_loom)]
    pub(super) touched: crate::primitive::UnsafeCell<()>,
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
    /// `is_inside` tells whether the owner is inside the pool.
    pub(super) fn new(from: PoolLink, is_inside: bool) -> Self {
        Self {
            count: Count::new(),
            waiter: Waiter::new(),
            list: Mutex::new(List {
                tasks: Vec::new(),
                full: FEW,
            }),
            is_listing: AtomicBool::new(is_inside),
            failure: Failure {
                cancels: AtomicBool::new(false),
                has_cancelled: AtomicBool::new(false),
                first: Mutex::new(None),
            },
            from,
            process: Stamp::now(),
            #[cfg(workmill_loom)]
            touched: crate::primitive::UnsafeCell::new(()),
            scope: PhantomData,
        }
    }

    /// Lists a task that was pushed, if the owner will look for it.
    #[inline]
    pub(super) fn list(&self, task: TaskRef) {
        if self.is_listing.load(Ordering::Relaxed) && task.is_queued() {
            // Dropped outside the lock: these may be the last references to cells.
            let _begun = {
                let mut list = lock(&self.list);
                list.tasks.push(task);
                (list.tasks.len() >= list.full).then(|| list.remove_begun())
            };
        }
    }

    /// Takes the newest task from the list.
    fn newest(&self) -> Option<TaskRef> {
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

    /// Waits until all tasks have ended, and runs those that nobody has begun, if the owner is
    /// inside the pool. Called by the owner, once, when nothing but its tasks can submit any more.
    pub(super) fn wait(&self) {
        if self.is_listing.load(Ordering::Relaxed) {
            self.run_listed();
            // The owner is about to give its slot away, or there is nothing left.
            self.is_listing.store(false, Ordering::Relaxed);
        }
        if self.count.is_over() {
            return;
        }
        if self.process.is_here() {
            self.park();
        }
        if !self.process.is_here() {
            self.end_in_the_child();
        }
    }

    /// Runs the tasks of the list, until there are none and none come for a while.
    fn run_listed(&self) {
        let look = || self.count.is_over() || self.has_listed();
        while self.process.is_here() && !self.count.is_over() {
            match self.newest() {
                Some(task) => {
                    let listed = Listed::new(&task, self);
                    Local::run_inline(self.from, &listed);
                    if task.is_queued() {
                        // There is not enough left of the stack.
                        return;
                    }
                }
                None if look_for_a_while(self.from, look) => {}
                None => return,
            }
        }
    }

    fn has_listed(&self) -> bool {
        !lock(&self.list).tasks.is_empty()
    }

    fn park(&self) {
        // One wait for the pool; a call that was put off may fork as it begins.
        let _blocking = Blocking::begin(Cause::Arrival);
        block_until(Cause::Arrival, Deadline::NEVER, |waker| {
            let is_over = !self.process.is_here() || self.waiter.poll(&self.count, waker);
            is_over.then_some(())
        });
    }

    /// Ends the scope in a child process, where no task of it runs except those on this thread,
    /// which have ended. What is listed and has not begun never will.
    ///
    /// Aborts the process if a task may have begun: the thread that ran it is not here, and may have
    /// been changing what the task borrows.
    #[cold]
    fn end_in_the_child(&self) {
        if let Ok(mut list) = self.list.try_lock() {
            for task in list.tasks.drain(..) {
                if let Ok(doomed) = task.doom(CancelReason::Forked) {
                    // Neither dropped nor run: its captures are the parent's.
                    std::mem::forget(doomed);
                    let _ = self.count.leave();
                }
                std::mem::forget(task);
            }
        }
        if !self.count.is_over() {
            eprintln!(
                "workmill: the process was forked inside a scope whose tasks run in the parent"
            );
            std::process::abort();
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

/// The count of a task that is about to be made. Its drop takes it back.
pub(super) struct Counted<'scope>(pub(super) &'scope Tasks<'scope>);

impl<'scope> Counted<'scope> {
    pub(super) fn new(tasks: &'scope Tasks<'scope>) -> Self {
        tasks.count.enter();
        Self(tasks)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        scoped_task::uncount(self.0);
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
        let tasks = Tasks::new(PoolLink::new(), true);
        for n in 0..100_000 {
            let (runnable, handle) = task();
            tasks.list(handle.task_ref());
            assert!((1..=FEW).contains(&length(&tasks)), "{n} tasks");
            drop(runnable);
        }
    }

    #[test]
    fn a_list_keeps_tasks_that_have_not_begun() {
        let tasks = Tasks::new(PoolLink::new(), true);
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
        let tasks = Tasks::new(PoolLink::new(), true);
        let (runnable, handle) = task();
        drop(runnable);
        tasks.list(handle.task_ref());
        assert_eq!(length(&tasks), 0);
    }
}
