//! The turns of chili, which has `join` only.

use std::num::NonZero;

use crate::families::forking::{
    Node, fib_measured, partition, quicksort_measured, tree_sum_measured,
};
use crate::families::inside::halved;
use crate::families::upkeep::{idle_after, repeated};
use crate::measure::Sample;
use crate::rig::{Countdown, Setup, WARM_UP};

/// Creates a pool whose tasks the given number of threads run, the caller of `join` included.
fn start(threads: usize) -> chili::ThreadPool {
    chili::ThreadPool::with_config(chili::Config {
        thread_count: NonZero::new(threads),
        ..chili::Config::default()
    })
}

pub(crate) fn nested_join(setup: &Setup, leaves: usize) -> Sample {
    fn halve(scope: &mut chili::Scope, levels: u32) -> usize {
        if levels == 0 {
            return 1;
        }
        let (one, other) = scope.join(
            |scope| halve(scope, levels - 1),
            |scope| halve(scope, levels - 1),
        );
        one + other
    }
    let pool = start(setup.threads);
    halved(setup, leaves, |levels| halve(&mut pool.scope(), levels))
}

pub(crate) fn fib(setup: &Setup, ops: usize) -> Sample {
    fn recurse(scope: &mut chili::Scope, n: u32) -> u64 {
        if n < 2 {
            return u64::from(n);
        }
        let (one, other) = scope.join(|scope| recurse(scope, n - 1), |scope| recurse(scope, n - 2));
        one + other
    }
    let pool = start(setup.threads);
    fib_measured(setup, ops, |n| recurse(&mut pool.scope(), n))
}

pub(crate) fn tree_sum(setup: &Setup, nodes: usize) -> Sample {
    fn sum(scope: &mut chili::Scope, node: Option<&Node>) -> u64 {
        let Some(node) = node else {
            return 0;
        };
        let [left, right] = &node.children;
        let (left, right) = scope.join(
            |scope| sum(scope, left.as_deref()),
            |scope| sum(scope, right.as_deref()),
        );
        node.value + left + right
    }
    let pool = start(setup.threads);
    tree_sum_measured(setup, nodes, |root| sum(&mut pool.scope(), root))
}

pub(crate) fn quicksort(setup: &Setup, items: usize) -> Sample {
    fn sort(scope: &mut chili::Scope, items: &mut [u64]) {
        if items.len() > 1 {
            let middle = partition(items);
            let (left, right) = items.split_at_mut(middle);
            scope.join(
                |scope| sort(scope, left),
                |scope| sort(scope, &mut right[1..]),
            );
        }
    }
    let pool = start(setup.threads);
    quicksort_measured(setup, items, |items| sort(&mut pool.scope(), items))
}

/// Joins two tasks, one of which counts down.
fn run_task(pool: &chili::ThreadPool, countdown: &'static Countdown) {
    pool.scope().join(|_| countdown.one_done(), |_| ());
}

pub(crate) fn idle(setup: &Setup, millis: usize) -> Sample {
    let pool = start(setup.threads + 1);
    let countdown = Countdown::from(WARM_UP);
    for _ in 0..WARM_UP {
        run_task(&pool, countdown);
    }
    countdown.wait();
    idle_after(setup, millis)
}

/// The drop of the pool waits for its threads.
pub(crate) fn start_stop(setup: &Setup, cycles: usize) -> Sample {
    repeated(setup, cycles, |countdown| {
        run_task(&start(setup.threads + 1), countdown);
    })
}
