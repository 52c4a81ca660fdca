//! A map returns what a loop would, for every window and chunk, whatever panics, and whether it is
//! dropped or its pool is stopped in the middle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::Strategy;
use proptest::test_runner::{Config, TestRunner};
use workmill::{JoinError, ThreadPoolExecutor};

use crate::support::limited;

#[derive(Debug, Clone)]
struct Plan {
    items: usize,
    threads: usize,
    window: usize,
    chunk: usize,
    panics: BTreeSet<usize>,
    /// The number of results after which the map is dropped.
    dropped: Option<usize>,
    /// The number of results after which the pool is stopped.
    stopped: Option<usize>,
    unordered: bool,
}

fn plans() -> impl Strategy<Value = Plan> {
    let sizes = (0_usize..60, 1_usize..4, 1_usize..10, 1_usize..8);
    let panics = proptest::collection::btree_set(0_usize..60, 0..5);
    let at = || proptest::option::weighted(0.3, 0_usize..60);
    let ends = (at(), at(), proptest::bool::ANY);
    (sizes, panics, ends).prop_map(|(sizes, panics, (dropped, stopped, unordered))| {
        let (items, threads, window, chunk) = sizes;
        Plan {
            items,
            threads,
            window,
            chunk,
            panics,
            dropped,
            stopped,
            unordered,
        }
    })
}

/// An item, which counts its drop.
struct Item {
    number: usize,
    drops: Arc<AtomicUsize>,
}

impl Drop for Item {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// A panic that says nothing on the console.
fn panic_silently(number: usize) {
    std::panic::resume_unwind(Box::new(number));
}

fn run(plan: &Plan) {
    let pool = ThreadPoolExecutor::new(plan.threads).unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let made = Arc::new(AtomicUsize::new(0));
    let (makes, counts) = (Arc::clone(&made), Arc::clone(&drops));
    let items = (0..plan.items).map(move |number| {
        makes.fetch_add(1, Ordering::SeqCst);
        let drops = Arc::clone(&counts);
        Item { number, drops }
    });
    let panics = plan.panics.clone();
    let f = move |item: Item| {
        if panics.contains(&item.number) {
            panic_silently(item.number);
        }
        item.number * 2
    };
    let results: Vec<_> = if plan.unordered {
        let map = pool.map_unordered(items, f);
        collect(plan, &pool, map.window(plan.window).chunk(plan.chunk))
    } else {
        let map = pool.map(items, f);
        collect(plan, &pool, map.window(plan.window).chunk(plan.chunk))
    };
    pool.shutdown();
    let made = made.load(Ordering::SeqCst);
    assert_eq!(
        drops.load(Ordering::SeqCst),
        made,
        "each item is dropped once"
    );
    let most = (results.len() + plan.window * plan.chunk).next_multiple_of(plan.chunk);
    assert!(
        made <= most,
        "{made} were taken, {} returned",
        results.len()
    );
    check(plan, results);
}

fn collect(
    plan: &Plan,
    pool: &ThreadPoolExecutor,
    map: impl Iterator<Item = Result<usize, JoinError>>,
) -> Vec<Result<usize, JoinError>> {
    let mut results = Vec::new();
    let mut map = map;
    loop {
        if plan.stopped == Some(results.len()) {
            pool.shutdown_now();
        }
        if plan.dropped == Some(results.len()) {
            return results;
        }
        match map.next() {
            Some(result) => results.push(result),
            None => return results,
        }
    }
}

fn check(plan: &Plan, results: Vec<Result<usize, JoinError>>) {
    let expected = plan.dropped.unwrap_or(usize::MAX).min(plan.items);
    assert_eq!(results.len(), expected, "an error ends nothing");
    let mut seen = BTreeSet::new();
    for (index, result) in results.into_iter().enumerate() {
        let number = match result {
            Ok(double) => {
                assert!(!plan.panics.contains(&(double / 2)));
                double / 2
            }
            Err(error) if error.is_panic() => {
                let number = *error.into_panic().downcast::<usize>().unwrap();
                assert!(plan.panics.contains(&number));
                number
            }
            Err(error) => {
                let stopped = plan.stopped.is_some_and(|at| at <= index);
                assert!(error.is_cancelled() && stopped, "{error}");
                continue;
            }
        };
        assert!(
            plan.unordered || number == index,
            "in the order of the items"
        );
        assert!(seen.insert(number), "each comes once");
    }
}

#[test]
fn a_map_returns_what_a_loop_would() {
    limited(|| {
        let mut runner = TestRunner::new(Config::with_cases(500));
        runner
            .run(&plans(), |plan| {
                run(&plan);
                Ok(())
            })
            .unwrap();
    });
}
