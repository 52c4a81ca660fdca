//! Barriers.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::model;
use crate::sync::barrier::Barrier;
use crate::wait::Deadline;

/// Bug: the last party notifies nobody. Bug: a barrier that has opened counts the parties of the
/// round that is over.
#[test]
fn all_parties_have_arrived_when_one_goes_on_in_every_round() {
    model(|| {
        let shared = Arc::new((Barrier::new(2), [0; 2].map(AtomicUsize::new)));
        let rounds = |shared: &(Barrier, [AtomicUsize; 2])| {
            [0, 1].map(|round: usize| {
                shared.1[round].fetch_add(1, Ordering::Relaxed);
                let result = shared.0.wait();
                assert_eq!(shared.1[round].load(Ordering::Relaxed), 2);
                result.is_leader()
            })
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || rounds(&shared))
        };
        let leads = rounds(&shared);
        let other = other.join().unwrap();
        assert!(leads[0] != other[0] && leads[1] != other[1]);
        assert_eq!(shared.0.waiting(), 0);
    });
}

/// Bug: a party that gives up is still counted. Bug: a party that gives up when the barrier has
/// opened believes that it has not.
#[test]
fn a_party_that_gives_up_goes_on_with_the_others_or_takes_its_arrival_back() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || barrier.try_wait().is_some())
        };
        let over = Deadline::after(Duration::ZERO);
        let opened = barrier.wait_until(over).is_some();
        assert_eq!(other.join().unwrap(), opened);
        assert_eq!(barrier.waiting(), 0);
    });
}
