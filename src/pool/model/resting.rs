//! Spare threads against reserved slots.

use super::*;

/// No thread can be started for a reserved slot while a spare thread comes to rest that would take
/// it.
///
/// Bug: the spare does not look for a vacant slot once it is in the list (R2). Bug: the thread that
/// could not start another does not look at the list again (V4).
#[test]
fn a_reserved_slot_and_a_spare_thread_meet() {
    model(3, || {
        let shared = pool(1, start_none);
        let ran = Arc::new(AtomicUsize::new(0));
        let spare = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let joined = || {
                    shared.look_for_tasks();
                    true
                };
                let Rested::Given(reserved) = shared.staff.resting.wait(Deadline::NEVER, joined)
                else {
                    unreachable!("nobody tells it, and it has time");
                };
                let worker = Arc::new(Worker::unlisted());
                Local::enter(shared, &worker, reserved, |local| {
                    local.run(&mut local.find_near());
                    false
                });
            })
        };
        assert!(submit(&shared, &ran));
        spare.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    });
}

/// A reserved slot that was given to a thread which is just waking up is taken back by another.
///
/// Bug: the spare leaves although what it was given is gone.
#[test]
fn a_reserved_slot_that_is_taken_back_has_one_owner() {
    model(3, || {
        let shared = pool(1, start_none);
        let given = Arc::new(AtomicUsize::new(0));
        let spare = {
            let (shared, given) = (Arc::clone(&shared), Arc::clone(&given));
            thread::spawn(
                move || match shared.staff.resting.wait(Deadline::NEVER, || true) {
                    Rested::Given(_) => given.fetch_add(1, Ordering::Relaxed),
                    Rested::Told | Rested::TimedOut => 0,
                },
            )
        };
        let reserved = shared.slots.reserve().unwrap();
        let mut kept = shared.staff.resting.hand(reserved);
        let is_handed = kept.is_none();
        kept = kept.or_else(|| shared.staff.resting.take_back());
        if kept.is_some() {
            // If the spare had nothing yet it goes on resting, until it is told.
            while !shared.staff.resting.has_any() {
                thread::yield_now();
            }
            shared.staff.resting.tell_all();
        }
        spare.join().unwrap();
        let given = given.load(Ordering::Relaxed);
        assert_eq!(
            given + usize::from(kept.is_some()),
            1,
            "handed: {is_handed}"
        );
    });
}

/// A spare thread that is awake may take what another was given, but not lose what it was given
/// itself.
///
/// Bug: it looks at what others were given first.
#[test]
fn two_reserved_slots_reach_two_spare_threads() {
    model(2, || {
        let shared = pool(2, start_none);
        let spares = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let rested = shared.staff.resting.wait(Deadline::NEVER, || true);
                assert!(matches!(rested, Rested::Given(_)));
            })
        });
        for _ in 0..2 {
            let mut reserved = shared.slots.reserve();
            while let Some(kept) = reserved.take() {
                reserved = shared.staff.resting.hand(kept);
                thread::yield_now();
            }
        }
        spares.into_iter().for_each(|spare| spare.join().unwrap());
    });
}

/// Bug: a spare thread that is unparked thinks that it was told to leave.
#[test]
fn a_spare_thread_among_stray_wake_ups_rests_until_it_is_given_a_slot() {
    model(3, || {
        let shared = pool(1, start_none);
        let stray = unpark_this_thread();
        let giver = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut reserved = shared.slots.reserve();
                while let Some(kept) = reserved.take() {
                    reserved = shared.staff.resting.hand(kept);
                    thread::yield_now();
                }
            })
        };
        let rested = shared.staff.resting.wait(Deadline::NEVER, || true);
        assert!(matches!(rested, Rested::Given(_)));
        giver.join().unwrap();
        stray.join().unwrap();
    });
}
