//! A pool with a capacity accepts no more than that, and loses nothing that it turns away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use workmill::{Builder, CancelReason, Overflow, ThreadPoolExecutor};

use crate::support::{Drops, add_one, limited, occupy, until};

fn bounded(capacity: usize, overflow: Overflow) -> ThreadPoolExecutor {
    let builder = Builder::new().threads(1).queue_capacity(capacity);
    builder.overflow(overflow).build().unwrap()
}

#[test]
fn a_full_pool_gives_the_closure_back_to_callers_that_ask() {
    limited(|| {
        let pool = bounded(2, Overflow::Block);
        let release = occupy(&pool);
        let first = pool.try_submit(|| 1).unwrap();
        pool.try_execute(|| ()).unwrap();
        let drops = Drops::default();
        let capture = drops.value();
        let refused = pool.try_submit(move || {
            let _capture = capture;
            3
        });
        let refused = refused.unwrap_err();
        assert_eq!(refused.reason(), CancelReason::Rejected);
        assert_eq!(drops.count(), 0);
        assert_eq!(refused.into_inner()(), 3);
        assert!(pool.try_execute(|| ()).unwrap_err().is_full());
        release.set();
        assert_eq!(first.join().unwrap(), 1);
        pool.wait_idle().unwrap();
        assert_eq!(pool.try_submit(|| 4).unwrap().join().unwrap(), 4);
    });
}

#[test]
fn rejected_tasks_resolve_to_rejected() {
    limited(|| {
        let pool = bounded(1, Overflow::Reject);
        let release = occupy(&pool);
        let (kept, drops) = (pool.submit(|| 1), Drops::default());
        let (first, second) = (drops.value(), drops.value());
        let error = pool.submit(move || drop(first)).join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Rejected));
        let text = error.to_string();
        assert!(
            text.contains(" was rejected because the pool was full; "),
            "{text}"
        );
        pool.execute(move || drop(second));
        assert_eq!(drops.count(), 2);
        release.set();
        assert_eq!(kept.join().unwrap(), 1);
    });
}

#[test]
fn a_blocked_submitter_goes_on_when_a_task_begins() {
    limited(|| {
        let pool = bounded(1, Overflow::Block);
        let (release, ran) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let submitted = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1000 {
                    let ran = Arc::clone(&ran);
                    pool.execute(move || add_one(&ran));
                    submitted.fetch_add(1, Ordering::SeqCst);
                }
            });
            until(|| submitted.load(Ordering::SeqCst) == 1);
            assert!(pool.try_execute(|| ()).is_err());
            assert_eq!(submitted.load(Ordering::SeqCst), 1);
            release.set();
        });
        pool.shutdown();
        assert_eq!(ran.load(Ordering::SeqCst), 1000);
    });
}

#[test]
fn no_more_wait_than_the_capacity_allows() {
    limited(|| {
        let pool = Builder::new().threads(2).queue_capacity(3).build().unwrap();
        let (waiting, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        let left = Arc::clone(&waiting);
                        pool.execute(move || {
                            left.fetch_sub(1, Ordering::SeqCst);
                        });
                        let now = waiting.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
                        // A task may have begun before it was counted: then `now` wraps.
                        if now < usize::MAX / 2 {
                            most.fetch_max(now, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        pool.shutdown();
        // Three that wait, and two that have begun and are not yet counted out.
        assert!(most.load(Ordering::SeqCst) <= 5, "{most:?}");
    });
}

#[test]
fn a_cancelled_task_makes_room_at_once() {
    limited(|| {
        let pool = bounded(1, Overflow::Reject);
        let release = occupy(&pool);
        let queued = pool.submit(|| 1);
        assert!(pool.try_submit(|| 2).is_err());
        assert!(queued.cancel());
        let next = pool.try_submit(|| 3).unwrap();
        release.set();
        assert_eq!(next.join().unwrap(), 3);
    });
}

#[test]
fn the_pools_own_tasks_are_never_turned_away() {
    limited(|| {
        for overflow in [Overflow::Block, Overflow::Reject] {
            let pool = bounded(1, overflow);
            let children = pool.submit(|| {
                let pool = workmill::current().unwrap();
                let children: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
                // The callers are told: tasks that were admitted over capacity count.
                assert!(pool.try_submit(|| 101).unwrap_err().is_full());
                let children = children.into_iter().map(|child| child.join().unwrap());
                let sum = children.sum::<i32>();
                sum + pool.try_submit(|| 100).unwrap().join().unwrap()
            });
            assert_eq!(children.join().unwrap(), 5050);
            assert_eq!(pool.metrics().over_capacity, 99);
        }
    });
}

#[test]
fn a_full_pool_gives_the_future_back_to_callers_that_ask() {
    limited(|| {
        let pool = bounded(1, Overflow::Block);
        let release = occupy(&pool);
        let first = pool.try_spawn(async { 1 }).unwrap();
        let refused = pool.try_spawn(async { 2 }).unwrap_err();
        assert!(refused.is_full());
        let refused = pool.spawn_timeout(refused.into_inner(), std::time::Duration::ZERO);
        let second = refused.unwrap_err().into_inner();
        let waiting = pool.spawn_async(second);
        release.set();
        assert_eq!(workmill::block_on(waiting).unwrap().join().unwrap(), 2);
        assert_eq!(first.join().unwrap(), 1);
        let forever = std::time::Duration::MAX;
        assert_eq!(
            pool.spawn_timeout(async { 3 }, forever)
                .unwrap()
                .join()
                .unwrap(),
            3
        );
        pool.shutdown();
        let refused = pool
            .try_spawn(async { 4 })
            .unwrap_err()
            .map(workmill::block_on);
        assert!(refused.is_shutdown() && refused.into_inner() == 4);
        assert!(workmill::block_on(pool.spawn_async(async { 5 })).is_err());
    });
}
