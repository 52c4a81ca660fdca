//! Other libraries run on the pool, each by its own trait, behind the feature of its name.

#[cfg(feature = "futures-core")]
mod futures_core;
#[cfg(feature = "futures-task")]
mod futures_task;
#[cfg(feature = "hyper")]
mod hyper;
