//! Events, latches and tokens release all waiters, once and for all of the forms.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{CancelToken, Event, Latch, ThreadPoolExecutor};

use crate::support::{Bomb, Drops, Flag, add_one, limited};

const SHORT: Duration = Duration::from_millis(5);

#[test]
fn a_flag_is_set_and_cleared_and_waited_for() {
    limited(|| {
        let event = Event::new();
        assert!(!event.is_set());
        assert!(!event.wait_timeout(Duration::ZERO) && !event.wait_timeout(SHORT));
        event.set();
        event.set();
        assert!(event.is_set());
        event.wait();
        assert!(event.wait_timeout(Duration::ZERO) && event.wait_timeout(Duration::MAX));
        future::block_on(event.wait_async());
        event.clear();
        event.clear();
        assert!(!event.is_set() && !event.wait_timeout(SHORT));
    });
}

#[test]
fn threads_that_wait_at_a_set_are_released_though_a_clear_follows_at_once() {
    limited(|| {
        let event = Arc::new(Event::new());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(event.wait_async())).collect();
        for waiter in &mut waiting {
            assert!(future::block_on(future::poll_once(waiter)).is_none());
        }
        event.set();
        event.clear();
        waiting.into_iter().for_each(future::block_on);
        // Threads, tasks of a pool and time limits do so together.
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for _ in 0..200 {
            let asked = Arc::new(Latch::new(3));
            let waiters: Vec<_> = (0..2)
                .map(|index| {
                    let (event, asked) = (Arc::clone(&event), Arc::clone(&asked));
                    let wait = move || {
                        let mut waiter = pin!(event.wait_async());
                        assert!(future::block_on(future::poll_once(&mut waiter)).is_none());
                        asked.count_down();
                        future::block_on(waiter);
                    };
                    match index {
                        0 => pool.submit(wait),
                        _ => pool.submit(move || thread::spawn(wait).join().unwrap()),
                    }
                })
                .collect();
            let mut waiter = pin!(event.wait_async());
            assert!(future::block_on(future::poll_once(&mut waiter)).is_none());
            asked.arrive_and_wait();
            event.set();
            event.clear();
            future::block_on(waiter);
            waiters
                .into_iter()
                .for_each(|waiter| waiter.join().unwrap());
        }
    });
}

#[test]
fn a_wait_that_begins_after_the_clear_is_not_released_by_one_that_was_dropped() {
    limited(|| {
        let event = Event::new();
        let mut before = Box::pin(event.wait_async());
        assert!(future::block_on(future::poll_once(&mut before)).is_none());
        event.set();
        event.clear();
        let mut after = Box::pin(event.wait_async());
        assert!(future::block_on(future::poll_once(&mut after)).is_none());
        drop(before);
        assert!(future::block_on(future::poll_once(&mut after)).is_none());
    });
}

#[test]
fn a_timeout_against_a_set_is_a_release_or_a_timeout_and_nothing_is_lost() {
    limited(|| {
        for round in 0..300 {
            let event = Event::new();
            thread::scope(|scope| {
                scope.spawn(|| event.set());
                let timeout = Duration::from_micros(round % 60);
                let released = event.wait_timeout(timeout);
                event.wait();
                assert!(!released || event.is_set());
            });
        }
    });
}

#[test]
fn a_latch_opens_when_the_last_has_counted_down() {
    limited(|| {
        assert!(Latch::new(0).is_open());
        let latch = Latch::new(3);
        thread::scope(|scope| {
            let waiters = [
                scope.spawn(|| latch.wait()),
                scope.spawn(|| assert!(latch.wait_timeout(Duration::MAX))),
                scope.spawn(|| future::block_on(latch.wait_async())),
            ];
            latch.count_down();
            latch.count_down();
            assert_eq!(latch.count(), 1);
            assert!(!latch.is_open() && !latch.wait_timeout(SHORT));
            latch.arrive_and_wait();
            waiters
                .into_iter()
                .for_each(|waiter| waiter.join().unwrap());
        });
        latch.count_down();
        assert_eq!((latch.count(), latch.is_open()), (0, true));
    });
}

#[test]
fn a_token_releases_its_waiters_and_its_children_but_not_its_parent() {
    limited(|| {
        let root = CancelToken::new();
        let (left, right) = (root.child(), root.child());
        let leaf = left.child();
        assert!(!leaf.wait_timeout(SHORT));
        thread::scope(|scope| {
            let waiters = [
                scope.spawn(|| leaf.wait()),
                scope.spawn(|| assert!(leaf.wait_timeout(Duration::MAX))),
                scope.spawn(|| future::block_on(leaf.clone().wait_async())),
            ];
            left.cancel();
            waiters
                .into_iter()
                .for_each(|waiter| waiter.join().unwrap());
        });
        assert!(left.is_cancelled() && leaf.is_cancelled());
        assert!(!root.is_cancelled() && !right.is_cancelled());
        root.cancel();
        root.cancel();
        assert!(right.is_cancelled() && root.child().is_cancelled());
    });
}

#[test]
fn a_child_of_a_token_that_nobody_holds_is_cancelled_with_the_rest() {
    limited(|| {
        let root = CancelToken::new();
        let grandchild = root.child().child();
        root.cancel();
        assert!(grandchild.is_cancelled());
    });
}

#[test]
fn neither_cancelling_nor_dropping_a_long_chain_of_tokens_overflows_the_stack() {
    limited(|| {
        let chain = |length: usize| {
            let root = CancelToken::new();
            let last = (0..length).fold(root.clone(), |token, _| token.child());
            (root, last)
        };
        let small = thread::Builder::new().stack_size(128 << 10);
        let thread = small.spawn(move || {
            let (root, last) = chain(100_000);
            root.cancel();
            assert!(last.is_cancelled());
            drop(chain(100_000));
        });
        thread.unwrap().join().unwrap();
    });
}

/// A token is the cause of the next.
#[derive(Debug)]
struct Because(#[expect(dead_code, reason = "it is only kept")] CancelToken);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because of another")
    }
}

impl Error for Because {}

#[test]
fn dropping_a_long_chain_of_causes_does_not_overflow_the_stack() {
    limited(|| {
        let small = thread::Builder::new().stack_size(128 << 10);
        let thread = small.spawn(move || {
            let chain = || {
                (0..100_000).fold(CancelToken::new(), |token, _| {
                    let next = CancelToken::new();
                    next.cancel_with_cause(Because(token));
                    next
                })
            };
            drop(chain());
            let decided = CancelToken::new();
            decided.cancel();
            decided.cancel_with_cause(Because(chain()));
        });
        thread.unwrap().join().unwrap();
    });
}

#[test]
fn callbacks_are_called_once_on_the_cancelling_thread_in_order_and_without_a_lock() {
    limited(|| {
        let token = CancelToken::new();
        let called = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let (called, token) = (Arc::clone(&called), token.clone());
            move || {
                assert!(token.is_cancelled());
                called.lock().unwrap().push((name, thread::current().id()));
                // It may be used as at any other time.
                token.cancel();
                drop(token.on_cancel(|| ()));
            }
        };
        token.on_cancel(note("first")).keep();
        let second = token.on_cancel(note("second"));
        let taken_back = token.on_cancel(note("never"));
        token.on_cancel(|| panic!("contained")).keep();
        let last = token.on_cancel(note("last"));
        drop(taken_back);
        let canceller = thread::scope(|scope| {
            scope
                .spawn(|| {
                    token.cancel();
                    thread::current().id()
                })
                .join()
                .unwrap()
        });
        drop((second, last));
        // Too late, so it is called at once, and here.
        token.on_cancel(note("late")).keep();
        let here = thread::current().id();
        let expected = [
            ("first", canceller),
            ("second", canceller),
            ("last", canceller),
            ("late", here),
        ];
        assert_eq!(*called.lock().unwrap(), expected);
    });
}

#[test]
fn callbacks_that_are_not_called_are_dropped_and_bombs_in_them_contained() {
    limited(|| {
        let drops = Drops::default();
        let token = CancelToken::new();
        let (kept, guarded) = (drops.value(), drops.value());
        token.on_cancel(move || drop(kept)).keep();
        let guard = token.on_cancel(move || drop(guarded));
        drop(guard);
        assert_eq!(drops.count(), 1);
        let bomb = Bomb { depth: 2 };
        token.on_cancel(move || drop(bomb)).keep();
        let bomb = Bomb { depth: 2 };
        drop(token.on_cancel(move || drop(bomb)));
        let outcome = catch_unwind(AssertUnwindSafe(|| drop(token)));
        assert!(outcome.is_ok());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_callback_registered_against_a_cancel_is_called_exactly_once() {
    limited(|| {
        for _ in 0..500 {
            let (token, called) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
            thread::scope(|scope| {
                scope.spawn(|| token.cancel());
                for _ in 0..2 {
                    let called = Arc::clone(&called);
                    token.on_cancel(move || add_one(&called)).keep();
                }
            });
            assert_eq!(called.load(Ordering::SeqCst), 2);
        }
    });
}

#[test]
fn a_running_task_stops_when_it_is_asked_to() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (stop, running) = (CancelToken::new(), Flag::default());
        let (seen, began) = (stop.child(), running.clone());
        let task = pool.submit(move || {
            began.set();
            seen.wait();
            "stopped"
        });
        running.wait();
        stop.cancel();
        assert_eq!(task.join().unwrap(), "stopped");
    });
}

fn cause(token: &CancelToken) -> Option<String> {
    token.cause().map(|cause| cause.to_string())
}

#[test]
fn the_first_cause_counts_and_children_inherit_it() {
    limited(|| {
        let root = CancelToken::new();
        let (early, inherits) = (root.child(), root.child());
        let (early_child, grandchild) = (early.child(), inherits.child());
        assert_eq!(cause(&root), None);
        early.cancel_with_cause("early");
        assert_eq!((cause(&root), root.is_cancelled()), (None, false));
        root.cancel_with_cause(String::from("first"));
        root.cancel_with_cause("second");
        root.cancel();
        for token in [
            &root,
            &inherits,
            &grandchild,
            &root.child(),
            &grandchild.child(),
        ] {
            assert!(token.is_cancelled());
            assert_eq!(cause(token).unwrap(), "first");
        }
        for token in [&early, &early_child, &early_child.child()] {
            assert_eq!(cause(token).unwrap(), "early");
        }
        // No cause is an answer, too.
        let without = CancelToken::new();
        without.cancel();
        without.cancel_with_cause("too late");
        assert_eq!((cause(&without), cause(&without.child())), (None, None));
    });
}

#[test]
fn a_callback_and_a_waiter_find_the_cause_also_if_two_cancel_at_once() {
    limited(|| {
        for _ in 0..300 {
            let root = CancelToken::new();
            let child = root.child();
            let seen = Arc::new(Mutex::new(None));
            let (note, token) = (Arc::clone(&seen), child.clone());
            let callback = child.on_cancel(move || *note.lock().unwrap() = Some(cause(&token)));
            let found = thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    child.wait();
                    cause(&child)
                });
                scope.spawn(|| root.cancel_with_cause("one"));
                scope.spawn(|| root.cancel_with_cause("another"));
                waiter.join().unwrap()
            });
            drop(callback);
            assert!(found == cause(&root) && found.is_some());
            assert_eq!(*seen.lock().unwrap(), Some(found));
        }
    });
}

/// A cause that panics when it is dropped.
struct Grudge {
    _bomb: Bomb,
}

impl fmt::Debug for Grudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grudge")
    }
}

impl fmt::Display for Grudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grudge")
    }
}

impl Error for Grudge {}

#[test]
fn bombs_in_causes_are_contained() {
    limited(|| {
        let token = CancelToken::new();
        token.cancel_with_cause(Grudge {
            _bomb: Bomb { depth: 2 },
        });
        token.cancel_with_cause(Grudge {
            _bomb: Bomb { depth: 2 },
        });
        assert!(token.cause().is_some());
        drop(token);
    });
}

#[test]
fn a_guard_cancels_its_token_however_its_block_ends_unless_it_is_disarmed() {
    limited(|| {
        let token = CancelToken::new();
        let guard = token.child().drop_guard();
        let child = guard.disarm();
        assert!(!child.is_cancelled());
        let panics = AssertUnwindSafe(|| {
            let _guard = child.clone().drop_guard();
            panic!("on the way");
        });
        assert!(catch_unwind(panics).is_err());
        assert!(child.is_cancelled() && !token.is_cancelled());
        // A guard tells no cause, and changes none.
        let guard = token.clone().drop_guard();
        token.cancel_with_cause("known");
        drop(guard);
        assert_eq!(cause(&token).unwrap(), "known");
    });
}

#[test]
fn a_future_is_awaited_until_its_token_is_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (token, drops) = (CancelToken::new(), Drops::default());
        let (own, capture) = (token.clone(), drops.value());
        let waits = pool.spawn(async move {
            let forever = async move {
                let _capture = capture;
                std::future::pending::<()>().await;
            };
            own.run_until_cancelled(forever).await
        });
        token.cancel();
        assert_eq!(waits.join().unwrap(), None);
        assert_eq!(drops.count(), 1);
        let ready = token.run_until_cancelled(async { 42 });
        assert_eq!(future::block_on(ready), Some(42), "polled once, and ready");

        for round in 0..1000 {
            let (token, (promise, handle)) = (CancelToken::new(), workmill::promise());
            let own = token.clone();
            let ends = pool.spawn(async move { own.run_until_cancelled(handle).await });
            let cancels = pool.submit(move || token.cancel());
            promise.complete(round).unwrap();
            cancels.join().unwrap();
            let output = ends.join().unwrap();
            assert!(output.is_none_or(|it| it.unwrap() == round));
        }
    });
}
