//! Models of the pool: pushes against sleep, submission against shutdown, and the tally.
//!
//! The queues are the stand-in of `pool/queue/deque.rs`; everything else, the loop of the threads
//! included, is the code that users run. Each model has been seen to fail with the bug
//! that its comment names; `.ci/mutants` puts those bugs back.

mod ending;
mod futures;
mod idle;
mod queue;
mod slots;
mod spares;

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::pool::config::{Config, DropBehavior, Hooks, Overflow, default_name};
use crate::pool::local::{Local, Pool, PoolTask};
use crate::pool::roster::{NotStarted, Roster, Worker};
use crate::pool::slots::{LastLook, ReservedSlot, Slept, Slots};
use crate::pool::spares::Rested;
use crate::pool::tally::Tally;
use crate::pool::task_queue::TaskQueue;
use crate::pool::threads::start_thread;
use crate::pool::worker;
use crate::primitive::{ThreadBuilder, current, fence};
use crate::sync::event::Event;
use crate::task::cell::HandleRef;
use crate::wait::Deadline;

fn model(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(body);
}

type Start = fn(&Arc<Pool>, ReservedSlot) -> Result<(), (ReservedSlot, NotStarted)>;

fn pool(threads: usize, start_thread: Start) -> Arc<Pool> {
    Local::hook_in();
    let config = Config {
        threads,
        max_threads: threads,
        min_threads: threads,
        max_spare_threads: 4,
        keep_alive: Duration::MAX,
        first_names: Vec::new(),
        queue_capacity: None,
        overflow: Overflow::default(),
        on_drop: DropBehavior::default(),
        stack_size: 1 << 20,
        attributes: crate::attributes::Attributes::of_this_thread(),
        processors: 2,
        hooks: Hooks::default(),
    };
    Pool::new(config, start_thread)
}

/// A pool with one thread, which starts the others when it has to.
fn pool_that_starts(threads: usize) -> Arc<Pool> {
    let shared = pool(threads, |pool, reserved| start_thread(pool, reserved, None));
    let first = shared.slots.reserve_slot().unwrap();
    assert!(start_thread(&shared, first, None).is_ok());
    shared.roster.count_out();
    shared
}

/// For a pool that has all its threads.
fn start_none(_: &Arc<Pool>, reserved: ReservedSlot) -> Result<(), (ReservedSlot, NotStarted)> {
    Err((reserved, NotStarted::NotWanted))
}

fn start_worker(shared: &Arc<Pool>) -> thread::JoinHandle<()> {
    start(shared, worker::work)
}

/// Starts a thread that is no longer searching, as it is after a task.
fn start_busy_worker(shared: &Arc<Pool>) -> thread::JoinHandle<()> {
    start(shared, |local| {
        local.stop_searching();
        worker::work(local)
    })
}

fn start(shared: &Arc<Pool>, work: fn(&Local) -> bool) -> thread::JoinHandle<()> {
    let reserved = shared.slots.reserve_slot().unwrap();
    let shared = Arc::clone(shared);
    let worker = Arc::new(Worker::foreign());
    thread::spawn(move || {
        Local::enter(shared, &worker, reserved, true, work);
    })
}

fn submit(shared: &Arc<Pool>, ran: &Arc<AtomicUsize>) -> bool {
    let ran = Arc::clone(ran);
    let accepted = shared.accept().is_ok();
    if accepted {
        let task = PoolTask::detached((), move || {
            ran.fetch_add(1, Ordering::Relaxed);
        });
        shared.push(task);
    }
    accepted
}

/// The queue and the slots, with nothing but the protocol around them: no shutdown comes to wake a
/// thread by chance.
type Bare = Arc<(TaskQueue<usize>, Slots<usize>)>;

fn bare(slots: usize) -> Bare {
    let (queue, lanes) = TaskQueue::new(slots);
    queue.use_slots(slots);
    Arc::new((queue, Slots::new(lanes, slots)))
}

fn push(bare: &Bare, task: usize) {
    bare.0.push(task, None);
    give_up(bare, bare.1.task_pushed());
}

/// Whoever comes to start a thread cannot.
fn give_up((queue, slots): &(TaskQueue<usize>, Slots<usize>), reserved: Option<ReservedSlot>) {
    if let Some(reserved) = reserved {
        slots.leave_vacant(reserved, true, || queue.has_tasks());
    }
}

fn look(queue: &TaskQueue<usize>) -> LastLook {
    match queue.has_tasks() {
        true => LastLook::Tasks,
        false => LastLook::Nothing,
    }
}

/// A thread that takes so many tasks.
fn start_taker(bare: &Bare, tasks: usize) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    let reserved = bare.1.reserve_slot().unwrap();
    thread::spawn(move || take(&bare, reserved, tasks))
}

/// Takes so many tasks: searching at first and when it was woken, busy after each.
fn take(bare: &Bare, reserved: ReservedSlot, tasks: usize) -> usize {
    let (queue, slots) = &**bare;
    let local_queue = slots.occupy(reserved);
    let (mut searching, mut taken, mut sum) = (true, 0, 0);
    while taken < tasks {
        let found = local_queue.pop().or_else(|| queue.find_near(&local_queue));
        if found.is_some() && searching {
            give_up(bare, slots.found(|| queue.has_tasks()));
        }
        if let Some(task) = found {
            (searching, taken, sum) = (false, taken + 1, sum + task);
            continue;
        }
        let last_look = || look(queue);
        let _ = slots.sleep(local_queue.index(), searching, Deadline::NEVER, last_look);
        searching = true;
    }
    sum
}

/// Unparks this thread for no reason, from another.
fn unpark_this_thread() -> thread::JoinHandle<()> {
    let this = current();
    thread::spawn(move || this.unpark())
}
