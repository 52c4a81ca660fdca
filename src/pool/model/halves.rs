//! Halves of joins: offered, found, stolen, taken back, and waited for.

use std::num::NonZero;

use super::*;
use crate::pool::queue::halves::{Halves, OwnTask, PublicHalf};
use crate::primitive::{AtomicBool, yield_now};
use crate::task::stack::{Half, Owner, Pending, Public, Thief, join, join_elsewhere};

fn push_closure(shared: &Arc<Pool>, closure: impl FnOnce() + Send + 'static) {
    shared.accept().unwrap();
    shared.push(PoolTask::detached((), closure));
}

/// Waits until a pool has ended.
fn end(shared: &Arc<Pool>) {
    shared.close();
    shared.staff.roster.join();
    assert!(shared.slots.have_ended());
}

/// Calls `join` in the task that runs.
fn join_here<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    Local::with(|local| local.unwrap().join(a, b))
}

/// On the only thread of a pool the first half waits for the second, and for that of the join
/// around it.
///
/// Bug: private halves are not made public before a wait. Bug: a thread that leaves its slot does
/// not look at the halves (V3).
#[test]
fn a_half_that_its_owner_waits_for_is_found() {
    model(1, || {
        let shared = pool_that_starts(1);
        push_closure(&shared, || {
            let (outer, inner) = (Event::new(), Event::new());
            let waits = || {
                inner.wait();
                outer.wait();
            };
            join_here(|| join_here(waits, || inner.set()), || outer.set());
        });
        end(&shared);
    });
}

/// The first half is busy until the second has run, which another thread has to take: one that
/// falls asleep, or has not started.
///
/// Bug: a half that was made public is not announced (P2 to P4). Bug: the last look leaves halves
/// out (S3).
#[test]
fn a_half_that_was_made_public_is_found() {
    model(1, || {
        let shared = pool(2, start_none);
        let workers = [start_busy_worker(&shared), start_busy_worker(&shared)];
        push_closure(&shared, || {
            let ran = AtomicBool::new(false);
            let busy = || {
                while !ran.load(Ordering::Acquire) {
                    yield_now();
                }
            };
            join_here(busy, || ran.store(true, Ordering::Release));
        });
        shared.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
    });
}

/// A thread with a place of its own, which makes each half public at once.
struct Bare {
    key: NonZero<usize>,
    place: usize,
    pending: Pending,
    halves: Arc<Halves>,
}

impl Bare {
    fn new(key: usize, place: usize, halves: &Arc<Halves>) -> Self {
        Self {
            key: NonZero::new(key).unwrap(),
            place,
            pending: Pending::default(),
            halves: Arc::clone(halves),
        }
    }

    fn as_thief(&self) -> Thief {
        self.halves.thief(self.key, self.place)
    }

    /// Runs a half that another thread has made public in the places of slots.
    fn steal(&self) -> bool {
        let stolen = self.halves.steal(2, || self.as_thief(), self.place);
        stolen.map(|half| half.public.run()).is_some()
    }
}

impl Owner for Bare {
    fn pending(&self) -> &Pending {
        &self.pending
    }

    fn pushed(&self) {
        self.publish_all();
    }

    fn publish_all(&self) {
        let public = std::iter::from_fn(|| self.pending.make_oldest_public(self.place));
        let (owner, task) = (
            self.key,
            OwnTask {
                name: None,
                cell: 0,
            },
        );
        let public = public.map(|public| PublicHalf {
            public,
            owner,
            task,
        });
        self.halves.push(self.place, public);
    }

    fn is_covered(&self) -> bool {
        false
    }

    fn take_back(&self, half: &Half) -> Option<Public> {
        self.halves.take_back(half)
    }

    fn wait_for(&self, half: &Half) -> Option<Public> {
        while !half.is_done() {
            let thief = self.halves.thief_of(half);
            let steal = |thief| self.halves.steal_from(thief, half, || self.as_thief());
            match thief.and_then(steal) {
                Some(found) => found.public.run(),
                None => yield_now(),
            }
        }
        None
    }
}

/// Returns a closure that must be called by this thread.
fn for_this_thread() -> impl FnOnce() + Send {
    let this = current().id();
    move || assert!(current().id() == this, "another thread has run it")
}

/// One thread waits for a half that another has stolen, if it has. `thief` is what that does.
fn wait_beside(thief: fn(&Bare), half: fn(&Arc<Halves>)) {
    model(2, move || {
        let halves = Arc::new(Halves::new(2));
        let shared = Arc::clone(&halves);
        let thief = thread::spawn(move || thief(&Bare::new(2, 1, &shared)));
        let waiter = Bare::new(1, 0, &halves);
        let (one, two) = join(
            &waiter,
            || 1,
            || {
                half(&halves);
                2
            },
        );
        assert_eq!((one, two), (1, 2));
        thief.join().unwrap();
    });
}

/// The thief has ended the half, and offers a half of something else.
///
/// Bug: the waiter does not look under the lock whether its half is done.
#[test]
fn a_waiter_leaves_the_later_halves_of_its_thief_alone() {
    let thief = |thief: &Bare| {
        thief.steal();
        join(thief, || (), for_this_thread());
    };
    wait_beside(thief, |_| ());
}

/// The thief offers a half already when it begins the one that is waited for.
///
/// Bug: the waiter takes older halves of the thief.
#[test]
fn a_waiter_leaves_the_older_halves_of_its_thief_alone() {
    let thief = |thief: &Bare| {
        join(thief, || thief.steal(), for_this_thread());
    };
    wait_beside(thief, |_| ());
}

/// The thief has given its slot up while it runs the half, and another thread offers a half there.
///
/// Bug: the waiter takes halves of whatever thread is in the thief's place.
#[test]
fn a_waiter_leaves_the_halves_of_a_later_holder_of_the_slot_alone() {
    let thief = |thief: &Bare| _ = thief.steal();
    wait_beside(thief, |halves| {
        let other = Bare::new(3, 1, halves);
        join(&other, || (), for_this_thread());
    });
}

/// Both halves are for other threads. The owner waits for the first while a thread takes one or the
/// other.
///
/// Bug: the owner looks for the thief of a half without the lock.
#[test]
fn halves_that_are_for_other_threads_are_waited_for() {
    model(2, || {
        let halves = Arc::new(Halves::new(2));
        let shared = Arc::clone(&halves);
        let thief = thread::spawn(move || {
            let thief = Bare::new(2, 1, &shared);
            for _ in 0..2 {
                while !thief.steal() {
                    yield_now();
                }
            }
        });
        let waiter = Bare::new(1, 0, &halves);
        assert_eq!(join_elsewhere(&waiter, || 1, || 2), (1, 2));
        thief.join().unwrap();
    });
}
