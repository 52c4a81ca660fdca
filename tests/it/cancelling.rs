//! `cancel` tells the truth, and the parts of a task are dropped once whenever its handle goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use workmill::{CancelReason, ThreadPoolExecutor};

#[cfg(target_os = "linux")]
use crate::child::in_child;
#[cfg(target_os = "linux")]
use crate::support::Flag;
use crate::support::{Drops, limited, occupy};

#[test]
fn a_task_is_cancelled_or_runs_as_cancel_says() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let (mut cancelled, mut ran) = (0, 0);
        for round in 0..20_000_u32 {
            let runs = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&runs);
            let handle = pool.submit(move || seen.fetch_add(1, Ordering::SeqCst));
            (0..round % 300).for_each(|_| std::hint::spin_loop());
            let said = handle.cancel();
            assert_eq!(said, handle.cancel(), "the answer does not change");
            let outcome = handle.join();
            assert_eq!(said, outcome.is_err());
            assert_eq!(runs.load(Ordering::SeqCst), usize::from(!said));
            match outcome {
                Ok(_) => ran += 1,
                Err(error) => {
                    assert_eq!(error.cancel_reason(), Some(CancelReason::Cancelled));
                    cancelled += 1;
                }
            }
        }
        assert_eq!(cancelled + ran, 20_000);
    });
}

#[test]
fn a_cancelled_task_has_dropped_its_captures_and_the_pool_goes_on() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let drops = Drops::default();
        let handles: Vec<_> = (0..1000)
            .map(|_| {
                let capture = drops.value();
                pool.submit(move || drop(capture))
            })
            .collect();
        assert!(handles.iter().all(|handle| handle.cancel()));
        assert_eq!(drops.count(), 1000);
        assert!(handles.iter().all(|handle| handle.is_finished()));
        release.set();
        // The tombstones are met and counted.
        pool.wait_idle().unwrap();
        for handle in handles {
            assert!(handle.join().unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_finished_task_cannot_be_cancelled() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let handle = pool.submit(|| 42);
        pool.wait_idle().unwrap();
        assert!(!handle.cancel());
        assert_eq!(handle.join().unwrap(), 42);
    });
}

#[test]
fn a_handle_dropped_before_during_or_after_its_task_leaves_nothing_behind() {
    limited(|| {
        let (captures, results) = (Drops::default(), Drops::default());
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let submit = || {
            let (capture, result) = (captures.value(), results.value());
            pool.submit(move || {
                let _capture = capture;
                result
            })
        };
        for round in 0..20_000_u32 {
            let handle = submit();
            (0..round % 300).for_each(|_| std::hint::spin_loop());
            drop(handle);
        }
        let late: Vec<_> = (0..100).map(|_| submit()).collect();
        pool.wait_idle().unwrap();
        assert_eq!(captures.count(), 20_100);
        assert_eq!(results.count(), 20_000);
        drop(late);
        assert_eq!(results.count(), 20_100);
    });
}

#[test]
fn submit_cancel_shutdown_in_a_row_ends() {
    limited(|| {
        for _ in 0..2000 {
            let pool = ThreadPoolExecutor::new(1).unwrap();
            let handle = pool.submit(|| 42);
            let said = handle.cancel();
            pool.shutdown();
            assert!(handle.is_finished());
            assert_eq!(handle.join().is_err(), said);
        }
    });
}

/// Returns the number of bytes that this process has in memory.
#[cfg(target_os = "linux")]
fn memory_in_use() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().strip_suffix("kB").unwrap();
    kilobytes.trim().parse::<usize>().unwrap() * 1024
}

/// One worker never comes back, the other runs some long tasks before it meets the cancelled ones.
/// Their memory can be used by others as soon as it has finished one of the long tasks.
#[cfg(target_os = "linux")]
#[test]
fn a_million_cancelled_tasks_give_their_memory_back_before_they_are_met() {
    in_child(&[], || {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let busy = occupy(&pool);
        let long: Vec<_> = [(); 5]
            .iter()
            .map(|()| (Flag::default(), Flag::default()))
            .collect();
        for (arrived, release) in long.clone() {
            pool.execute(move || {
                arrived.set();
                release.wait();
            });
        }
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (mut live, mut sizes) = (Vec::new(), Vec::new());
        for (round, (arrived, release)) in long.iter().enumerate() {
            arrived.wait();
            sizes.push(memory_in_use());
            let cancelled: Vec<_> = (0..200_000_usize).map(|n| pool.submit(move || n)).collect();
            assert!(cancelled.iter().all(|handle| handle.cancel()));
            let order = Arc::clone(&order);
            live.push(pool.submit(move || order.lock().unwrap().push(round)));
            drop(cancelled);
            release.set();
        }
        live.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
        busy.set();
        pool.shutdown();
        // The second round and the later ones find room in the memory that the first took.
        let (first, last) = (sizes[1] - sizes[0], sizes[4] - sizes[0]);
        assert!(first > 10_000_000 && last < first * 3 / 2, "{sizes:?}");
    });
}

/// A worker that never comes back to its local queue, in which each child leaves a tombstone.
#[cfg(target_os = "linux")]
#[test]
fn a_task_that_submits_and_joins_forever_does_not_fill_its_local_queue() {
    in_child(&[], || {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let grown = pool.submit(|| {
            let pool = workmill::current().unwrap();
            let before = memory_in_use();
            for n in 0..1_000_000_usize {
                assert_eq!(pool.submit(move || n).join().unwrap(), n);
            }
            memory_in_use() - before
        });
        let grown = grown.join().unwrap();
        assert!(grown < 10_000_000, "{grown}");
    });
}
