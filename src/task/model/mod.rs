//! Models of the cells, and of halves: every schedule of threads that meet at one task, or half.
//!
//! Each model fails with the bugs that its comment names. `tests/mutants/bugs/task` puts them back.

mod cell;
mod future;
mod promise;
mod stack;
