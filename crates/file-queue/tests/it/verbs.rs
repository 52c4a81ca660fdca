//! Each verb, in one process.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once, zip};
use workmill::Event;
use workmill_file_queue::{Builder, ErrorKind, FileQueue};

use crate::support::{Place, assert_sound, kind, limited, rest};

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn items_come_out_in_the_order_in_which_they_were_put() {
    let place = Place::new();
    let queue = place.open();
    queue.put(&1).unwrap();
    queue.put_all(&[2, 3]).unwrap();
    queue.try_put(&4).unwrap();
    queue.put_timeout(&5, SHORT).unwrap();
    block_on(queue.put_async(&6)).unwrap();
    queue.try_put_all(&[7]).unwrap();
    queue.put_all_timeout(&[8], SHORT).unwrap();
    block_on(queue.put_all_async(&[9, 10])).unwrap();
    assert_eq!(queue.get().unwrap(), 1);
    assert_eq!(queue.try_get().unwrap(), 2);
    assert_eq!(queue.get_timeout(SHORT).unwrap(), 3);
    assert_eq!(block_on(queue.get_async()).unwrap(), 4);
    assert_eq!(queue.get_task().unwrap().into_inner().unwrap(), 5);
    assert_eq!(queue.try_get_task().unwrap().into_inner().unwrap(), 6);
    assert_eq!(*queue.get_task_timeout(SHORT).unwrap(), 7);
    assert_eq!(*block_on(queue.get_task_async()).unwrap(), 8);
    assert_eq!(rest(&queue), [9, 10]);
    assert_eq!(queue.unfinished().unwrap(), 0);
    assert_sound(&place.path);
}

#[test]
fn the_queue_outlives_the_program_and_two_openings_are_one_queue() {
    let place = Place::new();
    let queue = FileQueue::open(&place.path).unwrap();
    queue.put(&"before".to_owned()).unwrap();
    drop(queue);
    let first = FileQueue::<String>::open(&place.path).unwrap();
    let second = FileQueue::<String>::open(&place.path).unwrap();
    first.put(&"after".to_owned()).unwrap();
    assert_eq!(second.get().unwrap(), "before");
    assert_eq!(first.get().unwrap(), "after");
    assert_eq!(kind(second.try_get()), ErrorKind::Empty);
}

#[test]
fn an_empty_queue_is_told_at_once_or_in_time() {
    let place = Place::new();
    let queue = place.open::<u8>();
    let begin = Instant::now();
    assert_eq!(kind(queue.try_get()), ErrorKind::Empty);
    assert_eq!(kind(queue.try_get_task()), ErrorKind::Empty);
    assert_eq!(kind(queue.get_timeout(Duration::ZERO)), ErrorKind::Empty);
    assert_eq!(kind(queue.get_timeout(SHORT)), ErrorKind::Empty);
    assert!(begin.elapsed() >= SHORT);
    assert!(block_on(poll_once(queue.get_async())).is_none());
    assert!(queue.is_empty().unwrap());
    assert!(queue.join_timeout(Duration::ZERO).unwrap());
}

#[test]
fn a_get_waits_for_a_put_blocked_or_awaited() {
    limited(|| {
        let place = Place::new();
        let queue = place.open();
        thread::scope(|scope| {
            let blocked = scope.spawn(|| queue.get().unwrap());
            let timed = scope.spawn(|| queue.get_timeout(Duration::MAX).unwrap());
            let awaited = scope.spawn(|| block_on(queue.get_async()).unwrap());
            for n in 1..=3 {
                queue.put(&n).unwrap();
            }
            let all = [blocked, timed, awaited].map(|it| it.join().unwrap());
            assert_eq!(all.iter().sum::<u32>(), 6);
        });
        let (got, put) = block_on(zip(queue.get_async(), queue.put_async(&4)));
        assert_eq!((got.unwrap(), put.unwrap()), (4, ()));
    });
}

#[test]
fn a_batch_is_put_as_a_whole_or_not_at_all() {
    let place = Place::new();
    let queue = Builder::new().capacity(3).open(&place.path).unwrap();
    queue.put_all(&[1, 2]).unwrap();
    assert_eq!(kind(queue.try_put_all(&[3, 4])), ErrorKind::Full);
    assert_eq!(kind(queue.put_all(&[3, 4, 5, 6])), ErrorKind::TooLarge);
    queue.put_all(&Vec::new()).unwrap();
    assert_eq!(queue.len().unwrap(), 2);
    queue.try_put_all(&[3]).unwrap();
    assert_eq!(rest(&queue), [1, 2, 3]);
}

#[test]
fn iterators_end_when_the_queue_is_closed_and_empty() {
    let place = Place::new();
    let queue = place.open::<u32>();
    queue.put_all(&[1, 2, 3, 4]).unwrap();
    queue.close().unwrap();
    let first: Vec<_> = queue.iter().take(2).map(Result::unwrap).collect();
    let others: Vec<_> = queue.iter_tasks().map(|task| *task.unwrap()).collect();
    assert_eq!((first, others), (vec![1, 2], vec![3, 4]));
    assert_eq!((&queue).into_iter().count(), 0);
    queue.join().unwrap();
}

#[test]
fn an_iterator_ends_after_an_error_that_would_come_again() {
    let place = Place::new();
    let queue = place.open::<u32>();
    queue.put(&1).unwrap();
    std::fs::remove_file(&place.path).unwrap();
    let mut items = queue.iter();
    assert_eq!(kind(items.next().unwrap()), ErrorKind::Replaced);
    assert!(items.next().is_none());
}

#[test]
fn handles_can_be_shared_sent_and_shown() {
    fn is_shared<S: Send + Sync>(_: &S) {}
    let place = Place::new();
    let queue = place.open::<String>();
    is_shared(&queue);
    queue.put(&"x".to_owned()).unwrap();
    let task = queue.get_task().unwrap();
    is_shared(&task);
    assert!(format!("{queue:?} {task:?}").contains("attempt: 1"));
    assert_eq!(queue.path(), place.path.canonicalize().unwrap());
    drop(queue);
    task.done().unwrap(); // a guard is a handle, too
    fn is_sent<F: Send>(_: F) {}
    let queue = place.open::<String>();
    is_sent(queue.get_task_async());
    is_sent(queue.put_async(&String::new()));
    is_sent(queue.join_async());
}

/// A waker that drops the future which it is to wake.
struct Drops {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    dropped: Event,
}

impl Wake for Drops {
    fn wake(self: Arc<Self>) {
        let future = self.future.lock().unwrap().take();
        drop(future);
        self.dropped.set();
    }
}

#[test]
fn a_waker_may_drop_the_last_handle() {
    limited(|| {
        let place = Place::new();
        let (queue, other) = (place.open::<u32>(), place.open::<u32>());
        let future = Box::pin(async move { drop(queue.get_async().await) });
        let drops = Arc::new(Drops {
            future: Mutex::new(Some(future)),
            dropped: Event::new(),
        });
        let waker = Arc::clone(&drops).into();
        let mut context = Context::from_waker(&waker);
        let mut future = drops.future.lock().unwrap();
        let polled = future.as_mut().unwrap().as_mut().poll(&mut context);
        assert!(polled.is_pending());
        drop(future);
        other.put(&1).unwrap();
        drops.dropped.wait();
        assert_eq!(other.get().unwrap(), 1);
    });
}

#[test]
fn the_last_handle_may_be_dropped_under_a_lock_that_a_waker_takes() {
    /// A waker that takes a lock, as that of a list of tasks.
    struct Locks {
        tasks: Mutex<()>,
        woken: Event,
    }
    impl Wake for Locks {
        fn wake(self: Arc<Self>) {
            self.woken.set();
            drop(self.tasks.lock().unwrap());
        }
    }
    limited(|| {
        let place = Place::new();
        let (queue, other) = (place.open::<u32>(), place.open::<u32>());
        let locks = Arc::new(Locks {
            tasks: Mutex::new(()),
            woken: Event::new(),
        });
        let waker = Arc::clone(&locks).into();
        let mut future = Box::pin(async move { drop(queue.get_async().await) });
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let tasks = locks.tasks.lock().unwrap();
        other.put(&1).unwrap();
        locks.woken.wait();
        drop(future);
        drop(tasks);
    });
}

/// Random programs, beside a model: a list of what is ready, and a list of what is taken.
#[test]
fn any_mix_of_calls_does_what_a_list_in_memory_does() {
    let place = Place::new();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let mut queue = place.open::<u64>();
    let mut ready = std::collections::BTreeMap::new(); // by the number of the put
    let mut tasks = Vec::new();
    let mut puts = 0;
    for _ in 0..3_000 {
        match random(12) {
            0..=2 => {
                puts += 1;
                queue.put(&puts).unwrap();
                ready.insert(puts, 1);
            }
            3 => {
                let batch: Vec<_> = (0..random(5)).map(|n| puts + 1 + n).collect();
                queue.put_all(&batch).unwrap();
                puts += batch.len() as u64;
                ready.extend(batch.iter().map(|it| (*it, 1)));
            }
            4..=5 => {
                let expected = ready.pop_first().map(|(item, _)| item);
                assert_eq!(queue.try_get().ok(), expected);
            }
            6..=7 => match (queue.try_get_task(), ready.pop_first()) {
                (Ok(task), Some((item, attempt))) => {
                    assert_eq!((*task, task.attempt()), (item, attempt));
                    tasks.push(task);
                }
                (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Empty),
                other => panic!("{other:?}"),
            },
            8 if !tasks.is_empty() => {
                let at = random(tasks.len() as u64) as usize;
                tasks.swap_remove(at).done().unwrap();
            }
            9 if !tasks.is_empty() => {
                let at = random(tasks.len() as u64) as usize;
                let task = tasks.swap_remove(at);
                ready.insert(*task, task.attempt() + 1);
                task.give_back().unwrap();
            }
            10 if tasks.is_empty() => {
                drop(queue);
                queue = place.open();
            }
            _ => {
                assert_eq!(queue.len().unwrap(), ready.len() as u64);
                let unfinished = ready.len() + tasks.len();
                assert_eq!(queue.unfinished().unwrap(), unfinished as u64);
            }
        }
    }
    drop(tasks);
    assert!(rest(&queue).into_iter().eq(ready.into_keys()));
    assert_sound(&place.path);
}
