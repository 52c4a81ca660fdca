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
//! Nothing tells a thread whether there are neighbours. It measures the time until it has the
//! processor back. When that took [`LONG`] the spin ends, and for a while the thread measures the
//! processor time of its process, too. If the process has used less than the time that has passed,
//! a neighbour had the processor, and the thread does not give it away to spin for a [`WHILE`]. So
//! neighbours cost each thread a time slice in that time.
//!
//! If the process has used that much, it was perhaps a thread of its own. Then to spin is right:
//! that thread may be the one that is waited for. But a neighbour may have been here, and the time
//! may be that of a thread on another processor. So the thread gives nothing away for a
//! [`SHORT_WHILE`].

use std::cell::Cell;

use crate::clock::{Nanos, now, processor_time};
use crate::primitive::{spin_loop, thread_cell, yield_now};

/// The time after which a thread that gave the processor away suspects a neighbour. It takes less
/// than a microsecond if nobody else wants the processor.
const LONG: Nanos = 200_000;

/// The time for which a thread gives nothing away after another process had the processor.
const WHILE: Nanos = 100_000_000;

/// The time for which a thread gives nothing away after its own process may have had the processor.
const SHORT_WHILE: Nanos = 10_000_000;

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
        if after - before > LONG {
            suspect(after - begun, used);
            return false;
        }
        before = after;
    }
    false
}

/// It took long until this thread had the processor back, in a spin that has lasted for `spun`.
/// When it began the process had used the processor time `used`, if that was measured.
#[cold]
fn suspect(spun: Nanos, used: Option<Option<Nanos>>) {
    let now = now();
    MEASURES_UNTIL.with(|until| until.set(now + 2 * WHILE));
    let Some(used) = used else {
        return;
    };
    let own = used.and_then(|used| Some(processor_time()?.saturating_sub(used)));
    let is_own = own.is_some_and(|own| own >= spun / 10 * 9);
    let time = if is_own { SHORT_WHILE } else { WHILE };
    SUSPECTS_UNTIL.with(|until| until.set(now + time));
}
