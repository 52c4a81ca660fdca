//! The turns of the rows, by what their tasks do.
//!
//! A turn is one contender's share of a round: it builds the pool, gives it some tasks to warm up,
//! measures the workload until its last task has ended, and drops the pool.

pub(crate) mod awaiting;
pub(crate) mod borrowing;
pub(crate) mod chili;
pub(crate) mod forking;
pub(crate) mod inside;
pub(crate) mod many;
pub(crate) mod submitting;
pub(crate) mod upkeep;
pub(crate) mod waiting;
