//! Guides to topics that concern many items of the crate.
//!
//! - [`waiting`]: what happens when a task waits, and what to do about waits that the pool cannot
//!   see.
//! - [`seeing`]: counts, long tasks, spans, and a picture of a run.
//! - [`missing`]: what is missing on purpose, and what to write instead.
//!
//! Jobs that may crash their process, or that are more than one machine does, have executors with
//! the same `submit` in the crates `workmill-process` and `workmill-nats`. The guide of the latter,
//! "One machine, many processes, many machines: which?", says what each promises and costs.

pub mod missing;
pub mod seeing;
pub mod waiting;
