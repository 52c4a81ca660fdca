//! Models of a half: every schedule of its owner and a thief.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/task/stack.txt` puts
//! them back.

use std::num::NonZero;
use std::sync::Arc;
use std::task::Waker;

use loom::thread;

use crate::primitive::{Mutex, lock, yield_now};
use crate::task::stack::{Half, Owner, Pending, Public, Thief, join};
use crate::wait::{Cause, Deadline, block_until};

/// A thread that makes each half public at once, where one thief looks.
struct Offering {
    pending: Pending,
    offer: Arc<Mutex<Option<Public>>>,
    wait: fn(&Self, &Half) -> Option<Public>,
}

impl Owner for Offering {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn pushed(&self) {
        self.publish_all();
    }

    fn publish_all(&self) {
        *lock(&self.offer) = self.pending.make_oldest_public(0);
    }

    fn is_covered(&self) -> bool {
        false
    }

    fn take_back(&self, half: &Half) -> Option<Public> {
        lock(&self.offer).take_if(|public| half.is_of(public))
    }

    fn wait_for(&self, half: &Half) -> Option<Public> {
        (self.wait)(self, half)
    }
}

const THIEF: Thief = Thief {
    thread: NonZero::<usize>::MIN,
    place: 0,
    since: 0,
};

fn steal_beside_an_owner_that_waits(wait: fn(&Offering, &Half) -> Option<Public>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let offer = Arc::new(Mutex::new(None::<Public>));
        let offered = Arc::clone(&offer);
        let thief = thread::spawn(move || {
            let public = {
                let mut offer = lock(&offered);
                offer.iter().for_each(|public| public.taken_by(THIEF));
                offer.take()
            };
            public.into_iter().for_each(Public::run);
        });
        let owner = Offering {
            pending: Pending::default(),
            offer,
            wait,
        };
        assert_eq!(join(&owner, || 1, || 2), (1, 2));
        thief.join().unwrap();
    });
}

/// The owner comes back as its half is stolen, while the thief runs it, or when it is done.
///
/// Bug: the thief does not release the result (T2). Bug: the owner does not release its waker (O3).
/// Bug: the owner sleeps although the half is done by then (O3).
#[test]
fn a_half_is_over_when_its_owner_goes_on() {
    steal_beside_an_owner_that_waits(|_, half| {
        let poll = |waker: &_| half.poll_done(waker).then_some(());
        block_until(Cause::Arrival, Deadline::NEVER, poll);
        None
    });
}

/// The owner sees that its half is done before it is woken.
///
/// Bug: the thief that wakes does not release the result (T4). Bug: the thief takes the waker when
/// the half is done (T3).
#[test]
fn a_half_that_is_done_is_left_alone_by_its_thief() {
    steal_beside_an_owner_that_waits(|_, half| {
        while !half.poll_done(Waker::noop()) {
            yield_now();
        }
        None
    });
}
