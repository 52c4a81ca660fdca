//! A disk that is full, in each verb, and what happens when there is room again.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::Receiver;

use workmill_file_queue::{ErrorKind, FileQueue, FileQueueError};

use crate::child::{Child, Role, say};
use crate::support::{assert_sound, kind, limited};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("fills its disk", fills_its_disk),
    ("has a disk that cannot be written to", cannot_write),
    ("waits while its disk is full", waits_while_full),
];

/// Returns the command that makes a small disk at the path, and starts a process that sees it.
fn with_a_disk(options: &str) -> [String; 7] {
    let mount = format!("mount -t tmpfs -o {options} none \"$WORKMILL_FILE_QUEUE_PATH\"");
    let script = format!("{mount} && exec \"$@\"");
    [
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        &script,
        "sh",
    ]
    .map(str::to_owned)
}

/// Plays a role on a disk of its own.
fn on_a_disk(role: &str) {
    let may = Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .output();
    if !may.is_ok_and(|it| it.status.success()) {
        // Said past the capture of output, since a test that did nothing should be seen.
        let _ = writeln!(io::stderr(), "left out: this process cannot mount a disk");
        return;
    }
    limited(|| {
        let folder = tempfile::tempdir().unwrap();
        let wrapper = with_a_disk("size=2m");
        let wrapper: Vec<_> = wrapper.iter().map(|it| &**it).collect();
        let child = Child::wrapped(&wrapper, role, folder.path());
        let lines = child.finish();
        assert_eq!(
            lines.last().map(|it| &**it),
            Some("all is well"),
            "{lines:?}"
        );
    });
}

#[test]
fn on_a_full_disk_calls_fail_and_nothing_is_lost_or_comes_twice() {
    on_a_disk("fills its disk");
}

#[test]
fn an_item_that_could_not_be_given_back_wakes_those_that_wait() {
    on_a_disk("waits while its disk is full");
}

#[test]
fn a_disk_that_cannot_be_written_to_is_told() {
    on_a_disk("has a disk that cannot be written to");
}

fn item(number: u32) -> (u32, String) {
    (number, "x".repeat(20_000))
}

type Queue = FileQueue<(u32, String)>;

/// Calls until the disk is full, and returns what all calls but the last have returned.
fn until_full<R>(mut call: impl FnMut() -> Result<R, FileQueueError>) -> Vec<R> {
    let mut done = Vec::new();
    loop {
        match call() {
            Ok(result) => done.push(result),
            Err(error) if error.kind() == ErrorKind::NoSpace => return done,
            Err(error) => panic!("{error}"),
        }
    }
}

fn fills_its_disk(folder: &Path, _: &Receiver<String>) {
    let path = folder.join("queue");
    let queue = Queue::open(&path).unwrap();
    queue.put(&item(0)).unwrap();
    let first = queue.get_task().unwrap(); // it is a taker from now on

    let mut number = 0;
    let put = until_full(|| {
        number += 1;
        queue.put(&item(number))
    });
    let last = put.len() as u32;
    assert!(last > 30, "{last}");
    // Takes the rest of the disk, so that nothing can be written beside the file, either.
    let _ = fs::write(folder.join("rest"), vec![1; 2_000_000]);

    // Each verb, until it fails: a failed one may have left room behind the last change.
    let mut gone = Vec::new();
    let got = until_full(|| queue.try_get());
    gone.extend(got.into_iter().map(|(number, _)| number));
    let mut tasks = until_full(|| queue.get_task());
    assert_eq!(kind(queue.get()), ErrorKind::NoSpace);
    assert_eq!(kind(queue.put(&item(4711))), ErrorKind::NoSpace);
    assert_eq!(kind(queue.try_put(&item(4711))), ErrorKind::NoSpace);
    assert_eq!(
        kind(queue.put_all(&[item(4711), item(4712)])),
        ErrorKind::NoSpace
    );
    assert_eq!(kind(queue.try_get_task()), ErrorKind::NoSpace);
    say(format!(
        "{} got, {} taken of {last}",
        gone.len(),
        tasks.len()
    ));
    // Guards: what cannot be written goes back to the queue.
    tasks.push(first);
    let mut back = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let number = task.0;
        let is_done = match index % 3 {
            0 => task.done().is_ok(),
            1 => task.into_inner().is_ok(),
            _ => {
                let _ = task.give_back();
                false
            }
        };
        match is_done {
            true => gone.push(number),
            false => back.push(number),
        }
    }
    until_full_or(5, || queue.close());
    until_full_or(5, || queue.reopen());
    // Another cannot open it, or can, but does no harm.
    if let Err(error) = Queue::open(&path) {
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    }

    // There is room again.
    remount(folder, "size=64m");
    let _ = queue.reopen();
    queue.put(&item(last + 1)).unwrap();
    let mut left = Vec::new();
    while let Ok(task) = queue.try_get_task() {
        assert_eq!(task.attempt() > 1, back.contains(&task.0), "{}", task.0);
        left.push(task.into_inner().unwrap().0);
    }
    assert!(left.is_sorted(), "all are at their places");
    left.extend(gone);
    left.sort_unstable();
    assert!(left.into_iter().eq(0..=last + 1), "each once");
    assert_eq!(queue.unfinished().unwrap(), 0);
    drop(queue);
    assert_sound(&path);
    say("all is well");
}

/// Calls a few times, or until the disk is full.
fn until_full_or(times: usize, call: impl Fn() -> Result<(), FileQueueError>) {
    for _ in 0..times {
        match call() {
            Ok(()) => {}
            Err(error) => return assert_eq!(error.kind(), ErrorKind::NoSpace),
        }
    }
}

/// A guard fails, and its item goes back as soon as that can be written: to one that waits already.
fn waits_while_full(folder: &Path, _: &Receiver<String>) {
    let queue = Queue::open(folder.join("queue")).unwrap();
    queue.put(&item(1)).unwrap();
    let task = queue.get_task().unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| queue.get_task().unwrap().attempt());
        std::thread::sleep(std::time::Duration::from_millis(50)); // most likely it waits by now
        let _ = fs::write(folder.join("rest"), vec![1; 4_000_000]);
        assert_eq!(kind(task.done()), ErrorKind::NoSpace);
        std::thread::sleep(std::time::Duration::from_millis(50)); // it looks, and sleeps again
        remount(folder, "size=64m");
        assert_eq!(waits.join().unwrap(), 2);
    });
    say("all is well");
}

fn cannot_write(folder: &Path, _: &Receiver<String>) {
    let path = folder.join("queue");
    let queue = Queue::open(&path).unwrap();
    queue.put(&item(1)).unwrap();
    drop(queue);
    remount(folder, "ro");
    assert_eq!(kind(Queue::open(&path)), ErrorKind::ReadOnly);
    assert_eq!(kind(Queue::open(folder.join("none"))), ErrorKind::ReadOnly);
    remount(folder, "rw");
    assert_eq!(Queue::open(&path).unwrap().get().unwrap(), item(1));
    say("all is well");
}

/// Changes the disk at the path.
fn remount(path: &Path, how: &str) {
    let options = format!("remount,{how}");
    let status = Command::new("mount")
        .args(["-o", &options])
        .arg(path)
        .status();
    assert!(status.unwrap().success());
}
