//! Choosing a primitive: what to wait for, and with what.
//!
//! | one waits until | take |
//! |---|---|
//! | a task has ended | its [`JoinHandle`](crate::JoinHandle) |
//! | several have, in any order | [`as_completed`](crate::as_completed), or a [`JoinSet`](crate::JoinSet) if tasks are added meanwhile |
//! | all that was started in this block has | [`scope`](crate::PoolRef::scope) |
//! | something that is no task has an answer: a device, a driver, another library's callback | a [`promise`](crate::promise()) |
//! | something was said, once and for all, or until it is taken back | [`Event`](crate::Event) |
//! | n things have happened | [`Latch`](crate::Latch) |
//! | n parties have come, again and again | [`Barrier`](crate::Barrier) |
//! | something has changed, and one looks again | [`Notify`](crate::Notify) |
//! | it is to be given up | [`CancelToken`](crate::CancelToken) |
//! | an item comes, and each goes to one taker | [`JoinableQueue`](crate::JoinableQueue) |
//! | likewise, the newest or the most urgent first | [`LifoQueue`](crate::LifoQueue), [`PriorityQueue`](crate::PriorityQueue) |
//! | it was handed over in person | [`JoinableQueue::bounded(0)`](crate::Queue::bounded) |
//! | items come that must outlive the process | `FileQueue`, of the crate `workmill-file-queue` |
//! | fewer than n do something | see the next table |
//! | a time has come | [`timer::sleep`](crate::timer::sleep), [`submit_after`](crate::PoolRef::submit_after) |
//!
//! | to limit | take |
//! |---|---|
//! | how many tasks run | the number of workers, or [`limited(n)`](crate::PoolRef::limited) for some of them |
//! | how many tasks wait | [`queue_capacity`](crate::Builder::queue_capacity), of a pool or a group |
//! | how many tasks of one caller are in flight | [`JoinSet::limit`](crate::JoinSet::limit), [`Map::window`](crate::Map::window) |
//! | how many use a thing, for a part of their work, wherever they run | [`Semaphore`](crate::Semaphore), [`BoundedSemaphore`](crate::BoundedSemaphore) |
//! | how much memory is in use | [`acquire_many`](crate::Semaphore::acquire_many) of a semaphore of megabytes |
//! | one at a time, for a moment | [`std::sync::Mutex`] |
//! | one at a time, while it waits for something else | [`limited(1)`](crate::PoolRef::limited), or [`Semaphore::limit(1)`](crate::Semaphore::limit) |
//!
//! Each wait blocks by its plain name, never waits by `try_`, waits for at most a time by
//! `_timeout`, and can be awaited by `_async`. All four may wait for one object at the same time.
//!
//! # An event, a latch, a notification
//!
//! An [`Event`](crate::Event) stays set, so those that come later pass. A [`Notify`](crate::Notify)
//! wakes one or all of those that wait, and keeps one notification if none does: it is for loops
//! that look at something else and wait for it to change.
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{Latch, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let unloaded = Arc::new(Latch::new(3));
//! for _sack in 0..3 {
//!     let unloaded = Arc::clone(&unloaded);
//!     pool.execute(move || unloaded.count_down());
//! }
//! unloaded.wait(); // until three were counted
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # A semaphore or a group
//!
//! ```
//! use std::sync::Arc;
//! use workmill::{Semaphore, ThreadPoolExecutor};
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! // The whole task is limited: what may not run yet is data, and holds no thread.
//! let downloads = pool.limited(2);
//! downloads.execute(|| println!("loads and stores"));
//! // A part of it is, together with other pools, threads and futures: a task that may not go on
//! // stands there, with its thread.
//! let disk = Arc::new(Semaphore::new(2));
//! let stored = pool.submit(move || {
//!     println!("loads");
//!     let _permit = disk.acquire()?; // until the end of the block
//!     println!("stores");
//!     Ok::<(), workmill::AcquireError>(())
//! });
//! stored.join()??;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
