//! A cancel stops its job, tells the truth, and hurts nobody else.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use workmill_process::workmill::{CancelReason, CancelToken};

use crate::jobs;
use crate::runner::tests;
use crate::support::{
    HANG, Sign, assert_works, builder, children, error, is_alive, kill, lost, outcome, path, pool,
    until,
};

tests! {
    a_cancel_stops_a_running_job
    a_cancel_stops_a_job_that_has_left_its_group
    the_handle_resolves_when_the_process_is_dead
    no_innocent_dies_at_any_moment_of_a_cancel
    no_innocent_dies_though_jobs_are_sent_ahead
    a_cancelled_job_that_had_not_begun_never_runs
    a_storm_of_cancels_does_not_end_the_pool
    cancels_race_shutdowns
    cancels_race_deaths
    cancels_race_time_limits
    a_time_limit_stops_its_job_alone
    time_limits_race_the_ends_of_their_jobs
    the_time_of_a_job_begins_when_the_one_before_it_is_cancelled
    a_process_whose_only_job_was_taken_back_ends_after_keep_alive
    a_token_stops_what_runs_by_its_view
    an_expired_job_does_not_begin
    shutdown_now_stops_all
    a_job_behind_a_long_one_is_taken_by_an_idle_process
    a_dropped_handle_cancels_nothing
    a_process_that_floods_standard_error_can_be_cancelled
    standard_error_that_nobody_reads_holds_up_nothing_else
    a_cancel_at_the_end_leaves_a_pool_that_works
}

fn a_cancel_stops_a_running_job() {
    let pool = pool(1);
    let sign = Sign::new();
    let handle = pool.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    assert!(handle.is_running() && !handle.is_finished());
    let began = Instant::now();
    assert!(handle.cancel());
    assert_eq!(error(handle).cancel_reason(), Some(CancelReason::Cancelled));
    assert!(began.elapsed() < HANG);
    assert_works(&pool);
    assert_eq!(pool.metrics().failed_starts, 0);
}

fn a_cancel_stops_a_job_that_has_left_its_group() {
    let pool = pool(1);
    let sign = Sign::new();
    let handle = pool.submit(jobs::leave_and_hang, sign.text());
    sign.wait();
    assert!(handle.cancel());
    assert!(error(handle).is_cancelled());
    assert_works(&pool);
}

fn the_handle_resolves_when_the_process_is_dead() {
    let pool = pool(1);
    for _ in 0..50 {
        let sign = Sign::new();
        let handle = pool.submit(jobs::begin_and_hang, sign.text());
        let process: u32 = sign.wait().parse().unwrap();
        assert!(is_alive(process));
        assert!(handle.cancel());
        assert!(error(handle).is_cancelled());
        // It is reaped as well, and so is the process that the next job may have.
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}

/// Cancels a job at all moments of its life, with others around it. None of these may be lost.
fn storm(processes: usize, rounds: u32, ahead: u32) {
    let pool = pool(processes);
    assert_works(&pool);
    let (mut cancelled, mut finished) = (0, 0);
    for round in 0..rounds {
        let guilty = pool.submit(jobs::nap, u64::from(round % 3));
        let innocents: Vec<_> = (0..ahead)
            .map(|n| pool.submit(jobs::square, n.into()))
            .collect();
        let began = Instant::now();
        let moment = Duration::from_micros(u64::from(round) * 37 % 4000);
        while began.elapsed() < moment {
            std::hint::spin_loop();
        }
        let said = guilty.cancel();
        match outcome(guilty) {
            Ok(()) => {
                assert!(!said, "a value after `true`");
                finished += 1;
            }
            Err(error) => {
                assert!(said && error.is_cancelled(), "{error}");
                cancelled += 1;
            }
        }
        for (n, innocent) in (0..u64::from(ahead)).zip(innocents) {
            let outcome = outcome(innocent);
            assert_eq!(outcome.expect("an innocent"), n * n);
        }
    }
    assert!(
        cancelled > 0 && finished > 0,
        "{cancelled} cancelled, {finished} finished"
    );
    assert_eq!(pool.metrics().lost_jobs, 0);
    pool.shutdown();
    assert_eq!(children(), 0);
}

fn no_innocent_dies_at_any_moment_of_a_cancel() {
    storm(1, 400, 1);
}

fn no_innocent_dies_though_jobs_are_sent_ahead() {
    storm(1, 200, 3);
    storm(2, 200, 6);
}

fn a_cancelled_job_that_had_not_begun_never_runs() {
    let pool = pool(1);
    let file = Sign(path());
    let sign = Sign::new();
    let first = pool.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    // Two are sent ahead, others are in the queue.
    let behind: Vec<_> = (0..6)
        .map(|n| pool.submit(jobs::append, (file.text(), n.to_string())))
        .collect();
    for handle in &behind {
        assert!(handle.cancel());
    }
    for handle in behind {
        assert!(error(handle).is_cancelled());
    }
    assert_eq!(pool.metrics().died, 0, "they had not begun");
    let last = pool.submit(jobs::append, (file.text(), "last".to_owned()));
    assert!(first.cancel());
    outcome(last).unwrap();
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "last\n");
}

fn a_storm_of_cancels_does_not_end_the_pool() {
    let pool = pool(2);
    for _ in 0..300 {
        let handles = [pool.submit(jobs::hang, ()), pool.submit(jobs::hang, ())];
        for handle in handles {
            assert!(handle.cancel());
            assert!(error(handle).is_cancelled());
        }
    }
    assert!(pool.start_error().is_none());
    assert_eq!(pool.metrics().failed_starts, 0);
    assert_works(&pool);
}

fn cancels_race_shutdowns() {
    for round in 0..30 {
        let pool = pool(2);
        let handles: Vec<_> = (0..6).map(|_| pool.submit(jobs::nap, 1)).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(round * 100));
                handles.iter().for_each(|handle| _ = handle.cancel());
            });
            pool.shutdown();
        });
        assert!(handles.iter().all(|handle| handle.is_finished()));
        assert_eq!(children(), 0);
    }
}

fn cancels_race_deaths() {
    let pool = pool(2);
    for round in 0..100 {
        let _ = outcome(pool.submit(jobs::die_later, round % 10 * 50));
        let handle = pool.submit(jobs::nap, 1);
        let said = handle.cancel();
        match outcome(handle) {
            Ok(()) => assert!(!said),
            Err(error) => assert!(error.is_cancelled() == said && (said || error.is_lost())),
        }
    }
    assert!(pool.start_error().is_none());
    pool.retries(20).submit(jobs::square, 3).join().unwrap();
}

fn cancels_race_time_limits() {
    let pool = pool(2);
    let limited = pool.timeout(Duration::from_millis(2));
    for round in 0..100 {
        let handle = limited.submit(jobs::hang, ());
        until(|| pool.metrics().sent_jobs == 1 || handle.is_finished());
        thread::sleep(Duration::from_micros(round * 40));
        let said = handle.cancel();
        let error = error(handle);
        assert!(
            if said {
                error.is_cancelled()
            } else {
                error.is_lost()
            },
            "{error}"
        );
    }
    assert_works(&pool);
}

fn a_time_limit_stops_its_job_alone() {
    let pool = pool(1);
    let limited = pool.timeout(Duration::from_millis(100));
    let behind = pool.submit(jobs::square, 2);
    let slow = limited.submit(jobs::hang, ());
    let after: Vec<_> = (0..4).map(|n| limited.submit(jobs::square, n)).collect();
    assert_eq!(outcome(behind).unwrap(), 4);
    assert_eq!(
        lost(slow),
        "was killed, since the job ran for longer than 100ms"
    );
    for (n, handle) in (0..).zip(after) {
        assert_eq!(outcome(handle).unwrap(), n * n);
    }
    let retried = limited.retries(3).submit(jobs::hang, ());
    assert!(lost(retried).contains("longer than"), "it is not retried");
    assert_eq!(pool.metrics().died, 2);
}

fn a_token_stops_what_runs_by_its_view() {
    let pool = pool(2);
    let token = CancelToken::new();
    let view = pool.cancel_with(&token);
    let sign = Sign::new();
    let running = view.submit(jobs::begin_and_hang, sign.text());
    let other = pool.submit(jobs::nap, 50);
    sign.wait();
    token.cancel();
    assert!(error(running).is_cancelled());
    assert!(error(view.submit(jobs::square, 3)).is_cancelled());
    outcome(other).unwrap();
}

fn an_expired_job_does_not_begin() {
    let pool = pool(1);
    let sign = Sign::new();
    let hanging = pool.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    let ahead = [1, 2].map(|n| pool.submit(jobs::square, n));
    let hurried = pool.start_within(Duration::from_millis(20));
    let late = hurried.submit(jobs::square, 3);
    assert_eq!(error(late).cancel_reason(), Some(CancelReason::Expired));
    hanging.cancel();
    assert_eq!(ahead.map(|handle| outcome(handle).unwrap()), [1, 4]);
}

fn shutdown_now_stops_all() {
    let pool = pool(2);
    let signs = [Sign::new(), Sign::new()];
    let mut handles: Vec<_> = signs
        .iter()
        .map(|sign| pool.submit(jobs::begin_and_hang, sign.text()))
        .collect();
    signs.iter().for_each(|sign| drop(sign.wait()));
    handles.extend((0..10).map(|_| pool.submit(jobs::hang, ())));
    assert_eq!(pool.shutdown_now(), 12);
    for handle in handles {
        assert_eq!(error(handle).cancel_reason(), Some(CancelReason::Shutdown));
    }
    pool.shutdown();
    assert!(pool.is_terminated());
    assert_eq!(children(), 0);
}

fn a_job_behind_a_long_one_is_taken_by_an_idle_process() {
    let pool = builder(2).min_processes(2).build().unwrap();
    until(|| pool.metrics().idle_processes == 2);
    let sign = Sign::new();
    let long = pool.submit(jobs::begin_and_hang, sign.text());
    sign.wait();
    // These are sent ahead to both; those behind the long one come through all the same.
    let short: Vec<_> = (0..50).map(|n| pool.submit(jobs::square, n)).collect();
    for (n, handle) in (0..).zip(short) {
        assert_eq!(outcome(handle).unwrap(), n * n);
    }
    assert!(long.cancel());
    assert_eq!(pool.metrics().lost_jobs, 0);
}

fn a_dropped_handle_cancels_nothing() {
    let pool = pool(1);
    let file = Sign(path());
    drop(pool.submit(jobs::append, (file.text(), "done".to_owned())));
    pool.wait_idle().unwrap();
    assert!(file.is_there());
}

fn a_cancel_at_the_end_leaves_a_pool_that_works() {
    let pool = pool(1);
    for _ in 0..1000 {
        let handle = pool.submit(jobs::square, 3);
        let cancel = handle.cancel_handle();
        thread::scope(|scope| {
            scope.spawn(move || cancel.cancel());
            match outcome(handle) {
                Ok(nine) => assert_eq!(nine, 9),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        });
    }
    assert_works(&pool);
}

fn a_process_that_floods_standard_error_can_be_cancelled() {
    // What it writes is passed on to the one that reads our standard error, or does not: that may
    // hold the flood up, and nothing else.
    let pool = pool(2);
    let sign = Sign::new();
    let flood = pool.submit(jobs::flood, sign.text());
    sign.wait();
    for n in 0..100 {
        assert_eq!(outcome(pool.submit(jobs::square, n)).unwrap(), n * n);
    }
    assert!(flood.cancel());
    assert!(error(flood).is_cancelled());
}

fn standard_error_that_nobody_reads_holds_up_nothing_else() {
    let (unread, full) = rustix::pipe::pipe().unwrap();
    rustix::stdio::dup2_stderr(full).unwrap();
    let pool = pool(2);
    let sign = Sign::new();
    let flood = pool.submit(jobs::flood, sign.text());
    sign.wait();
    for n in 0..100 {
        assert_eq!(outcome(pool.submit(jobs::square, n)).unwrap(), n * n);
    }
    assert!(flood.cancel());
    assert!(error(flood).is_cancelled());
    // Writes fail from now on, and the pool can end.
    drop(unread);
}

/// The limit is over when the job has ended, its answer has not been read, and the next has begun.
fn time_limits_race_the_ends_of_their_jobs() {
    let pool = pool(1);
    for round in 0..300 {
        // A nap of a millisecond takes a little longer; how much depends on the machine.
        let limit = Duration::from_micros(1050 + round % 20 * 20);
        let limited = pool.timeout(limit);
        let handles = [(); 3].map(|()| limited.submit(jobs::nap, 1));
        for handle in handles {
            if let Err(error) = outcome(handle) {
                assert!(error.is_lost(), "{error}");
            }
        }
    }
}

/// Returns a pool whose one process is stopped, and the number of that.
fn stopped(builder: workmill_process::Builder) -> (workmill_process::ProcessPoolExecutor, u32) {
    let pool = builder.build().unwrap();
    let process = outcome(pool.submit(jobs::id, ())).unwrap();
    kill(process, Signal::STOP);
    (pool, process)
}

fn the_time_of_a_job_begins_when_the_one_before_it_is_cancelled() {
    let (pool, process) = stopped(builder(1));
    let first = pool.submit(jobs::square, 3);
    let second = pool
        .timeout(Duration::from_millis(50))
        .submit(jobs::hang, ());
    until(|| pool.metrics().sent_jobs == 2);
    assert!(first.cancel());
    assert!(error(first).is_cancelled());
    kill(process, Signal::CONT);
    let how = lost(second);
    assert!(how.contains("ran for longer than 50ms"), "{how}");
}

fn a_process_whose_only_job_was_taken_back_ends_after_keep_alive() {
    let (pool, process) = stopped(builder(1).keep_alive(Duration::from_millis(100)));
    let only = pool.submit(jobs::square, 3);
    until(|| pool.metrics().sent_jobs == 1);
    // The time that began before it was sent is over.
    thread::sleep(Duration::from_millis(200));
    assert!(only.cancel());
    assert!(error(only).is_cancelled());
    kill(process, Signal::CONT);
    until(|| pool.metrics().processes == 0);
}
