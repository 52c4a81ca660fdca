//! Each policy does what it says to a task that finds the pool full, and loses no task in silence
//! except those it says it loses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use workmill::{Builder, CancelReason, Overflow, PoolRef, ThreadPoolExecutor, WouldDeadlock};

use crate::support::{Drops, Flag, add_one, limited, occupy, until};

fn full(capacity: usize, overflow: Overflow) -> Builder {
    let builder = Builder::new().threads(1).queue_capacity(capacity);
    builder.overflow(overflow)
}

fn rejected<T: std::fmt::Debug>(outcome: Result<T, workmill::JoinError>) -> bool {
    outcome.unwrap_err().cancel_reason() == Some(CancelReason::Rejected)
}

#[test]
fn a_caller_that_runs_its_task_counts_as_inside() {
    limited(|| {
        let pool = full(1, Overflow::CallerRuns).build().unwrap();
        let release = occupy(&pool);
        let queued = pool.submit(|| thread::current().id());
        let (here, owner) = (thread::current().id(), pool.clone());
        let ran = pool.submit(move || {
            assert_eq!(thread::current().id(), here);
            assert_eq!(workmill::worker_index(), None);
            let inside = workmill::current().expect("a task knows its pool");
            // None of these may wait: this task is one that they would wait for.
            assert_eq!(inside.wait_idle(), Err(WouldDeadlock));
            owner.shutdown();
            let error = owner.shutdown_timeout(Duration::MAX).unwrap_err();
            assert_eq!(error.unfinished(), 3);
            // The task that it submits is let in and runs, though the pool is closed and full.
            inside.submit(|| 42)
        });
        assert!(workmill::current().is_none());
        let child = ran.join().unwrap();
        assert!(!queued.is_finished());
        release.set();
        assert_ne!(queued.join().unwrap(), here);
        assert_eq!(child.join().unwrap(), 42);
        pool.shutdown();
    });
}

#[test]
fn a_caller_runs_closures_without_handles_too_and_survives_their_panics() {
    limited(|| {
        let panics = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&panics);
        let builder = full(1, Overflow::CallerRuns);
        let pool = builder
            .panic_handler(move |_| add_one(&seen))
            .build()
            .unwrap();
        let release = occupy(&pool);
        pool.execute(|| ());
        pool.execute(|| panic!("on the caller"));
        assert_eq!(panics.load(Ordering::SeqCst), 1);
        release.set();
        pool.shutdown();
        // Closed, the pool refuses; the caller does not run a task that was refused.
        let late = pool.submit(|| 1).join().unwrap_err();
        assert_eq!(late.cancel_reason(), Some(CancelReason::Shutdown));
    });
}

#[test]
fn a_worker_that_is_a_foreign_thread_in_another_pool_still_belongs_to_its_own() {
    limited(|| {
        let outer = ThreadPoolExecutor::new(1).unwrap();
        let inner = full(1, Overflow::CallerRuns).build().unwrap();
        let release = occupy(&inner);
        inner.execute(|| ());
        let (mine, other) = (outer.clone(), inner.handle());
        let threads = outer.submit(move || {
            let both = other.submit(move || {
                // Inline: the thread is a worker of the outer pool all the while.
                let joined = mine.submit(|| {
                    let own = workmill::current().unwrap();
                    assert_eq!(workmill::worker_index(), Some(0));
                    own.submit(|| 7).join().unwrap()
                });
                let joined = joined.join().unwrap();
                let installed = mine.install(|| workmill::current().unwrap().is_shutdown());
                assert!(!installed.unwrap());
                mine.shutdown();
                let installed = mine.install(|| workmill::current().unwrap().is_shutdown());
                assert!(
                    installed.unwrap(),
                    "it is the other pool that was shut down"
                );
                joined + workmill::current().unwrap().threads()
            });
            assert_eq!(workmill::worker_index(), Some(0));
            both.join().unwrap()
        });
        assert_eq!(threads.join().unwrap(), 8);
        release.set();
        outer.shutdown();
    });
}

#[test]
fn the_oldest_makes_room_for_the_newest() {
    limited(|| {
        let pool = full(2, Overflow::DropOldest).build().unwrap();
        let (release, drops) = (occupy(&pool), Drops::default());
        let capture = drops.value();
        let oldest = pool.submit(move || drop(capture));
        let kept = pool.submit(|| 2);
        let newest = pool.submit(|| 3);
        assert_eq!(drops.count(), 1, "dropped by the submitter, at once");
        assert!(rejected(oldest.join()));
        assert_eq!(pool.metrics().rejected, 1);
        release.set();
        assert_eq!((kept.join().unwrap(), newest.join().unwrap()), (2, 3));
    });
}

#[test]
fn the_newest_is_dropped_when_the_older_are_all_in_a_threads_hands() {
    limited(|| {
        let pool = full(2, Overflow::DropOldest).build().unwrap();
        let inside = pool.handle();
        let (release, children) = (Flag::default(), Arc::new(Mutex::new(None)));
        let (go, slot) = (release.clone(), Arc::clone(&children));
        pool.execute(move || {
            *slot.lock().unwrap() = Some([inside.submit(|| 1), inside.submit(|| 2)]);
            go.wait();
        });
        until(|| children.lock().unwrap().is_some());
        assert!(rejected(pool.submit(|| 3).join()));
        release.set();
        let [first, second] = children.lock().unwrap().take().unwrap();
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (1, 2));
    });
}

#[test]
fn a_dropped_oldest_may_shut_the_pool_down_from_its_capture() {
    limited(|| {
        let pool = full(1, Overflow::DropOldest).build().unwrap();
        let release = occupy(&pool);
        let inside = pool.clone();
        let capture = OnDrop(Some(move || inside.shutdown()));
        let oldest = pool.submit(move || drop(capture));
        // Must not wait: that would be for the very task that it drops.
        drop(pool.submit(|| 2));
        assert!(pool.is_shutdown());
        assert!(rejected(oldest.join()));
        release.set();
        pool.shutdown();
    });
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0.take().unwrap()();
    }
}

#[test]
fn only_what_is_rejected_goes_to_the_hook() {
    limited(|| {
        for (overflow, told) in [(Overflow::Reject, 1), (Overflow::DropNewest, 0)] {
            let refused = Arc::new(Mutex::new(Vec::new()));
            let hook = Arc::clone(&refused);
            let builder = full(1, overflow).on_rejected(move |one| hook.lock().unwrap().push(one));
            let pool = builder.build().unwrap();
            let (release, ran) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
            pool.execute(|| ());
            let seen = Arc::clone(&ran);
            pool.execute(move || add_one(&seen));
            assert!(rejected(pool.submit(|| 1).join()), "its handle says so");
            assert_eq!(pool.metrics().rejected, 2);
            assert_eq!(refused.lock().unwrap().len(), told);
            release.set();
            pool.shutdown();
            let seen = Arc::clone(&ran);
            pool.execute(move || add_one(&seen));
            let refused = std::mem::take(&mut *refused.lock().unwrap());
            assert_eq!(refused.len(), told + 1);
            let last = refused.last().unwrap();
            assert_eq!(last.reason(), CancelReason::Shutdown);
            refused.into_iter().for_each(|refused| refused.run());
            assert_eq!(ran.load(Ordering::SeqCst), told + 1);
        }
    });
}

#[test]
fn without_capacity_a_task_is_accepted_only_if_a_thread_is_free() {
    limited(|| {
        let builder = Builder::new().threads(2).queue_capacity(0);
        let pool = builder.build().unwrap();
        for _ in 0..100 {
            let first = occupy(&pool);
            let second = occupy(&pool);
            assert!(pool.try_submit(|| 1).unwrap_err().is_full());
            first.set();
            // Accepted once a thread is free, and taken at once though the other is not.
            assert_eq!(pool.submit(|| 2).join().unwrap(), 2);
            let third = pool.try_submit(|| 3).unwrap();
            assert_eq!(third.join().unwrap(), 3);
            second.set();
            pool.wait_idle().unwrap();
        }
    });
}

#[test]
fn without_capacity_children_count_against_outsiders() {
    limited(|| {
        let builder = Builder::new().threads(2).queue_capacity(0);
        let pool = builder.build().unwrap();
        let (releases, inside) = (Flag::default(), pool.handle());
        let go = releases.clone();
        let parent = pool.submit(move || {
            let child = go.clone();
            let children = [(); 3].map(|()| {
                let child = child.clone();
                inside.submit(move || child.wait())
            });
            go.wait();
            children.map(|child| child.join().unwrap()).len()
        });
        until(|| pool.metrics().over_capacity == 2);
        assert!(pool.try_submit(|| 1).unwrap_err().is_full());
        releases.set();
        assert_eq!(parent.join().unwrap(), 3);
        pool.wait_idle().unwrap();
        let late = pool.try_submit(|| 4).unwrap();
        assert_eq!(late.join().unwrap(), 4, "what was owed is paid");
    });
}

#[test]
fn a_timed_submission_waits_for_its_time_and_gives_the_closure_back() {
    limited(|| {
        for overflow in [Overflow::Block, Overflow::CallerRuns, Overflow::DropOldest] {
            let pool = full(1, overflow).build().unwrap();
            let (release, drops) = (occupy(&pool), Drops::default());
            let queued = pool.submit(|| 1);
            for timeout in [Duration::ZERO, Duration::from_millis(5)] {
                let capture = drops.value();
                let refused = pool.submit_timeout(
                    move || {
                        let _capture = capture;
                        2
                    },
                    timeout,
                );
                let refused = refused.unwrap_err();
                assert!(refused.is_full());
                assert_eq!(drops.count(), 0);
                assert_eq!(refused.into_inner()(), 2);
                assert_eq!(drops.count(), 1);
                drops.reset();
            }
            thread::scope(|scope| {
                let waiter = scope.spawn(|| pool.submit_timeout(|| 3, Duration::MAX));
                release.set();
                let handle = waiter.join().unwrap().unwrap();
                assert_eq!(handle.join().unwrap(), 3);
            });
            assert_eq!(queued.join().unwrap(), 1);
            pool.shutdown();
            let refused = pool.submit_timeout(|| 4, Duration::MAX).unwrap_err();
            assert!(refused.is_shutdown());
        }
    });
}

#[test]
fn a_timed_submission_from_inside_does_not_wait() {
    limited(|| {
        let pool = full(1, Overflow::Block).build().unwrap();
        let parent = pool.submit(|| {
            let pool = workmill::current().unwrap();
            let children =
                [1, 2, 3].map(|n| pool.submit_timeout(move || n, Duration::MAX).unwrap());
            children.map(|child| child.join().unwrap())
        });
        assert_eq!(parent.join().unwrap(), [1, 2, 3]);
    });
}

#[test]
fn one_submission_drops_one_task_however_far_the_pool_is_over_capacity() {
    limited(|| {
        let pool = full(2, Overflow::DropOldest).build().unwrap();
        let (arrived, release) = (Flag::default(), Flag::default());
        let (go, arrives, goes_on) = (Flag::default(), arrived.clone(), release.clone());
        let (begun, begin) = (Flag::default(), go.clone());
        let has_begun = begun.clone();
        let parent = pool.submit(move || {
            has_begun.set();
            begin.wait();
            let inside = workmill::current().unwrap();
            let children = [1, 2, 3].map(|n| inside.submit(move || n));
            arrives.set();
            goes_on.wait();
            children.map(|child| child.join().unwrap())
        });
        begun.wait();
        let (oldest, older) = (pool.submit(|| 4), pool.submit(|| 5));
        go.set();
        arrived.wait();
        // Five wait where two may; the new one replaces one of them.
        let newest = pool.submit(|| 6);
        release.set();
        assert_eq!(parent.join().unwrap(), [1, 2, 3]);
        assert!(rejected(oldest.join()));
        assert_eq!((older.join().unwrap(), newest.join().unwrap()), (5, 6));
        pool.wait_idle().unwrap();
        assert!(pool.try_submit(|| ()).is_ok() && pool.metrics().rejected == 1);
    });
}

#[test]
fn a_submitter_that_waits_is_not_dropped_as_the_newest() {
    limited(|| {
        for round in 0..1000_u32 {
            let pool = full(1, Overflow::DropOldest).build().unwrap();
            let (release, oldest) = (occupy(&pool), pool.submit(|| 1));
            thread::scope(|scope| {
                let waiter = scope.spawn(|| pool.submit_timeout(|| 2, Duration::MAX).unwrap());
                // Nothing shows whether it waits by now; if it does not, it will wait for the next.
                (0..round % 50).for_each(|_| thread::yield_now());
                let newest = pool.submit(|| 3);
                assert!(rejected(oldest.join()));
                release.set();
                assert_eq!(newest.join().unwrap(), 3);
                assert_eq!(waiter.join().unwrap().join().unwrap(), 2);
            });
        }
    });
}

#[test]
fn a_capture_that_submits_itself_again_when_it_is_dropped_does_not_hold_the_submitter() {
    struct Again(PoolRef);

    impl Drop for Again {
        fn drop(&mut self) {
            let next = Self(self.0.clone());
            self.0.execute(move || std::mem::forget(next));
        }
    }

    limited(|| {
        let pool = full(1, Overflow::DropOldest).build().unwrap();
        let (release, stubborn) = (occupy(&pool), Again(pool.handle()));
        pool.execute(move || std::mem::forget(stubborn));
        let newest = pool.submit(|| 2);
        release.set();
        assert_eq!(newest.join().unwrap(), 2);
    });
}
