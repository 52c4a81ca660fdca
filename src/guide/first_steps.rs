//! First steps: a pool, a handle, many tasks, a bound, and the end.
//!
//! # A pool, and a handle
//!
//! [`ThreadPoolExecutor::new`](crate::ThreadPoolExecutor::new) makes a pool of that many threads.
//! They start when there is work for them. [`submit`](crate::PoolRef::submit) takes a closure and
//! returns at once, with a [`JoinHandle`](crate::JoinHandle) to its result.
//!
//! ```
//! use workmill::ThreadPoolExecutor;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let pool = ThreadPoolExecutor::new(4)?;
//!     let six = pool.submit(|| 6);
//!     let seven = pool.submit(|| 7); // both may run at the same time
//!     println!("{}", six.join()? * seven.join()?); // 42
//!     Ok(())
//! }
//! ```
//!
//! Two `?` are of two kinds: [`new`](crate::ThreadPoolExecutor::new) returns an
//! [`io::Error`](std::io::Error) if the system has no thread for the pool, and
//! [`join`](crate::JoinHandle::join) a [`JoinError`](crate::JoinError) if the task panicked or was
//! cancelled. `Box<dyn Error>` takes both, and so does `io::Result`: a `JoinError` becomes an
//! `io::Error` by `?`. If the closure returns a `Result` itself, there are two to look at: see
//! [a task that fails](#a-task-that-fails).
//!
//! A closure that is to outlive this function owns what it uses: write `move`, and clone an
//! [`Arc`](std::sync::Arc) for what several closures share. Closures that
//! [borrow](#work-that-borrows) are submitted in a scope.
//!
//! **The result of an `async` function is a future, not a value**: `pool.submit(move || fetch(n))`
//! compiles with an `async fn fetch`, and runs nothing of it. Write
//! [`pool.spawn(fetch(n))`](crate::PoolRef::spawn).
//!
//! # Many tasks
//!
//! ```
//! use workmill::{ThreadPoolExecutor, as_completed};
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//!
//! // One function, many items, the results in order. The first error ends it all.
//! let lengths: Vec<usize> = pool.map(["rye", "wheat"], str::len).collect::<Result<_, _>>()?;
//! assert_eq!(lengths, [3, 5]);
//!
//! // Handles first, results then: all tasks run at the same time.
//! let handles: Vec<_> = (0..10).map(|n| pool.submit(move || n * n)).collect();
//! for (index, square) in as_completed(handles) {
//!     assert_eq!(square?, index * index); // as they come
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A `join` directly behind each `submit` runs one task after the other. To add tasks while others
//! end, use a [`JoinSet`](crate::JoinSet).
//!
//! Results in order are not work in order: the threads take items from anywhere in the
//! [window](crate::Map::window) of those in flight. If the first results are wanted early, take a
//! narrow window: `pool.map(…).window(2)`.
//!
//! # A task that fails
//!
//! A task may return a `Result` of its own. Let it and `main` return the same type of error, one
//! that takes any other: `Box<dyn Error + Send + Sync>`, or that of the crate `anyhow`. Then the
//! first `?` is for the [`JoinError`](crate::JoinError), and the second for the error that the task
//! returned:
//!
//! ```
//! use std::error::Error;
//! use workmill::ThreadPoolExecutor;
//!
//! // A plain `Box<dyn Error>` could not be sent from the task's thread to this one.
//! type AnyError = Box<dyn Error + Send + Sync>;
//!
//! fn weigh(sack: &str) -> Result<u32, AnyError> {
//!     let kilos: u32 = sack.parse()?;
//!     if kilos > 100 {
//!         return Err("too heavy".into());
//!     }
//!     Ok(kilos)
//! }
//!
//! fn main() -> Result<(), AnyError> {
//!     let pool = ThreadPoolExecutor::new(4)?;
//!     let kilos = pool.submit(|| weigh("70")).join()??;
//!     assert_eq!(kilos, 70);
//!
//!     // Of many: the first error of either kind ends it all.
//!     let weights = pool.map(["60", "101", "7"], weigh).map(|result| result?);
//!     let error = weights.collect::<Result<Vec<_>, _>>().unwrap_err();
//!     assert_eq!(error.to_string(), "too heavy");
//!     Ok(())
//! }
//! ```
//!
//! An enum of your own does as well, if it implements `From<JoinError>`.
//! [`flat()`](crate::JoinHandle::flat), on handles and on maps, makes one error of the two, a
//! [`TaskError`](crate::TaskError). It is for errors that implement [`Error`](std::error::Error),
//! such as those of std. `Box<dyn Error + Send + Sync>` and `anyhow::Error` do not.
//!
//! # Work that borrows
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering};
//! use workmill::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(4)?;
//! let text = String::from("the mill and the miller");
//! let letters = AtomicUsize::new(0);
//! pool.scope(|scope| {
//!     for word in text.split(' ') {
//!         let letters = &letters;
//!         scope.execute(move || { letters.fetch_add(word.len(), Ordering::Relaxed); });
//!     }
//! }); // returns when all of them have ended
//! assert_eq!(letters.into_inner(), 19);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # A bound
//!
//! A pool's queue has no bound unless you set one. With
//! [`queue_capacity`](crate::Builder::queue_capacity) a submitter that is faster than the pool
//! waits for room; [`Overflow`](crate::Overflow) has the other answers. A
//! [group](crate::PoolRef::limited) limits how many of certain tasks run at a time.
//!
//! ```
//! let pool = workmill::Builder::new().threads(2).queue_capacity(100).build()?;
//! let disk = pool.limited(1); // one of these at a time, and the others wait as data
//! let handles: Vec<_> = (0..1000).map(|n| disk.submit(move || n)).collect(); // waits at times
//! assert_eq!(handles.into_iter().filter_map(|handle| handle.join().ok()).sum::<u32>(), 499_500);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! **A semaphore that is taken inside tasks limits something else.** With
//! [`limited`](crate::PoolRef::limited), a task that may not run yet is data in a queue. A task
//! that waits for a permit has begun, and stands there with a thread.
//!
//! # The end
//!
//! The drop of the pool finishes what was accepted, and waits. So a `main` that returns an error
//! waits, too, until all that is queued has run, before the error is printed. If that is not what
//! you want: [`DropBehavior::Cancel`](crate::DropBehavior::Cancel), see
//! [shutdown](crate::guide::shutdown).
//!
//! # Where next
//!
//! If you know the like from elsewhere: [from Python](crate::guide::from_python), [from
//! Java](crate::guide::from_java), [from rayon and tokio](crate::guide::from_rayon_and_tokio). Then
//! [waiting inside tasks](crate::guide::waiting), which is where this crate differs most.
