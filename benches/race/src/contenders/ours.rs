//! This crate.

use std::cell::Cell;
use std::time::Duration;

use workmill::{Group, JoinHandle, PoolRef, Priority, ThreadPoolExecutor};

use super::{
    Block, Borrow, Contender, Execute, Fork, Halve, Limit, Own, Reach, Sleep, Spawn, Submit,
};

impl Contender for ThreadPoolExecutor {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        Self::new(threads).expect("threads start")
    }

    fn pool(&self) -> Self {
        self.clone()
    }

    fn stop(self) {
        self.shutdown();
    }
}

impl Execute for ThreadPoolExecutor {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        (**self).execute(closure);
    }
}

impl Execute for PoolRef {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.execute(closure);
    }
}

impl Execute for Group {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        (**self).execute(closure);
    }
}

impl Limit for ThreadPoolExecutor {
    type Limited = Group;

    fn limited(&self, tasks: usize) -> Group {
        (**self).limited(tasks)
    }
}

/// A pool of this crate, one in eight of whose tasks is urgent, and one in eight idle.
pub(crate) struct Mixed(ThreadPoolExecutor);

/// The views by which the tasks of a [`Mixed`] are submitted.
#[derive(Clone)]
pub(crate) struct Views {
    pool: PoolRef,
    high: PoolRef,
    low: PoolRef,
    next: Cell<usize>,
}

impl Contender for Mixed {
    type Pool = Views;

    fn start(threads: usize) -> Self {
        Self(ThreadPoolExecutor::start(threads))
    }

    fn pool(&self) -> Views {
        Views {
            pool: self.0.handle(),
            high: self.0.priority(Priority::High),
            low: self.0.priority(Priority::Low),
            next: Cell::new(0),
        }
    }

    fn stop(self) {
        self.0.shutdown();
    }
}

impl Execute for Views {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        let next = self.next.get();
        self.next.set(next + 1);
        match next % 8 {
            0 => self.high.execute(closure),
            4 => self.low.execute(closure),
            _ => self.pool.execute(closure),
        }
    }
}

impl Block for ThreadPoolExecutor {
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static) {
        (**self).execute(|| workmill::blocking(closure));
    }
}

impl Submit<ThreadPoolExecutor> for Own {
    type Handle = JoinHandle<usize>;

    fn submit(
        pool: &ThreadPoolExecutor,
        closure: impl FnOnce() -> usize + Send + 'static,
    ) -> Self::Handle {
        pool.submit(closure)
    }

    fn join(handle: Self::Handle) -> usize {
        handle.join().expect("the task returns")
    }
}

impl Submit<PoolRef> for Own {
    type Handle = JoinHandle<usize>;

    fn submit(
        pool: &PoolRef,
        closure: impl FnOnce() -> usize + Send + 'static,
    ) -> <Self as Submit<PoolRef>>::Handle {
        pool.submit(closure)
    }

    fn join(handle: <Self as Submit<PoolRef>>::Handle) -> usize {
        handle.join().expect("the task returns")
    }
}

impl Spawn for ThreadPoolExecutor {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        drop((**self).spawn(future));
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        workmill::yield_now()
    }
}

impl Sleep for ThreadPoolExecutor {
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        workmill::timer::sleep(time)
    }
}

/// A pool of this crate whose end does not wait for its threads.
pub(crate) struct Background(ThreadPoolExecutor);

impl Contender for Background {
    type Pool = ThreadPoolExecutor;

    fn start(threads: usize) -> Self {
        Self(ThreadPoolExecutor::start(threads))
    }

    fn pool(&self) -> ThreadPoolExecutor {
        self.0.clone()
    }

    fn stop(self) {
        self.0.shutdown_background();
    }
}

/// A task holds nothing: it asks for the pool that it runs on.
pub(crate) struct OursCurrent;

impl Reach<ThreadPoolExecutor> for OursCurrent {
    type Inside = PoolRef;

    fn from_outside(_pool: &ThreadPoolExecutor) -> Self {
        Self
    }

    fn from_inside(_pool: &PoolRef) -> Self {
        Self
    }

    fn open(self) -> PoolRef {
        workmill::current().expect("the task runs on the pool")
    }
}

impl Fork for ThreadPoolExecutor {
    type Pool = Self;

    fn with_threads(threads: usize) -> Self {
        Self::start(threads)
    }

    fn enter<R: Send>(pool: &Self, closure: impl FnOnce() -> R + Send) -> R {
        pool.install(closure).expect("the closure returns")
    }

    fn join<A: Send, B: Send>(
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        workmill::join(one, other)
    }
}

/// Each task that is not a leaf opens a scope.
pub(crate) struct OursScope;

impl Halve<ThreadPoolExecutor> for OursScope {
    fn leaves(pool: &ThreadPoolExecutor, levels: u32) -> usize {
        fn halve(pool: &PoolRef, levels: u32) -> usize {
            if levels == 0 {
                return 1;
            }
            let (mut one, mut other) = (0, 0);
            pool.scope(|scope| {
                scope.execute(|| one = halve(pool, levels - 1));
                other = halve(pool, levels - 1);
            });
            one + other
        }
        pool.install(|| halve(pool, levels)).expect("no panic")
    }
}

impl Borrow<ThreadPoolExecutor> for OursScope {
    fn inside(pool: &ThreadPoolExecutor, body: impl FnOnce(&ThreadPoolExecutor) + Send) {
        pool.install(|| body(pool)).expect("no panic");
    }

    fn wave(pool: &ThreadPoolExecutor, tasks: usize, task: impl Fn(usize) + Sync) {
        let task = &task;
        pool.scope(|scope| {
            for n in 0..tasks {
                scope.execute(move || task(n));
            }
        });
    }

    fn both(
        pool: &ThreadPoolExecutor,
        one: impl FnOnce(&ThreadPoolExecutor),
        other: impl FnOnce(&ThreadPoolExecutor) + Send,
    ) {
        pool.scope(|scope| {
            scope.execute(|| other(pool));
            one(pool);
        });
    }

    fn map(
        pool: &ThreadPoolExecutor,
        items: &[u64],
        f: impl Fn(&u64) -> u64 + Send + Sync,
    ) -> Vec<u64> {
        pool.map_slice(items, f).expect("no panic")
    }
}
