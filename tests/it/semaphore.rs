//! Permits are counted exactly and go to the waiters, in order of arrival.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{AcquireError, BoundedSemaphore, Semaphore, TryAcquireError};

use crate::support::{Flag, Hostile, limited, until};

#[test]
fn never_more_hold_a_permit_than_there_are() {
    never_more_than_four_inside(Semaphore::new(4));
}

#[test]
fn never_more_hold_an_unfair_permit_than_there_are() {
    never_more_than_four_inside(Semaphore::unfair(4));
}

fn never_more_than_four_inside(keys: Semaphore) {
    limited(|| {
        let (keys, inside) = (Arc::new(keys), Arc::new(AtomicUsize::new(0)));
        let singers: Vec<_> = (0..20)
            .map(|singer| {
                let (keys, inside) = (Arc::clone(&keys), Arc::clone(&inside));
                thread::spawn(move || {
                    for round in 0..500 {
                        let many = round % 4 + 1;
                        let permit = match (singer + round) % 3 {
                            0 => keys.acquire_many(many).unwrap(),
                            1 => keys.acquire_many_timeout(many, Duration::MAX).unwrap(),
                            _ => future::block_on(keys.acquire_many_async(many)).unwrap(),
                        };
                        assert!(inside.fetch_add(many, Ordering::SeqCst) + many <= 4);
                        inside.fetch_sub(many, Ordering::SeqCst);
                        drop(permit);
                    }
                })
            })
            .collect();
        singers
            .into_iter()
            .for_each(|singer| singer.join().unwrap());
        assert_eq!(keys.available_permits(), 4);
    });
}

#[test]
fn waiters_are_served_in_order_and_not_overtaken() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut waiters: Vec<_> = (0..5).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut waiters {
            assert!(future::block_on(future::poll_once(waiter)).is_none());
        }
        drop(held);
        for mut waiter in waiters {
            assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
            assert_eq!(keys.available_permits(), 0);
            let permit = future::block_on(future::poll_once(&mut waiter));
            drop(permit.expect("it is notified").unwrap());
        }
        assert_eq!(keys.available_permits(), 1);
    });
}

fn is_waiting<F: Future + Unpin>(waiter: &mut F) -> bool {
    future::block_on(future::poll_once(waiter)).is_none()
}

#[test]
fn a_waiter_for_several_permits_is_not_overtaken_and_gets_them_at_once() {
    limited(|| {
        let keys = Semaphore::new(2);
        let held = keys.acquire().unwrap();
        let mut head = keys.acquire_many_async(3);
        assert!(is_waiting(&mut head));
        let mut small = keys.acquire_async();
        assert!(is_waiting(&mut small), "one is free, but not for newcomers");
        assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        assert_eq!(keys.available_permits(), 1);
        keys.add_permits(1).unwrap();
        assert!(is_waiting(&mut head) && is_waiting(&mut small));
        drop(held);
        let three = future::block_on(head).unwrap();
        assert_eq!((three.permits(), keys.available_permits()), (3, 0));
        assert!(is_waiting(&mut small));
        drop(three);
        drop(future::block_on(small).unwrap());
        assert_eq!(keys.available_permits(), 3);
        assert_eq!(keys.acquire_many(0).unwrap().permits(), 0);
    });
}

#[test]
fn when_the_head_that_wants_much_gives_up_the_next_is_served_at_once() {
    limited(|| {
        let keys = Semaphore::new(2);
        let held = keys.acquire().unwrap();
        let mut head = keys.acquire_many_async(3);
        assert!(is_waiting(&mut head));
        let mut next = [keys.acquire_async(), keys.acquire_async()];
        assert!(next.iter_mut().all(is_waiting));
        drop(head);
        let [mut first, mut second] = next;
        assert!(!is_waiting(&mut first), "one was free all the time");
        assert!(!is_waiting(&mut second), "it was given back");
        drop(held);
        // Likewise when the first waiter runs out of time.
        let all = keys.acquire_many(2).unwrap();
        thread::scope(|scope| {
            let head = scope.spawn(|| {
                let timeout = Duration::from_millis(20);
                keys.acquire_many_timeout(3, timeout).map(drop)
            });
            drop(all);
            drop(keys.acquire().unwrap());
            let refused = head.join().unwrap().unwrap_err();
            assert_eq!(refused, TryAcquireError::NoPermits);
        });
        assert_eq!(keys.available_permits(), 2);
    });
}

#[test]
fn newcomers_overtake_at_an_unfair_semaphore_but_starve_nobody() {
    limited(|| {
        let keys = Arc::new(Semaphore::unfair(1));
        let held = keys.acquire().unwrap();
        let mut waiter = keys.acquire_async();
        assert!(is_waiting(&mut waiter));
        drop(held);
        // The waiter has been woken but is slow, and has not waited for long.
        let newcomer = keys.try_acquire();
        drop(newcomer);
        drop(waiter);
        assert_eq!(keys.available_permits(), 1);
        // One thread takes every permit again at once, another waits beside it.
        let (stop, got) = (AtomicUsize::new(0), Arc::clone(&keys));
        thread::scope(|scope| {
            scope.spawn(|| {
                while stop.load(Ordering::SeqCst) == 0 {
                    drop(keys.acquire().unwrap());
                }
            });
            (0..100).for_each(|_| drop(got.acquire().unwrap()));
            stop.store(1, Ordering::SeqCst);
        });
    });
}

#[test]
fn a_waiter_that_has_waited_long_at_an_unfair_semaphore_gets_the_next_permit() {
    limited(|| {
        let keys = Semaphore::unfair(2);
        let mut held: Vec<_> = (0..2).map(|_| keys.acquire().unwrap()).collect();
        let mut head = keys.acquire_many_async(2);
        assert!(is_waiting(&mut head));
        let since = std::time::Instant::now();
        until(|| since.elapsed() > Duration::from_millis(2));
        drop(held.pop());
        assert!(
            keys.try_acquire().is_err(),
            "one is free, but the waiter starves"
        );
        drop(held.pop());
        assert!(keys.try_acquire().is_err(), "both have been handed over");
        assert!(!is_waiting(&mut head));
        assert_eq!(keys.available_permits(), 2);
    });
}

#[test]
fn permits_that_own_a_share_outlive_the_rest() {
    limited(|| {
        let keys = Arc::new(Semaphore::new(6));
        let permits = [
            keys.acquire_owned().unwrap(),
            keys.try_acquire_owned().unwrap(),
            keys.acquire_owned_timeout(Duration::ZERO).unwrap(),
            future::block_on(keys.acquire_owned_async()).unwrap(),
            keys.try_acquire_many_owned(2).unwrap(),
        ];
        assert!(is_waiting(&mut keys.acquire_many_owned_async(1)));
        assert!(keys.acquire_many_owned_timeout(1, Duration::ZERO).is_err());
        let weak = Arc::downgrade(&keys);
        drop(keys);
        assert_eq!(weak.upgrade().unwrap().available_permits(), 0);
        let other = thread::spawn(move || drop(permits));
        other.join().unwrap();
        assert!(weak.upgrade().is_none());
    });
}

#[test]
fn too_many_permits_are_refused_at_once_and_change_nothing() {
    limited(|| {
        let keys = Semaphore::new(1);
        assert!(keys.add_permits(Semaphore::MAX_PERMITS).is_err());
        assert!(keys.add_permits(usize::MAX).is_err());
        let too_many = Semaphore::MAX_PERMITS + 1;
        assert_eq!(
            keys.acquire_many(too_many).unwrap_err(),
            AcquireError::TooMany
        );
        let error = future::block_on(keys.acquire_many_async(too_many));
        assert_eq!(error.unwrap_err(), AcquireError::TooMany);
        for too_many in [
            too_many,
            usize::MAX,
            usize::MAX / 2 + 1,
            isize::MAX as usize,
        ] {
            let error = keys.acquire_many_timeout(too_many, Duration::MAX);
            assert_eq!(error.unwrap_err(), TryAcquireError::TooMany);
            let error = keys.try_acquire_many(too_many);
            assert_eq!(error.unwrap_err(), TryAcquireError::TooMany);
        }
        assert_eq!(keys.available_permits(), 1);
        keys.add_permits(Semaphore::MAX_PERMITS - 1).unwrap();
        assert_eq!(keys.available_permits(), Semaphore::MAX_PERMITS);
    });
}

#[test]
fn a_bounded_semaphore_never_has_more_than_it_began_with() {
    limited(|| {
        let keys = BoundedSemaphore::new(2);
        assert!(keys.release(1).is_err());
        let permit = keys.acquire().unwrap();
        assert!(keys.release(2).is_err(), "not even the one that is out");
        assert_eq!(keys.available_permits(), 1);
        // A permit that was released behind its owner's back is not released again.
        keys.release(1).unwrap();
        drop(permit);
        assert_eq!((keys.available_permits(), keys.max_permits()), (2, 2));
        assert_eq!(keys.acquire_many(3).unwrap_err(), AcquireError::TooMany);
        let both = keys.clone().acquire_many_owned(2).unwrap();
        keys.release(1).unwrap();
        drop(both);
        assert_eq!(keys.available_permits(), 2);
        assert!(BoundedSemaphore::new(0).release(1).is_err());
        assert!(BoundedSemaphore::new(0).try_acquire().is_err());
    });
}

#[test]
fn permits_that_were_released_twice_at_the_same_time_leave_as_many_as_there_were() {
    limited(|| {
        for _ in 0..2000 {
            let keys = BoundedSemaphore::new(2);
            let held = [(); 2].map(|()| keys.acquire_owned().unwrap());
            keys.release(2).unwrap();
            thread::scope(|scope| {
                for permit in held {
                    scope.spawn(move || drop(permit));
                }
            });
            assert_eq!(keys.available_permits(), 2);
        }
        // Now with all the permits that fit.
        let full = Arc::new(Semaphore::new(2));
        let held = [(); 2].map(|()| full.acquire_owned().unwrap());
        full.add_permits(Semaphore::MAX_PERMITS).unwrap();
        held.into_iter().for_each(drop);
        assert_eq!(full.available_permits(), Semaphore::MAX_PERMITS);
    });
}

#[test]
fn a_semaphore_without_permits_is_a_signal() {
    limited(|| {
        let ready = Semaphore::new(0);
        thread::scope(|scope| {
            scope.spawn(|| (0..100).for_each(|_| ready.add_permits(3).unwrap()));
            (0..150).for_each(|_| ready.acquire_many(2).unwrap().forget());
        });
        assert_eq!(ready.available_permits(), 0);
    });
}

#[test]
fn a_waiter_that_leaves_passes_on_what_it_was_given() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut waiters {
            assert!(future::block_on(future::poll_once(waiter)).is_none());
        }
        let mut waiters = waiters.into_iter();
        let (head, second, mut third) = (waiters.next(), waiters.next(), waiters.next().unwrap());
        // One waiter leaves before it is given anything, one after.
        drop(second);
        drop(held);
        drop(head);
        assert!(future::block_on(future::poll_once(&mut third)).is_some());
    });
}

#[test]
fn a_timeout_ends_a_wait_and_leaves_the_count_alone() {
    limited(|| {
        let keys = Semaphore::new(0);
        for timeout in [Duration::ZERO, Duration::from_millis(2)] {
            let refused = keys.acquire_timeout(timeout).unwrap_err();
            assert_eq!(refused, TryAcquireError::NoPermits);
        }
        assert_eq!(keys.available_permits(), 0);
        let keys = Semaphore::new(1);
        drop(keys.acquire_timeout(Duration::ZERO).unwrap());
        assert_eq!(keys.available_permits(), 1);
    });
}

#[test]
fn timeouts_against_releases_lose_no_permit() {
    limited(|| {
        let keys = Arc::new(Semaphore::new(2));
        let threads: Vec<_> = (0..6)
            .map(|index| {
                let keys = Arc::clone(&keys);
                thread::spawn(move || {
                    let timeout = Duration::from_micros(index * 7);
                    (0..2000).for_each(|_| drop(keys.acquire_timeout(timeout)));
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(keys.available_permits(), 2);
    });
}

#[test]
fn a_permit_is_released_while_unwinding() {
    limited(|| {
        let keys = Arc::new(Semaphore::new(1));
        let holder = Arc::clone(&keys);
        let unwound = thread::spawn(move || {
            let _permit = holder.acquire().unwrap();
            panic!("with the key in hand");
        });
        unwound.join().unwrap_err();
        assert_eq!(keys.available_permits(), 1);
        assert!(keys.try_acquire().is_ok());
    });
}

#[test]
fn closing_ends_every_wait_for_good() {
    limited(|| {
        let keys = Arc::new(Semaphore::new(1));
        let held = keys.acquire().unwrap();
        let (began, refused) = (Flag::default(), Arc::new(Mutex::new(0)));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (keys, began) = (Arc::clone(&keys), began.clone());
                let refused = Arc::clone(&refused);
                thread::spawn(move || {
                    began.set();
                    assert!(keys.acquire().is_err());
                    *refused.lock().unwrap() += 1;
                })
            })
            .collect();
        began.wait();
        keys.close();
        keys.close();
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*refused.lock().unwrap(), 4);
        // A permit that was out comes back and opens nothing.
        drop(held);
        assert!(keys.is_closed());
        assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::Closed);
        until(|| keys.acquire_timeout(Duration::MAX).is_err());
    });
}

#[test]
fn wakers_that_panic_cost_nobody_a_permit() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut waiters: Vec<_> = (0..2).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut waiters {
            let waker = Waker::from(Arc::new(Hostile));
            assert!(
                waiter
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            // Twice, so that wakers are replaced and dropped.
            let other = Waker::from(Arc::new(Hostile));
            assert!(
                waiter
                    .as_mut()
                    .poll(&mut Context::from_waker(&other))
                    .is_pending()
            );
            // This is the last reference to the first, so its drop panics here, not inside.
            assert!(catch_unwind(AssertUnwindSafe(|| drop(waker))).is_err());
            std::mem::forget(other);
        }
        drop(held);
        let mut waiters = waiters.into_iter();
        let (mut head, next) = (waiters.next().unwrap(), waiters.next().unwrap());
        let waker = Waker::from(Arc::new(Hostile));
        let granted = head.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(matches!(granted, Poll::Ready(Ok(_))));
        std::mem::forget(waker);
        drop(granted);
        drop(next);
        assert_eq!(keys.available_permits(), 1);
    });
}

#[test]
fn free_permits_are_taken_away_and_no_others() {
    limited(|| {
        for keys in [Semaphore::new(5), Semaphore::unfair(5), Semaphore::limit(5)] {
            assert_eq!(keys.forget_permits(0), 0);
            let held = keys.acquire_many(2).unwrap();
            assert_eq!((keys.forget_permits(1), keys.available_permits()), (1, 2));
            assert_eq!(keys.forget_permits(usize::MAX), 2);
            assert_eq!(keys.forget_permits(1), 0);
            drop(held);
            assert_eq!(keys.available_permits(), 2);
            keys.close();
            assert_eq!((keys.forget_permits(1), keys.available_permits()), (1, 1));
        }
        // A waiter waits for more of them, and is served when there are enough again.
        let keys = Semaphore::new(2);
        let mut head = keys.acquire_many_async(3);
        assert!(is_waiting(&mut head));
        assert_eq!((keys.forget_permits(2), keys.available_permits()), (2, 0));
        keys.add_permits(1).unwrap();
        assert!(is_waiting(&mut head));
        keys.add_permits(2).unwrap();
        assert_eq!(future::block_on(head).unwrap().permits(), 3);
        // Those that were granted belong to the waiter.
        let held = keys.drain_permits();
        let mut granted = keys.acquire_async();
        assert!(is_waiting(&mut granted));
        drop(held);
        assert_eq!(keys.forget_permits(9), 2);
        drop(future::block_on(granted).unwrap());
        assert_eq!(keys.available_permits(), 1);
    });
}

#[test]
fn all_free_permits_are_acquired_at_once_unless_others_wait_for_them() {
    limited(|| {
        for keys in [Semaphore::new(5), Semaphore::unfair(5)] {
            let keys = Arc::new(keys);
            let held = keys.acquire_many(2).unwrap();
            let drained = keys.drain_permits_owned();
            assert_eq!((drained.permits(), keys.available_permits()), (3, 0));
            assert_eq!(keys.drain_permits().permits(), 0);
            drop((held, drained));
            keys.drain_permits().forget();
            assert_eq!(keys.available_permits(), 0);
            keys.add_permits(1).unwrap();
            drop(keys.drain_permits());
            assert_eq!(keys.available_permits(), 1);
            keys.close();
            assert_eq!(keys.drain_permits().permits(), 0);
        }
        let keys = Semaphore::new(2);
        let mut head = keys.acquire_many_async(3);
        assert!(is_waiting(&mut head));
        assert_eq!(
            keys.drain_permits().permits(),
            0,
            "two are free, but somebody waits"
        );
        assert_eq!(keys.available_permits(), 2);
        drop(head);
        assert_eq!(keys.drain_permits().permits(), 2);
    });
}

#[test]
fn a_bounded_semaphore_gets_back_what_was_taken_away_or_drained() {
    limited(|| {
        let keys = BoundedSemaphore::new(3);
        assert_eq!((keys.forget_permits(2), keys.max_permits()), (2, 3));
        assert!(keys.release(3).is_err());
        keys.release(2).unwrap();
        keys.drain_permits_owned().forget();
        keys.release(3).unwrap();
        assert!(keys.release(1).is_err());
        assert_eq!(keys.drain_permits().permits(), 3);
        assert_eq!(keys.available_permits(), 3);
    });
}

#[test]
fn no_permit_is_taken_twice_or_lost_while_some_are_drained_and_taken_away() {
    limited(|| {
        let (keys, inside) = (Semaphore::new(4), AtomicUsize::new(0));
        let gone = thread::scope(|scope| {
            for round in 0..3_usize {
                let (keys, inside) = (&keys, &inside);
                scope.spawn(move || {
                    for turn in 0..500 {
                        let permit = match (round + turn) % 3 {
                            0 => keys.drain_permits(),
                            1 => keys.acquire().unwrap(),
                            _ => keys.acquire_many(2).unwrap(),
                        };
                        let many = permit.permits();
                        assert!(inside.fetch_add(many, Ordering::SeqCst) + many <= 4);
                        inside.fetch_sub(many, Ordering::SeqCst);
                    }
                });
            }
            let mut gone = 0;
            while gone < 2 {
                gone += keys.forget_permits(2 - gone);
                thread::yield_now();
            }
            gone
        });
        assert_eq!(keys.available_permits(), 4 - gone);
    });
}

#[test]
fn permits_are_split_and_merged_and_released_once() {
    limited(|| {
        let (keys, other) = (Semaphore::new(5), Semaphore::new(1));
        let mut three = keys.acquire_many(3).unwrap();
        assert!(three.split(4).is_none());
        assert_eq!(three.permits(), 3);
        let one = three.split(1).unwrap();
        assert_eq!(one.permits(), 1);
        assert_eq!((three.permits(), keys.available_permits()), (2, 2));
        drop(three);
        assert_eq!(keys.available_permits(), 4);
        let mut all = keys.acquire_many(4).unwrap();
        all.merge(one);
        assert_eq!((all.permits(), keys.available_permits()), (5, 0));

        let foreign = other.acquire().unwrap();
        let merged = catch_unwind(AssertUnwindSafe(|| all.merge(foreign)));
        assert!(merged.is_err());
        assert_eq!((all.permits(), other.available_permits()), (5, 1));
        all.forget();
        assert_eq!(keys.available_permits(), 0);

        let shared = Arc::new(Semaphore::new(3));
        let mut two = shared.try_acquire_many_owned(2).unwrap();
        let one = two.split(1).unwrap();
        thread::spawn(move || drop(one)).join().unwrap();
        assert_eq!(shared.available_permits(), 2);
        two.merge(shared.try_acquire_owned().unwrap());
        assert_eq!(two.permits(), 2);
    });
}
