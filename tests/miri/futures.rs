//! The cell of a future, with threads that poll, wake, cancel, end or drop it, in any order.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;

use workmill::{CancelReason, Event, Semaphore, ThreadPoolExecutor, block_on, current, yield_now};

use crate::{Counted, rounds};

/// Hands its waker over in each poll, until it is told that it is over.
struct Asks {
    is_over: Arc<AtomicBool>,
    to: Sender<Waker>,
    /// Shows whether it was dropped.
    kept: Counted,
}

impl Future for Asks {
    type Output = Counted;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Counted> {
        if self.is_over.load(Ordering::Acquire) {
            return Poll::Ready(self.kept.clone());
        }
        // Nobody listens once it was cancelled.
        let _ = self.to.send(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn an_output_comes_by_its_handle() {
    rounds(2, 200, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let handles: Vec<_> = (0..4_u64)
            .map(|n| {
                pool.spawn(async move {
                    for _ in 0..n {
                        yield_now().await;
                    }
                    Box::new(n)
                })
            })
            .collect();
        let awaits = pool.spawn(async move {
            let mut sum = 0;
            for handle in handles {
                sum += *handle.await.unwrap();
            }
            let (inner, closure) = {
                let pool = current().unwrap();
                (pool.spawn(async { 1 }), pool.submit(|| 1))
            };
            sum + inner.await.unwrap() + closure.await.unwrap()
        });
        assert_eq!(block_on(awaits).unwrap(), 8);
        pool.shutdown();
    });
}

#[test]
fn a_future_is_woken_from_elsewhere() {
    rounds(3, 500, |round| {
        let (counted, is_over) = (Counted::default(), Arc::new(AtomicBool::new(false)));
        let (to, wakers) = channel();
        let pool = ThreadPoolExecutor::new(1 + round % 2).unwrap();
        let handle = pool.spawn(Asks {
            is_over: Arc::clone(&is_over),
            to,
            kept: counted.clone(),
        });
        let wakes = thread::spawn(move || {
            let waker = wakers.recv().unwrap();
            waker.wake_by_ref();
            let other = waker.clone();
            is_over.store(true, Ordering::Release);
            waker.wake();
            (other, wakers)
        });
        let output = handle.join().unwrap();
        drop(pool);
        let (other, wakers) = wakes.join().unwrap();
        other.wake();
        // The wakers that it handed over keep its cell, and nothing else does.
        drop((output, wakers));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn two_wake_a_future_at_a_time() {
    rounds(3, 500, |_| {
        let (counted, is_over) = (Counted::default(), Arc::new(AtomicBool::new(false)));
        let (to, wakers) = channel();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let handle = pool.spawn(Asks {
            is_over: Arc::clone(&is_over),
            to,
            kept: counted.clone(),
        });
        let waker = wakers.recv().unwrap();
        let other = waker.clone();
        let in_vain = thread::spawn(move || other.wake());
        is_over.store(true, Ordering::Release);
        waker.wake();
        drop(handle.join().unwrap());
        in_vain.join().unwrap();
        drop((pool, wakers));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_future_is_cancelled_while_it_is_woken() {
    rounds(3, 500, |_| {
        let (counted, is_over) = (Counted::default(), Arc::new(AtomicBool::new(false)));
        let (to, wakers) = channel();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let handle = pool.spawn(Asks {
            is_over: Arc::clone(&is_over),
            to,
            kept: counted.clone(),
        });
        let stop = handle.cancel_handle();
        let wakes = thread::spawn(move || {
            if let Ok(waker) = wakers.recv() {
                is_over.store(true, Ordering::Release);
                waker.wake();
            }
        });
        let said = stop.cancel();
        assert_eq!(handle.join().is_err(), said);
        wakes.join().unwrap();
        drop(pool);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_future_that_rests_is_cancelled() {
    rounds(2, 500, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, begun) = channel();
        let kept = counted.clone();
        let handle = pool.spawn(async move {
            let _kept = kept;
            sender.send(()).unwrap();
            pending::<()>().await;
        });
        begun.recv().unwrap();
        assert!(handle.cancel());
        let reason = handle.join().unwrap_err().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Cancelled));
        drop(pool);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_future_whose_handle_is_dropped_goes_on() {
    rounds(2, 500, |_| {
        let (counted, event) = (Counted::default(), Arc::new(Event::new()));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (kept, waits) = (counted.clone(), Arc::clone(&event));
        drop(pool.spawn(async move {
            waits.wait_async().await;
            kept
        }));
        let kept = counted.clone();
        drop(pool.spawn(async move { kept }));
        event.set();
        pool.wait_idle().unwrap();
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_waker_may_outlive_its_future_and_the_pool() {
    rounds(2, 500, |_| {
        let counted = Counted::default();
        let waker_cell = Arc::new(Mutex::new(None::<Waker>));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (kept, put) = (counted.clone(), Arc::clone(&waker_cell));
        let handle = pool.spawn(poll_fn(move |cx| {
            let _ = &kept;
            *put.lock().unwrap() = Some(cx.waker().clone());
            Poll::Ready(())
        }));
        handle.join().unwrap();
        let waker = waker_cell.lock().unwrap().take().unwrap();
        let elsewhere = waker.clone();
        let wakes = thread::spawn(move || elsewhere.wake());
        drop(pool);
        waker.wake_by_ref();
        drop(waker);
        wakes.join().unwrap();
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_pool_that_stops_drops_what_rests() {
    rounds(2, 500, |round| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1 + round % 2).unwrap();
        let futures = [(); 3].map(|()| {
            let kept = counted.clone();
            pool.spawn(async move {
                let _kept = kept;
                pending::<()>().await;
            })
        });
        pool.shutdown_now();
        for future in futures {
            let reason = future.join().unwrap_err().cancel_reason();
            assert_eq!(reason, Some(CancelReason::Shutdown));
        }
        pool.shutdown();
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_future_that_panics_is_dropped_like_any_other() {
    rounds(2, 500, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let kept = counted.clone();
        let handle = pool.spawn(async move {
            let payload = kept.clone();
            yield_now().await;
            std::panic::resume_unwind(Box::new(payload))
        });
        let error = handle.join().unwrap_err();
        assert!(error.is_panic());
        drop((error, pool));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn futures_pass_permits_to_each_other() {
    rounds(1, 200, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (semaphore, count) = (Arc::new(Semaphore::new(1)), Arc::new(Mutex::new(0)));
        let futures = [(); 3].map(|()| {
            let (semaphore, count) = (Arc::clone(&semaphore), Arc::clone(&count));
            pool.spawn(async move {
                for _ in 0..2 {
                    let _permit = semaphore.acquire_async().await.unwrap();
                    let seen = *count.lock().unwrap();
                    yield_now().await;
                    *count.lock().unwrap() = seen + 1;
                }
            })
        });
        for future in futures {
            future.join().unwrap();
        }
        assert_eq!(*count.lock().unwrap(), 6);
    });
}
