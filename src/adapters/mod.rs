//! Implementations of the traits that other libraries expect of an executor, for the pool and its
//! timer.
//!
//! Each adapter has a feature of its own, named after the crate that has the trait. All features
//! are off by default.
//!
//! | feature | type | trait |
//! |---|---|---|
//! | `futures-task` | [`PoolRef`], [`ThreadPoolExecutor`] | `futures_task::Spawn`, also known as `futures::task::Spawn` |
//! | `futures-core` | [`Interval`] | `futures_core::Stream` and `FusedStream`, also known as `futures::Stream` |
//! | | [`TaskStream`] | `futures_core::Stream` |
//! | `hyper` | [`PoolRef`], [`ThreadPoolExecutor`] | `hyper::rt::Executor` |
//! | | `HyperTimer`, [`Sleep`] | `hyper::rt::Timer`, `hyper::rt::Sleep` |
//!
//! ```toml
//! workmill = { version = "0.1", features = ["hyper"] }
//! ```
//!
//! Give such libraries a [`PoolRef`] rather than a clone of the [`ThreadPoolExecutor`], which owns
//! the pool: they keep it in the tasks that they spawn, and so the pool would not be dropped before
//! these tasks have ended. [`PoolRef::handle`] creates one.
//!
//! # Without a feature
//!
//! Many libraries take a function, and need none of these features:
//!
//! - `with_executor` of libp2p, and the `DataLoader` of async-graphql: `move |future|
//!   drop(pool.spawn(future))`;
//! - `sleep` of backon's retries: `workmill::timer::sleep`.
//!
//! Futures of async-io, async-net, async-channel, async-lock, futures-util, and of crates built on
//! these, work with any [`Waker`], and so in the pool. Libraries that need tokio's runtime do not
//! find one there.
//!
//! [`Interval`]: crate::timer::Interval
//! [`PoolRef`]: crate::PoolRef
//! [`PoolRef::handle`]: crate::PoolRef::handle
//! [`Sleep`]: crate::timer::Sleep
//! [`TaskStream`]: crate::TaskStream
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
