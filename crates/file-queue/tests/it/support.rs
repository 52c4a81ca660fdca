//! What many tests need.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use workmill_file_queue::{Builder, ErrorKind, FileQueue, FileQueueError, SyncMode};

/// The time after which a test hangs: many times what any takes.
pub(crate) const HANG: Duration = Duration::from_secs(120);

/// Calls `body`, and ends the process if that hangs.
pub(crate) fn limited<R>(body: impl FnOnce() -> R) -> R {
    let test = thread::current().name().unwrap_or_default().to_owned();
    let (alive, ends) = mpsc::channel::<()>();
    thread::spawn(move || {
        if ends.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test} hangs");
            std::process::abort();
        }
    });
    let result = body();
    drop(alive);
    result
}

/// A folder of its own, with the path of a queue in it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let path = folder.path().join("queue");
        Self { folder, path }
    }

    /// Opens the queue, quickly: what processes see of each other does not depend on the disk.
    pub(crate) fn open<T: Serialize + DeserializeOwned>(&self) -> FileQueue<T> {
        quick(&self.path)
    }

    /// Returns the path with more at its end.
    pub(crate) fn beside(&self, end: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(end);
        path.into()
    }
}

/// Opens a queue without waiting for the disk.
pub(crate) fn quick<T: Serialize + DeserializeOwned>(path: &Path) -> FileQueue<T> {
    let builder = Builder::new().sync(SyncMode::Normal);
    builder.open(path).expect("the queue opens")
}

/// Returns the reason of an error.
#[track_caller]
pub(crate) fn kind<R: std::fmt::Debug>(outcome: Result<R, FileQueueError>) -> ErrorKind {
    outcome.expect_err("it fails").kind()
}

/// Waits until the condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + HANG;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not in time");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Changes the file behind the queue's back.
pub(crate) fn tamper(path: &Path, sql: &str) {
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    connection.execute_batch(sql).expect("the change is made");
}

/// Fails unless SQLite finds the file in order, and the counts are those of the items.
#[track_caller]
pub(crate) fn assert_sound(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0));
    assert_eq!(text("PRAGMA integrity_check").as_deref(), Ok("ok"));
    let counts = "SELECT format('%d %d %d', ready, taken, bytes) FROM queue";
    let counted = "SELECT format('%d %d %d', coalesce(sum(taker IS NULL), 0),
                   coalesce(sum(taker IS NOT NULL), 0),
                   coalesce(sum(length(body) + 64), 0)) FROM items";
    assert_eq!(text(counts), text(counted));
}

/// Returns all items that are left, from the first.
pub(crate) fn rest<T: Serialize + DeserializeOwned>(queue: &FileQueue<T>) -> Vec<T> {
    let mut rest = Vec::new();
    loop {
        match queue.try_get() {
            Ok(item) => rest.push(item),
            Err(error) if error.kind() == ErrorKind::Empty => return rest,
            Err(error) if error.kind() == ErrorKind::Closed => return rest,
            Err(error) => panic!("{error}"),
        }
    }
}
