//! The promises of the crate, a module for each.

mod aborting;
mod alike;
mod back_pressure;
mod barrier;
mod bounds;
mod cancelling;
mod chains;
mod child;
mod depth;
mod ending;
mod errors;
mod event;
mod fork_join;
#[cfg(unix)]
mod forked_halves;
#[cfg(unix)]
mod forking;
#[cfg(unix)]
mod forking_under_load;
mod futures;
mod groups;
mod handles;
mod hooks;
mod idling;
#[cfg(target_os = "linux")]
mod inheriting;
mod invariant;
mod large;
mod lending;
mod looking;
mod many;
mod mapping;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
#[cfg(unix)]
mod neighbours;
mod notify;
mod overflow;
mod panicking;
mod promises;
mod queue;
mod queue_ends;
mod queue_sizes;
mod scheduling;
mod scopes;
mod semaphore;
#[cfg(unix)]
mod signals;
mod stacks;
mod starting;
mod stealing;
mod stopping;
mod support;
mod threads;
mod timer;
mod unseen_panics;
mod unused;
mod unwinding;
mod views;
mod wait_classes;
mod wait_rule;
mod waiting;
mod watching;
mod without_handles;
