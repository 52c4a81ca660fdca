//! What a process pool promises, a module for each part. Each test runs in a process of its own,
//! with a limit on its time; that process is the parent of workers, and dies with all of them if it
//! takes too long.
//!
//! `cargo test -p workmill-process --test it -- PART_OF_A_NAME` runs those of that name.

mod cancel;
mod death;
mod face;
mod idle;
mod jobs;
mod parents;
mod runner;
mod start;
mod support;
mod wire;

fn main() -> std::process::ExitCode {
    // Tests of the start set what happens here.
    start::before_serving();
    workmill_process::serve_if_worker(jobs::jobs());
    runner::main(&[
        ("face", face::TESTS),
        ("death", death::TESTS),
        ("cancel", cancel::TESTS),
        ("start", start::TESTS),
        ("wire", wire::TESTS),
        ("parents", parents::TESTS),
        ("idle", idle::TESTS),
    ])
}
