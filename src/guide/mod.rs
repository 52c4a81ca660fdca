//! Guides: what no single item can tell.
//!
//! - [`waiting`]: what happens when a task waits, and what to do about waits that the pool cannot see.

pub mod waiting;
