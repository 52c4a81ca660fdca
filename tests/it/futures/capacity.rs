//! In a pool with a capacity, a future counts until its first poll, and room can be awaited.

use std::future::ready;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_lite::future::poll_once;
use workmill::{CancelReason, JoinHandle, Overflow, block_on, current};

use super::{Tell, assert_alive, full, one_thread, reason, settle, watched};
use crate::support::{Drops, Flag, limited, occupy, until};

#[test]
fn a_future_takes_room_until_it_is_polled_first() {
    limited(|| {
        let pool = full(1, Overflow::Block);
        let (future, seen) = watched(1, ());
        let release = occupy(&pool);
        let pending = pool.spawn(future);
        assert!(pool.try_submit(|| 1).unwrap_err().is_full());
        let waiter = {
            let pool = pool.handle();
            thread::spawn(move || pool.spawn(async { 2 }))
        };
        release.set();
        assert_eq!(waiter.join().unwrap().join().unwrap(), 2);
        let waker = seen.wakers.recv().unwrap();
        let release = occupy(&pool);
        // It takes room neither while it is pending nor when it is woken.
        waker.wake();
        let last = pool.try_submit(|| 3).unwrap();
        release.set();
        assert_eq!((pending.join().unwrap(), last.join().unwrap()), (2, 3));
    });
}

#[test]
fn a_future_that_finds_the_pool_full_is_dropped_where_the_policy_says() {
    limited(|| {
        for overflow in [Overflow::Reject, Overflow::DropNewest] {
            let pool = full(1, overflow);
            let (release, drops) = (occupy(&pool), Drops::default());
            let queued = pool.spawn(async { 1 });
            let (future, seen) = watched(0, drops.value());
            let refused = pool.spawn(future);
            assert_eq!(drops.count(), 1);
            assert_eq!(reason(refused.join()), Some(CancelReason::Rejected));
            assert_eq!((pool.metrics().rejected, seen.polls()), (1, 0));
            release.set();
            assert_eq!(queued.join().unwrap(), 1);
            assert_alive(&pool);
        }
    });
}

#[test]
fn a_caller_polls_a_future_once() {
    limited(|| {
        let pool = full(1, Overflow::CallerRuns);
        let (release, here) = (occupy(&pool), thread::current().id());
        let queued = pool.submit(|| thread::current().id());
        let (future, seen) = watched(2, ());
        let handle = pool.spawn(future);
        assert_eq!(*seen.polls.lock().unwrap(), [here]);
        assert_eq!(pool.spawn(ready(1)).join().unwrap(), 1);
        let panics = pool.spawn(async { panic!("on the caller") });
        assert!(panics.join().unwrap_err().is_panic());
        // It is polled as a task of the pool, so it may not wait for the pool.
        let inside = pool.spawn(async { current().unwrap().wait_idle().is_err() });
        assert!(inside.join().unwrap());
        seen.wake();
        release.set();
        let there = queued.join().unwrap();
        seen.wake();
        assert_eq!(handle.join().unwrap(), 3);
        assert_eq!(*seen.polls.lock().unwrap(), [here, there, there]);
        pool.shutdown();
    });
}

#[test]
fn the_oldest_that_goes_for_a_newer_task_is_never_a_future_that_has_begun() {
    limited(|| {
        let pool = full(2, Overflow::DropOldest);
        let (begun, seen) = watched(1, ());
        let begun = pool.spawn(begun);
        let waker = seen.wakers.recv().unwrap();
        let (release, (sender, receiver)) = (occupy(&pool), mpsc::channel());
        waker.wake();
        let (future, unbegun) = watched(0, Tell(sender));
        let oldest = pool.spawn(future);
        let kept = pool.submit(|| 2);
        let newest = pool.spawn(async { 3 });
        assert!(receiver.try_recv().is_err(), "not dropped here");
        assert_eq!(pool.metrics().rejected, 1);
        release.set();
        assert_eq!(begun.join().unwrap(), 2);
        assert_eq!(reason(oldest.join()), Some(CancelReason::Rejected));
        assert_ne!(receiver.recv().unwrap(), thread::current().id());
        assert_eq!((kept.join().unwrap(), newest.join().unwrap()), (2, 3));
        assert_eq!(unbegun.polls(), 0);
        pool.wait_idle().unwrap();
        let (release, permits) = (occupy(&pool), [(); 2].map(|()| pool.try_submit(|| ())));
        assert!(permits.iter().all(Result::is_ok) && pool.try_submit(|| ()).is_err());
        release.set();
    });
}

#[test]
fn what_is_dropped_for_a_newer_task_may_wait_for_a_future_that_was_woken_before() {
    struct Joins(Option<JoinHandle<usize>>, Flag);

    impl Drop for Joins {
        fn drop(&mut self) {
            self.1.set();
            assert_eq!(self.0.take().unwrap().join().unwrap(), 2);
        }
    }

    limited(|| {
        let pool = full(1, Overflow::DropOldest);
        let (future, seen) = watched(1, ());
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        let release = occupy(&pool);
        waker.wake();
        let joins = Joins(Some(handle), release);
        let oldest = pool.submit(move || drop(joins));
        assert_eq!(pool.submit(|| 3).join().unwrap(), 3);
        assert_eq!(reason(oldest.join()), Some(CancelReason::Rejected));
    });
}

#[test]
fn without_capacity_a_future_is_accepted_only_if_a_thread_is_free() {
    limited(|| {
        let pool = full(0, Overflow::Reject);
        let release = occupy(&pool);
        let refused = pool.spawn(async { 1 });
        assert_eq!(reason(refused.join()), Some(CancelReason::Rejected));
        release.set();
        pool.wait_idle().unwrap();
        let (future, seen) = watched(1, ());
        let pending = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        // A pending future keeps no thread, so there comes a moment when the thread is free.
        until(|| pool.try_submit(|| 2).is_ok());
        waker.wake();
        assert_eq!(pending.join().unwrap(), 2);
        pool.wait_idle().unwrap();
        assert!(pool.try_submit(|| ()).is_ok());
    });
}

#[test]
fn submitters_that_await_room_are_served_in_order_of_arrival() {
    limited(|| {
        let pool = full(1, Overflow::Reject);
        let (release, queued) = (occupy(&pool), pool.submit(|| 0));
        let mut first = pin!(pool.submit_async(|| 1));
        let mut second = pin!(pool.submit_async(|| 2));
        block_on(async {
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            assert!(queued.cancel());
            assert!(
                poll_once(&mut second).await.is_none(),
                "the first comes first"
            );
            assert!(pool.try_submit(|| 3).is_err(), "nobody overtakes");
            let handle = poll_once(&mut first).await.unwrap().unwrap();
            release.set();
            assert_eq!(second.await.unwrap().await.unwrap(), 2);
            assert_eq!(handle.await.unwrap(), 1);
        });
    });
}

#[test]
fn a_submitter_that_leaves_the_queue_for_room_passes_the_notification_on() {
    limited(|| {
        let pool = full(1, Overflow::Reject);
        let drops = Drops::default();
        for is_granted in [false, true] {
            drops.reset();
            let (release, queued) = (occupy(&pool), pool.submit(|| 0));
            let kept = drops.value();
            let mut first = Box::pin(pool.submit_async(move || drop(kept)));
            let mut second = pin!(pool.submit_async(|| 2));
            block_on(async {
                assert!(poll_once(&mut first).await.is_none());
                assert!(poll_once(&mut second).await.is_none());
                if is_granted {
                    assert!(queued.cancel());
                    drop(first);
                } else {
                    drop(first);
                    assert!(queued.cancel());
                }
                assert_eq!(drops.count(), 1);
                let handle = poll_once(&mut second).await.unwrap().unwrap();
                release.set();
                assert_eq!(handle.await.unwrap(), 2);
            });
            pool.wait_idle().unwrap();
        }
        // The permit that was granted to a submitter that left is there again.
        let (release, queued) = (occupy(&pool), pool.submit(|| 0));
        let mut last = Box::pin(pool.submit_async(|| 1));
        assert!(block_on(poll_once(&mut last)).is_none());
        assert!(queued.cancel());
        drop(last);
        assert!(pool.try_submit(|| 2).is_ok() && pool.try_submit(|| 3).is_err());
        release.set();
    });
}

#[test]
fn a_submitter_that_awaits_room_of_a_pool_that_is_shut_down_gets_the_closure_back() {
    limited(|| {
        for is_granted in [false, true] {
            let pool = full(1, Overflow::Block);
            let (release, queued) = (occupy(&pool), pool.submit(|| 0));
            let mut waits = pin!(pool.submit_async(|| 7));
            assert!(block_on(poll_once(&mut waits)).is_none());
            if is_granted {
                assert!(queued.cancel());
            }
            assert!(pool.shutdown_timeout(Duration::ZERO).is_err());
            let refused = block_on(waits).unwrap_err();
            assert_eq!(refused.reason(), CancelReason::Shutdown);
            assert_eq!(refused.into_inner()(), 7);
            release.set();
        }
    });
}

#[test]
fn a_task_never_awaits_room_in_its_own_pool() {
    limited(|| {
        let pool = full(1, Overflow::Block);
        let sum = pool.spawn(async {
            let pool = current().unwrap();
            let mut handles = Vec::new();
            for n in 0..100 {
                let mut submission = pin!(pool.submit_async(move || n));
                let submitted = poll_once(&mut submission).await;
                handles.push(submitted.expect("it does not wait").unwrap());
            }
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum.join().unwrap(), 4950);
        assert_eq!(pool.metrics().over_capacity, 99);
        // From another pool it waits, and keeps no thread there meanwhile.
        let other = one_thread();
        let (release, queued) = (occupy(&pool), pool.submit(|| 0));
        let inner = pool.handle();
        let waits = other.spawn(async move { inner.submit_async(|| 1).await.unwrap().await });
        settle(&other);
        release.set();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
        assert_eq!(queued.join().unwrap(), 0);
    });
}
