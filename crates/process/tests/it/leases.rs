//! What a process has of the hub comes back when it dies, whenever that is; nothing is lost, and
//! nothing is there twice.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use workmill_process::hub::{JoinableQueue, Semaphore};
use workmill_process::{Hub, ProcessHandle};

use crate::hub_jobs as jobs;
use crate::runner::tests;
use crate::support::{HANG, error, kill, lost, outcome, pool, until};

tests! {
    the_permits_of_a_killed_holder_come_back
    the_lock_of_a_killed_holder_comes_back
    a_killed_waiter_takes_no_permit_with_it
    what_was_granted_and_not_sent_comes_back
    what_was_granted_and_not_read_comes_back
    a_grant_that_races_a_death_is_not_lost
    an_item_that_is_not_done_goes_back_to_the_front
    an_item_goes_back_to_a_full_queue
    an_item_goes_back_to_a_closed_queue
    an_item_survives_the_death_of_each_of_its_takers
    an_item_that_was_got_is_not_given_back
    a_join_goes_on_when_a_taker_dies
    a_put_that_waits_for_room_is_not_put_when_its_process_dies
    forty_threads_of_one_process_wait_at_once
    abandoned_waits_take_nothing_with_them
    leases_are_back_when_the_handle_resolves
    two_hundred_deaths_amid_eight_threads_lose_and_double_nothing
    items_are_worked_on_once_however_often_their_takers_die
}

fn new() -> Hub {
    Hub::new(crate::jobs::jobs()).unwrap()
}

/// Kills a process, and waits for its death.
#[track_caller]
fn end<R: std::fmt::Debug>(process: ProcessHandle<R>) {
    process.kill();
    assert!(process.join().unwrap_err().is_lost());
}

fn the_permits_of_a_killed_holder_come_back() {
    let hub = new();
    let keys = hub.semaphore(3);
    for permits in 1..=3 {
        let holds = hub.latch(1);
        let holder = hub.spawn(jobs::hold, (keys.clone(), permits, holds.clone()));
        assert!(holds.wait_timeout(HANG));
        assert_eq!(keys.available_permits(), 3 - permits);
        // A thread that waits gets what the dead process had.
        thread::scope(|scope| {
            let waiter = scope.spawn(|| keys.acquire_many_timeout(3, HANG).unwrap().permits());
            end(holder);
            assert_eq!(waiter.join().unwrap(), 3);
        });
        assert_eq!(keys.available_permits(), 3);
    }
}

fn the_lock_of_a_killed_holder_comes_back() {
    let hub = new();
    let (lock, holds) = (hub.lock(), hub.latch(1));
    let holder = hub.spawn(jobs::hold_lock, (lock.clone(), holds.clone()));
    assert!(holds.wait_timeout(HANG) && lock.try_lock().is_none());
    kill(holder.id().unwrap(), Signal::KILL);
    drop(lock.lock_timeout(HANG).expect("it comes back"));
    assert!(holder.join().unwrap_err().is_lost());
}

fn a_killed_waiter_takes_no_permit_with_it() {
    let hub = new();
    let keys = hub.semaphore(1);
    let held = keys.acquire().unwrap();
    let waits = hub.latch(2);
    let killed = hub.spawn(jobs::wait_for_permit, (keys.clone(), waits.clone()));
    killed.id();
    let other = hub.spawn(jobs::wait_for_permit, (keys.clone(), waits.clone()));
    assert!(waits.wait_timeout(HANG));
    end(killed);
    drop(held);
    // The other one has it: it waits no more, and nobody else gets it.
    until(|| keys.available_permits() == 0);
    assert!(keys.try_acquire().is_err());
    end(other);
    assert!(keys.try_acquire().is_ok());
}

fn what_was_granted_and_not_sent_comes_back() {
    granted_and_stopped(16 << 20);
}

fn what_was_granted_and_not_read_comes_back() {
    granted_and_stopped(16);
}

/// A process is stopped and does not read. It is granted an item, and then a permit. If the item is
/// large, the socket is full then, and the answers cannot be sent.
fn granted_and_stopped(bytes: usize) {
    let hub = new();
    let (queue, keys) = (hub.queue::<Vec<u8>>(1), hub.semaphore(1));
    for _ in 0..3 {
        let held = keys.acquire().unwrap();
        let waits = hub.latch(2);
        let arguments = (queue.clone(), keys.clone(), waits.clone());
        let process = hub.spawn(jobs::wait_for_both, arguments);
        assert!(waits.wait_timeout(HANG));
        kill(process.id().unwrap(), Signal::STOP);
        queue.put(vec![7; bytes]).unwrap();
        until(|| queue.is_empty());
        drop(held);
        // It is granted at once, since nobody else waits.
        assert!(keys.try_acquire().is_err());
        end(process);
        assert_eq!(
            (keys.available_permits(), queue.len(), queue.unfinished()),
            (1, 1, 1)
        );
        assert_eq!(queue.get_task().unwrap().len(), bytes);
    }
}

/// The race of a grant and a death alone is run ten thousand times in the tests of `hub/leases.rs`.
fn a_grant_that_races_a_death_is_not_lost() {
    let hub = new();
    let keys = hub.semaphore(1);
    for round in 0..200_u32 {
        let held = keys.acquire().unwrap();
        let waits = hub.latch(1);
        let waiter = hub.spawn(jobs::wait_for_permit, (keys.clone(), waits.clone()));
        assert!(waits.wait_timeout(HANG));
        let id = waiter.id().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                (0..round % 20 * 500).for_each(|_| std::hint::spin_loop());
                kill(id, Signal::KILL);
            });
            drop(held);
        });
        assert!(waiter.join().unwrap_err().is_lost());
        assert_eq!(keys.available_permits(), 1, "in round {round}");
    }
}

/// Returns a queue with the items 1, 2 and so on.
fn queue(hub: &Hub, capacity: Option<usize>, items: u32) -> JoinableQueue<u32> {
    let queue = hub.queue(capacity);
    (1..=items).for_each(|item| queue.put(item).unwrap());
    queue
}

/// Has a process take items, and calls `meanwhile` before it kills it.
fn take_and_kill(hub: &Hub, queue: &JoinableQueue<u32>, items: u32, meanwhile: impl FnOnce()) {
    let taken = hub.latch(1);
    let taker = hub.spawn(jobs::take_and_hang, (queue.clone(), items, taken.clone()));
    assert!(taken.wait_timeout(HANG));
    meanwhile();
    end(taker);
}

fn an_item_that_is_not_done_goes_back_to_the_front() {
    let hub = new();
    let queue = queue(&hub, None, 5);
    take_and_kill(&hub, &queue, 3, || {
        assert_eq!((queue.len(), queue.unfinished()), (2, 5));
    });
    assert_eq!((queue.len(), queue.unfinished()), (5, 5));
    assert_eq!(queue.drain(), [1, 2, 3, 4, 5]);
    assert_eq!(queue.unfinished(), 0);
}

fn an_item_goes_back_to_a_full_queue() {
    let hub = new();
    let queue = queue(&hub, Some(2), 2);
    take_and_kill(&hub, &queue, 2, || {
        queue.put(3).unwrap();
        queue.put(4).unwrap();
        assert!(queue.is_full());
    });
    assert_eq!((queue.len(), queue.unfinished()), (4, 4));
    assert!(queue.try_put(5).unwrap_err().is_full());
    assert_eq!(queue.drain(), [1, 2, 3, 4]);
}

fn an_item_goes_back_to_a_closed_queue() {
    let hub = new();
    let queue = queue(&hub, Some(2), 2);
    take_and_kill(&hub, &queue, 1, || queue.close());
    assert_eq!((queue.len(), queue.unfinished()), (2, 2));
    assert!(queue.iter_tasks().map(|task| *task).eq([1, 2]));
    queue.join().unwrap();
}

fn an_item_survives_the_death_of_each_of_its_takers() {
    let hub = new();
    let queue = queue(&hub, Some(1), 1);
    for _ in 0..5 {
        take_and_kill(&hub, &queue, 1, || assert_eq!(queue.unfinished(), 1));
        let taker = hub.spawn(jobs::take_all_and_die, queue.clone());
        assert!(taker.join().unwrap_err().is_lost());
        assert_eq!((queue.len(), queue.unfinished()), (1, 1));
    }
    assert_eq!(
        hub.spawn(jobs::take_and_return, queue.clone())
            .join()
            .unwrap(),
        1
    );
    assert_eq!((queue.len(), queue.unfinished()), (0, 0));
}

fn an_item_that_was_got_is_not_given_back() {
    let hub = new();
    let queue = queue(&hub, None, 2);
    assert!(
        hub.spawn(jobs::get_and_die, queue.clone())
            .join()
            .unwrap_err()
            .is_lost()
    );
    // It is the process's own, and nobody has reported it done.
    assert_eq!((queue.len(), queue.unfinished()), (1, 2));
    queue.task_done().unwrap();
    assert_eq!(queue.get().unwrap(), 2);
    queue.task_done().unwrap();
    assert!(queue.task_done().is_err());
    queue.join().unwrap();
}

fn a_join_goes_on_when_a_taker_dies() {
    let hub = new();
    let queue = queue(&hub, None, 1);
    thread::scope(|scope| {
        let joiner = scope.spawn(|| queue.join().unwrap());
        take_and_kill(&hub, &queue, 1, || assert!(!joiner.is_finished()));
        assert!(!joiner.is_finished(), "the item is not done");
        drop(queue.get_task().unwrap());
        joiner.join().unwrap();
    });
}

fn a_put_that_waits_for_room_is_not_put_when_its_process_dies() {
    let hub = new();
    let queue = queue(&hub, Some(1), 1);
    let waits = hub.latch(1);
    let putter = hub.spawn(jobs::put_and_hang, (queue.clone(), 2, waits.clone()));
    assert!(waits.wait_timeout(HANG));
    end(putter);
    assert_eq!(
        (queue.get().unwrap(), queue.len(), queue.unfinished()),
        (1, 0, 1)
    );
    queue.put(3).unwrap();
    assert_eq!(queue.get().unwrap(), 3);
}

fn forty_threads_of_one_process_wait_at_once() {
    let pool = pool(1);
    let (keys, waits) = (pool.hub().semaphore(1), pool.hub().latch(40));
    let held = keys.acquire().unwrap();
    let job = pool.submit(jobs::many_threads, (keys.clone(), waits.clone()));
    // All wait, and the time of one was over.
    assert!(waits.wait_timeout(HANG));
    drop(held);
    assert_eq!(outcome(job).unwrap(), 39);
    assert_eq!(keys.available_permits(), 1);
}

fn abandoned_waits_take_nothing_with_them() {
    let pool = pool(1);
    let (keys, queue) = (pool.hub().semaphore(1), pool.hub().queue(None));
    queue.put(1).unwrap();
    outcome(pool.submit(jobs::abandon, (keys.clone(), queue.clone(), 500))).unwrap();
    assert_eq!(
        (keys.available_permits(), queue.len(), queue.unfinished()),
        (1, 1, 1)
    );
    // While others take and release.
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                drop(keys.acquire_timeout(HANG).unwrap());
                queue.get_task_timeout(HANG).unwrap().give_back();
            }
        });
        let job = pool.submit(jobs::abandon, (keys.clone(), queue.clone(), 1000));
        outcome(job).unwrap();
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(
        (keys.available_permits(), queue.len(), queue.unfinished()),
        (1, 1, 1)
    );
}

/// In a pool, by a cancel and by a death.
fn leases_are_back_when_the_handle_resolves() {
    let pool = pool(1);
    let (keys, queue) = (pool.hub().semaphore(2), pool.hub().queue(None));
    queue.put(1).unwrap();
    for _ in 0..20 {
        let holds = pool.hub().latch(1);
        let job = pool.submit(jobs::hold, (keys.clone(), 2, holds.clone()));
        assert!(holds.wait_timeout(HANG));
        assert!(job.cancel() && error(job).is_cancelled());
        assert_eq!(keys.available_permits(), 2);
        lost(pool.submit(jobs::take_all_and_die, queue.clone()));
        assert_eq!((queue.len(), queue.unfinished()), (1, 1));
    }
}

/// Takes permits until it is told to stop, and counts those that are inside.
fn take_again(keys: &Semaphore, inside: &AtomicUsize, is_over: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !is_over.load(Ordering::SeqCst) {
        let _permit = keys.acquire_timeout(HANG).expect("permits come back");
        let others = inside.fetch_add(1, Ordering::SeqCst);
        assert!(others < 3, "{others} others are inside");
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
        rounds += 1;
    }
    rounds
}

fn two_hundred_deaths_amid_eight_threads_lose_and_double_nothing() {
    let hub = new();
    let keys = hub.semaphore(3);
    let (inside, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| take_again(&keys, &inside, &is_over)))
            .collect();
        for round in 0..50_u64 {
            // Two that hold or wait, and two that wait or hold.
            let never = hub.latch(usize::MAX);
            let processes = [0, 1, 2, 3].map(|which| match which % 2 {
                0 => hub.spawn(jobs::hold, (keys.clone(), 1, never.clone())),
                _ => hub.spawn(jobs::wait_for_permit, (keys.clone(), never.clone())),
            });
            for (process, wait) in processes.into_iter().zip(0..) {
                let id = process.id().unwrap();
                // At any moment of its life.
                thread::sleep(Duration::from_micros((round * 97 + wait * 31) % 2000));
                kill(id, Signal::KILL);
                assert!(process.join().is_err());
            }
        }
        is_over.store(true, Ordering::SeqCst);
        let rounds: Vec<_> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        assert!(rounds.iter().all(|rounds| *rounds > 0), "{rounds:?}");
    });
    assert_eq!(keys.available_permits(), 3);
    let all = keys.try_acquire_many(3).unwrap();
    assert!(keys.try_acquire().is_err());
    drop(all);
}

fn items_are_worked_on_once_however_often_their_takers_die() {
    let hub = new();
    let queue = queue(&hub, None, 200);
    let done = hub.queue::<u32>(None);
    for round in 0..40_u64 {
        let worker = hub.spawn(jobs::hand_over, (queue.clone(), done.clone()));
        worker.id().unwrap();
        thread::sleep(Duration::from_micros(round * 211 % 3000));
        worker.kill();
        let _ = worker.join();
    }
    let last = hub.spawn(jobs::hand_over, (queue.clone(), done.clone()));
    queue.join().unwrap();
    queue.close();
    last.join().unwrap();
    let all = done.close_and_drain();
    let once: HashSet<_> = all.iter().copied().collect();
    assert_eq!(once.len(), 200, "none is lost");
    // One that was put and not yet reported done by a process that died is done twice.
    assert!(all.len() <= 240, "{}", all.len());
}
