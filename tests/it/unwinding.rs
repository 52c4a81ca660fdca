//! What a program may use after it has caught a panic.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe, catch_unwind};

use workmill::timer::{Interval, Sleep};
use workmill::{
    BoundedSemaphore, CancelHandle, CancelOnDrop, CancelToken, Event, JoinError, JoinHandle,
    JoinableQueue, Latch, LifoQueue, OwnedPermit, Permit, PoolRef, PriorityQueue, ScopedJoinHandle,
    Semaphore, SharedHandle, ThreadPoolExecutor, TrySubmitError,
};

use crate::support::{limited, occupy};

const fn survives<T: UnwindSafe + RefUnwindSafe>() {}

/// A result that a panic may leave changed by half, where it is shared.
type Fragile = Cell<u32>;

const _: () = {
    survives::<ThreadPoolExecutor>();
    survives::<PoolRef>();
    survives::<JoinHandle<Fragile>>();
    survives::<CancelOnDrop<Fragile>>();
    survives::<CancelHandle>();
    survives::<SharedHandle<u32>>();
    survives::<ScopedJoinHandle<'static, Fragile>>();
    survives::<JoinError>();
    survives::<TrySubmitError<Fragile>>();
    survives::<Semaphore>();
    survives::<BoundedSemaphore>();
    survives::<Permit<'static>>();
    survives::<OwnedPermit>();
    survives::<Event>();
    survives::<Latch>();
    survives::<CancelToken>();
    survives::<JoinableQueue<Fragile>>();
    survives::<LifoQueue<Fragile>>();
    survives::<PriorityQueue<Fragile>>();
    survives::<Sleep>();
    survives::<Interval>();
};

#[test]
fn what_was_in_use_when_a_panic_was_caught_goes_on() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let (handle, shared) = (pool.submit(|| 41), pool.submit(|| 42).shared());
        let stop = pool.submit(|| unreachable!("it was cancelled"));
        let stop = (stop.cancel_handle(), stop);
        let reference = pool.handle();
        let caught = catch_unwind(|| {
            assert!(!handle.is_finished() && !shared.is_finished());
            assert!(stop.0.cancel());
            reference.execute(|| ());
            pool.block_on(async { panic!("out of flour") })
        });
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"out of flour"));
        release.set();
        let caught = catch_unwind(move || {
            assert_eq!(handle.join().unwrap(), 41);
            panic!("out of salt")
        });
        assert!(caught.is_err());
        assert_eq!(shared.join().unwrap(), 42);
        assert!(stop.1.join().unwrap_err().is_cancelled());
        assert_eq!(reference.submit(|| 43).join().unwrap(), 43);
        pool.shutdown();
    });
}
