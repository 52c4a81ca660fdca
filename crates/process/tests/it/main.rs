//! What a process pool promises, a module for each part. Each test runs in a process of its own,
//! with a limit on its time; that process is the parent of workers, and dies with all of them if it
//! takes too long.
//!
//! `cargo test -p workmill-process --test it -- PART_OF_A_NAME` runs those of that name.

#[cfg(target_os = "linux")]
mod cancel;
#[cfg(target_os = "linux")]
mod death;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod descriptors_faults;
#[cfg(target_os = "linux")]
mod face;
#[cfg(target_os = "linux")]
mod hub;
#[cfg(target_os = "linux")]
mod hub_ahead;
#[cfg(target_os = "linux")]
mod hub_jobs;
#[cfg(target_os = "linux")]
mod hub_keys;
#[cfg(target_os = "linux")]
mod hub_processes;
#[cfg(target_os = "linux")]
mod hub_tours;
#[cfg(target_os = "linux")]
mod idle;
#[cfg(target_os = "linux")]
mod jobs;
#[cfg(target_os = "linux")]
mod leases;
#[cfg(target_os = "linux")]
mod parents;
#[cfg(target_os = "linux")]
mod pipe;
#[cfg(target_os = "linux")]
mod pipe_faults;
#[cfg(target_os = "linux")]
mod pipe_named;
#[cfg(target_os = "linux")]
mod shared;
#[cfg(target_os = "linux")]
mod shared_arrays;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
use workmill_runner as runner;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    // Tests of the start set what happens here.
    start::before_serving();
    workmill_process::serve_if_worker(jobs::jobs());
    let runner = runner::Runner {
        at_a_time: 1,
        limit: std::time::Duration::from_secs(25),
    };
    runner.main(&[
        ("face", face::TESTS),
        ("death", death::TESTS),
        ("cancel", cancel::TESTS),
        ("start", start::TESTS),
        ("wire", wire::TESTS),
        ("descriptors", descriptors::TESTS),
        ("descriptors_faults", descriptors_faults::TESTS),
        ("pipe", pipe::TESTS),
        ("pipe_faults", pipe_faults::TESTS),
        ("pipe_named", pipe_named::TESTS),
        ("shared", shared::TESTS),
        ("shared_arrays", shared_arrays::TESTS),
        ("hub", hub::TESTS),
        ("hub_ahead", hub_ahead::TESTS),
        ("hub_keys", hub_keys::TESTS),
        ("hub_processes", hub_processes::TESTS),
        ("leases", leases::TESTS),
        ("parents", parents::TESTS),
        ("idle", idle::TESTS),
    ])
}

/// The tests look into `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() {}
