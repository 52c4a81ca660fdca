//! Items that are taken, and what becomes of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use workmill_file_queue::{ErrorKind, FileQueue};

use crate::support::{Place, assert_sound, kind, limited, rest, tamper};

#[test]
fn a_guard_that_is_dropped_in_a_panic_gives_its_item_back() {
    let place = Place::new();
    let queue = place.open();
    queue.put_all(&[1, 2]).unwrap();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let task = queue.get_task().unwrap();
        assert_eq!((*task, task.attempt()), (1, 1));
        std::panic::resume_unwind(Box::new("a mistake in the work"));
    }));
    assert!(panics.is_err());
    let task = queue.get_task().unwrap(); // at its place, before the other
    assert_eq!((*task, task.attempt()), (1, 2));
    task.done().unwrap();
    assert_eq!(rest(&queue), [2]);
    assert_sound(&place.path);
}

#[test]
fn a_guard_that_is_dropped_in_order_reports_its_item_done() {
    let place = Place::new();
    let queue = place.open();
    queue.put(&1).unwrap();
    drop(queue.get_task().unwrap());
    assert_eq!(queue.unfinished().unwrap(), 0);
    queue.join().unwrap();
}

#[test]
fn a_task_that_is_taken_and_done_while_its_thread_unwinds_is_done() {
    struct CleansUp<'a>(&'a FileQueue<u32>);
    impl Drop for CleansUp<'_> {
        fn drop(&mut self) {
            drop(self.0.get_task().unwrap());
        }
    }
    let place = Place::new();
    let queue = place.open();
    queue.put(&1).unwrap();
    let panics = catch_unwind(AssertUnwindSafe(|| {
        let _cleans_up = CleansUp(&queue);
        std::panic::resume_unwind(Box::new("elsewhere"));
    }));
    assert!(panics.is_err());
    assert_eq!(queue.unfinished().unwrap(), 0);
}

#[test]
fn what_was_given_back_comes_first_and_says_so() {
    let place = Place::new();
    let queue = place.open();
    queue.put_all(&["a".to_owned(), "b".to_owned()]).unwrap();
    for attempt in 1..=3 {
        let task = queue.get_task().unwrap();
        assert_eq!((task.as_str(), task.attempt()), ("a", attempt));
        task.give_back().unwrap();
    }
    queue.close().unwrap();
    assert_eq!(rest(&queue), ["a", "b"]);
}

#[test]
fn done_is_refused_after_the_item_went_back() {
    let place = Place::new();
    let queue = place.open();
    queue.put(&1).unwrap();
    let task = queue.get_task().unwrap();
    // As another process would do that takes this one for dead.
    tamper(
        &place.path,
        "UPDATE items SET taker = NULL; UPDATE queue SET ready = 1, taken = 0;",
    );
    let error = task.done().unwrap_err();
    assert_eq!(
        (error.kind(), error.item_id()),
        (ErrorKind::NotTaken, Some(1))
    );
    let again = queue.get_task().unwrap();
    assert_eq!(again.attempt(), 2);
    // Another's item is not this guard's either.
    tamper(&place.path, "UPDATE items SET taker = 4711;");
    assert_eq!(kind(again.give_back()), ErrorKind::NotTaken);
}

#[test]
fn join_waits_for_guards_and_for_what_is_given_back() {
    limited(|| {
        let place = Place::new();
        let queue = place.open();
        queue.put_all(&[1, 2]).unwrap();
        let first = queue.get_task().unwrap();
        assert!(!queue.join_timeout(Duration::from_millis(20)).unwrap());
        let (send, joined) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                queue.join().unwrap();
                send.send(()).unwrap();
            });
            queue.get().unwrap();
            first.give_back().unwrap();
            assert!(joined.recv_timeout(Duration::from_millis(50)).is_err());
            queue.get_task().unwrap().done().unwrap();
            joined.recv().unwrap();
        });
    });
}

#[test]
fn items_that_an_open_queue_has_taken_stay_taken_while_it_lives() {
    let place = Place::new();
    let (first, second) = (place.open(), place.open::<u32>());
    first.put_all(&[1, 2]).unwrap();
    let task = first.get_task().unwrap();
    drop(first); // the guard is a handle
    assert_eq!(*second.get_task().unwrap(), 2);
    assert_eq!(kind(second.try_get()), ErrorKind::Empty);
    std::mem::forget(task);
    assert_eq!(second.unfinished().unwrap(), 1);
}

#[test]
fn numbers_are_never_given_twice() {
    let place = Place::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let queue = place.open();
        queue.put_all(&[1, 2]).unwrap();
        while let Ok(task) = queue.try_get_task() {
            assert!(seen.insert(task.id()));
        }
    }
    assert_eq!(seen.len(), 6);
}
