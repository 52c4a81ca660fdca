//! Pools whose tasks are futures: tokio, async-executor and that of the futures crate.

use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_executor::{Executor, Task};
use async_io::Timer;
use futures::channel::oneshot;
use futures::executor::ThreadPool;
use futures_lite::future::{block_on, yield_now};
use tokio::runtime::{Handle, Runtime};

use super::{Block, Contender, Execute, Halve, Limit, Own, Reach, Sleep, Spawn, Submit};

impl Contender for Runtime {
    type Pool = Handle;

    /// Starts a runtime without the drivers for I/O and timers, because of which threads would
    /// sleep in `epoll_wait`.
    fn start(threads: usize) -> Self {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()
            .expect("threads start")
    }

    fn pool(&self) -> Handle {
        self.handle().clone()
    }

    /// The drop waits for the threads.
    fn stop(self) {}
}

impl Execute for Handle {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.spawn(async move { closure() });
    }
}

/// Tasks that block run on threads of their own. There may be 512, and each lives on for ten
/// seconds.
impl Block for Handle {
    fn execute_blocking(&self, closure: impl FnOnce() + Send + 'static) {
        self.spawn_blocking(closure);
    }
}

impl Submit<Handle> for Own {
    type Handle = tokio::task::JoinHandle<usize>;

    fn submit(
        pool: &Handle,
        closure: impl FnOnce() -> usize + Send + 'static,
    ) -> <Self as Submit<Handle>>::Handle {
        pool.spawn(async move { closure() })
    }

    /// Avoids `Handle::block_on`, which is slower: it enters the runtime each time.
    fn join(handle: <Self as Submit<Handle>>::Handle) -> usize {
        block_on(handle).expect("the task returns")
    }
}

impl Spawn for Handle {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn(future);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }
}

/// Needs a runtime with timers.
impl Sleep for Handle {
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// A runtime with the driver for timers.
pub(crate) struct TokioWithTimers(Runtime);

impl Contender for TokioWithTimers {
    type Pool = Handle;

    fn start(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_time()
            .build();
        Self(runtime.expect("threads start"))
    }

    fn pool(&self) -> Handle {
        self.0.handle().clone()
    }

    /// The drop waits for the threads.
    fn stop(self) {}
}

/// A task holds nothing: `tokio::spawn` finds the runtime that it runs on.
#[derive(Clone)]
pub(crate) struct TokioCurrent;

impl Execute for TokioCurrent {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        tokio::spawn(async move { closure() });
    }
}

impl Reach<Handle> for TokioCurrent {
    type Inside = Self;

    fn from_outside(_pool: &Handle) -> Self {
        Self
    }

    fn from_inside(_pool: &Self) -> Self {
        Self
    }

    fn open(self) -> Self {
        self
    }
}

/// Tasks await each other, and keep no thread waiting.
impl Halve<Handle> for TokioCurrent {
    fn leaves(pool: &Handle, levels: u32) -> usize {
        /// Returns a boxed future, since it would contain itself.
        fn halve(levels: u32) -> Pin<Box<dyn Future<Output = usize> + Send>> {
            Box::pin(async move {
                if levels == 1 {
                    let half = tokio::spawn(async { 1 });
                    return 1 + half.await.expect("the task returns");
                }
                let half = tokio::spawn(halve(levels - 1));
                halve(levels - 1).await + half.await.expect("the task returns")
            })
        }
        block_on(pool.spawn(halve(levels))).expect("the task returns")
    }
}

/// An executor and threads that run it until their sender is dropped.
pub(crate) struct AsyncExecutor {
    executor: Arc<Executor<'static>>,
    threads: Vec<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl Contender for AsyncExecutor {
    type Pool = Arc<Executor<'static>>;

    fn start(threads: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let start_thread = |_| {
            let (sender, receiver) = oneshot::channel();
            let executor = Arc::clone(&executor);
            let thread = thread::spawn(move || {
                let _ = block_on(executor.run(receiver));
            });
            (sender, thread)
        };
        let threads = (0..threads).map(start_thread).collect();
        Self { executor, threads }
    }

    fn pool(&self) -> Self::Pool {
        Arc::clone(&self.executor)
    }

    fn stop(self) {
        let (senders, threads): (Vec<_>, Vec<_>) = self.threads.into_iter().unzip();
        drop(senders);
        for thread in threads {
            thread.join().expect("no task panics");
        }
    }
}

impl Execute for Arc<Executor<'static>> {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        (**self).spawn(async move { closure() }).detach();
    }
}

impl Submit<Arc<Executor<'static>>> for Own {
    type Handle = Task<usize>;

    fn submit(
        pool: &Arc<Executor<'static>>,
        closure: impl FnOnce() -> usize + Send + 'static,
    ) -> Task<usize> {
        (**pool).spawn(async move { closure() })
    }

    fn join(handle: Task<usize>) -> usize {
        block_on(handle)
    }
}

impl Spawn for Arc<Executor<'static>> {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        (**self).spawn(future).detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        yield_now()
    }
}

/// Async-io has a thread for its timers, beside those of the pool.
impl Sleep for Arc<Executor<'static>> {
    async fn sleep(time: Duration) {
        Timer::after(time).await;
    }
}

impl Contender for ThreadPool {
    type Pool = Self;

    fn start(threads: usize) -> Self {
        let mut builder = Self::builder();
        builder.pool_size(threads).create().expect("threads start")
    }

    fn pool(&self) -> Self {
        self.clone()
    }

    /// The drop tells the threads to end, and does not wait for them.
    fn stop(self) {}
}

impl Execute for ThreadPool {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        self.spawn_ok(async move { closure() });
    }
}

impl Spawn for ThreadPool {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_ok(future);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        yield_now()
    }
}

/// Async-io has a thread for its timers, beside those of the pool.
impl Sleep for ThreadPool {
    async fn sleep(time: Duration) {
        Timer::after(time).await;
    }
}

/// A runtime, and a semaphore that each task awaits.
pub(crate) struct TokioLimited(Handle, Arc<tokio::sync::Semaphore>);

impl Limit for Handle {
    type Limited = TokioLimited;

    fn limited(&self, tasks: usize) -> TokioLimited {
        TokioLimited(self.clone(), Arc::new(tokio::sync::Semaphore::new(tasks)))
    }
}

impl Execute for TokioLimited {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        let semaphore = Arc::clone(&self.1);
        self.0.spawn(async move {
            let _permit = semaphore.acquire().await;
            closure();
        });
    }
}

/// An executor, and a semaphore that each task awaits.
pub(crate) struct AsyncLimited(Arc<Executor<'static>>, Arc<async_lock::Semaphore>);

impl Limit for Arc<Executor<'static>> {
    type Limited = AsyncLimited;

    fn limited(&self, tasks: usize) -> AsyncLimited {
        AsyncLimited(
            Self::clone(self),
            Arc::new(async_lock::Semaphore::new(tasks)),
        )
    }
}

impl Execute for AsyncLimited {
    fn execute(&self, closure: impl FnOnce() + Send + 'static) {
        let semaphore = Arc::clone(&self.1);
        let task = (*self.0).spawn(async move {
            let _permit = semaphore.acquire().await;
            closure();
        });
        task.detach();
    }
}
