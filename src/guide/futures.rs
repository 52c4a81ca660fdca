//! Futures: on the pool's threads, on other runtimes, and beside closures.
//!
//! [`spawn`](crate::PoolRef::spawn) takes a future and returns a [`JoinHandle`](crate::JoinHandle),
//! as [`submit`](crate::PoolRef::submit) does for a closure. A future that waits keeps no thread:
//! fifty thousand of them may sleep on one. Bounds, groups, cancelling and the shutdown are those
//! of closures.
//!
//! ```
//! use std::time::Duration;
//! use workmill::{ThreadPoolExecutor, timer};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let nap = pool.spawn(async {
//!     timer::sleep(Duration::from_millis(5)).await;
//!     "awake"
//! });
//! assert_eq!(nap.join()?, "awake"); // or, in a future: nap.await?
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which of them
//!
//! | the work | write |
//! |---|---|
//! | computes, or calls what blocks | [`submit`](crate::PoolRef::submit) a closure; around what blocks, [`blocking`](crate::blocking) |
//! | waits for many things at a time | [`spawn`](crate::PoolRef::spawn) a future |
//! | is a future, and this thread has nothing else to do | [`block_on`](crate::block_on()), also inside a closure of a pool |
//! | computes for long within a future | `pool.submit(…).await` in it, or [`yield_now`](crate::yield_now) at times |
//!
//! # What works with what
//!
//! - **Handles are futures**, on any runtime: `pool.submit(work).await` in a task of tokio waits
//!   without a thread.
//! - **Every wait of this crate has a form to await**, named `_async`, without a runtime of its
//!   own: semaphores, events, queues, and room in a full pool
//!   ([`submit_async`](crate::PoolRef::submit_async)).
//! - **Futures that need no runtime run in the pool**: async-io, async-channel, futures, smol's
//!   crates, and hyper with the feature `hyper`.
//! - **Futures that need tokio do not**: tokio's sockets and timers look for its runtime on their
//!   thread. Enter it (`let _enter = runtime.enter()`) where they are made, or run them there.
//!
//! # Timers
//!
//! [`timer::sleep`](crate::timer::sleep), [`timer::timeout`](crate::timer::timeout) and
//! [`timer::interval`](crate::timer::interval) work in any future, on any runtime. One thread keeps
//! the time for the whole process. A timeout drops the future that it is around, and so stops it:
//!
//! ```
//! use std::time::Duration;
//! use workmill::{block_on, timer};
//!
//! let never = std::future::pending::<()>();
//! assert!(block_on(timer::timeout(Duration::from_millis(1), never)).is_err());
//! ```
//!
//! # Streams
//!
//! [`map`](crate::PoolRef::map) and [`as_completed`](crate::as_completed) are iterators, and
//! [`into_stream()`](crate::Map::into_stream) makes of each what can be awaited:
//!
//! ```
//! use workmill::{ThreadPoolExecutor, block_on};
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let mut squares = pool.map(1..=3, |n| n * n).into_stream();
//! let sum = block_on(async {
//!     let mut sum = 0;
//!     while let Some(square) = squares.next().await {
//!         sum += square?;
//!     }
//!     Ok::<_, workmill::JoinError>(sum)
//! })?;
//! assert_eq!(sum, 14);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Memory
//!
//! **Futures that have begun are bounded by nothing but [`limited`](crate::PoolRef::limited).** A
//! bound counts tasks that wait to begin, and a future begins at its first poll. Of a thousand
//! spawned futures that each read a file and then await room in a queue, all thousand hold their
//! file. In a group of ten, ten do.
//!
//! # Cancelling
//!
//! [`cancel`](crate::JoinHandle::cancel) on a future that has begun returns `true` as well: the
//! future produces no output, and a worker drops it at its next `.await`. To stop it with something
//! else, await [`CancelToken::run_until_cancelled`](crate::CancelToken::run_until_cancelled). A
//! handle that is dropped cancels nothing; [`cancel_on_drop`](crate::JoinHandle::cancel_on_drop)
//! does.
