//! A barrier releases all parties at once, round after round, and none is counted that has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use workmill::{Barrier, BarrierWaitResult, ThreadPoolExecutor, block_on};

use crate::support::{Hostile, add_one, limited, until};

const SHORT: Duration = Duration::from_millis(5);

fn is_waiting<F: Future<Output = BarrierWaitResult> + Unpin>(wait: &mut F) -> bool {
    future::block_on(future::poll_once(wait)).is_none()
}

#[test]
fn with_one_party_or_none_nobody_waits_and_all_lead() {
    limited(|| {
        for parties in 0..2 {
            let barrier = Barrier::new(parties);
            for _ in 0..2 {
                assert!(barrier.wait().is_leader());
                assert!(barrier.wait_timeout(Duration::ZERO).unwrap().is_leader());
                assert!(barrier.try_wait().unwrap().is_leader());
                assert!(future::block_on(barrier.wait_async()).is_leader());
            }
            assert_eq!((barrier.waiting(), barrier.parties()), (0, 1));
        }
    });
}

#[test]
fn the_last_of_all_forms_opens_it_and_leads() {
    limited(|| {
        let barrier = Barrier::new(4);
        for _ in 0..100 {
            let last: fn(&Barrier) -> BarrierWaitResult = |barrier| {
                until(|| barrier.waiting() == 3);
                barrier.try_wait().expect("all others wait")
            };
            thread::scope(|scope| {
                let parties = [
                    scope.spawn(|| barrier.wait()),
                    scope.spawn(|| barrier.wait_timeout(Duration::MAX).unwrap()),
                    scope.spawn(|| future::block_on(barrier.wait_async())),
                ];
                assert!(last(&barrier).is_leader());
                let results = parties.map(|party| party.join().unwrap());
                assert!(results.iter().all(|result| !result.is_leader()));
            });
            assert_eq!(barrier.waiting(), 0);
        }
    });
}

#[test]
fn no_party_is_a_round_ahead_and_each_round_has_one_leader() {
    const PARTIES: usize = 5;
    const ROUNDS: usize = 300;
    limited(|| {
        // One thread has to run all of them, if the waits give its slot away.
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let shared = Arc::new((
            Barrier::new(PARTIES),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        ));
        let party = |index: usize| {
            let shared = Arc::clone(&shared);
            move || {
                let (barrier, arrived, leaders) = &*shared;
                for round in 0..ROUNDS {
                    let before = arrived.fetch_add(1, Ordering::SeqCst);
                    assert!((round * PARTIES..(round + 1) * PARTIES).contains(&before));
                    let result = match (index + round) % 3 {
                        0 => barrier.wait(),
                        1 => barrier.wait_timeout(Duration::MAX).unwrap(),
                        _ => block_on(barrier.wait_async()),
                    };
                    if result.is_leader() {
                        add_one(leaders);
                    }
                    assert_eq!(arrived.load(Ordering::SeqCst), (round + 1) * PARTIES);
                    // Nobody arrives for the next round before all have looked.
                    barrier.wait();
                }
            }
        };
        let tasks: Vec<_> = (2..PARTIES)
            .map(|index| pool.submit(party(index)))
            .collect();
        let threads = [0, 1].map(|index| thread::spawn(party(index)));
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        tasks.into_iter().for_each(|task| task.join().unwrap());
        assert_eq!(shared.2.load(Ordering::SeqCst), ROUNDS);
    });
}

#[test]
fn a_try_changes_nothing_unless_it_is_the_last() {
    limited(|| {
        let barrier = Barrier::new(3);
        let mut first = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut first));
        for _ in 0..3 {
            assert!(barrier.try_wait().is_none());
            assert!(barrier.wait_timeout(Duration::ZERO).is_none());
            assert_eq!(barrier.waiting(), 1);
        }
        let mut second = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut second) && is_waiting(&mut first));
        assert!(barrier.try_wait().unwrap().is_leader());
        assert!(!is_waiting(&mut first) && !is_waiting(&mut second));
        assert!(barrier.try_wait().is_none(), "a new round");
    });
}

#[test]
fn a_party_that_gives_up_takes_its_arrival_back() {
    limited(|| {
        let barrier = Barrier::new(3);
        let mut stays = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut stays));
        let mut dropped = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut dropped));
        assert_eq!(barrier.waiting(), 2);
        drop(dropped);
        let began = Instant::now();
        assert!(barrier.wait_timeout(SHORT).is_none() && began.elapsed() >= SHORT);
        assert_eq!(barrier.waiting(), 1);
        assert!(barrier.try_wait().is_none() && is_waiting(&mut stays));
        // A future that was not polled has not arrived.
        let not_begun = barrier.wait_async();
        assert_eq!(barrier.waiting(), 1);
        drop(not_begun);
        let mut other = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut other));
        assert!(barrier.wait().is_leader());
        assert!(!is_waiting(&mut stays) && !is_waiting(&mut other));
    });
}

#[test]
fn one_that_is_dropped_after_the_barrier_opened_disturbs_no_later_round() {
    limited(|| {
        let barrier = Barrier::new(2);
        let mut first = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut first));
        assert!(barrier.wait().is_leader());
        let mut next = Box::pin(barrier.wait_async());
        assert!(is_waiting(&mut next));
        drop(first);
        assert_eq!(barrier.waiting(), 1);
        assert!(barrier.wait().is_leader() && !is_waiting(&mut next));
    });
}

#[test]
fn a_timeout_against_the_last_arrival_opens_the_barrier_for_both_or_for_none() {
    limited(|| {
        let barrier = Barrier::new(2);
        for round in 0..500 {
            let timeout = Duration::from_micros(round % 60);
            thread::scope(|scope| {
                let other = scope.spawn(|| barrier.wait_timeout(Duration::from_micros(30)));
                let here = barrier.wait_timeout(timeout);
                let leads = |result: Option<BarrierWaitResult>| result.map(|it| it.is_leader());
                match (leads(here), leads(other.join().unwrap())) {
                    (None, None) => {}
                    (Some(one), Some(another)) => assert_ne!(one, another),
                    alone => panic!("{alone:?}"),
                }
            });
            assert_eq!(barrier.waiting(), 0);
        }
    });
}

#[test]
fn wakers_that_panic_and_stray_wake_ups_disturb_nobody() {
    limited(|| {
        let (barrier, wakers) = (
            Barrier::new(3),
            [(); 2].map(|()| Waker::from(Arc::new(Hostile))),
        );
        let mut hostile = Box::pin(barrier.wait_async());
        for waker in &wakers {
            assert!(
                hostile
                    .as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        thread::scope(|scope| {
            let other = scope.spawn(|| barrier.wait());
            until(|| barrier.waiting() == 2);
            for _ in 0..100 {
                other.thread().unpark();
                thread::yield_now();
            }
            assert_eq!(barrier.waiting(), 2);
            assert!(barrier.wait().is_leader());
            assert!(!other.join().unwrap().is_leader());
        });
        drop(hostile);
        wakers.into_iter().for_each(std::mem::forget);
        assert_eq!(format!("{barrier:?}"), "Barrier { parties: 3, waiting: 0 }");
    });
}
