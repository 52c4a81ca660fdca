//! Notifications wake one waiter or all, are kept at most once, and do not get lost.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use workmill::{Latch, Notified, Notify, ThreadPoolExecutor};

use crate::support::{add_one, limited};

const SHORT: Duration = Duration::from_millis(5);

fn is_over(wait: &mut Notified<'_>) -> bool {
    future::block_on(future::poll_once(wait)).is_some()
}

#[test]
fn one_notification_is_kept_and_ends_one_wait_in_each_form() {
    limited(|| {
        let bell = Notify::new();
        assert!(!bell.try_wait() && !bell.wait_timeout(Duration::ZERO));
        assert!(!bell.wait_timeout(SHORT));
        let forms: [fn(&Notify); 8] = [
            |bell| bell.wait(),
            |bell| assert!(bell.try_wait()),
            |bell| assert!(bell.wait_timeout(Duration::ZERO)),
            |bell| assert!(bell.wait_timeout(Duration::MAX)),
            |bell| future::block_on(bell.wait_async()),
            |bell| future::block_on(bell.notified()),
            |bell| bell.notified().wait(),
            |bell| assert!(bell.notified().wait_timeout(Duration::ZERO)),
        ];
        for form in forms {
            (0..3).for_each(|_| bell.notify_one());
            form(&bell);
            assert!(!bell.try_wait(), "the three became one");
        }
    });
}

#[test]
fn waiters_of_all_forms_are_woken_one_at_a_time_in_order_of_arrival() {
    limited(|| {
        let bell = Notify::new();
        let mut waits = Vec::new();
        for index in 0..4 {
            let mut wait = match index % 2 {
                0 => bell.notified(),
                _ => bell.wait_async(),
            };
            assert!(!is_over(&mut wait));
            waits.push(wait);
        }
        for woken in 0..4 {
            bell.notify_one();
            for (index, wait) in waits.iter_mut().enumerate() {
                assert_eq!(is_over(wait), index <= woken);
            }
        }
        assert!(!bell.try_wait(), "each was for a waiter");
    });
}

#[test]
fn all_that_wait_are_woken_and_nothing_is_kept_for_later() {
    limited(|| {
        let bell = Notify::new();
        let (mut first, second) = (bell.wait_async(), bell.notified());
        let mut not_begun = bell.wait_async();
        assert!(!is_over(&mut first));
        bell.notify_all();
        assert!(is_over(&mut first));
        second.wait();
        assert!(!is_over(&mut not_begun) && !bell.try_wait());
        drop(not_begun);
        // One that is kept stays.
        bell.notify_one();
        bell.notify_all();
        assert!(bell.try_wait() && !bell.try_wait());
    });
}

#[test]
fn a_wait_that_has_begun_misses_nothing_before_the_caller_blocks() {
    limited(|| {
        let bell = Notify::new();
        for _ in 0..2 {
            let wait = bell.notified();
            bell.notify_all();
            bell.notify_one();
            wait.wait();
            assert!(bell.try_wait(), "nobody waited any more");
            let mut wait = bell.notified();
            bell.notify_one();
            assert!(!bell.try_wait(), "it is for the waiter");
            assert!(wait.wait_timeout(Duration::ZERO));
        }
    });
}

#[test]
fn a_wait_that_timed_out_goes_on_and_one_that_ended_stays_so() {
    limited(|| {
        let bell = Notify::new();
        let mut waits = [bell.notified(), bell.wait_async()];
        for wait in &mut waits {
            let began = Instant::now();
            assert!(!wait.wait_timeout(SHORT) && began.elapsed() >= SHORT);
        }
        bell.notify_all();
        for mut wait in waits {
            assert!(wait.wait_timeout(Duration::ZERO) && is_over(&mut wait));
            assert!(wait.wait_timeout(Duration::MAX));
            wait.wait();
        }
        assert!(!bell.try_wait());
    });
}

#[test]
fn a_notification_that_is_not_used_goes_to_the_next_or_is_kept() {
    limited(|| {
        let bell = Notify::new();
        let (first, mut second) = (bell.notified(), bell.notified());
        bell.notify_one();
        assert!(!is_over(&mut second));
        drop(first);
        assert!(is_over(&mut second));
        // One that was kept, and taken by a wait that nobody waits for.
        bell.notify_one();
        let taken = bell.notified();
        assert!(!bell.try_wait());
        drop(taken);
        assert!(bell.try_wait());
        // One for a waiter that gave up without being told.
        let mut given_up = bell.notified();
        assert!(!given_up.wait_timeout(Duration::ZERO));
        bell.notify_one();
        drop(given_up);
        assert!(bell.try_wait());
        // A waiter that was woken with all the others has nothing to pass on.
        let woken = bell.notified();
        bell.notify_all();
        drop(woken);
        assert!(!bell.try_wait());
        // Nor has one that has used it.
        let mut used = bell.notified();
        bell.notify_one();
        assert!(is_over(&mut used));
        drop(used);
        assert!(!bell.try_wait());
    });
}

#[test]
fn waiters_that_leave_anywhere_in_the_queue_take_nothing_with_them() {
    limited(|| {
        for left in 0..3 {
            let bell = Notify::new();
            let mut waits: Vec<_> = (0..3).map(|_| bell.notified()).collect();
            drop(waits.remove(left));
            (0..2).for_each(|_| bell.notify_one());
            assert!(waits.iter_mut().all(is_over) && !bell.try_wait());
            let last = bell.notified();
            drop(last);
            bell.notify_one();
            assert!(bell.try_wait(), "it was kept, as nobody waited");
        }
    });
}

#[test]
fn a_timeout_against_a_notification_uses_it_or_leaves_it() {
    limited(|| {
        let bell = Notify::new();
        for round in 0..500 {
            thread::scope(|scope| {
                let notifier = scope.spawn(|| bell.notify_one());
                let woken = bell.wait_timeout(Duration::from_micros(round % 60));
                notifier.join().unwrap();
                assert_eq!(bell.try_wait(), !woken);
            });
        }
    });
}

#[test]
fn threads_tasks_and_futures_pass_notifications_round() {
    const ROUNDS: usize = 500;
    limited(|| {
        let bells: Arc<Vec<_>> = Arc::new((0..3).map(|_| Notify::new()).collect());
        let passed = Arc::new(AtomicUsize::new(0));
        let runner = |index: usize| {
            let (bells, passed) = (Arc::clone(&bells), Arc::clone(&passed));
            move |wait: fn(&Notify)| {
                for _ in 0..ROUNDS {
                    wait(&bells[index]);
                    add_one(&passed);
                    bells[(index + 1) % 3].notify_one();
                }
            }
        };
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (run, waits) = (runner(0), runner(1));
        let thread = thread::spawn(move || run(Notify::wait));
        let task = pool.submit(move || waits(|bell| assert!(bell.wait_timeout(Duration::MAX))));
        let (bells_too, passed_too) = (Arc::clone(&bells), Arc::clone(&passed));
        let future = pool.spawn(async move {
            for _ in 0..ROUNDS {
                bells_too[2].wait_async().await;
                add_one(&passed_too);
                bells_too[0].notify_one();
            }
        });
        bells[0].notify_one();
        thread.join().unwrap();
        task.join().unwrap();
        future.join().unwrap();
        assert_eq!(passed.load(Ordering::SeqCst), 3 * ROUNDS);
        assert!(bells[0].try_wait() && !bells[1].try_wait() && !bells[2].try_wait());
    });
}

#[test]
fn a_flag_is_seen_or_its_notification_wakes_all() {
    limited(|| {
        for _ in 0..300 {
            let (flag, bell, ready) = (AtomicUsize::new(0), Notify::new(), Latch::new(3));
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        ready.arrive_and_wait();
                        let wait = bell.notified();
                        if flag.load(Ordering::Relaxed) == 0 {
                            wait.wait();
                        }
                        assert_eq!(flag.load(Ordering::Relaxed), 1);
                    });
                }
                ready.arrive_and_wait();
                flag.store(1, Ordering::Relaxed);
                bell.notify_all();
            });
        }
    });
}

#[test]
fn a_wait_moves_between_threads_and_says_how_it_is() {
    limited(|| {
        let bell = Arc::new(Notify::default());
        assert_eq!(
            format!("{bell:?}"),
            "Notify { kept: false, waiting: false, .. }"
        );
        thread::scope(|scope| {
            let mut wait = bell.notified();
            assert_eq!(
                format!("{bell:?}"),
                "Notify { kept: false, waiting: true, .. }"
            );
            assert_eq!(format!("{wait:?}"), "Notified { over: false, .. }");
            assert!(!is_over(&mut wait));
            let other = scope.spawn(move || {
                future::block_on(Pin::new(&mut wait));
                format!("{wait:?}")
            });
            bell.notify_one();
            assert_eq!(other.join().unwrap(), "Notified { over: true, .. }");
        });
        bell.notify_one();
        assert_eq!(
            format!("{bell:?}"),
            "Notify { kept: true, waiting: false, .. }"
        );
    });
}
