//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::local::{Local, Pool};
use super::roster::see_off;
use super::worker;
use crate::primitive::ThreadBuilder;
use crate::unwind;

/// What a thread has to say about its start, when the user wants a say in it.
type Started = oneshot::Sender<io::Result<()>>;

/// Starts a pool with all its threads, or none.
pub(crate) fn start(config: Config) -> io::Result<Arc<Pool>> {
    let stack_size = config.stack_size;
    let pool = Pool::new(config);
    let started = start_all(&pool, stack_size);
    if started.is_err() {
        pool.close();
        pool.roster.join();
    }
    started.map(|()| pool)
}

fn start_all(pool: &Arc<Pool>, stack_size: Option<usize>) -> io::Result<()> {
    let mut answers = Vec::new();
    for index in 0..pool.slots() {
        let mut builder = ThreadBuilder::new().name(pool.thread_name(index).to_owned());
        if let Some(bytes) = stack_size {
            builder = builder.stack_size(bytes);
        }
        // Only who has been asked to says whether it started; std says the rest.
        let started = pool.hooks.thread_start.as_ref().map(|_| {
            let (started, answer) = oneshot::channel();
            answers.push(answer);
            started
        });
        let part = Arc::clone(pool);
        pool.roster.enlist();
        match builder.spawn(move || live(&part, index, started)) {
            Ok(handle) => pool.roster.keep(handle),
            Err(error) => {
                pool.roster.leave();
                return Err(error);
            }
        }
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

/// A thread's way through the pool.
fn live(pool: &Arc<Pool>, index: usize, started: Option<Started>) {
    let fit = try_hook(pool, index);
    let lives = fit.is_ok();
    if let Some(started) = started {
        // Nobody listens any more if std could not start another thread.
        unwind::discard(started.send(fit));
    }
    let mut to_join = Vec::new();
    if lives {
        to_join = Local::enter(Arc::clone(pool), index, worker::work);
        if let Some(stop) = &pool.hooks.thread_stop {
            if let Err(payload) = unwind::catch(|| stop(index)) {
                pool.report(payload);
            }
        }
    }
    pool.roster.leave();
    to_join.into_iter().for_each(see_off);
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
