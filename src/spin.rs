//! How a thread looks again and again before it parks.
//!
//! A thread that spins gives the processor away between most looks, so that on as many processors
//! as there are threads the one that it waits for can run.
//!
//! # Busy neighbours
//! If another process wants the processor, too, a thread that gives it away gets it back after a
//! time slice, which is some milliseconds. A thread that has parked is woken at once, since the
//! scheduler owes it time. So beside busy neighbours to spin costs more than it can save: the
//! spinning thread counts as one that looks for work, while it does not even run.
//!
//! Nothing tells a process that it has neighbours, except the time that passes until it has the
//! processor back. When that took [`LONG`] the spin ends at once, and for a [`WHILE`] no thread of
//! the process gives the processor away to spin. Then one thread does, and finds out whether the
//! neighbours are still there. So they cost a time slice each [`WHILE`].
//!
//! Another thread of the same process may be such a neighbour. Then the threads that spin park
//! earlier, and have to be woken: this costs a system call each, and not a time slice.

use std::cell::Cell;

use crate::clock::{Nanos, now, processor_time};
use crate::primitive::{spin_loop, thread_cell, yield_now};

/// The time after which a thread that gave the processor away suspects a neighbour. It takes less
/// than a microsecond if nobody else wants the processor.
const LONG: Nanos = 200_000;

/// The time for which the suspicion lasts.
const WHILE: Nanos = 100_000_000;

// Until when this thread suspects neighbours.
thread_cell!(SUSPECTS_UNTIL: Nanos = 0);

// Until when this thread measures who takes the processor that it gives away.
thread_cell!(MEASURES_UNTIL: Nanos = 0);

/// How long to spin before parking.
#[derive(Clone, Copy)]
pub(crate) struct Spin {
    /// The number of processor pauses after the first look.
    pub(crate) pauses: u32,
    /// The number of looks with pauses between them.
    pub(crate) doublings: u32,
    /// The number of looks after those. The thread yields the processor after each.
    pub(crate) yields: u32,
}

/// Spins until `done` returns `true`. Returns `false` if the budget runs out first, or neighbours
/// are suspected.
///
/// The pauses between two looks double, because each look takes the cache line that it reads away
/// from the thread that is about to write it. In a model `done` is called only once, because a spin
/// adds nothing there except schedules.
pub(crate) fn spin_until(budget: Spin, mut done: impl FnMut() -> bool) -> bool {
    if !cfg!(workmill_loom) && spins_until(budget, &mut done) {
        return true;
    }
    done()
}

fn spins_until(budget: Spin, mut done: impl FnMut() -> bool) -> bool {
    for look in 0..budget.doublings {
        if done() {
            return true;
        }
        (0..budget.pauses << look).for_each(|_| spin_loop());
    }
    budget.yields > 0 && yields_until(budget.yields, done)
}

fn yields_until(yields: u32, mut done: impl FnMut() -> bool) -> bool {
    let begun = now();
    if begun < SUSPECTS_UNTIL.with(Cell::get) {
        return false;
    }
    let used = (begun < MEASURES_UNTIL.with(Cell::get)).then(processor_time);
    let mut before = begun;
    for _ in 0..yields {
        if done() {
            return true;
        }
        yield_now();
        let after = now();
        if after - before > LONG && !took_it_ourselves(after - begun, used) {
            return false;
        }
        before = after;
    }
    false
}

/// It took long until this thread had the processor back. Returns `true` if that was due to this
/// process, which had used the processor time `used` when the spin of the length `spun` began.
#[cold]
fn took_it_ourselves(spun: Nanos, used: Option<Option<Nanos>>) -> bool {
    let now = now();
    MEASURES_UNTIL.with(|until| until.set(now + 2 * WHILE));
    let Some(used) = used else {
        // Nobody knows. The next time it will be known.
        return false;
    };
    let own = used.and_then(|used| Some(processor_time()?.saturating_sub(used)));
    let is_own = own.is_some_and(|own| own >= spun / 10 * 9);
    if !is_own {
        SUSPECTS_UNTIL.with(|until| until.set(now + WHILE));
    }
    is_own
}
