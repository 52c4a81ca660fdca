//! Threads block on futures, inside the pool and outside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures_lite::future::zip;
use workmill::{CancelReason, JoinHandle, ThreadPoolExecutor, block_on, current, yield_now};

use super::{assert_alive, one_thread, reason};
use crate::support::{Flag, limited};

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

#[test]
fn a_task_that_blocks_on_a_future_gives_its_slot_up() {
    limited(|| {
        let pool = one_thread();
        let outer = pool.submit(|| {
            let pool = current().unwrap();
            let (sender, receiver) = async_channel::bounded(1);
            let inner = pool.spawn(async move { receiver.recv().await.unwrap() });
            pool.execute(move || sender.send_blocking(1).unwrap());
            let nested = pool.spawn(async {
                // A poll that blocks, in which another future is blocked on.
                block_on(async { block_on(current().unwrap().spawn(async { 2 })).unwrap() })
            });
            block_on(zip(inner, nested))
        });
        let (inner, nested) = outer.join().unwrap();
        assert_eq!((inner.unwrap(), nested.unwrap()), (1, 2));
        let here = pool.block_on(async { pool.block_on(async { pool.submit(|| 3).await }) });
        assert_eq!(here.unwrap(), 3);
        assert_alive(&pool);
    });
}

#[test]
fn a_panic_of_a_future_that_is_blocked_on_goes_through() {
    limited(|| {
        let pool = one_thread();
        let panics = || -> () { panic!("out of flour") };
        let outside = AssertUnwindSafe(|| pool.block_on(async { panics() }));
        assert!(catch_unwind(outside).is_err());
        assert!(catch_unwind(|| block_on(async { panics() })).is_err());
        assert!(current().is_none());
        let inside = pool.submit(move || block_on(async { panics() }));
        let error = inside.join().unwrap_err();
        assert_eq!(error.panic_message(), Some("out of flour"));
        assert_alive(&pool);
        pool.shutdown();
    });
}

#[test]
fn the_pool_does_not_end_before_it_has_been_blocked_on() {
    limited(|| {
        let pool = one_thread();
        let (sender, receiver) = async_channel::bounded::<()>(1);
        thread::scope(|scope| {
            let (arrived, arrives) = (Flag::default(), Flag::default());
            let begun = arrived.clone();
            let (blocked, pool) = (arrives.clone(), &pool);
            let blocks = scope.spawn(move || {
                pool.block_on(async {
                    begun.set();
                    receiver.recv().await.unwrap();
                    blocked.set();
                    // Though the pool is closed: this is one of its tasks.
                    current().unwrap().spawn(async { 1 }).await.unwrap()
                })
            });
            arrived.wait();
            assert!(pool.shutdown_timeout(Duration::from_millis(5)).is_err());
            sender.send_blocking(()).unwrap();
            pool.shutdown();
            arrives.wait();
            assert_eq!(blocks.join().unwrap(), 1);
        });
    });
}

#[test]
fn a_task_joins_a_future_of_its_own_pool() {
    limited(|| {
        let pool = one_thread();
        let outer = pool.submit(|| {
            let pool = current().unwrap();
            let inner = pool.spawn(async {
                yield_now().await;
                // In a poll too.
                current().unwrap().spawn(async { 1 }).join().unwrap()
            });
            inner.join().unwrap()
        });
        assert_eq!(outer.join().unwrap(), 1);
        // A future that joins itself is told so.
        let (sender, receiver) = mpsc::channel::<JoinHandle<()>>();
        let (tell, told) = mpsc::channel();
        let itself = pool.spawn(async move {
            let joined = receiver.recv().unwrap().join();
            tell.send(reason(joined)).unwrap();
        });
        sender.send(itself).unwrap();
        assert_eq!(told.recv().unwrap(), Some(CancelReason::Deadlock));
        assert_alive(&pool);
    });
}
