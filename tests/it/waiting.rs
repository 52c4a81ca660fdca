//! Every form of waiting gives the outcome once, and a waiter runs only the task that it waits for.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use workmill::{Builder, JoinHandle, Semaphore, ThreadPoolExecutor, WouldDeadlock};

use crate::support::{Flag, limited, occupy};

#[test]
fn a_task_runs_what_it_joins_if_nobody_has_begun_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let ran_on = pool.submit(|| {
            let outer = thread::current().id();
            let inner = workmill::current()
                .unwrap()
                .submit(|| thread::current().id());
            (outer, inner.join().unwrap())
        });
        let (outer, inner) = ran_on.join().unwrap();
        assert_eq!(outer, inner);
    });
}

#[test]
fn tasks_that_all_join_queued_tasks_finish() {
    for threads in [1, 2, 8] {
        limited(move || {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let parents: Vec<_> = (0..threads * 4)
                .map(|n| {
                    let pool = pool.handle();
                    pool.clone().submit(move || {
                        let children: Vec<_> = (0..8).map(|m| pool.submit(move || n * m)).collect();
                        let children = children.into_iter().map(|child| child.join().unwrap());
                        children.sum::<usize>()
                    })
                })
                .collect();
            for (n, parent) in parents.into_iter().enumerate() {
                assert_eq!(parent.join().unwrap(), n * 28);
            }
        });
    }
}

#[test]
fn a_lock_held_across_a_join_is_safe() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let lock = Arc::new(Mutex::new(0));
        let holder = {
            let (pool, lock) = (pool.handle(), Arc::clone(&lock));
            pool.clone().submit(move || {
                let mut held = lock.lock().unwrap();
                // Queued before and after the one that is joined, and all want the lock.
                let want = || {
                    let lock = Arc::clone(&lock);
                    pool.submit(move || *lock.lock().unwrap() += 1)
                };
                let mut others: Vec<_> = (0..50).map(|_| want()).collect();
                let awaited = pool.submit(|| 7);
                others.extend((0..50).map(|_| want()));
                *held += awaited.join().unwrap();
                others
            })
        };
        holder
            .join()
            .unwrap()
            .into_iter()
            .for_each(|other| other.join().unwrap());
        assert_eq!(*lock.lock().unwrap(), 107);
    });
}

#[test]
fn a_timed_join_leaves_the_handle_good() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let mut handle = pool.submit(|| 42);
        assert!(handle.join_timeout(Duration::ZERO).is_none());
        assert!(handle.join_timeout(Duration::from_millis(2)).is_none());
        assert!(handle.try_join().is_none());
        assert!(!handle.is_finished() && !handle.is_running());
        release.set();
        assert_eq!(handle.join_timeout(Duration::MAX).unwrap().unwrap(), 42);
        assert!(handle.is_finished());
    });
}

#[test]
fn zero_takes_what_is_there() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let mut handles = [(); 2].map(|()| pool.submit(|| 42));
        assert!(pool.wait_idle_timeout(Duration::MAX).unwrap());
        assert_eq!(
            handles[0].join_timeout(Duration::ZERO).unwrap().unwrap(),
            42
        );
        assert_eq!(handles[1].try_join().unwrap().unwrap(), 42);
    });
}

#[test]
fn a_spent_handle_says_so() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let spent = || {
            let mut handle = pool.submit(|| 42);
            handle.join_timeout(Duration::MAX).unwrap().unwrap();
            assert!(handle.is_finished() && !handle.cancel());
            handle
        };
        let uses: [fn(JoinHandle<i32>); 4] = [
            |handle| drop(handle.join()),
            |mut handle| drop(handle.try_join()),
            |mut handle| drop(handle.join_timeout(Duration::ZERO)),
            |handle| drop(future::block_on(handle)),
        ];
        for use_it in uses {
            let handle = spent();
            let panic = thread::spawn(move || use_it(handle)).join().unwrap_err();
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or(panic.downcast_ref::<&str>().copied());
            assert_eq!(
                message,
                Some("the outcome of this JoinHandle was given before")
            );
        }
    });
}

#[test]
fn a_handle_can_be_awaited() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let sum = future::block_on(async {
            let handles: Vec<_> = (0..100).map(|n| pool.submit(move || n)).collect();
            let mut sum = 0;
            for handle in handles {
                sum += handle.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 4950);
        let error = future::block_on(pool.submit(|| panic!("spilt"))).unwrap_err();
        assert_eq!(error.panic_message(), Some("spilt"));
    });
}

#[test]
fn a_handle_that_was_awaited_and_dropped_leaves_its_task_alone() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for _ in 0..500 {
            let release = occupy(&pool);
            let (sender, receiver) = std::sync::mpsc::channel();
            let mut handle = pool.submit(move || sender.send(42).unwrap());
            assert!(future::block_on(future::poll_once(&mut handle)).is_none());
            release.set();
            drop(handle);
            assert_eq!(receiver.recv().unwrap(), 42);
        }
    });
}

#[test]
fn cancelling_wakes_a_task_that_awaits() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let mut handle = pool.submit(|| unreachable!());
        assert!(future::block_on(future::poll_once(&mut handle)).is_none());
        assert!(handle.cancel());
        let outcome: Result<(), _> = future::block_on(handle);
        assert!(outcome.unwrap_err().is_cancelled());
        release.set();
    });
}

#[test]
fn is_running_shows_the_state_of_a_task() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (arrived, release) = (Flag::default(), Flag::default());
        let (arrives, go) = (arrived.clone(), release.clone());
        let handle = pool.submit(move || {
            arrives.set();
            go.wait();
        });
        arrived.wait();
        assert!(handle.is_running() && !handle.is_finished());
        assert!(!handle.cancel(), "it has begun");
        release.set();
        pool.wait_idle().unwrap();
        assert!(!handle.is_running() && handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn wait_idle_waits_for_children_and_children_of_children() {
    limited(|| {
        use std::sync::atomic::{AtomicUsize, Ordering};

        fn breed(depth: usize, born: &Arc<AtomicUsize>) {
            born.fetch_add(1, Ordering::Relaxed);
            if depth > 0 {
                for _ in 0..3 {
                    let born = Arc::clone(born);
                    workmill::current()
                        .unwrap()
                        .execute(move || breed(depth - 1, &born));
                }
            }
        }
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let born = Arc::new(AtomicUsize::new(0));
            let first = Arc::clone(&born);
            pool.execute(move || breed(7, &first));
            pool.wait_idle().unwrap();
            assert_eq!(born.load(Ordering::Relaxed), (3_usize.pow(8) - 1) / 2);
            assert!(!pool.is_shutdown());
        }
    });
}

#[test]
fn wait_idle_gives_up_in_time_and_refuses_to_wait_for_itself() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        assert!(pool.wait_idle_timeout(Duration::ZERO).unwrap());
        let release = occupy(&pool);
        assert!(!pool.wait_idle_timeout(Duration::ZERO).unwrap());
        assert!(!pool.wait_idle_timeout(Duration::from_millis(2)).unwrap());
        release.set();
        let inside = pool.submit(|| workmill::current().unwrap().wait_idle());
        assert_eq!(inside.join().unwrap(), Err(WouldDeadlock));
        // Another pool's task may wait for this one.
        let other = ThreadPoolExecutor::new(1).unwrap();
        let waited = pool.handle();
        assert_eq!(
            other.submit(move || waited.wait_idle()).join().unwrap(),
            Ok(())
        );
    });
}

#[test]
fn several_threads_wait_until_idle_at_once() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for _ in 0..200 {
            let release = occupy(&pool);
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| pool.wait_idle().unwrap());
                }
                assert!(!pool.wait_idle_timeout(Duration::ZERO).unwrap());
                release.set();
            });
        }
    });
}

/// Returns the time for which this thread has had a processor.
#[cfg(target_os = "linux")]
fn own_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = text.split(' ').next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

/// The tombstones that joins leave in the local queue are swept now and then, which must not cost
/// more the more there are.
#[cfg(target_os = "linux")]
#[test]
fn many_children_are_joined_inline_in_no_more_than_their_time() {
    /// Returns this thread's time for a task that joins `children` children, again and again.
    fn takes(pool: &ThreadPoolExecutor, times: u32, children: u64) -> Duration {
        let task = pool.submit(move || {
            let (pool, start) = (workmill::current().unwrap(), own_time());
            for _ in 0..times {
                let handles: Vec<_> = (0..children).map(|n| pool.submit(move || n)).collect();
                let values = handles.into_iter().map(|child| child.join().unwrap());
                assert_eq!(values.sum::<u64>(), children * (children - 1) / 2);
            }
            own_time() - start
        });
        task.join().unwrap()
    }
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        // Many at a time, or as many a few at a time: ten times as long if each went over all
        // others.
        let (few, many) = (takes(&pool, 10, 10_000), takes(&pool, 1, 100_000));
        assert!(many < 4 * few, "{many:?} instead of {few:?}");
    });
}

#[test]
fn in_every_timed_wait_zero_looks_once_and_max_waits_forever() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder.build().unwrap();
        let (release, keys) = (occupy(&pool), Semaphore::new(0));
        let (mut plain, zero) = (pool.submit(|| 1), Duration::ZERO);
        let task = pool.submit_timeout(|| 2, zero);
        assert!(task.unwrap_err().is_full());
        assert!(plain.join_timeout(zero).is_none());
        assert!(!pool.wait_idle_timeout(zero).unwrap());
        assert!(keys.acquire_timeout(zero).is_err());
        let shared = plain.shared();
        assert!(shared.join_timeout(zero).is_none());
        // All of these wait before the worker is released, or after; either way they end.
        thread::scope(|scope| {
            let submitter = scope.spawn(|| pool.submit_timeout(|| 3, Duration::MAX).unwrap());
            let joiner = scope.spawn(|| shared.join_timeout(Duration::MAX));
            let acquirer = scope.spawn(|| keys.acquire_timeout(Duration::MAX).map(drop));
            let idler = scope.spawn(|| pool.wait_idle_timeout(Duration::MAX));
            release.set();
            let mut late = submitter.join().unwrap();
            assert_eq!(late.join_timeout(Duration::MAX).unwrap().unwrap(), 3);
            assert_eq!(joiner.join().unwrap().unwrap().unwrap(), 1);
            assert_eq!(idler.join().unwrap(), Ok(true));
            // There is no permit to release; the end of the semaphore ends the wait.
            keys.close();
            assert!(acquirer.join().unwrap().is_err());
        });
        // A ready outcome is taken, however short the time.
        assert_eq!(shared.join_timeout(zero).unwrap().unwrap(), 1);
        pool.wait_idle().unwrap();
        assert!(pool.wait_idle_timeout(zero).unwrap());
        assert_eq!(pool.submit_timeout(|| 4, zero).unwrap().join().unwrap(), 4);
        let one = Semaphore::new(1);
        assert!(one.acquire_timeout(zero).is_ok());
        pool.shutdown_timeout(Duration::MAX).unwrap();
        pool.shutdown_timeout(zero).unwrap();
    });
}

#[test]
fn nothing_of_a_task_is_kept_once_it_has_ended() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let capture = Arc::new(());
        let held = |task: &Arc<()>| Arc::strong_count(task) - 1;
        let kept = Arc::clone(&capture);
        let handle = pool.submit(move || vec![kept]);
        pool.wait_idle().unwrap();
        assert_eq!(held(&capture), 1, "only in the result");
        let result = handle.join().unwrap();
        assert_eq!(held(&capture), 1, "which was moved out");
        drop(result);
        assert_eq!(held(&capture), 0);
        let kept = Arc::clone(&capture);
        let shared = pool.submit(move || kept).shared();
        let joined = shared.join().unwrap();
        assert_eq!(held(&capture), 2, "a shared one is kept, and cloned");
        drop((shared, joined));
        // The thread that ended the task may still be telling others.
        pool.wait_idle().unwrap();
        assert_eq!(held(&capture), 0);
        let kept = Arc::clone(&capture);
        pool.submit(move || kept).on_done(drop);
        pool.wait_idle().unwrap();
        assert_eq!(held(&capture), 0);
    });
}

#[test]
fn a_cycle_of_joins_whose_time_never_ends_is_broken_like_any_other() {
    limited(|| {
        for shared in [false, true] {
            let pool = ThreadPoolExecutor::new(2).unwrap();
            let slots = [(); 2].map(|()| Arc::new(Mutex::new(None::<JoinHandle<bool>>)));
            let releases = [(); 2].map(|()| Flag::default());
            let tasks = [0, 1].map(|n| {
                let (release, other) = (releases[n].clone(), Arc::clone(&slots[n]));
                pool.submit(move || {
                    release.wait();
                    let mut other = other.lock().unwrap().take().unwrap();
                    let outcome = match shared {
                        true => other.shared().join_timeout(Duration::MAX),
                        false => other.join_timeout(Duration::MAX),
                    };
                    outcome.unwrap().is_err()
                })
            });
            let both = tasks.each_ref().map(JoinHandle::cancel_handle);
            for (slot, task) in slots.iter().rev().zip(tasks) {
                *slot.lock().unwrap() = Some(task);
            }
            releases.iter().for_each(Flag::set);
            // One join gives up; so its task ends, and then the other.
            pool.wait_idle().unwrap();
            assert!(both.iter().all(|task| task.is_finished()));
        }
    });
}
