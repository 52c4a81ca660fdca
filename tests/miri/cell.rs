//! The cell of a closure, with threads that run, join, cancel, share or drop it, in any order.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use workmill::{Builder, CancelReason, Overflow, ThreadPoolExecutor, block_on, current};

use crate::{Counted, rounds};

#[test]
fn a_result_comes_by_its_handle() {
    rounds(2, 200, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let handles: Vec<_> = (0..6_u64)
            .map(|n| pool.submit(move || Box::new(n)))
            .collect();
        let sum: u64 = handles
            .into_iter()
            .map(|handle| *handle.join().unwrap())
            .sum();
        assert_eq!(sum, 15);
        let (large, none) = (pool.submit(|| [7_u8; 300]), pool.submit(|| ()));
        assert_eq!(block_on(large).unwrap(), [7; 300]);
        none.join().unwrap();
        pool.shutdown();
    });
}

#[test]
fn a_task_joins_what_it_submitted() {
    fn count(depth: usize) -> usize {
        if depth == 0 {
            return 1;
        }
        let pool = current().unwrap();
        let (left, right) = (
            pool.submit(move || count(depth - 1)),
            pool.submit(move || count(depth - 1)),
        );
        left.join().unwrap() + right.join().unwrap()
    }
    rounds(1, 100, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        assert_eq!(pool.submit(|| count(3)).join().unwrap(), 8);
        let (mut borrowed, lent) = (0, [1, 2, 3]);
        let sum = pool.install(|| {
            borrowed = 1;
            lent.iter().sum::<i32>()
        });
        assert_eq!((sum.unwrap(), borrowed), (6, 1));
    });
}

#[test]
fn a_task_is_either_cancelled_or_run_and_nothing_of_it_is_left() {
    rounds(2, 500, |_| {
        let (counted, runs) = (Counted::default(), Arc::new(AtomicUsize::new(0)));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (capture, seen) = (counted.clone(), Arc::clone(&runs));
        let handle = pool.submit(move || {
            seen.fetch_add(1, Ordering::Relaxed);
            capture
        });
        let (first, second) = (handle.cancel_handle(), handle.cancel_handle());
        let elsewhere = thread::spawn(move || second.cancel());
        let said = first.cancel();
        let outcome = handle.join();
        assert_eq!(elsewhere.join().unwrap(), said);
        assert_eq!(outcome.is_err(), said);
        assert_eq!(runs.load(Ordering::Relaxed), usize::from(!said));
        drop((outcome, pool));
        assert!(first.is_finished());
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_dropped_handle_leaves_nothing() {
    rounds(2, 500, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for _ in 0..3 {
            let capture = counted.clone();
            drop(pool.submit(move || capture));
        }
        let capture = counted.clone();
        drop(pool.submit(move || capture).cancel_on_drop());
        let capture = counted.clone();
        pool.execute(move || drop(capture));
        pool.shutdown();
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_handle_may_outlive_its_pool() {
    rounds(2, 200, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (capture, result) = (counted.clone(), counted.clone());
        let handle = pool.submit(move || {
            drop(capture);
            result
        });
        let (kept, stop) = (pool.handle(), handle.cancel_handle());
        drop(pool);
        assert_eq!(counted.others(), 1);
        assert!(kept.try_submit(|| ()).is_err());
        drop(handle.join().unwrap());
        assert!(stop.is_finished() && !stop.cancel());
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn what_has_not_begun_at_the_end_is_cancelled() {
    rounds(2, 200, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (open, door) = mpsc::channel::<()>();
        let occupied = pool.submit(move || door.recv().unwrap());
        while !occupied.is_running() {
            thread::yield_now();
        }
        let capture = counted.clone();
        let waits = pool.submit(move || drop(capture));
        assert_eq!(pool.shutdown_now(), 1);
        assert_eq!(counted.others(), 0);
        let reason = waits.join().unwrap_err().cancel_reason();
        assert_eq!(reason, Some(CancelReason::Shutdown));
        open.send(()).unwrap();
        occupied.join().unwrap();
    });
}

#[test]
fn a_panic_comes_by_its_handle() {
    rounds(2, 200, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let payload = counted.clone();
        let handle = pool.submit(|| std::panic::resume_unwind(Box::new(payload)));
        let payload = handle.join().unwrap_err().into_panic();
        assert!(payload.is::<Counted>());
        drop(payload);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_callback_is_called_once() {
    rounds(2, 500, |_| {
        let (counted, calls) = (Counted::default(), Arc::new(AtomicUsize::new(0)));
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for cancels in [false, true] {
            let (capture, seen) = (counted.clone(), Arc::clone(&calls));
            let handle = pool.submit(move || capture);
            let stop = handle.cancel_handle();
            let capture = counted.clone();
            handle.on_done(move |outcome| {
                drop((outcome, capture));
                seen.fetch_add(1, Ordering::Relaxed);
            });
            if cancels {
                stop.cancel();
            }
        }
        pool.shutdown();
        assert_eq!(calls.load(Ordering::Relaxed), 2);
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_result_is_shared() {
    rounds(2, 200, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let result = counted.clone();
        let first = pool.submit(move || result).shared();
        let (second, third) = (first.clone(), first.clone());
        let joins = thread::spawn(move || second.join().is_ok());
        let awaits = thread::spawn(move || block_on(third).is_ok());
        let stop = first.cancel_handle();
        let said = stop.cancel();
        assert_eq!(first.join().is_err(), said);
        assert_eq!(joins.join().unwrap(), !said);
        assert_eq!(awaits.join().unwrap(), !said);
        drop((first, pool));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_waiter_may_change_its_waker_or_go() {
    struct Kept(Counted);

    impl Wake for Kept {
        fn wake(self: Arc<Self>) {
            let _ = self.0.others();
        }
    }

    rounds(2, 500, |_| {
        let counted = Counted::default();
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let mut handles = [pool.submit(|| 1), pool.submit(|| 2), pool.submit(|| 3)];
        let mut is_spent = [false; 3];
        for (handle, is_spent) in handles.iter_mut().zip(&mut is_spent) {
            for _ in 0..2 {
                let waker = Waker::from(Arc::new(Kept(counted.clone())));
                let mut cx = Context::from_waker(&waker);
                *is_spent = *is_spent || Pin::new(&mut *handle).poll(&mut cx).is_ready();
            }
        }
        let [first, mut second, mut third] = handles;
        if !is_spent[1] && second.join_timeout(Duration::ZERO).is_none() {
            drop(second.try_join());
        }
        if !is_spent[2] {
            let _ = third.try_join();
        }
        drop((first, second, third, pool));
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_full_queue_gives_the_closure_back_or_lets_one_go() {
    rounds(1, 200, |round| {
        let overflow = [Overflow::Block, Overflow::DropOldest, Overflow::CallerRuns][round % 3];
        let counted = Counted::default();
        let builder = Builder::new()
            .threads(1)
            .queue_capacity(1)
            .overflow(overflow);
        let pool = builder.build().unwrap();
        for _ in 0..4 {
            let (first, second) = (counted.clone(), counted.clone());
            drop(pool.submit(move || first));
            drop(pool.try_submit(move || second));
        }
        pool.shutdown();
        assert_eq!(counted.others(), 0);
    });
}

#[test]
fn a_handle_is_polled_and_joined_elsewhere() {
    rounds(2, 200, |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let handle = pool.submit(|| 1);
        let moved = thread::spawn(move || {
            let mut handle = handle;
            match Pin::new(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => outcome.unwrap(),
                Poll::Pending => handle.join().unwrap(),
            }
        });
        assert_eq!(moved.join().unwrap(), 1);
        pool.wait_idle().unwrap();
    });
}
