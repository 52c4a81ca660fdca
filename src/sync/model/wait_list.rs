//! The waiting core.

use std::sync::Arc;

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::model;
use crate::primitive::{Mutex, lock};
use crate::sync::wait_list::{Signal, WaitList};
use crate::wait::{Cause, Deadline, block_until};

/// Returns a waker that does nothing, for waiters that are not woken.
fn idle_waker() -> std::task::Waker {
    std::task::Waker::noop().clone()
}

/// Bug: `redeem` returns another signal than the one that the ticket was notified with.
#[test]
fn a_notification_is_used_or_passed_on_when_its_waiter_gives_up() {
    model(|| {
        let list = Arc::new(Mutex::new(WaitList::new()));
        let first = lock(&list).enqueue(idle_waker(), ());
        let second = lock(&list).enqueue(idle_waker(), ());
        let notifier = {
            let list = Arc::clone(&list);
            thread::spawn(move || drop(lock(&list).notify_one(Signal::One)))
        };
        let passed_on = lock(&list).redeem(first).is_ok();
        if passed_on {
            drop(lock(&list).notify_one(Signal::One));
        }
        notifier.join().unwrap();
        assert_eq!(lock(&list).redeem(second).ok(), Some(Signal::One));
        assert!(lock(&list).is_empty());
    });
}

/// Bug: `notify_all` forgets a waker.
#[test]
fn a_waiter_in_the_list_is_woken() {
    model(|| {
        let flag = Arc::new((Mutex::new((false, WaitList::new())), AtomicUsize::new(0)));
        let setter = {
            let flag = Arc::clone(&flag);
            thread::spawn(move || {
                let woken = {
                    let mut inside = lock(&flag.0);
                    inside.0 = true;
                    inside.1.notify_all(Signal::One)
                };
                woken.into_iter().for_each(|(waker, ())| waker.wake());
            })
        };
        let mut ticket = None;
        block_until(Cause::Arrival, Deadline::NEVER, |waker| {
            let mut inside = lock(&flag.0);
            if let Some(ticket) = ticket.take() {
                let _ = inside.1.redeem(ticket);
            }
            if inside.0 {
                return Some(());
            }
            ticket = Some(inside.1.enqueue(waker.clone(), ()));
            None
        });
        setter.join().unwrap();
    });
}
