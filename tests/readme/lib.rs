//! The README, and those pages of the guide whose programs need more packages than workmill has.
//! All their programs are doctests of this one. The guide's other pages are doctests of workmill.

#[doc = include_str!("../../README.md")]
pub mod readme {}

#[doc = include_str!("../../src/guide/from_rayon_and_tokio.md")]
pub mod from_rayon_and_tokio {}

#[doc = include_str!("../../src/guide/per_thread_state.md")]
pub mod per_thread_state {}

#[doc = include_str!("../../src/guide/processes.md")]
pub mod processes {}

#[doc = include_str!("../../src/guide/machines.md")]
pub mod machines {}
