//! Every task is run once, whichever worker finds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use workmill::ThreadPoolExecutor;

use crate::support::{limited, until};

/// A count for each task.
fn counts(tasks: usize) -> Arc<[AtomicUsize]> {
    (0..tasks).map(|_| AtomicUsize::new(0)).collect()
}

fn assert_once_each(counts: &[AtomicUsize]) {
    for (index, count) in counts.iter().enumerate() {
        assert_eq!(count.load(Ordering::Relaxed), 1, "task {index}");
    }
}

#[test]
fn children_are_run_once_while_thieves_fight_for_the_last() {
    limited(|| {
        const ROUNDS: usize = 300_000;
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let ran = counts(ROUNDS);
        let seen = Arc::clone(&ran);
        // The parent pushes one and runs it at once, so the local queue holds one task over and
        // over.
        fn step(seen: &Arc<[AtomicUsize]>, index: usize) {
            let next = Arc::clone(seen);
            if index < seen.len() {
                seen[index].fetch_add(1, Ordering::Relaxed);
                workmill::current()
                    .unwrap()
                    .execute(move || step(&next, index + 1));
            }
        }
        pool.execute(move || step(&seen, 0));
        pool.wait_idle().unwrap();
        assert_once_each(&ran);
    });
}

#[test]
fn children_are_run_once_while_their_local_queue_grows() {
    limited(|| {
        const TASKS: usize = 1_000_000;
        let pool = ThreadPoolExecutor::new(3).unwrap();
        let ran = counts(TASKS);
        let seen = Arc::clone(&ran);
        pool.execute(move || {
            let pool = workmill::current().unwrap();
            for index in 0..seen.len() {
                let seen = Arc::clone(&seen);
                pool.execute(move || {
                    seen[index].fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        pool.wait_idle().unwrap();
        assert_once_each(&ran);
    });
}

#[test]
fn tasks_from_many_threads_are_run_once() {
    limited(|| {
        const SUBMITTERS: usize = 4;
        const EACH: usize = 50_000;
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let ran = counts(SUBMITTERS * EACH);
        thread::scope(|scope| {
            for submitter in 0..SUBMITTERS {
                let (pool, ran) = (pool.clone(), Arc::clone(&ran));
                scope.spawn(move || {
                    for index in submitter * EACH..(submitter + 1) * EACH {
                        let ran = Arc::clone(&ran);
                        pool.execute(move || {
                            ran[index].fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        pool.shutdown();
        assert_once_each(&ran);
    });
}

#[test]
fn tasks_from_outside_begin_in_order_on_one_thread() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let begun = Arc::new(std::sync::Mutex::new(Vec::new()));
        for index in 0..1000 {
            let begun = Arc::clone(&begun);
            pool.execute(move || begun.lock().unwrap().push(index));
        }
        pool.shutdown();
        let begun = begun.lock().unwrap();
        assert!(begun.iter().copied().eq(0..1000), "{begun:?}");
    });
}

#[test]
fn a_worker_that_breeds_its_own_work_takes_outside_work_within_61_tasks_of_its_own() {
    /// The promise, and the task that the thread had taken before the other was pushed, but had not
    /// begun: it counts itself when it begins.
    const MOST: usize = 61 + 1;
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        // A task that submits itself again until it sees that the outsider has run.
        struct Breeder {
            bred: AtomicUsize,
            seen: AtomicUsize,
        }
        fn breed(breeder: Arc<Breeder>) {
            breeder.bred.fetch_add(1, Ordering::SeqCst);
            if breeder.seen.load(Ordering::SeqCst) == 0 {
                workmill::current().unwrap().execute(move || breed(breeder));
            }
        }
        for _ in 0..50 {
            let breeder = Arc::new(Breeder {
                bred: AtomicUsize::new(0),
                seen: AtomicUsize::new(0),
            });
            let first = Arc::clone(&breeder);
            pool.execute(move || breed(first));
            until(|| breeder.bred.load(Ordering::SeqCst) > 0);
            let outsider = Arc::clone(&breeder);
            let submitted = Arc::new(AtomicUsize::new(usize::MAX));
            let at = Arc::clone(&submitted);
            let handle = pool.submit(move || {
                let bred = outsider.bred.load(Ordering::SeqCst);
                outsider.seen.store(1, Ordering::SeqCst);
                bred.saturating_sub(at.load(Ordering::SeqCst))
            });
            // Counted after the push, so tasks that are submitted between the two are not held
            // against the pool.
            submitted.store(breeder.bred.load(Ordering::SeqCst), Ordering::SeqCst);
            let waited = handle.join().unwrap();
            assert!(waited <= MOST, "{waited}");
        }
    });
}
