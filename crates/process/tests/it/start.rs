//! How worker processes are started, and what is said if they cannot be.

use std::error::Error;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::time::Duration;

use workmill_process::workmill::{CancelReason, JoinError};
use workmill_process::{Builder, Jobs, ProcessPoolExecutor, StartError, serve_if_worker};

use crate::jobs::{self, jobs};
use crate::runner::tests;
use crate::support::{assert_works, builder, children, error, outcome, pool};
use crate::wire;

tests! {
    a_program_that_does_not_serve_is_told_what_to_write
    a_program_that_builds_a_pool_before_it_serves_is_told_so
    a_program_that_serves_late_serves
    a_program_that_does_not_exist_is_told
    a_program_with_other_jobs_is_told_which
    a_program_that_hangs_before_it_serves_is_killed
    a_start_that_fails_costs_no_job
    a_pool_that_has_given_up_refuses_all
    a_pool_in_a_worker_works
    a_child_of_a_worker_is_no_worker
    a_socket_as_standard_input_makes_no_worker
    a_program_that_was_deleted_starts_its_workers
    few_descriptors_are_told
    a_shortage_that_is_over_leaves_no_trace
    standard_output_is_that_of_the_parent
    a_closed_standard_output_is_harmless
    functions_that_are_not_registered_are_told
}

/// What workers do that are started with these arguments, before they would serve.
pub(crate) fn before_serving() {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--never"), _) => exit(0),
        (Some("--fail"), _) => {
            eprintln!("no flour");
            exit(3);
        }
        (Some("--kill"), _) => jobs::die(jobs::Death::Signal(9)),
        (Some("--build"), _) => match pool_in(jobs()) {
            Ok(_) => exit(0),
            Err(error) => {
                eprintln!("{error}");
                exit(1);
            }
        },
        (Some("--late"), _) => println!("this is printed by no worker"),
        (Some("--other"), _) => {
            let jobs = Jobs::new()
                .with("square", jobs::square)
                .with("nap", jobs::nap);
            serve_if_worker(jobs);
        }
        (Some("--hang"), _) => loop {
            std::thread::park();
        },
        (Some("--once"), Some(path)) if std::fs::remove_file(&path).is_ok() => exit(4),
        (Some("--rogue"), Some(how)) => wire::rogue(&how),
        _ => {}
    }
}

fn pool_in(jobs: Jobs) -> io::Result<ProcessPoolExecutor> {
    Builder::new(jobs).processes(1).build()
}

pub(crate) fn started_with(arguments: &[&str]) -> Builder {
    builder(1).worker_arguments(arguments.iter().copied())
}

/// Returns what is said of a failed start.
#[track_caller]
pub(crate) fn start_error(error: &JoinError) -> String {
    assert_eq!(
        error.cancel_reason(),
        Some(CancelReason::Rejected),
        "{error}"
    );
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<StartError>());
    source
        .unwrap_or_else(|| panic!("not a failed start: {error:?}"))
        .to_string()
}

#[track_caller]
pub(crate) fn failed_start(builder: Builder) -> String {
    let pool = builder.build().unwrap();
    let text = start_error(&error(pool.submit(jobs::square, 3)));
    assert_eq!(pool.metrics().failed_starts, 4);
    assert!(pool.is_shutdown());
    pool.shutdown();
    assert_eq!(children(), 0);
    text
}

fn a_program_that_does_not_serve_is_told_what_to_write() {
    let text = failed_start(started_with(&["--never"]));
    assert!(text.contains("exited with status 0"), "{text}");
    assert!(
        text.contains("`workmill_process::serve_if_worker` at the beginning"),
        "{text}"
    );
    let text = failed_start(started_with(&["--kill"]));
    assert!(text.ends_with("was ended by signal 9"), "{text}");
    let text = failed_start(started_with(&["--fail"]));
    assert!(
        text.contains("status 3") && text.ends_with("no flour"),
        "{text}"
    );
}

fn a_program_that_builds_a_pool_before_it_serves_is_told_so() {
    let text = failed_start(started_with(&["--build"]));
    assert!(text.contains("builds a pool before it serves"), "{text}");
}

fn a_program_that_serves_late_serves() {
    let pool = started_with(&["--late"]).build().unwrap();
    assert_works(&pool);
}

fn a_program_that_does_not_exist_is_told() {
    let text = failed_start(builder(1).worker_program("/nowhere/worker"));
    assert!(text.contains("cannot be started"), "{text}");
}

fn a_program_with_other_jobs_is_told_which() {
    let text = failed_start(started_with(&["--other"]));
    assert!(
        text.contains("has other jobs: [square, nap] in place of [square, echo,"),
        "{text}"
    );
    let text = failed_start(builder(1).worker_arguments(["--rogue", "version"]));
    assert!(
        text.contains("speaks version 99 of the protocol, not 1"),
        "{text}"
    );
}

fn a_program_that_hangs_before_it_serves_is_killed() {
    let limit = Duration::from_millis(50);
    let text = failed_start(started_with(&["--hang"]).start_timeout(limit));
    assert!(
        text.contains("did not say within 50ms that it serves"),
        "{text}"
    );
}

fn a_start_that_fails_costs_no_job() {
    let sign = crate::support::Sign::new();
    std::fs::write(&sign.0, "").unwrap();
    let pool = started_with(&["--once", &sign.text()]).build().unwrap();
    let handles: Vec<_> = (0..5).map(|n| pool.submit(jobs::square, n)).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(outcome(handle).unwrap(), n * n);
    }
    assert_eq!(pool.metrics().failed_starts, 1);
}

fn a_pool_that_has_given_up_refuses_all() {
    let pool = started_with(&["--never"]).build().unwrap();
    let handles: Vec<_> = (0..100).map(|n| pool.submit(jobs::square, n)).collect();
    for handle in handles {
        start_error(&error(handle));
    }
    start_error(&error(pool.submit(jobs::square, 1)));
    assert_eq!(pool.metrics().failed_starts, 4);
    assert!(pool.start_error().is_some());
    pool.wait_idle().unwrap();
}

fn a_pool_in_a_worker_works() {
    assert_eq!(outcome(pool(1).submit(jobs::nest, 5)).unwrap(), 25);
}

fn a_child_of_a_worker_is_no_worker() {
    let list = outcome(pool(1).submit(jobs::environment, ())).unwrap();
    assert!(list.contains("a_child_of_a_worker_is_no_worker"), "{list}");
}

fn a_socket_as_standard_input_makes_no_worker() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg("--list")
        .stdin(std::os::fd::OwnedFd::from(theirs));
    command
        .env("WORKMILL_PROCESS_WORKER", "8:15")
        .env_remove(crate::runner::ALONE);
    let output = command.output().unwrap();
    assert!(output.status.success() && !output.stdout.is_empty());
    drop(ours);
}

fn a_program_that_was_deleted_starts_its_workers() {
    let copy = crate::support::Sign::new();
    std::fs::copy(std::env::current_exe().unwrap(), &copy.0).unwrap();
    let mut command = Command::new(&copy.0);
    command.env(crate::runner::ALONE, "start::few_descriptors_are_told");
    // The test below removes its own program, if it is such a copy.
    let output = command
        .env("WORKMILL_PROCESS_COPY", "1")
        .arg0("copy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(!copy.is_there());
}

fn few_descriptors_are_told() {
    if std::env::var_os("WORKMILL_PROCESS_COPY").is_some() {
        std::fs::remove_file(std::env::current_exe().unwrap()).unwrap();
        return assert_works(&pool(1));
    }
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let pool = pool(4);
    let before = getrlimit(Resource::Nofile);
    let limit = |current| {
        let maximum = before.maximum;
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    limit(Some(14));
    // One process fits, or none; what is said is the system's word for it.
    match outcome(pool.submit(jobs::square, 3)) {
        Ok(nine) => assert_eq!(nine, 9),
        Err(error) => {
            let text = start_error(&error);
            assert!(text.contains("Too many open files"), "{text}");
        }
    }
    limit(Some(64));
    let other = crate::support::pool(4);
    let handles: Vec<_> = (0..20).map(|_| other.submit(jobs::nap, 5)).collect();
    assert!(handles.into_iter().all(|handle| outcome(handle).is_ok()));
}

fn a_shortage_that_is_over_leaves_no_trace() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let pool = pool(3);
    assert_eq!(outcome(pool.submit(jobs::square, 3)).unwrap(), 9);
    let before = getrlimit(Resource::Nofile);
    let limit = |current| {
        let maximum = before.maximum;
        setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    };
    let keep_busy = || {
        let naps: Vec<_> = (0..9).map(|_| pool.submit(jobs::nap, 5)).collect();
        naps.into_iter().for_each(|nap| drop(outcome(nap)));
    };
    // Not one more than there are.
    limit(Some(3));
    while pool.metrics().failed_starts < 4 {
        keep_busy();
    }
    limit(before.current);
    while pool.metrics().started < 3 {
        keep_busy();
    }
}

fn standard_output_is_that_of_the_parent() {
    let paths = outcome(pool(1).submit(jobs::standard, ())).unwrap();
    assert_eq!(paths[0], "/dev/null");
    let ours = std::fs::read_link("/proc/self/fd/1").unwrap();
    assert_eq!(paths[1], ours.to_str().unwrap());
    assert!(paths[2].starts_with("pipe:"), "{paths:?}");
}

fn a_closed_standard_output_is_harmless() {
    // std opens /dev/null for what is closed when a program starts, so this closes it later.
    jobs::close_standard_output();
    let pool = pool(1);
    outcome(pool.submit(jobs::print, "nowhere".to_owned())).unwrap();
    assert_works(&pool);
}

fn functions_that_are_not_registered_are_told() {
    fn unknown(n: u64) -> u64 {
        n
    }
    let pool = pool(1);
    let error = error(pool.submit(unknown, 3));
    let text = error.source().unwrap().to_string();
    assert!(
        text.contains("unknown is not registered as a job: add `.with("),
        "{text}"
    );
    assert_eq!(pool.metrics().processes, 0);
}
