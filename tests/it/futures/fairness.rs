//! Futures that yield again and again, and closures, leave each other their share.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use workmill::{ThreadPoolExecutor, block_on, current, yield_now};

use super::{one_thread, watched};
use crate::support::{add_one, limited, occupy, until};

#[test]
fn a_future_that_yields_inside_a_blocked_task_lets_queued_tasks_run() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let is_set = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&is_set);
        let waits = pool.submit(move || {
            block_on(async {
                while seen.load(Ordering::SeqCst) == 0 {
                    yield_now().await;
                }
            });
        });
        pool.execute(move || add_one(&is_set));
        waits.join().unwrap();
    });
}

#[test]
fn a_future_that_always_wakes_itself_starves_nobody() {
    limited(|| {
        let pool = one_thread();
        let (polls, is_over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (count, over) = (Arc::clone(&polls), Arc::clone(&is_over));
        let (sender, go) = mpsc::channel::<()>();
        let (tell, arrived) = mpsc::channel();
        // Spawned first: at its hundredth poll the other keeps all others from being polled.
        let (pending, seen) = watched(1, ());
        let woken = pool.spawn(async move {
            pending.await;
            0
        });
        let stubborn = pool.spawn(poll_fn(move |cx| {
            if count.fetch_add(1, Ordering::SeqCst) == 100 {
                // Between two polls a task comes from outside.
                tell.send(()).unwrap();
                go.recv().unwrap();
            }
            cx.waker().wake_by_ref();
            match over.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        arrived.recv().unwrap();
        let count = |polls: &Arc<AtomicUsize>| {
            let polls = Arc::clone(polls);
            move || polls.load(Ordering::SeqCst)
        };
        seen.wake();
        let (closure, future) = (count(&polls), count(&polls));
        let late = [pool.submit(closure), pool.spawn(async move { future() })];
        sender.send(()).unwrap();
        for handle in late {
            let polled = handle.join().unwrap();
            assert!(polled < 100 + 200, "{polled} polls");
        }
        woken.join().unwrap();
        let polled = polls.load(Ordering::SeqCst);
        is_over.store(true, Ordering::SeqCst);
        stubborn.join().unwrap();
        assert!(polled >= 101);
    });
}

#[test]
fn closures_that_submit_themselves_forever_do_not_starve_a_future() {
    fn again(
        runs: Arc<AtomicUsize>,
        is_over: Arc<AtomicBool>,
        at_100: Arc<dyn Fn() + Send + Sync>,
    ) {
        if runs.fetch_add(1, Ordering::SeqCst) == 100 {
            at_100();
        }
        if !is_over.load(Ordering::SeqCst) {
            let next = move || again(runs, is_over, at_100);
            current().unwrap().execute(next);
        }
    }

    limited(|| {
        let pool = one_thread();
        let (runs, is_over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (future, seen) = watched(1, ());
        let count = Arc::clone(&runs);
        let woken = pool.spawn(async move {
            future.await;
            count.load(Ordering::SeqCst)
        });
        let waker = seen.wakers.recv().unwrap();
        let at_100 = move || {
            // Woken from outside.
            let waker = waker.clone();
            thread::spawn(|| waker.wake()).join().unwrap();
        };
        let (count, over) = (Arc::clone(&runs), Arc::clone(&is_over));
        pool.execute(move || again(count, over, Arc::new(at_100)));
        let ran = woken.join().unwrap();
        is_over.store(true, Ordering::SeqCst);
        assert!(ran < 100 + 200, "{ran} closures");
    });
}

#[test]
fn tasks_from_outside_run_while_all_threads_run_futures_that_yield() {
    limited(|| {
        for threads in [1, 2, 4] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            let (stop, yields) = (Arc::new(AtomicBool::new(false)), AtomicUsize::new(0));
            let yields = Arc::new(yields);
            let busy: Vec<_> = (0..2 * threads)
                .map(|_| {
                    let (stop, yields) = (Arc::clone(&stop), Arc::clone(&yields));
                    pool.spawn(async move {
                        while !stop.load(Ordering::SeqCst) {
                            yields.fetch_add(1, Ordering::SeqCst);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            until(|| yields.load(Ordering::SeqCst) > 1000);
            for n in 0..10 {
                assert_eq!(pool.submit(move || n).join().unwrap(), n);
                assert_eq!(pool.spawn(async move { n }).join().unwrap(), n);
            }
            stop.store(true, Ordering::SeqCst);
            busy.into_iter().for_each(|handle| handle.join().unwrap());
        }
    });
}

#[test]
fn futures_that_yield_on_one_thread_alternate_in_order() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let turns = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&turns);
        let all = pool.spawn(async move {
            let pool = current().unwrap();
            let tasks = [0, 1, 2].map(|n| {
                let seen = Arc::clone(&seen);
                pool.spawn(async move {
                    for round in 0..5 {
                        seen.lock().unwrap().push((round, n));
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
        });
        all.join().unwrap();
        let expected = (0..5).flat_map(|round| [0, 1, 2].map(|n| (round, n)));
        assert_eq!(*turns.lock().unwrap(), expected.collect::<Vec<_>>());
    });
}

#[test]
fn a_thread_with_futures_that_yield_runs_a_task_that_another_has_no_time_for() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (go, wait) = mpsc::channel();
        let goes = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&goes);
        let busy = pool.submit(move || {
            // Into the local queue of this thread, which has no time for it.
            current()
                .unwrap()
                .execute(move || flag.store(false, Ordering::SeqCst));
            wait.recv().unwrap();
        });
        let future = pool.spawn(async move {
            while goes.load(Ordering::SeqCst) {
                yield_now().await;
            }
        });
        future.join().unwrap();
        go.send(()).unwrap();
        busy.join().unwrap();
    });
}

#[test]
fn a_surplus_thread_begins_nothing_after_a_future_has_yielded() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let release = occupy(&pool);
        let (tell, begun) = mpsc::channel();
        let owner = pool.clone();
        let future = pool.spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            current().unwrap().execute(move || tell.send(()).unwrap());
            owner.set_threads(1).unwrap();
            yield_now().await;
        });
        // Time in which the task would begin.
        let moment = Duration::from_millis(50);
        assert_eq!(begun.recv_timeout(moment), Err(RecvTimeoutError::Timeout));
        release.set();
        begun.recv().unwrap();
        future.join().unwrap();
    });
}
