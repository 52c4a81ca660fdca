//! What no single item can tell.

pub mod starting;
