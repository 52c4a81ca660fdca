//! Workers that are killed at random moments, again and again: no item is lost, and no waiter
//! sleeps while there is something to do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use workmill_file_queue::FileQueue;

use crate::child::{Child, Role, say};
use crate::support::{Place, assert_sound, limited, quick};

pub(crate) const ROLES: &[(&str, Role)] = &[("works until the queue is closed", works)];

fn works(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u64>(path);
    let work = |queue: &FileQueue<u64>| {
        for task in queue.iter_tasks() {
            let task = task.unwrap();
            let (number, attempt) = (*task, task.attempt());
            say(format!("took {number} {attempt}"));
            if (number + attempt) % 5 == 0 {
                task.give_back().unwrap();
                continue;
            }
            task.done().unwrap();
            say(format!("done {number} {attempt}"));
        }
    };
    // Two threads, one of which has the queue open for itself.
    std::thread::scope(|scope| {
        scope.spawn(|| work(&queue));
        scope.spawn(|| work(&quick(path)));
    });
}

/// Three workers, of which one is killed every some milliseconds, for a while.
fn soak(time: Duration) {
    let place = Place::new();
    let queue = place.open::<u64>();
    let start = || Child::new("works until the queue is closed", &place.path);
    let mut workers = [start(), start(), start()];
    let mut lines = Vec::new();
    let (begin, mut put, mut killed) = (Instant::now(), 0_u64, 0);
    while begin.elapsed() < time {
        // Some all at once, some one by one, some when all wait.
        let batch: Vec<_> = (0..put % 7).map(|n| put + n).collect();
        queue.put_all(&batch).unwrap();
        put += batch.len() as u64;
        queue.put(&put).unwrap();
        put += 1;
        if put % 5 == 0 {
            assert!(
                queue.join_timeout(Duration::from_secs(30)).unwrap(),
                "a waiter sleeps"
            );
        }
        if put % 11 == 0 {
            let at = killed % workers.len();
            lines.push(std::mem::replace(&mut workers[at], start()).kill());
            killed += 1;
        }
    }
    assert!(
        queue.join_timeout(Duration::from_secs(30)).unwrap(),
        "a waiter sleeps"
    );
    queue.close().unwrap();
    lines.extend(workers.map(Child::finish));

    let mut took = BTreeMap::<u64, BTreeSet<u64>>::new();
    let mut done = BTreeMap::new();
    for line in lines.iter().flatten() {
        let words: Vec<_> = line.split(' ').collect();
        let [number, attempt] = [1, 2].map(|at| words[at].parse().unwrap());
        match words[0] {
            "took" => assert!(
                took.entry(number).or_default().insert(attempt),
                "{line}: twice"
            ),
            _ => assert!(done.insert(number, attempt).is_none(), "{line}: twice"),
        }
    }
    assert!(took.keys().copied().eq(0..put), "none is lost");
    for (number, attempt) in &done {
        assert_eq!(
            took[number].last(),
            Some(attempt),
            "{number} was taken after it was done"
        );
    }
    assert_sound(&place.path);
    println!("{put} items, {killed} kills, {} done and told", done.len());
}

#[test]
fn workers_that_are_killed_again_and_again_lose_nothing_and_sleep_through_nothing() {
    limited(|| soak(Duration::from_secs(3)));
}

#[test]
#[ignore = "takes a minute and a half; .ci/deep runs it"]
fn workers_that_are_killed_for_long_lose_nothing_and_sleep_through_nothing() {
    limited(|| soak(Duration::from_secs(90)));
}
