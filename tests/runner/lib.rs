//! Runs each test of a program in a process of its own: this program, started anew.
//!
//! It is for tests that kill, stop or fork processes, and for programs that are worker processes
//! themselves. Such a program has a `main` of its own (`harness = false`), and takes part of the
//! names of tests as its arguments, as libtest does.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A test, and the name of its function.
pub type Test = (&'static str, fn());

/// The entry of the environment that names the test that a process is to run.
pub const ALONE: &str = "WORKMILL_TEST_ALONE";

/// How the tests are run.
#[derive(Debug, Clone, Copy)]
pub struct Runner {
    /// The number of tests that run at a time.
    pub at_a_time: usize,
    /// The time after which a test hangs. It is killed then, with all of its process group.
    pub limit: Duration,
}

/// Makes `TESTS`, the list of these functions with their names.
#[macro_export]
macro_rules! tests {
    ($($test:ident)+) => {
        pub(crate) const TESTS: &[$crate::Test] = &[$((stringify!($test), $test)),+];
    };
}

impl Runner {
    /// Runs the tests of these modules whose names contain one of the arguments, and prints what
    /// becomes of them. In a process that was started for one test, runs that test.
    pub fn main(self, modules: &[(&str, &[Test])]) -> ExitCode {
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
        let names = all.map(|(name, _)| name);
        if std::env::args().any(|it| it == "--list") {
            names.for_each(|name| println!("{name}: test"));
            return ExitCode::SUCCESS;
        }
        // Flags are those of libtest, and have no effect.
        let filters: Vec<_> = std::env::args()
            .skip(1)
            .filter(|it| !it.starts_with('-'))
            .collect();
        let is_meant =
            |name: &String| filters.is_empty() || filters.iter().any(|it| name.contains(it));
        self.run_all(names.filter(is_meant))
    }

    fn run_all(self, names: impl Iterator<Item = String> + Send) -> ExitCode {
        let left = Mutex::new(names);
        let failed = AtomicUsize::new(0);
        let passed = AtomicUsize::new(0);
        let next = || left.lock().expect("no test panics here").next();
        let run_some = || {
            while let Some(name) = next() {
                let began = Instant::now();
                // ORDERING: Relaxed: the end of the scope orders the counts.
                match run(&name, self.limit) {
                    Ok(()) => {
                        println!("test {name} ... ok ({:.1?})", began.elapsed());
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(what) => {
                        println!("test {name} ... FAILED: {what}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.at_a_time {
                scope.spawn(run_some);
            }
        });
        let (passed, failed) = (passed.into_inner(), failed.into_inner());
        println!("\ntest result: {passed} passed; {failed} failed");
        match failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}

fn run(name: &str, limit: Duration) -> Result<(), String> {
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
    let output = receive.recv_timeout(limit);
    let end = || rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    let Ok(output) = output else {
        let _ = end();
        return Err(format!("not at its end after {limit:?}"));
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
