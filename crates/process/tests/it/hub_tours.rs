//! Tours of all that handles of a hub can do. They are called in the parent and in a worker alike.

use std::thread;
use std::time::Duration;

use workmill_process::hub::{
    BoundedSemaphore, Event, JoinableQueue, Latch, LifoQueue, Lock, PriorityQueue, Semaphore,
    TaskGuard,
};
use workmill_process::workmill::{
    AcquireError, TryAcquireError, TryGetError, block_on, timer::timeout,
};

/// A time that is over soon.
pub(crate) const SOON: Duration = Duration::from_millis(20);

pub(crate) fn lock_tour(lock: Lock) {
    let guard = lock.lock();
    assert!(lock.is_locked() && lock.try_lock().is_none());
    assert!(lock.lock_timeout(SOON).is_none());
    let late = block_on(timeout(SOON, lock.lock_async()));
    assert!(late.is_err());
    drop(guard);
    drop(block_on(lock.lock_async()));
    let guard = lock.lock_timeout(Duration::MAX).unwrap();
    let other = lock.clone();
    let waiter = thread::spawn(move || drop(other.lock()));
    drop(guard);
    waiter.join().unwrap();
    assert!(lock.try_lock().is_some() && !lock.is_locked());
}

pub(crate) fn semaphore_tour(keys: Semaphore) {
    assert_eq!(keys.available_permits(), 3);
    let one = keys.acquire().unwrap();
    let two = keys.acquire_many(2).unwrap();
    assert_eq!((one.permits(), two.permits()), (1, 2));
    assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
    let late = keys.acquire_timeout(SOON).unwrap_err();
    assert_eq!(late, TryAcquireError::NoPermits);
    assert!(keys.acquire_many_timeout(2, SOON).is_err() && keys.try_acquire_many(1).is_err());
    assert!(block_on(timeout(SOON, keys.acquire_async())).is_err());
    drop(two);
    let both = block_on(keys.acquire_many_async(2)).unwrap();
    one.forget();
    drop(both);
    assert_eq!(keys.available_permits(), 2);
    keys.add_permits(2).unwrap();
    assert!(keys.add_permits(Semaphore::MAX_PERMITS).is_err());
    assert_eq!((keys.forget_permits(1), keys.available_permits()), (1, 3));
    let all = keys.drain_permits();
    assert_eq!((all.permits(), keys.available_permits()), (3, 0));
    assert_eq!(keys.drain_permits().permits(), 0);
    drop(all);
    assert!(!keys.is_closed());
    let other = keys.clone();
    // That many are not there, but might be added.
    let waiter = thread::spawn(move || other.acquire_many(4).map(drop));
    keys.close();
    assert_eq!(waiter.join().unwrap(), Err(AcquireError::Closed));
    assert!(keys.is_closed());
}

pub(crate) fn bounded_tour(keys: BoundedSemaphore) {
    assert_eq!(keys.max_permits(), 2);
    assert_eq!(keys.acquire_many(3).unwrap_err(), AcquireError::TooMany);
    let error = keys.try_acquire_many(3).unwrap_err();
    assert_eq!(error, TryAcquireError::TooMany);
    keys.acquire_many(2).unwrap().forget();
    assert!(keys.release(3).is_err());
    keys.release(2).unwrap();
    assert!(keys.release(1).is_err());
    assert_eq!(keys.available_permits(), 2);
    keys.close();
    assert!(keys.is_closed());
    assert_eq!(keys.acquire().unwrap_err(), AcquireError::Closed);
    assert_eq!(keys.try_acquire().unwrap_err(), TryAcquireError::Closed);
    assert_eq!(
        block_on(keys.acquire_async()).unwrap_err(),
        AcquireError::Closed
    );
}

pub(crate) fn event_tour(event: Event) {
    assert!(!event.is_set() && !event.wait_timeout(SOON) && !event.wait_timeout(Duration::ZERO));
    assert!(block_on(timeout(SOON, event.wait_async())).is_err());
    let other = event.clone();
    let waiter = thread::spawn(move || other.wait());
    event.set();
    waiter.join().unwrap();
    event.wait();
    block_on(event.wait_async());
    assert!(event.is_set() && event.wait_timeout(Duration::ZERO));
    event.clear();
    assert!(!event.is_set());
}

pub(crate) fn latch_tour(latch: Latch) {
    assert_eq!((latch.count(), latch.is_open()), (3, false));
    assert!(!latch.wait_timeout(SOON));
    latch.count_down();
    let other = latch.clone();
    let waiter = thread::spawn(move || other.arrive_and_wait());
    latch.count_down();
    latch.wait();
    waiter.join().unwrap();
    block_on(latch.wait_async());
    latch.count_down();
    assert_eq!((latch.count(), latch.is_open()), (0, true));
}

pub(crate) fn queue_tour(queue: JoinableQueue<String>) {
    let item = |text: &str| text.to_owned();
    assert_eq!(
        (queue.capacity(), queue.len(), queue.is_empty()),
        (Some(2), 0, true)
    );
    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    assert_eq!(queue.get_timeout(SOON), Err(TryGetError::Empty));
    assert!(block_on(timeout(SOON, queue.get_async())).is_err());
    queue.put(item("a")).unwrap();
    block_on(queue.put_async(item("b"))).unwrap();
    assert!(queue.is_full() && queue.unfinished() == 2);
    assert_eq!(queue.try_put(item("c")).unwrap_err().into_inner(), "c");
    let late = queue.put_timeout(item("c"), SOON).unwrap_err();
    assert!(late.is_full() && late.into_inner() == "c");
    assert!(block_on(timeout(SOON, queue.put_async(item("c")))).is_err());
    assert_eq!(queue.get().unwrap(), "a");
    queue.task_done().unwrap();
    assert!(queue.task_done().is_err());
    assert!(!queue.join_timeout(SOON).unwrap());
    let mut task = queue.get_task().unwrap();
    assert_eq!(*task, "b");
    task.push('!');
    queue.put(item("c")).unwrap();
    queue.put(item("d")).unwrap();
    // To the front, and past the bound.
    task.give_back();
    assert_eq!((queue.len(), queue.unfinished()), (3, 3));
    assert_eq!(queue.try_get_task().unwrap().into_inner(), "b!");
    let other = queue.clone();
    let joiner = thread::spawn(move || other.join().unwrap());
    drop(queue.get_task_timeout(SOON).unwrap());
    drop(block_on(queue.get_task_async()).unwrap());
    joiner.join().unwrap();
    block_on(queue.join_async()).unwrap();
    queue.put(item("e")).unwrap();
    assert_eq!(queue.drain(), ["e"]);
    queue.put(item("f")).unwrap();
    assert!(!queue.is_closed());
    assert_eq!(queue.close_and_drain(), ["f"]);
    assert!(queue.is_closed() && queue.unfinished() == 0);
    let refused = queue.put(item("g")).unwrap_err();
    assert_eq!(refused.into_inner(), "g");
    assert!(queue.try_put(item("g")).unwrap_err().is_closed());
    assert!(queue.get().is_err() && queue.get_task().is_err());
    assert_eq!(queue.try_get(), Err(TryGetError::Closed));
    assert_eq!(queue.iter().count() + queue.iter_tasks().count(), 0);
}

pub(crate) fn orders_tour(lifo: LifoQueue<u32>, smallest: PriorityQueue<(u32, String)>) {
    (1..=3).for_each(|n| lifo.put(n).unwrap());
    lifo.close();
    assert!(lifo.iter().eq([3, 2, 1]));
    let letter = |rank: u32, text: &str| (rank, text.to_owned());
    for (rank, text) in [(2, "bill"), (1, "telegram"), (2, "card")] {
        smallest.put(letter(rank, text)).unwrap();
    }
    smallest.get_task().unwrap().give_back();
    smallest.close();
    let all: Vec<_> = smallest.iter_tasks().map(TaskGuard::into_inner).collect();
    assert_eq!(
        all,
        [letter(1, "telegram"), letter(2, "bill"), letter(2, "card")]
    );
    assert!(smallest.put(letter(3, "late")).is_err());
}
