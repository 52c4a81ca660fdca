//! Children that are made by a fork, without a new program.

use std::path::Path;
use std::process;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use workmill_file_queue::{ErrorKind, FileQueue, inspect};

use crate::child::{Child, Role, say};
use crate::support::{HANG, Place, kind, limited, quick, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("opens a queue after a fork", opens_after_a_fork),
    ("takes one and forks", takes_one_and_forks),
    ("uses an open queue in a child", uses_it_in_a_child),
];

/// Forks. Returns `None` in the child, which ends after some minutes, whatever happens.
#[expect(unsafe_code, reason = "std does not fork")]
fn fork() -> Option<Pid> {
    // SAFETY: it has no duties. That the child goes on as if it had threads is what is tested.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: it has no duties.
            unsafe { libc::alarm(HANG.as_secs() as libc::c_uint) };
            None
        }
        id => Some(Pid::from_raw(id).expect("the process can fork")),
    }
}

/// Ends the process without any of its drops.
#[expect(unsafe_code, reason = "std runs what is to run at an exit")]
fn exit(code: i32) -> ! {
    // SAFETY: it has no duties.
    unsafe { libc::_exit(code) }
}

fn takes_one_and_forks(path: &Path, lines: &Receiver<String>) {
    let queue = quick::<u32>(path);
    let task = queue.get_task().unwrap();
    match fork() {
        Some(child) => {
            say(child.as_raw_nonzero());
            lines.recv().unwrap();
            drop(task);
        }
        None => {
            std::thread::sleep(HANG);
            exit(0);
        }
    }
}

/// Every call of the child fails at once, and none does anything to the parent's queue.
fn uses_it_in_a_child(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    queue.put_all(&[1, 2, 3]).unwrap();
    let task = queue.get_task().unwrap();
    let other = queue.get_task().unwrap();
    // A thread waits, so there is one that the child does not have.
    let waiting = quick::<u32>(&path.with_extension("other"));
    let waits = waiting.clone();
    std::thread::spawn(move || waits.get());
    std::thread::sleep(Duration::from_millis(20));
    let Some(child) = fork() else {
        let all = [
            kind(queue.put(&4)),
            kind(queue.try_put(&4)),
            kind(queue.get()),
            kind(queue.get_task()),
            kind(queue.len()),
            kind(queue.join()),
            kind(queue.close()),
            kind(task.done()),
            kind(waiting.get()),
        ];
        drop(other);
        drop(queue);
        drop(waiting);
        // Nor does it open one, since SQLite takes the locks of the parent for its own.
        let own = [
            kind(FileQueue::<u32>::open(path)),
            kind(FileQueue::<u32>::open(path.with_extension("new"))),
            kind(inspect(path, 1)),
        ];
        let is_refused = all == [ErrorKind::Forked; 9] && own == [ErrorKind::Forked; 3];
        exit(i32::from(!is_refused));
    };
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    // Nothing of that has happened here.
    assert_eq!((*task, *other), (1, 2));
    task.done().unwrap();
    other.give_back().unwrap();
    assert_eq!(rest(&queue), [2, 3]);
    waiting.put(&1).unwrap();
    say("nothing has happened");
    process::exit(0);
}

#[test]
fn an_item_stays_taken_until_the_forked_child_of_its_taker_has_ended_too() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u32>();
        queue.put(&1).unwrap();
        let taker = Child::new("takes one and forks", &place.path);
        let child: i32 = taker.hear().parse().unwrap();
        taker_ends(&taker, &queue);
        kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
        let task = queue.get_task().unwrap();
        assert_eq!((*task, task.attempt()), (1, 2));
    });
}

/// Kills the taker, whose child lives on, and still has its standard output.
fn taker_ends(taker: &Child, queue: &FileQueue<u32>) {
    taker.signal(Signal::KILL);
    let gone = queue.get_timeout(Duration::from_millis(100));
    assert_eq!(kind(gone), ErrorKind::Empty);
}

#[test]
fn an_open_queue_cannot_be_used_in_a_forked_child() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("uses an open queue in a child", &place.path);
        child.expect("nothing has happened");
        child.finish();
    });
}

/// A child may open a queue if its parent had none open: it had, but has closed it.
fn opens_after_a_fork(path: &Path, _: &Receiver<String>) {
    quick(path).put(&1).unwrap();
    let Some(child) = fork() else {
        let queue = quick::<u32>(path);
        exit(i32::from(queue.get().ok() != Some(1)));
    };
    let (_, status) = waitpid(Some(child), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
    assert!(quick::<u32>(path).is_empty().unwrap());
    say("all is well");
}

#[test]
fn a_child_opens_a_queue_if_its_parent_had_none_open() {
    limited(|| {
        let place = Place::new();
        Child::new("opens a queue after a fork", &place.path).expect("all is well");
    });
}
