//! Closures that borrow from a caller that waits for them.

pub(crate) mod join;
pub(crate) mod lend;
