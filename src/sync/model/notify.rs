//! Notifications.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{bounded_model, model, poll_once, wait_among_strays};
use crate::sync::notify::Notify;
use crate::wait::{Cause, Deadline, block_until};

/// Bug: a waiter joins the list without a look at the notification that is kept. Bug: a
/// notification that is kept orders nothing.
#[test]
fn a_notification_is_kept_or_wakes_the_waiter() {
    model(|| {
        let shared = Arc::new((AtomicUsize::new(0), Notify::new()));
        let notifier = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.store(1, Ordering::Relaxed);
                shared.1.notify_one();
            })
        };
        shared.1.wait();
        assert_eq!(shared.0.load(Ordering::Relaxed), 1);
        notifier.join().unwrap();
        assert!(!shared.1.try_wait());
    });
}

/// Bug: the word says that nobody waits though a waiter is left.
#[test]
fn two_notifications_wake_two_waiters() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let (first, second) = (notify.notified(), notify.notified());
        let notifier = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.notify_one())
        };
        notify.notify_one();
        first.wait();
        second.wait();
        notifier.join().unwrap();
        assert!(!notify.try_wait());
    });
}

/// Bug: a waiter that is dropped with a notification keeps it.
#[test]
fn a_notification_that_is_not_used_is_passed_on() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let first = notify.notified();
        let second = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.wait())
        };
        notify.notify_one();
        drop(first);
        second.join().unwrap();
        assert!(!notify.try_wait());
    });
}

/// Bug: a wait that took the notification that was kept drops it.
#[test]
fn a_notification_that_was_kept_and_taken_is_passed_on() {
    model(|| {
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        let taken = notify.notified();
        let other = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.wait())
        };
        drop(taken);
        other.join().unwrap();
        assert!(!notify.try_wait());
    });
}

/// Bug: a waiter that gives up leaves the word at WAITING.
#[test]
fn a_timeout_against_a_notification_uses_it_or_leaves_it() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let notifier = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.notify_one())
        };
        let (mut wait, over) = (notify.notified(), Deadline::after(Duration::ZERO));
        let ended = block_until(Cause::Arrival, over, |_| {
            poll_once(&mut wait).is_ready().then_some(())
        });
        drop(wait);
        notifier.join().unwrap();
        assert_eq!(notify.try_wait(), ended.is_none());
    });
}

/// Bug: a notification of all looks for waiters without an exchange.
#[test]
fn a_waiter_sees_the_flag_or_is_among_all() {
    model(|| {
        let shared = Arc::new((AtomicUsize::new(0), Notify::new()));
        let setter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.store(1, Ordering::Relaxed);
                shared.1.notify_all();
            })
        };
        let wait = shared.1.notified();
        if shared.0.load(Ordering::Relaxed) == 0 {
            wait.wait();
        }
        assert_eq!(shared.0.load(Ordering::Relaxed), 1);
        setter.join().unwrap();
    });
}

/// Bug: a waiter that was notified with all others passes that on.
#[test]
fn a_notification_of_all_is_kept_for_nobody() {
    model(|| {
        let notify = Arc::new(Notify::new());
        let (first, second) = (notify.notified(), notify.notified());
        let notifier = {
            let notify = Arc::clone(&notify);
            thread::spawn(move || notify.notify_all())
        };
        drop(first);
        second.wait();
        notifier.join().unwrap();
        assert!(!notify.try_wait());
    });
}

/// Bug: a waiter that is woken without a notification believes that it was notified.
#[test]
fn a_wait_among_stray_wake_ups_ends_when_it_is_notified() {
    bounded_model(2, || {
        let shared = Arc::new((AtomicUsize::new(0), Notify::new()));
        let notifier = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.store(1, Ordering::Relaxed);
                shared.1.notify_one();
            })
        };
        wait_among_strays(shared.1.wait_async());
        assert_eq!(shared.0.load(Ordering::Relaxed), 1);
        notifier.join().unwrap();
    });
}
