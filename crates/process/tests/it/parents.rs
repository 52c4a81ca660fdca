//! The death of a parent ends its workers, whatever they are doing.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::jobs::{self, Child};
use crate::runner::tests;
use crate::support::{Sign, builder, is_alive, is_stopped, kill, until};

tests! {
    workers_end_when_their_parent_is_killed
    is_parent_idle
    is_parent_busy
    is_parent_writing
    is_parent_with_family
    is_parent_of_stopped
    is_parent_of_strayed
}

/// What a parent has its workers do, after which it waits to be killed: the last words of the names
/// of tests that are such parents.
const PARENTS: [&str; 6] = [
    "idle",
    "busy",
    "writing",
    "with_family",
    "of_stopped",
    "of_strayed",
];

/// The entry of the environment that names the file in which a parent lists its workers.
const FILE: &str = "WORKMILL_PROCESS_PARENT";

fn workers_end_when_their_parent_is_killed() {
    for parent in PARENTS {
        let file = Sign::new();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(crate::runner::ALONE, format!("parents::is_parent_{parent}"));
        command
            .env(FILE, file.text())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let listed = file.wait();
        let processes: Vec<u32> = listed.split(' ').map(|it| it.parse().unwrap()).collect();
        assert!(
            processes.iter().all(|it| is_alive(*it)),
            "{parent}: {listed}"
        );
        kill(child.id(), Signal::KILL);
        child.wait().unwrap();
        until(|| !processes.iter().any(|it| is_alive(*it)));
    }
}

/// Lists workers and what they have started, and waits to be killed. Nothing, if this is a test.
fn parent(list: impl FnOnce() -> String) {
    if let Ok(file) = std::env::var(FILE) {
        std::fs::write(file, format!("{}\n", list())).unwrap();
        loop {
            std::thread::park();
        }
    }
}

fn is_parent_idle() {
    let pool = builder(1).build().unwrap();
    parent(|| pool.submit(jobs::id, ()).join().unwrap().to_string());
}

fn is_parent_busy() {
    let pool = builder(1).build().unwrap();
    let sign = Sign::new();
    parent(|| {
        pool.execute(jobs::begin_and_hang, sign.text());
        sign.wait()
    });
}

fn is_parent_writing() {
    let pool = builder(1).build().unwrap();
    parent(|| {
        let id = pool.submit(jobs::id, ()).join().unwrap();
        // Large arguments and large results, of which some are on their way at any time.
        std::thread::spawn(move || {
            loop {
                let bytes = workmill_process::Bytes::from(vec![1; 8 << 20]);
                let _ = pool.submit(jobs::echo, bytes).join();
            }
        });
        id.to_string()
    });
}

fn is_parent_with_family() {
    let pool = builder(2).build().unwrap();
    let signs = [Sign::new(), Sign::new()];
    parent(|| {
        pool.execute(
            jobs::begin_and_spawn,
            (Child::Forked, signs[0].text(), false),
        );
        pool.execute(
            jobs::begin_and_spawn,
            (Child::Executed, signs[1].text(), false),
        );
        signs.each_ref().map(Sign::wait).join(" ")
    });
}

fn is_parent_of_stopped() {
    let pool = builder(1).build().unwrap();
    let sign = Sign::new();
    parent(|| {
        pool.execute(jobs::begin_and_hang, sign.text());
        let process = sign.wait();
        let number = process.parse().unwrap();
        kill(number, Signal::STOP);
        // The system looks for stopped processes when their parent ends, and not again.
        until(|| is_stopped(number));
        process
    });
}

/// Its worker is in the group of the parent, and so of the test, which must not end with it.
fn is_parent_of_strayed() {
    let pool = builder(1).build().unwrap();
    let sign = Sign::new();
    parent(|| {
        pool.execute(jobs::leave_and_hang, sign.text());
        sign.wait()
    });
}
