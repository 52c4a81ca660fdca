//! Waiting inside the pool never hangs it: a program that finishes with a thread for each task
//! finishes here.

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use workmill::{
    Builder, CancelReason, Event, JoinHandle, Semaphore, ThreadPoolExecutor, Warning, blocking,
    current,
};

use crate::support::{Crowd, limited, occupy, until};

/// Pools of one, two and eight threads.
fn pools() -> [ThreadPoolExecutor; 3] {
    [1, 2, 8].map(|threads| ThreadPoolExecutor::new(threads).unwrap())
}

#[test]
fn tasks_that_all_wait_for_queued_tasks_finish() {
    limited(|| {
        for pool in pools() {
            let waiting: Vec<_> = (0..pool.threads())
                .map(|n| {
                    pool.submit(move || {
                        let event = Arc::new(Event::new());
                        let set = Arc::clone(&event);
                        let inner = current().unwrap().submit(move || set.set());
                        event.wait();
                        inner.join().unwrap();
                        n
                    })
                })
                .collect();
            for (n, handle) in waiting.into_iter().enumerate() {
                assert_eq!(handle.join().unwrap(), n);
            }
        }
    });
}

#[test]
fn three_hundred_tasks_wait_on_five_threads_for_an_event_that_the_last_one_sets() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(5).unwrap();
        let event = Arc::new(Event::new());
        let waiting: Vec<_> = (0..300)
            .map(|n| {
                let event = Arc::clone(&event);
                pool.submit(move || {
                    event.wait();
                    n
                })
            })
            .collect();
        pool.submit(move || event.set()).join().unwrap();
        for (n, handle) in waiting.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), n);
        }
        assert_eq!(pool.metrics().uncovered_waits, 0);
    });
}

#[test]
fn no_more_tasks_are_taken_up_than_there_are_slots() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let crowd = Crowd::default();
        let turnstile = Arc::new(Semaphore::new(0));
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let turnstile = Arc::clone(&turnstile);
                pool.submit(move || turnstile.acquire().unwrap().forget())
            })
            .collect();
        let running: Vec<_> = (0..300)
            .map(|_| {
                let crowd = crowd.clone();
                pool.submit(move || crowd.join_in())
            })
            .collect();
        running
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        let most = crowd.most();
        assert!(most <= 3, "{most}");
        turnstile.add_permits(50).unwrap();
        waiting
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn at_the_limit_further_waits_keep_their_slot_and_are_counted_and_reported_once() {
    limited(|| {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let pool = Builder::new()
            .threads(2)
            .max_spare_threads(3)
            .on_warning(move |warning| tell.lock().unwrap().send(warning).unwrap())
            .build()
            .unwrap();
        let event = Arc::new(Event::new());
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let event = Arc::clone(&event);
                pool.submit(move || event.wait())
            })
            .collect();
        until(|| pool.metrics().uncovered_waits == 2);
        assert!(matches!(told.recv(), Ok(Warning::SpareThreadsUsedUp(3))));
        assert_eq!(pool.metrics().live_threads, 5);
        let behind = pool.submit(|| ());
        event.set();
        waiting
            .into_iter()
            .for_each(|handle| handle.join().unwrap());
        behind.join().unwrap();
        pool.shutdown();
        drop(pool);
        assert!(told.recv().is_err(), "it is reported once");
    });
}

#[test]
fn without_spare_threads_every_wait_keeps_its_slot() {
    limited(|| {
        let builder = Builder::new().threads(1).max_spare_threads(0);
        let pool = builder.on_warning(drop).build().unwrap();
        let event = Arc::new(Event::new());
        let wait = Arc::clone(&event);
        let waits = pool.submit(move || wait.wait());
        let behind = pool.submit(|| ());
        until(|| pool.metrics().uncovered_waits == 1);
        assert!(!behind.is_finished() && pool.metrics().live_threads == 1);
        event.set();
        waits.join().unwrap();
        behind.join().unwrap();
    });
}

#[test]
fn of_joins_that_wait_for_each_other_in_a_cycle_one_gives_up() {
    for threads in [1, 2, 8] {
        for length in [1, 2, 3, 7] {
            limited(move || {
                let pool = ThreadPoolExecutor::new(threads).unwrap();
                let barrier = Arc::new(Barrier::new(length));
                let (tell, told) = mpsc::channel();
                let (senders, receivers): (Vec<_>, Vec<_>) = (0..length)
                    .map(|_| mpsc::channel::<JoinHandle<()>>())
                    .unzip();
                let tasks = receivers.into_iter().map(|receiver| {
                    let (barrier, tell) = (Arc::clone(&barrier), tell.clone());
                    pool.submit(move || {
                        let next = blocking(|| receiver.recv()).unwrap();
                        blocking(|| barrier.wait());
                        tell.send(next.join()).unwrap();
                    })
                });
                let tasks: Vec<_> = tasks.collect();
                for (n, task) in tasks.into_iter().enumerate() {
                    senders[(n + 1) % length].send(task).unwrap();
                }
                pool.shutdown();
                drop(tell);
                let (joined, gave_up): (Vec<_>, Vec<_>) = told.iter().partition(Result::is_ok);
                assert_eq!((joined.len(), gave_up.len()), (length - 1, 1));
                let error = gave_up.into_iter().next().unwrap().unwrap_err();
                assert_eq!(error.cancel_reason(), Some(CancelReason::Deadlock));
            });
        }
    }
}

/// The cell of a task is free for others once its callback has the outcome.
#[test]
fn a_callback_that_joins_a_long_task_is_in_no_cycle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for _ in 0..20 {
            let (release, again) = (occupy(&pool), pool.handle());
            let (tell, told) = mpsc::channel();
            let task = pool.submit(|| 1);
            task.on_done(move |_| {
                let begun = Arc::new(Event::new());
                let begins = Arc::clone(&begun);
                let long = again.submit(move || {
                    begins.set();
                    thread::sleep(Duration::from_millis(30));
                    2
                });
                begun.wait();
                tell.send(long.join()).unwrap();
            });
            release.set();
            assert_eq!(told.recv().unwrap().unwrap(), 2);
        }
    });
}

#[test]
fn a_task_that_installs_a_closure_that_joins_the_task_is_not_the_one_that_gives_up() {
    limited(|| {
        for _ in 0..20 {
            let outer = ThreadPoolExecutor::new(1).unwrap();
            let inner = ThreadPoolExecutor::new(1).unwrap();
            let (sender, receiver) = mpsc::channel::<JoinHandle<()>>();
            let (tell, told) = mpsc::channel();
            let task = outer.submit(move || {
                let reason = inner.install(move || {
                    let own = blocking(|| receiver.recv()).unwrap();
                    own.join().unwrap_err().cancel_reason()
                });
                tell.send(reason).unwrap();
            });
            sender.send(task).unwrap();
            let reason = told.recv().unwrap().unwrap();
            assert_eq!(reason, Some(CancelReason::Deadlock));
        }
    });
}

#[test]
fn a_lock_held_across_a_wait_is_never_asked_for_on_the_same_thread() {
    limited(|| {
        for pool in pools() {
            let lock = Arc::new(Mutex::new(0));
            let event = Arc::new(Event::new());
            let (held, set) = (Arc::clone(&lock), Arc::clone(&event));
            let first = pool.submit(move || {
                let mut held = held.lock().unwrap();
                event.wait();
                *held += 1;
            });
            let others: Vec<_> = (0..20)
                .map(|_| {
                    let lock = Arc::clone(&lock);
                    pool.submit(move || *blocking(|| lock.lock().unwrap()) += 1)
                })
                .collect();
            pool.submit(move || set.set()).join().unwrap();
            first.join().unwrap();
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(*lock.lock().unwrap(), 21);
        }
    });
}
