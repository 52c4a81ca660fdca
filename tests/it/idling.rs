//! A task wakes a thread that sleeps, and a pool without tasks costs nothing.

use std::sync::{Arc, Barrier};
use std::thread;

use workmill::ThreadPoolExecutor;

#[cfg(target_os = "linux")]
use crate::child::in_child;
use crate::support::limited;

#[test]
fn a_task_submitted_as_the_last_thread_falls_asleep_runs() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(1).unwrap();
        for round in 0..4000_u32 {
            assert_eq!(pool.submit(move || round).join().unwrap(), round);
            // Vary how far the thread gets on its way to sleep.
            (0..round * 7 % 2000).for_each(|_| std::hint::spin_loop());
        }
    });
}

#[test]
fn two_tasks_that_need_each_other_both_run() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for round in 0..1000_u32 {
            // Each blocks until the other runs, so one wake-up for both would hang.
            let meet = Arc::new(Barrier::new(2));
            let handles = [(); 2].map(|()| {
                let meet = Arc::clone(&meet);
                pool.submit(move || meet.wait().is_leader())
            });
            let leaders = handles.map(|handle| handle.join().unwrap());
            assert_ne!(leaders[0], leaders[1]);
            (0..round % 500).for_each(|_| std::hint::spin_loop());
        }
    });
}

#[test]
fn a_child_runs_while_its_parent_blocks_on_it() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        for _ in 0..200 {
            let meet = Arc::new(Barrier::new(2));
            let parent = pool.submit(move || {
                let child = Arc::clone(&meet);
                workmill::current().unwrap().execute(move || {
                    child.wait();
                });
                meet.wait();
            });
            parent.join().unwrap();
        }
    });
}

#[test]
fn spurious_wake_ups_do_no_harm() {
    limited(|| {
        let pool = ThreadPoolExecutor::new(2).unwrap();
        // The tasks unpark their own threads, and a helper the joining one, at all times.
        let joiner = thread::current();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let helper = thread::spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                joiner.unpark();
            }
        });
        for n in 0..1000 {
            let handle = pool.submit(move || {
                thread::current().unpark();
                n
            });
            assert_eq!(handle.join().unwrap(), n);
            if n % 20 == 0 {
                pool.wait_idle().unwrap();
            }
        }
        drop(stop);
        helper.join().unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn many_threads_on_one_processor_get_the_work_done() {
    in_child(&["taskset", "-c", "0"], || {
        let pool = ThreadPoolExecutor::new(64).unwrap();
        let handles: Vec<_> = (0..5000_u64).map(|n| pool.submit(move || n * n)).collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.join().unwrap(), (n * n) as u64);
        }
        pool.shutdown();
    });
}

/// The costs of a thread, as the kernel counts them.
#[cfg(target_os = "linux")]
#[derive(Debug, PartialEq)]
pub(crate) struct Costs {
    /// Its time on a processor in nanoseconds.
    time: u64,
    /// Its context switches of both kinds.
    switches: u64,
    /// Whether it waits for something else than a processor.
    sleeps: bool,
}

/// Returns the costs of each thread whose name begins with `prefix`.
#[cfg(target_os = "linux")]
pub(crate) fn costs(prefix: &str) -> Vec<Costs> {
    let read =
        |task: &std::path::Path, file: &str| std::fs::read_to_string(task.join(file)).unwrap();
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    tasks
        .filter(|task| read(task, "comm").starts_with(prefix))
        .map(|task| {
            let time = read(&task, "schedstat");
            let status = read(&task, "status");
            let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
            let switches = switches.map(|line| line.rsplit('\t').next().unwrap());
            Costs {
                time: time.split(' ').next().unwrap().parse().unwrap(),
                switches: switches.map(|count| count.parse::<u64>().unwrap()).sum(),
                sleeps: status.lines().any(|line| line.starts_with("State:\tS")),
            }
        })
        .collect()
}

/// Asserts that the threads with this prefix, once they have come to rest, cost nothing for two
/// seconds; returns the number of them.
#[cfg(target_os = "linux")]
fn cost_nothing(prefix: &str) -> usize {
    use std::time::Duration;

    // Not synchronisation: the sleep is the time that is measured. The first sleeps let the threads
    // come to rest: a thread that has to wait for a processor costs nothing for a while, too.
    let mut before = costs(prefix);
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = costs(prefix);
        if now == before && now.iter().all(|costs| costs.sleeps) {
            break;
        }
        before = now;
    }
    thread::sleep(Duration::from_secs(2));
    assert_eq!(costs(prefix), before);
    before.len()
}

#[cfg(target_os = "linux")]
#[test]
fn two_idle_seconds_cost_no_context_switch_and_no_processor_time() {
    in_child(&[], || {
        let builder = workmill::Builder::new().threads(4);
        let pool = builder
            .thread_name(|i| format!("idler-{i}"))
            .build()
            .unwrap();
        let handles: Vec<_> = (0..1000).map(|n| pool.submit(move || n)).collect();
        handles.into_iter().for_each(|handle| drop(handle.join()));
        let all = Arc::new(Barrier::new(4));
        for _ in 0..4 {
            let all = Arc::clone(&all);
            pool.execute(move || {
                all.wait();
            });
        }
        pool.wait_idle().unwrap();
        assert_eq!(cost_nothing("idler-"), 4);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_timer_without_a_deadline_or_with_one_far_away_costs_nothing() {
    use std::time::Duration;

    use futures_lite::future::{block_on, poll_once};
    use workmill::timer::sleep;

    in_child(&[], || {
        assert!(costs("workmill-timer").is_empty());
        block_on(sleep(Duration::from_millis(5)));
        assert_eq!(cost_nothing("workmill-timer"), 1);
        let mut far = sleep(Duration::from_secs(3600));
        assert!(block_on(poll_once(&mut far)).is_none());
        assert_eq!(cost_nothing("workmill-timer"), 1);
    });
}

/// Three of four tasks stand, and the last waits for an event; all else has ended. A lender that
/// ticked for that looks once more, when its patience is over.
#[cfg(target_os = "linux")]
#[test]
fn tasks_that_wait_for_room_cost_nothing_while_no_task_waits_to_begin() {
    use std::time::Duration;

    use workmill::{DropBehavior, Event, JoinableQueue};

    in_child(&[], || {
        let builder = workmill::Builder::new().threads(4);
        let pool = builder
            .on_drop(DropBehavior::Detach)
            .thread_name(|i| format!("stander-{i}"))
            .build()
            .unwrap();
        let (queue, event) = (JoinableQueue::bounded(0), Event::new());
        let (queue, event) = (Arc::new(queue), Arc::new(event));
        for item in 0..3 {
            let queue = Arc::clone(&queue);
            pool.execute(move || queue.put(item).unwrap());
        }
        let waits = Arc::clone(&event);
        pool.execute(move || waits.wait());
        (0..100).for_each(|n| drop(pool.submit(move || n)));
        crate::support::until(|| {
            let metrics = pool.metrics();
            metrics.lent_slots + metrics.given_slots == 3
        });
        pool.submit(|| ()).join().unwrap();
        // Not synchronisation: the longest patience that a lender may have by now.
        thread::sleep(Duration::from_millis(1500));
        assert!(cost_nothing("stander-") >= 4);
        event.set();
        let sum: i32 = (0..3).map(|_| queue.get().unwrap()).sum();
        assert_eq!(sum, 3);
    });
}
