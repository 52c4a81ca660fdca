//! The rows whose tasks borrow from a task that waits for them.

use std::hint::black_box;

use crate::contenders::{Borrow, Contender};
use crate::measure::{Sample, measured};
use crate::rig::{LIGHT, Setup, WARM_UP, compute, with_pool};

/// A wave of tasks of one scope, 1 in 64 of them a hundred times heavier.
pub(crate) fn scope_wave<C: Contender, B: Borrow<C::Pool>>(setup: &Setup, tasks: usize) -> Sample
where
    C::Pool: Sync,
{
    let task = |n| compute(if n % 64 == 0 { 100 * LIGHT } else { LIGHT });
    inside::<C, B>(
        setup,
        |pool| B::wave(pool, WARM_UP, task),
        |pool| measured(tasks, setup.counting, || B::wave(pool, tasks, task)),
    )
}

/// Sorts numbers, with a scope for each pivot.
pub(crate) fn scope_sort<C: Contender, B: Borrow<C::Pool>>(setup: &Setup, len: usize) -> Sample
where
    C::Pool: Sync,
{
    let mut few = numbers(WARM_UP);
    inside::<C, B>(
        setup,
        |pool| quicksort::<_, B>(pool, &mut few),
        |pool| {
            let mut numbers = numbers(len);
            let sample = measured(len, setup.counting, || {
                quicksort::<_, B>(pool, &mut numbers);
            });
            assert!(numbers.is_sorted());
            sample
        },
    )
}

/// The length up to which std sorts.
const SHORT: usize = 256;

fn quicksort<P: Sync, B: Borrow<P>>(pool: &P, numbers: &mut [u64]) {
    if numbers.len() <= SHORT {
        return numbers.sort_unstable();
    }
    let (left, right) = partition(numbers);
    B::both(
        pool,
        |pool| quicksort::<_, B>(pool, left),
        |pool| quicksort::<_, B>(pool, right),
    );
}

/// Moves the numbers that are smaller than the middle one to its left, and the others to its right.
// One copy for all contenders: nearly all of the time is spent here, and how long its loop takes
// depends on where the linker has put it.
#[inline(never)]
fn partition(numbers: &mut [u64]) -> (&mut [u64], &mut [u64]) {
    let last = numbers.len() - 1;
    numbers.swap(last / 2, last);
    let pivot = numbers[last];
    let mut smaller = 0;
    for n in 0..last {
        if numbers[n] < pivot {
            numbers.swap(n, smaller);
            smaller += 1;
        }
    }
    numbers.swap(smaller, last);
    let (left, right) = numbers.split_at_mut(smaller);
    (left, &mut right[1..])
}

fn numbers(len: usize) -> Vec<u64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Maps a slice by a function that takes next to no time.
pub(crate) fn map_slice<C: Contender, B: Borrow<C::Pool>>(setup: &Setup, len: usize) -> Sample
where
    C::Pool: Sync,
{
    mapped::<C, B>(setup, len, |n| n ^ 1)
}

/// Maps a slice by a function that takes about 100 ns.
pub(crate) fn map_slice100<C: Contender, B: Borrow<C::Pool>>(setup: &Setup, len: usize) -> Sample
where
    C::Pool: Sync,
{
    mapped::<C, B>(setup, len, |n| {
        compute(LIGHT);
        n ^ 1
    })
}

fn mapped<C: Contender, B: Borrow<C::Pool>>(
    setup: &Setup,
    len: usize,
    f: impl Fn(&u64) -> u64 + Sync + Send + Copy,
) -> Sample
where
    C::Pool: Sync,
{
    let items = numbers(len);
    let warm_up = |pool: &C::Pool| drop(black_box(B::map(pool, &items[..WARM_UP.min(len)], f)));
    inside::<C, B>(setup, warm_up, |pool| {
        measured(len, setup.counting, || {
            drop(black_box(B::map(pool, &items, f)));
        })
    })
}

/// Measures work that a task of the pool does with others.
fn inside<C: Contender, B: Borrow<C::Pool>>(
    setup: &Setup,
    warm_up: impl FnOnce(&C::Pool) + Send,
    work: impl FnOnce(&C::Pool) -> Sample + Send,
) -> Sample {
    with_pool::<C>(setup, |pool| {
        let mut sample = None;
        B::inside(pool, |pool| {
            warm_up(pool);
            sample = Some(work(pool));
        });
        sample.expect("it was measured")
    })
}
