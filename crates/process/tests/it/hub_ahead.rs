//! Items that go ahead, to the parent or from it, change nothing of what a queue promises.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use workmill_process::hub::JoinableQueue;
use workmill_process::{Bytes, Hub};

use crate::hub_jobs as jobs;
use crate::runner::tests;
use crate::support::{HANG, kill, outcome, pool, until};

tests! {
    takers_that_take_turns_get_the_oldest
    items_that_a_process_does_not_want_go_to_others
    a_waiter_gets_what_was_sent_to_another
    items_of_a_dead_taker_go_back_in_order
    an_item_that_is_put_back_comes_first
    what_is_done_without_a_message_is_finished
    a_join_that_waits_is_told_what_is_done
    a_join_ends_though_nobody_asks_for_more
    what_was_told_before_an_item_was_done_is_known_when_it_is
    a_close_keeps_all_that_was_accepted
    a_close_does_not_wait_for_a_producer_that_is_stopped
    a_close_does_not_wait_for_a_producer_that_dies
    nothing_is_lost_or_doubled_by_takers_of_all_kinds
}

fn new() -> Hub {
    Hub::new(crate::jobs::jobs()).unwrap()
}

fn numbers(hub: &Hub, count: u32) -> JoinableQueue<u32> {
    let queue = hub.queue(None);
    (0..count).for_each(|number| queue.put(number).unwrap());
    queue
}

fn takers_that_take_turns_get_the_oldest() {
    let hub = new();
    let queue = numbers(&hub, 2000);
    let workers = [(); 2].map(|()| {
        let (orders, got) = (hub.queue::<u32>(None), hub.queue::<u32>(None));
        let arguments = (orders.clone(), queue.clone(), got.clone());
        (hub.spawn(jobs::take_turns, arguments), orders, got)
    });
    let mut next = 0;
    for (round, count) in [40, 1, 3, 100, 2, 50, 1, 1, 70, 5]
        .into_iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        if round % 3 == 2 {
            for _ in 0..3 {
                assert_eq!(queue.get().unwrap(), next);
                next += 1;
            }
            assert_eq!(queue.try_get_task().unwrap().into_inner(), next);
            next += 1;
        }
        let (_, orders, got) = &workers[round % 2];
        orders.put(count).unwrap();
        for _ in 0..count {
            assert_eq!(got.get_timeout(HANG).unwrap(), next);
            next += 1;
        }
        assert_eq!(
            queue.len() as u32,
            2000 - next,
            "those ahead are still in the queue"
        );
    }
    for (worker, orders, _) in workers {
        orders.close();
        worker.join().unwrap();
    }
    assert_eq!(queue.drain(), (next..2000).collect::<Vec<_>>());
}

fn items_that_a_process_does_not_want_go_to_others() {
    let hub = new();
    let queue = numbers(&hub, 100);
    let ready = hub.latch(1);
    let hanging = hub.spawn(
        jobs::get_some_and_hang,
        (queue.clone(), 20, 0, ready.clone()),
    );
    assert!(ready.wait_timeout(HANG));
    // It has been sent some of these, and will never want them.
    kill(hanging.id().unwrap(), Signal::STOP);
    assert_eq!((queue.len(), queue.unfinished()), (80, 100));
    let other = hub.spawn(jobs::take_and_return, queue.clone());
    assert_eq!(other.join().unwrap(), 20);
    assert!((21..100).all(|number| queue.try_get() == Ok(number)));
    assert!(queue.try_get().is_err());
    hanging.kill();
    assert!(hanging.join().is_err());
    assert!(queue.is_empty());
}

fn a_waiter_gets_what_was_sent_to_another() {
    let hub = new();
    for round in 0..20 {
        let queue = numbers(&hub, 30);
        let ready = hub.latch(1);
        let hanging = hub.spawn(
            jobs::get_some_and_hang,
            (queue.clone(), 10, 2, ready.clone()),
        );
        assert!(ready.wait_timeout(HANG));
        let other = queue.clone();
        // More than are there.
        let waiter = thread::spawn(move || (0..20).map(|_| other.get().unwrap()).sum::<u32>());
        let putter = hub.spawn(jobs::put_numbers, (queue.clone(), 30, 32));
        assert_eq!(
            waiter.join().unwrap(),
            (12..32).sum::<u32>(),
            "in round {round}"
        );
        putter.join().unwrap();
        hanging.kill();
        let _ = hanging.join();
        assert_eq!(queue.drain(), [10, 11]);
    }
}

fn items_of_a_dead_taker_go_back_in_order() {
    let hub = new();
    for (got, tasks) in [(0, 5), (12, 0), (12, 7), (1, 1), (40, 40)] {
        let queue = numbers(&hub, 100);
        let ready = hub.latch(1);
        let arguments = (queue.clone(), got, tasks, ready.clone());
        let taker = hub.spawn(jobs::get_some_and_hang, arguments);
        assert!(ready.wait_timeout(HANG));
        let left = 100 - got - tasks;
        assert_eq!((queue.len(), queue.unfinished()), (left as usize, 100));
        taker.kill();
        assert!(taker.join().is_err());
        assert_eq!((queue.len(), queue.unfinished()), (100 - got as usize, 100));
        assert_eq!(queue.drain(), (got..100).collect::<Vec<_>>());
        // What it got is nobody's duty but that of `task_done`.
        assert_eq!(queue.unfinished(), got as usize);
        (0..got).for_each(|_| queue.task_done().unwrap());
        assert!(queue.task_done().is_err());
        queue.join().unwrap();
    }
}

fn an_item_that_is_put_back_comes_first() {
    let pool = pool(1);
    let queue: JoinableQueue<u32> = pool.hub().queue(None);
    (0..30).for_each(|number| queue.put(number).unwrap());
    let got = outcome(pool.submit(jobs::give_one_back, queue.clone())).unwrap();
    let expected = (0..=10).chain([110, 11, 12, 13]);
    assert!(got.iter().copied().eq(expected), "{got:?}");
    // One that is put back here comes before those that the worker was sent.
    let task = queue.get_task().unwrap();
    assert_eq!(*task, 14);
    task.give_back();
    let got = outcome(pool.submit(jobs::give_one_back, queue)).unwrap();
    assert_eq!(got[0], 14);
}

fn what_is_done_without_a_message_is_finished() {
    let hub = new();
    let queue = numbers(&hub, 100);
    let ready = hub.latch(1);
    let arguments = (queue.clone(), 50, ready.clone());
    let process = hub.spawn(jobs::do_some_and_hang, arguments);
    assert!(ready.wait_timeout(HANG));
    // It does not run any more, and has been asked nothing.
    kill(process.id().unwrap(), Signal::STOP);
    assert_eq!((queue.len(), queue.unfinished()), (50, 50));
    assert!(queue.task_done().is_err(), "all that were taken are done");
    assert_eq!(queue.drain(), (50..100).collect::<Vec<_>>());
    assert!(queue.join_timeout(HANG).unwrap());
    process.kill();
    let _ = process.join();
    assert_eq!(queue.unfinished(), 0);
}

fn a_join_that_waits_is_told_what_is_done() {
    let hub = new();
    let queue: JoinableQueue<u32> = hub.queue(None);
    let eaters = [(); 2].map(|()| hub.spawn(jobs::sum_tasks, queue.clone()));
    for round in 0..300_u64 {
        (0..40).for_each(|number| queue.put(number).unwrap());
        // The join begins at any moment of the work.
        (0..round * 37 % 20_000).for_each(|_| std::hint::spin_loop());
        assert!(queue.join_timeout(HANG).unwrap(), "in round {round}");
        assert_eq!(queue.unfinished(), 0);
    }
    queue.close();
    let sums = eaters.map(|it| it.join().unwrap());
    assert_eq!(sums.iter().sum::<u64>(), 300 * (0..40).sum::<u64>());
}

/// A process has done all, mostly without a message, and does nothing any more: before the join
/// begins, while it waits, and from its start to its end in that time.
fn a_join_ends_though_nobody_asks_for_more() {
    let hub = new();
    for when in ["before", "partly", "later", "later", "later"] {
        let queue = numbers(&hub, 40);
        let (ready, go) = (hub.latch(1), hub.event());
        let spawn = |before: u32| {
            let arguments = (queue.clone(), before, ready.clone(), go.clone());
            let process = hub.spawn(jobs::do_all_and_hang, arguments);
            assert!(ready.wait_timeout(HANG));
            process
        };
        let process = thread::scope(|scope| {
            let join = || assert!(queue.join_timeout(HANG).unwrap(), "{when}");
            match when {
                "before" => {
                    let process = spawn(40);
                    join();
                    process
                }
                "partly" => {
                    let process = spawn(39);
                    let joiner = scope.spawn(join);
                    until(|| queue.unfinished() == 1);
                    assert!(!joiner.is_finished());
                    go.set();
                    process
                }
                _ => {
                    let _joiner = scope.spawn(join);
                    spawn(40)
                }
            }
        });
        process.kill();
        let _ = process.join();
    }
}

fn what_was_told_before_an_item_was_done_is_known_when_it_is() {
    const ROUNDS: usize = 300;
    let hub = new();
    let (queue, large) = (hub.queue::<u32>(None), hub.queue::<Bytes>(None));
    let teller = hub.spawn(jobs::tell_and_do, (queue.clone(), large.clone()));
    let mut come = 0;
    for round in 1..=ROUNDS {
        (0..10).for_each(|number| queue.put(number).unwrap());
        while queue.unfinished() > 0 {
            thread::yield_now();
        }
        come += large.drain().len();
        assert_eq!(come, 10 * round);
    }
    queue.close();
    teller.join().unwrap();
}

fn a_close_keeps_all_that_was_accepted() {
    let hub = new();
    for round in 0..40_u64 {
        let queue: JoinableQueue<u32> = hub.queue(None);
        let first = hub.latch(20);
        let producers = [(); 2].map(|()| {
            let arguments = (queue.clone(), first.clone());
            hub.spawn(jobs::put_until_refused, arguments)
        });
        let consumers = [(); 2].map(|()| hub.spawn(jobs::sum_tasks, queue.clone()));
        assert!(first.wait_timeout(HANG));
        thread::sleep(Duration::from_micros(round * 37 % 1000));
        queue.close();
        assert!(queue.put(0).is_err() && queue.is_closed());
        let accepted = producers.map(|it| u64::from(it.join().unwrap()));
        let expected: u64 = accepted.iter().map(|all| (0..*all).sum::<u64>()).sum();
        let sums = consumers.map(|it| it.join().unwrap());
        assert_eq!(
            sums.iter().sum::<u64>(),
            expected,
            "in round {round}: {accepted:?}"
        );
        queue.join().unwrap();
    }
}

/// Credit that it has not spent is taken back without asking it.
fn a_close_does_not_wait_for_a_producer_that_is_stopped() {
    let hub = new();
    let (queue, waits) = (hub.queue::<u32>(None), hub.latch(1));
    let producer = hub.spawn(jobs::put_and_hang_after, (queue.clone(), 10, waits.clone()));
    assert!(waits.wait_timeout(HANG));
    kill(producer.id().unwrap(), Signal::STOP);
    queue.close();
    assert_eq!(queue.close_and_drain(), (0..10).collect::<Vec<_>>());
    assert!(queue.get().is_err());
    producer.kill();
    let _ = producer.join();
}

fn a_close_does_not_wait_for_a_producer_that_dies() {
    let hub = new();
    for round in 0..60_u64 {
        let queue: JoinableQueue<u32> = hub.queue(None);
        let first = hub.latch(5);
        let producer = hub.spawn(jobs::put_until_refused, (queue.clone(), first.clone()));
        assert!(first.wait_timeout(HANG));
        let id = producer.id().unwrap();
        thread::sleep(Duration::from_micros(round * 61 % 700));
        thread::scope(|scope| {
            scope.spawn(|| kill(id, Signal::KILL));
            scope.spawn(|| queue.close());
        });
        // An unbroken row of what it has put.
        let all: Vec<_> = queue.iter().collect();
        assert!(
            all.iter().copied().eq(0..all.len() as u32),
            "in round {round}"
        );
        let _ = producer.join();
    }
}

fn nothing_is_lost_or_doubled_by_takers_of_all_kinds() {
    const ALL: u32 = 3000;
    let hub = new();
    for round in 0..3 {
        let (queue, done) = (hub.queue::<u32>(None), hub.queue::<u32>(None));
        let takers = [1, 2].map(|seed| {
            let arguments = (queue.clone(), done.clone(), seed + round * 7);
            hub.spawn(jobs::work_at_random, arguments)
        });
        let putters = [0, 1].map(|half| {
            let numbers = (queue.clone(), half * ALL / 2, (half + 1) * ALL / 2);
            hub.spawn(jobs::put_numbers, numbers)
        });
        thread::scope(|scope| {
            scope.spawn(|| jobs::work_at_random(queue.clone(), done.clone(), round));
            putters.into_iter().for_each(|it| it.join().unwrap());
            queue.join().unwrap();
            queue.close();
        });
        takers.into_iter().for_each(|it| it.join().unwrap());
        let mut all = done.drain();
        all.sort_unstable();
        assert!(
            all.iter().copied().eq(0..ALL),
            "{} in round {round}",
            all.len()
        );
        assert_eq!((queue.len(), queue.unfinished()), (0, 0));
    }
}
