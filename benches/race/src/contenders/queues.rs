//! Pools that are a queue of boxed closures: threadpool, rusty_pool, by hand and book.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Block, Contender, Execute, Own, Submit};

impl Contender for threadpool::ThreadPool {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        Self::new(threads)
    }

    fn pool(&self) -> Self {
        self.clone()
    }

    /// Waits for the tasks; the threads end by themselves.
    fn stop(self) {
        self.join();
    }
}

impl Execute for threadpool::ThreadPool {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.execute(closure);
    }
}

impl Contender for rusty_pool::ThreadPool {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        let pool = Self::new(threads, threads, Duration::MAX);
        pool.start_core_threads();
        pool
    }

    fn pool(&self) -> Self {
        self.clone()
    }

    /// Waits for the tasks; the threads end by themselves.
    fn stop(self) {
        self.shutdown_join();
    }
}

impl Execute for rusty_pool::ThreadPool {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.execute(closure);
    }
}

impl Submit<rusty_pool::ThreadPool> for Own {
    type Handle = rusty_pool::JoinHandle<usize>;

    fn submit(
        pool: &rusty_pool::ThreadPool,
        closure: impl FnOnce() -> usize + Send + 'static,
    ) -> Self::Handle {
        pool.evaluate(closure)
    }

    fn join(handle: Self::Handle) -> usize {
        handle.await_complete()
    }
}

/// Rusty_pool with room for threads that wait.
pub(crate) struct RustyPoolWithSpares(rusty_pool::ThreadPool);

impl Contender for RustyPoolWithSpares {
    type Pool = rusty_pool::ThreadPool;

    fn start(threads: usize) -> Self {
        let pool = rusty_pool::ThreadPool::new(threads, threads + SPARES, KEEP_ALIVE);
        pool.start_core_threads();
        Self(pool)
    }

    fn pool(&self) -> Self::Pool {
        self.0.clone()
    }

    fn stop(self) {
        self.0.shutdown_join();
    }
}

/// The number of threads that tokio and workmill may start by default for tasks that wait.
const SPARES: usize = 512;
/// The time for which an idle thread of tokio's lives on by default.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// All threads are alike: if all are busy, in whatever way, the pool starts another.
impl Block for rusty_pool::ThreadPool {
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static) {
        self.execute(closure);
    }
}

type Closure = Box<dyn FnOnce() + Send>;

/// A pool of twenty lines, made of crossbeam-channel.
pub(crate) struct ByHand {
    sender: crossbeam_channel::Sender<Closure>,
    threads: Vec<JoinHandle<()>>,
}

impl Contender for ByHand {
    type Pool = crossbeam_channel::Sender<Closure>;

    fn start(threads: usize) -> Self {
        let (sender, receiver) = crossbeam_channel::unbounded::<Closure>();
        let start_thread = |_| {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.iter().for_each(|closure| closure()))
        };
        let threads = (0..threads).map(start_thread).collect();
        Self { sender, threads }
    }

    fn pool(&self) -> Self::Pool {
        self.sender.clone()
    }

    fn stop(self) {
        drop(self.sender);
        join_all(self.threads);
    }
}

impl Execute for crossbeam_channel::Sender<Closure> {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.send(Box::new(closure)).expect("threads live");
    }
}

/// The pool does nothing about tasks that block: its threads wait.
impl Block for crossbeam_channel::Sender<Closure> {
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static) {
        self.execute(closure);
    }
}

/// [`ByHand`], with a thread of its own for each task that blocks.
pub(crate) struct ByHandAndThreads(ByHand);

impl Contender for ByHandAndThreads {
    type Pool = SenderAndThreads;

    fn start(threads: usize) -> Self {
        Self(ByHand::start(threads))
    }

    fn pool(&self) -> SenderAndThreads {
        SenderAndThreads(self.0.pool())
    }

    fn stop(self) {
        self.0.stop();
    }
}

#[derive(Clone)]
pub(crate) struct SenderAndThreads(crossbeam_channel::Sender<Closure>);

impl Execute for SenderAndThreads {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.0.execute(closure);
    }
}

impl Block for SenderAndThreads {
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static) {
        thread::spawn(closure);
    }
}

/// The pool of the Rust book's last chapter.
pub(crate) struct Book {
    sender: mpsc::Sender<Closure>,
    threads: Vec<JoinHandle<()>>,
}

impl Contender for Book {
    type Pool = mpsc::Sender<Closure>;

    fn start(threads: usize) -> Self {
        let (sender, receiver) = mpsc::channel::<Closure>();
        let receiver = Arc::new(Mutex::new(receiver));
        let start_thread = |_| {
            let receiver = Arc::clone(&receiver);
            thread::spawn(move || {
                loop {
                    let message = receiver.lock().expect("no panic under the lock").recv();
                    match message {
                        Ok(closure) => closure(),
                        Err(_) => break,
                    }
                }
            })
        };
        let threads = (0..threads).map(start_thread).collect();
        Self { sender, threads }
    }

    fn pool(&self) -> Self::Pool {
        self.sender.clone()
    }

    fn stop(self) {
        drop(self.sender);
        join_all(self.threads);
    }
}

impl Execute for mpsc::Sender<Closure> {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.send(Box::new(closure)).expect("threads live");
    }
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("no task panics");
    }
}
