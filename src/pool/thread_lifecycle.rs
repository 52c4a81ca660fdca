//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::local::{Local, Pool};
use super::roster::{NotStarted, Worker, join_thread};
use super::slots::ReservedSlot;
use super::{watcher, worker};
use crate::attributes::Attributes;
use crate::primitive::{Mutex, ThreadBuilder, lock};
use crate::unwind;
use crate::wait::{Blocking, Cause};

/// Reports to the builder of the pool how a thread has started, if the user has a hook for that.
type Started = oneshot::Sender<io::Result<()>>;

/// Starts a pool with its first thread; the others follow when there is work for them.
///
/// If the user has a hook for the start of threads all threads start now, so that the caller gets
/// the hook's errors.
pub(crate) fn start(config: Config) -> io::Result<Arc<Pool>> {
    Local::set_hooks();
    let pool = Pool::new(config, |pool, reserved| start_thread(pool, reserved, None));
    let started = watcher::start(&pool).and_then(|()| match pool.hooks.has_thread_start() {
        false => start_first(&pool),
        true => start_all(&pool),
    });
    if started.is_err() {
        pool.hooks.was_not_built();
    }
    pool.staff.roster.count_out();
    if started.is_err() {
        pool.close();
        pool.join_threads();
    }
    started.map(|()| pool)
}

fn start_first(pool: &Arc<Pool>) -> io::Result<()> {
    match pool.slots.reserve() {
        Some(reserved) => start_for_builder(pool, reserved, None),
        None => Ok(()),
    }
}

fn start_all(pool: &Arc<Pool>) -> io::Result<()> {
    let mut answers = Vec::new();
    // All are reserved first: a slot that a refusing thread leaves must not be reserved again.
    let all: Vec<_> = std::iter::from_fn(|| pool.slots.reserve()).collect();
    let mut failed = None;
    for reserved in all {
        if failed.is_some() {
            pool.slots.leave_vacant(reserved, || false);
            continue;
        }
        let (started, answer) = oneshot::channel();
        answers.push(answer);
        failed = start_for_builder(pool, reserved, Some(started)).err();
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // The hook may wait for a task of the pool that this thread is a worker of.
    let _blocking = Blocking::begin(Cause::Arrival);
    let dead = |_| Err(io::Error::other("a thread ended before it had started"));
    let answers = answers
        .into_iter()
        .map(|answer| answer.recv().unwrap_or_else(dead));
    let (_, mut errors): (Vec<_>, Vec<_>) = answers.partition(io::Result::is_ok);
    // The first is returned; the others are the user's values, which may panic when they are
    // dropped.
    let first = errors.drain(..errors.len().min(1)).next();
    unwind::discard(errors);
    first.unwrap_or(Ok(()))
}

/// Starts a thread without which there is no pool.
fn start_for_builder(
    pool: &Arc<Pool>,
    reserved: ReservedSlot,
    started: Option<Started>,
) -> io::Result<()> {
    let Err((reserved, why)) = start_thread(pool, reserved, started) else {
        return Ok(());
    };
    pool.slots.leave_vacant(reserved, || false);
    Err(match why {
        NotStarted::Failed(error) => error,
        NotStarted::NotWanted => io::Error::other("the pool has ended"),
    })
}

/// Starts a thread for a slot that was reserved for it.
pub(super) fn start_thread(
    pool: &Arc<Pool>,
    reserved: ReservedSlot,
    started: Option<Started>,
) -> Result<(), (ReservedSlot, NotStarted)> {
    // If the thread does not start, what it was to be given comes back.
    let given = Arc::new(Mutex::new(Some((reserved, started))));
    let spawn = |worker: &Arc<Worker>| {
        let (pool, worker, given) = (Arc::clone(pool), Arc::clone(worker), Arc::clone(&given));
        let builder = ThreadBuilder::new()
            .name(worker.name().to_owned())
            .stack_size(pool.staff.setup.stack_size);
        let body = move || {
            let given = lock(&given).take();
            if let Some((reserved, started)) = given {
                pool.staff.setup.attributes.take_on();
                run_thread(&pool, &worker, reserved, started);
            }
        };
        Attributes::start(|| builder.spawn(body))
    };
    // The name is user code, and the thread that is to have it is counted by now.
    let name = |number| {
        let name = Local::in_the_way(pool.link, || pool.hooks.thread_name(number));
        Some(name).filter(|_| !pool.is_forked())
    };
    let started = pool.staff.roster.start(pool.most_threads(), name, spawn);
    if matches!(started, Err(NotStarted::Failed(_))) {
        count_out(pool);
    }
    started.map_err(|why| {
        let given = lock(&given).take();
        let (reserved, _) = given.expect("a thread that did not start took nothing");
        (reserved, why)
    })
}

/// The body of a worker's thread. In a child process that a hook of the user's has forked, it
/// returns.
fn run_thread(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    mut reserved: ReservedSlot,
    started: Option<Started>,
) {
    // First: the hook may shut the pool down.
    Local::settle(pool);
    if pool.hooks.has_thread_start() {
        // The thread counts as searching since it was started, which it is not while the hook runs.
        let has_tasks = || pool.queue.has_tasks();
        pool.slots.end_search_early(&mut reserved, has_tasks);
    }
    let may_run = pool.hooks.thread_start(worker.number());
    if pool.is_forked() {
        return;
    }
    let (mut before, mut joins_others) = (Vec::new(), false);
    match may_run {
        Ok(()) => {
            pool.hooks.thread_has_started();
            answer(started, Ok(()));
            let left = Local::enter(Arc::clone(pool), worker, reserved, worker::work);
            if pool.is_forked() {
                return;
            }
            joins_others = left.joins_others;
            pool.hooks.thread_stop(worker.number());
            if pool.is_forked() {
                return;
            }
            if left.before_the_end {
                before = pool.staff.roster.free_number(worker);
            }
        }
        Err(error) => {
            pool.staff.roster.refuse_to_stay();
            if let Some(reserved) = pool.leave_vacant(reserved) {
                pool.fill(reserved);
            }
            match started {
                Some(_) => answer(started, Err(error)),
                None => pool.start_failed(error),
            }
            before = pool.staff.roster.free_number(worker);
        }
    }
    count_out(pool);
    if pool.is_forked() {
        return;
    }
    if joins_others {
        pool.staff.roster.join_all();
    }
    before.into_iter().for_each(join_thread);
    worker.join_predecessor();
}

/// Counts a thread out, and tells the user of the pool's end if it is the last.
fn count_out(pool: &Pool) {
    pool.staff.roster.count_out_worker(|| {
        // The thread may be no worker, if the last could not be started.
        Local::in_the_way(pool.link, || pool.hooks.terminated());
        if pool.is_forked() {
            return false;
        }
        pool.watch.iter().for_each(|watch| watch.end());
        true
    });
}

/// Reports to the builder of the pool how a thread has started.
fn answer(started: Option<Started>, outcome: io::Result<()>) {
    if let Some(started) = started {
        // The builder does not listen any more if another thread could not be started.
        unwind::discard(started.send(outcome));
    }
}
