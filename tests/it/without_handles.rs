//! The tasks of a group that have no handle are short of nothing that a group promises: they keep
//! their order among the others, give way, are cancelled, and are counted.

#[cfg(unix)]
use std::process;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use workmill::{Builder, Event, Group, Priority, ThreadPoolExecutor, Warning, WouldDeadlock};

#[cfg(unix)]
use crate::child::alone;
#[cfg(unix)]
use crate::forking::{exit, fork, fork_and_go_on};
use crate::support::{Drops, Flag, limited, occupy, until};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

/// Submits the closure in one of several ways, so that tasks of all kinds meet in a group.
fn submit_as(group: &Group, kind: usize, closure: impl FnOnce() + Send + 'static) {
    match kind {
        0 => drop(group.submit(closure)),
        1 => drop(group.spawn(async move { closure() })),
        2 => group.named("named").execute(closure),
        _ => group.execute(closure),
    }
}

#[test]
fn tasks_of_all_kinds_keep_the_order_of_their_submission() {
    limited(|| {
        let pool = pool(3);
        for round in 0..30 {
            let group = pool.limited(1);
            let order = Arc::new(Mutex::new(Vec::new()));
            let most = [1, 5, 30, 200][round % 4];
            for n in 0..2000 {
                let order = Arc::clone(&order);
                submit_as(&group, n * 7919 % 5003 % most, move || {
                    order.lock().unwrap().push(n);
                });
            }
            group.wait_idle().unwrap();
            let order = order.lock().unwrap();
            assert!(order.iter().copied().eq(0..2000), "{most}: {order:?}");
        }
    });
}

#[test]
fn an_urgent_task_waits_for_few_of_those_without_handles() {
    limited(|| {
        let pool = pool(2);
        for limit in [1, 2] {
            let group = pool.limited(limit);
            let (begun, ran) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
            let go = Arc::new(Event::new());
            for _ in 0..limit {
                let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
                group.execute(move || {
                    begun.set();
                    workmill::blocking(|| go.wait());
                });
            }
            begun.wait();
            for _ in 0..1000 {
                let ran = Arc::clone(&ran);
                group.execute(move || {
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
            let seen = Arc::clone(&ran);
            let urgent = group
                .priority(Priority::High)
                .submit(move || seen.load(Ordering::SeqCst));
            // Submitted after the others, so it runs after them.
            let seen = Arc::clone(&ran);
            let usual = group.submit(move || seen.load(Ordering::SeqCst));
            go.set();
            let urgent = urgent.join().unwrap();
            // Others may run beside it, and what came from outside has its turn once in that many.
            assert!(urgent <= 64, "{urgent}");
            assert!(usual.join().unwrap() >= 1000 - limit);
            group.wait_idle().unwrap();
            assert_eq!(ran.load(Ordering::SeqCst), 1000);
        }
    });
}

#[test]
fn other_tasks_have_their_turn_among_them() {
    limited(|| {
        let pool = pool(1);
        let (group, other) = (pool.limited(1), pool.limited(1));
        let release = occupy(&pool);
        let ran = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let ran = Arc::clone(&ran);
            group.execute(move || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        let look = || {
            let ran = Arc::clone(&ran);
            move || ran.load(Ordering::SeqCst)
        };
        let polled = look();
        let handles = [
            pool.submit(look()),
            pool.spawn(async move { polled() }),
            other.submit(look()),
            pool.priority(Priority::High).submit(look()),
        ];
        release.set();
        // The turn of what came from outside comes once in that many.
        for (n, handle) in (1..).zip(handles) {
            let seen = handle.join().unwrap();
            assert!(seen <= 64 * n, "{n}: {seen}");
        }
        group.wait_idle().unwrap();
    });
}

#[test]
fn stopping_the_group_cancels_those_that_have_not_begun() {
    limited(|| {
        let (pool, drops) = (pool(2), Drops::default());
        for _ in 0..50 {
            let group = pool.limited(2);
            let ran = Arc::new(AtomicUsize::new(0));
            for _ in 0..200 {
                let (value, ran) = (drops.value(), Arc::clone(&ran));
                group.execute(move || {
                    let _value = value;
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
            let cancelled = group.shutdown_now();
            group.shutdown();
            assert_eq!(ran.load(Ordering::SeqCst) + cancelled, 200);
            assert_eq!(drops.count(), 200);
            drops.reset();
            let metrics = group.metrics();
            assert_eq!(metrics.accepted, 200);
            assert_eq!(metrics.cancelled.shutdown, cancelled as u64);
            assert_eq!(metrics.finished, 200 - cancelled as u64);
            assert_eq!((metrics.queued, metrics.in_progress), (0, 0));
            // It is closed.
            group.execute(|| unreachable!());
        }
        pool.wait_idle().unwrap();
        let metrics = pool.metrics();
        assert_eq!(metrics.accepted, 50 * 200);
        assert_eq!((metrics.queued, metrics.in_progress), (0, 0));
    });
}

#[test]
fn the_end_of_the_pool_runs_them_or_cancels_them() {
    limited(|| {
        for (stops, behind_a_handle) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let (pool, drops) = (pool(2), Drops::default());
            let ran = Arc::new(AtomicUsize::new(0));
            let group = pool.limited(1);
            let release = match behind_a_handle {
                true => occupy(&group.named("before them")),
                false => occupy(&group),
            };
            for _ in 0..500 {
                let (value, ran) = (drops.value(), Arc::clone(&ran));
                group.execute(move || {
                    let _value = value;
                    ran.fetch_add(1, Ordering::SeqCst);
                });
            }
            if stops {
                assert_eq!(pool.shutdown_now(), 500);
                assert_eq!(drops.count(), 500);
                release.set();
            } else {
                release.set();
                pool.shutdown();
                assert_eq!(ran.load(Ordering::SeqCst), 500);
                assert_eq!(drops.count(), 500);
            }
            group.shutdown();
            until(|| pool.metrics().in_progress == 0);
            assert_eq!(pool.metrics().accepted, 501);
        }
    });
}

#[test]
fn submissions_race_the_end_of_the_pool() {
    limited(|| {
        for round in 0..200 {
            let (pool, drops) = (pool(2), Drops::default());
            let ran = Arc::new(AtomicUsize::new(0));
            let group = pool.limited(1 + round % 2);
            let submitter = {
                let (group, drops, ran) = (group.clone(), drops.clone(), Arc::clone(&ran));
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let (value, ran) = (drops.value(), Arc::clone(&ran));
                        group.execute(move || {
                            let _value = value;
                            ran.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                })
            };
            until(|| ran.load(Ordering::SeqCst) > 5);
            pool.shutdown_now();
            submitter.join().unwrap();
            group.shutdown();
            pool.shutdown();
            assert_eq!(drops.count(), 200);
            let metrics = group.metrics();
            assert_eq!(metrics.finished, ran.load(Ordering::SeqCst) as u64);
            assert_eq!(
                metrics.accepted,
                metrics.finished + metrics.cancelled.shutdown
            );
        }
    });
}

#[test]
fn their_panics_are_told_and_counted_and_the_next_one_runs() {
    limited(|| {
        let (hear, told) = mpsc::channel();
        let pool = Builder::new()
            .threads(1)
            .panic_handler(move |_| hear.send(()).unwrap())
            .build()
            .unwrap();
        let group = pool.limited(1);
        let release = occupy(&group);
        for n in 0..100 {
            group.execute(move || assert!(n % 4 != 0, "as it is told to"));
        }
        release.set();
        group.wait_idle().unwrap();
        assert_eq!(told.try_iter().count(), 25);
        let metrics = group.metrics();
        assert_eq!((metrics.panicked, metrics.finished), (25, 76));
        assert_eq!(pool.metrics().panicked, 25);
    });
}

#[test]
fn their_permit_is_free_while_their_panic_is_told() {
    limited(|| {
        let next_ran = Flag::default();
        let (hear, told) = mpsc::channel();
        let group = Arc::new(OnceLock::<Group>::new());
        let (next, own) = (next_ran.clone(), Arc::clone(&group));
        let pool = Builder::new()
            .threads(2)
            .panic_handler(move |_| {
                next.wait();
                let own = own.get().unwrap();
                // The task whose panic this is has not ended.
                assert_eq!(own.wait_idle(), Err(WouldDeadlock));
                hear.send(own.submit(|| 42).join().unwrap()).unwrap();
            })
            .build()
            .unwrap();
        let group = group.get_or_init(|| pool.limited(1));
        for waits in [false, true] {
            let own = group.clone();
            let release = occupy(group);
            group.execute(move || {
                if waits {
                    own.submit(|| ()).join().unwrap();
                }
                panic!("as it is told to");
            });
            let next = next_ran.clone();
            group.execute(move || next.set());
            release.set();
            group.wait_idle().unwrap();
            assert_eq!(told.try_recv(), Ok(42));
        }
        let metrics = group.metrics();
        assert_eq!((metrics.accepted, metrics.finished), (9, 7));
        assert_eq!(metrics.panicked, 2);
    });
}

#[test]
fn they_lend_their_permit_and_cannot_wait_for_their_group() {
    limited(|| {
        let pool = pool(1);
        let group = pool.limited(1);
        let (hear, told) = mpsc::channel();
        for n in 0..100 {
            let (own, hear) = (group.clone(), hear.clone());
            group.execute(move || {
                assert!(matches!(own.wait_idle(), Err(WouldDeadlock)));
                let square = own.submit(move || n * n).join().unwrap();
                let awaited = workmill::block_on(own.spawn(async move { n })).unwrap();
                hear.send((square, awaited)).unwrap();
            });
        }
        let results: Vec<_> = told.iter().take(100).collect();
        assert!(results.iter().all(|(square, n)| *square == n * n));
        group.wait_idle().unwrap();
    });
}

#[test]
fn the_user_is_warned_when_those_before_them_wait_for_long() {
    limited(|| {
        let (hear, told) = mpsc::channel();
        let tell = move |warning: Warning| match warning {
            Warning::GroupStands(limit) => hear.send(limit).unwrap(),
            other => panic!("{other}"),
        };
        let pool = Builder::new().threads(2).on_warning(tell).build().unwrap();
        let (first, second) = (pool.limited(1), pool.limited(2));
        let event = Arc::new(Event::new());
        let waiter = |waits: usize| {
            let event = Arc::clone(&event);
            move || (0..waits).for_each(|_| event.wait())
        };
        // The one that waits comes before the other is put, and after.
        first.execute(waiter(1));
        first.execute(waiter(0));
        let begins = Arc::new(Event::new());
        for _ in 0..2 {
            let (begins, waits) = (Arc::clone(&begins), waiter(1));
            second.execute(move || {
                workmill::blocking(|| begins.wait());
                waits();
            });
        }
        second.execute(waiter(0));
        begins.set();
        let mut limits = [told.recv().unwrap(), told.recv().unwrap()];
        limits.sort_unstable();
        assert_eq!(limits, [1, 2]);
        event.set();
        first.wait_idle().unwrap();
        second.wait_idle().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn one_that_forks_leaves_the_others_to_the_parent() {
    alone(|| {
        let pool = pool(1);
        let group = pool.limited(1);
        let release = occupy(&group);
        let ran = Arc::new(AtomicUsize::new(0));
        let (hear, told) = mpsc::channel();
        let inside = Arc::clone(&ran);
        let own = group.clone();
        group.execute(move || {
            let child = fork(|| {
                // The child has no part of it.
                own.execute(|| unreachable!());
                assert_eq!(inside.load(Ordering::SeqCst), 0);
            });
            hear.send(child).unwrap();
        });
        for _ in 0..100 {
            let ran = Arc::clone(&ran);
            group.execute(move || {
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        release.set();
        told.recv().unwrap().ends_well();
        group.wait_idle().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 100);
    });
}

#[cfg(unix)]
#[test]
fn one_that_forks_and_returns_in_the_child_drops_none_of_the_others_there() {
    alone(|| {
        let process = process::id();
        let only_here = OnlyIn(process);
        let pool = pool(1);
        let group = pool.limited(1);
        let release = occupy(&group);
        let (begun, go) = (Flag::default(), Flag::default());
        let (begins, goes) = (begun.clone(), go.clone());
        let (hear, told) = mpsc::channel();
        group.execute(move || {
            begins.set();
            goes.wait();
            if let Some(child) = fork_and_go_on() {
                hear.send(child).unwrap();
            }
        });
        release.set();
        begun.wait();
        // Nothing else waits, and this is the last reference to the group but those of its tasks.
        group.execute(move || drop(only_here));
        drop(group);
        go.set();
        told.recv().unwrap().ends_well();
        pool.shutdown();
    });
}

/// The exit status of a process says that it has dropped this, unless that is the right one.
#[cfg(unix)]
struct OnlyIn(u32);

#[cfg(unix)]
impl Drop for OnlyIn {
    fn drop(&mut self) {
        if process::id() != self.0 {
            exit(13);
        }
    }
}

#[cfg(unix)]
#[test]
fn the_counts_of_their_group_can_be_read_in_a_child() {
    alone(|| {
        let pool = pool(1);
        let group = pool.limited(1);
        let over = Arc::new(AtomicBool::new(false));
        let submitter = {
            let (group, over) = (group.clone(), Arc::clone(&over));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    (0..100).for_each(|_| group.execute(|| ()));
                    group.wait_idle().unwrap();
                }
            })
        };
        // Some forks find the lock of the group taken.
        for _ in 0..300 {
            fork(|| {
                let metrics = group.metrics();
                assert!(metrics.finished <= metrics.accepted);
            })
            .ends_well();
        }
        over.store(true, Ordering::Relaxed);
        submitter.join().unwrap();
    });
}

#[test]
fn a_group_made_within_has_its_turns() {
    limited(|| {
        let pool = pool(1);
        let outer = pool.limited(1);
        let release = occupy(&outer);
        let ran = Arc::new(AtomicUsize::new(0));
        let count = || {
            let ran = Arc::clone(&ran);
            move || {
                ran.fetch_add(1, Ordering::SeqCst);
            }
        };
        (0..10).for_each(|_| outer.execute(count()));
        let inner = outer.limited(1);
        (0..1000).for_each(|_| outer.execute(count()));
        let seen = Arc::clone(&ran);
        let late = inner.submit(move || seen.load(Ordering::SeqCst));
        release.set();
        let late = late.join().unwrap();
        assert!(late <= 12, "{late}");
        outer.wait_idle().unwrap();
    });
}

#[test]
fn a_rejected_one_goes_to_the_hook() {
    limited(|| {
        let (hear, told) = mpsc::channel();
        let pool = Builder::new()
            .threads(1)
            .on_rejected(move |_| hear.send(()).unwrap())
            .build()
            .unwrap();
        let group = pool.limited(1);
        group.shutdown();
        group.execute(|| unreachable!());
        told.recv().unwrap();
        let group = pool.limited(1);
        pool.shutdown();
        group.execute(|| unreachable!());
        told.recv().unwrap();
        assert_eq!(group.metrics().accepted, 0);
    });
}
