//! Things that are missing on purpose, and what to write instead.
//!
//! Other libraries have these, and this one will not. Each row says why.
//!
//! | looked for | write instead | why |
//! |---|---|---|
//! | a thread that waits is interrupted (Java) | a [`CancelToken`] that the task waits for, too; every wait has a `_timeout` form | a wait that can end for any reason at any moment needs an error path in every caller |
//! | a cancel that stops what runs (`mayInterruptIfRunning`) | [`cancelled`] inside the closure; a future is dropped at its next `await` | a thread cannot be stopped without leaving locks held and memory in pieces |
//! | `Condition`, a condition variable | [`Notify`] beside a mutex of std, see below; [`Event`], [`Latch`] or a queue where they fit | it needs a lock that knows the pool; `Notify` works with any lock, and for futures |
//! | `Lock` | [`std::sync::Mutex`], held for a moment and never across a wait; [`Semaphore::limit(1)`](crate::Semaphore::limit) to hold one for long | a lock that is held for a moment blocks no pool |
//! | `RLock`, a lock that its holder can take again | a private function that expects the lock to be held | with such a lock nobody can say whether the data are consistent when it is taken |
//! | `ReadWriteLock` | [`std::sync::RwLock`] | |
//! | `Exchanger`, `transfer` | a queue that is [`bounded(0)`](crate::Queue::bounded): its put returns when the item was taken | |
//! | `Phaser` | a [`Barrier`], or a [`Latch`] for each phase | |
//! | a deque, with two ends to put into | two queues, or a [`PriorityQueue`] | an order that each caller chooses is no order |
//! | a comparator for a priority queue | [`Prioritized`], or [`Reverse`](std::cmp::Reverse) around the item | the type says how its values are compared |
//! | opening a closed queue again | a new queue | those that have seen the end would have to look for it again |
//! | one pool for the whole process (`commonPool`) | a [`LazyLock`](std::sync::LazyLock) in the program, see below; libraries take a [`PoolRef`] | a pool that nobody owns cannot be shut down in order, and all share its size |
//! | starting threads ahead (`prestartAllCoreThreads`) | a few empty tasks that meet at a [`Barrier`] | threads start when there is work for them |
//! | a look into the queue of a pool, or taking tasks out of it | [`JoinHandle::cancel`], or a [`PriorityQueue`] of work that the tasks take from | the queues are many, and lock-free |
//! | `shutdown_now` that returns what it did not run | the handles, which tell it: [`CancelReason`] | tasks are closures, with handles that are promised an outcome |
//! | hooks around each task (`beforeExecute`) | a function that takes a closure, and submits one that calls it | each task would pay for it |
//! | a setting that is changed after the start (`setKeepAliveTime`, `setCorePoolSize`) | [`set_threads`](crate::ThreadPoolExecutor::set_threads), [`Queue::set_capacity`](crate::Queue::set_capacity); a new pool for everything else | tasks would have to look at each setting anew |
//! | a limit of a group that is changed (`SetLimit`) | a [`Semaphore`], with [`add_permits`](crate::Semaphore::add_permits) and [`forget_permits`](crate::Semaphore::forget_permits) | the tasks of a group wait as data, and its number says who may begin |
//! | handles that one decorates (`newTaskFor`) | [`JoinHandle::map`](crate::JoinHandle::map), [`then`](crate::JoinHandle::then) and [`inspect`](crate::JoinHandle::inspect) | |
//! | an executor of one's own behind the same handles | a [`promise`](crate::promise()) that it answers, or one [in a pool](crate::promise_in) | the handles know their pool, to run tasks inline |
//! | a reference that can submit and nothing else | a [`PoolRef`], which cannot end the pool | |
//! | the time until a delayed task is due (`getDelay`) | the [`Instant`](std::time::Instant) at which it was submitted | |
//! | a wait that owns what it waits for (`cancelled_owned`) | `async move { token.wait_async().await }`, with a clone of the token, or of an [`Arc`](std::sync::Arc) | |
//! | a task that the caller runs (`FutureTask`) | [`JoinHandle::join`], which runs a task inline that no thread has begun | |
//! | futures that cannot be sent (`spawn_local`) | [`block_on`](crate::block_on()) on a thread of their own | futures go on wherever a thread is free |
//! | a call on each thread of a pool (`broadcast`) | [`on_thread_start`](crate::Builder::on_thread_start), or thread-locals that are made when they are used | threads start late, come as spares, and leave |
//! | a rate limit, at most n tasks a second | [`submit_every`](crate::PoolRef::submit_every) with a closure that takes one item of a queue; in a future that submits, the ticks of [`timer::interval`](crate::timer::interval) | how large a burst may be, and what becomes of the rest, differs from program to program |
//! | a task that is tried again (`retry`) | a loop inside the closure, with a wait of [`cancelled`] in place of a sleep | only the program knows which errors pass, and what may be done twice |
//! | who waits at a semaphore, and how many | [`available_permits`](crate::Semaphore::available_permits), and a counter of one's own | the answer is old when it arrives |
//!
//! # A condition variable
//!
//! Python's `Condition` and std's `Condvar` couple a wait to a lock. With [`Notify::notified`] the
//! wait begins before the lock is given up, so nothing is lost in between:
//!
//! ```
//! use std::sync::Mutex;
//! use workmill::Notify;
//!
//! let (sacks, changed) = (Mutex::new(0), Notify::new());
//! std::thread::scope(|scope| {
//!     scope.spawn(|| {
//!         *sacks.lock().unwrap() += 3;
//!         changed.notify_all();
//!     });
//!     loop {
//!         let next_change = changed.notified(); // begins here
//!         if *sacks.lock().unwrap() >= 3 {
//!             break;
//!         }
//!         next_change.wait();
//!     }
//! });
//! ```
//!
//! # One pool for a program
//!
//! ```
//! use std::sync::LazyLock;
//! use workmill::ThreadPoolExecutor;
//!
//! static POOL: LazyLock<ThreadPoolExecutor> =
//!     LazyLock::new(|| ThreadPoolExecutor::new(4).expect("threads start"));
//!
//! assert_eq!(POOL.submit(|| 6 * 7).join()?, 42);
//! POOL.shutdown(); // nobody drops what is static
//! # Ok::<(), workmill::JoinError>(())
//! ```
//!
//! [`Barrier`]: crate::Barrier
//! [`CancelReason`]: crate::CancelReason
//! [`CancelToken`]: crate::CancelToken
//! [`Event`]: crate::Event
//! [`JoinHandle`]: crate::JoinHandle
//! [`Latch`]: crate::Latch
//! [`Notify`]: crate::Notify
//! [`PoolRef`]: crate::PoolRef
//! [`Prioritized`]: crate::Prioritized
//! [`PriorityQueue`]: crate::PriorityQueue
//! [`Semaphore`]: crate::Semaphore
//! [`JoinHandle::cancel`]: crate::JoinHandle::cancel
//! [`JoinHandle::join`]: crate::JoinHandle::join
//! [`Notify::notified`]: crate::Notify::notified
//! [`cancelled`]: crate::cancelled()
