//! The end of the pool waits for its futures, or cancels them.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use workmill::{Builder, CancelReason, DropBehavior, JoinHandle, ThreadPoolExecutor, current};

use super::{one_thread, reason, settle, watched};
use crate::support::{Drops, Flag, add_one, limited, occupy, until};

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
fn shutdown_now_counts_the_futures_that_it_cancels() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (arrived, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (arrived.clone(), release.clone());
        let polled = pool.spawn(async move {
            arrives.set();
            go.wait();
        });
        arrived.wait();
        let pending: Vec<_> = (0..4).map(|_| pool.spawn(pending::<()>())).collect();
        settle(&pool);
        let busy = occupy(&pool);
        let futures: Vec<_> = (0..2).map(|_| pool.spawn(async {})).collect();
        let closures: Vec<_> = (0..3).map(|_| pool.submit(|| ())).collect();
        let before = pool.spawn(async {});
        assert!(before.cancel() && pending[0].cancel());
        assert_eq!(pool.shutdown_now(), 1 + 3 + 2 + 3);
        assert_eq!(pool.shutdown_now(), 0);
        busy.set();
        release.set();
        pool.shutdown();
        assert_eq!(reason(polled.join()), Some(CancelReason::Shutdown));
        assert_eq!(reason(before.join()), Some(CancelReason::Cancelled));
        for handle in futures.into_iter().chain(closures) {
            assert_eq!(reason(handle.join()), Some(CancelReason::Shutdown));
        }
        assert_eq!(
            reason(pool.spawn(async {}).join()),
            Some(CancelReason::Shutdown)
        );
    });
}

#[test]
fn what_shutdown_now_drops_may_wait_for_futures() {
    struct Joins(Option<JoinHandle<()>>);

    impl Drop for Joins {
        fn drop(&mut self) {
            assert!(self.0.take().unwrap().join().is_err());
        }
    }

    limited(|| {
        let pool = one_thread();
        let release = occupy(&pool);
        let queued = Joins(Some(pool.spawn(pending())));
        pool.execute(move || drop(queued));
        let opener = {
            let pool = pool.handle();
            thread::spawn(move || {
                until(|| pool.is_shutdown());
                release.set();
            })
        };
        pool.shutdown_now();
        pool.shutdown();
        opener.join().unwrap();
    });
}

#[test]
fn shutdown_and_wait_idle_wait_for_futures_that_are_woken_later() {
    limited(|| {
        for ends in [false, true] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let (sender, receiver) = async_channel::bounded(1);
            let ended = Arc::new(AtomicUsize::new(0));
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    let (receiver, ended) = (receiver.clone(), Arc::clone(&ended));
                    pool.spawn(async move {
                        receiver.recv().await.unwrap();
                        current().unwrap().submit(|| ()).await.unwrap();
                        add_one(&ended);
                    })
                })
                .collect();
            assert!(!pool.wait_idle_timeout(Duration::from_millis(5)).unwrap());
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    match ends {
                        true => pool.shutdown(),
                        false => pool.wait_idle().unwrap(),
                    }
                    assert_eq!(ended.load(Ordering::SeqCst), 10);
                    assert!(handles.iter().all(JoinHandle::is_finished));
                });
                if ends {
                    until(|| pool.is_shutdown());
                }
                (0..10).for_each(|n| sender.send_blocking(n).unwrap());
                waiter.join().unwrap();
            });
        }
    });
}

#[test]
fn a_pool_that_cancels_when_it_is_dropped_drops_its_futures() {
    limited(|| {
        for _ in 0..100 {
            let builder = Builder::new().threads(2);
            let pool = builder.on_drop(DropBehavior::Cancel).build().unwrap();
            let drops = Drops::default();
            let handles: Vec<_> = (0..10)
                .map(|n| pool.spawn(watched(n % 2, drops.value()).0))
                .collect();
            drop(pool);
            assert_eq!(drops.count(), 10);
            for handle in handles {
                assert!(handle.is_finished());
                if let Err(error) = handle.join() {
                    assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
                }
            }
        }
    });
}

#[test]
fn the_last_owner_may_be_dropped_with_a_future() {
    limited(|| {
        for cancels in [false, true] {
            let pool = one_thread();
            let weak = pool.handle();
            let (future, seen) = watched(1, pool.clone());
            let handle = weak.spawn(future);
            let waker = seen.wakers.recv().unwrap();
            drop(pool);
            match cancels {
                true => assert!(handle.cancel()),
                false => waker.wake(),
            }
            assert_eq!(handle.join().is_err(), cancels);
            until(|| weak.is_terminated());
        }
    });
}

#[test]
fn a_shutdown_that_takes_too_long_names_the_type_of_a_future() {
    struct Baking(Flag, Flag);

    impl Future for Baking {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0.set();
            self.1.wait();
            Poll::Ready(())
        }
    }

    limited(|| {
        let pool = one_thread();
        let (arrived, release) = (Flag::default(), Flag::default());
        let handle = pool.spawn(Baking(arrived.clone(), release.clone()));
        let pending = pool.spawn(pending::<()>());
        arrived.wait();
        let error = pool.shutdown_timeout(Duration::ZERO).unwrap_err();
        assert_eq!((error.unfinished(), error.busy().len()), (2, 1));
        assert!(error.busy()[0].task().ends_with("Baking"), "{error}");
        release.set();
        handle.join().unwrap();
        assert!(pending.cancel());
        pool.shutdown();
    });
}
