//! Runs each test in a process of its own, some at a time: most of them wait for leases.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) type Test = (&'static str, fn());

/// The entry of the environment that names the test that a process is to run.
const ALONE: &str = "WORKMILL_NATS_TEST";

/// The number of tests that run at a time.
const AT_A_TIME: usize = 3;

/// The time after which a test hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Names each function of a list.
macro_rules! tests {
    ($($test:ident)+) => {
        pub(crate) const TESTS: &[crate::runner::Test] = &[$((stringify!($test), $test)),+];
    };
}
pub(crate) use tests;

pub(crate) fn main(modules: &[(&str, &[Test])]) -> ExitCode {
    let all = modules.iter().flat_map(|(module, tests)| {
        tests
            .iter()
            .map(move |(name, test)| (format!("{module}::{name}"), *test))
    });
    if let Ok(alone) = std::env::var(ALONE) {
        let (_, test) = all
            .clone()
            .find(|(name, _)| *name == alone)
            .expect("a test");
        test();
        return ExitCode::SUCCESS;
    }
    // Flags are those of libtest, and have no effect.
    let filters: Vec<_> = std::env::args()
        .skip(1)
        .filter(|it| !it.starts_with('-'))
        .collect();
    let is_meant = |name: &str| filters.is_empty() || filters.iter().any(|it| name.contains(it));
    if std::env::args().any(|it| it == "--list") {
        all.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    crate::support::sweep();
    let left = Mutex::new(all.filter(|(name, _)| is_meant(name)));
    let failed = Mutex::new(Vec::new());
    let passed = AtomicUsize::new(0);
    let next = || left.lock().expect("no test panics here").next();
    let run_some = || {
        while let Some((name, _)) = next() {
            let began = Instant::now();
            match run(&name) {
                Ok(()) => {
                    println!("test {name} ... ok ({:.1?})", began.elapsed());
                    passed.fetch_add(1, Ordering::Relaxed);
                }
                Err(what) => {
                    println!("test {name} ... FAILED: {what}");
                    failed.lock().expect("no test panics here").push(name);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(run_some);
        }
    });
    let failed = failed.into_inner().expect("no test panics here");
    let passed = passed.into_inner();
    println!("\ntest result: {passed} passed; {} failed", failed.len());
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn run(name: &str) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.env(ALONE, name).env("RUST_BACKTRACE", "0");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = command.spawn().expect("this program can be started");
    let group = rustix::process::Pid::from_child(&child);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output()));
    let output = receive.recv_timeout(LIMIT);
    let end = || rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let Ok(output) = output else {
        let _ = end();
        return Err(format!("not at its end after {LIMIT:?}"));
    };
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}
