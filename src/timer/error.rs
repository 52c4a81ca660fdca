//! What can fail in the timer.

use std::error::Error;
use std::fmt;

/// Says that a future was not ready in time.
///
/// Given by [`timer::timeout`](crate::timer::timeout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before the future was ready")
    }
}

impl Error for Elapsed {}
