//! Models of the pool: pushes against sleep, submission against shutdown, and the tally.
//!
//! The queues are the stand-in of `pool/lanes.rs`; everything else, the loop of the threads
//! included, is the code that users run. Each model has been seen to fail with the bug
//! that its comment names; `.ci/mutants` puts those bugs back.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::config::{Config, DropBehavior, Hooks, Overflow};
use super::local::{Local, Pool, PoolTask};
use super::slots::{LastLook, Slots};
use super::tally::Tally;
use super::task_queue::TaskQueue;
use super::worker;
use crate::primitive::{Deadline, fence};

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(body);
}

fn pool(threads: usize) -> Arc<Pool> {
    Pool::new(Config {
        thread_names: vec![String::new(); threads],
        queue_capacity: None,
        overflow: Overflow::default(),
        on_drop: DropBehavior::default(),
        stack_size: None,
        processors: 2,
        hooks: Hooks::default(),
    })
}

fn start_worker(shared: &Arc<Pool>, index: usize) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || drop(Local::enter(shared, index, worker::work)))
}

fn submit(shared: &Pool, ran: &Arc<AtomicUsize>) -> bool {
    let ran = Arc::clone(ran);
    let accepted = shared.accept().is_ok();
    if accepted {
        let task = PoolTask::detached((), move || {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        shared.push(task);
    }
    accepted
}

/// A thread that goes to sleep with nothing but the protocol around it: no shutdown comes to
/// wake it up by chance.
///
/// Bug: the fence P2 is left out. Bug: the last look S3 is left out.
#[test]
fn a_task_pushed_while_the_only_thread_falls_asleep_is_found() {
    model(3, || {
        let (queue, lanes) = TaskQueue::new(1);
        let pool = Arc::new((queue, Slots::new(lanes)));
        let worker = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                let (queue, slots) = &*pool;
                let lane = slots.occupy(0);
                let mut searching = false;
                loop {
                    if let Some(task) = queue.find_near(&lane) {
                        break task;
                    }
                    slots.sleep(0, searching, || match queue.has_tasks() {
                        true => LastLook::Tasks,
                        false => LastLook::Nothing,
                    });
                    searching = true;
                }
            })
        };
        pool.0.push(7, None);
        pool.1.task_pushed();
        assert_eq!(worker.join().unwrap(), 7);
    });
}

/// Two tasks that each wait for the other, on two threads: wherever they are, in a batch that one
/// thread took or behind a wake-up that was not made, both have to be found.
///
/// Bug: the last searcher does not look again after it has found something (F3). Bug: a busy
/// thread that takes a batch does not push what it keeps.
#[test]
fn two_tasks_that_wait_for_each_other_find_two_threads() {
    model(1, || {
        let shared = pool(2);
        let workers = [0, 1].map(|index| start_worker(&shared, index));
        let arrived = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let arrived = Arc::clone(&arrived);
            shared.accept().unwrap();
            shared.push(PoolTask::detached((), move || {
                arrived.fetch_add(1, Ordering::AcqRel);
                while arrived.load(Ordering::Acquire) < 2 {
                    thread::yield_now();
                }
            }));
        }
        shared.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        assert!(shared.has_ended());
    });
}

/// The whole pool with one thread, as it is: tasks, shutdown and the thread's end.
///
/// Bug: `close` does not look around. Bug: the end wakes nobody.
#[test]
fn what_is_accepted_runs_and_the_thread_ends() {
    model(2, || {
        let shared = pool(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared, 0);
        assert!(submit(&shared, &ran));
        shared.close();
        worker.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.has_ended());
    });
}

/// Bug: `accept_outside` reads CLOSED before it counts, in two steps. Bug: a refusal is not
/// followed by a look around, so that the end goes unnoticed.
#[test]
fn a_submission_against_shutdown_runs_or_is_refused() {
    model(2, || {
        let shared = pool(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared, 0);
        let closer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.close())
        };
        let accepted = submit(&shared, &ran);
        closer.join().unwrap();
        worker.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), usize::from(accepted));
    });
}

/// Bug: a task that is cancelled there is not counted as finished. Bug: it is counted, but not
/// dropped.
#[test]
fn stopping_cancels_or_runs_each_task_and_the_thread_ends() {
    model(2, || {
        let shared = pool(1);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared, 0);
        assert!(submit(&shared, &ran));
        let cancelled = shared.stop();
        worker.join().unwrap();
        assert!(ran.load(Ordering::Relaxed) + cancelled <= 1);
        assert_eq!(
            Arc::strong_count(&ran),
            1,
            "the closure is gone, run or not"
        );
        assert!(shared.has_ended());
    });
}

/// Bug: `is_quiet` reads the accepted counts first. Bug: the joiner's fence J3 is left out.
#[test]
fn a_joiner_returns_when_all_is_finished_and_not_before() {
    model(3, || {
        let tally = Arc::new(Tally::new(2));
        let finished = Arc::new(AtomicUsize::new(0));
        tally.accept_outside().unwrap();
        let finish = |index: usize| {
            let (tally, finished) = (Arc::clone(&tally), Arc::clone(&finished));
            move || {
                finished.fetch_add(1, Ordering::Relaxed);
                tally.finish_inside(index);
                fence(Ordering::SeqCst);
                if tally.wants_attention() && tally.is_quiet() {
                    tally.wake_joiners();
                }
            }
        };
        let (first, second) = (finish(0), finish(1));
        let accepting = Arc::clone(&tally);
        let finisher = thread::spawn(move || {
            // The task begets another, which the second thread has in time to finish it first.
            accepting.accept_inside(0);
            let other = thread::spawn(second);
            first();
            other.join().unwrap();
        });
        assert!(tally.join(Deadline::NEVER));
        assert_eq!(finished.load(Ordering::Relaxed), 2);
        finisher.join().unwrap();
    });
}
