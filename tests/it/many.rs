//! Many tasks at once: `wait`, `as_completed`, `JoinSet` and the others tell truly what has ended,
//! and lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use workmill::{
    AnyHandle, Builder, CancelReason, Event, JoinHandle, JoinSet, Overflow, TaskError,
    ThreadPoolExecutor, WaitFor, as_completed, first_ok, join_all, promise, try_wait, wait,
    wait_async, wait_timeout,
};

use crate::support::{Drops, Flag, limited, occupy};

fn pool(threads: usize) -> ThreadPoolExecutor {
    ThreadPoolExecutor::new(threads).unwrap()
}

/// CPython counts such tasks as unfinished until a worker meets them, and hangs if none does.
#[test]
fn a_cancelled_task_has_ended_at_once_also_after_shutdown_now() {
    limited(|| {
        for cancel_all in [false, true] {
            let pool = pool(1);
            let release = occupy(&pool);
            let mut handles: Vec<_> = (0..50).map(|n| pool.submit(move || n)).collect();
            assert!(try_wait(&mut handles).is_empty());
            if cancel_all {
                pool.shutdown_now();
            } else {
                handles.iter().for_each(|handle| assert!(handle.cancel()));
            }
            for until in [WaitFor::Any, WaitFor::FirstFailure, WaitFor::All] {
                assert_eq!(wait(&mut handles, until).len(), 50, "{until:?}");
            }
            assert_eq!(try_wait(&mut handles).len(), 50);
            let ended = as_completed(handles).map(|(index, outcome)| {
                assert!(outcome.unwrap_err().is_cancelled());
                index
            });
            assert!(ended.eq(0..50), "in the order of the handles");
            release.set();
        }
    });
}

#[test]
fn shutdown_now_in_the_middle_ends_each_kind_of_wait() {
    limited(|| {
        let pool = Arc::new(pool(2));
        let (begun, go) = (Flag::default(), Flag::default());
        let (begins, waits) = (begun.clone(), go.clone());
        let mut handles = vec![pool.submit(move || {
            begins.set();
            waits.wait();
            0
        })];
        begun.wait();
        let other = occupy(&pool);
        handles.extend((1..50).map(|n| pool.submit(move || n)));
        let stopper = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.shutdown_now())
        };
        let failed = wait(&mut handles, WaitFor::FirstFailure);
        assert!(!failed.is_empty() && !failed.contains(&0));
        stopper.join().unwrap();
        go.set();
        other.set();
        let (finished, cancelled): (Vec<_>, Vec<_>) = as_completed(handles)
            .map(|(_, outcome)| outcome)
            .partition(Result::is_ok);
        assert_eq!((finished.len(), cancelled.len()), (1, 49));
    });
}

#[test]
fn wait_takes_handles_of_different_types_pools_and_promises() {
    limited(|| {
        let (one, other) = (pool(1), pool(1));
        let (given, mut promised) = promise::<Vec<u8>>();
        let (mut text, mut number) = (one.submit(|| "rye"), other.spawn(async { 7 }));
        let mut shared = one.submit(|| 1).shared();
        let mut flat = other.submit(|| "x".parse::<u32>()).flat();
        let mut all: [&mut dyn AnyHandle; 5] = [
            &mut promised,
            &mut text,
            &mut number,
            &mut shared,
            &mut flat,
        ];
        assert!(!wait(&mut all, WaitFor::Any).is_empty());
        assert!(wait(&mut all, WaitFor::FirstFailure).contains(&4));
        let early = wait_timeout(&mut all, WaitFor::All, Duration::from_millis(20));
        assert!(!early.contains(&0));
        given.complete(vec![1]).unwrap();
        assert_eq!(wait(&mut all, WaitFor::All), [0, 1, 2, 3, 4]);
        assert_eq!(block_on(wait_async(&mut all, WaitFor::All)).len(), 5);
        assert_eq!(text.join().unwrap(), "rye");
        assert_eq!(number.join().unwrap() + shared.join().unwrap(), 8);
        assert!(matches!(flat.join(), Err(TaskError::Returned(_))));
        assert_eq!(promised.join().unwrap(), [1]);
    });
}

#[test]
fn wait_for_any_ends_with_the_first_and_for_a_failure_with_that() {
    limited(|| {
        let pool = pool(1);
        let (mut given, mut handles): (Vec<_>, Vec<_>) = (0..5).map(|_| promise::<u32>()).unzip();
        let last = given.pop().unwrap();
        let answer = pool.submit(move || last.complete(4).unwrap());
        assert_eq!(wait(&mut handles, WaitFor::Any), [4]);
        answer.join().unwrap();
        drop(given.remove(1));
        assert_eq!(wait(&mut handles, WaitFor::FirstFailure), [1, 4]);
        assert_eq!(
            block_on(wait_async(&mut handles, WaitFor::FirstFailure)),
            [1, 4]
        );
        assert_eq!(block_on(wait_async(&mut handles, WaitFor::Any)), [1, 4]);
        let none: &mut [JoinHandle<u32>] = &mut [];
        for until in [WaitFor::Any, WaitFor::All, WaitFor::FirstFailure] {
            assert!(wait(none, until).is_empty(), "nothing to wait for");
        }
    });
}

#[test]
fn a_task_that_waits_for_all_needs_no_other_thread() {
    limited(|| {
        let pool = pool(1);
        let outer = pool.submit(|| {
            let pool = workmill::current().unwrap();
            let mut inner: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
            assert_eq!(wait(&mut inner, WaitFor::All).len(), 100);
            let sum: i32 = join_all(inner).into_iter().map(Result::unwrap).sum();
            let mut more: Vec<_> = (0..10).map(|n| pool.submit(move || n)).collect();
            wait(&mut more, WaitFor::Any);
            sum + as_completed(more).map(|(_, n)| n.unwrap()).sum::<i32>()
        });
        assert_eq!(outer.join().unwrap(), 4950 + 45);
    });
}

#[test]
fn a_wait_in_a_cycle_ends() {
    limited(|| {
        let pool = pool(2);
        let (send, receive) = std::sync::mpsc::channel::<JoinHandle<usize>>();
        let own = pool.submit(move || {
            let mut own = [receive.recv().unwrap()];
            let ended = wait(&mut own, WaitFor::All).len();
            let [own] = own;
            drop(own);
            ended
        });
        let shared = own.shared();
        let (sees, watcher) = (shared, pool.submit(|| 0));
        send.send(watcher).unwrap();
        assert_eq!(sees.join().unwrap(), 1);
        // A task that waits for itself.
        let (send, receive) = std::sync::mpsc::channel::<workmill::SharedHandle<usize>>();
        let own = pool
            .submit(move || {
                let mut own = [receive.recv().unwrap()];
                wait(&mut own, WaitFor::All).len()
            })
            .shared();
        send.send(own.clone()).unwrap();
        assert_eq!(own.join().unwrap(), 0, "it has not ended, and never would");
    });
}

#[test]
fn outcomes_come_in_the_order_in_which_tasks_end() {
    limited(|| {
        let pool = pool(4);
        let events: Vec<_> = (0..4).map(|_| Arc::new(Event::new())).collect();
        let handles: Vec<_> = events
            .iter()
            .enumerate()
            .map(|(n, event)| {
                let event = Arc::clone(event);
                pool.submit(move || {
                    event.wait();
                    n
                })
            })
            .collect();
        let mut completed = as_completed(handles);
        assert_eq!(completed.pending(), 4);
        for next in [2, 0, 3, 1] {
            events[next].set();
            let (index, outcome) = completed.next().unwrap();
            assert_eq!((index, outcome.unwrap()), (next, next));
        }
        assert!(completed.next().is_none() && completed.next().is_none());
    });
}

#[test]
fn as_completed_ends_at_its_deadline_and_gives_the_rest_back() {
    limited(|| {
        let pool = pool(1);
        let (given, promised) = promise();
        let handles = [promised, pool.submit(|| 1)];
        pool.wait_idle().unwrap();
        let mut completed = as_completed(handles).timeout(Duration::from_millis(20));
        assert_eq!(completed.next().unwrap().0, 1);
        assert!(completed.next().is_none(), "the time is over");
        let mut rest = completed.into_pending();
        assert_eq!(rest.len(), 1);
        let (index, handle) = rest.remove(0);
        given.complete(0).unwrap();
        assert_eq!((index, handle.join().unwrap()), (0, 0));
        // A deadline that has passed: what has ended still comes.
        let handles = [pool.submit(|| 1)];
        pool.wait_idle().unwrap();
        let late = as_completed(handles).deadline(Instant::now());
        assert_eq!(late.count(), 1);
        assert_eq!(as_completed(Vec::<JoinHandle<()>>::new()).count(), 0);
    });
}

#[test]
fn the_first_result_cancels_the_others() {
    limited(|| {
        let pool = pool(1);
        let release = occupy(&pool);
        let ran = Arc::new(AtomicUsize::new(0));
        let (given, promised) = promise();
        let mut handles = vec![promised];
        handles.extend((0..10).map(|_| {
            let ran = Arc::clone(&ran);
            pool.submit(move || ran.fetch_add(1, Ordering::SeqCst))
        }));
        given.complete(42).unwrap();
        assert_eq!(first_ok(handles).unwrap(), 42);
        release.set();
        pool.wait_idle().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        let failing = (0..3).map(|n| pool.submit(move || Err::<(), _>(n)).flat());
        let errors = first_ok(failing).unwrap_err();
        let numbers = errors.into_iter().map(|error| match error {
            TaskError::Returned(n) => n,
            other => panic!("{other:?}"),
        });
        assert!(numbers.eq(0..3), "in the order of the handles");
        assert!(
            first_ok(Vec::<JoinHandle<()>>::new())
                .unwrap_err()
                .is_empty()
        );
    });
}

#[test]
fn a_set_returns_each_task_once_under_its_key() {
    limited(|| {
        let pool = pool(2);
        let mut set = JoinSet::new(&pool);
        for n in 0..1000_usize {
            set.submit(n, move || n * 2);
        }
        set.spawn(1000, async { 2000 });
        let mut seen = vec![false; 1001];
        while let Some((key, outcome)) = set.join_next() {
            assert_eq!(outcome.unwrap(), key * 2);
            assert!(!std::mem::replace(&mut seen[key], true));
        }
        assert!(seen.into_iter().all(|seen| seen) && set.is_empty());
        assert!(set.try_join_next().is_none());
        assert!(
            set.join_next_timeout(Duration::MAX).is_none(),
            "an empty set"
        );
    });
}

#[test]
fn never_more_tasks_of_a_set_are_in_flight_than_its_limit() {
    limited(|| {
        let pool = pool(4);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut set = JoinSet::new(&pool).limit(3);
        for _ in 0..500 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            set.submit((), move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            });
            while set.len() > 10 {
                set.join_next().unwrap().1.unwrap();
            }
        }
        while set.join_next().is_some() {}
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(set.progress().submitted, 500);
        assert_eq!(set.progress().ended, 500);
    });
}

#[test]
fn each_form_of_submission_waits_for_the_limit_as_its_name_says() {
    limited(|| {
        let pool = pool(1);
        let (given, promised) = promise();
        let mut set = JoinSet::new(&pool).limit(1);
        set.insert(0, promised);
        let refused = set.try_submit(1, || 1).unwrap_err();
        assert!(refused.is_full());
        let (key, closure) = refused.into_inner();
        assert_eq!((key, closure()), (1, 1));
        let short = Duration::from_millis(5);
        assert!(set.submit_timeout(1, || 1, short).unwrap_err().is_full());
        let answer = thread::spawn(move || given.complete(0).unwrap());
        set.submit(1, || 1);
        answer.join().unwrap();
        set.submit_timeout(2, || 2, Duration::MAX).unwrap();
        block_on(async {
            set.submit_async(3, || 3).await.unwrap();
            set.spawn_async(4, async { 4 }).await;
        });
        let mut keys: Vec<_> = std::iter::from_fn(|| set.join_next())
            .map(|(key, outcome)| {
                assert_eq!(outcome.unwrap(), key);
                key
            })
            .collect();
        keys.sort_unstable();
        assert_eq!(keys, [0, 1, 2, 3, 4]);
        pool.shutdown();
        set.submit(5, || 5);
        assert!(
            set.submit_timeout(6, || 6, Duration::MAX)
                .unwrap_err()
                .is_shutdown()
        );
        assert!(
            block_on(set.submit_async(6, || 6))
                .unwrap_err()
                .is_shutdown()
        );
        let (key, outcome) = set.join_next().unwrap();
        assert_eq!(
            (key, outcome.unwrap_err().cancel_reason()),
            (5, Some(CancelReason::Shutdown))
        );
    });
}

#[test]
fn a_task_that_waits_for_the_limit_gives_its_slot_away() {
    limited(|| {
        let pool = pool(1);
        let sum = pool.submit(|| {
            let mut set = JoinSet::new(&workmill::current().unwrap()).limit(2);
            let mut sum = 0;
            for n in 0..100 {
                set.submit((), move || n);
            }
            while let Some(((), outcome)) = set.join_next() {
                sum += outcome.unwrap();
            }
            sum
        });
        assert_eq!(sum.join().unwrap(), 4950);
    });
}

#[test]
fn the_drop_of_a_set_cancels_and_its_detach_does_not() {
    limited(|| {
        for detach in [false, true] {
            let pool = pool(1);
            let release = occupy(&pool);
            let (drops, ran) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let mut set = JoinSet::new(&pool);
            for key in 0..10 {
                let (capture, ran) = (drops.value(), Arc::clone(&ran));
                set.submit(key, move || {
                    drop(capture);
                    ran.fetch_add(1, Ordering::SeqCst)
                });
            }
            assert_eq!(set.keys().count(), 10);
            if detach {
                set.detach();
            } else {
                drop(set);
                assert_eq!(drops.count(), 10);
            }
            release.set();
            pool.wait_idle().unwrap();
            assert_eq!(drops.count(), 10);
            assert_eq!(ran.load(Ordering::SeqCst), if detach { 10 } else { 0 });
        }
    });
}

#[test]
fn cancelled_tasks_of_a_set_come_as_cancelled() {
    limited(|| {
        let pool = pool(1);
        let release = occupy(&pool);
        let mut set = JoinSet::new(&pool);
        (0..10).for_each(|key| set.submit(key, || ()));
        set.cancel_all();
        assert_eq!(set.progress().ended, 10);
        let cancelled = std::iter::from_fn(|| set.try_join_next());
        assert_eq!(
            cancelled.filter(|(_, outcome)| outcome.is_err()).count(),
            10
        );
        release.set();
    });
}

#[test]
fn a_future_of_join_next_that_is_dropped_loses_nothing() {
    limited(|| {
        let pool = pool(2);
        let mut set = JoinSet::new(&pool);
        (0..1000).for_each(|key| set.submit(key, || ()));
        let mut count = 0;
        block_on(async {
            while !set.is_empty() {
                let next = futures_lite::future::poll_once(set.join_next_async());
                match next.await {
                    Some(Some(_)) => count += 1,
                    _ => futures_lite::future::yield_now().await,
                }
            }
        });
        assert_eq!(count, 1000);
    });
}

#[test]
fn a_panic_and_a_refusal_come_like_results() {
    limited(|| {
        let pool = Builder::new()
            .threads(1)
            .queue_capacity(1)
            .overflow(Overflow::Reject)
            .build()
            .unwrap();
        let release = occupy(&pool);
        let mut set = JoinSet::new(&pool);
        set.submit("panics", || panic!("out of flour"));
        set.submit("refused", || ());
        let (key, outcome) = set.join_next().unwrap();
        assert_eq!(
            (key, outcome.unwrap_err().cancel_reason()),
            ("refused", Some(CancelReason::Rejected))
        );
        release.set();
        let (key, outcome) = set.join_next().unwrap();
        assert_eq!(
            (key, outcome.unwrap_err().panic_message()),
            ("panics", Some("out of flour"))
        );
    });
}

/// An end that is told twice is lost for another handle, or waited for without end.
#[test]
fn clones_of_a_handle_that_ends_meanwhile_come_once_each() {
    limited(|| {
        let pool = pool(2);
        for round in 0..3_000_u32 {
            let (given, promised) = promise();
            let shared = promised.shared();
            let spins = round % 200;
            pool.execute(move || {
                (0..spins).for_each(|_| std::hint::spin_loop());
                given.complete(7).unwrap();
            });
            let clones: Vec<_> = (0..8).map(|_| shared.clone()).collect();
            let mut indices: Vec<_> = as_completed(clones)
                .map(|(index, outcome)| {
                    assert_eq!(outcome.unwrap(), 7);
                    index
                })
                .collect();
            indices.sort_unstable();
            assert!(indices.into_iter().eq(0..8));
        }
    });
}

#[test]
fn a_failure_that_was_seen_stays_with_its_handle() {
    limited(|| {
        let (send, panics) = std::sync::mpsc::channel();
        let pool = Builder::new()
            .threads(1)
            .panic_handler(move |_| send.send(()).unwrap())
            .build()
            .unwrap();
        let panic = || -> Result<(), u32> { panic!("out of flour") };
        let mut handles = [pool.submit(panic).flat(), pool.submit(|| Err(7)).flat()];
        assert!(!wait(&mut handles, WaitFor::FirstFailure).is_empty());
        assert_eq!(wait(&mut handles, WaitFor::All), [0, 1]);
        assert_eq!(wait(&mut handles, WaitFor::FirstFailure), [0, 1]);
        let [panicked, failed] = handles;
        assert!(matches!(failed.join(), Err(TaskError::Returned(7))));
        drop(panicked);
        panics.recv().unwrap();
    });
}

#[test]
fn spawning_in_a_full_pool_does_not_block_the_thread() {
    limited(|| {
        let pool = Builder::new().threads(1).queue_capacity(1).build().unwrap();
        let release = occupy(&pool);
        pool.execute(|| ());
        let mut set = JoinSet::new(&pool);
        block_on(async {
            let spawned = futures_lite::future::poll_once(set.spawn_async(1, async { 1 })).await;
            assert!(spawned.is_none(), "it waits for room");
            release.set();
            set.spawn_async(2, async { 2 }).await;
            let (key, outcome) = set.join_next_async().await.unwrap();
            assert_eq!((key, outcome.unwrap()), (2, 2));
        });
    });
}
