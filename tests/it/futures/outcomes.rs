//! The handle of a future tells its outcome, as that of a closure does; a panic is an outcome too.

use std::future::{Future, pending};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

use workmill::{CancelReason, JoinHandle, ThreadPoolExecutor, current, worker_index, yield_now};

use super::{assert_alive, one_thread, reason, settle, watched};
use crate::child::in_child;
use crate::support::{Bomb, Drops, limited, occupy};

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
fn a_panic_in_a_poll_ends_in_the_handle() {
    limited(|| {
        let pool = one_thread();
        let first: JoinHandle<()> = pool.spawn(async { panic!("out of flour") });
        let error = first.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of flour"));
        let second: JoinHandle<()> = pool.spawn(async {
            yield_now().await;
            panic!("out of sugar")
        });
        let error = second.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of sugar"));
        drop(pool.spawn(async { panic!("nobody looks") }));
        assert_alive(&pool);
    });
}

#[test]
fn payloads_of_futures_that_panic_in_drop_are_contained_at_any_depth() {
    in_child(&[], || {
        let pool = one_thread();
        for depth in [1, 2, 10] {
            let bomb = || pool.spawn(async move { panic_any(Bomb { depth }) });
            drop(bomb());
            let unread = bomb();
            pool.wait_idle().unwrap();
            drop(unread);
            let error: Result<(), _> = bomb().join();
            drop(error.unwrap_err());
            // Its panic comes too late: it is cancelled by then.
            let (sender, receiver) = mpsc::channel::<workmill::CancelHandle>();
            let cancelled: JoinHandle<()> = pool.spawn(async move {
                assert!(receiver.recv().unwrap().cancel());
                panic_any(Bomb { depth })
            });
            sender.send(cancelled.cancel_handle()).unwrap();
            assert_eq!(reason(cancelled.join()), Some(CancelReason::Cancelled));
        }
        assert_alive(&pool);
    });
}

#[test]
fn a_future_or_an_output_that_panics_in_drop_is_contained() {
    limited(|| {
        let pool = one_thread();
        // The outcome is there before the future is dropped.
        assert_eq!(
            pool.spawn(watched(0, Bomb { depth: 2 }).0).join().unwrap(),
            1
        );
        let cancelled = pool.spawn(watched(1, Bomb { depth: 2 }).0);
        settle(&pool);
        assert!(cancelled.cancel());
        assert!(cancelled.join().unwrap_err().is_cancelled());
        let (sender, receiver) = mpsc::channel::<workmill::CancelHandle>();
        let thrown_away = pool.spawn(async move {
            assert!(receiver.recv().unwrap().cancel());
            Bomb { depth: 2 }
        });
        sender.send(thrown_away.cancel_handle()).unwrap();
        assert!(thrown_away.join().is_err_and(|error| error.is_cancelled()));
        let release = occupy(&pool);
        drop(pool.spawn(async { Bomb { depth: 2 } }));
        release.set();
        let done = pool.spawn(async { Bomb { depth: 2 } });
        pool.wait_idle().unwrap();
        drop(done);
        assert_alive(&pool);
    });
}

#[test]
fn a_future_is_gone_before_its_outcome_is_told() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for round in 0..1000 {
            let drops = Drops::default();
            let handle = pool.spawn(watched(0, drops.value()).0);
            if round % 2 == 0 {
                handle.join().unwrap();
                assert_eq!(drops.count(), 1);
                continue;
            }
            let (sender, receiver) = mpsc::channel();
            let seen = drops.clone();
            handle.on_done(move |outcome| sender.send((outcome.is_ok(), seen.count())).unwrap());
            assert_eq!(receiver.recv().unwrap(), (true, 1));
        }
    });
}

#[test]
fn futures_that_are_polled_after_their_end_panic_in_their_own_task() {
    struct Twice<F>(Pin<Box<F>>);

    impl<F: Future> Future for Twice<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            match self.0.as_mut().poll(cx) {
                Poll::Ready(_) => self.0.as_mut().poll(cx),
                Poll::Pending => Poll::Pending,
            }
        }
    }

    limited(|| {
        let pool = one_thread();
        let error = pool.spawn(Twice(Box::pin(async { 1 }))).join().unwrap_err();
        assert!(
            error
                .panic_message()
                .unwrap()
                .contains("resumed after completion")
        );
        let handle = pool.spawn(async { 1 });
        let error = pool.spawn(Twice(Box::pin(handle))).join().unwrap_err();
        let message = "the outcome of this JoinHandle was given before";
        assert_eq!(error.panic_message(), Some(message));
        // The pool itself polls no future that has ended, however often it is woken.
        let (future, seen) = watched(1, ());
        let handle = pool.spawn(future);
        let waker = seen.wakers.recv().unwrap();
        (0..10).for_each(|_| waker.wake_by_ref());
        assert!(handle.join().unwrap() == 2 || seen.polls() == 2);
        (0..10).for_each(|_| waker.wake_by_ref());
        assert_alive(&pool);
        assert_eq!(seen.polls(), 2);
    });
}

#[test]
fn a_futures_handle_can_be_shared_and_called_back() {
    limited(|| {
        let pool = one_thread();
        let (future, seen) = watched(1, ());
        let shared = pool.spawn(future).shared();
        let other = shared.clone();
        let awaits = pool.spawn(async move { other.await.unwrap() });
        assert!(shared.join_timeout(Duration::ZERO).is_none());
        seen.wake();
        assert_eq!((shared.join().unwrap(), awaits.join().unwrap()), (2, 2));

        let shared = pool.spawn(pending::<()>()).shared();
        let stop = shared.cancel_handle();
        settle(&pool);
        assert!(stop.cancel());
        assert!(shared.join().unwrap_err().is_cancelled());

        let (sender, receiver) = mpsc::channel();
        let cancelled = pool.spawn(pending::<()>());
        let stop = cancelled.cancel_handle();
        cancelled.on_done(move |outcome| {
            sender.send((worker_index(), reason(outcome))).unwrap();
        });
        assert!(stop.cancel());
        let told = receiver.recv().unwrap();
        assert_eq!(told, (Some(0), Some(CancelReason::Cancelled)));
    });
}

#[test]
fn joining_a_future_for_a_time_leaves_the_handle_good() {
    limited(|| {
        let pool = one_thread();
        let (future, seen) = watched(1, ());
        let mut handle = pool.spawn(future);
        assert!(handle.join_timeout(Duration::ZERO).is_none());
        assert!(handle.join_timeout(Duration::from_millis(5)).is_none());
        assert!(handle.try_join().is_none());
        seen.wake();
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 2);
    });
}

#[test]
fn futures_and_outputs_of_any_size_and_alignment_come_through() {
    #[derive(Debug, PartialEq)]
    #[repr(align(256))]
    struct Aligned(u8);

    async fn holds<const SIZE: usize>(fill: u8) -> usize {
        let bytes = [fill; SIZE];
        yield_now().await;
        bytes.iter().map(|&byte| usize::from(byte)).sum()
    }

    limited(|| {
        let pool = one_thread();
        for _ in 0..10 {
            let (small, large) = (holds::<{ 1 << 12 }>(1), Box::pin(holds::<{ 1 << 20 }>(1)));
            assert!(size_of_val(&small) >= 1 << 12);
            let (small, large) = (pool.spawn(small), pool.spawn(large));
            assert_eq!(small.join().unwrap(), 1 << 12);
            assert_eq!(large.join().unwrap(), 1 << 20);
            pool.spawn(async {}).join().unwrap();
            let aligned = pool.spawn(async {
                let kept = Aligned(7);
                yield_now().await;
                assert_eq!(std::ptr::from_ref(&kept).addr() % 256, 0);
                kept
            });
            let aligned = aligned.join().unwrap();
            assert_eq!(
                (std::ptr::from_ref(&aligned).addr() % 256, aligned.0),
                (0, 7)
            );
            let both = pool.spawn(async { ([3_u8; 5000], Aligned(8)) });
            let (bytes, aligned) = both.join().unwrap();
            assert_eq!((bytes, aligned), ([3; 5000], Aligned(8)));
        }
    });
}

#[test]
fn a_futures_handle_may_outlive_the_pool() {
    limited(|| {
        let drops = Drops::default();
        let pool = one_thread();
        let output = drops.value();
        let handle = pool.spawn(async move {
            yield_now().await;
            output
        });
        let (stop, unread) = (handle.cancel_handle(), pool.spawn(async { 1 }));
        drop(pool);
        assert!(handle.is_finished() && !stop.cancel());
        assert_eq!(drops.count(), 0);
        drop(handle.join().unwrap());
        assert_eq!(drops.count(), 1);
        assert!(stop.is_finished());
        drop((stop, unread));
    });
}
