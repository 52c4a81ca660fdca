//! A task that is submitted for later runs when its time has come, and not before; or never, at
//! once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use workmill::{Builder, CancelReason, Every, JoinHandle, Overflow, ThreadPoolExecutor, current};

use crate::support::{Drops, Flag, add_one, limited, occupy, until};

const SHORT: Duration = Duration::from_millis(5);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_closure_runs_when_its_time_has_come() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for delay in [Duration::ZERO, SHORT, 4 * SHORT] {
            let start = Instant::now();
            let waited = pool.submit_after(delay, move || start.elapsed()).join();
            assert!(waited.unwrap() >= delay);
        }
    });
}

#[test]
fn tasks_that_are_due_first_run_first_whatever_the_order_of_the_calls() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let mut apart = 4 * SHORT;
        loop {
            let (start, (sender, receiver)) = (Instant::now(), mpsc::channel());
            for n in [3_u32, 1, 4, 0, 2] {
                let sender = sender.clone();
                pool.submit_after(n * apart, move || sender.send(n).unwrap());
            }
            drop(sender);
            // Otherwise this thread was held up, and the task that was submitted last may be due
            // last.
            let in_time = start.elapsed() < apart;
            let order: Vec<_> = receiver.iter().collect();
            if in_time {
                assert_eq!(order, [0, 1, 2, 3, 4]);
                return;
            }
            apart *= 2;
        }
    });
}

#[test]
fn what_is_cancelled_before_its_time_is_freed_at_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let drops = Drops::default();
        let handles: Vec<_> = (0..1_000)
            .map(|n| {
                let held = drops.value();
                let delay = if n % 2 == 0 { HOUR } else { Duration::MAX };
                pool.submit_after(delay, move || drop(held))
            })
            .collect();
        assert!(handles.iter().all(|handle| handle.cancel()));
        assert_eq!(drops.count(), 1_000);
        for handle in handles {
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
        }
    });
}

#[test]
fn the_shutdown_of_the_pool_cancels_what_is_not_due() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let drops = Drops::default();
        let held = drops.value();
        let handle = pool.submit_after(HOUR, move || drop(held));
        pool.wait_idle().unwrap();
        pool.shutdown();
        assert_eq!(drops.count(), 1);
        let error = handle.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        let late = pool.submit_after(SHORT, || ()).join().unwrap_err();
        assert_eq!(late.cancel_reason(), Some(CancelReason::Shutdown));
        let late = pool.submit_every(Every::rate(SHORT), || ()).join();
        assert_eq!(
            late.unwrap_err().cancel_reason(),
            Some(CancelReason::Shutdown)
        );
    });
}

#[test]
fn a_task_that_joins_what_is_not_due_waits_for_its_time() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let waits = pool.submit(|| {
            let start = Instant::now();
            let later = current()
                .unwrap()
                .submit_after(4 * SHORT, move || start.elapsed());
            later.join().unwrap()
        });
        assert!(waits.join().unwrap() >= 4 * SHORT);
    });
}

#[test]
fn what_is_due_is_admitted_to_a_full_pool() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.overflow(Overflow::Reject).build().unwrap();
        let release = occupy(&pool);
        let queued = pool.submit(|| 1);
        let due = pool.submit_after(Duration::ZERO, || 2);
        until(|| pool.metrics().over_capacity == 1);
        assert!(pool.try_submit(|| 3).is_err());
        release.set();
        assert_eq!((queued.join().unwrap(), due.join().unwrap()), (1, 2));
        assert_eq!(pool.submit(|| 4).join().unwrap(), 4);
    });
}

#[test]
fn what_is_cancelled_while_it_is_due_gives_its_room_back() {
    limited(|| {
        let pool = Builder::new().threads(1).queue_capacity(1).build().unwrap();
        let release = occupy(&pool);
        let queued = pool.submit(|| unreachable!());
        let due = pool.submit_after(Duration::ZERO, || unreachable!());
        until(|| pool.metrics().over_capacity == 1);
        assert!(queued.cancel());
        assert!(pool.try_submit(|| ()).is_err());
        assert!(due.cancel());
        assert!(pool.try_submit(|| ()).is_ok());
        release.set();
    });
}

#[test]
fn a_series_runs_until_it_is_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for every in [
            Every::rate(SHORT),
            Every::delay(SHORT),
            Every::delay(Duration::ZERO),
        ] {
            let (runs, drops) = (Arc::new(AtomicUsize::new(0)), Drops::default());
            let (count, held) = (Arc::clone(&runs), drops.value());
            let series = pool.submit_every(every, move || {
                let _held = &held;
                add_one(&count);
            });
            until(|| runs.load(Ordering::SeqCst) >= 5);
            assert!(!series.is_finished());
            assert!(series.cancel());
            let error = series.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
            pool.wait_idle().unwrap();
            assert_eq!(drops.count(), 1);
            let ran = runs.load(Ordering::SeqCst);
            pool.submit_after(4 * SHORT, || ()).join().unwrap();
            assert_eq!(runs.load(Ordering::SeqCst), ran);
        }
    });
}

#[test]
fn the_first_run_of_a_series_may_be_due_later() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let start = Instant::now();
        let every = Every::rate(HOUR).first_after(4 * SHORT);
        pool.submit_every(every, move || sender.send(start.elapsed()).unwrap());
        assert!(receiver.recv().unwrap() >= 4 * SHORT);
    });
}

#[test]
fn runs_of_a_series_never_overlap() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(4).unwrap();
        let crowd = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel();
        let series = pool.submit_every(Every::rate(Duration::from_micros(100)), move || {
            assert_eq!(crowd.fetch_add(1, Ordering::SeqCst), 0);
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(1) {}
            crowd.fetch_sub(1, Ordering::SeqCst);
            let _ = sender.send(start);
        });
        let starts: Vec<_> = receiver.iter().take(20).collect();
        assert!(starts.is_sorted());
        assert!(series.cancel());
    });
}

#[test]
fn a_series_at_a_fixed_rate_keeps_its_phase_and_skips_what_it_misses() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        let (start, period) = (Instant::now(), Duration::from_millis(20));
        let mut is_first = true;
        let series = pool.submit_every(Every::rate(period), move || {
            let _ = sender.send(start.elapsed());
            if std::mem::take(&mut is_first) {
                // The time of two others passes meanwhile.
                std::thread::sleep(period * 5 / 2);
            }
        });
        let times: Vec<_> = receiver.iter().take(3).collect();
        assert!(times[1] >= period * 3);
        assert!(times[2] >= period * 4);
        assert!(series.cancel());
    });
}

#[test]
fn a_panic_in_a_run_goes_to_the_handler_and_the_series_goes_on() {
    limited(|| {
        let panics = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&panics);
        let builder = Builder::new()
            .threads(1)
            .panic_handler(move |_| add_one(&count));
        let pool = builder.build().unwrap();
        let series = pool.submit_every(Every::delay(Duration::ZERO), || panic!("in a run"));
        until(|| panics.load(Ordering::SeqCst) >= 3);
        assert!(!series.is_finished());
        assert!(series.cancel());
    });
}

#[test]
fn a_series_may_end_with_a_panic_which_is_in_its_handle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (drops, mut runs) = (Drops::default(), 0);
        let held = drops.value();
        let every = Every::delay(Duration::ZERO).end_on_panic();
        let series = pool.submit_every(every, move || {
            let _held = &held;
            runs += 1;
            assert!(runs < 3, "the third run");
        });
        let error = series.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("the third run"));
        assert_eq!(drops.count(), 1);
        pool.shutdown();
    });
}

#[test]
fn a_run_that_is_due_while_the_pool_is_full_is_skipped_and_counted() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.overflow(Overflow::Reject).build().unwrap();
        let (release, runs) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
        let queued = pool.submit(|| ());
        let count = Arc::clone(&runs);
        let series = pool.submit_every(Every::rate(SHORT), move || add_one(&count));
        until(|| pool.metrics().skipped_runs >= 3);
        assert_eq!(runs.load(Ordering::SeqCst), 0);
        release.set();
        queued.join().unwrap();
        until(|| runs.load(Ordering::SeqCst) >= 3);
        assert!(series.cancel());
    });
}

#[test]
fn a_run_that_is_dropped_for_a_newer_task_does_not_end_its_series() {
    limited(|| {
        for pause in [SHORT, HOUR] {
            let builder = Builder::new().threads(1).queue_capacity(1);
            let pool = builder.overflow(Overflow::DropOldest).build().unwrap();
            let (release, runs) = (occupy(&pool), Arc::new(AtomicUsize::new(0)));
            let count = Arc::clone(&runs);
            let series = pool.submit_every(Every::delay(pause), move || add_one(&count));
            // Due after the first run, and let in over the capacity.
            let due = pool.submit_after(Duration::ZERO, || ());
            until(|| pool.metrics().over_capacity == 1);
            let newer = pool.submit(|| 1);
            release.set();
            assert_eq!(newer.join().unwrap(), 1);
            due.join().unwrap();
            let skipped = || pool.metrics().skipped_runs;
            if pause == SHORT {
                // The series goes on. The next run may have been due before the flag was set, and
                // be left out too.
                until(|| runs.load(Ordering::SeqCst) >= 3);
                assert!(skipped() >= 1);
            } else {
                // The next run is far away.
                pool.wait_idle().unwrap();
                assert_eq!((runs.load(Ordering::SeqCst), skipped()), (0, 1));
                assert!(!series.is_finished());
            }
            assert!(series.cancel());
        }
    });
}

#[test]
fn a_series_that_is_cancelled_or_shut_down_in_its_own_run_ends_after_it() {
    limited(|| {
        for shut_down in [false, true] {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let (give, take) = mpsc::channel::<workmill::CancelHandle>();
            let (drops, runs) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let (held, count) = (drops.value(), Arc::clone(&runs));
            let owner = shut_down.then(|| pool.clone());
            let series = pool.submit_every(Every::delay(Duration::ZERO), move || {
                let _held = &held;
                match &owner {
                    Some(owner) => owner.shutdown(),
                    None => assert!(take.recv().unwrap().cancel()),
                }
                add_one(&count);
            });
            give.send(series.cancel_handle()).unwrap_or(());
            let error = series.join().unwrap_err();
            assert!(error.is_cancelled());
            until(|| drops.count() == 1);
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn closing_the_pool_while_tasks_come_due_runs_or_cancels_each() {
    limited(|| {
        for round in 0..200 {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let drops = Drops::default();
            let handles: Vec<_> = (0..20_u32)
                .map(|n| {
                    let held = drops.value();
                    let delay = Duration::from_micros(u64::from(n * 10));
                    pool.submit_after(delay, move || drop(held))
                })
                .collect();
            let series = pool.submit_every(Every::rate(Duration::from_micros(20)), || ());
            let start = Instant::now();
            while start.elapsed() < Duration::from_micros(round) {}
            pool.shutdown();
            for handle in handles {
                if let Err(error) = handle.join() {
                    assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
                }
            }
            assert!(series.join().is_err());
            assert_eq!(drops.count(), 20);
        }
    });
}

#[test]
#[should_panic(expected = "the period of a series is zero")]
fn a_series_at_no_rate_is_refused() {
    let _ = Every::rate(Duration::ZERO);
}

/// Starts a series with a run under way, which ends when the flag is set: then `over` is one more.
fn in_a_run(pool: &ThreadPoolExecutor, over: &Arc<AtomicUsize>) -> (JoinHandle<()>, Drops, Flag) {
    let (begun, release, drops) = (Flag::default(), Flag::default(), Drops::default());
    let (arrives, go, held, count) = (
        begun.clone(),
        release.clone(),
        drops.value(),
        Arc::clone(over),
    );
    let series = pool.submit_every(Every::delay(Duration::ZERO), move || {
        let _held = &held;
        arrives.set();
        go.wait();
        add_one(&count);
    });
    begun.wait();
    (series, drops, release)
}

#[test]
fn the_handle_of_a_series_resolves_when_its_last_run_is_over_and_its_captures_are_gone() {
    limited(|| {
        for ends in [
            (|_, series| assert!(series.cancel())) as fn(&ThreadPoolExecutor, &JoinHandle<()>),
            |pool, _| assert_eq!(pool.shutdown_now(), 0),
            |pool, _| assert!(pool.shutdown_timeout(Duration::ZERO).is_err()),
        ] {
            let (pool, over) = (
                ThreadPoolExecutor::new(1).unwrap(),
                Arc::new(AtomicUsize::new(0)),
            );
            let (series, drops, release) = in_a_run(&pool, &over);
            ends(&pool, &series);
            assert!(!series.is_finished() && drops.count() == 0);
            release.set();
            assert!(series.join().unwrap_err().is_cancelled());
            assert_eq!((over.load(Ordering::SeqCst), drops.count()), (1, 1));
        }
    });
}

#[test]
fn a_series_between_two_runs_is_dropped_by_its_canceller() {
    limited(|| {
        let (pool, drops) = (ThreadPoolExecutor::new(1).unwrap(), Drops::default());
        let held = drops.value();
        let every = Every::delay(SHORT).first_after(HOUR);
        let series = pool.submit_every(every, move || {
            let _held = &held;
        });
        assert!(series.cancel() && series.is_finished());
        assert_eq!(drops.count(), 1);
        assert!(series.cancel());
    });
}

#[test]
fn captures_of_what_is_not_due_may_ask_for_the_end_and_do_not_wait_for_it() {
    limited(|| {
        /// Shuts a pool down when it is dropped.
        struct ShutsDown(ThreadPoolExecutor);

        impl Drop for ShutsDown {
            fn drop(&mut self) {
                self.0.shutdown();
                assert!(self.0.shutdown_timeout(Duration::MAX).is_err());
            }
        }

        for stop in [false, true] {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let release = occupy(&pool);
            let captured = ShutsDown(pool.clone());
            let once = pool.submit_after(HOUR, move || drop(captured));
            let captured = ShutsDown(pool.clone());
            let every = Every::delay(HOUR).first_after(HOUR);
            let series = pool.submit_every(every, move || {
                let _captured = &captured;
            });
            // The busy task runs on; a wait for it here would last forever.
            match stop {
                true => assert_eq!(pool.shutdown_now(), 0),
                false => assert!(pool.shutdown_timeout(Duration::ZERO).is_err()),
            }
            assert!(once.is_finished() && series.is_finished());
            release.set();
            pool.shutdown();
        }
    });
}
