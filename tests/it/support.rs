//! Shared by the tests: hang limits, flags, and values that count, panic or meet.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::task::Wake;
use std::thread;
use std::time::Duration;

/// The time after which a test hangs. It is many times what any takes, also while others want the
/// processors: it does not measure how fast the crate is.
pub(crate) const HANG: Duration = Duration::from_secs(300);

/// Runs a test's body, which fails when it hangs.
pub(crate) fn limited<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    within(HANG, body)
}

/// Runs a part of a test, which fails by this name when it hangs.
pub(crate) fn limited_part<R: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    run_within(HANG, name, body)
}

/// Runs `body` on a thread of its own and panics when it takes longer than `limit`.
pub(crate) fn within<R: Send + 'static>(
    limit: Duration,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    run_within(limit, "the test", body)
}

fn run_within<R: Send + 'static>(
    limit: Duration,
    name: &str,
    body: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (done, ended) = mpsc::channel();
    let thread = thread::Builder::new().stack_size(64 << 20);
    let body = move || drop(done.send(catch_unwind(AssertUnwindSafe(body))));
    thread.spawn(body).expect("the test's thread starts");
    match ended.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => panic!("{name} hangs: {limit:?} were not enough"),
    }
}

/// Unset at first; blocks the threads that wait for it until it is set.
///
/// Unlike [`Event`](workmill::Event) it knows nothing of pools: a worker that waits for it stays
/// busy.
#[derive(Clone, Default)]
pub(crate) struct Flag(Arc<(Mutex<bool>, Condvar)>);

impl Flag {
    pub(crate) fn set(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let is_set = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(is_set, |is_set| !*is_set).unwrap());
    }
}

/// A stream of numbers, which depends only on the seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Occupies a worker of `pool` until the returned flag is set.
///
/// Returns when the worker waits for it.
pub(crate) fn occupy(pool: &workmill::PoolRef) -> Flag {
    let (arrived, release) = (Flag::default(), Flag::default());
    let (arrives, go) = (arrived.clone(), release.clone());
    pool.execute(move || {
        arrives.set();
        go.wait();
    });
    arrived.wait();
    release
}

/// Runs the given number of tasks, each of which waits until all of them run.
pub(crate) fn meet(pool: &workmill::PoolRef, tasks: usize) {
    let barrier = Arc::new(Barrier::new(tasks));
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            pool.submit(move || barrier.wait().is_leader())
        })
        .collect();
    let leaders = handles.into_iter().map(|handle| handle.join().unwrap());
    assert_eq!(leaders.filter(|leads| *leads).count(), 1);
}

/// Panics when it is dropped, with another bomb inside as the payload.
pub(crate) struct Bomb {
    pub(crate) depth: usize,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.depth > 0 {
            let depth = self.depth - 1;
            std::panic::panic_any(Self { depth });
        }
    }
}

/// A waker that panics when it is woken or dropped.
pub(crate) struct Hostile;

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Counts how often a value was dropped.
#[derive(Clone, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// A value whose drop is counted.
pub(crate) struct Counted(Drops);

impl Drops {
    pub(crate) fn value(&self) -> Counted {
        Counted(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Yields until `done` returns `true`, where there is nothing to wait for.
pub(crate) fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        thread::yield_now();
    }
}

/// Counts a task that runs.
pub(crate) fn add_one(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// Counts the tasks that run at a time.
#[derive(Clone, Default)]
pub(crate) struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

impl Crowd {
    /// Counts the caller for a moment.
    pub(crate) fn join_in(&self) {
        let (busy, most) = &*self.0;
        most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Returns the most callers that were counted at a time.
    pub(crate) fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}
