//! Slots that are lent: to what has begun, and in the end to what has not.

use std::future::Future;

use super::*;
use crate::pool::lenders::{LenderKey, Stand};
use crate::room::{Of, Room};
use crate::sync::permits::Permits;

/// A limit of which no permit is free.
fn used_up() -> Arc<Permits> {
    Arc::new(Permits::new(0, 1, None).as_limit_of(Of::Permits))
}

fn push_closure(shared: &Arc<Pool>, closure: impl FnOnce() + Send + 'static) {
    shared.accept().unwrap();
    shared.push(PoolTask::detached((), closure));
}

fn push_future(shared: &Arc<Pool>, future: impl Future<Output = ()> + Send + 'static) {
    shared.accept().unwrap();
    let (task, handle) = shared.make_future(None, (), future);
    shared.push(task);
    drop(handle);
}

/// Waits until the pool has ended, and asserts that no loan is left.
fn end(shared: &Arc<Pool>) {
    shared.close();
    shared.staff.roster.join();
    assert!(shared.slots.have_ended());
    assert_eq!(shared.lending().0, 0);
    assert!(!shared.slots.idle.has_lent() && !shared.lenders.has_surplus());
    assert_eq!(shared.lenders.beyond(), 0);
}

/// The only thread of a pool waits for room, which a task makes that is pushed meanwhile.
///
/// Bug: a pusher asks nobody to tick. Bug: a lender that is asked does not look.
#[test]
fn a_task_pushed_while_a_slot_is_lent_begins_in_the_end() {
    model(1, || {
        let shared = pool_that_starts(1);
        let keys = used_up();
        let wants = Arc::clone(&keys);
        push_closure(&shared, move || {
            assert!(wants.take_until(1, Deadline::NEVER).is_ok());
        });
        push_closure(&shared, move || keys.give_back(1));
        end(&shared);
    });
}

/// A future that has begun makes the room for which the only thread waits. It is woken meanwhile,
/// and goes on in the lent slot.
///
/// Bug: the lender makes no fence (L2). Bug: what is woken is not looked for in lent slots. Bug:
/// the lender comes back, finds no lent slot, and leaves no surplus in the end. Bug: the borrower
/// does not look for a surplus when it returns the slot.
#[test]
fn a_future_woken_while_a_slot_is_lent_goes_on_there() {
    model(2, || {
        let shared = pool_that_starts_and_gives_way(1, Duration::MAX);
        let (keys, event) = (used_up(), Arc::new(Event::new()));
        let (wait, room) = (Arc::clone(&event), Arc::clone(&keys));
        push_future(&shared, async move {
            wait.wait_async().await;
            room.give_back(1);
        });
        push_closure(&shared, move || {
            assert!(keys.take_until(1, Deadline::NEVER).is_ok());
        });
        event.set();
        end(&shared);
    });
}

/// The future is woken by the task itself, before that waits: it is in the local queue, before a
/// task that begins only when the lender has come back.
///
/// Bug: what has begun stays in the local queue. Bug: the lender looks for no task (L3). Bug: a
/// borrower takes what has not begun.
#[test]
fn a_future_in_the_local_queue_of_a_lender_goes_on() {
    model(1, || {
        let shared = pool_that_starts_and_gives_way(1, Duration::MAX);
        let (keys, event) = (used_up(), Arc::new(Event::new()));
        let (wait, room) = (Arc::clone(&event), Arc::clone(&keys));
        let made = Arc::new(AtomicUsize::new(0));
        let (makes, sees) = (Arc::clone(&made), Arc::clone(&made));
        push_future(&shared, async move {
            wait.wait_async().await;
            makes.store(1, Ordering::Relaxed);
            room.give_back(1);
        });
        push_closure(&shared, move || {
            event.set();
            assert!(keys.take_until(1, Deadline::NEVER).is_ok());
        });
        push_closure(&shared, move || {
            sees.fetch_add(sees.load(Ordering::Relaxed), Ordering::Relaxed);
        });
        end(&shared);
        assert_eq!(made.load(Ordering::Relaxed), 2, "the last began too early");
    });
}

/// A future that has begun makes room, and the lender comes back to no slot, or to its own. Then
/// the future waits itself, for what a task does that is pushed meanwhile.
///
/// Bug: it waits with the slot in its hands.
#[test]
fn a_borrower_that_waits_after_its_lender_leaves_its_slot() {
    model(1, || {
        let shared = pool_that_starts_and_gives_way(1, Duration::MAX);
        let (keys, event) = (used_up(), Arc::new(Event::new()));
        let (wait, room) = (Arc::clone(&event), Arc::clone(&keys));
        let signal = Arc::new(Event::new());
        let signals = Arc::clone(&signal);
        push_future(&shared, async move {
            wait.wait_async().await;
            room.give_back(1);
            signal.wait(); // not awaited
        });
        push_closure(&shared, move || {
            event.set();
            assert!(keys.take_until(1, Deadline::NEVER).is_ok());
        });
        push_closure(&shared, move || signals.set());
        end(&shared);
    });
}

/// A pool of one slot, which is lent, and the lender.
fn pool_that_has_lent() -> (Arc<Pool>, LenderKey) {
    let shared = pool(1, start_none);
    let slot = shared.slots.occupy(shared.slots.reserve().unwrap());
    let stand = Stand {
        thread: current(),
        record: Arc::clone(Room::new(Of::Permits).record()),
        name: None,
        stood: 0,
        is_first: true,
    };
    let lender = shared.lend(slot, stand).ok().unwrap();
    (shared, lender)
}

/// The lender has given its slot to the task that was pushed, or will look at it.
fn assert_seen(shared: &Arc<Pool>, lender: LenderKey) {
    let gave = shared.lending().0 == 0;
    assert!(gave || shared.lenders.tick(), "nobody looks at the task");
    let _ = shared.end_lending(lender);
    drop(shared.queue.find_oldest());
}

/// A loan was reserved for a thread that does not start, and a pusher counts on it.
///
/// Bug: nobody is asked to tick.
#[test]
fn a_task_pushed_while_a_loan_finds_no_thread_is_seen() {
    model(3, || {
        let (shared, lender) = pool_that_has_lent();
        let reserved = shared.slots.reserve_lent().unwrap();
        let starts = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || assert!(shared.leave_vacant(reserved).is_none()))
        };
        push_closure(&shared, || {});
        starts.join().unwrap();
        assert_seen(&shared, lender);
    });
}

/// A lender ticks that was asked to, finds that the task is gone, and stops, while another is
/// pushed.
///
/// Bug: the ticker that stops does not look again (T2). Bug: it makes no fence.
#[test]
fn a_task_pushed_while_a_lender_stops_ticking_is_seen() {
    model(3, || {
        let (shared, lender) = pool_that_has_lent();
        let asked = shared.lenders.lock().ask();
        assert!(asked.is_some());
        let ticks = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.tick(lender).is_some())
        };
        push_closure(&shared, || {});
        ticks.join().unwrap();
        assert_seen(&shared, lender);
    });
}
