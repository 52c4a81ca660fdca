//! Tasks that borrow from a scope, which ends as soon as they have: nothing of either is used after
//! that.

use std::sync::atomic::{AtomicUsize, Ordering};

use workmill::{PoolRef, Scope, ScopedJoinHandle, ThreadPoolExecutor};

use crate::rounds;

/// Calls `body` outside a pool of two threads, and in a task of it.
fn outside_and_inside(few: usize, many: usize, body: fn(&PoolRef)) {
    rounds(few, many, move |_| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        body(&pool);
        let within = pool.handle();
        pool.submit(move || body(&within)).join().unwrap();
        pool.shutdown();
    });
}

#[test]
fn tasks_write_to_what_they_borrow() {
    outside_and_inside(2, 500, |pool| {
        let (mut one, mut other) = (Box::new(0), Vec::new());
        let sum = pool.scope(|scope| {
            let sum = scope.submit(|| {
                *one += 1;
                *one + 1
            });
            scope.execute(|| other.push(String::from("flour")));
            sum.join().unwrap()
        });
        assert_eq!((*one, other.len(), sum), (1, 1, 2));
    });
}

#[test]
fn tasks_submit_to_their_scope() {
    fn grow<'scope>(scope: &'scope Scope<'scope, '_>, depth: u32, leaves: &'scope AtomicUsize) {
        for _ in 0..2 {
            match depth {
                0 => scope.execute(|| _ = leaves.fetch_add(1, Ordering::Relaxed)),
                _ => scope.execute(move || grow(scope, depth - 1, leaves)),
            }
        }
    }
    outside_and_inside(2, 200, |pool| {
        let leaves = AtomicUsize::new(0);
        pool.scope(|scope| grow(scope, 2, &leaves));
        assert_eq!(leaves.into_inner(), 8);
    });
}

/// Uses the things that it borrows when it is dropped.
struct Reports<'a>(&'a AtomicUsize);

impl Drop for Reports<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn handles_are_dropped_cancelled_or_leaked() {
    outside_and_inside(2, 500, |pool| {
        let dropped = AtomicUsize::new(0);
        pool.scope(|scope| {
            let submit = || {
                let (captured, result) = (Reports(&dropped), Reports(&dropped));
                scope.submit(move || {
                    drop(captured);
                    result
                })
            };
            drop(submit());
            drop(submit().join());
            let cancelled = submit();
            cancelled.cancel();
            drop(submit());
            let panics: ScopedJoinHandle<'_, ()> =
                scope.submit(|| std::panic::resume_unwind(Box::new(7)));
            assert!(panics.join().unwrap_err().is_panic());
            std::mem::forget(scope.submit(|| ()));
        });
        assert_eq!(dropped.into_inner(), 8);
    });
}

#[test]
fn a_slice_is_mapped() {
    outside_and_inside(2, 200, |pool| {
        let dropped = AtomicUsize::new(0);
        let mapped = pool.map_slice(&[1, 2, 3, 4, 5], |n| (Reports(&dropped), n * 2));
        assert!(mapped.unwrap().iter().map(|it| it.1).eq([2, 4, 6, 8, 10]));
        let failed = pool.map_slice(&[1, 2, 3], |n| match n {
            2 => std::panic::resume_unwind(Box::new(7)),
            _ => Reports(&dropped),
        });
        assert!(failed.map(drop).unwrap_err().is_panic());
        assert!((5..=7).contains(&dropped.into_inner()));
    });
}
