//! Files that are removed, renamed or replaced while the queue is open.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use workmill_file_queue::ErrorKind;

use crate::support::{Place, kind, limited, rest};

#[test]
fn a_file_that_is_gone_fails_every_call() {
    for end in ["", "-wal", "-shm", "-lock"] {
        let place = Place::new();
        let queue = place.open();
        queue.put_all(&[1, 2]).unwrap();
        let task = queue.get_task().unwrap();
        fs::remove_file(place.beside(end)).unwrap();
        assert_eq!(kind(queue.put(&3)), ErrorKind::Replaced, "{end}");
        assert_eq!(kind(queue.get()), ErrorKind::Replaced);
        assert_eq!(kind(queue.try_get_task()), ErrorKind::Replaced);
        assert_eq!(kind(queue.len()), ErrorKind::Replaced);
        assert_eq!(kind(queue.close()), ErrorKind::Replaced);
        assert_eq!(kind(task.done()), ErrorKind::Replaced);
        let error = queue.join().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Replaced);
        assert!(
            error.to_string().contains(&format!("queue{end}")),
            "{error}"
        );
    }
}

#[test]
fn a_renamed_file_fails_here_and_opens_there() {
    let place = Place::new();
    let queue = place.open();
    queue.put_all(&[1, 2]).unwrap();
    drop(queue);
    let queue = place.open::<u32>();
    let new = place.folder.path().join("renamed");
    fs::rename(&place.path, &new).unwrap();
    assert_eq!(kind(queue.put(&3)), ErrorKind::Replaced);
    drop(queue);
    assert_eq!(rest(&crate::support::quick::<u32>(&new)), [1, 2]);
    assert!(!place.path.exists());
}

#[test]
fn a_waiter_is_told_when_the_files_are_gone() {
    limited(|| {
        let removed = |path: &Path| fs::remove_file(path).unwrap();
        let renamed = |path: &Path| fs::rename(path, path.with_extension("new")).unwrap();
        let ways: [&dyn Fn(&Path); 2] = [&removed, &renamed];
        for (end, gone) in ["", "-lock"]
            .into_iter()
            .flat_map(|end| ways.map(|it| (end, it)))
        {
            let place = Place::new();
            let queue = place.open::<u32>();
            thread::scope(|scope| {
                let waits = scope.spawn(|| kind(queue.get()));
                thread::sleep(Duration::from_millis(20)); // most likely it waits by now
                gone(&place.beside(end));
                assert_eq!(waits.join().unwrap(), ErrorKind::Replaced);
            });
        }
    });
}

#[test]
fn a_new_queue_of_the_same_path_has_nothing_to_do_with_the_old_one() {
    let place = Place::new();
    let old = place.open();
    old.put(&1).unwrap();
    let task = old.get_task().unwrap();
    // The lock file stays, and the old queue has a lock in it.
    for end in ["", "-wal", "-shm"] {
        fs::remove_file(place.beside(end)).unwrap();
    }
    let new = place.open();
    assert_eq!(kind(old.put(&2)), ErrorKind::Replaced);
    new.put_all(&[3, 4]).unwrap();
    let third = place.open::<u32>();
    let of_new = new.get_task().unwrap();
    assert_eq!((*of_new, of_new.attempt()), (3, 1));
    assert_eq!(third.get().unwrap(), 4);
    assert_eq!(kind(third.try_get()), ErrorKind::Empty); // the first is held
    drop(of_new);
    drop(task);
    drop(old);
    assert_eq!(new.unfinished().unwrap(), 0);
}

#[test]
fn items_of_a_taker_whose_lock_file_was_removed_come_back_and_it_is_told() {
    let place = Place::new();
    let first = place.open();
    first.put(&1).unwrap();
    let task = first.get_task().unwrap();
    fs::remove_file(place.beside("-lock")).unwrap();
    let second = place.open::<u32>();
    assert_eq!(second.get_task().unwrap().attempt(), 2);
    assert_eq!(kind(task.done()), ErrorKind::Replaced);
}
