//! The rows without a pool: threads that wait for permits or for each other's items.
//!
//! A turn makes the semaphore or the queue, uses it a little on every thread to warm it up, and
//! measures the workload. All threads are ready when the clock starts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::contenders::channels::Queue;
use crate::contenders::semaphores::{ExchangePair, Semaphore};
use crate::contenders::signals::{Rounds, Signal};
use crate::measure::{Sample, measured};
use crate::rig::{Countdown, LIGHT, OUTSIDE_THREADS, Setup, StartBarrier, WARM_UP, compute};

pub(crate) fn alone<S: Semaphore>(setup: &Setup, times: usize) -> Sample {
    alone_holding::<S>(setup, times, || ())
}

fn alone_holding<S: Semaphore>(setup: &Setup, times: usize, hold: impl Fn()) -> Sample {
    let semaphore = S::new(1);
    let repeat = |times| (0..times).for_each(|_| semaphore.with_permit(&hold));
    repeat(WARM_UP);
    measured(times, setup.counting, || repeat(times))
}

pub(crate) fn contended<S: Semaphore>(setup: &Setup, times: usize) -> Sample {
    contended_threads(setup, &Crowd::<S, _>::new(times, || ()))
}

/// The floor of `contended_wait`: one thread, which never waits.
pub(crate) fn contended_alone(setup: &Setup, times: usize) -> Sample {
    alone_holding::<ExchangePair>(setup, times, hold_for_a_while)
}

/// The contenders of `contended_wait` without a pool: four threads, which hold permits for a while.
pub(crate) fn contended_wait<S: Semaphore>(setup: &Setup, times: usize) -> Sample {
    contended_threads(setup, &Crowd::<S, _>::new(times, hold_for_a_while))
}

/// Computes for about 1 µs.
pub(crate) fn hold_for_a_while() {
    compute(10 * LIGHT);
}

fn contended_threads<S: Semaphore>(setup: &Setup, crowd: &Crowd<S, impl Fn() + Sync>) -> Sample {
    thread::scope(|scope| {
        for _ in 0..OUTSIDE_THREADS {
            scope.spawn(|| crowd.take_part(StartBarrier::wait));
        }
        crowd.measured(setup)
    })
}

/// Four threads or tasks that want two permits, again and again.
pub(crate) struct Crowd<S, H> {
    semaphore: S,
    /// The use of a permit.
    hold: H,
    /// The number of threads or tasks that hold a permit while they warm up.
    holders: AtomicUsize,
    start: StartBarrier,
    left: &'static Countdown,
    /// The number of permits that all of them take together.
    times: usize,
}

impl<S: Semaphore, H: Fn()> Crowd<S, H> {
    const PERMITS: usize = 2;

    pub(crate) fn new(times: usize, hold: H) -> Self {
        Self {
            semaphore: S::new(Self::PERMITS),
            hold,
            holders: AtomicUsize::new(0),
            start: StartBarrier::of(OUTSIDE_THREADS),
            left: Countdown::from(OUTSIDE_THREADS),
            times,
        }
    }

    /// Does the share of one of them, after `wait_for` has waited for the start. Checks while it
    /// warms up that no more hold a permit than there are permits.
    pub(crate) fn take_part(&self, wait_for: impl FnOnce(&StartBarrier)) {
        let check = || {
            assert!(self.holders.fetch_add(1, Ordering::Relaxed) < Self::PERMITS);
            self.holders.fetch_sub(1, Ordering::Relaxed);
        };
        (0..WARM_UP).for_each(|_| self.semaphore.with_permit(check));
        wait_for(&self.start);
        let share = self.times / OUTSIDE_THREADS;
        (0..share).for_each(|_| self.semaphore.with_permit(&self.hold));
        self.left.one_done();
    }

    /// Measures the time from the start until all have done their shares.
    pub(crate) fn measured(&self, setup: &Setup) -> Sample {
        self.start.measured(setup, self.times, self.left)
    }
}

/// Two threads notify each other in turn.
pub(crate) fn notify<S: Signal>(setup: &Setup, trips: usize) -> Sample {
    let (there, back) = (S::new(), S::new());
    let start = StartBarrier::of(2);
    let left = Countdown::from(2);
    let talk = |from: &S, to: &S, begins: bool| {
        let repeat = |times| {
            for _ in 0..times {
                if begins {
                    to.notify();
                    from.wait();
                } else {
                    from.wait();
                    to.notify();
                }
            }
        };
        repeat(WARM_UP);
        start.wait();
        repeat(trips);
        left.one_done();
    };
    thread::scope(|scope| {
        scope.spawn(|| talk(&back, &there, true));
        scope.spawn(|| talk(&there, &back, false));
        start.measured(setup, trips, left)
    })
}

/// Four threads wait for each other, round after round.
pub(crate) fn barrier<B: Rounds>(setup: &Setup, rounds: usize) -> Sample {
    let barrier = B::new(OUTSIDE_THREADS);
    let start = StartBarrier::of(OUTSIDE_THREADS);
    let left = Countdown::from(OUTSIDE_THREADS);
    let leaders = AtomicUsize::new(0);
    let sample = thread::scope(|scope| {
        for _ in 0..OUTSIDE_THREADS {
            scope.spawn(|| {
                (0..WARM_UP).for_each(|_| {
                    barrier.wait();
                });
                start.wait();
                let led = (0..rounds).filter(|_| barrier.wait()).count();
                leaders.fetch_add(led, Ordering::Relaxed);
                left.one_done();
            });
        }
        start.measured(setup, rounds, left)
    });
    assert_eq!(leaders.load(Ordering::Relaxed), rounds);
    sample
}

const CAPACITY: usize = 1_024;

/// The number of producers of `queue4`, and of consumers.
pub(crate) const PAIRS: usize = 4;

pub(crate) fn queue1<Q: Queue>(setup: &Setup, items: usize) -> Sample {
    let (sender, receiver) = Q::bounded(CAPACITY);
    passed::<Q>(setup, items, vec![sender], vec![receiver])
}

pub(crate) fn queue4<Q: Queue>(setup: &Setup, items: usize) -> Sample
where
    Q::Sender: Clone,
    Q::Receiver: Clone,
{
    let (sender, receiver) = Q::bounded(CAPACITY);
    passed::<Q>(setup, items, vec![sender; PAIRS], vec![receiver; PAIRS])
}

/// Passes the numbers below `items` through a queue. Each sender and each receiver has a thread of
/// its own, and an equal share of the numbers.
fn passed<Q: Queue>(
    setup: &Setup,
    items: usize,
    senders: Vec<Q::Sender>,
    receivers: Vec<Q::Receiver>,
) -> Sample {
    let pairs = senders.len();
    let share = items / pairs;
    let start = StartBarrier::of(2 * pairs);
    let consumers_left = Countdown::from(pairs);
    let sum = AtomicUsize::new(0);
    let sample = thread::scope(|scope| {
        for (producer, sender) in senders.into_iter().enumerate() {
            let start = &start;
            scope.spawn(move || {
                (0..WARM_UP).for_each(|item| Q::put(&sender, item));
                start.wait();
                let first = producer * share;
                (first..first + share).for_each(|item| Q::put(&sender, item));
            });
        }
        for receiver in receivers {
            let (start, sum) = (&start, &sum);
            scope.spawn(move || {
                let get_sum = |items| (0..items).map(|_| Q::get(&receiver)).sum::<usize>();
                get_sum(WARM_UP);
                start.wait();
                sum.fetch_add(get_sum(share), Ordering::Relaxed);
                consumers_left.one_done();
            });
        }
        start.measured(setup, items, consumers_left)
    });
    assert_eq!(sum.into_inner(), (0..items).sum::<usize>());
    sample
}
