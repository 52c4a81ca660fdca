//! Wait queues, events and tokens.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::{bounded_model, model, poll_once, wait_among_strays};
use crate::sync::cancel::CancelToken;
use crate::sync::event::Event;
use crate::sync::wait_queue::WaitQueue;
use crate::wait::{Cause, Deadline};

/// Bug: a waiter that joins the queue makes no fence. Bug: a notifier makes none.
#[test]
fn a_change_is_seen_or_its_notification_comes() {
    model(|| {
        let shared = Arc::new((AtomicUsize::new(0), WaitQueue::new()));
        let changer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.store(1, Ordering::Relaxed);
                shared.1.notify_one();
            })
        };
        let look = || (shared.0.load(Ordering::Relaxed) == 1).then_some(());
        assert!(
            shared
                .1
                .wait(Cause::Arrival, Deadline::NEVER, look)
                .is_some()
        );
        changer.join().unwrap();
    });
}

/// Bug: a waiter that is dropped with a notification keeps it.
#[test]
fn a_notification_that_is_not_spent_is_passed_on() {
    model(|| {
        let shared = Arc::new((AtomicUsize::new(0), WaitQueue::new()));
        let taken = |shared: &(AtomicUsize, WaitQueue)| {
            let take = |items: usize| items.checked_sub(1);
            let order = Ordering::Relaxed;
            shared.0.fetch_update(order, order, take).ok()
        };
        let mut first = Box::pin(shared.1.wait_async(|| taken(&shared)));
        assert!(poll_once(&mut first).is_pending());
        let second = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared
                    .1
                    .wait(Cause::Arrival, Deadline::NEVER, || taken(&shared))
            })
        };
        shared.0.fetch_add(1, Ordering::Relaxed);
        shared.1.notify_one();
        drop(first);
        assert!(second.join().unwrap().is_some());
    });
}

/// Bug: a waiter that finds itself notified joins the queue again.
#[test]
fn a_waiter_present_at_a_set_is_released_though_it_is_cleared_at_once() {
    model(|| {
        let event = Arc::new(Event::new());
        let mut waiter = Box::pin(event.wait_async());
        assert!(poll_once(&mut waiter).is_pending());
        let setter = {
            let event = Arc::clone(&event);
            thread::spawn(move || {
                event.set();
                event.clear();
            })
        };
        let released = poll_once(&mut waiter).is_ready();
        setter.join().unwrap();
        assert!(released || poll_once(&mut waiter).is_ready());
        assert!(!event.is_set());
    });
}

/// Bug: the flag is set after the waiters have been notified.
#[test]
fn a_set_releases_every_waiter_against_clears_and_other_sets() {
    model(|| {
        let event = Arc::new(Event::new());
        let waiter = {
            let event = Arc::clone(&event);
            thread::spawn(move || event.wait())
        };
        let other = {
            let event = Arc::clone(&event);
            thread::spawn(move || event.set())
        };
        event.set();
        waiter.join().unwrap();
        other.join().unwrap();
        assert!(event.is_set());
    });
}

/// Bug: a waiter that is woken without a notification believes that it was notified.
#[test]
fn a_wait_for_an_event_among_stray_wake_ups_ends_when_it_is_set() {
    bounded_model(2, || {
        let shared = Arc::new((Event::new(), AtomicUsize::new(0)));
        let setter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.set();
            })
        };
        wait_among_strays(shared.0.wait_async());
        assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        setter.join().unwrap();
    });
}

/// Bug: a callback is registered without checking whether the token is cancelled.
#[test]
fn a_callback_is_called_once_whether_it_comes_before_the_cancel_or_after() {
    model(|| {
        let (token, called) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
        let canceller = {
            let token = token.clone();
            thread::spawn(move || token.cancel())
        };
        let count = Arc::clone(&called);
        token
            .on_cancel(move || {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .keep();
        let child = token.child();
        canceller.join().unwrap();
        assert!(token.is_cancelled() && child.is_cancelled());
        assert_eq!(called.load(Ordering::Relaxed), 1);
    });
}
