//! What other libraries want of an executor: their traits, by the pool and its timer.
//!
//! Each is behind a feature of its own, with the name of the crate that has the trait. None is on by
//! itself.
//!
//! | feature | what implements | which trait |
//! |---|---|---|
//! | `futures-task` | [`PoolRef`], [`ThreadPoolExecutor`] | `futures_task::Spawn`, also known as `futures::task::Spawn` |
//! | `futures-core` | [`Interval`] | `futures_core::Stream` and `FusedStream`, also known as `futures::Stream` |
//! | `hyper` | [`PoolRef`], [`ThreadPoolExecutor`] | `hyper::rt::Executor` |
//! | | `HyperTimer`, [`Sleep`] | `hyper::rt::Timer`, `hyper::rt::Sleep` |
//!
//! ```toml
//! workmill = { version = "0.1", features = ["hyper"] }
//! ```
//!
//! Give such libraries a [`PoolRef`] rather than a clone of the [`ThreadPoolExecutor`], which owns the
//! pool: they keep what they are given in the tasks that they spawn, and the pool would not be dropped
//! before these have ended. [`PoolRef::handle`] makes one.
//!
//! # Without a feature
//!
//! Many libraries take a function, and need nothing of this:
//!
//! - `with_executor` of libp2p, and the `DataLoader` of async-graphql: `move |future| drop(pool.spawn(future))`;
//! - `sleep` of backon's retries: `workmill::timer::sleep`.
//!
//! And any [`Waker`] will do for async-io, async-net, async-channel, async-lock, futures-util and all that
//! is built on them. What asks for tokio's runtime does not find one in the pool.
//!
//! [`Interval`]: crate::timer::Interval
//! [`PoolRef`]: crate::PoolRef
//! [`PoolRef::handle`]: crate::PoolRef::handle
//! [`Sleep`]: crate::timer::Sleep
//! [`ThreadPoolExecutor`]: crate::ThreadPoolExecutor
//! [`Waker`]: std::task::Waker

#[cfg(feature = "futures-core")]
mod futures_core;
#[cfg(feature = "futures-task")]
mod futures_task;
#[cfg(feature = "hyper")]
mod hyper;

#[cfg(feature = "hyper")]
pub use self::hyper::HyperTimer;
