//! The counts of a pool say what it has done and what it is doing.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use workmill::{Builder, ThreadPoolExecutor, blocking, current, yield_now};

use crate::support::{Flag, limited, occupy, until};

#[test]
fn each_outcome_is_counted_as_what_it_is() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let done = pool.submit(|| ());
        let panics = pool.submit(|| panic!("on purpose"));
        let cancelled = pool.submit(|| ());
        assert!(cancelled.cancel());
        let late = pool.start_within(Duration::ZERO).submit(|| ());
        pool.execute(|| panic!("on purpose"));
        let metrics = pool.metrics();
        assert_eq!((metrics.accepted, metrics.in_progress), (6, 1));
        release.set();
        done.join().unwrap();
        assert!(panics.join().unwrap_err().is_panic());
        assert!(late.join().unwrap_err().is_cancelled());
        pool.wait_idle().unwrap();
        let metrics = pool.metrics();
        assert_eq!((metrics.finished, metrics.panicked), (2, 2));
        let cancelled = metrics.cancelled;
        assert_eq!(
            (cancelled.requested, cancelled.expired, cancelled.total()),
            (1, 1, 2)
        );
        assert_eq!((metrics.queued, metrics.in_progress), (0, 0));
        assert_eq!(metrics.started, metrics.finished + metrics.panicked);
    });
}

#[test]
fn tasks_that_shutdown_now_cancels_are_counted_so() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begun, begins) = mpsc::channel();
        pool.execute(move || {
            let token = workmill::cancelled();
            begun.send(()).unwrap();
            token.wait();
        });
        begins.recv().unwrap();
        (0..10).for_each(|_| pool.execute(|| ()));
        let sleeper = pool.spawn(std::future::pending::<()>());
        assert_eq!(pool.shutdown_now(), 11);
        assert!(sleeper.join().unwrap_err().is_cancelled());
        pool.shutdown();
        let metrics = pool.metrics();
        assert_eq!((metrics.accepted, metrics.finished), (12, 1));
        assert_eq!(metrics.cancelled.shutdown, 11);
    });
}

#[test]
fn a_future_that_waits_is_in_progress_and_each_poll_is_counted() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (send, receive) = async_channel::bounded::<()>(1);
        let waits = pool.spawn(async move { receive.recv().await.unwrap() });
        until(|| pool.metrics().in_progress == 1 && pool.metrics().running_threads == 0);
        send.try_send(()).unwrap();
        waits.join().unwrap();
        let polls = pool.metrics().total.polls;
        pool.spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
        })
        .join()
        .unwrap();
        assert_eq!(pool.metrics().total.polls, polls + 11);
    });
}

#[test]
fn a_worker_is_busy_or_waits_or_is_idle() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let event = Arc::new(workmill::Event::new());
        let (waits, woken) = (Arc::clone(&event), Flag::default());
        let (told, stays) = (Flag::default(), woken.clone());
        let tells = told.clone();
        pool.execute(move || {
            waits.wait();
            tells.set();
            stays.wait();
        });
        until(|| pool.metrics().waiting_threads == 1);
        until(|| pool.metrics().away_threads == 1);
        event.set();
        told.wait();
        let metrics = pool.metrics();
        assert_eq!((metrics.waiting_threads, metrics.running_threads), (0, 1));
        let worker = &metrics.workers[0];
        assert!(worker.is_alive && worker.counts.waiting > Duration::ZERO);
        assert!(
            worker.runs.unwrap().contains("a_worker_is_busy"),
            "{worker:?}"
        );
        woken.set();
        pool.wait_idle().unwrap();
        until(|| pool.metrics().total.idle > Duration::ZERO);
        let sum = |m: &workmill::WorkerMetrics| m.counts.started;
        let metrics = pool.metrics();
        let started: u64 = metrics.workers.iter().map(sum).sum();
        assert_eq!((started, metrics.total.started), (1, 1));
    });
}

#[test]
fn the_oldest_wait_grows_from_one_look_to_the_next_until_the_task_begins() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let release = occupy(&pool);
        let queued = pool.submit(|| ());
        assert_eq!(pool.metrics().oldest_wait, Duration::ZERO);
        until(|| pool.metrics().oldest_wait >= Duration::from_millis(5));
        assert_eq!(pool.metrics().queued, 1);
        release.set();
        queued.join().unwrap();
        pool.wait_idle().unwrap();
        assert_eq!(pool.metrics().oldest_wait, Duration::ZERO);
    });
}

#[test]
fn a_group_counts_its_own_tasks_and_those_of_the_groups_within() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        let outer = pool.limited(2);
        let inner = outer.limited(1);
        let release = occupy(&inner);
        let waits = inner.submit(|| 1);
        let panics = outer.submit(|| panic!("on purpose"));
        assert!(panics.join().unwrap_err().is_panic());
        let metrics = inner.metrics();
        assert_eq!((metrics.accepted, metrics.queued), (2, 1));
        assert_eq!((metrics.in_progress, metrics.limit), (1, 1));
        pool.execute(|| ());
        release.set();
        waits.join().unwrap();
        outer.wait_idle().unwrap();
        let metrics = outer.metrics();
        assert_eq!(
            (metrics.accepted, metrics.finished, metrics.panicked),
            (3, 2, 1)
        );
        pool.wait_idle().unwrap();
        let all = pool.metrics();
        assert_eq!((all.accepted, all.groups.len()), (4, 2));
        assert!(all.groups.contains(&metrics));
    });
}

#[test]
fn what_the_submitter_runs_and_block_on_are_tasks_too() {
    limited(|| {
        let builder = Builder::new().threads(1).queue_capacity(1);
        let pool = builder
            .overflow(workmill::Overflow::CallerRuns)
            .build()
            .unwrap();
        let release = occupy(&pool);
        pool.execute(|| ());
        pool.execute(|| assert!(current().is_some()));
        let metrics = pool.metrics();
        assert_eq!(
            (metrics.accepted, metrics.finished, metrics.queued),
            (3, 1, 1)
        );
        assert_eq!(pool.block_on(async { 7 }), 7);
        release.set();
        pool.wait_idle().unwrap();
        let metrics = pool.metrics();
        assert_eq!(
            (metrics.accepted, metrics.started, metrics.finished),
            (4, 4, 4)
        );
    });
}

#[test]
fn a_call_of_blocking_counts_as_running() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let (begun, go) = (Flag::default(), Flag::default());
        let (tells, waits) = (begun.clone(), go.clone());
        pool.execute(move || {
            blocking(|| {
                tells.set();
                waits.wait();
            });
        });
        begun.wait();
        assert_eq!(pool.metrics().running_threads, 1);
        go.set();
        pool.shutdown();
    });
}

#[test]
fn an_operator_can_read_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        let group = pool.limited(1);
        let release = occupy(&pool);
        let cancelled = pool.submit(|| ());
        cancelled.cancel();
        group.execute(|| ());
        release.set();
        pool.wait_idle().unwrap();
        let text = pool.metrics().to_string();
        let first = "tasks: 3 accepted: 0 queued, 0 in progress, 2 finished, 0 panicked, \
                     1 cancelled (1 requested)";
        assert_eq!(text.lines().next(), Some(first), "{text}");
        assert!(text.contains("workmill-0"), "{text}");
        assert!(
            text.contains("group 0, at most 1 at a time: 1 accepted:"),
            "{text}"
        );
    });
}
