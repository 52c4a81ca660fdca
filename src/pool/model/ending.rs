//! Submission against shutdown, and the end of every thread.

use super::*;

/// The whole pool with one thread, as it is: tasks, shutdown and the thread's end.
///
/// Bug: `close` does not check for quiescence. Bug: the end wakes nobody. Bug: a last look does not
/// see that all is over.
#[test]
fn what_is_accepted_runs_and_the_thread_ends() {
    model(2, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
        assert!(submit(&shared, &ran));
        shared.close();
        worker.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.slots.have_ended());
    });
}

/// Both return when the task has run and the thread has ended, to the last of its thread-locals,
/// no matter which of them closes the pool and which joins the thread.
///
/// Bug: the second close opens the pool again. Bug: a thread that finds no handle to join does not
/// wait for the thread that has it.
#[test]
fn two_threads_that_shut_a_pool_down_both_return_when_all_is_done() {
    model(1, || {
        let shared = pool(1, start_none);
        let (ran, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (part, end) = (Arc::clone(&shared), Arc::clone(&ended));
        let reserved = shared.slots.reserve().unwrap();
        let spawn = |worker: &Arc<Worker>| {
            let worker = Arc::clone(worker);
            ThreadBuilder::new().spawn(move || {
                Local::enter(Arc::clone(&part), &worker, reserved, worker::work);
                part.staff.roster.count_out_worker(|| true);
                end.store(1, Ordering::Relaxed);
            })
        };
        assert!(
            shared
                .staff
                .roster
                .start(1, |number| Some(default_name(number)), spawn)
                .is_ok()
        );
        shared.staff.roster.count_out();
        assert!(submit(&shared, &ran));
        let shut_down = move || {
            shared.close();
            shared.staff.roster.join();
            assert_eq!(ran.load(Ordering::Relaxed), 1);
            assert_eq!(ended.load(Ordering::Relaxed), 1);
            assert!(shared.slots.have_ended());
        };
        let other = thread::spawn(shut_down.clone());
        shut_down();
        other.join().unwrap();
    });
}

/// Sleeps and wakes as a worker without tasks does, until the pool has ended.
fn sleep_until_the_end(shared: &Arc<Pool>) {
    let reserved = shared.slots.reserve().unwrap();
    let (own, mut searching) = shared.slots.occupy(reserved);
    while !shared.slots.have_ended() {
        if shared.queue.tally.wants_attention() {
            shared.check_quiescence();
        }
        let last_look = || shared.last_look();
        let (slept, woken) =
            shared
                .slots
                .sleep(own.index(), searching.take(), Deadline::NEVER, last_look);
        assert!(slept == Slept::Woken);
        searching = Some(woken);
    }
    shared.slots.give_up_at_the_end(own, searching);
}

/// Finishes a task as a worker does that leaves, without another look, if the pool has ended.
fn finish_the_last_task(shared: &Arc<Pool>) {
    shared.queue.task_done(None);
    if !shared.slots.have_ended() {
        shared.check_quiescence();
    }
}

/// A joiner comes to wait when all is done, and is in the wait queue for a moment, while one thread
/// searches and another falls asleep.
///
/// Bug: the thread that falls asleep leaves the check to the thread that searches.
#[test]
fn a_thread_that_falls_asleep_at_the_end_while_another_searches_leaves() {
    model(3, || {
        let shared = pool(2, start_none);
        assert!(shared.accept().is_ok());
        shared.close();
        let searcher = {
            let (shared, reserved) = (Arc::clone(&shared), shared.slots.reserve().unwrap());
            thread::spawn(move || {
                finish_the_last_task(&shared);
                let mut late = shared.idle_joiner();
                assert!(late.poll(Waker::noop()));
                let (own, searching) = shared.slots.occupy(reserved);
                shared.slots.give_up_at_the_end(own, searching);
            })
        };
        sleep_until_the_end(&shared);
        searcher.join().unwrap();
    });
}

/// Bug: the thread that announces the end does not wake the joiners once more.
#[test]
fn a_joiner_is_woken_while_the_pool_closes_behind_a_task() {
    model(3, || {
        let shared = pool(1, start_none);
        // So it is worth a check at any time.
        let _other = shared.idle_joiner();
        let waiter = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                assert!(shared.accept().is_ok());
                shared.close();
                let part = Arc::clone(&shared);
                let finisher = thread::spawn(move || finish_the_last_task(&part));
                assert!(shared.wait_idle(Deadline::NEVER));
                finisher.join().unwrap();
            })
        };
        shared.check_quiescence();
        waiter.join().unwrap();
    });
}

/// Bug: `accept_outside` reads CLOSED before it counts, in two steps. Bug: a refusal is not
/// followed by a check for quiescence, so that the end goes unnoticed. Bug: a last look does not
/// see that the pool has ended.
#[test]
fn a_submission_against_shutdown_runs_or_is_refused() {
    model(2, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
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
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let worker = start_worker(&shared);
        assert!(submit(&shared, &ran));
        let cancelled = shared.stop();
        worker.join().unwrap();
        assert!(ran.load(Ordering::Relaxed) + cancelled <= 1);
        assert_eq!(
            Arc::strong_count(&ran),
            1,
            "the closure is gone, run or not"
        );
        assert!(shared.slots.have_ended());
    });
}

/// A starter may come late: either the end waits for that thread, until its last
/// thread-local is gone, or it is not started any more.
///
/// Bug: a worker is taken in after all have left. Bug: its handle is kept only after it may have
/// left.
#[test]
fn the_end_waits_for_every_thread_that_starts() {
    model(3, || {
        let (roster, ended) = (Arc::new(Roster::new()), Arc::new(AtomicUsize::new(0)));
        let starter = {
            let (roster, ended) = (Arc::clone(&roster), Arc::clone(&ended));
            thread::spawn(move || {
                let part = Arc::clone(&roster);
                let run = move || {
                    part.count_out_worker(|| true);
                    ended.store(1, Ordering::Relaxed);
                };
                let spawn = |_: &_| ThreadBuilder::new().spawn(run);
                roster
                    .start(9, |number| Some(default_name(number)), spawn)
                    .is_ok()
            })
        };
        roster.count_out();
        roster.join();
        let was_joined = ended.load(Ordering::Relaxed) == 1;
        assert_eq!(starter.join().unwrap(), was_joined);
    });
}

/// A task asks for the token while the pool is stopped: whichever comes first, the token is
/// cancelled once the pool stops.
///
/// Bug: the maker of the token looks at the phase before it has the lock. Bug: the token that a
/// task has asked for is not cancelled. Bug: the maker does not look at the phase.
#[test]
fn a_token_that_is_asked_for_while_the_pool_stops_is_cancelled() {
    model(3, || {
        let shared = pool(1, start_none);
        assert!(shared.accept().is_ok());
        let asker = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.token())
        };
        shared.stop();
        assert!(shared.token().is_cancelled());
        assert!(asker.join().unwrap().is_cancelled());
        finish_the_last_task(&shared);
    });
}

/// The last of two workers that leave is told, before anybody sees that all have left.
///
/// Bug: of two workers that leave at once, each takes the other for the last. Bug: the last worker
/// is counted out before it is told.
#[test]
fn the_end_is_told_once_before_all_have_left() {
    model(3, || {
        let (roster, told) = (Arc::new(Roster::new()), Arc::new(AtomicUsize::new(0)));
        let leave = |roster: &Roster, told: &AtomicUsize| {
            roster.count_out_worker(|| {
                told.fetch_add(1, Ordering::Relaxed);
                true
            });
        };
        let (part, tell) = (Arc::clone(&roster), Arc::clone(&told));
        let run = move || leave(&part, &tell);
        let spawn = |_: &_| ThreadBuilder::new().spawn(run);
        let name = |number| Some(default_name(number));
        assert!(roster.start(9, name, spawn).is_ok());
        let other = {
            let (roster, told) = (Arc::clone(&roster), Arc::clone(&told));
            thread::spawn(move || leave(&roster, &told))
        };
        assert!(roster.wait(Deadline::NEVER));
        assert_eq!(told.load(Ordering::Relaxed), 1);
        other.join().unwrap();
        roster.join_all();
    });
}
