//! Several processes that write.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use workmill_file_queue::ErrorKind;

use crate::child::{Child, Role, say};
use crate::support::{Place, assert_sound, kind, limited, quick, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("writes as one of four", writes_as_one_of_four),
    ("does everything", does_everything),
    ("writes for long", writes_for_long),
];

const EACH: u64 = 150;

/// Puts items from when it is told to, and tells the longest put, in milliseconds.
fn writes_as_one_of_four(path: &Path, lines: &Receiver<String>) {
    let queue = workmill_file_queue::FileQueue::<u64>::open(path).unwrap();
    say("ready");
    lines.recv().unwrap();
    let mut longest = Duration::ZERO;
    for n in 0..EACH {
        let begin = Instant::now();
        queue.put(&n).unwrap();
        longest = longest.max(begin.elapsed());
    }
    say(longest.as_millis());
}

/// Puts, takes, gives back and reports done, and fails at the first error.
fn does_everything(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u64>(path);
    for n in 0..200 {
        queue.put_all(&[n, n + 1]).unwrap();
        let task = queue.get_task().unwrap();
        match n % 3 {
            0 => task.give_back().unwrap(),
            _ => task.done().unwrap(),
        }
        queue.get().unwrap();
        queue.len().unwrap();
    }
}

/// Begins to write, as any program could that uses SQLite, and ends it when it is told to.
fn writes_for_long(path: &Path, lines: &Receiver<String>) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    say("writes");
    lines.recv().unwrap();
    connection.execute_batch("ROLLBACK").unwrap();
    say("has written");
    lines.recv().unwrap();
}

#[test]
fn four_writers_lose_nothing_and_none_is_left_behind() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u64>();
        let mut writers: Vec<_> = (0..4)
            .map(|_| Child::new("writes as one of four", &place.path))
            .collect();
        writers.iter().for_each(|writer| writer.expect("ready"));
        writers.iter_mut().for_each(|writer| writer.say("go"));
        let longest: Vec<u64> = writers
            .iter()
            .map(|it| it.hear().parse().unwrap())
            .collect();
        println!("the longest put of each took {longest:?} ms");
        assert!(longest.iter().all(|it| *it < 10_000), "{longest:?}");
        let mut all = rest(&queue);
        all.sort_unstable();
        assert!(all.into_iter().eq((0..EACH).flat_map(|n| [n; 4])));
        assert_sound(&place.path);
    });
}

#[test]
fn nobody_is_refused_because_another_has_written_since_it_began() {
    // A transaction that begins with a read, and writes later, is refused at once then.
    limited(|| {
        let place = Place::new();
        let children = [(); 3].map(|()| Child::new("does everything", &place.path));
        for child in children {
            child.finish();
        }
        assert_sound(&place.path);
    });
}

#[test]
fn every_transaction_that_writes_begins_as_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    for folder in [folder.join("store"), folder] {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let begins = |word: &str| text.matches(word).count();
            if begins("Behavior::Deferred") + begins(".transaction(") + begins("unchecked_tr") > 0 {
                found.push(name);
            }
        }
    }
    assert_eq!(found, ["inspect.rs"], "which only reads");
}

#[test]
fn calls_that_never_wait_are_refused_while_another_writes() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<u64>();
        queue.put(&1).unwrap();
        let mut writer = Child::new("writes for long", &place.path);
        writer.expect("writes");
        let begin = Instant::now();
        assert_eq!(kind(queue.try_put(&2)), ErrorKind::Busy);
        assert_eq!(kind(queue.try_get()), ErrorKind::Busy);
        assert!(begin.elapsed() < Duration::from_secs(1));
        let timed = queue.put_timeout(&2, Duration::from_millis(30));
        assert_eq!(kind(timed), ErrorKind::Busy);
        assert!(begin.elapsed() >= Duration::from_millis(30));
        assert_eq!(queue.len().unwrap(), 1); // reading goes on
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| queue.put(&2).unwrap());
            writer.say("end");
            writer.expect("has written");
            waits.join().unwrap();
        });
        assert_eq!(rest(&queue), [1, 2]);
    });
}

/// Who may write to the queue's file must be able to write to those beside it. The files of SQLite
/// are made so by itself.
#[test]
fn the_files_beside_the_queue_have_its_permissions_and_owner() {
    let place = Place::new();
    fs::write(&place.path, "").unwrap();
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o666)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(&place.path, Some(4711), Some(4712)).unwrap();
    }
    let of = |path: &Path| {
        let found = fs::metadata(path).unwrap();
        (found.mode() & 0o777, found.uid(), found.gid())
    };
    let own = of(&place.path);
    let queue = place.open();
    queue.put(&1).unwrap();
    for end in ["-wal", "-shm", "-lock"] {
        assert_eq!(of(&place.beside(end)), own, "{end}");
    }
    assert_eq!(own.1 == 4711, is_root);
    // So also when a lock file of another queue is replaced.
    drop(queue);
    fs::write(place.beside("-lock"), "that of another queue").unwrap();
    let _queue = place.open::<u32>();
    assert_eq!(of(&place.beside("-lock")), own);
}

#[test]
fn a_time_limit_holds_while_another_thread_of_the_queue_writes() {
    limited(|| {
        let place = Place::new();
        let queue = place.open::<String>();
        let (large, is_over) = ("x".repeat(30_000_000), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    queue.put(&large).unwrap();
                    queue.get().unwrap();
                }
            });
            // It used to wait for its turn, however long that took, and to succeed.
            let put = || queue.put_timeout(&String::new(), Duration::from_millis(1));
            let begin = Instant::now();
            let mut tries = std::iter::repeat_with(put);
            let refused = tries.find_map(|put| {
                let is_late = begin.elapsed() > Duration::from_secs(20);
                (put.is_err() || is_late).then(|| put.err())
            });
            let refused = refused.flatten();
            let joined = (0..100).all(|_| queue.join_timeout(Duration::from_millis(1)).is_ok());
            is_over.store(true, Ordering::SeqCst);
            assert_eq!(refused.map(|it| it.kind()), Some(ErrorKind::Busy));
            assert!(joined);
        });
    });
}
