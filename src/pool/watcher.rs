//! The thread that tells the user of tasks that run for long, if the user wants to know.
//!
//! It looks at the meters of all workers a few times in each such time, and at nothing while none
//! is busy: a task itself notes no time.

use std::collections::HashMap;
use std::io;
// The standard library's under the model, too: no model has a watcher.
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::Duration;

use super::local::Pool;
use super::meter::Phase;
use super::watch::Watch;
use crate::attributes::Attributes;
use crate::clock::{Nanos, nanos, now};

/// The task that a worker was seen to run.
struct Seen {
    run: u64,
    since: Nanos,
    was_told: bool,
}

/// Starts the watcher of a pool, if the user wants one.
pub(super) fn start(pool: &Arc<Pool>) -> io::Result<()> {
    let Some(watch) = &pool.watch else {
        return Ok(());
    };
    let (weak, own) = (Arc::downgrade(pool), Arc::clone(watch));
    let builder = Builder::new().name("workmill-watch".to_owned());
    let thread = Attributes::start(|| builder.spawn(move || run(&weak, &own)))?;
    watch.keep(thread);
    Ok(())
}

fn run(pool: &Weak<Pool>, watch: &Watch) {
    let mut seen = HashMap::new();
    let is_busy = || pool.upgrade().is_some_and(|pool| pool.is_anyone_busy());
    while watch.sleep(is_busy) {
        match pool.upgrade() {
            Some(pool) => look(&pool, watch.after(), &mut seen),
            None => return,
        }
    }
}

/// Looks at all workers once.
fn look(pool: &Arc<Pool>, after: Duration, seen: &mut HashMap<usize, Seen>) {
    let (now, after) = (now(), nanos(after));
    for (number, worker) in pool.staff.roster.meters().into_iter().enumerate() {
        let run = worker.meter.run_number();
        if !worker.is_alive || worker.meter.runs().is_none() {
            seen.remove(&number);
            continue;
        }
        let first = Seen {
            run,
            since: now,
            was_told: false,
        };
        let last = seen.entry(number).or_insert(first);
        if last.run != run {
            *last = Seen {
                run,
                since: now,
                was_told: false,
            };
        }
        let is_long = now.saturating_sub(last.since) >= after
            || nanos(worker.meter.running_for(now).unwrap_or_default()) >= after;
        if is_long && !last.was_told {
            last.was_told = true;
            if let Some(busy) = worker.busy(now, Some((last.run, last.since))) {
                pool.hooks.long_task(busy);
            }
        }
    }
}

impl Pool {
    /// Returns `true` if a worker runs a task, or waits in one.
    fn is_anyone_busy(&self) -> bool {
        let workers = self.staff.roster.meters();
        let is_busy = |phase| workers.iter().any(|it| it.meter.is_in(phase));
        is_busy(Phase::Busy) || is_busy(Phase::Waiting)
    }
}
