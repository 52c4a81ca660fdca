//! Tasks of a scope borrow, and have ended when the scope has.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use workmill::{
    Builder, CancelReason, Event, Overflow, PoolRef, Scope, ScopedJoinHandle, ThreadPoolExecutor,
    block_on, current,
};

use crate::child::in_child;
use crate::support::{Bomb, Drops, Flag, add_one, limited, occupy, until};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

/// Calls `body`, and returns what it panicked with.
fn payload_of<R>(body: impl FnOnce() -> R) -> &'static str {
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(body())));
    panicked.unwrap_err().downcast_ref::<&str>().unwrap()
}

/// Calls `body` with a pool of each kind: outside of it, in a task of it, in a task of another
/// pool, and in a future of it.
fn everywhere(body: fn(&PoolRef)) {
    for threads in [1, 2, 8] {
        let pool = pool(threads);
        body(&pool);
        let within = pool.handle();
        pool.submit(move || body(&within)).join().unwrap();
        let (other, within) = (self::pool(1), pool.handle());
        other.submit(move || body(&within)).join().unwrap();
        let within = pool.handle();
        pool.spawn(async move { body(&within) }).join().unwrap();
        pool.block_on(async { body(&pool) });
        let bounded = Builder::new().threads(threads).queue_capacity(1);
        body(&bounded.build().unwrap());
        let direct = Builder::new().threads(threads).queue_capacity(0);
        body(&direct.build().unwrap());
    }
}

#[test]
fn tasks_borrow_and_return_what_borrows() {
    limited(|| {
        everywhere(|pool| {
            let text = String::from("a loaf of rye");
            let mut words = Vec::new();
            let longest = pool.scope(|scope| {
                let longest = scope.submit(|| text.split(' ').max_by_key(|word| word.len()));
                scope.execute(|| words.extend(text.split(' ')));
                longest.join().unwrap()
            });
            assert_eq!(
                (longest, words),
                (Some("loaf"), vec!["a", "loaf", "of", "rye"])
            );
        });
    });
}

/// Counts the leaves of a tree of tasks, each of which submits two.
fn grow<'scope>(scope: &'scope Scope<'scope, '_>, depth: u32, leaves: &'scope AtomicUsize) {
    if depth == 0 {
        return add_one(leaves);
    }
    for _ in 0..2 {
        scope.execute(move || grow(scope, depth - 1, leaves));
    }
}

#[test]
fn tasks_submit_to_their_scope_which_waits_for_all() {
    limited(|| {
        everywhere(|pool| {
            let leaves = AtomicUsize::new(0);
            pool.scope(|scope| grow(scope, 8, &leaves));
            assert_eq!(leaves.into_inner(), 256);
        });
    });
}

/// Adds the numbers up by a scope for each half.
fn sum(pool: &PoolRef, numbers: &[usize]) -> usize {
    if numbers.len() < 2 {
        return numbers.iter().sum();
    }
    let (left, right) = numbers.split_at(numbers.len() / 2);
    pool.scope(|scope| {
        let left = scope.submit(|| sum(pool, left));
        sum(pool, right) + left.join().unwrap()
    })
}

#[test]
fn scopes_nest() {
    limited(|| {
        everywhere(|pool| {
            let numbers: Vec<_> = (1..=100).collect();
            assert_eq!(sum(pool, &numbers), 5050);
        });
    });
}

#[test]
fn a_handle_does_all_that_a_join_handle_does() {
    limited(|| {
        let pool = pool(2);
        let go = Flag::default();
        pool.scope(|scope| {
            let mut waits = scope.submit(|| {
                go.wait();
                7
            });
            until(|| waits.is_running());
            assert!(!waits.is_finished() && !waits.cancel());
            assert!(waits.try_join().is_none());
            assert!(waits.join_timeout(Duration::from_millis(1)).is_none());
            go.set();
            assert_eq!(waits.join_timeout(Duration::MAX).unwrap().unwrap(), 7);
            assert!(waits.is_finished() && !waits.is_running() && !waits.cancel());
            let awaited = scope.submit(|| 8);
            assert_eq!(block_on(awaited).unwrap(), 8);
            let mut tried = scope.submit(|| 9);
            until(|| tried.is_finished());
            assert_eq!(tried.try_join().unwrap().unwrap(), 9);
        });
    });
}

#[test]
fn a_handle_can_be_joined_by_another_task() {
    limited(|| {
        everywhere(|pool| {
            let numbers = [1, 2, 3];
            let total = pool.scope(|scope| {
                let sum = scope.submit(|| numbers.iter().sum::<i32>());
                let more = scope.submit(move || sum.join().unwrap() * 7);
                more.join().unwrap()
            });
            assert_eq!(total, 42);
        });
    });
}

#[test]
fn a_panic_whose_handle_is_joined_is_in_the_handle() {
    limited(|| {
        everywhere(|pool| {
            let error = pool.scope(|scope| {
                let fails = scope.submit(|| panic_any("out of flour"));
                fails.join().unwrap_err()
            });
            assert!(error.is_panic());
            assert!(
                error.task_name().contains("scopes"),
                "{}",
                error.task_name()
            );
        });
    });
}

#[test]
fn the_first_other_panic_is_resumed_when_all_tasks_have_ended() {
    limited(|| {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&told);
        let pool = Builder::new().threads(2).panic_handler(move |payload| {
            let payload = *payload.downcast_ref::<&str>().unwrap();
            tell.lock().unwrap().push(payload);
        });
        let pool = pool.build().unwrap();
        let (ran, go) = (AtomicUsize::new(0), Flag::default());
        let payload = payload_of(|| {
            pool.scope(|scope| {
                let first = scope.submit(|| panic_any("the first"));
                until(|| first.is_finished());
                drop(first);
                scope.submit(|| panic_any("joined")).join().unwrap_err();
                scope.execute(|| panic_any("the second"));
                scope.execute(|| {
                    go.wait();
                    add_one(&ran);
                });
                go.set();
            });
        });
        assert_eq!((payload, ran.into_inner()), ("the first", 1));
        assert_eq!(*told.lock().unwrap(), ["the second"]);
    });
}

#[test]
fn the_closures_own_panic_comes_first_and_waits_too() {
    limited(|| {
        everywhere(|pool| {
            let (ran, go) = (AtomicUsize::new(0), Flag::default());
            let payload = payload_of(|| {
                pool.scope(|scope| {
                    scope.execute(|| {
                        go.wait();
                        add_one(&ran);
                        panic_any("the task's");
                    });
                    go.set();
                    panic_any("the closure's");
                });
            });
            assert_eq!((payload, ran.into_inner()), ("the closure's", 1));
        });
    });
}

#[test]
fn the_first_panic_cancels_the_rest_if_the_scope_is_told_so() {
    limited(|| {
        everywhere(|pool| {
            let ran = AtomicUsize::new(0);
            pool.scope(|scope| {
                scope.cancel_on_panic();
                assert!(!scope.has_failed());
                let drops = Drops::default();
                let fails = scope.submit(|| panic_any("out of flour"));
                assert!(fails.join().unwrap_err().is_panic());
                assert!(scope.has_failed());
                let value = drops.value();
                let late = scope.submit(|| {
                    drop(value);
                    add_one(&ran);
                });
                assert_eq!(drops.count(), 1, "it is dropped at once");
                assert!(late.is_finished());
                let late: Result<(), _> = late.join();
                let reason = late.unwrap_err().cancel_reason();
                assert_eq!(reason, Some(CancelReason::ScopeFailed));
            });
            assert_eq!(ran.into_inner(), 0);
        });
    });
}

#[test]
fn what_has_not_begun_when_the_first_task_panics_never_does() {
    limited(|| {
        let pool = pool(1);
        let (ran, drops) = (AtomicUsize::new(0), Drops::default());
        let release = occupy(&pool);
        let payload = payload_of(|| {
            pool.scope(|scope| {
                scope.cancel_on_panic();
                scope.execute(|| panic_any("out of flour"));
                let behind: Vec<_> = (0..100)
                    .map(|_| {
                        let (value, ran) = (drops.value(), &ran);
                        scope.submit(move || {
                            drop(value);
                            add_one(ran);
                        })
                    })
                    .collect();
                release.set();
                for handle in behind {
                    let reason = handle.join().unwrap_err().cancel_reason();
                    assert_eq!(reason, Some(CancelReason::ScopeFailed));
                }
            });
        });
        assert_eq!(
            (payload, ran.into_inner(), drops.count()),
            ("out of flour", 0, 100)
        );
    });
}

#[test]
fn without_being_told_a_scope_runs_all_tasks_whichever_panic() {
    limited(|| {
        everywhere(|pool| {
            let ran = AtomicUsize::new(0);
            let payload = payload_of(|| {
                pool.scope(|scope| {
                    for n in 0..10 {
                        let ran = &ran;
                        scope.execute(move || match n {
                            0 => panic_any("out of flour"),
                            _ => add_one(ran),
                        });
                    }
                    assert!(!scope.has_failed());
                });
            });
            assert_eq!((payload, ran.into_inner()), ("out of flour", 9));
        });
    });
}

#[test]
fn a_scope_ends_though_its_handles_are_leaked() {
    limited(|| {
        everywhere(|pool| {
            let (ran, drops) = (AtomicUsize::new(0), Drops::default());
            pool.scope(|scope| {
                for _ in 0..10 {
                    let (captured, result) = (drops.value(), drops.value());
                    let ran = &ran;
                    let handle = scope.submit(move || {
                        drop(captured);
                        add_one(ran);
                        result
                    });
                    std::mem::forget(handle);
                }
                std::mem::forget(scope.submit(|| panic_any("nobody hears of it")));
            });
            assert_eq!((ran.into_inner(), drops.count()), (10, 10));
        });
    });
}

/// A result that uses what it borrows when it is dropped.
struct Reports<'a>(&'a AtomicUsize);

impl Drop for Reports<'_> {
    fn drop(&mut self) {
        add_one(self.0);
    }
}

#[test]
fn a_result_that_nobody_takes_is_dropped_before_the_scope_ends() {
    limited(|| {
        everywhere(|pool| {
            for _ in 0..20 {
                let dropped = AtomicUsize::new(0);
                pool.scope(|scope| {
                    for n in 0..8 {
                        let dropped = &dropped;
                        let handle = scope.submit(move || Reports(dropped));
                        if n % 2 == 0 {
                            // Dropped by whoever is later.
                            drop(handle);
                        } else {
                            drop(scope.submit(move || handle));
                        }
                    }
                });
                assert_eq!(dropped.into_inner(), 8);
            }
        });
    });
}

#[test]
fn a_closed_pool_cancels_what_is_submitted_to_a_scope() {
    limited(|| {
        let pool = pool(1);
        pool.shutdown();
        let drops = Drops::default();
        let reason = pool.scope(|scope| {
            let value = drops.value();
            scope.execute(|| unreachable!());
            let handle = scope.submit(move || drop(value));
            assert_eq!(drops.count(), 1);
            handle.join().unwrap_err().cancel_reason()
        });
        assert_eq!(reason, Some(CancelReason::Shutdown));
    });
}

#[test]
fn a_scope_ends_when_its_pool_is_shut_down_meanwhile() {
    limited(|| {
        for inside in [false, true] {
            let pool = pool(1);
            let (drops, owner) = (Drops::default(), pool.clone());
            let values = drops.clone();
            let run = move || {
                let drops = &values;
                owner.scope(|scope| {
                    let running = scope.submit(|| until(|| workmill::cancelled().is_cancelled()));
                    if !inside {
                        until(|| running.is_running());
                    }
                    let behind: Vec<_> = (0..10)
                        .map(|_| {
                            let value = drops.value();
                            scope.submit(move || drop(value))
                        })
                        .collect();
                    owner.shutdown_now();
                    assert_eq!(drops.count(), 10);
                    for handle in behind {
                        let reason = handle.join().unwrap_err().cancel_reason();
                        assert_eq!(reason, Some(CancelReason::Shutdown));
                    }
                    let late = scope.submit(|| unreachable!());
                    let late: Result<(), _> = late.join();
                    let reason = late.unwrap_err().cancel_reason();
                    assert_eq!(reason, Some(CancelReason::Shutdown));
                });
            };
            match inside {
                false => run(),
                true => pool.submit(run).join().unwrap(),
            }
            assert_eq!(drops.count(), 10);
        }
    });
}

#[test]
fn what_a_full_pool_refuses_is_gone_before_the_scope_ends() {
    limited(|| {
        let policies = [
            Overflow::Block,
            Overflow::Reject,
            Overflow::CallerRuns,
            Overflow::DropOldest,
            Overflow::DropNewest,
        ];
        for policy in policies {
            for capacity in [0, 1, 10] {
                let builder = Builder::new().threads(1).queue_capacity(capacity);
                let pool = builder.overflow(policy).build().unwrap();
                let (drops, ran) = (Drops::default(), AtomicUsize::new(0));
                let cancelled = pool.scope(|scope| {
                    let handles: Vec<_> = (0..200)
                        .map(|_| {
                            let (value, ran) = (drops.value(), &ran);
                            scope.submit(move || {
                                drop(value);
                                add_one(ran);
                            })
                        })
                        .collect();
                    let outcomes = handles.into_iter().map(ScopedJoinHandle::join);
                    let reasons = outcomes.filter_map(|outcome| outcome.err()?.cancel_reason());
                    reasons.filter(|it| *it == CancelReason::Rejected).count()
                });
                assert_eq!(drops.count(), 200);
                assert_eq!(ran.into_inner() + cancelled, 200);
                if matches!(policy, Overflow::Block | Overflow::CallerRuns) {
                    assert_eq!(cancelled, 0);
                }
            }
        }
    });
}

#[test]
fn a_task_that_is_cancelled_never_runs_and_its_captures_are_gone() {
    limited(|| {
        let pool = pool(1);
        let (drops, ran) = (Drops::default(), AtomicBool::new(false));
        let release = occupy(&pool);
        pool.scope(|scope| {
            let value = drops.value();
            let handle = scope.submit(|| {
                drop(value);
                ran.store(true, Ordering::SeqCst);
            });
            assert!(handle.cancel());
            assert_eq!(drops.count(), 1);
            assert!(handle.is_finished() && handle.cancel());
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
            // And one that nobody joins.
            let value = drops.value();
            assert!(scope.submit(move || drop(value)).cancel());
            release.set();
        });
        assert!(!ran.into_inner());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_long_chain_of_cancels_ends_with_the_scope() {
    /// Cancels the next task of the chain when it is dropped.
    struct Next<'scope>(Option<ScopedJoinHandle<'scope, ()>>, &'scope AtomicUsize);

    impl Drop for Next<'_> {
        fn drop(&mut self) {
            add_one(self.1);
            if let Some(next) = &self.0 {
                next.cancel();
            }
        }
    }

    limited(|| {
        let pool = pool(1);
        let dropped = AtomicUsize::new(0);
        let release = occupy(&pool);
        pool.scope(|scope| {
            let mut next = None;
            for _ in 0..100_000 {
                let link = Next(next, &dropped);
                next = Some(scope.submit(move || drop(link)));
            }
            assert!(next.unwrap().cancel());
            release.set();
        });
        assert_eq!(dropped.into_inner(), 100_000);
    });
}

#[test]
fn scopes_in_drops_of_refused_tasks_end_however_many_lie_in_each_other() {
    /// Opens a scope when it is dropped, in whose closed pool the next one is refused.
    struct Next(usize, PoolRef, Arc<AtomicUsize>);

    impl Drop for Next {
        fn drop(&mut self) {
            add_one(&self.2);
            if let Some(left) = self.0.checked_sub(1) {
                let next = Self(left, self.1.clone(), Arc::clone(&self.2));
                self.1.scope(|scope| scope.execute(move || drop(next)));
            }
        }
    }

    limited(|| {
        let (pool, dropped) = (pool(1), Arc::new(AtomicUsize::new(0)));
        pool.shutdown();
        drop(Next(200, (*pool).clone(), Arc::clone(&dropped)));
        assert_eq!(dropped.load(Ordering::SeqCst), 201);
    });
}

#[test]
fn a_task_that_waits_for_its_scope_runs_the_scopes_tasks_itself() {
    limited(|| {
        let pool = pool(1);
        let within = pool.handle();
        let outer = pool.submit(move || {
            let here = thread::current().id();
            let ran_here = AtomicUsize::new(0);
            within.scope(|scope| {
                for _ in 0..1000 {
                    scope.execute(|| {
                        assert_eq!(thread::current().id(), here);
                        // Also those that they submit.
                        scope.execute(|| {
                            assert_eq!(thread::current().id(), here);
                            add_one(&ran_here);
                        });
                    });
                }
            });
            ran_here.into_inner()
        });
        assert_eq!(outer.join().unwrap(), 1000);
        assert_eq!(pool.metrics().live_threads, 1, "no other thread was needed");
    });
}

#[test]
fn a_task_that_waits_for_its_scope_runs_tasks_that_other_threads_submit_to_it() {
    limited(|| {
        let pool = pool(2);
        let within = pool.handle();
        let outer = pool.submit(move || {
            let here = thread::current().id();
            let (submitted, stop) = (Flag::default(), Flag::default());
            let mut ran_on = None;
            within.scope(|scope| {
                let other = scope.submit(|| {
                    assert_ne!(thread::current().id(), here);
                    scope.execute(|| {
                        ran_on = Some(thread::current().id());
                        stop.set();
                    });
                    submitted.set();
                    stop.wait(); // so this thread runs nothing
                });
                until(|| other.is_running());
                submitted.wait();
            });
            ran_on == Some(here)
        });
        assert!(outer.join().unwrap());
    });
}

#[test]
fn a_task_that_waits_for_its_scope_runs_nothing_else() {
    limited(|| {
        for threads in [1, 2] {
            let pool = pool(threads);
            let (within, lock) = (pool.handle(), Arc::new(Mutex::new(0)));
            let holder = pool.submit(move || {
                let mut held = lock.lock().unwrap();
                let others: Vec<_> = (0..100)
                    .map(|_| {
                        let lock = Arc::clone(&lock);
                        within.submit(move || workmill::blocking(|| *lock.lock().unwrap() += 1))
                    })
                    .collect();
                let (ran, go) = (AtomicUsize::new(0), Event::new());
                within.scope(|scope| {
                    scope.execute(|| go.wait());
                    for _ in 0..100 {
                        scope.execute(|| add_one(&ran));
                    }
                    // Begins after all others that are queued, and the scope waits for it.
                    scope.execute(|| {
                        within.submit(|| ()).join().unwrap();
                        go.set();
                    });
                });
                *held += ran.into_inner();
                drop(held);
                others.into_iter().for_each(|it| it.join().unwrap());
                *lock.lock().unwrap()
            });
            assert_eq!(holder.join().unwrap(), 200);
        }
    });
}

#[test]
fn tasks_of_scopes_that_wait_for_queued_tasks_of_theirs_finish() {
    limited(|| {
        for threads in [1, 2, 8] {
            let pool = pool(threads);
            let waiting: Vec<_> = (0..threads)
                .map(|n| {
                    pool.submit(move || {
                        let event = Event::new();
                        current().unwrap().scope(|scope| {
                            scope.execute(|| event.set());
                            event.wait();
                            n
                        })
                    })
                })
                .collect();
            for (n, handle) in waiting.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap(), n);
            }
        }
    });
}

#[test]
fn three_hundred_tasks_of_a_scope_wait_on_five_threads_for_the_last() {
    limited(|| {
        let pool = pool(5);
        let within = pool.handle();
        let wait_for_the_last = |pool: &PoolRef| {
            let (event, count) = (Event::new(), AtomicUsize::new(0));
            pool.scope(|scope| {
                for _ in 0..300 {
                    scope.execute(|| {
                        event.wait();
                        add_one(&count);
                    });
                }
                scope.execute(|| event.set());
            });
            count.into_inner()
        };
        assert_eq!(wait_for_the_last(&pool), 300);
        let inside = pool.submit(move || wait_for_the_last(&within));
        assert_eq!(inside.join().unwrap(), 300);
    });
}

#[test]
fn a_task_of_a_scope_that_never_ends_leaves_the_others_alone() {
    limited(|| {
        let pool = pool(2);
        let (sender, receiver) = mpsc::channel::<()>();
        let (scoped, others_ended) = (pool.clone(), Flag::default());
        let others_end = others_ended.clone();
        let owner = thread::spawn(move || {
            let receiver = Mutex::new(receiver);
            scoped.scope(|scope| {
                let stuck = scope.submit(|| receiver.lock().unwrap().recv().is_err());
                let others: Vec<_> = (0..100).map(|n| scope.submit(move || n)).collect();
                let sum: i32 = others.into_iter().map(|it| it.join().unwrap()).sum();
                assert_eq!(sum, 4950);
                others_end.set();
                assert!(stuck.join().unwrap());
            });
        });
        others_ended.wait();
        let busy = pool
            .shutdown_timeout(Duration::from_millis(50))
            .unwrap_err();
        let named = |task: &str| task.contains("a_task_of_a_scope_that_never_ends");
        assert!(busy.busy().iter().any(|it| named(it.task())));
        drop(sender);
        owner.join().unwrap();
        pool.shutdown();
    });
}

/// Opens a scope for each level, with a task that descends one level less.
fn descend(levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let below = AtomicUsize::new(0);
    current().unwrap().scope(|scope| {
        scope.execute(|| below.store(descend(levels - 1), Ordering::Relaxed));
    });
    below.into_inner() + 1
}

#[test]
fn ten_thousand_scopes_lie_in_each_other_on_one_thread() {
    in_child(&[], || {
        let pool = pool(1);
        let outermost = pool.submit(|| descend(10_000));
        assert_eq!(outermost.join().unwrap(), 10_000);
        assert_eq!(pool.metrics().uncovered_waits, 0);
    });
}

#[test]
fn two_thousand_scopes_lie_in_each_other_on_small_stacks() {
    in_child(&[], || {
        for threads in [1, 2] {
            let builder = Builder::new().threads(threads).stack_size(64 << 10);
            let pool = builder.build().unwrap();
            let outermost = pool.submit(|| descend(2000));
            assert_eq!(outermost.join().unwrap(), 2000);
            assert_eq!(pool.metrics().uncovered_waits, 0);
        }
    });
}

#[test]
fn a_closure_larger_than_the_stack_runs_in_a_scope() {
    limited(|| {
        let builder = Builder::new().threads(1).stack_size(64 << 10);
        let pool = builder.build().unwrap();
        let factor = 2;
        let sum = pool.scope(|scope| {
            let load = [7_u8; 1 << 20];
            let sum = move || factor * load.iter().map(|&byte| u64::from(byte)).sum::<u64>();
            scope.submit(sum).join().unwrap()
        });
        assert_eq!(sum, 14 << 20);
        // Cancelled ones are not read there either.
        let release = occupy(&pool);
        pool.scope(|scope| {
            let load = [7_u8; 1 << 20];
            let handle = scope.submit(move || factor + u64::from(load[0]));
            pool.shutdown_now();
            assert!(handle.join().unwrap_err().is_cancelled());
            release.set();
        });
    });
}

#[test]
fn a_cycle_of_joins_between_tasks_of_a_scope_is_found() {
    limited(|| {
        let pool = pool(2);
        type Slot<'scope> = Mutex<Option<ScopedJoinHandle<'scope, bool>>>;
        pool.scope(|scope| {
            let slots: Arc<[Slot<'_>; 2]> = Arc::default();
            let (go, theirs) = (Arc::new(Event::new()), Arc::clone(&slots));
            let joins = |other: usize| {
                let (go, slots) = (Arc::clone(&go), Arc::clone(&theirs));
                scope.submit(move || {
                    go.wait();
                    let handle = slots[other].lock().unwrap().take().unwrap();
                    let reason = handle.join().err().and_then(|error| error.cancel_reason());
                    reason == Some(CancelReason::Deadlock)
                })
            };
            let (one, other) = (joins(1), joins(0));
            *slots[0].lock().unwrap() = Some(one);
            *slots[1].lock().unwrap() = Some(other);
            go.set();
        });
    });
}

/// Counts the values of a type that are alive.
struct Living<'a>(&'a AtomicUsize, usize);

impl<'a> Living<'a> {
    fn new(alive: &'a AtomicUsize, value: usize) -> Self {
        add_one(alive);
        Self(alive, value)
    }
}

impl Drop for Living<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_slice_is_mapped_in_order() {
    limited(|| {
        everywhere(|pool| {
            for len in [0, 1, 2, 3, 100, 10_001] {
                let alive = AtomicUsize::new(0);
                let numbers: Vec<_> = (0..len).collect();
                let results = pool.map_slice(&numbers, |n| Living::new(&alive, n * 2));
                let results = results.unwrap();
                assert_eq!(alive.load(Ordering::SeqCst), len);
                assert!(results.iter().map(|it| it.1).eq((0..len).map(|n| n * 2)));
                drop(results);
                assert_eq!(alive.into_inner(), 0);
                assert_eq!(pool.map_slice(&numbers, |_| ()).unwrap().len(), len);
                assert_eq!(
                    pool.map_slice(&vec![(); len], |()| 1).unwrap(),
                    vec![1; len]
                );
            }
        });
    });
}

#[test]
fn a_slice_whose_map_panics_is_an_error_and_leaves_nothing() {
    limited(|| {
        everywhere(|pool| {
            for bad in [0, 1, 499, 500, 998, 999] {
                let alive = AtomicUsize::new(0);
                let numbers: Vec<_> = (0..1000).collect();
                let error = pool.map_slice(&numbers, |&n| {
                    if n == bad {
                        panic_any("out of flour");
                    }
                    Living::new(&alive, n)
                });
                let error = error.map(drop).unwrap_err();
                assert!(error.is_panic(), "{error}");
                assert!(
                    error.task_name().contains("a_slice_whose_map_panics"),
                    "{error}"
                );
                assert_eq!(error.panic_message(), Some("out of flour"));
                assert_eq!(alive.into_inner(), 0);
            }
            // More than one.
            let numbers: Vec<_> = (0..1000).collect();
            let error = pool.map_slice(&numbers, |&n: &i32| assert!(n % 2 == 0, "out of flour"));
            assert_eq!(error.unwrap_err().panic_message(), Some("out of flour"));
        });
    });
}

#[test]
fn a_slice_whose_map_panics_is_an_error_though_results_panic_in_their_drops() {
    limited(|| {
        everywhere(|pool| {
            for bad in [0, 500, 999] {
                let numbers: Vec<_> = (0..1000).collect();
                let error = pool.map_slice(&numbers, |&n| {
                    if n == bad {
                        panic_any("out of flour");
                    }
                    Bomb { depth: 3 }
                });
                let error = error.map(std::mem::forget).unwrap_err();
                assert_eq!(error.panic_message(), Some("out of flour"));
            }
        });
    });
}

#[test]
fn a_slice_is_split_for_threads_that_have_nothing_to_do() {
    limited(|| {
        let pool = pool(4);
        // They meet, so each of four threads has one of them.
        let barrier = std::sync::Barrier::new(4);
        let mapped = pool.map_slice(&[(); 4], |()| barrier.wait().is_leader());
        assert_eq!(mapped.unwrap().iter().filter(|leads| **leads).count(), 1);
    });
}

#[test]
fn maps_of_slices_nest() {
    limited(|| {
        everywhere(|pool| {
            let rows: Vec<Vec<usize>> = (0..20).map(|row| (0..row).collect()).collect();
            let squares = pool.map_slice(&rows, |row| pool.map_slice(row, |n| n * n).unwrap());
            for (row, squares) in squares.unwrap().into_iter().enumerate() {
                assert!(squares.into_iter().eq((0..row).map(|n| n * n)));
            }
        });
    });
}

#[test]
fn a_pool_that_is_shut_down_maps_nothing() {
    limited(|| {
        let pool = pool(1);
        pool.shutdown();
        let error = pool
            .map_slice(&[1, 2, 3], |_| unreachable!())
            .map(drop::<Vec<()>>);
        assert_eq!(
            error.unwrap_err().cancel_reason(),
            Some(CancelReason::Shutdown)
        );
        // Or goes on to map.
        let pool = self::pool(1);
        let owner = pool.clone();
        let numbers: Vec<_> = (0..1000).collect();
        let error = pool.map_slice(&numbers, |n| owner.shutdown_now().min(*n));
        assert_eq!(
            error.unwrap_err().cancel_reason(),
            Some(CancelReason::Shutdown)
        );
    });
}

#[cfg(unix)]
mod forked {
    use super::{AtomicUsize, Mutex, add_one, pool, until};
    use crate::child::alone;
    use crate::forking::{assert_forked, exit, fork, fork_and_go_on};
    use crate::support::Flag;
    use std::process;

    #[test]
    fn a_scope_that_is_opened_in_a_child_runs_nothing_and_ends() {
        alone(|| {
            let pool = pool(1);
            fork(|| {
                pool.scope(|scope| assert_forked(scope.submit(|| unreachable!()).join()));
                assert_forked(
                    pool.map_slice(&[1], |_| unreachable!())
                        .map(drop::<Vec<()>>),
                );
            })
            .ends_well();
        });
    }

    #[test]
    fn a_scope_in_which_a_process_is_forked_ends_in_the_child_when_nothing_runs() {
        alone(|| {
            let pool = pool(1);
            let ended = pool.scope(|scope| {
                let ends = scope.submit(|| ());
                until(|| ends.is_finished());
                fork_and_go_on()
            });
            match ended {
                Some(child) => child.ends_well(),
                None => exit(0),
            }
            // In a task: what has not begun is the parent's.
            let (parent, within) = (process::id(), pool.handle());
            let forks = pool.submit(move || {
                let (mut ran, process) = (0, process::id());
                let child = within.scope(|scope| {
                    scope.execute(|| {
                        assert_eq!(process, process::id());
                        ran += 1;
                    });
                    let handle = scope.submit(|| ());
                    let child = fork_and_go_on();
                    match &child {
                        Some(_) => handle.join().unwrap(),
                        None => assert_forked(handle.join()),
                    }
                    child
                });
                if process::id() != process {
                    exit(ran);
                }
                assert_eq!(ran, 1);
                child
            });
            let child = forks.join().unwrap();
            assert_eq!(process::id(), parent);
            child.unwrap().ends_well();
        });
    }

    #[test]
    fn what_lies_in_scopes_within_each_other_in_a_child_never_runs_and_the_scopes_end() {
        alone(|| {
            let pool = pool(1);
            let within = pool.handle();
            let forks = pool.submit(move || {
                let (ran, process) = (AtomicUsize::new(0), process::id());
                let run = || {
                    assert_eq!(process, process::id());
                    add_one(&ran);
                };
                let child = within.scope(|outer| {
                    outer.execute(run);
                    outer.execute(run);
                    let child = within.scope(|inner| {
                        inner.execute(run);
                        outer.execute(run);
                        inner.execute(run);
                        fork_and_go_on()
                    });
                    // To a pool that is not there.
                    outer.execute(run);
                    child
                });
                if process::id() != process {
                    exit(i32::from(ran.into_inner() > 0));
                }
                assert_eq!(ran.into_inner(), 6);
                child
            });
            forks.join().unwrap().unwrap().ends_well();
        });
    }

    /// Exits when it is dropped in another process than that in which it was made.
    struct OfTheParent(u32);

    impl Drop for OfTheParent {
        fn drop(&mut self) {
            if process::id() != self.0 {
                exit(1);
            }
        }
    }

    #[test]
    fn what_a_task_has_captured_is_not_dropped_in_a_child_that_has_the_last_of_the_pool() {
        alone(|| {
            let pool = pool(1);
            let within = pool.clone();
            let forks = pool.submit(move || {
                let child = within.scope(|scope| {
                    for _ in 0..5 {
                        let captured = OfTheParent(process::id());
                        scope.execute(move || drop(captured));
                    }
                    fork_and_go_on()
                });
                drop(within);
                child
            });
            drop(pool);
            // The child's worker ends, and with it the process, as its other thread is not there.
            forks.join().unwrap().unwrap().ends_well();
        });
    }

    #[test]
    fn a_task_that_forks_while_its_owner_waits_ends_its_scopes_in_the_child() {
        alone(|| {
            let pool = pool(1);
            let within = pool.handle();
            let forks = pool.submit(move || {
                let (ran, process) = (AtomicUsize::new(0), process::id());
                let child = Mutex::new(None);
                within.scope(|scope| {
                    // It is run last.
                    scope.execute(|| {
                        assert_eq!(process, process::id());
                        add_one(&ran);
                    });
                    scope.execute(|| *child.lock().unwrap() = fork_and_go_on());
                    scope.execute(|| add_one(&ran));
                });
                let ran = ran.into_inner();
                if process::id() != process {
                    exit(i32::from(ran != 1));
                }
                assert_eq!(ran, 2);
                child.into_inner().unwrap()
            });
            forks.join().unwrap().unwrap().ends_well();
        });
    }

    #[test]
    fn a_child_is_aborted_rather_than_return_while_another_thread_may_run_what_lay_on_a_stack() {
        alone(|| {
            let pool = pool(2);
            let within = pool.handle();
            let forks = pool.submit(move || {
                let (begun, go) = (Flag::default(), Flag::default());
                let (mut changed, mut later) = (0, 0);
                let child = within.scope(|scope| {
                    scope.execute(|| {
                        begun.set();
                        go.wait();
                        changed = 1;
                    });
                    begun.wait();
                    scope.execute(|| later = 1);
                    let child = fork_and_go_on();
                    if child.is_some() {
                        go.set();
                    }
                    child
                });
                assert_eq!((changed, later), (1, 1));
                child
            });
            let child = forks.join().unwrap();
            child.unwrap_or_else(|| exit(0)).aborts();
        });
    }

    #[test]
    fn a_child_is_aborted_rather_than_return_while_a_task_may_have_been_running() {
        alone(|| {
            let pool = pool(1);
            let (go, mut changed) = (Flag::default(), 0);
            let child = pool.scope(|scope| {
                let runs = scope.submit(|| {
                    go.wait();
                    changed = 1;
                });
                until(|| runs.is_running());
                let child = fork_and_go_on();
                if child.is_none() {
                    assert_forked(runs.join());
                }
                go.set();
                child
            });
            assert_eq!(changed, 1);
            child.unwrap_or_else(|| exit(0)).aborts();
        });
    }
}
