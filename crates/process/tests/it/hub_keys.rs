//! Permits that are released without a message are released all the same.

use std::thread;

use rustix::process::Signal;
use workmill_process::{Bytes, Hub};

use crate::hub_jobs as jobs;
use crate::runner::tests;
use crate::support::{HANG, Sign, kill, outcome, pool};

tests! {
    the_next_holder_knows_all_that_the_last_one_has_told
    processes_and_threads_count_under_a_lock
    threads_of_processes_never_have_more_permits_than_there_are
    released_permits_are_free_for_others
    a_waiter_gets_what_a_process_before_it_releases
    permits_of_a_dead_process_come_back_once
    a_stopped_process_does_not_keep_what_it_has_released
    released_permits_are_closed_with_their_semaphore
    released_permits_count_as_free
    forgotten_permits_do_not_come_back
}

fn new() -> Hub {
    Hub::new(crate::jobs::jobs()).unwrap()
}

fn the_next_holder_knows_all_that_the_last_one_has_told() {
    const ROUNDS: usize = 2000;
    let pool = pool(1);
    let (lock, items, file) = (
        pool.hub().lock(),
        pool.hub().queue::<Bytes>(None),
        Sign::new(),
    );
    std::fs::write(&file.0, "").unwrap();
    let arguments = (lock.clone(), items.clone(), file.text(), ROUNDS as u32);
    let teller = pool.submit(jobs::tell_under_lock, arguments);
    let mut come = 0;
    for look in 0.. {
        // The other has it most of the time, and does not know that anybody wants it.
        (0..look * 37 % 3000).for_each(|_| std::hint::spin_loop());
        let _guard = lock.lock();
        // What is in the file was written behind a put that did not wait for the parent.
        let written = std::fs::metadata(&file.0).unwrap().len() as usize;
        come += items.drain().len();
        assert_eq!(come, written, "at look {look}");
        if written == ROUNDS {
            break;
        }
    }
    outcome(teller).unwrap();
}

fn processes_and_threads_count_under_a_lock() {
    let hub = new();
    let (lock, file) = (hub.lock(), Sign::new());
    std::fs::write(&file.0, "0").unwrap();
    let arguments = || (lock.clone(), file.text(), 300);
    let processes = [(); 2].map(|()| hub.spawn(jobs::count_in_file, arguments()));
    thread::scope(|scope| {
        let (lock, path, rounds) = arguments();
        scope.spawn(move || jobs::count_in_file(lock, path, rounds));
    });
    processes.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(std::fs::read_to_string(&file.0).unwrap(), "900");
}

fn threads_of_processes_never_have_more_permits_than_there_are() {
    let hub = new();
    let keys = hub.semaphore(3);
    let processes = [(); 2].map(|()| {
        let arguments = (keys.clone(), 3, 1000);
        hub.spawn(jobs::acquire_in_threads, arguments)
    });
    jobs::acquire_in_threads(keys.clone(), 3, 1000);
    processes.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(keys.available_permits(), 3);
}

/// Starts a process that has released permits, and holds some of them.
fn with_released(
    take: usize,
    hold: usize,
    check: impl FnOnce(&Hub, &workmill_process::hub::Semaphore, u32),
) {
    let hub = new();
    let (keys, ready) = (hub.semaphore(4), hub.latch(1));
    let process = hub.spawn(
        jobs::release_and_hang,
        (keys.clone(), take, hold, ready.clone()),
    );
    assert!(ready.wait_timeout(HANG));
    check(&hub, &keys, process.id().unwrap());
    process.kill();
    let _ = process.join();
    assert_eq!(keys.available_permits(), 4);
    assert_eq!(keys.try_acquire_many(4).unwrap().permits(), 4);
    assert!(keys.try_acquire_many(5).is_err());
}

fn released_permits_are_free_for_others() {
    for take in 1..=4 {
        with_released(take, 0, |hub, keys, _| {
            assert_eq!(keys.try_acquire_many(4).unwrap().permits(), 4);
            let other = hub.spawn(jobs::take_permits, (keys.clone(), 10));
            assert_eq!(other.join().unwrap(), 10);
            assert_eq!(keys.available_permits(), 4);
        });
        with_released(take, take, |_, keys, _| {
            assert_eq!(keys.available_permits(), 4 - take);
            assert!(keys.try_acquire_many(4).is_err());
        });
    }
}

fn a_waiter_gets_what_a_process_before_it_releases() {
    let hub = new();
    let keys = hub.semaphore(1);
    for _ in 0..10 {
        let held = keys.acquire().unwrap();
        let (first, second, has) = (hub.latch(1), hub.latch(1), hub.latch(1));
        let before = hub.spawn(jobs::wait_release_and_hang, (keys.clone(), first.clone()));
        assert!(first.wait_timeout(HANG));
        let arguments = (keys.clone(), second.clone(), has.clone());
        let waiter = hub.spawn(jobs::wait_and_tell, arguments);
        assert!(second.wait_timeout(HANG));
        drop(held);
        assert!(
            has.wait_timeout(HANG),
            "it waits, and nobody has the permit"
        );
        for process in [before, waiter] {
            process.kill();
            let _ = process.join();
        }
    }
}

fn permits_of_a_dead_process_come_back_once() {
    for hold in [0, 2] {
        with_released(2, hold, |_, keys, id| {
            thread::scope(|scope| {
                // One waits for all of them.
                let waiter = scope.spawn(|| drop(keys.acquire_many_timeout(4, HANG).unwrap()));
                kill(id, Signal::KILL);
                waiter.join().unwrap();
            });
        });
    }
}

fn a_stopped_process_does_not_keep_what_it_has_released() {
    with_released(4, 0, |_, keys, id| {
        kill(id, Signal::STOP);
        let all = keys.acquire_many(4).unwrap();
        assert!(keys.try_acquire().is_err());
        drop(all);
    });
}

fn released_permits_are_closed_with_their_semaphore() {
    let pool = pool(1);
    let (keys, ready, closed) = (
        pool.hub().semaphore(1),
        pool.hub().latch(1),
        pool.hub().event(),
    );
    let arguments = (keys.clone(), ready.clone(), closed.clone());
    let job = pool.submit(jobs::acquire_after_close, arguments);
    assert!(ready.wait_timeout(HANG));
    keys.close();
    closed.set();
    assert!(outcome(job).unwrap());
}

fn released_permits_count_as_free() {
    let pool = pool(1);
    let keys = pool.hub().bounded_semaphore(2);
    outcome(pool.submit(jobs::take_permits, ((*keys).clone(), 10))).unwrap();
    assert!(keys.release(1).is_err(), "all are free");
    assert_eq!(keys.drain_permits().permits(), 2);
    assert_eq!((keys.forget_permits(5), keys.available_permits()), (2, 0));
}

fn forgotten_permits_do_not_come_back() {
    let hub = new();
    let keys = hub.semaphore(2);
    hub.spawn(jobs::forget_one, keys.clone()).join().unwrap();
    assert_eq!(keys.available_permits(), 1);
}
