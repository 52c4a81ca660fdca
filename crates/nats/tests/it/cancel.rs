//! Cancelling tells the truth.

use workmill_nats::workmill::CancelReason;

use crate::jobs::{echo, square, write, write_and_stop, write_and_wait};
use crate::runner::tests;
use crate::support::{NatsServer, Raw, Sign, builder, connect, error, outcome, serve, until};

tests! {
    a_job_that_waits_is_cancelled
    a_cancelled_job_takes_its_large_arguments_with_it
    three_hundred_races_against_a_worker
    a_job_that_runs_is_told_to_end
    a_job_that_is_done_cannot_be_cancelled
    a_job_is_cancelled_though_the_server_was_away
    a_job_that_has_not_left_is_cancelled_at_once
    shutdown_now_cancels_what_waits
}

fn a_job_that_waits_is_cancelled() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let file = Sign::new();
    let job = (file.text(), "ran".to_owned());
    let (id, handle) = executor.submit_keyed("k", write, job);
    until(|| raw.count("jobs") == 1);
    handle.cancel();
    assert_eq!(error(handle).cancel_reason(), Some(CancelReason::Cancelled));
    // It has left the queue: its mark need not be kept for as long as it would wait.
    assert_eq!(raw.count("jobs"), 0);
    let server = serve(&nats, 1);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    assert_eq!(server.metrics().begun, 1);
    assert!(error(executor.resume(write, &id)).is_cancelled());
    assert!(file.lines().is_empty());
}

fn a_cancelled_job_takes_its_large_arguments_with_it() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let handle = executor.try_submit(echo, vec![1; 2 << 20].into()).unwrap();
    let objects = "OBJ_workmill-arguments";
    assert!(raw.bytes(objects) > 2 << 20);
    handle.cancel();
    assert!(error(handle).is_cancelled());
    assert!(raw.bytes(objects) < 1000);
    // So does one that is done.
    let _server = serve(&nats, 1);
    assert!(outcome(executor.submit(echo, vec![1; 2 << 20].into())).is_ok());
    until(|| raw.bytes(objects) < 2000);
}

/// Never both, and never neither.
fn three_hundred_races_against_a_worker() {
    const RACES: usize = 300;
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 2);
    let file = Sign::new();
    let (mut ran, mut cancelled) = (0, 0);
    for n in 0..RACES {
        let handle = executor.submit(write, (file.text(), n.to_string()));
        // From at once to some hundred microseconds later, when the job is taken.
        for _ in 0..n % 60 {
            for _ in 0..2000 {
                std::hint::spin_loop();
            }
        }
        handle.cancel();
        match outcome(handle) {
            Ok(()) => ran += 1,
            Err(error) => {
                assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
                cancelled += 1;
            }
        }
        // Whatever a cancelled job would have written.
        assert_eq!(file.lines().len(), ran, "after {n}");
    }
    server.shutdown();
    assert_eq!(server.metrics().begun, ran as u64);
    assert_eq!(ran + cancelled, RACES);
    println!("{ran} ran, {cancelled} were cancelled");
    assert!(
        ran > 0 && cancelled > 0,
        "{ran} ran, {cancelled} were cancelled"
    );
}

fn a_job_that_runs_is_told_to_end() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let begun = Sign::new();
    let handle = executor.submit(write_and_stop, begun.text());
    begun.wait(1);
    until(|| handle.is_running());
    assert!(!handle.cancel(), "nobody knows yet");
    assert_eq!(outcome(handle).unwrap(), "stopped");
}

fn a_job_that_is_done_cannot_be_cancelled() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let handle = executor.submit(square, 3);
    until(|| handle.is_finished());
    assert!(!handle.cancel());
    assert_eq!(outcome(handle).unwrap(), 9);
}

fn a_job_is_cancelled_though_the_server_was_away() {
    let mut nats = NatsServer::start();
    let executor = connect(&nats);
    let file = Sign::new();
    let handle = executor.try_submit(write, (file.text(), "ran".to_owned()));
    let mut handle = handle.unwrap();
    nats.kill();
    assert!(!handle.cancel());
    assert!(
        handle
            .join_timeout(std::time::Duration::from_millis(200))
            .is_none()
    );
    nats.restart();
    assert_eq!(error(handle).cancel_reason(), Some(CancelReason::Cancelled));
    let _server = serve(&nats, 1);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    assert!(file.lines().is_empty());
}

fn a_job_that_has_not_left_is_cancelled_at_once() {
    let nats = NatsServer::start();
    let executor = builder(&nats).queue_capacity(1).connect().unwrap();
    let _first = executor.try_submit(square, 3).unwrap();
    let stands = executor.submit(square, 4);
    until(|| executor.metrics().refused > 0);
    // While a try is under way nobody knows.
    until(|| stands.cancel());
    assert_eq!(error(stands).cancel_reason(), Some(CancelReason::Cancelled));
    assert_eq!(Raw::connect(&nats).count("jobs"), 1);
    executor.shutdown_background();
}

fn shutdown_now_cancels_what_waits() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let runs = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    let waits: Vec<_> = (0..20).map(|n| executor.submit(square, n)).collect();
    assert_eq!(executor.shutdown_now(), 21);
    for handle in waits {
        assert!(error(handle).is_cancelled());
    }
    go.set();
    executor.shutdown();
    assert_eq!(outcome(runs).unwrap(), 1);
    assert_eq!(server.metrics().begun, 1);
}
