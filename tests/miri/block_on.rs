//! A wake-up is never lost, however little the future does to see what woke it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::thread;

use workmill::{Semaphore, ThreadPoolExecutor, block_on};

use crate::rounds;

/// Hands its waker over in its first poll. From then on it only looks, and orders nothing by it.
struct Flag {
    is_set: Arc<AtomicBool>,
    hand_over: Option<Sender<Waker>>,
}

impl Future for Flag {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(to) = self.hand_over.take() {
            to.send(cx.waker().clone()).unwrap();
            return Poll::Pending;
        }
        match self.is_set.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// A future that waits for a flag, the flag, and the receiver of the future's waker.
fn flag() -> (Flag, Arc<AtomicBool>, Receiver<Waker>) {
    let (sender, wakers) = channel();
    let is_set = Arc::new(AtomicBool::new(false));
    let future = Flag {
        is_set: Arc::clone(&is_set),
        hand_over: Some(sender),
    };
    (future, is_set, wakers)
}

#[test]
fn a_wake_up_is_seen_by_a_future_that_only_looks_at_a_flag() {
    rounds(12, 2_000, |_| {
        let (future, is_set, wakers) = flag();
        thread::scope(|scope| {
            scope.spawn(move || {
                let waker = wakers.recv().unwrap();
                is_set.store(true, Ordering::Relaxed);
                waker.wake();
            });
            block_on(future);
        });
    });
}

#[test]
fn a_wake_up_is_seen_after_others_in_vain() {
    rounds(12, 2_000, |round| {
        let (future, is_set, wakers) = flag();
        thread::scope(|scope| {
            scope.spawn(move || {
                let waker = wakers.recv().unwrap();
                (0..=round % 3).for_each(|_| waker.wake_by_ref());
                is_set.store(true, Ordering::Relaxed);
                waker.wake();
            });
            block_on(future);
        });
    });
}

#[test]
fn a_wake_up_is_seen_though_others_wake_in_vain() {
    rounds(12, 2_000, |round| {
        let (future, is_set, wakers) = flag();
        thread::scope(|scope| {
            scope.spawn(move || {
                let waker = wakers.recv().unwrap();
                let other = waker.clone();
                let in_vain = move || {
                    (0..=round % 2).for_each(|_| other.wake_by_ref());
                };
                let other = thread::spawn(in_vain);
                is_set.store(true, Ordering::Relaxed);
                waker.wake();
                other.join().unwrap();
            });
            block_on(future);
        });
    });
}

#[test]
fn each_of_two_wake_ups_is_seen() {
    rounds(12, 2_000, |_| {
        let (mut first, first_is_set, first_waker) = flag();
        let (mut second, second_is_set, second_waker) = flag();
        thread::scope(|scope| {
            for (is_set, waker) in [(first_is_set, first_waker), (second_is_set, second_waker)] {
                scope.spawn(move || {
                    let waker = waker.recv().unwrap();
                    waker.wake_by_ref();
                    is_set.store(true, Ordering::Relaxed);
                    waker.wake();
                });
            }
            let (mut first_is_over, mut second_is_over) = (false, false);
            block_on(poll_fn(|cx| {
                first_is_over |= Pin::new(&mut first).poll(cx).is_ready();
                second_is_over |= Pin::new(&mut second).poll(cx).is_ready();
                match first_is_over && second_is_over {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            }));
        });
    });
}

#[test]
fn a_wake_up_is_seen_that_comes_while_the_thread_waits_for_something_else() {
    rounds(12, 2_000, |_| {
        let (outer, outer_is_set, outer_waker) = flag();
        let (inner, inner_is_set, inner_waker) = flag();
        thread::scope(|scope| {
            scope.spawn(move || {
                let waker = outer_waker.recv().unwrap();
                outer_is_set.store(true, Ordering::Relaxed);
                waker.wake();
            });
            scope.spawn(move || {
                let waker = inner_waker.recv().unwrap();
                inner_is_set.store(true, Ordering::Relaxed);
                waker.wake();
            });
            let (mut outer, mut inner) = (pin!(outer), Some(inner));
            block_on(poll_fn(|cx| {
                let answer = outer.as_mut().poll(cx);
                if let Some(inner) = inner.take() {
                    block_on(inner);
                }
                answer
            }));
        });
    });
}

#[test]
fn a_wake_up_is_seen_by_a_wait_in_a_task() {
    rounds(4, 1_000, |_| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (future, is_set, wakers) = flag();
        let waits = pool.submit(move || block_on(future));
        let wakes = pool.submit(move || {
            let waker = wakers.recv().unwrap();
            waker.wake_by_ref();
            is_set.store(true, Ordering::Relaxed);
            waker.wake();
        });
        waits.join().unwrap();
        wakes.join().unwrap();
    });
}

#[test]
fn what_a_permit_guards_is_seen_by_the_next_holder() {
    rounds(12, 2_000, |_| {
        let (semaphore, guarded) = (Semaphore::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let permit = block_on(semaphore.acquire_async()).unwrap();
                    let seen = guarded.load(Ordering::Relaxed);
                    guarded.store(seen + 1, Ordering::Relaxed);
                    drop(permit);
                });
            }
            guarded.store(1, Ordering::Relaxed);
            semaphore.add_permits(1).unwrap();
        });
        assert_eq!(guarded.into_inner(), 3);
    });
}
