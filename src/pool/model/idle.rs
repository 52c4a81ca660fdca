//! Pushes against threads that fall asleep, or are started.

use super::*;

/// Bug: the fence P2 is left out. Bug: the last look S3 is left out.
#[test]
fn a_task_pushed_while_the_only_thread_falls_asleep_is_found() {
    model(3, || {
        let bare = Bare::new(1);
        let taker = start_taker(&bare, 1);
        bare.push(7);
        assert_eq!(taker.join().unwrap(), 7);
    });
}

/// Bug: a sleeper that is unparked gets up though nobody has claimed it.
#[test]
fn a_thread_that_sleeps_among_stray_wake_ups_is_woken_for_a_task() {
    model(3, || {
        let bare = Bare::new(1);
        let reserved = bare.slots.reserve().unwrap();
        let stray = unpark_this_thread();
        let pusher = {
            let bare = Arc::clone(&bare);
            thread::spawn(move || bare.push(7))
        };
        assert_eq!(bare.take(reserved, 1), 7);
        pusher.join().unwrap();
        stray.join().unwrap();
    });
}

/// Two push, and one of them tries to start a thread, so that the other takes it for a searching
/// one.
///
/// Bug: a starter that fails does not look at the queues (V3). Bug: it makes no fence (V2).
#[test]
fn a_task_pushed_while_a_thread_fails_to_start_is_found() {
    model(3, || {
        let bare = Bare::new(2);
        let taker = start_taker(&bare, 2);
        let other = {
            let bare = Arc::clone(&bare);
            thread::spawn(move || bare.push(3))
        };
        bare.push(4);
        assert_eq!(taker.join().unwrap(), 7);
        other.join().unwrap();
    });
}

/// Two tasks that each wait for the other, on two threads: wherever they are, in a batch that one
/// thread took or behind a wake-up that was not made, both have to be found.
///
/// Bug: a busy thread that takes a batch does not push what it keeps.
#[test]
fn two_tasks_that_wait_for_each_other_find_two_threads() {
    model(1, || {
        let shared = pool(2, start_none);
        let workers = [(); 2].map(|()| start_busy_worker(&shared));
        submit_two_that_wait_for_each_other(&shared);
        shared.close();
        workers
            .into_iter()
            .for_each(|worker| worker.join().unwrap());
        assert!(shared.slots.have_ended());
    });
}

fn submit_two_that_wait_for_each_other(shared: &Arc<Pool>) {
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
}

/// Two tasks that each wait for the other, when the second thread has yet to be started by the
/// thread that finds it missing; and the pool's end waits for that thread.
///
/// Bug: the last searcher does not look again after it has found something (F3).
#[test]
fn two_tasks_that_wait_for_each_other_have_a_second_thread_started() {
    model(1, || {
        let shared = pool_that_starts(2);
        submit_two_that_wait_for_each_other(&shared);
        shared.close();
        shared.staff.roster.join();
        assert!(shared.slots.have_ended());
    });
}

/// A thread has a slot to fill, finds that the task is gone, and starts no thread; while another
/// pushes a task, and takes the slot for a searching thread.
///
/// Bug: the slot is left vacant again, and no task is looked for (V3).
#[test]
fn a_task_pushed_while_another_is_gone_from_its_pusher_is_found() {
    model(3, || {
        let shared = pool(1, |pool, reserved| start_thread(pool, reserved, None));
        let ran = Arc::new(AtomicUsize::new(0));
        let reserved = shared.slots.reserve().unwrap();
        let other = {
            let (shared, ran) = (Arc::clone(&shared), Arc::clone(&ran));
            thread::spawn(move || assert!(submit(&shared, &ran)))
        };
        shared.fill(reserved);
        other.join().unwrap();
        shared.staff.roster.count_out();
        shared.close();
        shared.staff.roster.join();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}
