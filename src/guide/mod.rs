//! Guides to topics that concern many items of the crate.
//!
//! - [`waiting`]: what happens when a task waits, and what to do about waits that the pool cannot
//!   see.
//! - [`seeing`]: counts, long tasks, spans, and a picture of a run.
//! - [`missing`]: what is missing on purpose, and what to write instead.

pub mod missing;
pub mod seeing;
pub mod waiting;
