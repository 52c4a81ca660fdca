//! The guide: what no single item can tell, one page for each topic.
//!
//! To begin with:
//!
//! - [`first_steps`]: a pool, a handle, many tasks, a bound, and the end.
//! - [`from_python`], [`from_java`], [`from_rayon_and_tokio`]: what is known from there by what it
//!   is called here, and what differs.
//!
//! One at a time:
//!
//! - [`waiting`]: what happens when a task waits, and what to do about waits that the pool cannot
//!   see. It has back-pressure, too.
//! - [`shutdown`]: how a pool ends, and a program on Ctrl-C.
//! - [`futures`]: on the pool's threads, and on other runtimes.
//! - [`panics`]: where they go.
//! - [`processes`]: functions that may crash alone.
//! - [`machines`]: functions on other machines.
//! - [`choosing`]: which primitive to wait for.
//! - [`per_thread_state`]: connections, buffers and counts.
//!
//! When it runs:
//!
//! - [`testing`]: tests of programs that use pools.
//! - [`measuring`]: what a task costs, and how not to be deceived.
//! - [`seeing`]: counts, long tasks, spans, and a picture of a run.
//! - [`trouble`]: it hangs, it is slow, it panicked.
//! - [`missing`]: what is missing on purpose, and what to write instead.

pub mod choosing;
pub mod first_steps;
#[doc(alias = "java.util.concurrent")]
pub mod from_java;
#[doc(alias("concurrent.futures", "threading"))]
pub mod from_python;
pub mod futures;
pub mod measuring;
#[doc(alias(
    "RLock",
    "Condition",
    "ReentrantLock",
    "ReadWriteLock",
    "commonPool",
    "broadcast",
    "spawn_local",
    "LocalSet",
    "rate_limit",
    "throttle",
    "retry"
))]
pub mod missing;
#[doc(alias("catch_unwind"))]
pub mod panics;
pub mod seeing;
#[doc(alias("ctrl_c", "ctrlc", "sigint", "signal"))]
pub mod shutdown;
pub mod testing;
pub mod trouble;
pub mod waiting;

// The programs of these pages need packages that this crate does not depend on. So they are
// doctests of `tests/readme`, and not of this crate.

#[cfg_attr(not(doctest), doc = include_str!("from_rayon_and_tokio.md"))]
#[cfg_attr(doctest, doc = "")]
#[doc(alias("rayon", "tokio"))]
pub mod from_rayon_and_tokio {}

#[cfg_attr(not(doctest), doc = include_str!("per_thread_state.md"))]
#[cfg_attr(doctest, doc = "")]
#[doc(alias("ThreadLocal", "local"))]
pub mod per_thread_state {}

#[cfg_attr(not(doctest), doc = include_str!("processes.md"))]
#[cfg_attr(doctest, doc = "")]
#[doc(alias("multiprocessing", "Process"))]
pub mod processes {}

#[cfg_attr(not(doctest), doc = include_str!("machines.md"))]
#[cfg_attr(doctest, doc = "")]
#[doc(alias("NATS", "cluster", "distributed"))]
pub mod machines {}
