//! The threads of a pool: how they start, and what they do when they leave.

use std::io;
use std::sync::Arc;

use super::config::Config;
use super::local::{Local, Pool};
use super::roster::{Member, NotStarted, see_off};
use super::slots::Vacancy;
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
    let pool = Pool::new(config, |pool, vacancy| start_thread(pool, vacancy, None));
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
    match pool.slots.claim_vacancy() {
        Some(vacancy) => start_for_builder(pool, vacancy, None),
        None => Ok(()),
    }
}

fn start_all(pool: &Arc<Pool>) -> io::Result<()> {
    let mut answers = Vec::new();
    // Not those again that a thread leaves which did not want to start.
    let vacancies: Vec<_> = std::iter::from_fn(|| pool.slots.claim_vacancy()).collect();
    let mut failed = None;
    for vacancy in vacancies {
        if failed.is_some() {
            pool.slots.leave_vacant(vacancy, true, || false);
            continue;
        }
        let (started, answer) = oneshot::channel();
        answers.push(answer);
        failed = start_for_builder(pool, vacancy, Some(started)).err();
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
    vacancy: Vacancy,
    started: Option<Started>,
) -> io::Result<()> {
    let Err((vacancy, why)) = start_thread(pool, vacancy, started) else {
        return Ok(());
    };
    pool.slots.leave_vacant(vacancy, true, || false);
    Err(match why {
        NotStarted::Failed(error) => error,
        NotStarted::NotWanted => io::Error::other("the pool has ended"),
    })
}

/// Starts a thread for a slot that was claimed for it.
pub(super) fn start_thread(
    pool: &Arc<Pool>,
    vacancy: Vacancy,
    started: Option<Started>,
) -> Result<(), (Vacancy, NotStarted)> {
    // If the thread does not start, what it was to be given comes back.
    let given = Arc::new(Mutex::new(Some((vacancy, started))));
    let spawn = |member: &Arc<Member>| {
        let (pool, member, given) = (Arc::clone(pool), Arc::clone(member), Arc::clone(&given));
        let builder = ThreadBuilder::new()
            .name(member.name().to_owned())
            .stack_size(pool.stack_size);
        let body = move || {
            let given = lock(&given).take();
            if let Some((vacancy, started)) = given {
                pool.attributes.take_on();
                live(&pool, &member, vacancy, started);
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
        let (vacancy, _) = given.expect("a thread that did not start took nothing");
        (vacancy, why)
    })
}

/// A thread's way through the pool. In a child process that a user's function has forked, it ends.
fn live(pool: &Arc<Pool>, member: &Arc<Member>, vacancy: Vacancy, started: Option<Started>) {
    // First: the hook may shut the pool down.
    Local::settle(pool);
    let has_say = pool.hooks.thread_start.is_some();
    if has_say {
        // Whoever started the thread counts it as searching, which it is not while the user has it.
        pool.does_not_search();
    }
    let fit = try_hook(pool, member.number());
    if pool.is_forked() {
        return;
    }
    let (mut before, mut sees_off) = (Vec::new(), false);
    match fit {
        Ok(()) => {
            pool.one_has_started();
            answer(started, Ok(()));
            let part = Arc::clone(pool);
            let left = Local::enter(part, member, vacancy, !has_say, worker::work);
            if pool.is_forked() {
                return;
            }
            sees_off = left.sees_off;
            stop_hook(pool, member.number());
            if pool.is_forked() {
                return;
            }
            if left.before_the_end {
                before = pool.roster.free_number(member);
            }
        }
        Err(error) => {
            pool.roster.does_not_stay();
            if let Some(vacancy) = pool.leave_vacant(vacancy, !has_say) {
                pool.fill(vacancy);
            }
            match started {
                Some(_) => answer(started, Err(error)),
                None => pool.start_failed(error),
            }
            before = pool.roster.free_number(member);
        }
    }
    pool.roster.count_out();
    if sees_off {
        pool.roster.see_all_off();
    }
    before.into_iter().for_each(see_off);
    member.see_off_the_one_before();
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
