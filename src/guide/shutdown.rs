//! Shutdown and Ctrl-C: how a pool ends, and how a program does.
//!
//! | to | write |
//! |---|---|
//! | finish all that was accepted, and wait | [`pool.shutdown()`](crate::ThreadPoolExecutor::shutdown), or drop the last owner |
//! | finish it, but wait no longer than that | [`pool.shutdown_timeout(…)`](crate::ThreadPoolExecutor::shutdown_timeout), whose error names the threads that are busy, and what they run |
//! | cancel what has not begun, and ask what runs to stop | [`pool.shutdown_now()`](crate::ThreadPoolExecutor::shutdown_now), which returns at once; then one of the two above |
//! | let the drop of the pool do so | [`Builder::on_drop`](crate::Builder::on_drop)`(`[`DropBehavior::Cancel`](crate::DropBehavior::Cancel)`)` |
//! | leave running tasks to themselves | [`pool.shutdown_background()`](crate::ThreadPoolExecutor::shutdown_background), or [`DropBehavior::Detach`](crate::DropBehavior::Detach) |
//! | await it in a future | [`pool.shutdown_async()`](crate::ThreadPoolExecutor::shutdown_async) |
//! | wait until there is nothing to do, and go on | [`pool.wait_idle()`](crate::PoolRef::wait_idle) |
//! | end one subsystem of a shared pool | [`Group::shutdown`](crate::Group::shutdown), [`Group::shutdown_now`](crate::Group::shutdown_now) |
//!
//! A pool that shuts down refuses what comes from outside: the handle resolves to cancelled, with
//! [`CancelReason::Shutdown`](crate::CancelReason::Shutdown). A task that one of its own running
//! tasks submits is still accepted by `shutdown`, so work that is under way can finish; after
//! `shutdown_now` it is not. Delayed and periodic closures that are not due are cancelled. Only an
//! owner, a [`ThreadPoolExecutor`](crate::ThreadPoolExecutor) or its clone, ends a pool; a library
//! is given a [`PoolRef`](crate::PoolRef), which cannot.
//!
//! # A closure that can be told to stop
//!
//! A thread cannot be stopped from outside without leaving locks held. So a closure that runs for
//! long looks at its token, [`cancelled`](crate::cancelled()), now and then, or waits for it in
//! place of a sleep. A future needs nothing: it is dropped at its next `.await`.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use workmill::{Event, ThreadPoolExecutor, cancelled};
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let begun = Arc::new(Event::new());
//! let begins = Arc::clone(&begun);
//! let rounds = pool.submit(move || {
//!     begins.set();
//!     let stop = cancelled();
//!     let mut rounds = 0;
//!     while !stop.wait_timeout(Duration::from_millis(1)) { // in place of a sleep
//!         rounds += 1;
//!     }
//!     rounds
//! });
//! begun.wait(); // a closure that has not begun would be cancelled, and have no result
//! pool.shutdown_now();
//! println!("{} rounds", rounds.join()?); // this one ran, so its result is not lost
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ctrl-C
//!
//! Without a handler, Ctrl-C ends the process at once, with whatever its tasks were doing. With one
//! (the crate `ctrlc`, or `signal-hook`) it cancels a token, which the program waits for and its
//! tasks look at. The example `checksum` is such a program. The parts of it:
//!
//! ```
//! use std::time::Duration;
//! use workmill::{CancelToken, DropBehavior, Builder};
//!
//! let pool = Builder::new().threads(2).on_drop(DropBehavior::Cancel).build()?;
//! let stop = CancelToken::new();
//! let ask_to_stop = stop.clone();
//! let on_ctrl_c = move || ask_to_stop.cancel(); // ctrlc::set_handler(on_ctrl_c)?;
//!
//! // A task that is submitted by this reference is cancelled with the token, if it has not begun.
//! let work = pool.cancel_with(&stop);
//! let handles: Vec<_> = (0..100)
//!     .map(|_| work.submit(|| std::thread::sleep(Duration::from_millis(1))))
//!     .collect();
//! on_ctrl_c(); // here by hand, as if somebody had pressed the keys
//! let done = handles.into_iter().filter_map(|handle| handle.join().ok()).count();
//! println!("{done} of 100 were done");
//!
//! // The end, which must not depend on the good will of any task:
//! pool.shutdown_now();
//! if let Err(busy) = pool.shutdown_timeout(Duration::from_secs(2)) {
//!     eprintln!("{busy}"); // names the threads, and what they run
//!     pool.shutdown_background(); // so that the drop of the pool does not wait either
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The token is cancelled on the thread of the handler, which calls the callbacks of the token: in
//! a handler that runs as the signal comes (`signal_hook::low_level`), set a flag instead.
//!
//! The worker processes of `workmill-process` are in groups of their own, so a Ctrl-C in the
//! terminal reaches this process alone. Submit the jobs by the pool's `cancel_with(&stop)`: jobs
//! that have not begun are cancelled, and those that run are killed with their processes. See
//! [processes](crate::guide::processes#ctrl-c).
//!
//! # When `main` returns, or panics
//!
//! Rust ends the process when `main` returns, whatever threads still run. The drop of a pool in
//! `main` comes before that, and waits. So a `main` that returns an error by `?` prints it when all
//! that is queued has run; with [`DropBehavior::Cancel`](crate::DropBehavior::Cancel) that is soon.
//! A drop while `main` panics cancels what has not begun. After five seconds of waiting a warning
//! is printed, which names what still runs. `std::process::exit` drops nothing and waits for
//! nothing.
