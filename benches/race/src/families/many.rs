//! The rows of many results: maps, sets of tasks, and results in the order in which they come.

use std::hint::black_box;

use crate::contenders::Contender;
use crate::contenders::many::{AsCompleted, JoinSet, MapItems};
use crate::measure::{Sample, measured};
use crate::rig::{LIGHT, Setup, compute, with_pool};

/// The number of items that a task of ours takes in `map_light`.
const CHUNK: usize = 1_000;

/// The number of tasks in flight in `join_set`.
const IN_FLIGHT: usize = 64;

/// A function for an item: it computes for about 100 ns.
fn light(item: usize) -> usize {
    compute(LIGHT);
    item
}

/// A function for an item: it computes for about 10 µs.
fn heavy(item: usize) -> usize {
    compute(100 * LIGHT);
    item
}

pub(crate) fn map_light<C: Contender<Pool: MapItems>>(setup: &Setup, items: usize) -> Sample {
    map::<C>(setup, items, CHUNK, light)
}

pub(crate) fn map_heavy<C: Contender<Pool: MapItems>>(setup: &Setup, items: usize) -> Sample {
    map::<C>(setup, items, 1, heavy)
}

fn map<C: Contender<Pool: MapItems>>(
    setup: &Setup,
    items: usize,
    chunk: usize,
    f: fn(usize) -> usize,
) -> Sample {
    with_pool::<C>(setup, |pool| {
        let input: Vec<_> = (0..items).collect();
        measured(items, setup.counting, || {
            let results = pool.map_items(input, chunk, f);
            assert_eq!(black_box(results).len(), items);
        })
    })
}

pub(crate) fn join_set<C: Contender<Pool: JoinSet>>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        measured(tasks, setup.counting, || {
            assert_eq!(
                pool.sum_in_flight(tasks, IN_FLIGHT),
                tasks * (tasks - 1) / 2
            );
        })
    })
}

pub(crate) fn as_completed<C: Contender<Pool: AsCompleted>>(setup: &Setup, tasks: usize) -> Sample {
    with_pool::<C>(setup, |pool| {
        measured(tasks, setup.counting, || {
            assert_eq!(pool.sum_completed(tasks), tasks * (tasks - 1) / 2);
        })
    })
}
