//! Tasks that join each other to any depth overflow no stack: a task that would go too deep runs
//! elsewhere.

use std::thread;

use workmill::{Builder, Overflow, PoolRef, ThreadPoolExecutor, current};

use crate::child::in_child;
use crate::support::{Flag, occupy};

/// Submits a task that descends one level less, and joins it; returns the number of levels.
fn descend(levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let next = current().unwrap().submit(move || descend(levels - 1));
    next.join().unwrap() + 1
}

/// Does so with handles that can be cloned.
fn descend_by_shared_handles(levels: usize) -> usize {
    if levels == 0 {
        return 0;
    }
    let next = move || descend_by_shared_handles(levels - 1);
    let next = current().unwrap().submit(next).shared();
    next.join().unwrap() + 1
}

#[test]
fn ten_thousand_tasks_join_each_other_on_one_thread() {
    in_child(&[], || {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for descend in [descend, descend_by_shared_handles] {
            let outermost = pool.submit(move || descend(10_000));
            assert_eq!(outermost.join().unwrap(), 10_000);
        }
        assert_eq!(pool.metrics().uncovered_waits, 0);
    });
}

#[test]
fn two_thousand_tasks_join_each_other_on_small_stacks() {
    in_child(&[], || {
        for threads in [1, 2] {
            let builder = Builder::new().threads(threads).stack_size(64 << 10);
            let pool = builder.build().unwrap();
            for descend in [descend, descend_by_shared_handles] {
                let outermost = pool.submit(move || descend(2000));
                assert_eq!(outermost.join().unwrap(), 2000);
            }
            assert_eq!(pool.metrics().uncovered_waits, 0);
        }
    });
}

/// Calls `body` on a thread outside of all pools with a stack of the given size.
fn on_a_stack_of<R: Send + 'static>(bytes: usize, body: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::Builder::new().stack_size(bytes);
    thread.spawn(body).unwrap().join().unwrap()
}

/// A pool whose only worker is busy, with a queue that is full; the next submitter runs its task
/// itself.
fn full() -> (ThreadPoolExecutor, Flag) {
    let builder = Builder::new().threads(1).queue_capacity(1);
    let pool = builder.overflow(Overflow::CallerRuns).build().unwrap();
    let release = occupy(&pool);
    pool.execute(|| ());
    (pool, release)
}

#[test]
fn a_thousand_tasks_join_each_other_below_one_that_its_submitter_runs() {
    in_child(&[], || {
        for descend in [descend, descend_by_shared_handles] {
            let (pool, release) = full();
            on_a_stack_of(256 << 10, move || {
                let submitter = thread::current().id();
                let outermost = pool.submit(move || {
                    assert_eq!(thread::current().id(), submitter);
                    // Tasks that go too deep for the submitter are run by the worker.
                    release.set();
                    descend(1000)
                });
                assert_eq!(outermost.join().unwrap(), 1000);
            });
        }
    });
}

/// Descends as [`descend`] does, alternating between two pools.
fn descend_in_turn(levels: usize, this: PoolRef, other: PoolRef) -> usize {
    if levels == 0 {
        return 0;
    }
    let next = other.clone();
    let next = next.submit(move || descend_in_turn(levels - 1, other, this));
    next.join().unwrap() + 1
}

#[test]
fn tasks_of_two_pools_join_each_other_alternately_on_one_small_stack() {
    in_child(&[], || {
        let one = Builder::new().threads(1).stack_size(128 << 10);
        let one = one.build().unwrap();
        let (this, (other, release)) = (one.handle(), full());
        let outermost = one.submit(move || {
            // From here on the worker of the one pool is a foreign thread in the other, so the
            // tasks of both pools run inline; a task that goes too deep takes a thread for each
            // level.
            let that = other.handle();
            let foreign = other.submit(move || {
                release.set();
                descend_in_turn(400, that, this)
            });
            foreign.join().unwrap()
        });
        assert_eq!(outermost.join().unwrap(), 400);
    });
}
