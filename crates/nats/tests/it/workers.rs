//! x
use crate::runner::tests;
tests! { none }
fn none() {}
