//! A panic is seen by the holder of the handle, or else by the panic handler, and never by both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use workmill::{Builder, Every, ThreadPoolExecutor};

use crate::support::{Bomb, Flag, add_one, limited, occupy, until};

/// A pool of one thread, and the number of calls of its panic handler.
fn pool() -> (ThreadPoolExecutor, Arc<AtomicUsize>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let builder = Builder::new().threads(1);
    let pool = builder.panic_handler(move |_| add_one(&count)).build();
    (pool.unwrap(), heard)
}

/// All ways to start a task that panics, and to keep no handle of it.
type Start = fn(&ThreadPoolExecutor) -> Box<dyn FnOnce() + Send>;

const WAYS: [Start; 7] = [
    |pool| keep(pool.submit(|| panic!("submitted"))),
    |pool| keep(pool.spawn(async { panic!("spawned") })),
    |pool| keep(pool.submit_after(Duration::ZERO, || panic!("for later"))),
    |pool| {
        let every = Every::delay(Duration::ZERO).end_on_panic();
        keep(pool.submit_every(every, || panic!("a series")))
    },
    |pool| {
        let shared = pool.submit(|| panic!("shared")).shared();
        keep([shared.clone(), shared])
    },
    |pool| keep(pool.submit(|| panic!("cancelled on drop")).cancel_handle()),
    |pool| {
        let task = pool.submit(|| -> u32 { panic!("awaited") });
        keep(async move { task.await.map(drop) })
    },
];

/// Drops the handle when it is called.
fn keep<H: Send + 'static>(handle: H) -> Box<dyn FnOnce() + Send> {
    Box::new(move || drop(handle))
}

#[test]
fn a_panic_whose_handle_is_dropped_before_it_reaches_the_handler() {
    limited(|| {
        for start in WAYS {
            let (pool, heard) = pool();
            let release = occupy(&pool);
            start(&pool)();
            release.set();
            until(|| heard.load(Ordering::SeqCst) == 1);
            pool.shutdown();
            assert_eq!(heard.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn a_panic_whose_handle_is_dropped_after_it_reaches_the_handler() {
    limited(|| {
        for start in WAYS {
            let (pool, heard) = pool();
            let drop_handle = start(&pool);
            // A task that is due at once has run when this one has.
            let due = pool.submit_after(Duration::from_millis(5), || ());
            due.join().unwrap();
            pool.wait_idle().unwrap();
            drop_handle();
            pool.shutdown();
            assert_eq!(heard.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn a_panic_that_a_handle_has_given_does_not_reach_the_handler() {
    limited(|| {
        let (pool, heard) = pool();
        let panicking = || pool.submit(|| -> u32 { panic!("seen") });
        assert!(panicking().join().is_err());
        assert!(panicking().join_timeout(Duration::MAX).unwrap().is_err());
        assert!(workmill::block_on(panicking()).is_err());
        panicking().on_done(|outcome| assert!(outcome.is_err()));
        let shared = panicking().shared();
        let other = shared.clone();
        assert!(shared.join().is_err());
        drop((shared, other));
        pool.shutdown();
        assert_eq!(heard.load(Ordering::SeqCst), 0);
    });
}

/// Returns when the run has begun; it panics when the flag is set.
fn last_run(pool: &ThreadPoolExecutor, every: Every) -> (workmill::JoinHandle<()>, Flag) {
    let (begun, release) = (Flag::default(), Flag::default());
    let (arrives, go) = (begun.clone(), release.clone());
    let series = pool.submit_every(every, move || {
        arrives.set();
        go.wait();
        panic!("in the last run");
    });
    begun.wait();
    (series, release)
}

#[test]
fn the_panic_of_the_last_run_of_a_series_reaches_the_handler() {
    limited(|| {
        let every = Every::delay(Duration::ZERO);
        for every in [every, every.end_on_panic()] {
            for shut_down in [false, true] {
                let (pool, heard) = pool();
                let (series, release) = last_run(&pool, every);
                match shut_down {
                    true => assert_eq!(pool.shutdown_now(), 0),
                    false => assert!(series.cancel()),
                }
                release.set();
                assert!(series.join().unwrap_err().is_cancelled());
                assert_eq!(heard.load(Ordering::SeqCst), 1);
            }
        }
    });
}

#[test]
fn a_payload_that_panics_when_the_handler_drops_it_does_no_harm() {
    limited(|| {
        let (pool, heard) = pool();
        let task = pool.submit(|| std::panic::panic_any(Bomb { depth: 3 }));
        pool.wait_idle().unwrap();
        drop(task);
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    });
}

#[test]
fn a_handle_that_outlives_its_pool_tells_no_other_pool() {
    limited(|| {
        let (first, _) = pool();
        let task = first.submit(|| panic!("late"));
        first.shutdown();
        drop(first);
        // The memory that the first pool has left behind is used again now.
        let others: Vec<_> = (0..4).map(|_| pool()).collect();
        drop(task);
        assert!(
            others
                .iter()
                .all(|(_, heard)| heard.load(Ordering::SeqCst) == 0)
        );
    });
}
