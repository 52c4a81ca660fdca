//! Models of the waiting core and the semaphore: those who wait against those who give.
//!
//! Loom has no clock, so a timeout is the waiter's own giving up, at any moment. Each model
//! has been seen to fail with the bug that its comment names; `.ci/mutants` puts those back.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::semaphore::Semaphore;
use super::wait_list::{Signal, WaitList};
use crate::primitive::{Deadline, Mutex, block_until, lock};

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

/// A waker that does nothing, for waiters that look by themselves.
fn idle_waker() -> std::task::Waker {
    std::task::Waker::noop().clone()
}

/// Bug: `redeem` of a notified ticket says that it was not.
#[test]
fn a_notification_is_used_or_passed_on_when_its_waiter_gives_up() {
    model(|| {
        let list = Arc::new(Mutex::new(WaitList::default()));
        let first = lock(&list).enqueue(idle_waker());
        let second = lock(&list).enqueue(idle_waker());
        let notifier = {
            let list = Arc::clone(&list);
            thread::spawn(move || drop(lock(&list).notify_one(Signal::Proceed)))
        };
        let passed_on = lock(&list).redeem(first).is_ok();
        if passed_on {
            drop(lock(&list).notify_one(Signal::Proceed));
        }
        notifier.join().unwrap();
        assert_eq!(lock(&list).redeem(second).ok(), Some(Signal::Proceed));
        assert!(lock(&list).is_empty());
    });
}

/// Bug: `notify_all` forgets a waker.
#[test]
fn a_waiter_in_the_list_is_woken() {
    model(|| {
        let flag = Arc::new((
            Mutex::new((false, WaitList::default())),
            AtomicUsize::new(0),
        ));
        let setter = {
            let flag = Arc::clone(&flag);
            thread::spawn(move || {
                let woken = {
                    let mut inside = lock(&flag.0);
                    inside.0 = true;
                    inside.1.notify_all(Signal::Proceed)
                };
                woken.into_iter().for_each(std::task::Waker::wake);
            })
        };
        let mut ticket = None;
        block_until(Deadline::NEVER, |waker| {
            let mut inside = lock(&flag.0);
            if let Some(ticket) = ticket.take() {
                let _ = inside.1.redeem(ticket);
            }
            if inside.0 {
                return Some(());
            }
            ticket = Some(inside.1.enqueue(waker.clone()));
            None
        });
        setter.join().unwrap();
    });
}

/// Bug: a release adds its permit although WAITING is set. Bug: WAITING is set without expecting
/// that no permit is free.
#[test]
fn a_permit_goes_from_hand_to_hand_and_is_never_held_twice() {
    model(|| {
        let keys = Arc::new((Semaphore::new(1), AtomicUsize::new(0)));
        // The count is read and written in two steps, which only one may be in at a time, and
        // each has to see what the last wrote.
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

/// Bug: a waiter that gives up forgets the permit that it was given.
#[test]
fn a_permit_that_comes_at_the_moment_of_a_timeout_goes_to_the_next() {
    model(|| {
        let keys = Arc::new(Semaphore::new(1));
        let held = keys.acquire().expect("nobody closes it");
        let mut head = Box::pin(keys.acquire_async());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(head.as_mut().poll(&mut cx).is_pending());
        let next = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || drop(keys.acquire().expect("nobody closes it")))
        };
        // Handed to the head of the line, which has gone by the time it could be used.
        drop(held);
        drop(head);
        next.join().unwrap();
        assert_eq!(keys.available_permits(), 1);
    });
}

/// Bug: a release that saw WAITING, and then finds the line empty, forgets its permit.
#[test]
fn a_timeout_against_a_release_loses_no_permit() {
    model(|| {
        let keys = Arc::new(Semaphore::new(0));
        let releaser = {
            let keys = Arc::clone(&keys);
            thread::spawn(move || keys.release())
        };
        let timed_out = keys
            .acquire_timeout(std::time::Duration::ZERO)
            .map(drop)
            .is_err();
        releaser.join().unwrap();
        // Given up or used and released: either way the permit is there in the end.
        assert_eq!(keys.available_permits(), 1, "timed out: {timed_out}");
        assert!(keys.try_acquire().is_ok());
    });
}

/// Bug: `close` does not notify those in the line.
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

/// A permit that is taken when none is free is owed: the release that pays it wakes nobody, and the
/// next one wakes the waiter.
///
/// Bug: a release hands its permit over although one is owed. Bug: `join_line` waits for a count of
/// exactly none.
#[test]
fn a_debt_is_paid_before_a_waiter_is_served_and_the_waiter_is_served() {
    model(|| {
        let keys = Arc::new(Semaphore::new(1));
        let held = Arc::new(AtomicUsize::new(0));
        assert!(keys.take_anyway(), "one is free");
        held.fetch_add(1, Ordering::Relaxed);
        let waiter = {
            let (keys, held) = (Arc::clone(&keys), Arc::clone(&held));
            thread::spawn(move || {
                let permit = keys.acquire().expect("nobody closes it");
                // Both of those that were taken have been given back.
                assert_eq!(held.load(Ordering::Relaxed), 0);
                drop(permit);
            })
        };
        if !keys.take_anyway() {
            held.fetch_add(1, Ordering::Relaxed);
            held.fetch_sub(1, Ordering::Relaxed);
            keys.release();
        }
        held.fetch_sub(1, Ordering::Relaxed);
        keys.release();
        waiter.join().unwrap();
        assert_eq!(keys.available_permits(), 1);
    });
}
