//! Models of the cells: every schedule of threads that meet at one task.
//!
//! Each model was seen to fail with the bug that its comment names. `.ci/mutants` puts those bugs
//! back.

mod cell;
mod future;
