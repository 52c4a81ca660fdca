//! The promises of the crate, for random programs.

mod futures;
mod groups;
mod maps;
mod metrics;
mod queues;
#[path = "../it/support.rs"]
#[expect(dead_code, reason = "what all tests share is more than these need")]
mod support;
mod waits;
