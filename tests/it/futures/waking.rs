//! A waker may be used anywhere and at any time.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use workmill::{Builder, DropBehavior, ThreadPoolExecutor, current};

use super::{assert_alive, one_thread, watched};
use crate::support::{Drops, Flag, Hostile, limited, until};

#[test]
fn a_future_is_woken_from_anywhere() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (wakers, woken) = mpsc::channel();
        let polls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polls);
        let handle = pool.spawn(poll_fn(move |cx| {
            wakers.send(cx.waker().clone()).unwrap();
            match count.fetch_add(1, Ordering::SeqCst) {
                100 => Poll::Ready("done"),
                _ => Poll::Pending,
            }
        }));
        let waker = thread::spawn(move || {
            let all: Vec<_> = woken.iter().inspect(|waker| waker.wake_by_ref()).collect();
            all
        });
        assert_eq!(handle.join().unwrap(), "done");
        pool.shutdown();
        let all = waker.join().unwrap();
        all.iter().for_each(|waker| waker.wake_by_ref());
        assert_eq!(polls.load(Ordering::SeqCst), 101);
    });
}

#[test]
fn a_waker_may_be_used_after_the_end_of_the_pool() {
    limited(|| {
        let drops = Drops::default();
        let (future, seen) = watched(1, drops.value());
        let pool = one_thread();
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        waker.wake_by_ref();
        drop(pool);
        assert_eq!(drops.count(), 1, "no waker keeps the future");
        assert_eq!(handle.join().unwrap(), 2);
        waker.wake_by_ref();
        let clone = waker.clone();
        assert!(clone.will_wake(&waker));
        drop(waker);
        // Another pool, after the first.
        let other = one_thread();
        clone.wake_by_ref();
        thread::spawn(move || clone.wake()).join().unwrap();
        assert_alive(&other);
        assert_eq!(seen.polls(), 2);
    });
}

#[test]
fn wakers_are_used_while_the_pool_is_dropped() {
    limited(|| {
        let drops = Drops::default();
        for round in 0..500_u32 {
            let builder = Builder::new().threads(1 + round as usize % 2);
            let behavior = match round % 3 {
                0 => DropBehavior::Join,
                1 => DropBehavior::Cancel,
                _ => DropBehavior::Detach,
            };
            let pool = builder.on_drop(behavior).build().unwrap();
            let (future, seen) = watched(2, drops.value());
            let handle = pool.spawn(future);
            let waker = seen.wakers.recv().unwrap();
            thread::scope(|scope| {
                for _ in 0..2 {
                    let waker = waker.clone();
                    scope.spawn(move || {
                        for _ in 0..round % 20 {
                            let clone = waker.clone();
                            waker.wake_by_ref();
                            drop(clone);
                        }
                        waker.wake();
                    });
                }
                scope.spawn(|| {
                    // Often enough that a pool which joins its tasks ends.
                    while !handle.is_finished() {
                        waker.wake_by_ref();
                        thread::yield_now();
                    }
                });
                (0..round % 200).for_each(|_| std::hint::spin_loop());
                drop(pool);
            });
            drop((handle, waker));
            assert_eq!(drops.count(), round as usize + 1);
        }
    });
}

#[test]
fn wakers_that_panic_do_not_hinder_the_future_that_wakes_them() {
    limited(|| {
        let pool = one_thread();
        for cancels in [false, true] {
            let (future, seen) = watched(1, ());
            let mut handle = pool.spawn(future);
            let wakers = [(); 2].map(|()| Waker::from(Arc::new(Hostile)));
            for waker in &wakers {
                // The second replaces the first.
                let mut cx = Context::from_waker(waker);
                assert!(Pin::new(&mut handle).poll(&mut cx).is_pending());
            }
            let waker = seen.wakers.recv().unwrap();
            // This is the last reference to the first; the handle has another to the second.
            let dropped =
                wakers.map(|waker| catch_unwind(AssertUnwindSafe(|| drop(waker))).is_ok());
            assert_eq!(dropped, [false, true]);
            match cancels {
                true => assert!(handle.cancel()),
                false => waker.wake(),
            }
            until(|| handle.is_finished());
            assert_eq!(handle.join().is_err(), cancels);
            assert_alive(&pool);
        }
    });
}

#[test]
fn a_future_goes_on_on_another_thread() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        // Another thread may take the closure, and this one go on with the future.
        let mut has_moved = false;
        while !has_moved {
            let mut first = None;
            let release = Flag::default();
            let moved = pool.spawn(poll_fn(move |cx| {
                let here = thread::current().id();
                let Some(first) = first else {
                    first = Some(here);
                    // This thread is busy until another has taken the future from it.
                    let go = release.clone();
                    current().unwrap().execute(move || go.wait());
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                };
                release.set();
                Poll::Ready(first != here)
            }));
            has_moved = moved.join().unwrap();
        }
    });
}
