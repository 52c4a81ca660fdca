//! Processes that are killed, or stopped, at any moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use workmill_file_queue::{Builder, ErrorKind, FileQueue, SyncMode};

use crate::child::{Child, Role, say};
use crate::support::{Place, assert_sound, kind, limited, quick, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("puts", puts),
    ("puts with full sync", puts_with_full_sync),
    ("gets", gets),
    ("takes tasks", takes_tasks),
    ("takes all, then reports them done", takes_all),
    ("takes one task and keeps it", keeps_one),
    ("waits for a task", waits_for_a_task),
];

fn put_all_numbers(queue: &FileQueue<u64>) {
    for n in 0.. {
        queue.put(&n).unwrap();
        say(n);
    }
}

fn puts(path: &Path, _: &Receiver<String>) {
    put_all_numbers(&quick(path));
}

fn puts_with_full_sync(path: &Path, _: &Receiver<String>) {
    let builder = Builder::new().sync(SyncMode::Full);
    put_all_numbers(&builder.open(path).unwrap());
}

fn gets(path: &Path, _: &Receiver<String>) {
    for item in &quick::<u64>(path) {
        say(item.unwrap());
    }
}

fn takes_tasks(path: &Path, _: &Receiver<String>) {
    for task in quick::<u64>(path).iter_tasks() {
        let task = task.unwrap();
        say(format!("took {} {}", *task, task.attempt()));
        let number = *task;
        task.done().unwrap();
        say(format!("done {number}"));
    }
}

fn takes_all(path: &Path, lines: &Receiver<String>) {
    let queue = quick::<u64>(path);
    let tasks: Vec<_> = std::iter::from_fn(|| queue.try_get_task().ok()).collect();
    say("took all");
    lines.recv().unwrap();
    for task in tasks {
        say(task.into_inner().unwrap());
    }
    lines.recv().unwrap();
}

fn keeps_one(path: &Path, lines: &Receiver<String>) {
    let queue = quick::<u64>(path);
    let task = queue.get_task().unwrap();
    say(format!("took {}", task.attempt()));
    lines.recv().unwrap();
    task.done().unwrap();
    say("done");
}

fn waits_for_a_task(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u64>(path);
    say("waits");
    let task = queue.get_task().unwrap();
    say(format!("took {}", task.attempt()));
    task.done().unwrap();
}

fn numbers(lines: impl IntoIterator<Item = String>) -> Vec<u64> {
    let parsed = lines.into_iter().map(|line| line.parse());
    parsed.collect::<Result<_, _>>().unwrap()
}

/// Starts a process, kills it after it has said that many lines, and returns all its lines.
fn killed_after(role: &str, path: &Path, count: usize) -> Vec<String> {
    let child = Child::new(role, path);
    let mut lines: Vec<_> = (0..count).map(|_| child.hear()).collect();
    lines.extend(child.kill());
    lines
}

#[test]
fn what_a_killed_process_has_put_is_there() {
    limited(|| {
        for (role, count) in [
            ("puts", 1),
            ("puts", 57),
            ("puts", 400),
            ("puts with full sync", 23),
        ] {
            let place = Place::new();
            let confirmed = numbers(killed_after(role, &place.path, count)).len() as u64;
            let queue = place.open::<u64>();
            let found = rest(&queue);
            let count = found.len() as u64;
            // One more may be there, whose put had not returned.
            assert!((confirmed..=confirmed + 1).contains(&count));
            assert!(found.into_iter().eq(0..count));
            assert_sound(&place.path);
        }
    });
}

#[test]
fn a_process_that_is_killed_while_it_makes_the_file_harms_nobody() {
    limited(|| {
        for moment in 0..40 {
            let place = Place::new();
            let child = Child::new("puts with full sync", &place.path);
            std::thread::sleep(Duration::from_micros(250 * moment)); // any moment will do
            let confirmed = numbers(child.kill()).len();
            let queue = place.open::<u64>();
            queue.put(&4711).unwrap();
            let found = rest(&queue).len() - 1;
            assert!((confirmed..=confirmed + 1).contains(&found));
            assert_sound(&place.path);
        }
    });
}

#[test]
fn a_process_that_is_killed_in_get_loses_at_most_the_item_that_it_was_given() {
    limited(|| {
        for count in [1, 57, 400] {
            let place = Place::new();
            let all: Vec<u64> = (0..2_000).collect();
            place.open().put_all(&all).unwrap();
            let used = numbers(killed_after("gets", &place.path, count));
            let left = rest(&place.open::<u64>());
            let lost = all.len() - used.len() - left.len();
            assert!(lost <= 1, "{lost} are lost");
            let both: BTreeSet<_> = used.iter().chain(&left).collect();
            assert_eq!(both.len(), used.len() + left.len(), "none comes twice");
            assert!(used.iter().copied().eq(0..used.len() as u64));
            assert_sound(&place.path);
        }
    });
}

#[test]
fn a_process_that_is_killed_in_get_task_loses_nothing() {
    limited(|| {
        for count in [1, 2, 57, 58, 400, 401] {
            let place = Place::new();
            let all: Vec<u64> = (0..1_000).collect();
            place.open().put_all(&all).unwrap();
            let lines = killed_after("takes tasks", &place.path, count);
            let done = lines.iter().filter_map(|line| line.strip_prefix("done "));
            let done = numbers(done.map(str::to_owned));
            let took = lines.len() - done.len();
            let queue = place.open::<u64>();
            let mut left = Vec::new();
            while let Ok(task) = queue.try_get_task() {
                // Only the first of them may have been taken before.
                assert_eq!(task.attempt() == 2, task.attempt() != 1);
                assert!(task.attempt() == 1 || left.is_empty());
                left.push(task.into_inner().unwrap());
            }
            // Those that were reported done are gone. Of the others, one may have been.
            let first = left[0];
            assert!(left.into_iter().eq(first..1_000));
            let done = done.len() as u64;
            assert!(first == done || first == done + 1 && took as u64 == first);
            assert_sound(&place.path);
        }
    });
}

#[test]
fn a_process_that_is_killed_in_done_gives_the_others_back() {
    limited(|| {
        let place = Place::new();
        place
            .open()
            .put_all(&(0..300).collect::<Vec<u64>>())
            .unwrap();
        let mut child = Child::new("takes all, then reports them done", &place.path);
        child.expect("took all");
        let queue = place.open::<u64>();
        assert_eq!(kind(queue.try_get()), ErrorKind::Empty);
        child.say("go on");
        let mut done = numbers((0..100).map(|_| child.hear()));
        done.extend(numbers(child.kill()));
        let mut left = Vec::new();
        while let Ok(task) = queue.try_get_task() {
            assert_eq!(task.attempt(), 2);
            left.push(task.into_inner().unwrap());
        }
        assert!(left.len() + done.len() >= 299);
        assert!(left.is_empty() || left.iter().copied().eq(left[0]..300));
        assert_sound(&place.path);
    });
}

#[test]
fn the_item_of_a_killed_taker_wakes_those_that_wait() {
    limited(|| {
        let mut times = Vec::new();
        for wait in [0, 150, 150, 20, 150, 150, 150] {
            let place = Place::new();
            place.open().put(&1_u64).unwrap();
            let taker = Child::new("takes one task and keeps it", &place.path);
            taker.expect("took 1");
            let waiter = Child::new("waits for a task", &place.path);
            waiter.expect("waits");
            // A waiter looks by itself 1, 11, 111 and 1111 ms after it has begun to wait.
            assert_eq!(waiter.hear_within(Duration::from_millis(wait)), None);
            let begin = Instant::now();
            taker.kill();
            waiter.expect("took 2");
            times.push(begin.elapsed());
            waiter.finish();
            assert_eq!(place.open::<u64>().unfinished().unwrap(), 0);
        }
        times.sort();
        println!("{times:?}");
        assert!(
            times[times.len() / 2] < Duration::from_millis(500),
            "{times:?}"
        );
    });
}

#[test]
fn a_process_that_is_only_stopped_keeps_its_item() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u64>();
        queue.put(&1).unwrap();
        let mut taker = Child::new("takes one task and keeps it", &place.path);
        taker.expect("took 1");
        taker.signal(Signal::STOP);
        assert_eq!(kind(queue.try_get_task()), ErrorKind::Empty);
        assert_eq!(
            kind(queue.get_timeout(Duration::from_millis(100))),
            ErrorKind::Empty
        );
        assert_eq!(queue.unfinished().unwrap(), 1);
        taker.signal(Signal::CONT);
        taker.say("go on");
        taker.expect("done");
        assert_eq!(queue.unfinished().unwrap(), 0);
    });
}

#[test]
fn a_process_that_ends_in_order_gives_back_what_it_has_not_done() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u64>();
        queue.put(&1).unwrap();
        let other = place.open::<u64>();
        std::mem::forget(other.get_task().unwrap());
        assert_eq!(kind(queue.try_get()), ErrorKind::Empty);
        // The guard that was forgotten has the queue open as long as the process lives.
        drop(other);
        assert_eq!(kind(queue.try_get()), ErrorKind::Empty);
        let taker = Child::new("takes one task and keeps it", &place.path);
        queue.put(&2).unwrap();
        taker.expect("took 1");
        drop(taker);
        assert_eq!(queue.get().unwrap(), 2);
    });
}
