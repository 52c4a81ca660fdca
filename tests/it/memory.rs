//! When memory runs out nothing hangs: the pool gets what it needs, or the process ends with a
//! message.

use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use workmill::timer::sleep;
use workmill::{Builder, PoolRef, current};

use crate::child::{LIMIT, alone, assert_success, in_child, in_child_then};
use crate::idling::costs;
use crate::support::{limited, meet};

/// Allocated memory, in pieces.
type Hoard = Arc<Mutex<Vec<Vec<u8>>>>;

/// Allocates until there is no more, at first in large pieces; keeps all of it. If the last pieces
/// are large too, half of such a piece is left.
fn exhaust(hoard: &Hoard, least: usize) {
    let mut left = Vec::<u8>::new();
    if least >= 1 << 20 {
        let _ = std::hint::black_box(&mut left).try_reserve_exact(least / 2);
    }
    let mut bytes = 16 << 20;
    while bytes >= least {
        let mut piece = Vec::new();
        let mut hoard = hoard.lock().unwrap();
        if piece.try_reserve_exact(bytes).is_err() || hoard.try_reserve(1).is_err() {
            bytes /= 2;
            continue;
        }
        hoard.push(std::hint::black_box(piece));
    }
}

/// Runs tasks that use memory up, while others are submitted, wait, and are joined.
fn use_memory_up(pool: &PoolRef, least: usize) {
    for _ in 0..10 {
        let hoard = Hoard::default();
        for round in 0..20 {
            let tasks: Vec<_> = (0..8)
                .map(|n| {
                    let hoard = Arc::clone(&hoard);
                    pool.submit(move || {
                        if n == round % 8 {
                            exhaust(&hoard, least);
                        }
                        let inner = current().unwrap().submit(move || n);
                        workmill::blocking(std::thread::yield_now);
                        inner.join().unwrap()
                    })
                })
                .collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join().unwrap(), n);
            }
        }
    }
}

#[test]
fn tasks_that_use_memory_up_in_large_pieces_leave_the_pool_enough() {
    in_child(&LIMIT, || {
        limited(|| {
            // All threads that there will be start before: if there is room for a new thread's
            // stack, but not for that of its signals, std can only end the process.
            let builder = Builder::new().threads(4).max_spare_threads(0);
            let pool = builder.on_warning(drop).build().unwrap();
            meet(&pool, 4);
            use_memory_up(&pool, 1 << 20);
            meet(&pool, 4);
        });
    });
}

#[test]
fn tasks_that_use_memory_up_to_the_last_bytes_hang_nothing() {
    let body = || {
        limited(|| {
            let builder = Builder::new().threads(4).on_warning(drop);
            let pool = builder.stack_size(256 << 10).build().unwrap();
            use_memory_up(&pool, 64);
        });
    };
    // The process cannot be told that there is no memory except by its end.
    in_child_then(&LIMIT, body, |output| {
        if output.status.signal() == Some(libc::SIGABRT) {
            assert!(!output.stderr.is_empty());
        } else {
            assert_success(&output);
        }
    });
}

#[test]
fn a_sleep_ends_in_time_though_the_timer_thread_cannot_be_started() {
    in_child(&LIMIT, || {
        limited(|| {
            let takes = |time: Duration, threads| {
                let start = Instant::now();
                block_on(sleep(time));
                assert!(start.elapsed() >= time);
                assert_eq!(costs("workmill-timer").len(), threads);
            };
            let hoard = Hoard::default();
            exhaust(&hoard, 1 << 20);
            takes(Duration::from_millis(20), 0);
            drop(hoard);
            takes(Duration::from_millis(20), 1);
        });
    });
}

#[test]
fn cancelled_tasks_leave_nothing_behind_while_the_threads_are_busy() {
    in_child(&LIMIT, || {
        limited(|| {
            // Four gigabytes of closures in all, where the process has one.
            let cancel_many = |pool: &PoolRef| {
                for _ in 0..4_000_000 {
                    let flour = std::hint::black_box([0_u8; 1_000]);
                    let task = pool.submit(move || usize::from(flour[0]));
                    assert!(task.cancel());
                }
            };
            let pool = Builder::new().threads(1).build().unwrap();
            let release = crate::support::occupy(&pool);
            let kept = pool.submit(|| 42);
            cancel_many(&pool);
            assert!(!kept.is_finished());
            release.set();
            assert_eq!(kept.join().unwrap(), 42);
            // From inside, where the closures lie in the local queue of a thread that is busy
            // itself.
            let kept = pool.submit(move || {
                let pool = current().unwrap();
                let kept = pool.submit(|| 42);
                cancel_many(&pool);
                kept
            });
            assert_eq!(kept.join().unwrap().join().unwrap(), 42);
            pool.wait_idle().unwrap();
        });
    });
}

/// Returns the number of bytes that the process has allocated and not freed.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "std does not count")]
fn allocated() -> usize {
    // SAFETY: it has no duties.
    unsafe { libc::mallinfo2() }.uordblks
}

#[test]
#[cfg(target_env = "gnu")]
fn pools_leave_nothing_behind_when_they_are_gone() {
    const POOLS: usize = 2_000;
    alone(|| {
        let one = || {
            let builder = Builder::new().threads(1).panic_handler(|_| ());
            let pool = builder.build().unwrap();
            assert_eq!(pool.submit(|| 1).join().unwrap(), 1);
        };
        (0..POOLS / 10).for_each(|_| one());
        let before = allocated();
        (0..POOLS).for_each(|_| one());
        let more = allocated().saturating_sub(before);
        // Less than anything that could be kept for each.
        assert!(more < POOLS * 8, "{more} bytes more");
    });
}
