//! Workers that die, freeze, lag and stop.

use std::time::Duration;

use workmill_nats::workmill::JoinHandle;
use workmill_nats::{DeadLetter, NatsExecutor, ServerBuilder};

use crate::jobs::{
    kills, panics, shifted, square, who, write, write_and_wait, write_and_wait_apart,
};
use crate::runner::tests;
use crate::support::{
    HANG, LEASE, NatsServer, Proxy, Raw, Sign, Worker, connect, error, outcome, serve, serving,
    until,
};

tests! {
    a_worker_that_dies_before_it_begins_costs_no_attempt
    a_worker_that_dies_while_it_runs_loses_the_job
    a_worker_that_dies_while_it_runs_is_followed_by_another
    an_outcome_whose_acknowledgement_is_lost_is_not_made_again
    a_job_that_comes_again_while_it_runs_is_left_to_its_worker
    a_frozen_worker_loses_its_lease_and_its_answer_is_refused
    a_begun_mark_whose_answer_is_lost_is_known_by_its_nonce
    an_outcome_whose_answer_is_lost_is_known_by_its_nonce
    an_outcome_is_told_though_its_worker_is_cut_off
    a_worker_whose_job_panics_goes_on
    an_unknown_name_is_left_to_another_worker
    an_unknown_name_is_refused_in_the_end
    a_stale_worker_calls_nothing
    shutdown_gives_back_what_no_thread_has_begun
    a_job_that_waits_ahead_of_a_long_one_is_given_back
    a_poison_job_becomes_a_dead_letter_and_is_sent_again
    a_dead_letter_is_discarded
    a_job_that_runs_for_longer_than_outcomes_are_kept
    a_job_is_told_to_end_by_its_server
}

fn dead_letters(executor: &NatsExecutor) -> Vec<DeadLetter> {
    executor.dead_letters().map(Result::unwrap).collect()
}

fn lost<T: std::fmt::Debug>(handle: JoinHandle<T>) -> String {
    let error = error(handle);
    let lost = error.as_lost();
    lost.unwrap_or_else(|| panic!("not lost: {error}"))
        .to_string()
}

fn a_worker_that_dies_before_it_begins_costs_no_attempt() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    // It makes the consumers.
    serve(&nats, 1).shutdown();
    let handle = executor.submit(who, ());
    assert_eq!(Raw::connect(&nats).take("normal", 1), 1);
    let _server = serve(&nats, 1);
    assert_eq!(outcome(handle).unwrap().2, 1);
}

fn a_worker_that_dies_while_it_runs_loses_the_job() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let (begun, go) = (Sign::new(), Sign::new());
    let worker = Worker::start(&nats, 1);
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    worker.kill();
    let _server = serve(&nats, 1);
    let end = lost(handle);
    assert!(
        end.contains("gave no sign for longer than 600ms, in attempt 1 of 1"),
        "{end}"
    );
    assert_eq!(begun.lines(), ["1"]);
    until(|| dead_letters(&executor).len() == 1);
}

fn a_worker_that_dies_while_it_runs_is_followed_by_another() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let (begun, go) = (Sign::new(), Sign::new());
    let worker = Worker::start(&nats, 1);
    let job = (begun.text(), go.text());
    let handle = executor.retries(1).submit(write_and_wait, job);
    begun.wait(1);
    worker.kill();
    let _second = Worker::start(&nats, 1);
    begun.wait(2);
    go.set();
    assert_eq!(outcome(handle).unwrap(), 2);
    assert_eq!(begun.lines(), ["1", "2"]);
    assert!(dead_letters(&executor).is_empty());
}

fn an_outcome_whose_acknowledgement_is_lost_is_not_made_again() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let file = Sign::new();
    let (_, first) = executor.submit_keyed("k", write, (file.text(), "ran".to_owned()));
    let subject = "workmill.jobs.normal.key.k";
    until(|| raw.count("jobs") == 1);
    let message = raw.last("jobs", subject);
    let server = serve(&nats, 1);
    outcome(first).unwrap();
    until(|| raw.count("jobs") == 0);
    // It comes again, as it does when its acknowledgement is lost.
    raw.publish(subject, message);
    until(|| raw.count("jobs") == 0);
    assert_eq!(file.lines(), ["ran"]);
    assert_eq!(server.metrics().begun, 1);
}

fn a_job_that_comes_again_while_it_runs_is_left_to_its_worker() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let (begun, go) = (Sign::new(), Sign::new());
    let _first = Worker::start(&nats, 1);
    let job = (begun.text(), go.text());
    let (_, handle) = executor.submit_keyed("k", write_and_wait, job);
    begun.wait(1);
    // As when the server has not heard of the worker for too long.
    let second = serve(&nats, 1);
    let message = raw.last("jobs", "workmill.jobs.normal.key.k");
    raw.publish("workmill.jobs.high.key.k", message);
    // Again and again.
    std::thread::sleep(3 * LEASE);
    assert!(!handle.is_finished());
    assert_eq!(second.metrics().found_lost, 0);
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
    until(|| raw.count("jobs") == 0);
    assert_eq!(begun.lines(), ["1"]);
}

fn a_frozen_worker_loses_its_lease_and_its_answer_is_refused() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    // Each attempt waits for a file of its own.
    let (begun, go) = (Sign::new(), Sign::new());
    let goes = [1, 2].map(|attempt| Sign(format!("{}-{attempt}", go.text()).into()));
    let frozen = Worker::start(&nats, 1);
    let job = (begun.text(), go.text());
    let (id, handle) = executor
        .retries(1)
        .submit_keyed("k", write_and_wait_apart, job);
    begun.wait(1);
    frozen.freeze();
    let second = serve(&nats, 1);
    begun.wait(2);
    // The first one ends its attempt, and is too late. It has nothing to do any more, and takes
    // other jobs, as the second one cannot.
    frozen.thaw();
    goes[0].set();
    for _ in 0..20 {
        assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    }
    assert!(!handle.is_finished());
    assert_eq!(second.metrics().stored, 0);
    goes[1].set();
    assert_eq!(outcome(handle).unwrap(), 2);
    assert_eq!(
        outcome(executor.resume(write_and_wait_apart, &id)).unwrap(),
        2
    );
    assert_eq!(begun.lines(), ["1", "2"]);
}

/// Runs a job on a worker whose connection is cut when its mark has arrived.
fn cut_at_mark(skip: usize) {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let proxy = Proxy::start(&nats);
    let server = serving(1).serve(&proxy.url()).unwrap();
    let (begun, go) = (Sign::new(), Sign::new());
    if skip == 0 {
        proxy.cut_after("workmill.state.");
    }
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    // Whoever waits is told, by the new connection if need be.
    until(|| handle.is_running());
    if skip == 1 {
        proxy.cut_after("workmill.state.");
    }
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
    until(|| server.metrics().stored == 1);
    assert_eq!(proxy.cuts(), 1);
    assert_eq!(begun.lines(), ["1"]);
    let counted = server.metrics();
    assert_eq!((counted.begun, counted.refused), (1, 0));
    until(|| server.metrics().reconnects == 1);
    until(|| Raw::connect(&nats).count("jobs") == 0);
}

fn a_begun_mark_whose_answer_is_lost_is_known_by_its_nonce() {
    cut_at_mark(0);
}

fn an_outcome_whose_answer_is_lost_is_known_by_its_nonce() {
    cut_at_mark(1);
}

/// The server tells it, with the answer that the worker does not get.
fn an_outcome_is_told_though_its_worker_is_cut_off() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let proxy = Proxy::start(&nats);
    // Nobody else is given the job.
    let serving = serving(1).lease(2 * HANG);
    let server = serving.serve(&proxy.url()).unwrap();
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    proxy.close_after("workmill.state.");
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
    assert_eq!((proxy.cuts(), server.metrics().stored), (1, 0));
    assert_eq!(raw.count("jobs"), 1, "nobody has acknowledged it");
    proxy.open();
    until(|| raw.count("jobs") == 0);
    let counted = server.metrics();
    assert_eq!((counted.stored, counted.refused), (1, 0));
    assert_eq!(begun.lines(), ["1"]);
}

fn a_worker_whose_job_panics_goes_on() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let worker = Worker::start(&nats, 1);
    let panicked = error(executor.retries(3).submit(panics, "no flour".to_owned()));
    assert_eq!(panicked.panic_message(), Some("no flour"));
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    assert!(dead_letters(&executor).is_empty());
    drop(worker);
}

fn an_unknown_name_is_left_to_another_worker() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let long = |list| ServerBuilder::new(list).lease(HANG).serve(&nats.url());
    let old = long(crate::jobs::list("few")).unwrap();
    let handles: Vec<_> = (0..10).map(|_| executor.submit(who, ())).collect();
    let _new = long(crate::jobs::jobs()).unwrap();
    for handle in handles {
        assert_eq!(outcome(handle).unwrap().2, 1);
    }
    assert_eq!(old.metrics().begun, 0);
}

fn an_unknown_name_is_refused_in_the_end() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _old = Worker::with(&nats, 1, "few");
    let refused = error(executor.submit(who, ())).to_string();
    assert!(
        refused.contains("no worker knows the job `who`"),
        "{refused}"
    );
    until(|| dead_letters(&executor).len() == 1);
    let letter = dead_letters(&executor).remove(0);
    assert_eq!((letter.name(), letter.attempts()), ("who", 0));
    // When there is a worker that knows it, the job can be sent again.
    let _new = serve(&nats, 1);
    let id = letter.resend().unwrap();
    assert_eq!(
        outcome(executor.resume(who, &id)).unwrap().1,
        id.to_string()
    );
    assert!(dead_letters(&executor).is_empty());
}

fn a_stale_worker_calls_nothing() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _stale = Worker::with(&nats, 1, "stale");
    let refused = error(executor.submit(shifted, ("oats".to_owned(), 3)));
    let text = refused.to_string();
    assert!(
        refused.is_cancelled() && text.contains("built from the same code"),
        "{text}"
    );
    until(|| dead_letters(&executor).len() == 1);
}

fn shutdown_gives_back_what_no_thread_has_begun() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let file = Sign::new();
    let submit = |n: usize| executor.submit(write, (file.text(), n.to_string()));
    let handles: Vec<_> = (0..2000).map(submit).collect();
    // If one were left behind, it would come again after the lease only.
    let long = || serving(1).lease(2 * HANG).serve(&nats.url()).unwrap();
    let first = long();
    file.wait(200);
    first.shutdown();
    let begun = first.metrics().begun;
    assert_eq!(first.metrics().held, 0);
    let second = long();
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    let mut lines = file.lines();
    lines.sort_by_key(|line| line.parse::<usize>().unwrap());
    assert_eq!(lines, (0..2000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(
        begun < 2000 && second.metrics().begun < 2000,
        "both have served"
    );
}

fn a_job_that_waits_ahead_of_a_long_one_is_given_back() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 1);
    // Jobs are so short that many are taken ahead.
    let short: Vec<_> = (0..500).map(|n| executor.submit(square, n)).collect();
    let (begun, go) = (Sign::new(), Sign::new());
    let long = executor.submit(write_and_wait, (begun.text(), go.text()));
    let behind: Vec<_> = (0..50).map(|_| executor.submit(who, ())).collect();
    begun.wait(1);
    // The only thread runs the long one; another server gets the others.
    let _second = serve(&nats, 1);
    for (n, handle) in (0..500).zip(short) {
        assert_eq!(outcome(handle).unwrap(), n * n);
    }
    // It was no attempt that they were about to begin.
    for handle in behind {
        assert_eq!(outcome(handle).unwrap().2, 1);
    }
    assert!(!long.is_finished());
    go.set();
    assert_eq!(outcome(long).unwrap(), 1);
    until(|| server.metrics().held == 0);
}

fn a_poison_job_becomes_a_dead_letter_and_is_sent_again() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let file = Sign::new();
    let victims: Vec<_> = (0..3).map(|_| Worker::start(&nats, 1)).collect();
    let (id, handle) = executor
        .retries(2)
        .submit_keyed("poison", kills, file.text());
    file.wait(3);
    let survivor = serve(&nats, 1);
    let end = lost(handle);
    assert!(end.contains("in attempt 3 of 3"), "{end}");
    assert_eq!(file.lines(), ["1", "2", "3"]);
    until(|| raw.count("jobs") == 0);
    survivor.shutdown();
    drop(victims);
    let letter = dead_letters(&executor).remove(0);
    assert_eq!(
        (letter.id(), letter.name(), letter.attempts()),
        (&id, "kills", 3)
    );
    assert!(letter.why().contains("gave no sign"));
    let again = letter.resend().unwrap();
    assert_ne!(again, id);
    let _fourth = Worker::start(&nats, 1);
    assert_eq!(file.wait(4)[3], "1");
    assert!(dead_letters(&executor).is_empty());
    // The old id keeps its outcome.
    assert!(error(executor.resume(kills, &id)).is_lost());
}

fn a_dead_letter_is_discarded() {
    let nats = NatsServer::start();
    let (executor, raw) = (connect(&nats), Raw::connect(&nats));
    let _old = Worker::with(&nats, 1, "few");
    let large = vec![0_u8; 2 << 20];
    assert!(error(executor.submit(crate::jobs::echo, large.into())).is_cancelled());
    assert!(error(executor.submit(who, ())).is_cancelled());
    until(|| dead_letters(&executor).len() == 2);
    for letter in executor.dead_letters() {
        letter.unwrap().discard().unwrap();
    }
    assert_eq!(raw.count("dead"), 0);
    assert_eq!(dead_letters(&executor).len(), 0);
}

fn a_job_that_runs_for_longer_than_outcomes_are_kept() {
    let nats = NatsServer::start();
    let keep = Duration::from_millis(400);
    let executor = crate::support::builder(&nats)
        .keep_results(keep)
        .connect()
        .unwrap();
    let _first = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let handle = executor.submit(write_and_wait, (begun.text(), go.text()));
    begun.wait(1);
    let _second = serve(&nats, 1);
    std::thread::sleep(3 * keep.max(LEASE));
    // Its mark is still there: nobody can cancel it, and nobody begins it again.
    assert!(!handle.cancel());
    // Nor has the other server been given it.
    assert_eq!(Raw::connect(&nats).redelivered("normal"), 0);
    go.set();
    assert_eq!(outcome(handle).unwrap(), 1);
    assert_eq!(begun.lines(), ["1"]);
}

fn a_job_is_told_to_end_by_its_server() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 1);
    let begun = Sign::new();
    let handle = executor.submit(crate::jobs::write_and_stop, begun.text());
    begun.wait(1);
    assert_eq!(server.shutdown_now(), 1);
    server.shutdown_timeout(HANG).unwrap();
    assert_eq!(outcome(handle).unwrap(), "stopped");
}
