//! Slots that change hands while tasks are pushed.

use super::*;

/// The only thread is about to wait, or has nothing to do and ends, while a task is pushed.
///
/// Bug: the thread that leaves makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_is_given_up_is_found() {
    model(3, || {
        let bare = Bare::new(1);
        let own = bare.occupy_busy();
        let pusher = start_pusher(&bare);
        bare.slots.give_up(own, None);
        let taken = bare.take_and_give_up(bare.look_for_tasks());
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// A wait ends at once: the slot is given up and taken again, maybe by another thread, while a task
/// is pushed.
///
/// Bug: the thread that comes back does not check whether it was the only searcher (F3).
#[test]
fn a_task_pushed_while_a_slot_is_taken_again_is_found() {
    model(3, || {
        let bare = Bare::new(2);
        let own = bare.occupy_busy();
        let pusher = start_pusher(&bare);
        bare.slots.give_up(own, None);
        let mut taken = bare.take_and_give_up(bare.look_for_tasks());
        if let Some(reserved) = bare.slots.reserve() {
            let (own, searching) = bare.slots.occupy(reserved);
            // The task that waited runs forever, so another thread has to take what is there.
            taken += bare.take_and_give_up(bare.end_search(searching));
            drop(own);
        }
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// Bug: a sleeper whose time is over leaves without a claim.
#[test]
fn a_task_pushed_while_a_sleeper_ends_is_found() {
    model(3, || {
        let bare = Bare::new(1);
        let (own, searching): Occupied = bare.slots.occupy(bare.slots.reserve().unwrap());
        let pusher = start_pusher(&bare);
        let (over, last_look) = (Deadline::after(Duration::ZERO), || bare.last_look());
        let (slept, searching) = bare.slots.sleep(own.index(), searching, over, last_look);
        let mut taken = 0;
        if slept == Slept::Woken {
            taken += bare.queue.find_near(&own).unwrap_or(0);
        }
        bare.slots.give_up(own, Some(searching));
        taken += bare.take_and_give_up(bare.look_for_tasks());
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// One slot too many: its holder retires while a task is pushed, for which the other slot has to be
/// found.
///
/// Bug: the holder that retires makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_is_disabled_is_found() {
    model(3, || {
        let bare = Bare::new(2);
        let (own, searching) = bare.slots.occupy(bare.slots.reserve().unwrap());
        assert_eq!(bare.slots.set_wanted(1), 2);
        let pusher = start_pusher(&bare);
        assert!(bare.slots.retire(own, searching).is_ok());
        let taken = bare.take_and_give_up(bare.look_for_tasks());
        assert_eq!(taken + pusher.join().unwrap(), 7);
        assert!(!bare.slots.has_surplus());
    });
}

/// One slot more, while the holder of the other is busy forever.
///
/// Bug: the thread that enables a slot makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_is_enabled_is_found() {
    model(3, || {
        let bare = Bare::with(2, 1);
        let own = bare.occupy_busy();
        let pusher = start_pusher(&bare);
        bare.queue.tally.use_slots(2);
        assert_eq!(bare.slots.set_wanted(2), 1);
        let taken = bare.take_and_give_up(bare.look_for_tasks());
        drop(own);
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// The only thread of a pool waits for what a task does that is pushed behind it: another takes its
/// slot, and it goes on with a slot or without.
///
/// Bug: the slot is not given up. Bug: it is given up, but no task is looked for. Bug: the worker
/// that has come back and is done does not check for quiescence.
#[test]
fn a_task_that_waits_for_a_later_one_sees_it_run() {
    model(1, || {
        let shared = pool_that_starts(1);
        let event = Arc::new(Event::new());
        let (wait, ran) = (Arc::clone(&event), Arc::new(AtomicUsize::new(0)));
        let waited = Arc::clone(&ran);
        shared.accept().unwrap();
        shared.push(PoolTask::detached((), move || {
            wait.wait();
            waited.fetch_add(1, Ordering::Relaxed);
        }));
        shared.accept().unwrap();
        shared.push(PoolTask::detached((), move || event.set()));
        shared.close();
        shared.staff.roster.join();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.slots.have_ended());
    });
}

/// Bug: the flag is cleared without another look. Bug: clearing the flag orders nothing.
#[test]
fn a_task_of_high_priority_is_flagged_until_it_is_taken() {
    model(3, || {
        let shared = Arc::new((Slots::<usize>::new(Vec::new(), 0), AtomicUsize::new(0)));
        let pusher = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.flag_high();
            })
        };
        let (slots, tasks) = &*shared;
        let waits = || tasks.load(Ordering::Relaxed) > 0;
        if !waits() {
            slots.clear_high(waits);
        }
        pusher.join().unwrap();
        assert!(slots.has_high());
    });
}
