//! What is promised about jobs on machines, a module for each part. Each test runs in a process of
//! its own, with a NATS server and workers of its own, and with a limit on its time.
//!
//! `cargo test -p workmill-nats --test it -- PART_OF_A_NAME` runs those of that name. They need a
//! program `nats-server`: `support/server.rs` says where it is looked for.

#[cfg(target_os = "linux")]
mod cancel;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod examples;
#[cfg(target_os = "linux")]
mod face;
#[cfg(target_os = "linux")]
mod jobs;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
mod support;
#[cfg(target_os = "linux")]
mod workers;

#[cfg(target_os = "linux")]
use workmill_runner as runner;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    support::serve_if_worker();
    clients::submit_if_client();
    if std::env::var_os(runner::ALONE).is_none() {
        support::sweep();
    }
    let runner = runner::Runner {
        at_a_time: 3, // most of them wait for leases
        limit: std::time::Duration::from_secs(60),
    };
    runner.main(&[
        ("face", face::TESTS),
        ("workers", workers::TESTS),
        ("clients", clients::TESTS),
        ("cancel", cancel::TESTS),
        ("servers", servers::TESTS),
        ("examples", examples::TESTS),
        ("rig", rig::TESTS),
    ])
}

/// The tests look into `/proc`, and stop processes by signals.
#[cfg(not(target_os = "linux"))]
fn main() {}
