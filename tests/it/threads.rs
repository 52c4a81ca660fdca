//! The number of threads of a pool: they come when they are needed and end when they are not, and
//! the number of tasks that run at a time can be changed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use workmill::{
    Builder, Event, Overflow, PoolRef, Semaphore, ThreadPoolExecutor, blocking, current,
};

use crate::support::{Crowd, Drops, Flag, add_one, limited, meet, occupy, until};

/// Soon over, and longer than it takes a thread to find the next task.
const SOON: Duration = Duration::from_millis(20);

/// Runs the given number of tasks that wait, so that as many slots are given up, and then go on.
fn wait_together(pool: &PoolRef, tasks: usize) {
    let event = Arc::new(Event::new());
    let wait = || {
        let event = Arc::clone(&event);
        pool.submit(move || event.wait())
    };
    let waiting: Vec<_> = (0..tasks).map(|_| wait()).collect();
    until(|| waiting.iter().all(|task| task.is_running()));
    event.set();
    waiting.into_iter().for_each(|task| task.join().unwrap());
}

fn live(pool: &PoolRef) -> usize {
    pool.metrics().live_threads
}

#[test]
fn numbers_of_threads_that_do_not_fit_are_refused_with_the_limits() {
    let refused = |builder: Builder| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        error.to_string()
    };
    let two = || Builder::new().threads(2);
    assert_eq!(
        refused(two().min_threads(0)),
        "min_threads is 1 to 2 here, not 0"
    );
    assert_eq!(
        refused(two().min_threads(3)),
        "min_threads is 1 to 2 here, not 3"
    );
    assert_eq!(
        refused(two().max_threads(1)),
        "max_threads is 2 to 65535 here, not 1"
    );
    assert_eq!(
        refused(two().max_threads(65_536)),
        "max_threads is 2 to 65535 here, not 65536"
    );
    limited(move || {
        let pool = two().max_threads(3).build().unwrap();
        for wrong in [0, 4, usize::MAX] {
            let error = pool.set_threads(wrong).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let message = format!("this pool can have 1 to 3 threads, not {wrong}");
            assert_eq!(error.to_string(), message);
            assert_eq!(pool.threads(), 2);
        }
        meet(&pool, 2);
    });
}

#[test]
fn by_default_there_can_be_four_times_as_many_threads_and_none_ends_soon() {
    limited(|| {
        for (threads, most) in [(1, 4), (3, 12), (300, 1024), (2000, 2000)] {
            let pool = ThreadPoolExecutor::new(threads).unwrap();
            pool.set_threads(most).unwrap();
            assert!(pool.set_threads(most + 1).is_err());
        }
        // However short the time, the threads that the pool began with stay.
        let pool = Builder::new().threads(3).keep_alive(Duration::ZERO);
        let pool = pool.build().unwrap();
        meet(&pool, 3);
        pool.set_threads(6).unwrap();
        meet(&pool, 6);
        until(|| live(&pool) == 3);
        // Not synchronisation: the sleep is the time in which nothing is to happen.
        thread::sleep(SOON);
        assert_eq!(live(&pool), 3);
    });
}

#[test]
fn idle_threads_end_except_those_that_stay_and_come_again() {
    limited(|| {
        for stay in [1, 2, 4] {
            let names = Arc::<Mutex<BTreeSet<_>>>::default();
            let builder = Builder::new().threads(4).min_threads(stay);
            let pool = builder.keep_alive(SOON).build().unwrap();
            for _ in 0..3 {
                meet(&pool, 4);
                let list = Arc::clone(&names);
                pool.execute(move || {
                    let name = thread::current().name().unwrap().to_owned();
                    list.lock().unwrap().insert(name);
                });
                until(|| live(&pool) == stay);
            }
            // Not synchronisation: the sleep is the time in which nothing is to happen.
            thread::sleep(SOON * 3);
            assert_eq!(live(&pool), stay);
            let names = names.lock().unwrap();
            let numbers = names.iter().map(|name| name.strip_prefix("workmill-"));
            let numbers = numbers.map(|number| number.unwrap().parse::<usize>().unwrap());
            assert!(numbers.max() < Some(4), "{names:?}");
        }
    });
}

#[test]
fn spare_threads_end_too() {
    limited(|| {
        let builder = Builder::new().threads(2).min_threads(1);
        let pool = builder.keep_alive(SOON).build().unwrap();
        for _ in 0..3 {
            wait_together(&pool, 12);
            assert!(live(&pool) <= 13);
            until(|| live(&pool) == 1);
            assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
        }
        // Threads that wait are not counted among those that stay.
        let event = Arc::new(Event::new());
        let wait = Arc::clone(&event);
        let waits = pool.submit(move || wait.wait());
        until(|| waits.is_running());
        meet(&pool, 2);
        until(|| live(&pool) == 2);
        event.set();
        waits.join().unwrap();
        until(|| live(&pool) == 1);
    });
}

#[test]
fn threads_that_end_at_once_and_threads_that_never_do_run_all_tasks() {
    for keep_alive in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        limited(move || {
            let builder = Builder::new().threads(3).min_threads(1);
            let pool = builder.keep_alive(keep_alive).build().unwrap();
            for round in 0..200 {
                let tasks: Vec<_> = (0..6)
                    .map(|n| {
                        pool.submit(move || {
                            let inner = current().unwrap().submit(move || n);
                            blocking(|| ());
                            inner.join().unwrap()
                        })
                    })
                    .collect();
                for (n, task) in tasks.into_iter().enumerate() {
                    assert_eq!(task.join().unwrap(), n, "round {round}");
                }
            }
            meet(&pool, 3);
            if keep_alive == Duration::MAX {
                assert!(live(&pool) >= 3);
            } else {
                until(|| live(&pool) == 1);
            }
            pool.shutdown();
            assert_eq!(live(&pool), 0);
        });
    }
}

#[test]
fn more_threads_begin_what_waits_in_the_queue_at_once() {
    limited(|| {
        let pool = Builder::new().threads(1).max_threads(5).build().unwrap();
        let barrier = Arc::new(Barrier::new(5));
        let meet = || {
            let barrier = Arc::clone(&barrier);
            pool.submit(move || barrier.wait().is_leader())
        };
        let tasks: Vec<_> = (0..5).map(|_| meet()).collect();
        until(|| tasks.iter().any(|task| task.is_running()));
        pool.set_threads(5).unwrap();
        assert_eq!(pool.threads(), 5);
        let leaders = tasks.into_iter().map(|task| task.join().unwrap());
        assert_eq!(leaders.filter(|leads| *leads).count(), 1);
    });
}

#[test]
fn with_fewer_threads_no_more_tasks_run_at_a_time_once_the_others_have_ended() {
    limited(|| {
        let builder = Builder::new().threads(5).min_threads(1);
        let pool = builder.keep_alive(SOON).build().unwrap();
        for fewer in [1, 2, 4] {
            pool.set_threads(5).unwrap();
            let releases = [(); 5].map(|()| occupy(&pool));
            let crowd = Crowd::default();
            pool.set_threads(fewer).unwrap();
            assert_eq!(pool.threads(), fewer);
            let tasks: Vec<_> = (0..200)
                .map(|_| {
                    let crowd = crowd.clone();
                    pool.submit(move || crowd.join_in())
                })
                .collect();
            // The first thread to end takes no other task.
            releases.iter().for_each(Flag::set);
            tasks.into_iter().for_each(|task| task.join().unwrap());
            let most = crowd.most();
            assert!(most <= fewer, "{most}");
            until(|| live(&pool) == 1);
        }
    });
}

#[test]
fn a_task_that_ends_while_too_many_run_is_followed_by_no_other() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let mut releases: Vec<_> = (0..3).map(|_| occupy(&pool)).collect();
        pool.set_threads(1).unwrap();
        let behind = pool.submit(|| ());
        for _ in 0..2 {
            releases.pop().unwrap().set();
            // Not synchronisation: the sleep is the time in which nothing is to happen.
            thread::sleep(Duration::from_millis(5));
            assert!(!behind.is_finished());
        }
        releases.pop().unwrap().set();
        behind.join().unwrap();
    });
}

#[test]
fn a_pool_without_capacity_takes_as_many_tasks_as_it_has_threads_now() {
    limited(|| {
        let builder = Builder::new().threads(1).max_threads(3);
        let pool = builder.queue_capacity(0).build().unwrap();
        let task = || {
            let release = Flag::default();
            let go = release.clone();
            let task = pool.try_submit(move || go.wait());
            task.map(|task| (task, release))
        };
        let is_full = || {
            pool.try_submit(|| ())
                .is_err_and(|refused| refused.is_full())
        };
        let (first, first_release) = task().unwrap();
        assert!(is_full());
        pool.set_threads(3).unwrap();
        let (second, second_release) = task().unwrap();
        let (third, third_release) = task().unwrap();
        assert!(is_full());
        pool.set_threads(2).unwrap();
        first_release.set();
        first.join().unwrap();
        assert!(is_full(), "two run");
        thread::scope(|scope| {
            // Submitters that wait are let in when there are more threads.
            let waits = scope.spawn(|| pool.submit(|| 42).join().unwrap());
            pool.set_threads(3).unwrap();
            assert_eq!(waits.join().unwrap(), 42);
        });
        pool.set_threads(1).unwrap();
        second_release.set();
        second.join().unwrap();
        assert!(is_full(), "one runs");
        third_release.set();
        third.join().unwrap();
        pool.wait_idle().unwrap();
        let (last, last_release) = task().unwrap();
        assert!(is_full());
        last_release.set();
        last.join().unwrap();
    });
}

#[test]
fn starts_and_stops_go_in_pairs_and_no_two_threads_have_one_number() {
    limited(|| {
        let here = Arc::<Mutex<BTreeSet<_>>>::default();
        let (starts, stops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (come, go) = (Arc::clone(&here), Arc::clone(&here));
        let (start, stop) = (Arc::clone(&starts), Arc::clone(&stops));
        let check_name = |number: usize| {
            let name = format!("workmill-{number}");
            assert_eq!(thread::current().name(), Some(&*name));
        };
        let builder = Builder::new().threads(2).min_threads(1).max_threads(6);
        let builder = builder.on_thread_start(move |number| {
            check_name(number);
            add_one(&start);
            assert!(come.lock().unwrap().insert(number), "{number} is there");
            Ok(())
        });
        let builder = builder.on_thread_stop(move |number| {
            check_name(number);
            add_one(&stop);
            assert!(go.lock().unwrap().remove(&number), "{number} is not there");
        });
        let wrong = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wrong);
        let builder = builder.panic_handler(move |_| add_one(&count));
        let pool = builder
            .keep_alive(Duration::from_millis(1))
            .build()
            .unwrap();
        for round in 0..50 {
            pool.set_threads(round % 6 + 1).unwrap();
            wait_together(&pool, round % 11);
            if round % 7 == 0 {
                until(|| live(&pool) == 1);
            }
        }
        assert!(starts.load(Ordering::SeqCst) > 10, "they end in between");
        pool.shutdown();
        assert_eq!(starts.load(Ordering::SeqCst), stops.load(Ordering::SeqCst));
        assert!(here.lock().unwrap().is_empty());
        assert_eq!(wrong.load(Ordering::SeqCst), 0);
        assert_eq!(pool.metrics().failed_starts, 0);
    });
}

/// Dropped with its thread, once the flag is set.
struct Lingers {
    release: Flag,
    _gone: crate::support::Counted,
}

impl Drop for Lingers {
    fn drop(&mut self) {
        self.release.wait();
    }
}

thread_local! {
    static LINGERS: RefCell<Option<Lingers>> = const { RefCell::new(None) };
}

#[test]
fn shutdown_waits_for_the_thread_locals_of_threads_that_had_left_before() {
    limited(|| {
        for generations in 1..4 {
            let (release, gone) = (Flag::default(), Drops::default());
            let builder = Builder::new().threads(3).min_threads(1);
            let pool = builder.keep_alive(SOON).build().unwrap();
            let made = Arc::new(AtomicUsize::new(0));
            for _ in 0..generations {
                let barrier = Arc::new(Barrier::new(3));
                let tasks = [(); 3].map(|()| {
                    let (barrier, made) = (Arc::clone(&barrier), Arc::clone(&made));
                    let (release, gone) = (release.clone(), gone.clone());
                    pool.submit(move || {
                        barrier.wait();
                        LINGERS.with_borrow_mut(|lingers| {
                            lingers.get_or_insert_with(|| {
                                add_one(&made);
                                let _gone = gone.value();
                                Lingers { release, _gone }
                            });
                        });
                    })
                });
                tasks.into_iter().for_each(|task| task.join().unwrap());
                until(|| live(&pool) == 1);
            }
            assert_eq!(gone.count(), 0);
            thread::scope(|scope| {
                scope.spawn(|| {
                    // All have left, and none has ended.
                    until(|| pool.is_terminated());
                    assert_eq!(gone.count(), 0);
                    release.set();
                });
                pool.shutdown();
                assert_eq!(gone.count(), made.load(Ordering::SeqCst));
            });
            assert_eq!(gone.count(), 1 + 2 * generations);
        }
    });
}

#[test]
fn while_the_number_of_threads_changes_every_task_runs_once() {
    for capacity in [None, Some(0), Some(3)] {
        limited(move || {
            let mut builder = Builder::new().threads(2).min_threads(1).max_threads(8);
            if let Some(capacity) = capacity {
                builder = builder.queue_capacity(capacity).overflow(Overflow::Block);
            }
            let builder = builder.keep_alive(Duration::from_micros(200));
            let pool = builder.build().unwrap();
            let (runs, over) = (Arc::new(AtomicUsize::new(0)), AtomicBool::new(false));
            let tasks = thread::scope(|scope| {
                scope.spawn(|| {
                    let mut threads = 1;
                    while !over.load(Ordering::Relaxed) {
                        threads = threads * 5 % 9;
                        pool.set_threads(threads.max(1)).unwrap();
                        thread::yield_now();
                    }
                });
                let submitters = [1, 2, 3].map(|seed| {
                    let (pool, runs) = (&pool, &runs);
                    scope.spawn(move || (0..100).map(|n| mixed(pool, runs, n * seed)).sum())
                });
                let tasks = submitters.map(|submitter| submitter.join().unwrap());
                over.store(true, Ordering::Relaxed);
                tasks.iter().sum::<usize>()
            });
            pool.wait_idle().unwrap();
            assert_eq!(runs.load(Ordering::SeqCst), tasks);
            pool.set_threads(1).unwrap();
            until(|| live(&pool) == 1);
            assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
            assert_eq!(pool.metrics().failed_starts, 0);
        });
    }
}

/// Submits tasks that count themselves, wait, join each other or do nothing, and joins them;
/// returns the number of tasks.
fn mixed(pool: &PoolRef, runs: &Arc<AtomicUsize>, kind: usize) -> usize {
    let count = || {
        let runs = Arc::clone(runs);
        move || add_one(&runs)
    };
    match kind % 5 {
        0 => {
            let tasks: Vec<_> = (0..8).map(|_| pool.submit(count())).collect();
            tasks.into_iter().for_each(|task| task.join().unwrap());
            8
        }
        1 => {
            let (outer, inner) = (count(), [count(), count(), count()]);
            let joins = pool.submit(move || {
                let pool = current().unwrap();
                let inner = inner.map(|inner| pool.submit(inner));
                inner.into_iter().for_each(|task| task.join().unwrap());
                outer();
            });
            joins.join().unwrap();
            4
        }
        2 => {
            // The first waits for the second, whatever the number of threads.
            let event = Arc::new(Event::new());
            let (wait, first, second) = (Arc::clone(&event), count(), count());
            let waits = pool.submit(move || {
                wait.wait();
                first();
            });
            let sets = pool.submit(move || {
                second();
                event.set();
            });
            waits.join().unwrap();
            sets.join().unwrap();
            2
        }
        3 => {
            let one = Arc::new(Semaphore::new(1));
            let tasks: Vec<_> = (0..5)
                .map(|_| {
                    let (one, count) = (Arc::clone(&one), count());
                    pool.submit(move || {
                        let _alone = one.acquire().unwrap();
                        blocking(thread::yield_now);
                        count();
                    })
                })
                .collect();
            tasks.into_iter().for_each(|task| task.join().unwrap());
            5
        }
        _ => {
            pool.execute(count());
            1
        }
    }
}

#[test]
fn the_number_of_threads_changes_at_once_however_many_there_were() {
    limited(|| {
        let pool = Builder::new().threads(65_535).build().unwrap();
        let start = std::time::Instant::now();
        pool.set_threads(1).unwrap();
        pool.set_threads(65_535).unwrap();
        pool.set_threads(2).unwrap();
        // It takes some milliseconds; going over all of them for each of them takes half a minute.
        assert!(start.elapsed() < Duration::from_secs(5));
        meet(&pool, 2);
        let busy = [(); 2].map(|()| occupy(&pool));
        let third = pool.submit(|| 3);
        assert!(!third.is_finished());
        busy.iter().for_each(Flag::set);
        assert_eq!(third.join().unwrap(), 3);
    });
}
