//! The contenders: the pools, the semaphores and the queues, each behind one trait.

pub(crate) mod channels;
pub(crate) mod inline;
pub(crate) mod many;
pub(crate) mod ours;
pub(crate) mod queues;
pub(crate) mod runtimes;
pub(crate) mod semaphores;
pub(crate) mod signals;
pub(crate) mod stealing;

use std::sync::mpsc;
use std::time::Duration;

/// Takes closures. A clone of a pool reaches the same threads.
pub(crate) trait Execute {
    fn execute(&self, closure: impl FnOnce() + Send + 'static);
}

/// A pool under comparison, as its owner has it.
pub(crate) trait Contender: Sized {
    type Pool: Execute + Clone + Send + 'static;

    /// Whether tasks run on other threads than the submitter's.
    const HAS_THREADS: bool = true;

    fn start(threads: usize) -> Self;
    fn pool(&self) -> Self::Pool;

    /// Shuts down and waits for the threads to end, as far as the pool offers that.
    fn stop(self);
}

/// Held by a task to reach the pool `P` that it runs on.
pub(crate) trait Reach<P>: Send + 'static {
    /// The pool, as a task reaches it.
    type Inside: Execute;

    fn from_outside(pool: &P) -> Self;
    fn from_inside(pool: &Self::Inside) -> Self;
    fn open(self) -> Self::Inside;
}

/// A task captures a clone of the pool.
impl<P: Execute + Clone + Send + 'static> Reach<P> for P {
    type Inside = P;

    fn from_outside(pool: &P) -> Self {
        pool.clone()
    }

    fn from_inside(pool: &P) -> Self {
        pool.clone()
    }

    fn open(self) -> P {
        self
    }
}

/// Submits closures to the pool `P` and joins their results.
pub(crate) trait Submit<P> {
    type Handle;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle;
    fn join(handle: Self::Handle) -> usize;
}

/// Divides the work of a task of the pool `P`: another task does a part of it, and the task waits
/// for that.
pub(crate) trait Halve<P> {
    /// Halves `levels` times, and counts the leaves.
    fn leaves(pool: &P, levels: u32) -> usize;
}

/// A task submits one half, goes on with the other, and joins the handle.
impl<P, R: Reach<P>> Halve<P> for R
where
    Own: Submit<P> + Submit<R::Inside>,
{
    fn leaves(pool: &P, levels: u32) -> usize {
        /// A task that is not a leaf, or the half that such a task keeps. Leaves need not reach the
        /// pool.
        fn halve<P, R: Reach<P>>(pool: &R::Inside, levels: u32) -> usize
        where
            Own: Submit<R::Inside>,
        {
            if levels == 1 {
                return 1 + Own::join(Own::submit(pool, || 1));
            }
            let reach = R::from_inside(pool);
            let half = Own::submit(pool, move || halve::<P, R>(&reach.open(), levels - 1));
            halve::<P, R>(pool, levels - 1) + Own::join(half)
        }
        let reach = R::from_outside(pool);
        let root = move || halve::<P, R>(&reach.open(), levels);
        <Own as Submit<P>>::join(Own::submit(pool, root))
    }
}

/// A pool with a function that calls two closures, maybe at the same time.
pub(crate) trait Fork {
    type Pool: Sync;

    /// Creates a pool whose tasks the given number of threads run.
    fn with_threads(threads: usize) -> Self::Pool;

    /// Calls a closure in the pool.
    fn enter<R: Send>(pool: &Self::Pool, closure: impl FnOnce() -> R + Send) -> R;

    /// Calls both closures, in a task.
    fn join<A: Send, B: Send>(
        one: impl FnOnce() -> A + Send,
        other: impl FnOnce() -> B + Send,
    ) -> (A, B);
}

/// Gives the pool `P` work that borrows. All of it is called in a task of the pool.
pub(crate) trait Borrow<P> {
    /// Calls `body` in a task of the pool.
    fn inside(pool: &P, body: impl FnOnce(&P) + Send);

    /// Submits `task` to a scope for each of the numbers from 0 on.
    fn wave(pool: &P, tasks: usize, task: impl Fn(usize) + Sync);

    /// Calls both, the second in a task of a scope.
    fn both(pool: &P, one: impl FnOnce(&P), other: impl FnOnce(&P) + Send);

    /// Returns what `f` returns for the items.
    fn map(pool: &P, items: &[u64], f: impl Fn(&u64) -> u64 + Send + Sync) -> Vec<u64>;
}

/// A pool that learns which of its tasks block.
pub(crate) trait Block: Execute {
    /// Takes a closure that keeps its thread waiting.
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static);
}

/// A pool that can run only some of its tasks at a time.
pub(crate) trait Limit {
    /// Takes closures, of which at most a certain number run at a time.
    type Limited: Execute;

    fn limited(&self, tasks: usize) -> Self::Limited;
}

/// Takes futures, without a handle.
pub(crate) trait Spawn {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);

    /// Makes a future of the pool wait until others have been polled.
    fn yield_now() -> impl Future<Output = ()> + Send;
}

/// Takes futures that wait for time to pass.
pub(crate) trait Sleep: Spawn {
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

/// Results arrive through the pool's own handles.
pub(crate) struct Own;

/// Results arrive through `execute` and a oneshot channel.
pub(crate) struct Oneshot;

impl<P: Execute> Submit<P> for Oneshot {
    type Handle = oneshot::Receiver<usize>;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = oneshot::channel();
        pool.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}

/// Results arrive through `execute` and a channel of std.
pub(crate) struct Mpsc;

impl<P: Execute> Submit<P> for Mpsc {
    type Handle = mpsc::Receiver<usize>;

    fn submit(pool: &P, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = mpsc::channel();
        pool.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}
