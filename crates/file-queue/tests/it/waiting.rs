//! Waiters in other processes: they are woken soon, all of them, and by nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, SystemTime};

use workmill_file_queue::FileQueue;

use crate::child::{Child, Role, say};
use crate::support::{Place, eventually, limited, quick};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("takes one", takes_one),
    ("takes and tells how late", takes_and_tells_how_late),
    ("waits with four threads", waits_with_four_threads),
    ("waits for the end", waits_for_the_end),
    ("waits without a watch", waits_without_a_watch),
];

fn takes_one(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    say("waits");
    say(queue.get().unwrap());
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_micros().try_into().unwrap()
}

fn takes_and_tells_how_late(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u64>(path);
    say("waits");
    for item in &queue {
        say(now().saturating_sub(item.unwrap()));
    }
}

fn waits_with_four_threads(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u64>(path);
    let bounded: FileQueue<u64> = workmill_file_queue::Builder::new()
        .capacity(1)
        .open(path.with_extension("full"))
        .unwrap();
    bounded.put(&1).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| queue.get());
        scope.spawn(|| queue.get_task());
        scope.spawn(|| futures_lite::future::block_on(queue.get_async()));
        scope.spawn(|| bounded.put(&2));
        say("waits");
    });
}

fn waits_for_the_end(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    say("joins");
    queue.join().unwrap();
    say("joined");
}

/// A wait needs two watches, of one instance, and there are too few.
fn waits_without_a_watch(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    let error = queue.get_timeout(Duration::from_secs(1)).unwrap_err();
    say(format!("{:?}: {error}", error.kind()));
    // What does not wait goes on.
    queue.put(&1).unwrap();
    assert_eq!(queue.get().unwrap(), 1);
    say("all is well");
}

#[test]
fn a_wait_that_the_system_has_no_watch_for_says_so() {
    let may = Command::new("unshare")
        .args(["--map-root-user", "true"])
        .output();
    if !may.is_ok_and(|it| it.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "this process cannot make a namespace"
        );
        eprintln!("left out: this process cannot make a namespace");
        return;
    }
    limited(|| {
        for limit in ["max_inotify_watches", "max_inotify_instances"] {
            for count in 0..2 {
                let place = Place::new();
                // In a namespace of its own, so that no other test has less.
                let script = format!("echo {count} > /proc/sys/user/{limit} && exec \"$@\"");
                let wrapper = ["unshare", "--map-root-user", "sh", "-c", &script, "sh"];
                let child = Child::wrapped(&wrapper, "waits without a watch", &place.path);
                let told = child.hear();
                if (limit, count) == ("max_inotify_instances", 1) {
                    assert!(told.starts_with("Empty"), "{told}");
                } else {
                    assert!(told.starts_with("Io"), "{told}");
                    assert!(told.contains("/proc/sys/fs/inotify"), "{told}");
                }
                child.expect("all is well");
            }
        }
    });
}

#[test]
fn two_waiters_and_two_items_both_are_woken() {
    limited(|| {
        let place = Place::new();
        let queue = place.open();
        for _ in 0..10 {
            let children = [(); 2].map(|()| Child::new("takes one", &place.path));
            children.iter().for_each(|child| child.expect("waits"));
            queue.put(&1).unwrap();
            queue.put(&2).unwrap();
            let mut taken = children.map(|child| child.hear());
            taken.sort();
            assert_eq!(taken, ["1", "2"]);
        }
    });
}

#[test]
fn a_batch_wakes_all_that_wait() {
    limited(|| {
        let place = Place::new();
        let children = [(); 3].map(|()| Child::new("takes one", &place.path));
        children.iter().for_each(|child| child.expect("waits"));
        place.open().put_all(&[7, 7, 7]).unwrap();
        children.iter().for_each(|child| child.expect("7"));
    });
}

#[test]
fn a_waiter_in_another_process_is_woken_soon() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("takes and tells how late", &place.path);
        child.expect("waits");
        let queue = place.open();
        let mut late: Vec<u64> = (0..41)
            .map(|_| {
                thread::sleep(Duration::from_millis(3)); // most likely it waits by then
                queue.put(&now()).unwrap();
                child.hear().parse().unwrap()
            })
            .collect();
        late.sort_unstable();
        let median = late[late.len() / 2];
        // From before the put. A machine that has much else to do may need longer.
        assert!(median < 50_000, "{median} us");
        println!("median {median} us of {late:?}");
    });
}

#[test]
fn nothing_is_woken_while_nothing_happens() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("waits with four threads", &place.path);
        child.expect("waits");
        let threads = || {
            let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
            let mut threads: Vec<_> = tasks
                .map(|task| {
                    let path = task.unwrap().path();
                    let status = fs::read_to_string(path.join("status")).unwrap();
                    let find = |name: &str| {
                        let line = status.lines().find(|it| it.starts_with(name)).unwrap();
                        line[name.len()..].trim().to_owned()
                    };
                    (path, find("State:"), find("voluntary_ctxt_switches:"))
                })
                .collect();
            threads.sort();
            threads
        };
        // Main, libtest's, the reader of the lines, the four, and a bell for each of two queues.
        eventually("all wait", || {
            let before = threads();
            thread::sleep(Duration::from_millis(200));
            before.len() == 9 && before == threads()
        });
        let before = threads();
        thread::sleep(Duration::from_secs(2)); // so long nothing happens
        assert_eq!(threads(), before);
    });
}

#[test]
fn a_join_in_another_process_ends_with_the_last_item() {
    limited(|| {
        let place = Place::new();
        let queue = place.open();
        queue.put_all(&[1, 2]).unwrap();
        let child = Child::new("waits for the end", &place.path);
        child.expect("joins");
        queue.get().unwrap();
        let task = queue.get_task().unwrap();
        assert_eq!(child.hear_within(Duration::from_millis(30)), None);
        task.done().unwrap();
        child.expect("joined");
    });
}
