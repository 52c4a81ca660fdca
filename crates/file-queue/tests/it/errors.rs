//! Files that are no queues, or cannot be written to.

use std::fs;
use std::io::ErrorKind as Io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use workmill_file_queue::{Builder, ErrorKind, FileQueue, FileQueueError, inspect};

use crate::support::{Place, kind, rest, tamper};

fn open(place: &Place) -> Result<FileQueue<u32>, FileQueueError> {
    FileQueue::open(&place.path)
}

#[test]
fn a_text_file_is_no_queue_and_is_left_alone() {
    let place = Place::new();
    let text = "A letter, which nobody wants to lose. ".repeat(100);
    fs::write(&place.path, &text).unwrap();
    assert_eq!(kind(open(&place)), ErrorKind::NotAQueue);
    assert_eq!(kind(inspect(&place.path, 1)), ErrorKind::NotAQueue);
    assert_eq!(fs::read_to_string(&place.path).unwrap(), text);
    assert!(!place.beside("-lock").exists());
}

#[test]
fn a_short_file_is_no_queue_and_is_left_alone() {
    // SQLite takes a file of one byte for an empty one.
    for text in ["x", "xy", "no queue"] {
        let place = Place::new();
        fs::write(&place.path, text).unwrap();
        assert_eq!(kind(open(&place)), ErrorKind::NotAQueue, "{text}");
        assert_eq!(kind(inspect(&place.path, 1)), ErrorKind::NotAQueue);
        assert_eq!(fs::read_to_string(&place.path).unwrap(), text);
        assert!(!place.beside("-lock").exists());
    }
}

#[test]
fn what_is_no_regular_file_is_no_queue() {
    let place = Place::new();
    let fifo = Command::new("mkfifo").arg(&place.path).status().unwrap();
    assert!(fifo.success());
    for path in [&*place.path, place.folder.path(), Path::new("/dev/full")] {
        assert_eq!(kind(FileQueue::<u32>::open(path)), ErrorKind::NotAQueue);
        assert_eq!(kind(inspect(path, 1)), ErrorKind::NotAQueue);
    }
}

/// Nothing is made for a path that cannot be that of a queue, and the error says why.
#[test]
fn paths_that_cannot_be_used_are_told() {
    let place = Place::new();
    let in_folder = |name: &str| place.folder.path().join(name);
    std::os::unix::fs::symlink(in_folder("loop"), in_folder("loop")).unwrap();
    let deep = in_folder(&"deep/".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    let before = fs::read_dir(place.folder.path()).unwrap().count();
    for (path, reason) in [
        (in_folder("none/../queue"), ErrorKind::NotFound),
        (in_folder("a\0b"), ErrorKind::Io),
        (in_folder("loop"), ErrorKind::Io),
        (in_folder(&"n".repeat(250)), ErrorKind::Io),
        (in_folder(&"n".repeat(300)), ErrorKind::Io),
        (deep.join("queue"), ErrorKind::Io),
        ("/".into(), ErrorKind::NotAQueue),
        ("".into(), ErrorKind::NotFound),
        ("/proc/queue".into(), ErrorKind::ReadOnly),
    ] {
        let error = FileQueue::<u32>::open(&path).unwrap_err();
        assert_eq!(error.kind(), reason, "{error}");
        assert!(inspect(&path, 1).is_err());
    }
    let after = fs::read_dir(place.folder.path()).unwrap().count();
    assert_eq!(before, after);
    // An end mark of a folder is none of the name.
    FileQueue::open(in_folder("queue/"))
        .unwrap()
        .put(&1)
        .unwrap();
    assert_eq!(rest(&open(&place).unwrap()), [1]);
}

#[test]
fn another_programs_database_is_no_queue_and_is_left_alone() {
    for sql in [
        "CREATE TABLE letters (text)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 1",
    ] {
        let place = Place::new();
        tamper(&place.path, sql);
        let before = fs::read(&place.path).unwrap();
        assert_eq!(kind(open(&place)), ErrorKind::NotAQueue);
        assert_eq!(fs::read(&place.path).unwrap(), before);
    }
}

#[test]
fn a_newer_file_is_refused_and_left_alone() {
    let place = Place::new();
    open(&place).unwrap().put(&1).unwrap();
    tamper(&place.path, "PRAGMA user_version = 2");
    let error = open(&place).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Newer);
    assert!(error.to_string().contains("version is 2"), "{error}");
    tamper(&place.path, "PRAGMA user_version = 1");
    assert_eq!(rest(&open(&place).unwrap()), [1]);
}

#[test]
fn an_empty_file_becomes_a_queue() {
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    assert_eq!(kind(inspect(&place.path, 1)), ErrorKind::NotAQueue);
    open(&place).unwrap().put(&1).unwrap();
    assert_eq!(rest(&open(&place).unwrap()), [1]);
}

#[test]
fn a_folder_that_does_not_exist_is_not_made() {
    let place = Place::new();
    let path = place.folder.path().join("none").join("queue");
    let error = FileQueue::<u32>::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none/queue"), "{error}");
    assert!(!path.parent().unwrap().exists());
    // A folder is no queue, and what is not there cannot be inspected.
    let folder = FileQueue::<u32>::open(place.folder.path());
    assert_eq!(kind(folder), ErrorKind::NotAQueue);
    assert_eq!(kind(inspect(&place.path, 1)), ErrorKind::NotFound);
    assert!(!place.path.exists());
}

/// The user who may do everything can write to any file, so this needs a file system that cannot be
/// written to, or another user.
#[test]
fn what_cannot_be_written_to_is_told() {
    let place = Place::new();
    open(&place).unwrap().put(&1).unwrap();
    let mode = |mode| fs::set_permissions(place.folder.path(), fs::Permissions::from_mode(mode));
    mode(0o555).unwrap();
    let outcome = open(&place);
    mode(0o755).unwrap();
    if !rustix::process::geteuid().is_root() {
        assert_eq!(kind(outcome), ErrorKind::ReadOnly);
    }
    assert_eq!(rest(&open(&place).unwrap()), [1]);
}

#[test]
fn strange_paths_are_paths() {
    let place = Place::new();
    for name in ["file:memory?mode=memory", ":memory:", "ünïcode", "a b'c\"d"] {
        let path = place.folder.path().join(name);
        FileQueue::open(&path).unwrap().put(&1).unwrap();
        assert!(path.exists(), "{name}");
        assert_eq!(rest(&FileQueue::<u32>::open(&path).unwrap()), [1]);
    }
    // By a symbolic link it is the same queue.
    let link = place.folder.path().join("link");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    open(&place).unwrap().put(&2).unwrap();
    let (first, second) = (
        open(&place).unwrap(),
        FileQueue::<u32>::open(&link).unwrap(),
    );
    let task = first.get_task().unwrap();
    assert_eq!(kind(second.try_get()), ErrorKind::Empty);
    task.done().unwrap();
}

#[test]
fn errors_can_be_told_apart_and_become_those_of_std() {
    let place = Place::new();
    let queue = Builder::new().capacity(1).open(&place.path).unwrap();
    let empty = queue.try_get().unwrap_err();
    queue.put(&1).unwrap();
    let full = queue.try_put(&2).unwrap_err();
    assert!(empty.would_block() && full.would_block());
    assert_eq!(empty.to_string(), "the queue was empty");
    queue.close().unwrap();
    let closed = queue.try_put(&2).unwrap_err();
    assert!(!closed.would_block());
    assert_eq!(format!("{closed:?}"), "FileQueueError { kind: Closed }");
    assert_eq!(std::io::Error::from(full).kind(), Io::WouldBlock);
    assert_eq!(std::io::Error::from(closed).kind(), Io::BrokenPipe);
    let boxed: Box<dyn std::error::Error + Send + Sync> = empty.into();
    assert!(boxed.source().is_none());
}
