//! The error of the timer.

use std::error::Error;
use std::fmt;

/// An error returned by [`timeout`](crate::timer::timeout): the future was not ready in time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use workmill::{Elapsed, block_on, timer};
///
/// let never = std::future::pending::<()>();
/// assert_eq!(block_on(timer::timeout(Duration::from_millis(1), never)), Err(Elapsed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was over before the future was ready; allow more, or try again")
    }
}

impl Error for Elapsed {}
