//! What programs write.

use std::time::Duration;

use workmill_nats::workmill::{CancelReason, CancelToken, Overflow, Priority};
use workmill_nats::{JobExecutor, NatsErrorKind, NotRegistered};

use crate::jobs::{
    echo, make, panics, shifted, square, who, write, write_and_wait, write_and_wait_untold,
};
use crate::runner::tests;
use crate::support::{NatsServer, Sign, builder, connect, error, outcome, serve, until};

tests! {
    four_ways_to_submit
    errors_come_by_the_handle
    a_job_knows_its_key_and_attempt
    priorities_are_kept
    a_view_expires_and_cancels
    large_values_go_both_ways
    results_of_all_sizes_come_at_once
    the_executor_is_a_job_executor
    shutdown_waits_for_what_was_accepted
    settings_that_make_no_sense
    handles_are_futures_and_mix_with_others
}

fn four_ways_to_submit() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let server = serve(&nats, 2);
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
    assert_eq!(
        outcome(executor.try_submit(square, 4).unwrap()).unwrap(),
        16
    );
    let five = executor.submit_timeout(square, 5, Duration::from_secs(5));
    assert_eq!(outcome(five.unwrap()).unwrap(), 25);
    let six = futures_lite::future::block_on(executor.submit_async(square, 6));
    assert_eq!(outcome(six.unwrap()).unwrap(), 36);
    let handles: Vec<_> = (0..500).map(|n| executor.submit(square, n)).collect();
    for (n, handle) in handles.into_iter().enumerate() {
        assert_eq!(outcome(handle).unwrap(), (n * n) as u64);
    }
    let counted = executor.metrics();
    assert_eq!(
        (counted.done, counted.accepted, counted.pending),
        (504, 504, 0)
    );
    executor.shutdown();
    assert!(error(executor.submit(square, 1)).is_cancelled());
    assert!(executor.try_submit(square, 1).unwrap_err().is_shutdown());
    server.shutdown();
    assert_eq!(server.metrics().stored, 504);
}

fn errors_come_by_the_handle() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let panicked = error(executor.submit(panics, "no flour".to_owned()));
    assert_eq!(panicked.panic_message(), Some("no flour"));
    assert_eq!(panicked.to_string(), "the task panics panicked: no flour");
    let unknown = error(executor.submit(crate::jobs::cube, 3));
    let source = std::error::Error::source(&unknown).unwrap();
    assert!(source.is::<NotRegistered>(), "{unknown}");
    // The worker goes on.
    assert_eq!(outcome(executor.submit(square, 3)).unwrap(), 9);
}

fn a_job_knows_its_key_and_attempt() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let (id, handle) = executor.submit_keyed("invoice 4711", who, ());
    let known = ("who".to_owned(), id.to_string(), 1);
    assert_eq!(outcome(handle).unwrap(), known);
    assert_eq!(id.as_str(), "key.invoice=204711");
}

fn priorities_are_kept() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let file = Sign::new();
    let submit = |priority, line: &str| {
        let view = executor.priority(priority);
        let handle = view.try_submit(write, (file.text(), line.to_owned()));
        handle.unwrap()
    };
    let mut handles = Vec::new();
    for n in 0..4 {
        handles.push(submit(Priority::Low, &format!("low {n}")));
        handles.push(submit(Priority::Normal, &format!("normal {n}")));
        handles.push(submit(Priority::High, &format!("high {n}")));
    }
    let _server = serve(&nats, 1);
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    let expected: Vec<_> = ["high", "normal", "low"]
        .iter()
        .flat_map(|priority| (0..4).map(move |n| format!("{priority} {n}")))
        .collect();
    assert_eq!(file.lines(), expected);
}

fn a_view_expires_and_cancels() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let soon = executor.start_within(Duration::from_millis(50));
    let expired = error(soon.submit(square, 3));
    assert_eq!(expired.cancel_reason(), Some(CancelReason::Expired));
    let token = CancelToken::new();
    let bound = executor.cancel_with(&token);
    let (first, second) = (bound.submit(square, 3), bound.submit(square, 3));
    token.cancel();
    let reason = |it| error(it).cancel_reason();
    assert_eq!(reason(first), Some(CancelReason::Cancelled));
    assert_eq!(reason(second), Some(CancelReason::Cancelled));
    assert_eq!(
        reason(bound.submit(square, 3)),
        Some(CancelReason::Cancelled)
    );
    // What has begun in time is left alone.
    let _server = serve(&nats, 1);
    let (begun, go) = (Sign::new(), Sign::new());
    let soon = executor.start_within(Duration::from_millis(500));
    let runs = soon.submit(write_and_wait_untold, (begun.text(), go.text()));
    begun.wait(1);
    std::thread::sleep(Duration::from_millis(700));
    go.set();
    assert!(outcome(runs).unwrap());
}

fn large_values_go_both_ways() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let back = outcome(executor.submit(echo, large.clone().into())).unwrap();
    assert!(back.into_vec() == large);
    // One way only, around the limit of a message.
    for size in [
        1 << 20,
        (1 << 20) - 4096,
        (1 << 20) - 4200,
        (1 << 20) - 8192,
    ] {
        assert_eq!(outcome(executor.submit(make, size)).unwrap().len(), size);
    }
    // And once more from the server: in one message, and in an object.
    for (key, size) in [("large", (1 << 20) - 4200), ("larger", 2 << 20)] {
        let (id, handle) = executor.submit_keyed(key, make, size);
        assert_eq!(outcome(handle).unwrap().len(), size);
        assert_eq!(outcome(executor.resume(make, &id)).unwrap().len(), size);
    }
}

/// Small ones are told with the server's answer to the worker; others have to be read then.
fn results_of_all_sizes_come_at_once() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    for size in (180..280).chain([0, 1, 1000, 10_000, 100_000]) {
        let made = outcome(executor.submit(make, size)).unwrap();
        assert_eq!(made.into_vec(), vec![7; size]);
    }
    // With the longest subject that there is.
    let longest = "ä".repeat(128);
    for (at, size) in (180..280).step_by(20).enumerate() {
        let key = &longest[..longest.len() - 2 * at];
        let (_, made) = executor.submit_keyed(key, make, size);
        assert_eq!(outcome(made).unwrap().len(), size);
    }
}

/// Knows nothing of where its jobs run.
fn squares(executor: &impl JobExecutor) -> u64 {
    let handles: Vec<_> = (0..10).map(|n| executor.submit_job(square, n)).collect();
    handles.into_iter().map(|it| outcome(it).unwrap()).sum()
}

fn the_executor_is_a_job_executor() {
    let nats = NatsServer::start();
    let _server = serve(&nats, 2);
    let executor = connect(&nats);
    assert_eq!(squares(&executor), 285);
    assert_eq!(squares(&executor.handle()), 285);
    assert_eq!(squares(&workmill::ThreadPoolExecutor::new(1).unwrap()), 285);
}

fn shutdown_waits_for_what_was_accepted() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let (begun, go) = (Sign::new(), Sign::new());
    let waits = executor.submit(write_and_wait, (begun.text(), go.text()));
    drop(executor.submit(square, 3));
    let busy = executor
        .shutdown_timeout(Duration::from_millis(50))
        .unwrap_err();
    assert_eq!(busy.jobs().len(), 2, "{busy}");
    let server = serve(&nats, 1);
    begun.wait(1);
    let busy = server
        .shutdown_timeout(Duration::from_millis(50))
        .unwrap_err();
    assert_eq!(busy.jobs().len(), 1, "{busy}");
    go.set();
    server.shutdown();
    assert_eq!(outcome(waits).unwrap(), 1);
    // The other job was not begun by a server that stops.
    let _another = serve(&nats, 1);
    executor.shutdown();
    assert_eq!(executor.metrics().pending, 0);
}

fn settings_that_make_no_sense() {
    let nats = NatsServer::start();
    let refused = [
        builder(&nats).namespace("a.b").connect(),
        builder(&nats).queue_capacity(0).connect(),
        builder(&nats).replicas(0).connect(),
        builder(&nats).overflow(Overflow::DropOldest).connect(),
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), NatsErrorKind::Settings);
    }
}

fn handles_are_futures_and_mix_with_others() {
    let nats = NatsServer::start();
    let executor = connect(&nats);
    let _server = serve(&nats, 1);
    let text = futures_lite::future::block_on(executor.submit(shifted, ("oats".to_owned(), 3)));
    assert_eq!(text.unwrap(), "oats 3");
    let threads = workmill::ThreadPoolExecutor::new(1).unwrap();
    let mixed = [executor.submit(square, 3), threads.submit(|| 16)];
    let all = workmill::join_all(mixed);
    assert!(matches!(all[..], [Ok(9), Ok(16)]));
    // A callback is called by a thread that may wait for other jobs.
    let (send, receive) = std::sync::mpsc::channel();
    let again = executor.handle();
    executor.submit(square, 2).on_done(move |outcome| {
        let next = again.submit(square, outcome.unwrap()).join();
        send.send(next.unwrap()).unwrap();
    });
    assert_eq!(receive.recv_timeout(crate::support::HANG), Ok(16));
    until(|| executor.metrics().pending == 0);
}
