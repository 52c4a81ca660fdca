//! Where panics abort, as with `panic = "abort"`: the crate itself never panics, and a panic of the
//! user's ends the process, whichever threads wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use workmill::{Builder, Event, JoinHandle, Overflow, PoolRef, ThreadPoolExecutor, current};

use crate::child::{in_child, in_child_then};
use crate::support::{add_one, limited, occupy};

/// Makes a panic end the process before anything is unwound.
fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        std::process::abort();
    }));
}

/// Submits tasks of several kinds, and returns the handles of some.
fn submit_some(pool: &PoolRef, runs: &Arc<AtomicUsize>) -> Vec<JoinHandle<usize>> {
    let count = || {
        let runs = Arc::clone(runs);
        move || add_one(&runs)
    };
    pool.execute(count());
    pool.submit(count()).on_done(drop);
    drop(pool.submit(count()).cancel_on_drop());
    let shared = pool.submit(count()).shared();
    let waits = move || shared.join().map_or(0, |()| 1);
    let joins = || {
        let inner = current().map(|pool| pool.submit(|| 1));
        inner.map_or(0, |inner| inner.join().unwrap_or(0))
    };
    let event = Arc::new(Event::new());
    let (wait, borrowed) = (Arc::clone(&event), [1, 2, 3]);
    let handles = vec![
        pool.submit(waits),
        pool.submit(joins),
        pool.submit(move || usize::from(wait.wait_timeout(Duration::from_millis(1)))),
        pool.submit(move || {
            event.set();
            1
        }),
    ];
    drop(pool.install(|| borrowed.len()));
    handles
}

#[test]
fn without_a_panic_of_the_users_there_is_none() {
    in_child(&[], || {
        abort_on_panic();
        limited(|| {
            let policies = [
                Overflow::Block,
                Overflow::Reject,
                Overflow::CallerRuns,
                Overflow::DropOldest,
                Overflow::DropNewest,
            ];
            for (policy, capacity) in policies.into_iter().flat_map(|p| [(p, 0), (p, 2)]) {
                for stops in [false, true] {
                    let builder = Builder::new().threads(2).overflow(policy);
                    let pool = builder.queue_capacity(capacity).build().unwrap();
                    let runs = Arc::new(AtomicUsize::new(0));
                    let mut handles: Vec<_> =
                        (0..20).flat_map(|_| submit_some(&pool, &runs)).collect();
                    drop(block_on(handles.remove(0)));
                    if stops {
                        pool.shutdown_now();
                    }
                    for handle in handles {
                        handle.cancel();
                        let _ = handle.join();
                    }
                    pool.shutdown();
                    assert!(pool.submit(|| ()).join().is_err());
                    assert!(runs.load(Ordering::SeqCst) <= 80);
                }
            }
        });
    });
}

#[test]
fn a_panic_ends_the_process_whichever_threads_wait() {
    let body = || {
        abort_on_panic();
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let release = occupy(&pool);
        thread::scope(|scope| {
            scope.spawn(|| pool.wait_idle());
            scope.spawn(|| pool.submit(|| Event::new().wait()).join());
            let _: Result<(), _> = pool.submit(|| panic!("out of flour")).join();
        });
        release.set();
    };
    in_child_then(&[], body, |output| {
        assert!(!output.status.success());
        #[cfg(unix)]
        {
            let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
            assert_eq!(signal, Some(libc::SIGABRT));
        }
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("out of flour"), "{stderr}");
    });
}
