//! Panics: where they go, and what they do not do.
//!
//! A panic ends its task, and nothing else. The worker goes on. Nothing is poisoned but the std
//! mutexes that the task held.
//!
//! | the panic is in | it goes to |
//! |---|---|
//! | a task with a handle | the handle: [`join`](crate::JoinHandle::join) returns a [`JoinError`](crate::JoinError) with [`is_panic`](crate::JoinError::is_panic) |
//! | a task whose handle was dropped, or that was given to [`execute`](crate::PoolRef::execute) | the [`panic_handler`](crate::Builder::panic_handler), if there is one |
//! | a callback, a hook, the drop of a capture or of a result | the [`panic_handler`](crate::Builder::panic_handler) |
//! | a task of a [`scope`](crate::PoolRef::scope), not joined | the scope, which panics when all its tasks have ended |
//! | one of the closures of [`join`](crate::join()), or [`map_slice`](crate::PoolRef::map_slice)'s | the caller of `join` panics; `map_slice` returns it |
//! | one item of a [`map`](crate::PoolRef::map) | that item, and the others go on |
//! | a run of [`submit_every`](crate::PoolRef::submit_every) | the panic handler, and the series goes on, unless [`end_on_panic`](crate::Every::end_on_panic) |
//! | a job in a process | the handle, as text; the process goes on |
//!
//! std's panic hook prints its line to standard error before any of this. After
//! [`note_panic_places`](crate::note_panic_places) at the beginning of `main`, errors also say
//! where their task panicked.
//!
//! # In a handle
//!
//! ```
//! use workmill::ThreadPoolExecutor;
//!
//! let pool = ThreadPoolExecutor::new(1)?;
//! let error = pool.named("grind").submit(|| panic!("out of flour")).join().unwrap_err();
//! assert_eq!(error.panic_message(), Some("out of flour"));
//! println!("{error}"); // says which task it was
//! // To panic with it, as `std::thread`'s users do: std::panic::resume_unwind(error.into_panic())
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Nobody looks
//!
//! With [`execute`](crate::PoolRef::execute), or a handle that is dropped, nobody sees the panic
//! but std's hook. A program that has to know sets a handler, which gets the payload:
//!
//! ```
//! use workmill::Builder;
//!
//! let builder = Builder::new().threads(1).panic_handler(|payload| {
//!     let text = payload.downcast_ref::<&str>().copied().unwrap_or("something else");
//!     eprintln!("a task panicked: {text}"); // or counts, or std::process::abort()
//! });
//! let pool = builder.build()?;
//! pool.execute(|| panic!("out of flour"));
//! # pool.wait_idle()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Metrics::panicked`](crate::Metrics::panicked) counts the tasks that ended in a panic.
//!
//! # The first one ends it all
//!
//! - [`map`](crate::PoolRef::map)`(…).collect::<Result<Vec<_>, _>>()` stops at the first error in
//!   order, and cancels what has not begun.
//! - [`wait`](crate::wait()) with [`WaitFor::FirstFailure`](crate::WaitFor::FirstFailure) returns
//!   at the first failure of all.
//! - [`Scope::cancel_on_panic`](crate::Scope::cancel_on_panic) cancels the rest of a scope.
//!
//! # What cannot be caught
//!
//! A drop that panics while its own closure unwinds aborts the process; so do `panic = "abort"`, a
//! stack that overflows, and code in C that aborts. Where that may happen, run the work in a
//! [process](crate::guide::processes).
