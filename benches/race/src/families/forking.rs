//! The rows of `join`, which has no handles: each call has two halves, down to the smallest.
//!
//! No row cuts the recursion off where halves become small, so that the cost of a `join` shows.

use std::hint::black_box;

use crate::contenders::Fork;
use crate::measure::{Sample, measured};
use crate::rig::Setup;

/// Returns the largest argument for which [`joins`] is at most the given number.
pub(crate) fn fib_argument(ops: usize) -> u32 {
    (2..90).take_while(|&n| joins(n) <= ops).last().unwrap_or(2)
}

/// Returns how often the recursion that computes a Fibonacci number joins.
pub(crate) fn joins(n: u32) -> usize {
    fibonacci(n + 1) as usize - 1
}

fn fibonacci(n: u32) -> u64 {
    (0..n).fold((0, 1), |(one, next), _| (next, one + next)).0
}

/// An operation is a join.
pub(crate) fn fib<F: Fork>(setup: &Setup, ops: usize) -> Sample {
    fn recurse<F: Fork>(n: u32) -> u64 {
        if n < 2 {
            return u64::from(n);
        }
        let (one, other) = F::join(|| recurse::<F>(n - 1), || recurse::<F>(n - 2));
        one + other
    }
    let pool = F::with_threads(setup.threads);
    fib_measured(setup, ops, |n| F::enter(&pool, || recurse::<F>(n)))
}

/// Measures a function that computes a Fibonacci number, after a small one to warm up.
pub(crate) fn fib_measured(setup: &Setup, ops: usize, compute: impl Fn(u32) -> u64) -> Sample {
    assert_eq!(compute(20), fibonacci(20));
    let n = fib_argument(ops);
    measured(ops, setup.counting, || {
        assert_eq!(compute(black_box(n)), fibonacci(n));
    })
}

/// A node of a tree.
pub(crate) struct Node {
    pub(crate) value: u64,
    pub(crate) children: [Option<Box<Self>>; 2],
}

/// Numbers that are as good as random, and the same in each turn.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Builds a tree with that many nodes, which are shared out at random.
fn tree(nodes: usize, numbers: &mut Numbers) -> Option<Box<Node>> {
    let rest = nodes.checked_sub(1)?;
    let left = numbers.next() as usize % nodes;
    let children = [tree(left, numbers), tree(rest - left, numbers)];
    Some(Box::new(Node { value: 1, children }))
}

/// An operation is a node.
pub(crate) fn tree_sum<F: Fork>(setup: &Setup, nodes: usize) -> Sample {
    fn sum<F: Fork>(node: Option<&Node>) -> u64 {
        let Some(node) = node else {
            return 0;
        };
        let [left, right] = &node.children;
        let (left, right) = F::join(|| sum::<F>(left.as_deref()), || sum::<F>(right.as_deref()));
        node.value + left + right
    }
    let pool = F::with_threads(setup.threads);
    tree_sum_measured(setup, nodes, |root| F::enter(&pool, || sum::<F>(root)))
}

/// Measures a function that counts the nodes of a tree, after a small one to warm up.
pub(crate) fn tree_sum_measured(
    setup: &Setup,
    nodes: usize,
    sum: impl Fn(Option<&Node>) -> u64,
) -> Sample {
    let small = tree(1000, &mut Numbers::new());
    assert_eq!(sum(small.as_deref()), 1000);
    let root = tree(nodes, &mut Numbers::new());
    measured(nodes, setup.counting, || {
        assert_eq!(sum(root.as_deref()), nodes as u64);
    })
}

/// Puts an item where it belongs, with no larger one before it and no smaller one behind it, and
/// returns its index.
pub(crate) fn partition(items: &mut [u64]) -> usize {
    let last = items.len() - 1;
    items.swap(items.len() / 2, last);
    let mut index = 0;
    for item in 0..last {
        if items[item] < items[last] {
            items.swap(index, item);
            index += 1;
        }
    }
    items.swap(index, last);
    index
}

/// An operation is an item.
pub(crate) fn quicksort<F: Fork>(setup: &Setup, items: usize) -> Sample {
    fn sort<F: Fork>(items: &mut [u64]) {
        if items.len() > 1 {
            let middle = partition(items);
            let (left, right) = items.split_at_mut(middle);
            F::join(|| sort::<F>(left), || sort::<F>(&mut right[1..]));
        }
    }
    let pool = F::with_threads(setup.threads);
    quicksort_measured(setup, items, |items| F::enter(&pool, || sort::<F>(items)))
}

/// Measures a function that sorts, after a few items to warm up.
pub(crate) fn quicksort_measured(setup: &Setup, items: usize, sort: impl Fn(&mut [u64])) -> Sample {
    let mut numbers = Numbers::new();
    let mut few: Vec<_> = (0..1000).map(|_| numbers.next()).collect();
    sort(&mut few);
    let mut many: Vec<_> = (0..items).map(|_| numbers.next()).collect();
    let sample = measured(items, setup.counting, || sort(&mut many));
    assert!(few.is_sorted() && many.is_sorted());
    sample
}
