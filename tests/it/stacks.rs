//! Tasks of scopes that their owners find again: which of them an owner runs while it waits, and
//! who runs the others.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use workmill::{
    Builder, CancelToken, Event, PoolRef, Scope, ThreadPoolExecutor, cancelled, task_id,
    with_cancelled,
};

use crate::support::{Dice, Drops, Flag, add_one, limited, until};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

/// Calls `body` in a task of a new pool of one thread.
fn in_a_task<R: Send + 'static>(body: impl FnOnce(&PoolRef) -> R + Send + 'static) -> R {
    let pool = pool(1);
    let within = pool.handle();
    pool.submit(move || body(&within)).join().unwrap()
}

#[test]
fn the_end_of_an_inner_scope_runs_no_task_of_the_outer_one() {
    limited(|| {
        in_a_task(|pool| {
            let ran = AtomicUsize::new(0);
            let count = || add_one(&ran);
            pool.scope(|outer| {
                outer.execute(count);
                pool.scope(|inner| {
                    inner.execute(|| ());
                    outer.execute(count);
                    inner.execute(|| outer.execute(count));
                    outer.execute(count);
                });
                assert_eq!(ran.load(Ordering::Relaxed), 0);
                outer.execute(count);
                pool.scope(|inner| inner.execute(|| ()));
                assert_eq!(ran.load(Ordering::Relaxed), 0);
            });
            assert_eq!(ran.into_inner(), 5);
        });
    });
}

std::thread_local! {
    /// The numbers of the scopes for whose end this thread waits, the outer ones first; `None` for
    /// a task that it runs meanwhile.
    static WAITS: RefCell<Vec<Option<usize>>> = const { RefCell::new(Vec::new()) };
}

/// A scope with its number.
#[derive(Clone, Copy)]
struct Numbered<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    number: usize,
}

struct Tree {
    pool: PoolRef,
    scopes: AtomicUsize,
    submitted: AtomicUsize,
    ran: AtomicUsize,
}

impl Tree {
    /// Submits a task that fails if its thread waits for another scope.
    fn submit<'scope>(&'scope self, to: Numbered<'scope, '_>, body: impl FnOnce() + Send + 'scope) {
        let number = to.number;
        add_one(&self.submitted);
        to.scope.execute(move || {
            let waits = WAITS.with_borrow(|waits| waits.last().copied().flatten());
            assert!(waits.is_none_or(|waits| waits == number));
            WAITS.with_borrow_mut(|waits| waits.push(None));
            body();
            WAITS.with_borrow_mut(Vec::pop);
            add_one(&self.ran);
        });
    }

    /// Opens a scope, in which it submits to that and to an outer one, opens more, and waits for
    /// tasks.
    fn grow<'outer>(&'outer self, outer: Option<Numbered<'outer, '_>>, mut dice: Dice, depth: u64) {
        let number = self.scopes.fetch_add(1, Ordering::Relaxed);
        self.pool.scope(|scope| {
            let inner = Numbered { scope, number };
            for _ in 0..dice.roll(6) {
                let (seed, depth) = (Dice(dice.roll(u64::MAX) | 1), depth.saturating_sub(1));
                match dice.roll(8) {
                    0 | 1 => self.submit(inner, || ()),
                    2 if depth > 0 => self.submit(inner, move || self.grow(None, seed, depth)),
                    3 | 4 if depth > 0 => self.grow(Some(inner), seed, depth),
                    5 => outer
                        .into_iter()
                        .for_each(|outer| self.submit(outer, || ())),
                    6 => {
                        // The thread gives its slot up, and comes back with another.
                        let event = Arc::new(Event::new());
                        let sets = Arc::clone(&event);
                        self.submit(inner, move || sets.set());
                        event.wait();
                    }
                    _ => self.submit(inner, thread::yield_now),
                }
            }
            WAITS.with_borrow_mut(|waits| waits.push(Some(number)));
        });
        WAITS.with_borrow_mut(Vec::pop);
    }
}

#[test]
fn whatever_lies_on_a_stack_an_owner_runs_tasks_of_its_own_scope_alone() {
    limited(|| {
        for threads in [1, 2, 4] {
            let owner = pool(threads);
            let tree = Arc::new(Tree {
                pool: owner.handle(),
                scopes: AtomicUsize::new(0),
                submitted: AtomicUsize::new(0),
                ran: AtomicUsize::new(0),
            });
            for round in 0..150 {
                let grown = (0..2 * threads as u64).map(|n| {
                    let tree = Arc::clone(&tree);
                    let number = 64 * round + n + 1;
                    let seed = Dice(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
                    owner.submit(move || tree.grow(None, seed, 5))
                });
                let grown: Vec<_> = grown.collect();
                grown.into_iter().for_each(|tree| tree.join().unwrap());
                let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
                assert_eq!(count(&tree.ran), count(&tree.submitted));
            }
            assert!(tree.ran.load(Ordering::Relaxed) > 1000);
        }
    });
}

#[test]
fn what_an_owner_leaves_when_it_waits_for_something_else_is_run_by_another_thread() {
    limited(|| {
        in_a_task(|pool| {
            let (first, last) = (Event::new(), Event::new());
            let here = thread::current().id();
            let on_other = |event: &Event| {
                assert_ne!(thread::current().id(), here);
                event.set();
            };
            let mut others = [here; 8];
            pool.scope(|scope| {
                scope.execute(|| on_other(&first));
                for other in &mut others {
                    scope.execute(|| *other = thread::current().id());
                }
                scope.execute(|| on_other(&last));
                first.wait();
                last.wait();
            });
            let is_other = |id: &ThreadId| *id != here;
            assert!(others.iter().all(is_other), "they lay between the two");
        });
    });
}

#[test]
fn without_spare_threads_too_an_owner_runs_its_tasks() {
    limited(|| {
        let pool = Builder::new().threads(1).max_spare_threads(0).build();
        let pool = pool.unwrap();
        let within = pool.handle();
        let sum = pool.submit(move || {
            let sum = AtomicUsize::new(0);
            within.scope(|scope| {
                for n in 0..100 {
                    let sum = &sum;
                    scope.execute(move || {
                        sum.fetch_add(n, Ordering::Relaxed);
                    });
                }
            });
            sum.into_inner()
        });
        assert_eq!(sum.join().unwrap(), 4950);
    });
}

#[test]
fn two_tasks_of_a_scope_that_wait_for_each_other_end_with_and_without_spare_threads() {
    limited(|| {
        for spare in [0, 2] {
            let pool = Builder::new().threads(2).max_spare_threads(spare);
            let pool = pool.build().unwrap();
            let within = pool.handle();
            let task = pool.submit(move || {
                let (meet, begun) = (Barrier::new(2), Flag::default());
                within.scope(|scope| {
                    for n in 0..200 {
                        let (meet, begun) = (&meet, &begun);
                        scope.execute(move || {
                            if n < 2 {
                                begun.set();
                                meet.wait();
                            }
                        });
                    }
                    // The other worker has them, or one of them.
                    begun.wait();
                });
            });
            task.join().unwrap();
        }
    });
}

#[test]
fn closures_of_all_sizes_lie_on_a_stack() {
    limited(|| {
        in_a_task(|pool| {
            let drops = Drops::default();
            let sum = AtomicUsize::new(0);
            pool.scope(|scope| {
                scope.execute(|| add_one(&sum));
                let (sum, one, two) = (&sum, drops.value(), [drops.value(), drops.value()]);
                scope.execute(move || {
                    drop(one);
                    add_one(sum);
                });
                let large = [1_usize; 1000];
                scope.execute(move || {
                    drop(two);
                    sum.fetch_add(large.iter().sum(), Ordering::Relaxed);
                });
            });
            assert_eq!((sum.into_inner(), drops.count()), (1002, 3));
        });
    });
}

#[test]
fn what_lies_on_a_stack_when_its_pool_is_stopped_never_runs() {
    limited(|| {
        let pool = pool(1);
        let within = pool.clone();
        let (dropped, metrics) = pool
            .submit(move || {
                let drops = Drops::default();
                within.scope(|scope| {
                    for _ in 0..10 {
                        let value = drops.value();
                        scope.execute(move || {
                            let _value = value;
                            unreachable!();
                        });
                    }
                    within.shutdown_now();
                });
                (drops.count(), within.metrics())
            })
            .join()
            .unwrap();
        assert_eq!(dropped, 10);
        assert_eq!(metrics.cancelled.shutdown, 10);
    });
}

#[test]
fn a_task_on_a_stack_has_not_the_token_of_the_one_that_waits_and_no_id_of_its_own() {
    limited(|| {
        let pool = pool(1);
        let within = pool.handle();
        // Neither of these has an id.
        pool.execute(move || {
            let token = CancelToken::new();
            token.cancel();
            with_cancelled(&token, || {
                within.scope(|scope| {
                    scope.execute(|| assert!(!cancelled().is_cancelled()));
                    assert!(cancelled().is_cancelled());
                });
                assert!(cancelled().is_cancelled());
            });
            within.scope(|scope| scope.execute(|| assert_eq!(task_id(), None)));
        });
        // This one has.
        let within = pool.handle();
        let with_id = pool.submit(move || {
            let id = task_id();
            assert!(id.is_some());
            within.scope(|scope| scope.execute(|| assert_eq!(task_id(), id)));
        });
        with_id.join().unwrap();
        pool.shutdown();
        assert_eq!(pool.metrics().panicked, 0);
    });
}

#[test]
fn a_task_that_has_run_tasks_of_its_scope_runs_since_it_has_begun() {
    limited(|| {
        let (pool, time) = (pool(1), Duration::from_millis(100));
        let (within, begun, release) = (pool.handle(), Flag::default(), Flag::default());
        let (tells, go) = (begun.clone(), release.clone());
        pool.execute(move || {
            let start = Instant::now();
            within.scope(|scope| (0..10).for_each(|_| scope.execute(|| ())));
            until(|| start.elapsed() >= time);
            tells.set();
            go.wait();
        });
        begun.wait();
        let error = pool.shutdown_timeout(Duration::from_millis(1)).unwrap_err();
        release.set();
        pool.shutdown();
        assert!(error.busy()[0].running_for() >= time, "{error}");
    });
}

/// Returns the name of what the only worker runs, and the number of tasks that were cancelled as
/// their scopes had failed.
fn look(pool: &PoolRef) -> (Option<&'static str>, u64) {
    let metrics = pool.metrics();
    (metrics.workers[0].runs, metrics.cancelled.scope_failed)
}

/// Looks when it is dropped.
struct Looks<'a>(&'a PoolRef, &'a Mutex<Option<(Option<&'static str>, u64)>>);

impl Drop for Looks<'_> {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = Some(look(self.0));
    }
}

#[test]
fn a_task_that_is_dropped_as_its_scope_has_failed_is_what_its_thread_runs_meanwhile() {
    limited(|| {
        in_a_task(|pool| {
            let (before, seen) = (look(pool), Mutex::new(None));
            let failed = catch_unwind(AssertUnwindSafe(|| {
                pool.scope(|scope| {
                    scope.cancel_on_panic();
                    let looks = Looks(pool, &seen);
                    scope.execute(move || drop(looks));
                    // It is run first.
                    scope.execute(|| panic!("out of flour"));
                });
            }));
            assert!(failed.is_err());
            let (name, cancelled) = seen.into_inner().unwrap().unwrap();
            assert!(name.is_some() && name != before.0, "{name:?}");
            assert_eq!((cancelled, look(pool)), (0, (before.0, 1)));
        });
    });
}
