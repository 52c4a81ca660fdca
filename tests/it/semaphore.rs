//! Permits are counted exactly and go to those who wait, in order of arrival.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{Semaphore, TryAcquireError};

use crate::support::{Door, limited, until};

#[test]
fn never_more_hold_a_permit_than_there_are() {
    limited(|| {
        let (keys, inside) = (Arc::new(Semaphore::new(4)), Arc::new(AtomicUsize::new(0)));
        let guests: Vec<_> = (0..20)
            .map(|guest| {
                let (keys, inside) = (Arc::clone(&keys), Arc::clone(&inside));
                thread::spawn(move || {
                    for round in 0..500 {
                        let permit = match (guest + round) % 3 {
                            0 => keys.acquire().unwrap(),
                            1 => keys.acquire_timeout(Duration::MAX).unwrap(),
                            _ => future::block_on(keys.acquire_async()).unwrap(),
                        };
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 4);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                })
            })
            .collect();
        guests.into_iter().for_each(|guest| guest.join().unwrap());
        assert_eq!(keys.available_permits(), 4);
    });
}

#[test]
fn waiters_are_served_in_order_and_not_overtaken() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut line: Vec<_> = (0..5).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut line {
            assert!(future::block_on(future::poll_once(waiter)).is_none());
        }
        drop(held);
        for mut waiter in line {
            assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
            assert_eq!(keys.available_permits(), 0);
            let permit = future::block_on(future::poll_once(&mut waiter));
            drop(permit.expect("it is its turn").unwrap());
        }
        assert_eq!(keys.available_permits(), 1);
    });
}

#[test]
fn a_waiter_that_leaves_passes_on_what_it_was_given() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut line: Vec<_> = (0..3).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut line {
            assert!(future::block_on(future::poll_once(waiter)).is_none());
        }
        let mut line = line.into_iter();
        let (head, second, mut third) = (line.next(), line.next(), line.next().unwrap());
        // One leaves before it is given anything, one after.
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
        let (began, refused) = (Door::default(), Arc::new(Mutex::new(0)));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (keys, began) = (Arc::clone(&keys), began.clone());
                let refused = Arc::clone(&refused);
                thread::spawn(move || {
                    began.open();
                    assert!(keys.acquire().is_err());
                    *refused.lock().unwrap() += 1;
                })
            })
            .collect();
        began.pass();
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

/// Panics when it is woken or dropped.
struct Hostile;

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn wakers_that_panic_cost_nobody_a_permit() {
    limited(|| {
        let keys = Semaphore::new(1);
        let held = keys.acquire().unwrap();
        let mut line: Vec<_> = (0..2).map(|_| Box::pin(keys.acquire_async())).collect();
        for waiter in &mut line {
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
            // The last share of the first is this one, so its drop panics here, not in there.
            assert!(catch_unwind(AssertUnwindSafe(|| drop(waker))).is_err());
            std::mem::forget(other);
        }
        drop(held);
        let mut line = line.into_iter();
        let (mut head, next) = (line.next().unwrap(), line.next().unwrap());
        let waker = Waker::from(Arc::new(Hostile));
        let granted = head.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(matches!(granted, Poll::Ready(Ok(_))));
        std::mem::forget(waker);
        drop(granted);
        drop(next);
        assert_eq!(keys.available_permits(), 1);
    });
}
