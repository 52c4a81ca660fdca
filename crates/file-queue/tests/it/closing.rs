//! The end of a queue, which all processes see, and which is kept in the file.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill_file_queue::{Builder, ErrorKind};

use crate::child::{Child, Role, say};
use crate::support::{Place, kind, limited, quick, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("waits for an item and hears the end", hears_the_end),
    ("opens and closes the file", opens_and_closes),
];

fn hears_the_end(path: &Path, _: &Receiver<String>) {
    let queue = quick::<u32>(path);
    say("waits");
    say(format!("{:?}", kind(queue.get())));
}

/// Opens the file, puts an item, takes one, and closes the file, again and again.
fn opens_and_closes(path: &Path, _: &Receiver<String>) {
    for n in 0..20 {
        let queue = quick::<u32>(path);
        queue.put(&n).unwrap();
        queue.get_timeout(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn a_waiter_in_another_process_sees_the_close() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("waits for an item and hears the end", &place.path);
        child.expect("waits");
        assert_eq!(child.hear_within(Duration::from_millis(50)), None);
        place.open::<u32>().close().unwrap();
        child.expect("Closed");
    });
}

#[test]
fn a_closed_queue_stays_closed_until_it_is_reopened() {
    let place = Place::new();
    let queue = place.open();
    queue.put_all(&[1, 2]).unwrap();
    queue.close().unwrap();
    queue.close().unwrap();
    drop(queue);
    let queue = place.open();
    assert!(queue.is_closed().unwrap());
    assert_eq!(kind(queue.put(&3)), ErrorKind::Closed);
    assert_eq!(kind(queue.try_put(&3)), ErrorKind::Closed);
    assert_eq!(rest(&queue), [1, 2]);
    assert_eq!(kind(queue.get()), ErrorKind::Closed);
    assert_eq!(kind(queue.try_get_task()), ErrorKind::Closed);
    queue.reopen().unwrap();
    queue.put(&3).unwrap();
    assert_eq!(rest(&queue), [3]);
}

#[test]
fn waiters_of_all_kinds_end_when_the_queue_is_closed() {
    limited(|| {
        let place = Place::new();
        let queue = Builder::new().capacity(1).open(&place.path).unwrap();
        thread::scope(|scope| {
            let getters = [
                scope.spawn(|| kind(queue.get())),
                scope.spawn(|| kind(queue.get_task_timeout(Duration::MAX))),
                scope.spawn(|| kind(block_on(queue.get_async()))),
            ];
            thread::sleep(Duration::from_millis(20)); // most likely they wait by now
            queue.close().unwrap();
            for getter in getters {
                assert_eq!(getter.join().unwrap(), ErrorKind::Closed);
            }
            queue.reopen().unwrap();
            queue.put(&1).unwrap();
            let putters = [
                scope.spawn(|| kind(queue.put(&2))),
                scope.spawn(|| kind(block_on(queue.put_async(&2)))),
            ];
            thread::sleep(Duration::from_millis(20));
            queue.close().unwrap();
            for putter in putters {
                assert_eq!(putter.join().unwrap(), ErrorKind::Closed);
            }
        });
    });
}

#[test]
fn the_last_close_and_an_opening_at_the_same_time_harm_nobody() {
    limited(|| {
        // The first opening makes the file, and all may be the first.
        for _ in 0..5 {
            let place = Place::new();
            let children = [(); 3].map(|()| Child::new("opens and closes the file", &place.path));
            for child in children {
                child.finish();
            }
            assert!(place.open::<u32>().is_empty().unwrap());
            crate::support::assert_sound(&place.path);
        }
    });
}

#[test]
fn threads_that_open_a_new_file_at_the_same_time_open_one_queue() {
    limited(|| {
        for _ in 0..20 {
            let place = Place::new();
            let start = std::sync::Barrier::new(4);
            let opened: Vec<_> = thread::scope(|scope| {
                let threads = [(); 4].map(|()| {
                    scope.spawn(|| {
                        start.wait();
                        let queue = quick::<u32>(&place.path);
                        queue.put(&1).unwrap();
                        queue
                    })
                });
                threads.map(|it| it.join().unwrap()).into()
            });
            assert_eq!(rest(&opened[0]).len(), 4);
        }
    });
}
