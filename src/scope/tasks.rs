//! The tasks of a scope, as its owner sees them: how many have not ended, which of them no thread
//! has begun, and whether one has failed.
//!
//! # Where the owner finds them
//! An owner that is inside the pool runs tasks of its scope while it waits for them. It does not
//! look for them in the pool's queues, where there are others, which it does not wait for. Those
//! that its own thread has submitted without a handle lie on the stack of its slot, if the scope
//! has a [`Level`] there (`pool/local/stacked.rs`). The others are in a list of the scope.
//!
//! # The list
//! Each entry is a counted reference to a task that lies in a queue, too; the first
//! thread that begins it has it, as with a join that runs a closure inline. The newest is run
//! first, since the queues give away the oldest first. Tasks that are submitted on the owner's
//! thread are in a list of that thread, which takes no lock, and those of other threads in another.
//!
//! Tasks that have begun stay in the list for a while. When it has grown to twice the length that
//! it had when they were removed last, they are removed again. So it has at most twice as many
//! entries as there were tasks that had not begun, or [`FEW`], and each task pays for a constant
//! share of that work. The owner parks when it finds nothing to run, and gives its slot away; then
//! the list ends.

use std::marker::PhantomData;
use std::task::Waker;

use super::end::{Balance, Count, Waiter};
use super::owner_cell::OwnerCell;
use crate::error::CancelReason;
use crate::fork::Stamp;
use crate::pool::{Level, PoolLink};
use crate::primitive::{AtomicBool, Mutex, Ordering, Padded, lock};
use crate::task::cell::TaskRef;
use crate::unwind::Payload;

/// The length up to which a list may grow before tasks that have begun are removed from it.
const FEW: usize = 64;

/// The tasks of a scope. Made by [`run`](super::run) alone, which waits for their end.
///
/// Invariant in its lifetime: a task may borrow only things that live until the end, which is
/// longer than some reference to this lives.
pub(super) struct Tasks<'scope> {
    /// On lines of its own: the owner takes one task after the other without a look at it.
    pub(super) count: Padded<Count>,
    pub(super) waiter: Waiter,
    /// The part of the owner's thread.
    own: OwnerCell<Own>,
    /// Tasks that other threads have submitted.
    others: Mutex<List>,
    has_others: AtomicBool,
    /// Whether the owner is inside the pool, and will look at the lists.
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

struct Own {
    balance: Balance,
    /// Whether the owner waits, so that its thread counts as others do.
    waits: bool,
    /// The level of the scope, if the owner's thread has one.
    level: Option<Level>,
    /// The number of tasks that the owner has pushed to the stack at that level, less those that it
    /// has taken from there; 0 when it has found none there.
    stacked: usize,
    /// Other tasks that the owner's thread has submitted.
    list: List,
}

struct List {
    /// The newest task, so that a list of one takes no memory of its own.
    newest: Option<TaskRef>,
    older: Vec<TaskRef>,
    /// The length at which tasks that have begun are removed.
    full: usize,
}

/// The part of a scope that has failed, and the consequences.
struct Failure {
    /// Whether a panic is in `first`.
    has_first: AtomicBool,
    /// Whether the first panic cancels what has not begun.
    cancels: AtomicBool,
    has_cancelled: AtomicBool,
    /// The first panic that no handle returns.
    first: Mutex<Option<Payload>>,
}

impl Tasks<'_> {
    pub(super) fn new(from: PoolLink, level: Option<Level>) -> Self {
        Self {
            count: Padded(Count::new()),
            waiter: Waiter::new(),
            own: OwnerCell::new(Own {
                balance: Balance::default(),
                waits: false,
                level,
                stacked: 0,
                list: List::new(),
            }),
            others: Mutex::new(List::new()),
            has_others: AtomicBool::new(false),
            is_listing: AtomicBool::new(false),
            failure: Failure {
                has_first: AtomicBool::new(false),
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

    /// Counts a task.
    #[inline]
    pub(super) fn count(&self) {
        let counted = self.own.with(|own| {
            if own.waits {
                return false;
            }
            own.balance.enter();
            true
        });
        if counted != Some(true) {
            self.count.enter();
        }
    }

    /// Keeps the panic of a task that has ended, if no handle returns it, and uncounts the task if
    /// this is the thread of the owner, which does not wait.
    #[inline]
    #[must_use = "`false`: the task is counted still"]
    pub(super) fn tell_end(&self, panic: Option<Payload>) -> bool {
        panic.into_iter().for_each(|it| self.keep_panic(it));
        self.uncount_here()
    }

    /// Uncounts a task, if this is the thread of the owner, which does not wait.
    #[inline]
    #[must_use = "`false`: the task is counted still"]
    pub(super) fn uncount_here(&self) -> bool {
        let uncounted = self.own.with(|own| {
            if own.waits {
                return false;
            }
            own.balance.leave();
            true
        });
        uncounted == Some(true)
    }

    /// Returns `true` if all tasks have ended. Only the owner calls this.
    pub(super) fn is_over(&self) -> bool {
        let balance = self.own.with(|own| own.balance);
        self.count.is_over(balance.unwrap_or_default())
    }

    /// Returns `true` if all tasks have ended. If not, `waker` is called when they have, and the
    /// owner waits. Only the owner calls this.
    pub(super) fn poll(&self, waker: &Waker) -> bool {
        if self.is_over() {
            return true;
        }
        let polled = self.own.with(|own| {
            let is_first = !std::mem::replace(&mut own.waits, true);
            let balance = is_first.then_some(&mut own.balance);
            self.waiter.poll(&self.count, balance, waker)
        });
        polled.expect("the owner polls")
    }

    /// Returns the level of the scope, if this is the owner's thread, and has one.
    #[inline]
    pub(super) fn level(&self) -> Option<Level> {
        self.own.with(|own| own.level).flatten()
    }

    /// Counts a task that is on the stack at the scope's level. Only the owner calls this.
    #[inline]
    pub(super) fn note_stacked(&self) {
        self.own.with(|own| own.stacked += 1);
    }

    /// Returns the level of the scope if a task of it may be on the stack, and counts that as
    /// taken. Only the owner calls this.
    #[inline]
    pub(super) fn take_stacked(&self) -> Option<Level> {
        let level = self.own.with(|own| {
            own.stacked = own.stacked.checked_sub(1)?;
            own.level
        });
        level.flatten()
    }

    /// Notes that no task of the scope is on the stack. Returns how many may have been there. Only
    /// the owner calls this.
    pub(super) fn none_stacked(&self) -> usize {
        let stacked = |own: &mut Own| std::mem::take(&mut own.stacked);
        self.own.with(stacked).unwrap_or_default()
    }

    /// Lists a task that was pushed, if the owner will look for it.
    #[inline]
    pub(super) fn list(&self, task: TaskRef) {
        if !self.is_listing() || !task.is_queued() {
            return;
        }
        let mut task = Some(task);
        let _begun = self.own.with(|own| own.list.push(task.take()));
        if task.is_some() {
            self.list_for_owner(task);
        }
    }

    #[cold]
    fn list_for_owner(&self, task: Option<TaskRef>) {
        // Dropped outside the lock: these may be the last references to cells.
        let _begun = lock(&self.others).push(task);
        self.has_others.store(true, Ordering::Relaxed);
    }

    /// Takes a task that no thread has begun, as far as is known, from the lists: the newest of the
    /// owner's, or else of the others'. Only the owner calls this.
    pub(super) fn newest(&self) -> Option<TaskRef> {
        let own = self.own.with(|own| own.list.pop()).flatten();
        own.or_else(|| {
            let has_others = self.has_others();
            has_others.then(|| self.newest_of_others()).flatten()
        })
    }

    fn newest_of_others(&self) -> Option<TaskRef> {
        let mut others = lock(&self.others);
        let newest = others.pop();
        self.has_others
            .store(others.newest.is_some(), Ordering::Relaxed);
        newest
    }

    /// Returns `true` if other threads have listed tasks; a snapshot, may be stale.
    pub(super) fn has_others(&self) -> bool {
        self.has_others.load(Ordering::Relaxed)
    }

    /// Takes all tasks from the lists, except those in a list whose lock is held, perhaps forever.
    pub(super) fn take_listed(&self) -> Vec<TaskRef> {
        let mut listed = self.own.with(|own| own.list.take()).unwrap_or_default();
        if let Ok(mut others) = self.others.try_lock() {
            listed.append(&mut others.take());
        }
        listed
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
                    self.failure.has_first.store(true, Ordering::Relaxed);
                    None
                }
            }
        };
        another.into_iter().for_each(|it| self.from.report(it));
    }

    /// Takes the first panic that no handle has returned, when all tasks have ended.
    pub(super) fn take_panic(&self) -> Option<Payload> {
        let has_first = self.failure.has_first.load(Ordering::Relaxed);
        let first = (has_first && self.process.is_here()).then(|| lock(&self.failure.first).take());
        first.flatten()
    }
}

impl List {
    fn new() -> Self {
        Self {
            newest: None,
            older: Vec::new(),
            full: FEW,
        }
    }

    /// Adds a task. Returns those that it has removed because they have begun.
    #[inline]
    fn push(&mut self, task: Option<TaskRef>) -> Vec<TaskRef> {
        if let Some(older) = std::mem::replace(&mut self.newest, task) {
            self.older.push(older);
            if self.older.len() >= self.full {
                return self.remove_begun();
            }
        }
        Vec::new()
    }

    fn pop(&mut self) -> Option<TaskRef> {
        std::mem::replace(&mut self.newest, self.older.pop())
    }

    fn take(&mut self) -> Vec<TaskRef> {
        let mut tasks = std::mem::take(&mut self.older);
        tasks.extend(self.newest.take());
        tasks
    }

    /// Takes the tasks out that have begun, and decides when to do so next.
    #[cold]
    fn remove_begun(&mut self) -> Vec<TaskRef> {
        let tasks = std::mem::take(&mut self.older);
        let (queued, begun) = tasks.into_iter().partition(|task| task.is_queued());
        self.older = queued;
        self.full = FEW.max(2 * self.older.len());
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
        tasks.own.with(|own| own.list.older.len() + 1).unwrap()
    }

    #[test]
    fn a_list_does_not_grow_with_tasks_that_have_begun() {
        let tasks = Tasks::new(PoolLink::new(), None);
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
        let tasks = Tasks::new(PoolLink::new(), None);
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
        let tasks = Tasks::new(PoolLink::new(), None);
        tasks.begin_list();
        let (runnable, handle) = task();
        drop(runnable);
        tasks.list(handle.task_ref());
        assert!(tasks.newest().is_none());
    }
}
