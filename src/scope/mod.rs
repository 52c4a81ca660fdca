//! Work that borrows from a caller who waits for it.

pub(crate) mod lend;
