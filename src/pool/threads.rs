//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::local::{Local, Pool};
use super::worker;
use crate::primitive::ThreadBuilder;
use crate::unwind;

/// What a thread has to say about its start, when the user wants a say in it.
type Started = oneshot::Sender<io::Result<()>>;

/// Starts a pool with its first thread; the others follow when there is work for them.
///
/// If the user has a say in the start of threads all of them start now, so that it is heard by whoever
/// builds the pool.
pub(crate) fn start(config: Config) -> io::Result<Arc<Pool>> {
    let pool = Pool::new(config, |pool, index| start_thread(pool, index, None));
    let started = match pool.hooks.thread_start {
        None => start_first(&pool),
        Some(_) => start_all(&pool),
    };
    pool.roster.leave();
    if started.is_err() {
        pool.close();
        pool.roster.join();
    }
    started.map(|()| pool)
}

fn start_first(pool: &Arc<Pool>) -> io::Result<()> {
    match pool.slots.claim_vacancy() {
        Some(vacancy) => start_thread(pool, vacancy.index(), None),
        None => Ok(()),
    }
}

fn start_all(pool: &Arc<Pool>) -> io::Result<()> {
    let mut answers = Vec::new();
    while let Some(vacancy) = pool.slots.claim_vacancy() {
        let (started, answer) = oneshot::channel();
        answers.push(answer);
        start_thread(pool, vacancy.index(), Some(started))?;
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

/// Starts a thread for slot `index`, which was claimed for it.
fn start_thread(pool: &Arc<Pool>, index: usize, started: Option<Started>) -> io::Result<()> {
    let mut builder = ThreadBuilder::new().name(pool.thread_name(index).to_owned());
    if let Some(bytes) = pool.stack_size {
        builder = builder.stack_size(bytes);
    }
    let part = Arc::clone(pool);
    let spawn = || builder.spawn(move || live(&part, index, started));
    pool.roster.start(spawn)
}

/// A thread's way through the pool.
fn live(pool: &Arc<Pool>, index: usize, started: Option<Started>) {
    let fit = try_hook(pool, index);
    let lives = fit.is_ok();
    if let Some(started) = started {
        // Nobody listens any more if std could not start another thread.
        unwind::discard(started.send(fit));
    }
    let mut sees_off = false;
    if lives {
        sees_off = Local::enter(Arc::clone(pool), index, worker::work);
        if let Some(stop) = &pool.hooks.thread_stop {
            if let Err(payload) = unwind::catch(|| stop(index)) {
                pool.report(payload);
            }
        }
    }
    pool.roster.leave();
    if sees_off {
        pool.roster.see_all_off();
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
