//! Futures with a time limit or a sleep. The timer's thread lives as long as the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use workmill::timer::{interval, sleep, timeout};
use workmill::{Event, Every, ThreadPoolExecutor, block_on, yield_now};

use crate::{Counted, rounds};

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn what_sleeps_is_woken_in_its_time() {
    rounds(1, 50, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let sleeps = [2, 1, 1].map(|times| pool.spawn(sleep(SHORT * times)));
        for sleeps in sleeps {
            sleeps.join().unwrap();
        }
        let mut ticks = interval(SHORT);
        block_on(async {
            ticks.tick().await;
            ticks.tick().await;
        });
    });
}

#[test]
fn what_takes_too_long_is_dropped() {
    rounds(1, 50, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let kept = counted.clone();
        let late = pool.spawn(async move {
            let never = async move {
                let _kept = kept;
                Event::new().wait_async().await;
            };
            timeout(SHORT, never).await.is_err()
        });
        assert!(late.join().unwrap());
        let in_time = pool.spawn(timeout(LONG, async {
            yield_now().await;
            1
        }));
        assert_eq!(in_time.join().unwrap(), Ok(1));
        drop(pool);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn what_sleeps_is_cancelled_or_dropped() {
    rounds(1, 50, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let kept = counted.clone();
        let sleeps = pool.spawn(async move {
            sleep(LONG).await;
            drop(kept);
        });
        assert!(sleeps.cancel());
        assert!(sleeps.join().is_err());
        let capture = counted.clone();
        let later = pool.submit_after(LONG, move || drop(capture));
        assert!(later.cancel());
        let capture = counted.clone();
        drop(pool.submit_after(LONG, move || drop(capture)));
        drop(pool);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn closures_have_their_time() {
    rounds(1, 50, |_| {
        let (counted, runs) = (Counted::default(), Arc::new(AtomicUsize::new(0)));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert_eq!(pool.submit_after(SHORT, || 1).join().unwrap(), 1);
        let (capture, seen, event) = (counted.clone(), Arc::clone(&runs), Arc::new(Event::new()));
        let tells = Arc::clone(&event);
        let again = pool.submit_every(Every::delay(SHORT), move || {
            let _ = &capture;
            if seen.fetch_add(1, Ordering::Relaxed) == 1 {
                tells.set();
            }
        });
        event.wait();
        assert!(again.cancel());
        assert!(again.join().is_err());
        drop(pool);
        assert!(runs.load(Ordering::Relaxed) >= 2);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_wait_with_a_limit_gives_up() {
    rounds(1, 50, |_| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let event = Arc::new(Event::new());
        let waits = Arc::clone(&event);
        let mut handle = pool.submit(move || waits.wait());
        assert!(handle.join_timeout(SHORT).is_none());
        assert_eq!(pool.wait_idle_timeout(SHORT), Ok(false));
        event.set();
        assert!(handle.join_timeout(LONG).unwrap().is_ok());
    });
}
