//! Submitters that die, are cut off, submit again, or do not care.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use workmill_nats::workmill::DropBehavior;
use workmill_nats::{JobId, NatsExecutor};

use crate::jobs::{make, square, who, write, write_and_wait};
use crate::runner::tests;
use crate::support::{
    HANG, NatsServer, Proxy, Raw, Sign, Worker, builder, connect, error, outcome, serve, until,
};

tests! {
    a_killed_client_resumes_a_job_that_waits
    a_killed_client_resumes_a_job_that_runs
    a_killed_client_resumes_a_job_that_is_done
    an_outcome_is_kept_no_longer_than_was_said
    an_unknown_id_is_refused
    an_outcome_that_comes_in_a_gap_is_read_later
    a_begin_that_comes_in_a_gap_is_read_later
    a_handle_gets_its_outcome_though_a_worker_dies_after_it_has_told
    a_submission_whose_answer_is_lost_is_repeated
    the_same_key_twice_is_one_job
    the_same_key_after_a_restart_is_one_job
    a_key_of_another_job_is_refused
    a_dropped_handle_leaves_the_job
    every_handle_resolves_when_the_executor_goes_in_mid_submit
    a_detached_executor_leaves_its_jobs
    two_executors_wait_for_one_job
    ids_are_parsed_again
}

/// The entry of the environment that makes a process a client: the address, and two files.
const CLIENT: &str = "WORKMILL_NATS_CLIENT";

/// Starts a client that submits a job, and waits to be killed. Returns the id as well.
fn client(nats: &NatsServer, begun: &Sign, go: &Sign) -> (Child, JobId) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(
        CLIENT,
        format!("{} {} {}", nats.url(), begun.text(), go.text()),
    );
    command.env_remove(crate::runner::ALONE);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let output = child.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    (child, line.trim().parse().unwrap())
}

pub(crate) fn submit_if_client() {
    let Ok(text) = std::env::var(CLIENT) else {
        return;
    };
    let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
    let [url, begun, go] = words.try_into().unwrap();
    let executor = NatsExecutor::connect(&url, crate::jobs::jobs()).unwrap();
    let (id, handle) = executor.submit_keyed("the job", write_and_wait, (begun, go));
    until(|| executor.metrics().accepted == 1);
    println!("{id}");
    // The client is killed meanwhile, or the test ends, and with it the server.
    let _ = handle.join();
    std::thread::sleep(HANG);
    std::process::exit(1);
}

fn kill(mut client: Child) {
    client.kill().unwrap();
    client.wait().unwrap();
}

fn a_killed_client_resumes_a_job_that_waits() {
    let nats = NatsServer::start();
    let (begun, go) = (Sign::new(), Sign::new());
    let (first, id) = client(&nats, &begun, &go);
    kill(first);
    let executor = connect(&nats);
    let handle = executor.resume(write_and_wait, &id);
    let _server = serve(&nats, 1);
    begun.wait(1);
    until(|| handle.is_running());
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
}

fn a_killed_client_resumes_a_job_that_runs() {
    let nats = NatsServer::start();
    let _server = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let (first, id) = client(&nats, &begun, &go);
    begun.wait(1);
    kill(first);
    let executor = connect(&nats);
    let handle = executor.resume(write_and_wait, &id);
    until(|| handle.is_running());
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
}

fn a_killed_client_resumes_a_job_that_is_done() {
    let nats = NatsServer::start();
    let server = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let (first, id) = client(&nats, &begun, &go);
    kill(first);
    go.set();
    until(|| server.metrics().stored == 1);
    let executor = connect(&nats);
    assert_eq!(outcome(executor.resume(write_and_wait, &id)).unwrap(), 1);
    assert_eq!(begun.lines(), ["1"]);
}

fn an_outcome_is_kept_no_longer_than_was_said() {
    let nats = NatsServer::start();
    let keep = Duration::from_millis(300);
    let executor = builder(&nats).keep_results(keep).connect().unwrap();
    let _server = serve(&nats, 1);
    let (id, handle) = executor.submit_keyed("k", square, 3);
    assert_eq!(outcome(handle).unwrap(), 9);
    let raw = Raw::connect(&nats);
    until(|| raw.count("state") == 0);
    let refused = error(executor.resume(square, &id)).to_string();
    assert!(refused.contains("no longer kept"), "{refused}");
    // The key is free again.
    let (_, again) = executor.submit_keyed("k", square, 4);
    assert_eq!(outcome(again).unwrap(), 16);
}

fn an_unknown_id_is_refused() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    for id in ["key.unknown", "nobody.1"] {
        let refused = error(executor.resume(square, &id.parse().unwrap()));
        assert!(refused.to_string().contains("knows neither"), "{refused}");
    }
}

fn an_outcome_that_comes_in_a_gap_is_read_later() {
    let nats = NatsServer::start();
    let proxy = Proxy::start(&nats);
    let server = serve(&nats, 1);
    let url = proxy.url();
    let executor = NatsExecutor::connect(&url, crate::jobs::jobs()).unwrap();
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    let (_, keyed) = executor.submit_keyed("k", square, 3);
    begun.wait(1);
    until(|| executor.metrics().accepted == 2);
    proxy.close();
    go.set();
    until(|| server.metrics().stored == 2);
    assert!(!handle.is_finished() && !keyed.is_finished());
    proxy.open();
    assert_eq!(outcome(handle).unwrap(), 1);
    assert_eq!(outcome(keyed).unwrap(), 9);
    assert!(executor.metrics().reconnects >= 1);
}

fn a_begin_that_comes_in_a_gap_is_read_later() {
    let nats = NatsServer::start();
    let proxy = Proxy::start(&nats);
    let executor = NatsExecutor::connect(&proxy.url(), crate::jobs::jobs()).unwrap();
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    until(|| executor.metrics().accepted == 1);
    proxy.close();
    let _server = serve(&nats, 1);
    begun.wait(1);
    assert!(!handle.is_running());
    proxy.open();
    until(|| handle.is_running());
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
}

/// Between the stored outcome and its acknowledgement, while the submitter connects anew as well.
fn a_handle_gets_its_outcome_though_a_worker_dies_after_it_has_told() {
    let nats = NatsServer::start();
    let (proxy, far) = (Proxy::start(&nats), Proxy::start(&nats));
    let executor = NatsExecutor::connect(&proxy.url(), crate::jobs::jobs()).unwrap();
    let (begun, go) = (Sign::new(), Sign::new());
    let cut_off = Worker::at(&far.url(), 1, "all");
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    proxy.close();
    far.close_after("workmill.state.");
    go.set();
    until(|| far.cuts() == 1);
    cut_off.kill();
    // The second one reads the outcome, and acknowledges.
    let second = serve(&nats, 1);
    let raw = Raw::connect(&nats);
    until(|| raw.count("jobs") == 0);
    assert!(!handle.is_finished());
    proxy.open();
    assert_eq!(outcome(handle).unwrap(), 1);
    assert_eq!(begun.lines(), ["1"]);
    assert_eq!(second.metrics().begun, 0);
}

fn a_submission_whose_answer_is_lost_is_repeated() {
    let nats = NatsServer::start();
    let proxy = Proxy::start(&nats);
    let server = serve(&nats, 1);
    let url = proxy.url();
    let executor = NatsExecutor::connect(&url, crate::jobs::jobs()).unwrap();
    let file = Sign::new();
    for n in 1..=5 {
        proxy.cut_after("workmill.jobs.");
        let handle = executor.submit(write, (file.text(), n.to_string()));
        outcome(handle).unwrap();
        assert_eq!(proxy.cuts(), n);
    }
    assert_eq!(file.lines(), ["1", "2", "3", "4", "5"]);
    assert_eq!(server.metrics().begun, 5);
}

fn the_same_key_twice_is_one_job() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let another = connect(&nats);
    let file = Sign::new();
    let submit = |executor: &NatsExecutor| {
        let job = (file.text(), "ran".to_owned());
        executor.submit_keyed("k", write, job).1
    };
    let waiting = [submit(&executor), submit(&executor), submit(&another)];
    let server = serve(&nats, 2);
    waiting.into_iter().for_each(|it| outcome(it).unwrap());
    // When it has ended: the queue has no message of it any more.
    outcome(submit(&executor)).unwrap();
    outcome(submit(&another)).unwrap();
    assert_eq!(file.lines(), ["ran"]);
    assert_eq!(server.metrics().begun, 1);
}

fn the_same_key_after_a_restart_is_one_job() {
    let mut nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 1);
    let file = Sign::new();
    let submit = || {
        let job = (file.text(), "ran".to_owned());
        executor.submit_keyed("k", write, job).1
    };
    outcome(submit()).unwrap();
    // The server forgets what it has seen as duplicates.
    nats.kill();
    nats.restart();
    outcome(submit()).unwrap();
    assert_eq!(file.lines(), ["ran"]);
    assert_eq!(server.metrics().begun, 1);
}

fn a_key_of_another_job_is_refused() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let another = connect(&nats);
    let _server = serve(&nats, 1);
    let (id, handle) = executor.submit_keyed("k", square, 3);
    assert_eq!(outcome(handle).unwrap(), 9);
    for refused in [
        another.submit_keyed("k", who, ()).1,
        another.resume(who, &id),
    ] {
        let text = error(refused).to_string();
        assert!(text.contains("belongs to a job `square`"), "{text}");
    }
}

fn a_dropped_handle_leaves_the_job() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let file = Sign::new();
    drop(executor.submit(write, (file.text(), "ran".to_owned())));
    let _worker = Worker::start(&nats, 1);
    file.wait(1);
    executor.shutdown();
}

fn every_handle_resolves_when_the_executor_goes_in_mid_submit() {
    let nats = NatsServer::start();
    let executor = builder(&nats)
        .on_drop(DropBehavior::Detach)
        .connect()
        .unwrap();
    let _server = serve(&nats, 1);
    let reference = executor.handle();
    let (first, begun) = std::sync::mpsc::channel();
    let submits = std::thread::spawn(move || {
        let mut handles = Vec::new();
        for n in 0..5000 {
            handles.push(reference.submit(square, n));
            if n == 500 {
                first.send(()).unwrap();
            }
        }
        handles
    });
    begun.recv_timeout(HANG).unwrap();
    drop(executor);
    let (mut done, mut lost, mut refused) = (0, 0, 0);
    for handle in submits.join().unwrap() {
        match outcome(handle) {
            Ok(_) => done += 1,
            Err(error) if error.is_lost() => lost += 1,
            Err(_) => refused += 1,
        }
    }
    assert_eq!(done + lost + refused, 5000);
    assert!(refused > 0, "{done} done, {lost} lost, {refused} refused");
}

fn a_detached_executor_leaves_its_jobs() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let (id, handle) = executor.submit_keyed("k", make, 10);
    until(|| executor.metrics().accepted == 1);
    executor.shutdown_background();
    drop(executor);
    let lost = error(handle).to_string();
    assert!(lost.contains("`resume` gets it"), "{lost}");
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    assert_eq!(outcome(executor.resume(make, &id)).unwrap().len(), 10);
}

fn two_executors_wait_for_one_job() {
    let nats = NatsServer::start();
    let (one, two) = (connect(&nats), connect(&nats));
    let (begun, go) = (Sign::new(), Sign::new());
    let (id, first) = one.submit_keyed("k", write_and_wait, (begun.text(), go.text()));
    let second = two.resume(write_and_wait, &id);
    let third = two.resume(write_and_wait, &id);
    let _server = serve(&nats, 1);
    begun.wait(1);
    go.set();
    for handle in [first, second, third] {
        assert_eq!(outcome(handle).unwrap(), 1);
    }
}

fn ids_are_parsed_again() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let longest = "ä".repeat(128);
    for key in ["a", "invoice 4711", "a.b*c>", "ä", &longest] {
        let (id, _handle) = executor.submit_keyed(key, square, 3);
        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
    }
    for text in ["", "a", "a.", ".b", "a.b.c", "a.*", "a.>", "a.b c"] {
        assert!(text.parse::<JobId>().is_err(), "{text}");
    }
    executor.shutdown_background();
}
