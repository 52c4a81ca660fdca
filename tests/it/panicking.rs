//! No panic reaches a worker, whatever panics: closures, drops, payloads.

use std::panic::panic_any;

use workmill::ThreadPoolExecutor;

use crate::child::in_child;
use crate::support::{Bomb, Drops, limited, occupy};

/// The pool has one thread, so the next task shows that the thread lives.
fn assert_alive(pool: &ThreadPoolExecutor) {
    assert_eq!(pool.submit(|| 42).join().unwrap(), 42);
    assert!(pool.wait_idle().is_ok());
}

#[test]
fn a_panic_ends_in_the_handle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let error = pool.submit(|| panic!("out of flour")).join().unwrap_err();
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(error.panic_message(), Some("out of flour"));
        assert_eq!(error.cancel_reason(), None);
        let name = "it::panicking::a_panic_ends_in_the_handle::{{closure}}::{{closure}}";
        assert_eq!(error.task_name(), name);
        let text = format!("the task {name} panicked: out of flour");
        assert_eq!(error.to_string(), text);
        let payload = error.into_panic();
        assert_eq!(*payload.downcast::<&str>().unwrap(), "out of flour");
        let sacks = 3;
        let error = pool
            .submit(move || panic!("{sacks} sacks"))
            .join()
            .unwrap_err();
        assert_eq!(error.panic_message(), Some("3 sacks"));
        assert_alive(&pool);
    });
}

#[test]
fn a_panic_without_a_handle_ends_in_the_worker() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        pool.execute(|| panic!("nobody looks"));
        pool.execute(|| panic_any(Bomb { depth: 3 }));
        drop(pool.submit(|| panic!("nobody looks")));
        assert_alive(&pool);
    });
}

#[test]
fn payloads_that_panic_in_drop_are_contained_at_any_depth() {
    in_child(&[], || {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for depth in [1, 2, 10] {
            // Unread before the end, unread after it, read and dropped, and taken out.
            drop(pool.submit(move || panic_any(Bomb { depth })));
            let unread = pool.submit(move || panic_any(Bomb { depth }));
            pool.wait_idle().unwrap();
            drop(unread);
            drop(
                pool.submit(move || panic_any(Bomb { depth }))
                    .join()
                    .unwrap_err(),
            );
            let error = pool
                .submit(move || panic_any(Bomb { depth }))
                .join()
                .unwrap_err();
            let bomb = error.into_panic().downcast::<Bomb>().unwrap();
            std::mem::forget(bomb);
        }
        assert_alive(&pool);
    });
}

#[test]
fn a_result_that_panics_in_drop_is_contained() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        drop(pool.submit(|| Bomb { depth: 2 }));
        release.set();
        let done = pool.submit(|| Bomb { depth: 2 });
        pool.wait_idle().unwrap();
        drop(done);
        assert_alive(&pool);
    });
}

#[test]
fn a_capture_that_panics_in_drop_is_contained_and_the_handle_resolves() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let bomb = Bomb { depth: 2 };
        let handle = pool.submit(move || {
            let _kept = &bomb;
            7
        });
        // The drop of the captures is the last thing that a call does, so its panic is the outcome.
        assert!(handle.join().unwrap_err().is_panic());
        // Forgotten captures drop nothing, so there the result comes through.
        let bomb = Bomb { depth: 2 };
        let handle = pool.submit(move || {
            std::mem::forget(bomb);
            7
        });
        assert_eq!(handle.join().unwrap(), 7);
        assert_alive(&pool);
    });
}

#[test]
fn captures_that_panic_in_drop_do_not_hinder_cancelling_or_refusing() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let bombs = [(); 3].map(|()| Bomb { depth: 2 });
        let [first, second, third] = bombs;
        let cancelled = pool.submit(move || drop(first));
        assert!(cancelled.cancel());
        assert!(cancelled.join().unwrap_err().is_cancelled());
        pool.execute(move || drop(second));
        assert_eq!(pool.shutdown_now(), 1);
        assert!(
            pool.submit(move || drop(third))
                .join()
                .unwrap_err()
                .is_cancelled()
        );
        release.set();
        pool.shutdown();
    });
}

#[test]
fn captures_are_gone_when_join_returns() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for _ in 0..1000 {
            let drops = Drops::default();
            let capture = drops.value();
            pool.submit(move || {
                let _capture = &capture;
            })
            .join()
            .unwrap();
            assert_eq!(drops.count(), 1);
        }
    });
}
