//! The thread that tells the user of tasks that run for long, if the user wants to know.
//!
//! It looks at the meters of all workers a few times in each such time, and at nothing while none
//! is busy: a task itself notes no time. A worker that goes from idle to busy rings for it.
//!
//! # Why no ring is missed
//! *Watcher:* (W1) note that it is asleep; (W2) full fence; (W3) look at the phase of every worker,
//! and sleep if all are idle. *Worker:* (B1) note that it is busy; (B2) full fence; (B3) ring if
//! the watcher is asleep. One of the fences comes first: if W2, B3 sees the note; if B2, W3 sees
//! the phase.

use std::collections::HashMap;
use std::io;
// The standard library's under the model, too: no model has a watcher.
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{Builder, JoinHandle, ThreadId, current};
use std::time::Duration;

use super::local::Pool;
use super::meter::Phase;
use crate::attributes::Attributes;
use crate::clock::{Nanos, nanos, now};

/// The number of looks at each worker in the time after which a task is long.
const LOOKS: u32 = 4;

/// The shortest time between two looks.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) struct Watch {
    after: Duration,
    is_asleep: AtomicBool,
    inside: Mutex<Inside>,
    bell: Condvar,
}

#[derive(Default)]
struct Inside {
    has_ended: bool,
    thread: Option<JoinHandle<()>>,
    id: Option<ThreadId>,
}

/// The task that a worker was seen to run.
struct Seen {
    run: u64,
    since: Nanos,
    was_told: bool,
}

impl Watch {
    /// A watch of tasks that run for longer than `after`.
    pub(super) fn new(after: Duration) -> Arc<Self> {
        Arc::new(Self {
            after,
            is_asleep: AtomicBool::new(false),
            inside: Mutex::new(Inside::default()),
            bell: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// B2 and B3: a worker has become busy.
    pub(super) fn ring(&self) {
        // ORDERING: pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        if self.is_asleep.load(Ordering::Relaxed) {
            self.wake(|_| ());
        }
    }

    fn wake(&self, change: impl FnOnce(&mut Inside)) {
        let mut inside = self.lock();
        change(&mut inside);
        self.is_asleep.store(false, Ordering::Relaxed);
        self.bell.notify_all();
    }

    /// Ends the watch: the pool has ended. Does not wait.
    pub(super) fn end(&self) {
        self.wake(|inside| inside.has_ended = true);
    }

    /// Blocks until the thread has ended, unless this is that thread.
    pub(super) fn join(&self) {
        self.end();
        let thread = {
            let mut inside = self.lock();
            match inside.id == Some(current().id()) {
                true => None,
                false => inside.thread.take(),
            }
        };
        // It does not panic: the user's function is called through `unwind`.
        thread.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Waits until a worker may be busy. Returns `false` if the watch has ended.
    fn sleep(&self, is_busy: impl Fn() -> bool) -> bool {
        let mut inside = self.lock();
        self.is_asleep.store(true, Ordering::Relaxed);
        // ORDERING: W2, pairs with the fence in `ring`.
        fence(Ordering::SeqCst);
        if is_busy() {
            self.is_asleep.store(false, Ordering::Relaxed);
            let tick = (self.after / LOOKS).max(SHORTEST);
            let waited = self
                .bell
                .wait_timeout_while(inside, tick, |inside| !inside.has_ended);
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            let asleep =
                |inside: &mut Inside| !inside.has_ended && self.is_asleep.load(Ordering::Relaxed);
            let woken = self.bell.wait_while(inside, asleep);
            inside = woken.unwrap_or_else(PoisonError::into_inner);
        }
        !inside.has_ended
    }
}

/// Starts the watcher of a pool, if the user wants one.
pub(super) fn start(pool: &Arc<Pool>) -> io::Result<()> {
    let Some(watch) = &pool.watch else {
        return Ok(());
    };
    let (weak, own) = (Arc::downgrade(pool), Arc::clone(watch));
    let builder = Builder::new().name("workmill-watch".to_owned());
    let thread = Attributes::start(|| builder.spawn(move || run(&weak, &own)))?;
    let mut inside = watch.lock();
    inside.id = Some(thread.thread().id());
    inside.thread = Some(thread);
    Ok(())
}

fn run(pool: &Weak<Pool>, watch: &Watch) {
    let mut seen = HashMap::new();
    let is_busy = || pool.upgrade().is_some_and(|pool| pool.is_anyone_busy());
    while watch.sleep(is_busy) {
        match pool.upgrade() {
            Some(pool) => look(&pool, watch.after, &mut seen),
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
