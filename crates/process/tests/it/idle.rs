//! Idle costs nothing.

use std::fs;
use std::time::Duration;

use workmill_process::Hub;

use crate::runner::tests;
use crate::support::{HANG, builder, outcome, pool, until};
use crate::{hub_jobs, jobs};

tests! {
    idle_processes_and_their_parent_do_not_wake
    processes_that_wait_for_the_hub_do_not_wake
    a_process_wakes_once_for_each_job
}

/// Returns the number of context switches of all threads of a process.
fn switches(process: u32) -> u64 {
    switches_of(process, "_ctxt_switches")
}

/// Returns the number of context switches in the lines of that kind.
fn switches_of(process: u32, kind: &str) -> u64 {
    let threads = fs::read_dir(format!("/proc/{process}/task"))
        .unwrap()
        .flatten();
    let own = |it: fs::DirEntry| {
        let status = fs::read_to_string(it.path().join("status")).unwrap_or_default();
        let lines = status.lines().filter(|line| line.contains(kind));
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
    nobody_wakes();
}

/// Processes that wait for a permit, an event, an item and room, and one that waits in a future.
fn processes_that_wait_for_the_hub_do_not_wake() {
    let hub = Hub::new(jobs::jobs()).unwrap();
    let (keys, lock, waits) = (hub.semaphore(1), hub.lock(), hub.latch(5));
    let (empty, full) = (hub.queue::<u32>(None), hub.queue::<u32>(1));
    let (_permit, _guard) = (keys.acquire().unwrap(), lock.lock());
    full.put(1).unwrap();
    let event = hub.event();
    let begun = || waits.clone();
    let processes = [
        hub.spawn(hub_jobs::wait_for_permit, (keys, begun())),
        hub.spawn(hub_jobs::put_and_hang, (full, 2, begun())),
        hub.spawn(hub_jobs::hold_lock_after, (lock, begun())),
        hub.spawn(hub_jobs::take_and_hang_after, (empty, begun())),
        hub.spawn(hub_jobs::arrive_and_wait, (begun(), event)),
    ];
    assert!(waits.wait_timeout(HANG));
    nobody_wakes();
    hub.shutdown_now();
    drop(processes);
}

/// For the next job, and not again when its answer is read.
fn a_process_wakes_once_for_each_job() {
    const JOBS: u64 = 500;
    let pool = pool(1);
    let process = outcome(pool.submit(jobs::id, ())).unwrap();
    let waits = || switches(process) - switches_of(process, "nonvoluntary");
    let before = waits();
    (0..JOBS).for_each(|n| assert_eq!(outcome(pool.submit(jobs::square, n)).unwrap(), n * n));
    let waits = waits() - before;
    assert!(waits <= JOBS + JOBS / 5, "{waits} waits for {JOBS} jobs");
}

/// Asserts that nothing happens in this process and its children.
#[track_caller]
fn nobody_wakes() {
    let own = std::process::id();
    let threads = fs::read_dir(format!("/proc/{own}/task")).unwrap().flatten();
    let children = |it: fs::DirEntry| {
        let children = fs::read_to_string(it.path().join("children")).unwrap_or_default();
        let numbers = children.split_whitespace().map(|it| it.parse().unwrap());
        numbers.collect::<Vec<u32>>()
    };
    let mut all: Vec<u32> = threads.flat_map(children).collect();
    assert!(all.len() >= 4, "{all:?}");
    all.push(own);
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
