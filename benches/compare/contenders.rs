//! The pools that are compared, behind one trait, and their workloads.
//!
//! *Ours* is this crate. *By hand* is a pool of twenty lines, made of crossbeam-channel and
//! oneshot. *Book* is the pool of the Rust book's last chapter: a receiver in a mutex.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, Thread};

use workmill::ThreadPoolExecutor;

pub(crate) const THREADS: usize = 2;

type Closure = Box<dyn FnOnce() + Send>;

/// A pool under comparison. A clone reaches the same threads.
pub(crate) trait Contender: Clone + Send + 'static {
    /// Waits for a result.
    type Handle;

    const NAME: &str;

    fn start() -> Self;
    fn execute(&self, closure: impl FnOnce() + Send + 'static);
    fn submit(&self, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle;
    fn join(handle: Self::Handle) -> usize;
}

impl Contender for ThreadPoolExecutor {
    type Handle = workmill::JoinHandle<usize>;

    const NAME: &str = "ours";

    fn start() -> Self {
        Self::new(THREADS).expect("threads start")
    }

    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        (**self).execute(closure);
    }

    fn submit(&self, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        (**self).submit(closure)
    }

    fn join(handle: Self::Handle) -> usize {
        handle.join().expect("the task returns")
    }
}

#[derive(Clone)]
pub(crate) struct ByHand(crossbeam_channel::Sender<Closure>);

impl Contender for ByHand {
    type Handle = oneshot::Receiver<usize>;

    const NAME: &str = "by hand";

    fn start() -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded::<Closure>();
        for _ in 0..THREADS {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.iter().for_each(|closure| closure()));
        }
        Self(sender)
    }

    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.0.send(Box::new(closure)).expect("threads live");
    }

    fn submit(&self, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = oneshot::channel();
        self.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}

#[derive(Clone)]
pub(crate) struct Book(mpsc::Sender<Closure>);

impl Contender for Book {
    type Handle = mpsc::Receiver<usize>;

    const NAME: &str = "book";

    fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<Closure>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..THREADS {
            let receiver = Arc::clone(&receiver);
            thread::spawn(move || {
                loop {
                    let message = receiver.lock().expect("no panic under the lock").recv();
                    match message {
                        Ok(closure) => closure(),
                        Err(_) => break,
                    }
                }
            });
        }
        Self(sender)
    }

    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.0.send(Box::new(closure)).expect("threads live");
    }

    fn submit(&self, closure: impl FnOnce() -> usize + Send + 'static) -> Self::Handle {
        let (sender, receiver) = mpsc::channel();
        self.execute(move || {
            let _ = sender.send(closure());
        });
        receiver
    }

    fn join(handle: Self::Handle) -> usize {
        handle.recv().expect("the task returns")
    }
}

/// Counts tasks down and unparks the thread that waits for the last.
///
/// Leaked, so that no task pays for a reference to it.
struct Countdown {
    left: AtomicUsize,
    waiter: Thread,
}

impl Countdown {
    fn from(tasks: usize) -> &'static Self {
        Box::leak(Box::new(Self {
            left: AtomicUsize::new(tasks),
            waiter: thread::current(),
        }))
    }

    fn one_done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiter.unpark();
        }
    }

    fn wait(&self) {
        while self.left.load(Ordering::Acquire) > 0 {
            thread::park();
        }
    }
}

/// Submits empty closures from outside, then waits for all.
pub(crate) fn spawn_ext<C: Contender>(pool: &C, tasks: usize) {
    let countdown = Countdown::from(tasks);
    for _ in 0..tasks {
        pool.execute(|| countdown.one_done());
    }
    countdown.wait();
}

/// Submits closures with results from outside, then joins every handle.
pub(crate) fn submit_all<C: Contender>(pool: &C, tasks: usize) {
    let handles: Vec<_> = (0..tasks).map(|n| pool.submit(move || n)).collect();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(C::join(handle), n);
    }
}

/// Each task spawns the next.
pub(crate) fn chain<C: Contender>(pool: &C, tasks: usize) {
    fn link<C: Contender>(pool: C, left: usize, countdown: &'static Countdown) {
        let next = pool.clone();
        pool.execute(move || match left {
            0 => countdown.one_done(),
            _ => link(next, left - 1, countdown),
        });
    }
    let countdown = Countdown::from(1);
    link(pool.clone(), tasks, countdown);
    countdown.wait();
}

/// Submits one closure and joins it, one at a time.
pub(crate) fn pingpong<C: Contender>(pool: &C, tasks: usize) {
    for n in 0..tasks {
        assert_eq!(C::join(pool.submit(move || n)), n);
    }
}
