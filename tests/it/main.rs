//! What the crate promises, a module for each promise.

mod bounds;
mod cancelling;
mod ending;
mod idling;
mod large;
mod panicking;
mod semaphore;
mod starting;
mod stealing;
mod support;
mod waiting;
