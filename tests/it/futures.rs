//! Futures on the pool's threads: as good as closures, and as orderly.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

use workmill::{CancelReason, ThreadPoolExecutor, block_on, current, yield_now};

use crate::support::limited;

#[test]
fn a_futures_output_comes_by_its_handle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        assert_eq!(pool.spawn(async { 42 }).join().unwrap(), 42);
        let awaited = pool.spawn(async {
            let pool = current().unwrap();
            let (a, b) = (pool.submit(|| 40), pool.spawn(async { 2 }));
            a.await.unwrap() + b.await.unwrap()
        });
        assert_eq!(awaited.join().unwrap(), 42);
    });
}

#[test]
fn many_futures_that_yield_all_end() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let handles: Vec<_> = (0..200)
                .map(|n| {
                    pool.spawn(async move {
                        for _ in 0..100 {
                            yield_now().await;
                        }
                        n
                    })
                })
                .collect();
            let sum: usize = handles
                .into_iter()
                .map(|handle| handle.join().unwrap())
                .sum();
            assert_eq!(sum, 199 * 100);
        }
    });
}

#[test]
fn a_pending_future_can_be_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel();
        struct Tell(mpsc::Sender<String>);
        impl Drop for Tell {
            fn drop(&mut self) {
                let name = std::thread::current().name().unwrap_or("").to_owned();
                self.0.send(name).unwrap();
            }
        }
        let tell = Tell(sender);
        let handle = pool.spawn(async move {
            let _tell = tell;
            pending::<()>().await;
        });
        pool.submit(|| ()).join().unwrap();
        assert!(handle.cancel());
        assert!(handle.cancel());
        let error = handle.join().unwrap_err();
        assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
        assert!(receiver.recv().unwrap().starts_with("workmill"));
        assert!(pool.wait_idle().is_ok());
    });
}

#[test]
fn shutdown_now_drops_what_is_pending() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let handles: Vec<_> = (0..10).map(|_| pool.spawn(pending::<()>())).collect();
        pool.submit(|| ()).join().unwrap();
        assert_eq!(pool.shutdown_now(), 10);
        pool.shutdown();
        for handle in handles {
            let error = handle.join().unwrap_err();
            assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        }
    });
}

#[test]
fn a_future_is_woken_from_anywhere() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (wakers, woken) = mpsc::channel();
        let polls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&polls);
        let handle = pool.spawn(poll_fn(move |cx| {
            wakers.send(cx.waker().clone()).unwrap();
            match count.fetch_add(1, Ordering::SeqCst) {
                100 => Poll::Ready("done"),
                _ => Poll::Pending,
            }
        }));
        let waker = std::thread::spawn(move || {
            let all: Vec<_> = woken.iter().inspect(|waker| waker.wake_by_ref()).collect();
            all
        });
        assert_eq!(handle.join().unwrap(), "done");
        pool.shutdown();
        let all = waker.join().unwrap();
        all.iter().for_each(|waker| waker.wake_by_ref());
        assert_eq!(polls.load(Ordering::SeqCst), 101);
    });
}

#[test]
fn the_pool_can_be_blocked_on() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let inside = pool.submit(|| block_on(current().unwrap().spawn(async { 1 })).unwrap());
        assert_eq!(inside.join().unwrap(), 1);
        let value = pool.block_on(async { current().unwrap().spawn(async { 2 }).await.unwrap() });
        assert_eq!(value, 2);
        assert!(current().is_none());
        pool.shutdown();
        assert!(pool.block_on(async { current().is_none() }));
    });
}
