//! Permits and the semaphore.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{bounded_model, model, poll_once, wait_among_strays};
use crate::sync::permits::{MAX_PERMITS, Permits, Wait};
use crate::sync::semaphore::Semaphore;
use crate::wait::Deadline;

/// Bug: a release that found WAITING serves nobody. Bug: WAITING is set without expecting the word
/// that was seen.
#[test]
fn a_permit_goes_from_hand_to_hand_and_is_never_held_twice() {
    model(|| {
        let keys = Arc::new((Semaphore::new(1), AtomicUsize::new(0)));
        // The count is read and written in two steps. Only one thread may be between them at a
        // time, and it has to see what the last one wrote.
        let sing = |keys: &(Semaphore, AtomicUsize)| {
            let permit = keys.0.acquire().expect("nobody closes it");
            let count = keys.1.load(Ordering::Relaxed);
            keys.1.store(count + 1, Ordering::Relaxed);
            drop(permit);
        };
        let others = [(); 2].map(|()| {
            let keys = Arc::clone(&keys);
            thread::spawn(move || sing(&keys))
        });
        sing(&keys);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(keys.0.available_permits(), 1);
        assert_eq!(keys.1.load(Ordering::Relaxed), 3);
    });
}

/// Bug: many permits are added before the excess is taken off.
#[test]
fn many_permits_that_are_given_back_at_once_do_not_wrap() {
    model(|| {
        // Other permits were added in place of the ones that are given back.
        let permits = Arc::new(Permits::new(MAX_PERMITS, MAX_PERMITS, None));
        let others = [(); 2].map(|()| {
            let permits = Arc::clone(&permits);
            thread::spawn(move || permits.give_back(MAX_PERMITS))
        });
        permits.give_back(MAX_PERMITS);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(permits.available(), MAX_PERMITS);
        assert!(permits.try_take(MAX_PERMITS).is_ok());
    });
}

/// Bug: a waiter that is woken without a notification believes that it has its permit.
#[test]
fn a_wait_for_a_permit_among_stray_wake_ups_ends_with_one() {
    bounded_model(2, || {
        let shared = Arc::new((Semaphore::new(0), AtomicUsize::new(0)));
        let giver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.add_permits(1).expect("there is room for one");
            })
        };
        let permit = wait_among_strays(shared.0.acquire_async());
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        drop(permit.expect("nobody closes it"));
        giver.join().unwrap();
        assert_eq!(shared.0.available_permits(), 1);
    });
}

/// Bug: a waiter that gives up forgets the permit that was granted to it.
#[test]
fn a_permit_that_comes_at_the_moment_of_a_timeout_goes_to_the_next() {
    model(|| {
        let keys = Arc::new(Semaphore::new(1));
        let held = keys.acquire().expect("nobody closes it");
        let mut head = keys.acquire_async();
        assert!(poll_once(&mut head).is_pending());
        let next = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || drop(keys.acquire().expect("nobody closes it")))
        };
        // The permit is handed to the head of the queue, which is dropped before it uses the
        // permit.
        drop(held);
        drop(head);
        next.join().unwrap();
        assert_eq!(keys.available_permits(), 1);
    });
}

/// Bug: a waiter that gives up leaves WAITING set.
#[test]
fn a_timeout_against_a_release_loses_no_permit() {
    model(|| {
        let keys = Arc::new(Permits::new(0, 1, None));
        let releaser = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.give_back(1))
        };
        let taken = keys.take_until(1, Deadline::after(Duration::ZERO));
        releaser.join().unwrap();
        // The permit was used or the wait given up: either way no permit is lost.
        assert_eq!(keys.available(), usize::from(taken.is_err()));
        assert_eq!(keys.try_take(1).is_ok(), taken.is_err());
    });
}

/// Bug: `close` does not notify the waiters.
#[test]
fn closing_wakes_every_waiter() {
    model(|| {
        let keys = Arc::new(Semaphore::new(0));
        let refused = Arc::new(AtomicUsize::new(0));
        let waiters = [(); 2].map(|()| {
            let (keys, refused) = (Arc::clone(&keys), Arc::clone(&refused));
            thread::spawn(move || {
                assert!(keys.acquire().is_err());
                refused.fetch_add(1, Ordering::Relaxed);
            })
        });
        keys.close();
        waiters
            .into_iter()
            .for_each(|waiter| waiter.join().unwrap());
        assert_eq!(refused.load(Ordering::Relaxed), 2);
        assert!(keys.try_acquire().is_err());
    });
}

/// A permit that is taken when none is free is a debt: the release that pays it wakes nobody, and
/// the next release wakes the waiter.
///
/// Bug: a debt counts as very many free permits.
#[test]
fn a_debt_is_paid_before_a_waiter_is_served_and_the_waiter_is_served() {
    model(|| {
        let keys = Arc::new(Permits::new(1, 9, None));
        let held = Arc::new(AtomicUsize::new(0));
        assert!(keys.take_anyway(), "one is free");
        held.fetch_add(1, Ordering::Relaxed);
        let waiter = {
            let (keys, held) = (Arc::clone(&keys), Arc::clone(&held));
            thread::spawn(move || {
                assert!(
                    keys.take_until(1, Deadline::NEVER).is_ok(),
                    "nobody closes it"
                );
                // Both permits that were taken have been given back.
                assert_eq!(held.load(Ordering::Relaxed), 0);
                keys.give_back(1);
            })
        };
        if !keys.take_anyway() {
            held.fetch_add(1, Ordering::Relaxed);
            held.fetch_sub(1, Ordering::Relaxed);
            keys.give_back(1);
        }
        held.fetch_sub(1, Ordering::Relaxed);
        keys.give_back(1);
        waiter.join().unwrap();
        assert_eq!(keys.available(), 1);
    });
}

/// Bug: a waiter that leaves the queue serves nobody.
#[test]
fn a_waiter_behind_one_that_wants_much_is_served_when_that_one_leaves() {
    model(|| {
        let keys = Arc::new(Semaphore::new(0));
        let mut head = keys.acquire_many_async(2);
        assert!(poll_once(&mut head).is_pending());
        let next = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.acquire().expect("nobody closes it").forget())
        };
        keys.add_permits(1).unwrap();
        drop(head);
        next.join().unwrap();
        assert_eq!(keys.available_permits(), 0);
    });
}

/// Bug: a waiter that wants several permits is granted them while too few are free.
#[test]
fn several_permits_are_given_at_once() {
    model(|| {
        let keys = Arc::new((Semaphore::new(2), AtomicUsize::new(2)));
        let ones = [(); 2].map(|()| keys.0.acquire().expect("nobody closes it"));
        let both = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || {
                let permits = keys.0.acquire_many(2).expect("nobody closes it");
                assert_eq!(keys.1.load(Ordering::Relaxed), 0);
                drop(permits);
            })
        };
        for one in ones {
            keys.1.fetch_sub(1, Ordering::Relaxed);
            drop(one);
        }
        both.join().unwrap();
        assert_eq!(keys.0.available_permits(), 2);
    });
}

/// Three threads share one permit by the unfair rule. One of them may have to wait twice.
fn take_unfairly_in_three_threads(starve_after: Duration) {
    model(move || {
        let keys = Arc::new((Permits::new(1, 1, Some(starve_after)), AtomicUsize::new(0)));
        let sing = |keys: &(Permits, AtomicUsize)| {
            assert!(keys.0.take_until(1, Deadline::NEVER).is_ok());
            let count = keys.1.load(Ordering::Relaxed);
            keys.1.store(count + 1, Ordering::Relaxed);
            keys.0.give_back(1);
        };
        let others = [(); 2].map(|()| {
            let keys = Arc::clone(&keys);
            thread::spawn(move || sing(&keys))
        });
        sing(&keys);
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(keys.0.available(), 1);
        assert_eq!(keys.1.load(Ordering::Relaxed), 3);
    });
}

/// Bug: a waiter that was woken to retry and finds nothing sleeps without setting WAITING.
#[test]
fn nobody_sleeps_through_an_unfair_release() {
    take_unfairly_in_three_threads(Duration::MAX);
}

/// Bug: a starving head is notified of a permit that was not taken off the word.
#[test]
fn a_starving_head_is_served_by_hand_off() {
    take_unfairly_in_three_threads(Duration::ZERO);
}

/// Bug: a waiter that leaves the queue serves nobody.
#[test]
fn a_head_woken_to_retry_that_gives_up_lets_the_next_retry() {
    model(|| {
        let keys = Arc::new(Permits::new(0, 1, Some(Duration::MAX)));
        let mut head = Wait::new(&*keys, 1);
        assert!(head.poll(std::task::Waker::noop()).is_pending());
        let next = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.take_until(1, Deadline::NEVER))
        };
        keys.give_back(1);
        drop(head);
        assert!(next.join().unwrap().is_ok());
        assert_eq!(keys.available(), 0);
    });
}
