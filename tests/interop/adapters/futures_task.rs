//! Code that is generic over `futures::task::Spawn` runs on the pool, and learns when the pool is
//! shut down.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use futures_task::Spawn;
use futures_util::task::SpawnExt;
use workmill::{Builder, Overflow, ThreadPoolExecutor, block_on, current, yield_now};

use crate::support::{Drops, limited, occupy};

fn answer(spawner: &(impl Spawn + ?Sized)) -> i32 {
    spawner.status().unwrap();
    let (sender, receiver) = mpsc::channel();
    let noted = async move { sender.send(2).unwrap() };
    SpawnExt::spawn(&spawner, noted).unwrap();
    let future = async {
        yield_now().await;
        assert!(current().is_some());
        40
    };
    let handle = spawner.spawn_with_handle(future).unwrap();
    block_on(handle) + receiver.recv().unwrap()
}

#[test]
fn everything_that_is_a_pool_can_spawn() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        assert_eq!(answer(&pool), 42);
        assert_eq!(answer(&pool.handle()), 42);
        let boxed: Box<dyn Spawn> = Box::new(pool.handle());
        assert_eq!(answer(&*boxed), 42);
        let shared: Arc<dyn Spawn + Send + Sync> = Arc::new(pool);
        assert_eq!(answer(&*shared), 42);
    });
}

#[test]
fn a_panic_comes_by_the_remote_handle() {
    limited(|| {
        let (sender, reports) = mpsc::channel();
        let builder = Builder::new().threads(1);
        let builder = builder.panic_handler(move |payload| sender.send(payload).unwrap());
        let pool = builder.build().unwrap();
        let handle = pool.spawn_with_handle(async { panic!("burnt") }).unwrap();
        let wait = AssertUnwindSafe(|| -> () { block_on(handle) });
        let payload = catch_unwind(wait).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"burnt"));
        pool.shutdown();
        assert!(reports.try_recv().is_err());
    });
}

#[test]
fn a_panic_that_nobody_waits_for_goes_to_the_panic_handler() {
    limited(|| {
        let (sender, reports) = mpsc::channel();
        let builder = Builder::new().threads(1);
        let builder = builder.panic_handler(move |payload| sender.send(payload).unwrap());
        let pool = builder.build().unwrap();
        SpawnExt::spawn(&pool, async {
            yield_now().await;
            panic!("burnt");
        })
        .unwrap();
        let payload = reports.recv().unwrap();
        assert_eq!(payload.downcast_ref(), Some(&"burnt"));
        assert_eq!(answer(&pool), 42);
    });
}

#[test]
fn a_dropped_remote_handle_drops_its_future() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let drops = Drops::default();
        let value = drops.value();
        let handle = pool.spawn_with_handle(async move {
            let _value = value;
            pending::<()>().await;
        });
        drop(handle.unwrap());
        pool.wait_idle().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_pool_that_was_shut_down_refuses_what_others_spawn() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.shutdown();
        let drops = Drops::default();
        let value = drops.value();
        let refused = pool.spawn_with_handle(async move { drop(value) });
        assert!(refused.unwrap_err().is_shutdown());
        assert_eq!(drops.count(), 1);
        assert!(pool.status().unwrap_err().is_shutdown());
        assert!(pool.handle().status().is_err());
        assert_eq!(pool.metrics().rejected, 1);
    });
}

#[test]
fn tasks_may_spawn_until_they_have_ended() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (sender, receiver) = mpsc::channel::<()>();
        let handle = pool.submit(move || {
            receiver.recv().unwrap_err();
            let pool = current().unwrap();
            assert!(pool.is_shutdown());
            pool.status().unwrap();
            pool.spawn_with_handle(ready(42)).unwrap()
        });
        pool.shutdown_background();
        assert!(pool.status().is_err());
        drop(sender);
        assert_eq!(block_on(handle.join().unwrap()), 42);
    });
}

#[test]
fn a_full_pool_does_what_its_policy_says_with_what_others_spawn() {
    limited(|| {
        let full = |overflow| {
            let builder = Builder::new().threads(1).queue_capacity(1);
            let pool = builder.overflow(overflow).build().unwrap();
            let release = occupy(&pool);
            pool.execute(|| ());
            (pool, release)
        };

        let drops = Drops::default();
        for overflow in [Overflow::Reject, Overflow::DropNewest] {
            drops.reset();
            let (pool, release) = full(overflow);
            let value = drops.value();
            assert!(SpawnExt::spawn(&pool, async move { drop(value) }).is_err());
            assert_eq!(drops.count(), 1);
            assert!(pool.status().is_ok());
            release.set();
        }

        let (pool, release) = full(Overflow::CallerRuns);
        let here = thread::current().id();
        let future = async move { thread::current().id() };
        assert_eq!(block_on(pool.spawn_with_handle(future).unwrap()), here);
        release.set();

        let (pool, release) = full(Overflow::Block);
        let (sender, receiver) = mpsc::channel();
        let reference = pool.handle();
        let blocked = thread::spawn(move || {
            sender.send(()).unwrap();
            block_on(reference.spawn_with_handle(ready(42)).unwrap())
        });
        receiver.recv().unwrap();
        release.set();
        assert_eq!(blocked.join().unwrap(), 42);
    });
}
