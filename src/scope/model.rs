//! Models of the end of a scope: its tasks, those who run and cancel them, and its owner.
//!
//! Tasks borrow a counter, and add to it as late as they can. The owner reads it as soon as the
//! scope has ended. It reads too little if it goes on too early, or if nothing orders the two. A
//! task that touches the scope itself after its end fails at once.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/scope.txt` puts them
//! back.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use loom::thread;

use super::owner;
use super::scoped_task::{self, Counted, DoomedTask, Listed};
use super::tasks::Tasks;
use crate::error::CancelReason;
use crate::pool::PoolLink;
use crate::primitive::{AtomicUsize, Mutex, lock};
use crate::task::cell::{HandleRef, TaskRef};
use crate::task::{Nowhere, Task};

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(body);
}

/// The tasks of a scope whose owner is inside its pool.
fn tasks() -> &'static Tasks<'static> {
    let tasks = Tasks::new(PoolLink::new(), None);
    tasks.begin_list();
    Box::leak(Box::new(tasks))
}

/// A counter that tasks borrow.
type Lent = Arc<AtomicUsize>;

/// A value of a task, which counts its drop.
struct Use(Lent);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

type Made = (Task<Nowhere>, HandleRef<()>, TaskRef);

fn make(tasks: &'static Tasks<'static>, closure: impl FnOnce() + Send + 'static) -> Made {
    scoped_task::make(Counted::new(tasks), (), closure)
}

/// Makes a task that uses what it borrows, and counts its run.
fn make_user(tasks: &'static Tasks<'static>, lent: &Lent, runs: &Arc<AtomicUsize>) -> Made {
    let (used, runs) = (Use(Arc::clone(lent)), Arc::clone(runs));
    make(tasks, move || {
        drop(used);
        runs.fetch_add(1, Relaxed);
    })
}

/// Makes such a task, for a stack.
fn make_stacked_user(
    tasks: &'static Tasks<'static>,
    lent: &Lent,
    runs: &Arc<AtomicUsize>,
) -> Task<Nowhere> {
    let (used, runs) = (Use(Arc::clone(lent)), Arc::clone(runs));
    scoped_task::make_stacked(Counted::new(tasks), move || {
        drop(used);
        runs.fetch_add(1, Relaxed);
    })
}

fn run(task: Task<Nowhere>) {
    Task::run(&mut Some(task), &Nowhere);
}

/// Waits as the owner does whose closure has returned.
fn wait(tasks: &Tasks<'_>) {
    assert!(owner::wait_after(tasks, || ()).is_ok());
}

/// Bug: the owner parks without having announced that it waits. Bug: the last task wakes nobody.
/// Bug: a count is taken back without a release. Bug: a task is uncounted before it has run. Bug:
/// the owner forgets its balance when it begins to wait. Bug: the owner finds that all have ended
/// in the word alone.
#[test]
fn the_owner_goes_on_when_the_last_of_two_tasks_has_ended() {
    model(3, || {
        let (tasks, runs) = (tasks(), Arc::default());
        let lent = [Lent::default(), Lent::default()];
        let runners = lent.each_ref().map(|lent| {
            let (task, handle, _) = make_user(tasks, lent, &runs);
            drop(handle);
            thread::spawn(move || run(task))
        });
        wait(tasks);
        assert!(lent.iter().all(|lent| lent.load(Relaxed) == 1));
        assert_eq!(runs.load(Relaxed), 2);
        for runner in runners {
            runner.join().unwrap();
        }
    });
}

/// Bug: an owner that looks again while its waker is taken puts another there, and parks. Bug: the
/// last task takes its count back before it takes the waker.
#[test]
fn an_owner_that_looks_again_with_another_waker_is_woken() {
    model(3, || {
        let (tasks, lent, runs) = (tasks(), Lent::default(), Arc::default());
        let (task, handle, _) = make_user(tasks, &lent, &runs);
        drop(handle);
        let runner = thread::spawn(move || run(task));
        let _ = tasks.poll(Waker::noop());
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        runner.join().unwrap();
    });
}

/// Bug: a task that its scope's owner runs need not win the exchange. Bug: a tombstone is uncounted
/// like a task.
#[test]
fn a_task_is_run_by_its_owner_or_by_a_worker() {
    model(3, || {
        let (tasks, lent, runs) = (tasks(), Lent::default(), Arc::default());
        let (task, handle, listed) = make_user(tasks, &lent, &runs);
        drop(handle);
        tasks.list(listed);
        let worker = thread::spawn(move || run(task));
        let newest = tasks.newest().expect("nothing has removed it");
        Listed::new(&newest, tasks).run();
        drop(newest);
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        assert_eq!(runs.load(Relaxed), 1);
        worker.join().unwrap();
    });
}

/// Bug: a task from a stack is uncounted before it has run. Bug: a task from a stack that is
/// cancelled is uncounted before its captures are dropped.
#[test]
fn tasks_from_a_stack_end_before_the_scope_does() {
    model(3, || {
        let (tasks, runs) = (tasks(), Arc::default());
        let lent = [Lent::default(), Lent::default(), Lent::default()];
        let [own, first, second] = lent
            .each_ref()
            .map(|lent| make_stacked_user(tasks, lent, &runs));
        let thief = thread::spawn(move || run(first));
        let canceller = thread::spawn(move || second.cancel(CancelReason::Shutdown));
        run(own);
        wait(tasks);
        assert!(lent.iter().all(|lent| lent.load(Relaxed) == 1));
        assert_eq!(runs.load(Relaxed), 2);
        thief.join().unwrap();
        assert!(canceller.join().unwrap().is_ok());
    });
}

/// Bug: a cancelled task is uncounted before its captures are dropped. Bug: a task that was
/// cancelled elsewhere is uncounted by its worker, too.
#[test]
fn a_cancel_ends_before_the_scope_does() {
    model(3, || {
        let (tasks, lent, runs) = (tasks(), Lent::default(), Arc::default());
        let (task, handle, listed) = make_user(tasks, &lent, &runs);
        drop(listed);
        let worker = thread::spawn(move || run(task));
        let canceller = thread::spawn(move || {
            let doomed = handle.doom(CancelReason::Cancelled).ok();
            let is_doomed = doomed.is_some();
            if let Some(doomed) = doomed {
                DoomedTask::new(doomed, tasks).end();
            }
            is_doomed
        });
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        let cancelled = canceller.join().unwrap();
        worker.join().unwrap();
        assert_eq!(runs.load(Relaxed), usize::from(!cancelled));
    });
}

/// Bug: a task is uncounted when its closure has returned.
#[test]
fn an_outcome_that_nobody_takes_is_dropped_before_the_scope_ends() {
    model(3, || {
        let (tasks, lent) = (tasks(), Lent::default());
        let used = Use(Arc::clone(&lent));
        let made: (Task<Nowhere>, HandleRef<Use>, _) =
            scoped_task::make(Counted::new(tasks), (), move || used);
        let (task, handle, listed) = made;
        drop(listed);
        let runner = thread::spawn(move || run(task));
        // Before or after the end of the task; the handle ends before the scope in any case.
        drop(handle);
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        runner.join().unwrap();
    });
}

/// Each of the two threads counts a task that the other uncounts.
///
/// Bug: a task that ends on the owner's thread stays counted.
#[test]
fn a_task_that_another_thread_submits_is_run_by_the_owner() {
    model(2, || {
        let (tasks, lent, runs) = (tasks(), Lent::default(), Arc::default());
        let (borrowed, counted) = (Arc::clone(&lent), Arc::clone(&runs));
        let queue = Arc::new(Mutex::new(None));
        let queued = Arc::clone(&queue);
        let (task, handle, _) = make(tasks, move || {
            let (inner, handle, listed) = make_user(tasks, &borrowed, &counted);
            drop(handle);
            // No worker comes to it.
            *lock(&queued) = Some(inner);
            tasks.list(listed);
            drop(borrowed);
        });
        drop(handle);
        let worker = thread::spawn(move || run(task));
        while !tasks.has_others() {
            thread::yield_now();
        }
        let listed = tasks.newest().expect("nothing has removed it");
        assert!(Listed::new(&listed, tasks).run());
        drop(listed);
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        drop(lock(&queue).take());
        worker.join().unwrap();
    });
}

/// Bug: a task is counted when it begins.
#[test]
fn a_task_that_a_task_submits_is_waited_for() {
    model(2, || {
        let (tasks, lent, runs) = (tasks(), Lent::default(), Arc::default());
        let (borrowed, counted) = (Arc::clone(&lent), Arc::clone(&runs));
        let inner_runner = Arc::new(Mutex::new(None));
        let spawned = Arc::clone(&inner_runner);
        let (task, handle, _) = make(tasks, move || {
            let (inner, handle, _) = make_user(tasks, &borrowed, &counted);
            drop(handle);
            *lock(&spawned) = Some(thread::spawn(move || run(inner)));
            drop(borrowed);
        });
        drop(handle);
        let runner = thread::spawn(move || run(task));
        wait(tasks);
        assert_eq!(lent.load(Relaxed), 1);
        assert_eq!(runs.load(Relaxed), 1);
        runner.join().unwrap();
        let inner = lock(&inner_runner).take();
        inner.unwrap().join().unwrap();
    });
}
