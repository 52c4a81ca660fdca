//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::local::{Local, Pool};
use super::roster::{NotStarted, Worker, join_thread};
use super::slots::ReservedSlot;
use super::worker;
use crate::attributes::Attributes;
use crate::primitive::{Mutex, ThreadBuilder, lock};
use crate::unwind;

/// What a thread has to say about its start, when the user wants a say in it.
type Started = oneshot::Sender<io::Result<()>>;

/// Starts a pool with its first thread; the others follow when there is work for them.
///
/// If the user has a say in the start of threads all of them start now, so that it is heard by whoever
/// builds the pool.
pub(crate) fn start(config: Config) -> io::Result<Arc<Pool>> {
    Local::hook_in();
    let pool = Pool::new(config, |pool, reserved| start_thread(pool, reserved, None));
    let started = match pool.hooks.thread_start {
        None => start_first(&pool),
        Some(_) => start_all(&pool),
    };
    pool.roster.count_out();
    if started.is_err() {
        pool.close();
        pool.roster.join();
    }
    started.map(|()| pool)
}

fn start_first(pool: &Arc<Pool>) -> io::Result<()> {
    match pool.slots.reserve_slot() {
        Some(reserved) => start_for_builder(pool, reserved, None),
        None => Ok(()),
    }
}

fn start_all(pool: &Arc<Pool>) -> io::Result<()> {
    let mut answers = Vec::new();
    // Not those again that a thread leaves which did not want to start.
    let reserved: Vec<_> = std::iter::from_fn(|| pool.slots.reserve_slot()).collect();
    let mut failed = None;
    for reserved in reserved {
        if failed.is_some() {
            pool.slots.leave_vacant(reserved, true, || false);
            continue;
        }
        let (started, answer) = oneshot::channel();
        answers.push(answer);
        failed = start_for_builder(pool, reserved, Some(started)).err();
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let dead = |_| Err(io::Error::other("a thread ended before it had started"));
    let answers = answers
        .into_iter()
        .map(|answer| answer.recv().unwrap_or_else(dead));
    let (_, mut errors): (Vec<_>, Vec<_>) = answers.partition(io::Result::is_ok);
    // The first is told; the others are user's values, which may panic when they are dropped.
    let first = errors.drain(..errors.len().min(1)).next();
    unwind::discard(errors);
    first.unwrap_or(Ok(()))
}

/// Starts a thread of a pool that is not there without it.
fn start_for_builder(
    pool: &Arc<Pool>,
    reserved: ReservedSlot,
    started: Option<Started>,
) -> io::Result<()> {
    let Err((reserved, why)) = start_thread(pool, reserved, started) else {
        return Ok(());
    };
    pool.slots.leave_vacant(reserved, true, || false);
    Err(match why {
        NotStarted::Failed(error) => error,
        NotStarted::NotWanted => io::Error::other("the pool has ended"),
    })
}

/// Starts a thread for a slot that was claimed for it.
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
            .stack_size(pool.stack_size);
        let body = move || {
            let given = lock(&given).take();
            if let Some((reserved, started)) = given {
                pool.attributes.take_on();
                run_thread(&pool, &worker, reserved, started);
            }
        };
        Attributes::start(|| builder.spawn(body))
    };
    // The name is user code, and the thread that is to have it is counted by now.
    let name = |number| {
        let name = Local::in_the_way(pool.link, || pool.thread_name(number));
        Some(name).filter(|_| !pool.is_forked())
    };
    let started = pool.roster.start(pool.most_threads(), name, spawn);
    started.map_err(|why| {
        let given = lock(&given).take();
        let (reserved, _) = given.expect("a thread that did not start took nothing");
        (reserved, why)
    })
}

/// A thread's way through the pool. In a child process that a user's function has forked, it ends.
fn run_thread(
    pool: &Arc<Pool>,
    worker: &Arc<Worker>,
    reserved: ReservedSlot,
    started: Option<Started>,
) {
    // First: the hook may shut the pool down.
    Local::settle(pool);
    let has_say = pool.hooks.thread_start.is_some();
    if has_say {
        // Whoever started the thread counts it as searching, which it is not while the user has it.
        pool.does_not_search();
    }
    let fit = try_hook(pool, worker.number());
    if pool.is_forked() {
        return;
    }
    let (mut before, mut joins_others) = (Vec::new(), false);
    match fit {
        Ok(()) => {
            pool.one_has_started();
            answer(started, Ok(()));
            let part = Arc::clone(pool);
            let left = Local::enter(part, worker, reserved, !has_say, worker::work);
            if pool.is_forked() {
                return;
            }
            joins_others = left.joins_others;
            stop_hook(pool, worker.number());
            if pool.is_forked() {
                return;
            }
            if left.before_the_end {
                before = pool.roster.free_number(worker);
            }
        }
        Err(error) => {
            pool.roster.does_not_stay();
            if let Some(reserved) = pool.leave_vacant(reserved, !has_say) {
                pool.fill(reserved);
            }
            match started {
                Some(_) => answer(started, Err(error)),
                None => pool.start_failed(error),
            }
            before = pool.roster.free_number(worker);
        }
    }
    pool.roster.count_out();
    if joins_others {
        pool.roster.join_all();
    }
    before.into_iter().for_each(join_thread);
    worker.join_predecessor();
}

/// Tells whoever builds the pool how a thread has started.
fn answer(started: Option<Started>, outcome: io::Result<()>) {
    if let Some(started) = started {
        // Nobody listens any more if std could not start another thread.
        unwind::discard(started.send(outcome));
    }
}

/// Asks the user whether the thread may run tasks.
fn try_hook(pool: &Pool, index: usize) -> io::Result<()> {
    let Some(hook) = &pool.hooks.thread_start else {
        return Ok(());
    };
    unwind::catch(|| hook(index)).unwrap_or_else(|payload| {
        let message = payload.message().unwrap_or("no message");
        Err(io::Error::other(format!(
            "on_thread_start panicked: {message}"
        )))
    })
}

/// Tells the user that the thread has run its last task.
fn stop_hook(pool: &Pool, number: usize) {
    if let Some(hook) = &pool.hooks.thread_stop {
        if let Err(payload) = unwind::catch(|| hook(number)) {
            pool.report(payload);
        }
    }
}
