//! From Java: `java.util.concurrent`, name by name.
//!
//! | `ExecutorService`, `ThreadPoolExecutor` | here |
//! |---|---|
//! | `Executors.newFixedThreadPool(4)` | [`ThreadPoolExecutor::new(4)?`](crate::ThreadPoolExecutor::new) |
//! | `newCachedThreadPool()` | [`Builder::threads`](crate::Builder::threads) with a large number, and [`keep_alive`](crate::Builder::keep_alive): threads start when there is work for them |
//! | `newSingleThreadExecutor()` | a pool of one thread, or [`pool.limited(1)`](crate::PoolRef::limited) |
//! | `newVirtualThreadPerTaskExecutor()` | [`spawn`](crate::PoolRef::spawn) for futures; closures in [`blocking`](crate::blocking) |
//! | `submit(callable)` | [`submit(closure)`](crate::PoolRef::submit), [`execute`](crate::PoolRef::execute) without a handle |
//! | `invokeAll(tasks)` | [`map`](crate::PoolRef::map), or [`join_all`](crate::join_all) on handles |
//! | `invokeAny(tasks)` | [`first_ok`](crate::first_ok) |
//! | `ExecutorCompletionService` | [`as_completed`](crate::as_completed), [`JoinSet`](crate::JoinSet) |
//! | `new ArrayBlockingQueue<>(100)` as work queue | [`Builder::queue_capacity(100)`](crate::Builder::queue_capacity) |
//! | `AbortPolicy`, `CallerRunsPolicy`, `DiscardPolicy`, `DiscardOldestPolicy` | [`Overflow`](crate::Overflow): `Reject`, `CallerRuns`, `DropNewest`, `DropOldest`; the default, `Block`, waits for room |
//! | `RejectedExecutionHandler` | [`Builder::on_rejected`](crate::Builder::on_rejected); [`try_submit`](crate::PoolRef::try_submit) returns the closure |
//! | `corePoolSize`, `maximumPoolSize`, `keepAliveTime` | [`min_threads`](crate::Builder::min_threads), [`threads`](crate::Builder::threads), [`keep_alive`](crate::Builder::keep_alive); a thread is started before the queue is full |
//! | `setMaximumPoolSize` | [`set_threads`](crate::ThreadPoolExecutor::set_threads) |
//! | `ThreadFactory` | [`thread_name`](crate::Builder::thread_name), [`on_thread_start`](crate::Builder::on_thread_start), [`stack_size`](crate::Builder::stack_size) |
//! | `beforeExecute`, `afterExecute` | nothing: see [what is missing](crate::guide::missing) |
//! | `terminated()` | [`on_terminated`](crate::Builder::on_terminated) |
//! | `shutdown()` and `awaitTermination(2, SECONDS)` | [`shutdown_timeout`](crate::ThreadPoolExecutor::shutdown_timeout); [`shutdown`](crate::ThreadPoolExecutor::shutdown) waits for as long as it takes |
//! | `shutdownNow()` | [`shutdown_now`](crate::ThreadPoolExecutor::shutdown_now), and the handles tell what did not run |
//! | `close()` | the drop of the pool |
//! | `isShutdown()`, `isTerminated()` | [`is_shutdown`](crate::PoolRef::is_shutdown), [`is_terminated`](crate::PoolRef::is_terminated) |
//! | `getActiveCount()`, `getCompletedTaskCount()`, `getQueue().size()` | [`metrics`](crate::PoolRef::metrics): `in_progress`, `finished`, `queued` |
//!
//! | `Future`, `CompletableFuture` | here |
//! |---|---|
//! | `get()`, `get(2, SECONDS)` | [`join`](crate::JoinHandle::join), [`join_timeout`](crate::JoinHandle::join_timeout) |
//! | `resultNow()`, `exceptionNow()`, `state()` | [`try_join`](crate::JoinHandle::try_join), [`error`](crate::JoinHandle::error), [`state`](crate::JoinHandle::state) |
//! | `ExecutionException` | [`JoinError`](crate::JoinError); a task's own `Result` by `join()??`, see [a task that fails](crate::guide::first_steps#a-task-that-fails) |
//! | `cancel(false)` | [`cancel`](crate::JoinHandle::cancel), which returns `true` only if the closure never runs |
//! | `cancel(true)`, `Thread.interrupt()` | the task looks at [`cancelled`](crate::cancelled()), see [shutdown](crate::guide::shutdown) |
//! | `new CompletableFuture<>()`, `complete`, `completeExceptionally` | [`promise`](crate::promise()), [`complete`](crate::Promise::complete), [`fail`](crate::Promise::fail) |
//! | `thenApply(f)` | [`map(f)`](crate::JoinHandle::map) |
//! | `thenCompose`, `handle` | an `async` block that awaits the handle, given to [`spawn`](crate::PoolRef::spawn) |
//! | `thenAccept`, `whenComplete` | [`on_done`](crate::JoinHandle::on_done), [`inspect`](crate::JoinHandle::inspect) |
//! | `allOf`, `anyOf` | [`wait`](crate::wait()) with [`WaitFor::All`](crate::WaitFor::All) or [`WaitFor::Any`](crate::WaitFor::Any) |
//! | `supplyAsync(f, executor)` | [`submit`](crate::PoolRef::submit) |
//! | `orTimeout` | [`timer::timeout`](crate::timer::timeout) around the handle |
//! | `StructuredTaskScope` | [`scope`](crate::PoolRef::scope), [`cancel_on_panic`](crate::Scope::cancel_on_panic) |
//!
//! | `ScheduledExecutorService` | here |
//! |---|---|
//! | `schedule(f, 5, SECONDS)` | [`submit_after`](crate::PoolRef::submit_after) |
//! | `scheduleAtFixedRate`, `scheduleWithFixedDelay` | [`submit_every`](crate::PoolRef::submit_every) with [`Every::rate`](crate::Every::rate), [`Every::delay`](crate::Every::delay); a panic does not end the series, unless [you say so](crate::Every::end_on_panic) |
//!
//! | `ForkJoinPool` | here |
//! |---|---|
//! | `RecursiveTask`, `fork`, `join`, `invokeAll(a, b)` | [`join(a, b)`](crate::join()), or [`submit`](crate::PoolRef::submit) and [`join`](crate::JoinHandle::join) in a task |
//! | `ManagedBlocker` | [`blocking`](crate::blocking); waits of this crate need none |
//! | `invoke(task)` | [`install`](crate::PoolRef::install) |
//! | `commonPool()` | a [`LazyLock`](std::sync::LazyLock), see [what is missing](crate::guide::missing#one-pool-for-a-program) |
//! | `awaitQuiescence` | [`wait_idle_timeout`](crate::PoolRef::wait_idle_timeout) |
//! | parallel streams | [`map`](crate::PoolRef::map), [`map_slice`](crate::PoolRef::map_slice), or rayon |
//!
//! | synchronizers and queues | here |
//! |---|---|
//! | `Semaphore` | [`Semaphore`](crate::Semaphore), in order of arrival; [`unfair`](crate::Semaphore::unfair) is Java's default |
//! | `acquire(n)`, `tryAcquire(2, SECONDS)`, `drainPermits`, `reducePermits` | [`acquire_many`](crate::Semaphore::acquire_many), [`acquire_timeout`](crate::Semaphore::acquire_timeout), [`drain_permits`](crate::Semaphore::drain_permits), [`forget_permits`](crate::Semaphore::forget_permits) |
//! | `release()` without an acquire | [`add_permits`](crate::Semaphore::add_permits); else the drop of the permit releases it |
//! | `CountDownLatch` | [`Latch`](crate::Latch) |
//! | `CyclicBarrier` | [`Barrier`](crate::Barrier); the leader runs what `barrierAction` would, and a timeout breaks nothing |
//! | `Phaser` | a [`Barrier`](crate::Barrier), or a [`Latch`](crate::Latch) for each phase |
//! | `LinkedBlockingQueue`, `ArrayBlockingQueue` | [`JoinableQueue`](crate::JoinableQueue), unbounded or bounded |
//! | `SynchronousQueue`, `Exchanger` | [`JoinableQueue::bounded(0)`](crate::Queue::bounded) |
//! | `PriorityBlockingQueue` | [`PriorityQueue`](crate::PriorityQueue), smallest first, and equal items in order |
//! | `DelayQueue` | [`submit_after`](crate::PoolRef::submit_after), [`timer::sleep_until`](crate::timer::sleep_until) |
//! | `offer`, `poll`, `put`, `take`, `drainTo` | [`try_put`](crate::Queue::try_put), [`try_get`](crate::Queue::try_get), [`put`](crate::Queue::put), [`get`](crate::Queue::get), [`drain`](crate::Queue::drain) |
//! | `ReentrantLock`, `Condition`, `ReadWriteLock` | std's, and [`Notify`](crate::Notify): see [what is missing](crate::guide::missing) |
//! | `ThreadLocal` | see [per-thread state](crate::guide::per_thread_state) |
//!
//! # What differs
//!
//! - A task may join any task of its pool, also on a pool of one thread. A `ThreadPoolExecutor` of
//!   Java's hangs there, and its `ForkJoinPool` may run something else meanwhile, under the locks
//!   that the waiting task holds. See [waiting](crate::guide::waiting).
//! - A full pool blocks its submitter by default, where Java throws. Tasks that a pool's own tasks
//!   submit are always accepted.
//! - Nothing is interrupted. A task that is to end early looks at its token.
//! - An exception in a periodic task ends the series there, silently. Here the series goes on, and
//!   the panic is told to the [`panic_handler`](crate::Builder::panic_handler).
//!
//! ```
//! use std::time::Duration;
//! use workmill::{Builder, Overflow};
//!
//! // new ThreadPoolExecutor(2, 2, 0, SECONDS, new ArrayBlockingQueue<>(1), new AbortPolicy())
//! let service = Builder::new()
//!     .threads(2)
//!     .queue_capacity(1)
//!     .overflow(Overflow::Reject)
//!     .build()?;
//! let future = service.submit(|| 6 * 7);
//! assert_eq!(future.join()?, 42); // future.get()
//! // service.shutdown(); service.awaitTermination(2, SECONDS)
//! service.shutdown_timeout(Duration::from_secs(2))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
