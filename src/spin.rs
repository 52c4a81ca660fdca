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
//!
//! # Patience
//! A thread that parks leaves its processor idle, and the system may move those to it that the
//! thread waits for, one of several. Then each of these has to be woken on a processor that sleeps,
//! and so has this thread. Where there are several, as with a job in another process, it saves more
//! than a wake-up to look for longer ([`spin_patiently`]), at intervals so short that little is
//! added to the wait.
//!
//! A wait that takes longer still is not worth it: after a spin in vain the next one of the thread
//! is not patient, after another three are not, then seven, up to [`MOST_IMPATIENT`]. So a wait
//! that was long by chance costs one short spin, and waits that are always long cost patience in
//! one of 32.

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

/// The time for which a patient thread looks.
const PATIENCE: Nanos = 45_000;

/// The number of processor pauses of a patient thread before it gives the processor away.
const PAUSES: u32 = 16;

/// The most spins in a row in which a thread is not patient.
const MOST_IMPATIENT: u32 = 31;

// The number of spins in which this thread is still not to be patient, and the number of those that
// followed on its last spin in vain.
thread_cell!(IMPATIENCE: (u32, u32) = (0, 0));

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

fn yields_until(yields: u32, done: impl FnMut() -> bool) -> bool {
    let mut left = yields;
    let goes_on = |_| {
        left -= 1;
        left > 0
    };
    yields_while(0, goes_on, done)
}

/// Spins until `done` returns `true`, for [`PATIENCE`] at most. If that was in vain lately,
/// neighbours are suspected, or this is a model, it does what [`spin_until`] does.
pub(crate) fn spin_patiently(budget: Spin, mut done: impl FnMut() -> bool) -> bool {
    if cfg!(workmill_loom) {
        return spin_until(budget, done);
    }
    let (left, all) = IMPATIENCE.with(Cell::get);
    if left > 0 {
        IMPATIENCE.with(|impatience| impatience.set((left - 1, all)));
        return spin_until(budget, done);
    }
    let is_done = match now() < SUSPECTS_UNTIL.with(Cell::get) {
        true => spin_until(budget, &mut done),
        false => yields_while(PAUSES, |spun| spun < PATIENCE, &mut done) || done(),
    };
    let next = match is_done {
        true => 0,
        false => (2 * all + 1).min(MOST_IMPATIENT),
    };
    IMPATIENCE.with(|impatience| impatience.set((next, next)));
    is_done
}

/// Looks, and gives the processor away after each look and that many pauses, for as long as
/// `goes_on` says, which is told for how long that has been.
fn yields_while(
    pauses: u32,
    mut goes_on: impl FnMut(Nanos) -> bool,
    mut done: impl FnMut() -> bool,
) -> bool {
    let begun = now();
    if begun < SUSPECTS_UNTIL.with(Cell::get) {
        return false;
    }
    let used = (begun < MEASURES_UNTIL.with(Cell::get)).then(processor_time);
    let mut before = begun;
    loop {
        if done() {
            return true;
        }
        (0..pauses).for_each(|_| spin_loop());
        yield_now();
        let after = now();
        if after - before > LONG {
            suspect(after - begun, used);
            return false;
        }
        if !goes_on(after - begun) {
            return false;
        }
        before = after;
    }
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

#[cfg(all(test, not(workmill_loom)))]
mod tests {
    use super::*;

    /// Three looks, and the last one.
    const FOUR: Spin = Spin {
        pauses: 0,
        doublings: 3,
        yields: 0,
    };

    /// Spins, and returns the number of looks if it was in vain.
    fn looks_in_vain() -> usize {
        let mut looks = 0;
        let is_done = spin_patiently(FOUR, || {
            looks += 1;
            false
        });
        assert!(!is_done);
        looks
    }

    fn expect_impatience(spins: u32) {
        assert_eq!(IMPATIENCE.with(Cell::get), (spins, spins));
        for _ in 0..spins {
            assert_eq!(looks_in_vain(), 4);
        }
        assert_eq!(IMPATIENCE.with(Cell::get), (0, spins));
    }

    #[test]
    fn each_spin_in_vain_makes_a_thread_impatient_for_longer() {
        for spins in [1, 3, 7, 15, MOST_IMPATIENT, MOST_IMPATIENT] {
            looks_in_vain();
            expect_impatience(spins);
        }
    }

    #[test]
    fn a_spin_that_has_paid_makes_a_thread_patient() {
        for _ in 0..2 {
            looks_in_vain();
            expect_impatience(1);
            looks_in_vain();
            expect_impatience(3);
            assert!(spin_patiently(FOUR, || true));
            assert_eq!(IMPATIENCE.with(Cell::get), (0, 0));
        }
    }

    #[test]
    fn what_comes_while_a_thread_is_impatient_leaves_it_so() {
        looks_in_vain();
        looks_in_vain();
        looks_in_vain();
        assert!(spin_patiently(FOUR, || true));
        assert_eq!(IMPATIENCE.with(Cell::get), (2, 3));
    }
}
