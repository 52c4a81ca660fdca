//! `cargo +nightly fuzz run frames`, in `crates/process`. What it finds goes into `corpus/frames`,
//! which `cargo test -p workmill-process --test frames` feeds to the same checks.

#![no_main]

#[path = "../src/buffers.rs"]
#[allow(dead_code)]
mod buffers;
mod check;
#[path = "../src/frame.rs"]
#[allow(dead_code)]
mod frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| check::check(bytes));
