//! The promises of the file queue, a module for each.

#![allow(missing_docs, reason = "tests")]

mod child;
mod closing;
mod damage;
mod dying;
mod encoding;
mod errors;
mod forking;
mod full_disk;
mod model;
mod moved;
mod room;
mod sharing;
mod soak;
mod support;
mod tasks;
mod tool;
mod verbs;
mod waiting;
