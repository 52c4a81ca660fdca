//! A model of the tally: finishers against a joiner.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::tally::Tally;
use crate::primitive::fence;
use crate::wait::Deadline;

/// Bug: `is_quiescent` reads the accepted counts first. Bug: the joiner's fence J3 is left out.
#[test]
fn a_joiner_returns_when_all_is_finished_and_not_before() {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(|| {
        let tally = Arc::new(Tally::new(2));
        tally.use_slots(2);
        let finished = Arc::new(AtomicUsize::new(0));
        tally.accept_outside().unwrap();
        let finish = |index: usize| {
            let (tally, finished) = (Arc::clone(&tally), Arc::clone(&finished));
            move || {
                finished.fetch_add(1, Ordering::Relaxed);
                tally.finish_inside(index);
                fence(Ordering::SeqCst);
                if tally.wants_attention() && tally.is_quiescent() {
                    tally.wake_joiners();
                }
            }
        };
        let (first, second) = (finish(0), finish(1));
        let accepting = Arc::clone(&tally);
        let finisher = thread::spawn(move || {
            // The task submits another, which the second thread may finish first.
            accepting.accept_inside(0);
            let other = thread::spawn(second);
            first();
            other.join().unwrap();
        });
        assert!(tally.join(Deadline::NEVER));
        assert_eq!(finished.load(Ordering::Relaxed), 2);
        finisher.join().unwrap();
    });
}
