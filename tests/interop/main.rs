//! The crate beside others: its futures under tokio and smol, futures of theirs in a pool, and
//! hyper and the futures crate on a pool.

mod adapters;
mod runtimes;
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "what all tests share is more than these need")]
mod support;
mod tracing;
