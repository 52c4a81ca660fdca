//! Process pools in tests of the standard harness, whose `main` cannot serve.

#![cfg(any(target_os = "linux", target_os = "macos"))]

use std::error::Error;

use workmill_process::{Builder, Jobs, StartError, serve_if_worker};

fn square(n: u64) -> u64 {
    n * n
}

fn print() {
    println!("a job prints this");
}

fn jobs() -> Jobs {
    Jobs::new().with("square", square).with("print", print)
}

/// Where worker processes begin.
#[test]
fn worker() {
    serve_if_worker(jobs());
}

fn pool(test: &str) -> workmill_process::ProcessPoolExecutor {
    let builder = Builder::new(jobs()).processes(1);
    builder.worker_test(test).build().unwrap()
}

#[test]
fn a_worker_is_a_test_that_serves() {
    let pool = pool("worker");
    assert_eq!(pool.submit(square, 3).join().unwrap(), 9);
    pool.submit(print, ()).join().unwrap();
}

#[test]
fn several_tests_have_pools_at_the_same_time() {
    let pools = [pool("worker"), pool("worker")];
    let handles = pools.each_ref().map(|pool| pool.submit(square, 4));
    assert_eq!(handles.map(|handle| handle.join().unwrap()), [16, 16]);
}

#[test]
fn a_test_that_is_missing_is_a_failed_start() {
    let error = pool("missing").submit(square, 3).join().unwrap_err();
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<StartError>());
    let text = source.expect("a failed start").to_string();
    assert!(
        text.contains("exited with status 0; does its program call"),
        "{text}"
    );
}
