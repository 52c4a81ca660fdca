//! Bounds: a number of items, a number of bytes.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill_file_queue::{Builder, ErrorKind, SyncMode};

use crate::child::{Child, Role, say};
use crate::support::{Place, assert_sound, kind, limited, rest};

pub(crate) const ROLES: &[(&str, Role)] = &[("puts into a full queue", puts_into_a_full_queue)];

const SHORT: Duration = Duration::from_millis(20);

/// Puts 1, for which there is room, and 2, for which there is none.
fn puts_into_a_full_queue(path: &Path, _: &Receiver<String>) {
    let queue = Builder::new().capacity(1).open(path).unwrap();
    queue.put(&1).unwrap();
    say("full");
    queue.put(&2).unwrap();
    say("put");
}

#[test]
fn a_full_queue_refuses_at_once_or_in_time() {
    let place = Place::new();
    let queue = Builder::new().capacity(2).open(&place.path).unwrap();
    queue.put_all(&[1, 2]).unwrap();
    assert_eq!(kind(queue.try_put(&3)), ErrorKind::Full);
    assert_eq!(kind(queue.put_timeout(&3, SHORT)), ErrorKind::Full);
    // An item that is taken makes room, also before it is done.
    let task = queue.get_task().unwrap();
    queue.try_put(&3).unwrap();
    // An item that is given back goes in even so.
    task.give_back().unwrap();
    assert_eq!((queue.len().unwrap(), queue.capacity()), (3, Some(2)));
    assert_eq!(rest(&queue), [1, 2, 3]);
    let none = Builder::new().capacity(0).open(&place.path).unwrap();
    assert_eq!(kind(none.put(&1)), ErrorKind::TooLarge);
}

#[test]
fn a_put_waits_for_room_that_another_thread_or_process_makes() {
    limited(|| {
        let place = Place::new();
        let child = Child::new("puts into a full queue", &place.path);
        child.expect("full");
        assert_eq!(child.hear_within(SHORT), None);
        let queue = place.open::<u32>();
        assert_eq!(queue.get().unwrap(), 1);
        child.expect("put");
        let bounded = Builder::new().capacity(1).open(&place.path).unwrap();
        thread::scope(|scope| {
            let blocked = scope.spawn(|| bounded.put(&3).unwrap());
            let awaited = scope.spawn(|| block_on(bounded.put_async(&3)).unwrap());
            assert_eq!([(); 3].map(|()| queue.get().unwrap()), [2, 3, 3]);
            blocked.join().unwrap();
            awaited.join().unwrap();
        });
    });
}

#[test]
fn max_bytes_holds_puts_back_and_lets_gets_go_on() {
    limited(|| {
        let place = Place::new();
        let builder = Builder::new().max_bytes(10_000).sync(SyncMode::Normal);
        let queue = builder.open(&place.path).unwrap();
        let item = "x".repeat(900);
        let mut count = 0;
        let refused = loop {
            match queue.try_put(&item) {
                Ok(()) => count += 1,
                Err(error) => break error,
            }
        };
        // 900 bytes, 3 of MessagePack, 64 more.
        assert_eq!((refused.kind(), count), (ErrorKind::Full, 10_000 / 967));
        assert_eq!(kind(queue.put(&"x".repeat(10_000))), ErrorKind::TooLarge);
        // An item that is taken is still in the file ...
        let task = queue.get_task().unwrap();
        assert_eq!(kind(queue.try_put(&item)), ErrorKind::Full);
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.put(&item).unwrap());
            thread::sleep(SHORT); // most likely it waits by now
            task.done().unwrap(); // ... until it is done
            waits.join().unwrap();
        });
        // A smaller one may still fit.
        queue.try_put(&String::new()).unwrap();
        assert_eq!(rest(&queue).len(), count + 1);
        assert_eq!(queue.max_bytes(), Some(10_000));
        assert_sound(&place.path);
    });
}

#[test]
fn a_task_that_waits_for_room_lets_no_other_producer_begin() {
    limited(|| {
        let place = Place::new();
        let queue = Builder::new()
            .capacity(1)
            .sync(SyncMode::Normal)
            .open(&place.path)
            .unwrap();
        let pool = workmill::Builder::new()
            .threads(2)
            .give_way(Duration::MAX)
            .build()
            .unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        let (told, tells) = mpsc::channel();
        let handles: Vec<_> = (0..20)
            .map(|n: u32| {
                let (queue, begun, told) = (queue.clone(), Arc::clone(&begun), told.clone());
                pool.submit(move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    told.send(()).unwrap();
                    queue.put(&n).unwrap();
                })
            })
            .collect();
        tells.recv().unwrap();
        for taken in 1..=20 {
            queue.get().unwrap();
            // Those whose items were taken, the one whose item is in the queue, and two that stand.
            assert!(begun.load(Ordering::SeqCst) <= taken + 1 + 2);
        }
        for handle in handles {
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_task_that_waits_for_an_item_gives_its_slot_to_the_one_that_puts_it() {
    limited(|| {
        let place = Place::new();
        let queue = place.open();
        let pool = workmill::ThreadPoolExecutor::new(1).unwrap();
        let taker = queue.clone();
        let waits = pool.submit(move || taker.get().unwrap());
        let puts = pool.submit(move || queue.put(&1).unwrap());
        puts.join().unwrap();
        assert_eq!(waits.join().unwrap(), 1);
    });
}
