//! What no single item can tell.

pub mod sharing;
pub mod starting;
