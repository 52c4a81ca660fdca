//! A forked child takes no lock of its parent's pool, which a thread of the parent may have held
//! when it forked: not when it drops a future that waited, nor when it returns from a call into the
//! pool.
//!
//! Other threads take those locks all the time. A child that takes one hangs sooner or later, and
//! its alarm kills it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::future::{block_on, poll_once};
use workmill::{Builder, Event, JoinableQueue, Overflow, PoolRef, ThreadPoolExecutor};

use crate::child::alone;
use crate::forking::{Child, assert_forked, exit, fork, fork_and_go_on};
use crate::support::{Flag, meet, occupy, until};

const FORKS: usize = 400;

/// Three threads do `load` again and again while `forks` is called many times.
fn under_load(load: impl Fn() + Sync, forks: impl FnMut()) {
    many_under_load(FORKS, load, forks);
}

fn many_under_load(times: usize, load: impl Fn() + Sync, mut forks: impl FnMut()) {
    let (over, begun) = (AtomicBool::new(false), Barrier::new(4));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                begun.wait();
                while !over.load(Ordering::Relaxed) {
                    load();
                }
            });
        }
        // A child whose thread ends takes a lock of std's, which threads that start take as well.
        begun.wait();
        let tested = catch_unwind(AssertUnwindSafe(|| (0..times).for_each(|_| forks())));
        over.store(true, Ordering::Relaxed);
        tested.unwrap();
    });
}

/// Polls a future once; it waits.
fn begin<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    future
}

/// A full pool whose only worker is busy.
fn full(overflow: Overflow) -> (ThreadPoolExecutor, Flag) {
    let builder = Builder::new().threads(1).queue_capacity(1);
    let pool = builder.overflow(overflow).build().unwrap();
    let release = occupy(&pool);
    drop(pool.submit(|| ()));
    (pool, release)
}

/// The child has come out of a call that forked; in the parent it ends well.
fn returned(forked: Option<Child>) {
    match forked {
        None => exit(0),
        Some(child) => child.ends_well(),
    }
}

#[test]
fn a_child_drops_a_submission_that_waits_for_room() {
    alone(|| {
        let (pool, release) = full(Overflow::Block);
        let load = || {
            drop(begin(pool.submit_async(|| ())));
            assert!(
                pool.submit_timeout(|| (), Duration::from_micros(1))
                    .is_err()
            );
        };
        under_load(load, || {
            let waits = begin(pool.submit_async(|| ()));
            let child = fork(|| drop(waits));
            child.ends_well();
            let mut waits = begin(pool.submit_async(|| ()));
            let child = fork(|| {
                assert!(block_on(waits.as_mut()).is_err());
                drop(waits);
            });
            child.ends_well();
        });
        release.set();
    });
}

/// A future that goes on in a lent slot forks: the child does not give the slot back.
#[test]
fn a_child_that_runs_in_a_lent_slot_returns() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (orders, full) = [(); 2].map(|()| Arc::new(JoinableQueue::bounded(0))).into();
        let (begun, (tell, told)) = (Arc::new(Event::new()), mpsc::channel());
        let (begins, gets) = (Arc::clone(&begun), Arc::clone(&orders));
        let forks = pool.spawn(async move {
            begins.set();
            while gets.get_async().await.is_ok() {
                fork_and_go_on()
                    .into_iter()
                    .for_each(|child| tell.send(child).unwrap());
            }
        });
        begun.wait();
        let puts = Arc::clone(&full);
        let stands = pool.submit(move || puts.put(()).unwrap());
        until(|| pool.metrics().lent_slots == 1);
        let load = || assert!(pool.metrics().lent_slots <= 1);
        many_under_load(100, load, || {
            orders.put(()).unwrap();
            told.recv().unwrap().ends_well();
        });
        full.get().unwrap();
        stands.join().unwrap();
        orders.close();
        forks.join().unwrap();
    });
}

#[test]
fn a_child_drops_a_wait_for_idleness_or_for_the_end() {
    alone(|| {
        let (pool, ends) = [(); 2].map(|()| ThreadPoolExecutor::new(1).unwrap()).into();
        let releases = [&pool, &ends].map(|pool| occupy(pool));
        ends.shutdown_now();
        let load = || {
            drop(begin(pool.wait_idle_async()));
            drop(begin(ends.shutdown_async()));
        };
        under_load(load, || {
            let waits = (begin(pool.wait_idle_async()), begin(ends.shutdown_async()));
            fork(|| drop(waits)).ends_well();
        });
        releases.iter().for_each(Flag::set);
    });
}

#[test]
fn a_child_drops_a_shared_handle_that_waits() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let shared = pool.submit(|| 42).shared();
        let load = || drop(begin(shared.clone()));
        under_load(load, || {
            let waits = begin(shared.clone());
            fork(|| drop(waits)).ends_well();
            let waits = begin(shared.clone());
            fork(|| assert_forked(block_on(waits))).ends_well();
        });
        release.set();
    });
}

/// Waits for the pool to become idle, with wakers that are called.
fn waits_for_idleness(pool: &PoolRef) {
    block_on(async {
        for _ in 0..10 {
            poll_once(pool.wait_idle_async()).await;
        }
    });
    pool.wait_idle_timeout(Duration::from_micros(50)).unwrap();
}

#[test]
fn a_child_returns_from_a_future_or_a_closure_that_was_called_here() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (full, release) = full(Overflow::CallerRuns);
        let load = || {
            waits_for_idleness(&pool);
            waits_for_idleness(&full);
        };
        under_load(load, || {
            returned(pool.block_on(async { fork_and_go_on() }));
            let task = full.submit(fork_and_go_on);
            returned(match task.is_finished() {
                true => task.join().unwrap(),
                false => None,
            });
        });
        release.set();
    });
}

#[test]
fn a_child_returns_from_a_task_whose_outcome_others_wait_for() {
    alone(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        // Both threads have started.
        meet(&pool, 2);
        many_under_load(
            FORKS / 4,
            || waits_for_idleness(&pool),
            || {
                // No thread may start or end meanwhile: std has a lock for that, which the child
                // needs too.
                let release = Flag::default();
                let go = release.clone();
                let shared = pool.submit(move || {
                    go.wait();
                    Arc::new(Mutex::new(fork_and_go_on()))
                });
                let shared = shared.shared();
                let _others = [(); 2].map(|()| begin(shared.clone()));
                release.set();
                let child = shared.join().unwrap().lock().unwrap().take();
                child.expect("the child has ended").ends_well();
            },
        );
    });
}

/// Forks when it is dropped, once.
struct ForksOnDrop(mpsc::Sender<Child>);

impl Drop for ForksOnDrop {
    fn drop(&mut self) {
        if let Some(child) = fork_and_go_on() {
            self.0.send(child).unwrap();
        }
    }
}

#[test]
fn a_child_returns_from_a_call_that_drops_what_forks() {
    alone(|| {
        let (busy, release) = full(Overflow::Block);
        many_under_load(
            FORKS / 10,
            || drop(begin(busy.submit_async(|| ()))),
            || {
                let parent = std::process::id();
                for way in 0..4 {
                    let (send, forked) = mpsc::channel();
                    let forks = ForksOnDrop(send);
                    let overflow = if way == 3 {
                        Overflow::DropOldest
                    } else {
                        Overflow::Block
                    };
                    let (pool, release) = match way {
                        0 => (busy.clone(), None),
                        _ => {
                            let builder = Builder::new().threads(1).queue_capacity(4);
                            let pool = builder.overflow(overflow).build().unwrap();
                            let release = occupy(&pool);
                            (pool, Some(release))
                        }
                    };
                    match way {
                        0 => drop(pool.try_submit(move || drop(forks))),
                        1 => {
                            drop(pool.submit(move || drop(forks)));
                            drop(pool.submit(|| ()));
                            pool.spawn(async {});
                            pool.shutdown_now();
                        }
                        2 => {
                            let hour = Duration::from_secs(3600);
                            pool.submit_after(hour, move || drop(forks));
                            pool.submit_after(hour, || ());
                            drop(pool.shutdown_timeout(Duration::ZERO));
                        }
                        _ => {
                            drop(pool.submit(move || drop(forks)));
                            (0..4).for_each(|_| drop(pool.submit(|| ())));
                        }
                    }
                    if std::process::id() != parent {
                        exit(0);
                    }
                    forked.recv().unwrap().ends_well();
                    release.iter().for_each(Flag::set);
                }
            },
        );
        release.set();
    });
}
