//! Shared arrays: one holder at a time, who may die; or readers alone.

use std::fs::{self};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use workmill_process::workmill::ThreadPoolExecutor;
use workmill_process::{Jobs, LockError, SharedArray, SharedArrayGuard, SharedSlice, pipe};

use crate::jobs;
use crate::runner::tests;
use crate::support::{HANG, Sign, assert_works, error, kill, lost, outcome, pool, until};

tests! {
    two_processes_count_to_two_thousand_by_an_array
    two_threads_of_a_process_exclude_each_other
    two_handles_of_a_process_exclude_each_other
    a_lock_that_is_held_is_told
    a_lock_twice_by_one_thread_is_an_error
    a_thread_that_waits_for_a_lock_gives_its_slot_away
    a_holder_killed_while_it_wrote_is_told_as_torn
    a_holder_killed_before_it_wrote_leaves_the_array_whole
    an_array_whose_holder_is_killed_at_any_time_is_whole_or_told_as_torn
    a_panic_of_a_holder_is_told_as_torn
    a_waiter_that_is_killed_is_no_holder
    a_forked_holder_ends_with_its_group
    a_frozen_array_is_read_by_all_and_written_by_none
    a_frozen_array_is_frozen_in_all_processes
    a_guard_freezes_what_it_has_written
    a_guard_that_freezes_while_a_panic_unwinds_has_frozen
    an_array_of_no_elements_works
    arrays_of_structures_are_shared
}

pub(crate) fn with_jobs(jobs: Jobs) -> Jobs {
    jobs.with("shared_arrays::count_in_array", count_in_array)
        .with("shared_arrays::hold", hold)
        .with("shared_arrays::hold_and_panic", hold_and_panic)
        .with("shared_arrays::fill_endless", fill_endless)
        .with("shared_arrays::hold_forked", hold_forked)
        .with("shared_arrays::wait_for_lock", wait_for_lock)
        .with("shared_arrays::sum", sum)
        .with("shared_arrays::try_to_write", try_to_write)
        .with("shared_arrays::freeze", freeze)
        .with("shared_arrays::points", points)
}

/// Adds one to the first element, and nothing but the lock keeps others from doing so.
pub(crate) fn count_in_array(array: SharedArray<u32>, times: u32) {
    for _ in 0..times {
        let mut guard = array.lock().unwrap();
        let before = guard[0];
        guard[1] = before;
        std::hint::black_box(&mut guard);
        guard[0] = guard[1] + 1;
    }
}

fn two_processes_count_to_two_thousand_by_an_array() {
    let pool = pool(2);
    let array = SharedArray::new(&[0, 0]).unwrap();
    let handles = [(); 2].map(|()| pool.submit(count_in_array, (array.clone(), 1000)));
    handles.into_iter().for_each(|it| outcome(it).unwrap());
    assert_eq!(array.lock().unwrap()[0], 2000);
}

fn two_threads_of_a_process_exclude_each_other() {
    let array = SharedArray::new(&[0, 0]).unwrap();
    let guard = array.lock().unwrap();
    thread::scope(|scope| {
        let tries = scope.spawn(|| matches!(array.try_lock(), Err(LockError::WouldBlock)));
        assert!(tries.join().unwrap());
    });
    drop(guard);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| count_in_array(array.clone(), 500));
        }
    });
    assert_eq!(array.lock().unwrap()[0], 2000);
}

/// What was received is mapped anew, at another address.
fn two_handles_of_a_process_exclude_each_other() {
    let array = SharedArray::new(&[0, 0]).unwrap();
    let (here, there) = pipe::<SharedArray<u32>, ()>().unwrap();
    here.send(&array).unwrap();
    let other = there.recv().unwrap();
    let guard = array.lock().unwrap();
    assert!(matches!(other.try_lock(), Err(LockError::WouldDeadlock)));
    thread::scope(|scope| {
        let tries = scope.spawn(|| matches!(other.try_lock(), Err(LockError::WouldBlock)));
        assert!(tries.join().unwrap());
    });
    drop(guard);
    thread::scope(|scope| {
        scope.spawn(|| count_in_array(array.clone(), 500));
        scope.spawn(|| count_in_array(other, 500));
    });
    assert_eq!(array.lock().unwrap()[0], 1000);
}

fn hold(array: SharedArray<u32>, write: bool, sign: String) {
    let mut guard = array.lock().unwrap();
    if write {
        guard[0] = 1;
    }
    jobs::begin_and_hang(sign);
}

fn a_lock_that_is_held_is_told() {
    let pool = pool(1);
    let array = SharedArray::new(&[0, 0]).unwrap();
    let sign = Sign::new();
    let holds = pool.submit(hold, (array.clone(), false, sign.text()));
    sign.wait();
    assert!(matches!(array.try_lock(), Err(LockError::WouldBlock)));
    holds.cancel();
    error(holds);
    assert_eq!(*array.try_lock().unwrap(), [0, 0]);
}

fn a_lock_twice_by_one_thread_is_an_error() {
    let array = SharedArray::new(&[1_u32]).unwrap();
    let same = array.clone();
    let mut guard = array.lock().unwrap();
    assert!(matches!(array.lock(), Err(LockError::WouldDeadlock)));
    assert!(matches!(same.lock(), Err(LockError::WouldDeadlock)));
    assert!(matches!(same.try_lock(), Err(LockError::WouldDeadlock)));
    assert!(matches!(same.freeze(), Err(LockError::WouldDeadlock)));
    // Another array is another lock.
    let other = SharedArray::new(&[2_u32]).unwrap();
    guard[0] += other.lock().unwrap()[0];
    drop(guard);
    assert_eq!(*same.lock().unwrap(), [3]);
}

fn a_thread_that_waits_for_a_lock_gives_its_slot_away() {
    let pool = ThreadPoolExecutor::new(1).unwrap();
    let array = SharedArray::new(&[0_u32]).unwrap();
    let guard = array.lock().unwrap();
    let same = array.clone();
    let waits = pool.submit(move || same.lock().unwrap()[0]);
    assert_eq!(outcome(pool.submit(|| 7)).unwrap(), 7);
    drop(guard);
    assert_eq!(outcome(waits).unwrap(), 0);
}

/// Kills the process of a job that holds the lock.
fn kill_holder(array: &SharedArray<u32>, write: bool) {
    let pool = pool(1);
    let sign = Sign::new();
    let holds = pool.submit(hold, (array.clone(), write, sign.text()));
    let process = sign.wait().parse().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| kill(process, Signal::KILL));
    });
    lost(holds);
}

fn a_holder_killed_while_it_wrote_is_told_as_torn() {
    let array = SharedArray::new(&[0, 0]).unwrap();
    for _ in 0..3 {
        kill_holder(&array, true);
        let Err(LockError::Torn(mut guard)) = array.lock() else {
            panic!("it is torn");
        };
        assert_eq!(*guard, [1, 0]);
        guard[0] = 0;
        drop(guard);
        // It is told once.
        assert_eq!(*array.lock().unwrap(), [0, 0]);
    }
    kill_holder(&array, true);
    let torn = array.freeze().unwrap_err().into_torn().unwrap();
    assert_eq!(*torn.freeze(), [1, 0]);
}

fn a_holder_killed_before_it_wrote_leaves_the_array_whole() {
    let array = SharedArray::new(&[0, 0]).unwrap();
    kill_holder(&array, false);
    assert_eq!(*array.lock().unwrap(), [0, 0]);
}

/// Fills the array with one number after the other until it is killed.
fn fill_endless(array: SharedArray<u32>) {
    for number in 0.. {
        let mut guard = array.lock().or_else(LockError::into_torn).unwrap();
        for at in 0..guard.len() {
            std::hint::black_box(&mut guard)[at] = number;
        }
    }
}

fn an_array_whose_holder_is_killed_at_any_time_is_whole_or_told_as_torn() {
    let pool = pool(2);
    let array = SharedArray::<u32>::zeroed(1000).unwrap();
    let mut torn = 0;
    for round in 0..60 {
        let fills = [(); 2].map(|()| pool.submit(fill_endless, array.clone()));
        // They are killed at another moment in each round.
        let mut changes = 0;
        let mut last = 0;
        while changes < round % 7 {
            let guard = array.lock().unwrap();
            changes += u32::from(guard[0] != last);
            last = guard[0];
        }
        fills.iter().for_each(|it| assert!(it.cancel()));
        fills.into_iter().for_each(|it| drop(error(it)));
        match array.lock() {
            Ok(guard) => assert!(guard.iter().all(|it| *it == guard[0])),
            Err(error) => {
                torn += 1;
                error.into_torn().unwrap().fill(0);
            }
        }
    }
    println!("{torn} were torn");
    assert_works(&pool);
}

fn hold_and_panic(array: SharedArray<u32>, write: bool) {
    let mut guard = array.lock().unwrap();
    if write {
        guard[0] = 1;
    }
    panic!("on purpose");
}

fn a_panic_of_a_holder_is_told_as_torn() {
    let pool = pool(1);
    let array = SharedArray::new(&[0, 0]).unwrap();
    assert!(error(pool.submit(hold_and_panic, (array.clone(), false))).is_panic());
    drop(array.lock().unwrap());
    assert!(error(pool.submit(hold_and_panic, (array.clone(), true))).is_panic());
    assert!(matches!(array.try_lock(), Err(LockError::Torn(_))));
    drop(array.lock().unwrap());
    assert_works(&pool);
    assert_eq!(pool.metrics().died, 0);
}

fn wait_for_lock(array: SharedArray<u32>, sign: String) {
    fs::write(sign, format!("{}\n", std::process::id())).unwrap();
    let _guard = array.lock();
    jobs::hang();
}

fn a_waiter_that_is_killed_is_no_holder() {
    let pool = pool(1);
    let array = SharedArray::new(&[5, 0]).unwrap();
    let guard = array.lock().unwrap();
    let sign = Sign::new();
    let waits = pool.submit(wait_for_lock, (array.clone(), sign.text()));
    let process: u32 = sign.wait().parse().unwrap();
    // It sleeps in the system's call for the lock.
    until(|| {
        let waits = fs::read_to_string(format!("/proc/{process}/wchan")).unwrap_or_default();
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        waits.contains("lock") || locks.contains(&format!("FLOCK  ADVISORY  WRITE {process} "))
    });
    kill(process, Signal::KILL);
    lost(waits);
    drop(guard);
    assert_eq!(*array.lock().unwrap(), [5, 0]);
}

/// Takes the lock, makes a child by a bare fork, which has it as well, and dies.
fn hold_forked(array: SharedArray<u32>, sign: String) {
    let mut guard = array.lock().unwrap();
    guard[0] = 1;
    jobs::begin_and_spawn(jobs::Child::Forked, sign, true);
}

fn a_forked_holder_ends_with_its_group() {
    let pool = pool(1);
    let array = SharedArray::new(&[0, 0]).unwrap();
    let sign = Sign::new();
    lost(pool.submit(hold_forked, (array.clone(), sign.text())));
    let began = Instant::now();
    assert!(matches!(array.lock(), Err(LockError::Torn(_))));
    assert!(began.elapsed() < HANG);
}

pub(crate) fn sum(slice: SharedSlice<u32>) -> u32 {
    slice.iter().sum()
}

fn try_to_write(array: SharedArray<u32>) -> String {
    array
        .lock()
        .err()
        .map_or_else(String::new, |error| error.to_string())
}

fn a_frozen_array_is_read_by_all_and_written_by_none() {
    let pool = pool(2);
    let array = SharedArray::new(&[1, 2, 3]).unwrap();
    let frozen = array.freeze().unwrap();
    let handles: Vec<_> = (0..10).map(|_| pool.submit(sum, frozen.clone())).collect();
    handles
        .into_iter()
        .for_each(|it| assert_eq!(outcome(it).unwrap(), 6));
    assert!(matches!(array.lock(), Err(LockError::Frozen)));
    assert!(matches!(array.try_lock(), Err(LockError::Frozen)));
    let text = outcome(pool.submit(try_to_write, array.clone())).unwrap();
    assert_eq!(text, "the shared array is frozen");
    assert_eq!(*array.freeze().unwrap(), [1, 2, 3]);
    assert_eq!(*frozen, [1, 2, 3]);
}

/// Freezes an array, and says how.
fn freeze(array: SharedArray<u32>) -> SharedSlice<u32> {
    array.freeze().unwrap()
}

fn a_frozen_array_is_frozen_in_all_processes() {
    let pool = pool(1);
    let array = SharedArray::new(&[4, 5]).unwrap();
    let slice = outcome(pool.submit(freeze, array.clone())).unwrap();
    assert_eq!(*slice, [4, 5]);
    assert!(matches!(array.lock(), Err(LockError::Frozen)));
}

fn a_guard_freezes_what_it_has_written() {
    let array = SharedArray::zeroed(3).unwrap();
    let waits = thread::scope(|scope| {
        let mut guard = array.lock().unwrap();
        let waits = scope.spawn(|| matches!(array.lock(), Err(LockError::Frozen)));
        guard.copy_from_slice(&[1_u8, 2, 3]);
        let slice = guard.freeze();
        assert_eq!(*slice, [1, 2, 3]);
        waits.join().unwrap()
    });
    assert!(waits);
    // The thread does not hold it any more.
    assert!(matches!(array.lock(), Err(LockError::Frozen)));
}

/// Freezes an array when it is dropped.
struct Freezes<'a>(
    Option<SharedArrayGuard<'a, u32>>,
    &'a Mutex<Option<SharedSlice<u32>>>,
);

impl Drop for Freezes<'_> {
    fn drop(&mut self) {
        *self.1.lock().unwrap() = self.0.take().map(SharedArrayGuard::freeze);
    }
}

fn a_guard_that_freezes_while_a_panic_unwinds_has_frozen() {
    let array = SharedArray::new(&[1, 2]).unwrap();
    let slot = Mutex::new(None);
    let panics = || {
        let mut guard = array.lock().unwrap();
        guard[0] = 7;
        let _freezes = Freezes(Some(guard), &slot);
        panic!("on purpose");
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    assert!(matches!(array.lock(), Err(LockError::Frozen)));
    assert_eq!(*slot.into_inner().unwrap().unwrap(), [7, 2]);
}

fn an_array_of_no_elements_works() {
    let pool = pool(1);
    let array = SharedArray::<u32>::new(&[]).unwrap();
    assert!(array.is_empty());
    assert!(array.lock().unwrap().is_empty());
    // Elements of no bytes.
    let array = SharedArray::new(&[(); 3]).unwrap();
    assert_eq!(*array.lock().unwrap(), [(); 3]);
    let most = SharedArray::<[u8; 0]>::zeroed(usize::MAX).unwrap();
    assert_eq!(most.freeze().unwrap().len(), usize::MAX);
    let array = SharedArray::<u32>::zeroed(0).unwrap();
    assert_eq!(
        outcome(pool.submit(sum, array.freeze().unwrap())).unwrap(),
        0
    );
}

/// Arrays of arrays stand for structures here, which need a macro of bytemuck.
fn points(array: SharedArray<[f64; 3]>) {
    for point in &mut *array.lock().unwrap() {
        point[2] = point[0].hypot(point[1]);
    }
}

fn arrays_of_structures_are_shared() {
    let pool = pool(1);
    let array = SharedArray::new(&[[3.0, 4.0, 0.0], [5.0, 12.0, 0.0]]).unwrap();
    outcome(pool.submit(points, array.clone())).unwrap();
    let lengths: Vec<_> = array.lock().unwrap().iter().map(|it| it[2]).collect();
    assert_eq!(lengths, [5.0, 13.0]);
}
