//! Idle costs nothing.

use std::fs;
use std::time::Duration;

use crate::jobs;
use crate::runner::tests;
use crate::support::{builder, outcome, until};

tests! {
    idle_processes_and_their_parent_do_not_wake
}

/// Returns the number of context switches of all threads of a process.
fn switches(process: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .flatten();
    let own = |it: fs::DirEntry| {
        let status = fs::read_to_string(it.path().join("status")).unwrap_or_default();
        let lines = status
            .lines()
            .filter(|line| line.contains("_ctxt_switches"));
        lines
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum::<u64>()
    };
    threads.map(own).sum()
}

/// Counts the switches of threads other than this one, which sleeps.
fn idle_processes_and_their_parent_do_not_wake() {
    let pool = builder(4).min_processes(4).build().unwrap();
    until(|| pool.metrics().idle_processes == 4);
    outcome(pool.submit(jobs::square, 3)).unwrap();
    let own = std::process::id();
    let children = || {
        let children = format!("/proc/{own}/task/{own}/children");
        fs::read_to_string(children).unwrap_or_default()
    };
    let mut all: Vec<u32> = vec![own];
    all.extend(
        children()
            .split_whitespace()
            .map(|it| it.parse::<u32>().unwrap()),
    );
    let count = || all.iter().map(|it| switches(*it)).sum::<u64>();
    // Threads that have had something to do look for more for a while; then nothing happens for
    // two seconds. The switches of this thread are two or three: it sleeps once.
    let mut least = u64::MAX;
    for _ in 0..3 {
        let before = count();
        std::thread::sleep(Duration::from_secs(2));
        least = least.min(count() - before);
        if least <= 3 {
            return;
        }
    }
    panic!("{least} switches in two seconds");
}
