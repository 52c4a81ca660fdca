//! Things that threads wait for, without a pool, by threads and by futures at once.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use workmill::{
    BoundedSemaphore, CancelToken, Event, JoinableQueue, Latch, LifoQueue, Order, PriorityQueue,
    Queue, Semaphore, TryAcquireError, TryGetError, block_on,
};

use crate::{Counted, rounds};

/// Long enough that it does not pass, short enough for a test that fails.
const LONG: Duration = Duration::from_secs(3600);

/// Polls a future once, so that it joins the queue.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A count that goes wrong if two threads have it at a time.
fn count_up(count: &AtomicUsize) {
    let seen = count.load(Ordering::Relaxed);
    thread::yield_now();
    count.store(seen + 1, Ordering::Relaxed);
}

#[test]
fn a_permit_goes_from_hand_to_hand() {
    rounds(2, 500, |round| {
        let semaphore = match round % 2 {
            0 => Semaphore::new(1),
            _ => Semaphore::unfair(1),
        };
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _permit = semaphore.acquire().unwrap();
                count_up(&count);
            });
            scope.spawn(|| {
                let _permit = block_on(semaphore.acquire_async()).unwrap();
                count_up(&count);
            });
            scope.spawn(|| {
                let _permit = semaphore.acquire_timeout(LONG).unwrap();
                count_up(&count);
            });
            if let Ok(_permit) = semaphore.try_acquire() {
                count_up(&count);
                count.fetch_sub(1, Ordering::Relaxed);
            }
        });
        assert_eq!(count.into_inner(), 3);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_waiter_that_gives_up_takes_no_permit_along() {
    rounds(2, 500, |_| {
        let semaphore = Arc::new(Semaphore::new(0));
        let taken = thread::scope(|scope| {
            let many = scope.spawn(|| drop(semaphore.acquire_many(2).unwrap()));
            let hasty = scope.spawn(|| semaphore.acquire_timeout(Duration::ZERO).map(drop));
            let mut gives_up = Box::pin(semaphore.acquire_async());
            let taken = poll(gives_up.as_mut()).is_ready();
            semaphore.add_permits(2).unwrap();
            drop(gives_up);
            many.join().unwrap();
            let _ = hasty.join().unwrap();
            taken
        });
        assert!(!taken);
        assert_eq!(semaphore.available_permits(), 2);
        let owned = semaphore.acquire_many_owned(2).unwrap();
        assert_eq!(
            semaphore.try_acquire().err(),
            Some(TryAcquireError::NoPermits)
        );
        thread::spawn(move || drop(owned)).join().unwrap();
        semaphore.close();
        assert!(semaphore.acquire().is_err());
    });
}

#[test]
fn closing_wakes_a_waiter_for_a_permit() {
    rounds(2, 500, |_| {
        let semaphore = BoundedSemaphore::new(1);
        let permit = semaphore.acquire().unwrap();
        thread::scope(|scope| {
            let blocks = scope.spawn(|| semaphore.acquire().map(drop).is_err());
            let awaits = scope.spawn(|| block_on(semaphore.acquire_async()).map(drop).is_err());
            semaphore.close();
            assert!(blocks.join().unwrap());
            assert!(awaits.join().unwrap());
        });
        drop(permit);
        assert!(semaphore.release(1).is_err());
    });
}

#[test]
fn an_event_lets_all_through() {
    rounds(2, 500, |_| {
        let (event, written) = (Event::new(), AtomicUsize::new(0));
        thread::scope(|scope| {
            let blocks = scope.spawn(|| {
                event.wait();
                written.load(Ordering::Relaxed)
            });
            let awaits = scope.spawn(|| {
                block_on(event.wait_async());
                written.load(Ordering::Relaxed)
            });
            let has_time = scope.spawn(|| event.wait_timeout(LONG));
            {
                let mut gives_up = pin!(event.wait_async());
                let _ = poll(gives_up.as_mut());
            }
            written.store(1, Ordering::Relaxed);
            event.set();
            assert_eq!(blocks.join().unwrap(), 1);
            assert_eq!(awaits.join().unwrap(), 1);
            assert!(has_time.join().unwrap());
        });
        event.clear();
        assert!(!event.wait_timeout(Duration::ZERO));
    });
}

#[test]
fn a_latch_opens_once() {
    rounds(2, 500, |_| {
        let (latch, written) = (Latch::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                written.fetch_add(1, Ordering::Relaxed);
                latch.count_down();
            });
            scope.spawn(|| {
                written.fetch_add(1, Ordering::Relaxed);
                latch.arrive_and_wait();
                assert_eq!(written.load(Ordering::Relaxed), 3);
            });
            scope.spawn(|| block_on(latch.wait_async()));
            written.fetch_add(1, Ordering::Relaxed);
            latch.count_down();
            latch.wait();
            assert_eq!(written.load(Ordering::Relaxed), 3);
        });
        assert!(latch.is_open());
    });
}

/// Puts and gets by threads and futures at once; each item is got once.
fn items_go_through<O: Order<Box<usize>> + Sync>(queue: &Queue<Box<usize>, O>) {
    let got = thread::scope(|scope| {
        let putters = [
            scope.spawn(|| (0..3).for_each(|item| queue.put(Box::new(item)).unwrap())),
            scope.spawn(|| {
                block_on(async {
                    for item in 3..6 {
                        queue.put_async(Box::new(item)).await.unwrap();
                    }
                });
            }),
        ];
        let getters = [
            scope.spawn(|| queue.iter_tasks().map(|item| **item).collect::<Vec<_>>()),
            scope.spawn(|| {
                block_on(async {
                    let mut got = Vec::new();
                    while let Ok(item) = queue.get_task_async().await {
                        got.push(**item);
                    }
                    got
                })
            }),
        ];
        for putter in putters {
            putter.join().unwrap();
        }
        queue.join().unwrap();
        queue.close();
        getters.map(|getter| getter.join().unwrap()).concat()
    });
    assert_eq!(got.len(), 6);
    assert_eq!(BTreeSet::from_iter(got), BTreeSet::from_iter(0..6));
    assert_eq!(queue.try_get(), Err(TryGetError::Closed));
}

#[test]
fn items_go_through_a_queue_with_capacity() {
    rounds(1, 500, |_| {
        items_go_through(&JoinableQueue::bounded(1));
        items_go_through(&JoinableQueue::unbounded());
    });
}

#[test]
fn items_go_from_hand_to_hand() {
    rounds(2, 500, |_| items_go_through(&JoinableQueue::bounded(0)));
}

#[test]
fn items_go_through_a_queue_with_an_order() {
    rounds(1, 500, |_| {
        items_go_through(&LifoQueue::bounded(2));
        items_go_through(&PriorityQueue::bounded(2));
    });
}

#[test]
fn a_waiter_that_gives_up_takes_no_item_along() {
    rounds(2, 500, |round| {
        let counted = Counted::default();
        let queue = JoinableQueue::bounded(round % 2);
        thread::scope(|scope| {
            let has_time = scope.spawn(|| queue.get_timeout(LONG).map(drop));
            let hasty = scope.spawn(|| queue.get_timeout(Duration::ZERO).is_ok());
            {
                // It is put at once, or given back here, unless a getter takes it in between.
                let mut gives_up = pin!(queue.put_async(counted.clone()));
                drop(poll(gives_up.as_mut()));
            }
            {
                let mut gives_up = pin!(queue.get_async());
                drop(poll(gives_up.as_mut()));
            }
            drop(queue.try_put(counted.clone()));
            let _ = hasty.join().unwrap();
            // A getter still waits, or has got an item.
            drop(queue.put_timeout(counted.clone(), Duration::ZERO));
            queue.close();
            let _ = has_time.join().unwrap();
        });
        drop(queue.close_and_drain());
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_queue_drops_what_is_left_in_it() {
    rounds(2, 500, |_| {
        let counted = Counted::default();
        let (queue, stack) = (JoinableQueue::bounded(2), LifoQueue::unbounded());
        thread::scope(|scope| {
            scope.spawn(|| queue.put(counted.clone()));
            scope.spawn(|| stack.put(counted.clone()));
            drop(queue.try_get());
        });
        drop((queue, stack));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn cancelling_reaches_all_once() {
    rounds(2, 500, |_| {
        let (counted, calls) = (Counted::default(), Arc::new(AtomicUsize::new(0)));
        let token = CancelToken::new();
        let child = token.child().child();
        let callback = |token: &CancelToken| {
            let (kept, seen) = (counted.clone(), Arc::clone(&calls));
            token.on_cancel(move || {
                let _ = &kept;
                seen.fetch_add(1, Ordering::Relaxed);
            })
        };
        let (first, second, taken_back) = (callback(&token), callback(&child), callback(&child));
        callback(&child).keep();
        drop(taken_back);
        thread::scope(|scope| {
            scope.spawn(|| child.wait());
            scope.spawn(|| block_on(child.wait_async()));
            scope.spawn(|| token.cancel());
            scope.spawn(|| token.child().wait());
            token.cancel();
        });
        drop((first, second));
        assert!(child.is_cancelled());
        drop((token, child));
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        assert_eq!(counted.others(), 0);
    });
}
