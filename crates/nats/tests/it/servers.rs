//! The NATS server is killed, frozen, full, or not what it should be.

use std::time::{Duration, Instant};

use workmill_nats::workmill::{CancelReason, JoinHandle, Overflow};
use workmill_nats::{Bytes, NatsError, NatsErrorKind, NatsExecutor};

use crate::jobs::{echo, make, square, who, write, write_and_wait};
use crate::runner::tests;
use crate::support::{
    LEASE, NatsServer, Raw, Sign, Worker, builder, connect, error, outcome, serve, serving, until,
};

tests! {
    a_killed_server_that_is_started_again_has_lost_nothing
    a_server_that_is_killed_at_each_step_of_a_job
    a_server_frozen_for_less_than_the_lease
    a_server_frozen_for_longer_than_the_lease
    a_submission_that_times_out_is_repeated
    a_full_store_is_a_full_queue
    a_queue_limited_in_bytes_leaves_room_for_outcomes
    a_full_queue_counts_what_runs
    a_submitter_waits_for_room
    a_server_without_jetstream
    a_server_that_is_not_there
    streams_with_other_settings
    arguments_that_are_gone
    a_result_that_is_gone
    workers_hold_more_than_a_thousand_jobs
    more_than_five_hundred_requests_wait
    namespaces_know_nothing_of_each_other
    idle_sends_nothing_but_pings
}

fn a_killed_server_that_is_started_again_has_lost_nothing() {
    let mut nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 2);
    let file = Sign::new();
    let submit = |n: u32| executor.submit(write, (file.text(), n.to_string()));
    let handles: Vec<_> = (0..300).map(submit).collect();
    file.wait(20);
    nats.kill();
    nats.restart();
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    let mut lines = file.lines();
    lines.sort_by_key(|line| line.parse::<u32>().unwrap());
    assert_eq!(lines, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(server.metrics().begun, 300);
}

fn a_server_that_is_killed_at_each_step_of_a_job() {
    let mut nats = NatsServer::start();
    let executor = connect(&nats);
    let again = |nats: &mut NatsServer| {
        nats.kill();
        nats.restart();
    };
    // While it waits.
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.try_submit(write_and_wait, (begun.text(), go.text()));
    let handle = handle.unwrap();
    again(&mut nats);
    let server = serve(&nats, 1);
    begun.wait(1);
    // While it runs.
    again(&mut nats);
    // While it ends.
    nats.kill();
    go.set();
    assert!(!handle.is_finished());
    nats.restart();
    assert_eq!(outcome(handle).unwrap(), 1);
    until(|| server.metrics().stored == 1);
    assert_eq!(begun.lines(), ["1"]);
    // Before anybody submits.
    again(&mut nats);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
}

/// Freezes the server while a job runs, with another worker that would take it.
fn frozen_while_it_runs(time: Duration) {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _first = Worker::start(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    let second = serve(&nats, 1);
    nats.frozen_for(time);
    // The second one is given the job, and asks the first whether it is at work.
    std::thread::sleep(2 * LEASE);
    assert!(!handle.is_finished());
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
    assert_eq!(begun.lines(), ["1"]);
    assert_eq!(second.metrics().found_lost, 0);
}

fn a_server_frozen_for_less_than_the_lease() {
    frozen_while_it_runs(LEASE / 2);
}

fn a_server_frozen_for_longer_than_the_lease() {
    frozen_while_it_runs(3 * LEASE);
}

fn a_submission_that_times_out_is_repeated() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 1);
    nats.freeze();
    let file = Sign::new();
    let began = Instant::now();
    // The time is over, and the job may have arrived or not: so here is its handle.
    let job = (file.text(), "ran".to_owned());
    let handle = executor.submit_timeout(write, job, Duration::from_millis(100));
    let handle = handle.unwrap();
    assert!(
        began.elapsed() >= Duration::from_secs(5),
        "it has timed out"
    );
    nats.thaw();
    outcome(handle).unwrap();
    assert_eq!(file.lines(), ["ran"]);
    assert_eq!(server.metrics().begun, 1);
}

/// A store for two megabytes, or for more.
fn store(bytes: &str) -> String {
    format!("jetstream: {{ store_dir: \"$DIR/js\", max_file_store: {bytes} }}\n")
}

fn fill(executor: &NatsExecutor) -> Vec<JoinHandle<Bytes>> {
    let mut accepted = Vec::new();
    loop {
        let large = vec![1; 100_000];
        match executor.try_submit(echo, large.into()) {
            Ok(handle) => accepted.push(handle),
            Err(refused) => {
                assert!(refused.is_full());
                assert_eq!(refused.into_inner().len(), 100_000);
                return accepted;
            }
        }
        assert!(accepted.len() < 40);
    }
}

fn a_full_store_is_a_full_queue() {
    let mut nats = NatsServer::with(&store("2MB"));
    let executor = builder(&nats).overflow(Overflow::Reject).connect().unwrap();
    let accepted = fill(&executor);
    let rejected = error(executor.submit(echo, vec![1; 100_000].into()));
    assert_eq!(rejected.cancel_reason(), Some(CancelReason::Rejected));
    // Not even a mark can be stored. But nothing is lost: it goes on when there is room.
    let server = serve(&nats, 1);
    nats.kill();
    nats.configure(&store("64MB"));
    nats.restart();
    assert!(accepted.len() > 5);
    for handle in accepted {
        assert_eq!(outcome(handle).unwrap().len(), 100_000);
    }
    assert!(server.metrics().reconnects > 0);
}

fn a_queue_limited_in_bytes_leaves_room_for_outcomes() {
    let nats = NatsServer::with(&store("2MB"));
    let executor = builder(&nats).queue_bytes(600_000).connect().unwrap();
    let accepted = fill(&executor);
    assert_eq!(accepted.len(), 5);
    let _server = serve(&nats, 1);
    for handle in accepted {
        assert_eq!(outcome(handle).unwrap().len(), 100_000);
    }
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
}

fn a_full_queue_counts_what_runs() {
    let nats = NatsServer::start();
    let executor = builder(&nats).queue_capacity(2).connect().unwrap();
    let _server = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let runs = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    let waits = executor.try_submit(square, 3).unwrap();
    let full = executor.try_submit(square, 4).unwrap_err();
    assert!(full.is_full());
    assert_eq!(full.into_inner(), 4);
    let timeout = Duration::from_millis(100);
    assert!(
        executor
            .submit_timeout(square, 5, timeout)
            .unwrap_err()
            .is_full()
    );
    let rejects = builder(&nats).overflow(Overflow::Reject).connect().unwrap();
    let rejected = error(rejects.submit(square, 6));
    assert_eq!(rejected.cancel_reason(), Some(CancelReason::Rejected));
    let late = executor.submit(square, 7);
    go.set();
    assert_eq!(outcome(runs).unwrap(), 1);
    assert_eq!(outcome(waits).unwrap(), 9);
    assert_eq!(outcome(late).unwrap(), 49);
}

fn a_submitter_waits_for_room() {
    let nats = NatsServer::start();
    let executor = builder(&nats).queue_capacity(4).connect().unwrap();
    let reference = executor.handle();
    let (send, receive) = std::sync::mpsc::channel();
    // More than stand here and wait there.
    let submits = std::thread::spawn(move || {
        for n in 0..600 {
            send.send(reference.submit(square, n)).unwrap();
        }
    });
    let mut handles = Vec::new();
    while let Ok(handle) = receive.recv_timeout(Duration::from_millis(500)) {
        handles.push(handle);
    }
    assert!(
        (256..=260).contains(&handles.len()),
        "{} were taken",
        handles.len()
    );
    assert_eq!(Raw::connect(&nats).count("jobs"), 4);
    let _server = serve(&nats, 2);
    handles.extend(receive);
    submits.join().unwrap();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(outcome(handle).unwrap(), (n * n) as u64);
    }
}

fn a_server_without_jetstream() {
    let nats = NatsServer::with("");
    let refused = |refused: NatsError| {
        assert_eq!(refused.kind(), NatsErrorKind::NoJetStream, "{refused}");
        assert!(refused.to_string().contains("nats-server -js"), "{refused}");
    };
    refused(builder(&nats).connect().unwrap_err());
    refused(serving(1).serve(&nats.url()).unwrap_err());
}

fn a_server_that_is_not_there() {
    let mut nats = NatsServer::start();
    nats.kill();
    let refused = builder(&nats).connect().unwrap_err();
    assert_eq!(refused.kind(), NatsErrorKind::Connect);
    let secret = "nats://user:secret@127.0.0.1:1";
    let refused = NatsExecutor::connect(secret, crate::jobs::jobs()).unwrap_err();
    assert!(!refused.to_string().contains("secret"), "{refused}");
    // Of several addresses one is enough.
    nats.restart();
    let several = format!("{secret}, {}", nats.url());
    NatsExecutor::connect(&several, crate::jobs::jobs()).unwrap();
}

fn streams_with_other_settings() {
    let nats = NatsServer::start();
    let first = connect(&nats);
    // Whoever asks for nothing takes what there is; what nobody has set is set.
    let _sets = builder(&nats).queue_capacity(5).connect().unwrap();
    let _same = builder(&nats).queue_capacity(5).connect().unwrap();
    connect(&nats);
    let other = builder(&nats).queue_capacity(7).connect().unwrap_err();
    assert_eq!(other.kind(), NatsErrorKind::OtherSettings);
    assert!(
        other.to_string().contains("max_msgs is 5 and not 7"),
        "{other}"
    );
    let minute = Duration::from_secs(60);
    let _keeps = builder(&nats).keep_results(minute).connect().unwrap();
    let other = builder(&nats)
        .keep_results(2 * minute)
        .connect()
        .unwrap_err();
    assert!(
        other.to_string().contains("max_age is 60s and not 120s"),
        "{other}"
    );
    let replicated = builder(&nats).replicas(3).connect().unwrap_err();
    assert_eq!(replicated.kind(), NatsErrorKind::OtherSettings);
    let _server = serve(&nats, 1);
    let lease = serving(1).lease(2 * LEASE).serve(&nats.url()).unwrap_err();
    assert_eq!(lease.kind(), NatsErrorKind::OtherSettings);
    assert_eq!(outcome(first.submit(square, 3)).unwrap(), 9);
    // A stream of that name that is none of ours.
    let raw = Raw::connect(&nats);
    raw.create_stream("other-jobs", "other.jobs.>");
    let other = builder(&nats).namespace("other").connect().unwrap_err();
    assert_eq!(other.kind(), NatsErrorKind::OtherSettings);
    assert!(other.to_string().contains("retention"), "{other}");
}

fn arguments_that_are_gone() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let handle = executor.try_submit(echo, vec![1; 2 << 20].into()).unwrap();
    raw.delete_stream("OBJ_workmill-arguments");
    let _server = serve(&nats, 1);
    let refused = error(handle).to_string();
    assert!(refused.contains("its arguments"), "{refused}");
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
}

fn a_result_that_is_gone() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let _server = serve(&nats, 1);
    let (id, handle) = executor.submit_keyed("k", make, 2 << 20);
    assert_eq!(outcome(handle).unwrap().len(), 2 << 20);
    raw.purge_stream("OBJ_workmill-results");
    let lost = error(executor.resume(make, &id));
    assert!(lost.is_lost(), "{lost}");
}

fn workers_hold_more_than_a_thousand_jobs() {
    const HELD: usize = 1200;
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let long = || serving(1).lease(Duration::from_secs(20));
    long().serve(&nats.url()).unwrap().shutdown();
    let held: Vec<_> = (0..HELD).map(|_| executor.submit(who, ())).collect();
    assert_eq!(raw.take("normal", HELD), HELD);
    let _server = long().serve(&nats.url()).unwrap();
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    assert!(held.iter().all(|it| !it.is_finished()));
    executor.shutdown_background();
}

fn more_than_five_hundred_requests_wait() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    assert_eq!(Raw::connect(&nats).ask("low", 600), 0);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
}

fn namespaces_know_nothing_of_each_other() {
    let nats = NatsServer::start();
    let mill = builder(&nats).namespace("mill").connect().unwrap();
    let bakery = builder(&nats).namespace("bakery").connect().unwrap();
    let (_, ground) = mill.submit_keyed("k", square, 3);
    let (id, baked) = bakery.submit_keyed("k", square, 4);
    let _bakes = serving(1).namespace("bakery").serve(&nats.url()).unwrap();
    assert_eq!(outcome(baked).unwrap(), 16);
    assert!(!ground.is_finished());
    let resumed = mill.resume(square, &id);
    let _grinds = serving(1).namespace("mill").serve(&nats.url()).unwrap();
    assert_eq!(outcome(ground).unwrap(), 9);
    assert_eq!(outcome(resumed).unwrap(), 9);
}

/// Returns the number of bytes that a server has got and sent.
fn traffic(url: &str) -> (u64, u64) {
    let text = crate::support::http_get(url);
    let field = |name: &str| {
        let rest = text.split(&format!("\"{name}\":")).nth(1).unwrap();
        let digits: String = rest
            .trim()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u64>().unwrap()
    };
    (field("in_msgs"), field("out_msgs"))
}

fn idle_sends_nothing_but_pings() {
    let lines = "jetstream: { store_dir: \"$DIR/js\" }\nhttp: \"127.0.0.1:-1\"\n";
    let nats = NatsServer::with(lines);
    let executor = connect(&nats);
    let _server = serve(&nats, 2);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    let url = nats.monitor();
    // The requests that follow the job.
    let last = std::cell::Cell::new((0, 0));
    until(|| {
        std::thread::sleep(Duration::from_millis(200));
        let now = traffic(&url);
        last.replace(now) == now
    });
    let before = traffic(&url);
    std::thread::sleep(Duration::from_secs(1));
    // Pings are no messages.
    assert_eq!(traffic(&url), before);
}
