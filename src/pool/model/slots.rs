//! Slots that change hands while tasks are pushed.

use super::*;

/// Whoever is given a reserved slot takes a task in it, as a new thread would, and gives it up again.
fn take_in(bare: &Bare, mut reserved: Option<ReservedSlot>) -> usize {
    let (queue, slots) = &**bare;
    let mut sum = 0;
    while let Some(given) = reserved.take() {
        let local_queue = slots.occupy(given);
        if let Some(task) = queue.find_near(&local_queue) {
            sum += task;
            reserved = slots.found(|| queue.has_tasks());
            slots.give_up(local_queue, false);
        } else {
            slots.give_up(local_queue, true);
        }
        reserved = reserved.or_else(|| look_again(bare));
    }
    sum
}

/// A thread that pushes a task, and is the new thread for it if there has to be one.
fn start_pusher(bare: &Bare) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    thread::spawn(move || {
        bare.0.push(7, None);
        take_in(&bare, bare.1.task_pushed())
    })
}

/// V3 of one that has left its slot.
fn look_again((queue, slots): &(TaskQueue<usize>, Slots<usize>)) -> Option<ReservedSlot> {
    match queue.has_tasks() {
        true => slots.task_pushed(),
        false => None,
    }
}

/// The only thread is about to wait, or has nothing to do and ends, while a task is pushed.
///
/// Bug: the one that leaves does not look for tasks (V3). Bug: it makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_is_given_up_is_found() {
    model(3, || {
        let bare = bare(1);
        let local_queue = bare.1.occupy(bare.1.reserve_slot().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.1.give_up(local_queue, false);
        let taken = take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// A wait ends at once: the slot is given up and taken again, maybe by another, while a task is pushed.
///
/// Bug: the thread that comes back does not look whether it was the only one that searched (F3).
#[test]
fn a_task_pushed_while_a_slot_is_taken_again_is_found() {
    model(3, || {
        let bare = bare(2);
        let local_queue = bare.1.occupy(bare.1.reserve_slot().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.1.give_up(local_queue, false);
        let mut taken = take_in(&bare, look_again(&bare));
        if let Some(reserved) = bare.1.reserve_slot() {
            let local_queue = bare.1.occupy(reserved);
            // The task that waited goes on for ever, so another thread has to take what is there.
            taken += take_in(&bare, bare.1.found(|| bare.0.has_tasks()));
            drop(local_queue);
        }
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// Bug: a sleeper whose time is over leaves without a claim. Bug: it does not look for tasks (V3).
#[test]
fn a_task_pushed_while_a_sleeper_ends_is_found() {
    model(3, || {
        let bare = bare(1);
        let local_queue = bare.1.occupy(bare.1.reserve_slot().unwrap());
        let pusher = start_pusher(&bare);
        let (over, last_look) = (Deadline::after(Duration::ZERO), || look(&bare.0));
        let slept = bare.1.sleep(local_queue.index(), true, over, last_look);
        let mut taken = 0;
        if slept == Slept::Woken {
            taken += bare.0.find_near(&local_queue).unwrap_or(0);
        }
        bare.1.give_up(local_queue, true);
        taken += take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// One slot too many: its holder resigns while a task is pushed, which the other has to be found for.
///
/// Bug: whoever resigns makes no fence (V2). Bug: it does not look for tasks (V3).
#[test]
fn a_task_pushed_while_a_slot_goes_out_is_found() {
    model(3, || {
        let bare = bare(2);
        let local_queue = bare.1.occupy(bare.1.reserve_slot().unwrap());
        assert_eq!(bare.1.want(1), 2);
        let pusher = start_pusher(&bare);
        assert!(bare.1.resign(local_queue, true).is_none());
        let taken = take_in(&bare, look_again(&bare));
        assert_eq!(taken + pusher.join().unwrap(), 7);
        assert!(!bare.1.are_too_many());
    });
}

/// One slot more, while the holder of the other is busy for ever.
///
/// Bug: whoever brings a slot in makes no fence (V2).
#[test]
fn a_task_pushed_while_a_slot_comes_in_is_found() {
    model(3, || {
        let (queue, lanes) = TaskQueue::new(2);
        queue.use_slots(1);
        let bare: Bare = Arc::new((queue, Slots::new(lanes, 1)));
        let local_queue = bare.1.occupy(bare.1.reserve_slot().unwrap());
        let _ = bare.1.found(|| false);
        let pusher = start_pusher(&bare);
        bare.0.use_slots(2);
        assert_eq!(bare.1.want(2), 1);
        let taken = take_in(&bare, look_again(&bare));
        drop(local_queue);
        assert_eq!(taken + pusher.join().unwrap(), 7);
    });
}

/// The only thread of a pool waits for what a task does that is pushed behind it: another takes its
/// slot, and it goes on with a slot or without.
///
/// Bug: the slot is not given up. Bug: whoever has come back and is done does not look around.
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
        shared.roster.join();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
        assert!(shared.has_ended());
    });
}
