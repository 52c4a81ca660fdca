//! The rows without a pool: threads that wait for permits or for each other's items.
//!
//! A turn makes the semaphore or the queue, uses it a little on every thread to warm it up, and
//! measures the workload. All threads stand ready when the clock starts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::contenders::channels::Queue;
use crate::contenders::semaphores::Semaphore;
use crate::measure::{Sample, measured};
use crate::workloads::{Countdown, OUTSIDE_THREADS, PAIRS, Row, Setup, StartLine, Turn, WARM_UP};

/// The rows of a semaphore that serves in order of arrival.
pub(crate) fn fair_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    match row {
        Row::Semaphore => Some(alone::<S>),
        Row::Semaphore4 => Some(contended::<S>),
        _ => None,
    }
}

/// The rows of a semaphore at which newcomers may pass those who wait.
pub(crate) fn unfair_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    match row {
        Row::SemaphoreUnfair => Some(alone::<S>),
        Row::Semaphore4Unfair => Some(contended::<S>),
        _ => None,
    }
}

/// The rows in which nobody waits.
pub(crate) fn uncontended_turn<S: Semaphore>(row: Row) -> Option<Turn> {
    matches!(row, Row::Semaphore | Row::SemaphoreUnfair).then_some(alone::<S> as Turn)
}

/// Both rows of queues.
pub(crate) fn queue_turn<Q: Queue>(row: Row) -> Option<Turn>
where
    Q::Sender: Clone,
    Q::Receiver: Clone,
{
    match row {
        Row::Queue4 => Some(queue4::<Q>),
        _ => queue1_turn::<Q>(row),
    }
}

/// The row with one producer and one consumer.
pub(crate) fn queue1_turn<Q: Queue>(row: Row) -> Option<Turn> {
    (row == Row::Queue1).then_some(queue1::<Q> as Turn)
}

fn alone<S: Semaphore>(setup: &Setup, times: usize) -> Sample {
    let semaphore = S::new(1);
    let repeat = |times| (0..times).for_each(|_| semaphore.with_permit(|| ()));
    repeat(WARM_UP);
    measured(times, setup.counting, || repeat(times))
}

/// While it warms up, makes sure that permits are what the semaphore gives.
fn contended<S: Semaphore>(setup: &Setup, times: usize) -> Sample {
    const PERMITS: usize = 2;
    let semaphore = S::new(PERMITS);
    let holders = AtomicUsize::new(0);
    let hold = || {
        assert!(holders.fetch_add(1, Ordering::Relaxed) < PERMITS);
        holders.fetch_sub(1, Ordering::Relaxed);
    };
    let start = StartLine::of(OUTSIDE_THREADS);
    let threads_left = Countdown::from(OUTSIDE_THREADS);
    thread::scope(|scope| {
        for _ in 0..OUTSIDE_THREADS {
            scope.spawn(|| {
                (0..WARM_UP).for_each(|_| semaphore.with_permit(hold));
                start.wait();
                (0..times / OUTSIDE_THREADS).for_each(|_| semaphore.with_permit(|| ()));
                threads_left.one_done();
            });
        }
        start.measured(setup, times, threads_left)
    })
}

const CAPACITY: usize = 1_024;

fn queue1<Q: Queue>(setup: &Setup, items: usize) -> Sample {
    let (sender, receiver) = Q::bounded(CAPACITY);
    passed::<Q>(setup, items, vec![sender], vec![receiver])
}

fn queue4<Q: Queue>(setup: &Setup, items: usize) -> Sample
where
    Q::Sender: Clone,
    Q::Receiver: Clone,
{
    let (sender, receiver) = Q::bounded(CAPACITY);
    passed::<Q>(setup, items, vec![sender; PAIRS], vec![receiver; PAIRS])
}

/// Passes the numbers below `items` through a queue. Each end has an equal share of them, and a
/// thread of its own.
fn passed<Q: Queue>(
    setup: &Setup,
    items: usize,
    senders: Vec<Q::Sender>,
    receivers: Vec<Q::Receiver>,
) -> Sample {
    let pairs = senders.len();
    let share = items / pairs;
    let start = StartLine::of(2 * pairs);
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
