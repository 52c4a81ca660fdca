//! Models of the pool: sleep, slots, spare threads, futures, halves of joins, and the end.
//!
//! The queues are the stand-in of `pool/queue/deque.rs`; everything else, the loop of the threads
//! included, is the code that users run. Each model fails with the bugs that its comment names.
//! `tests/mutants/bugs/pool` puts them back.

mod ending;
mod futures;
mod halves;
mod idle;
mod lending;
mod resting;
mod slots;

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::attributes::Attributes;
use crate::pool::config::{Config, Limits, ThreadSetup};
use crate::pool::hooks::{Hooks, default_name};
use crate::pool::idle::Searching;
use crate::pool::local::{Local, Pool, PoolTask};
use crate::pool::queue::TaskQueue;
use crate::pool::queue::local::LocalQueue;
use crate::pool::resting::Rested;
use crate::pool::roster::{NotStarted, Roster, Worker};
use crate::pool::sleepers::{LastLook, Slept};
use crate::pool::slots::{ReservedSlot, Slots, Wanted};
use crate::pool::thread_lifecycle::start_thread;
use crate::pool::worker;
use crate::primitive::{ThreadBuilder, current};
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
    // No time passes in a model, so a task gives way when it is looked at.
    pool_that_gives_way(threads, Duration::ZERO, start_thread)
}

fn pool_that_gives_way(threads: usize, give_way: Duration, start_thread: Start) -> Arc<Pool> {
    Local::set_hooks();
    let config = Config {
        threads,
        max_threads: threads,
        limits: Limits {
            min_threads: threads,
            max_spare_threads: 4,
            keep_alive: Duration::MAX,
            give_way,
        },
        setup: ThreadSetup {
            stack_size: 1 << 20,
            attributes: Attributes::of_this_thread(),
            processors: 2,
        },
        first_names: Vec::new(),
        hooks: Hooks::default(),
        observer: None,
    };
    Pool::new(config, start_thread)
}

/// A pool with one thread, which starts the others when it has to.
fn pool_that_starts(threads: usize) -> Arc<Pool> {
    pool_that_starts_and_gives_way(threads, Duration::ZERO)
}

fn pool_that_starts_and_gives_way(threads: usize, give_way: Duration) -> Arc<Pool> {
    let start: Start = |pool, reserved| start_thread(pool, reserved, None);
    let shared = pool_that_gives_way(threads, give_way, start);
    let first = shared.slots.reserve().unwrap();
    assert!(start_thread(&shared, first, None).is_ok());
    shared.staff.roster.count_out();
    shared
}

/// For a pool that has all its threads, or none.
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
    let reserved = shared.slots.reserve().unwrap();
    let shared = Arc::clone(shared);
    let worker = Arc::new(Worker::unlisted());
    thread::spawn(move || {
        Local::enter(shared, &worker, reserved, work);
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

/// The queue and the slots, with nothing but the protocol around them: no shutdown wakes a thread
/// by chance.
struct Bare {
    queue: TaskQueue<usize>,
    slots: Slots<usize>,
}

/// A slot that a thread holds, with the evidence that it searches, if it does.
type Occupied = (LocalQueue<usize>, Option<Searching>);

impl Bare {
    fn new(slots: usize) -> Arc<Self> {
        Self::with(slots, slots)
    }

    /// With `wanted` of the slots enabled.
    fn with(slots: usize, wanted: usize) -> Arc<Self> {
        let (queue, local_queues) = TaskQueue::new(slots);
        queue.tally.use_slots(wanted);
        let slots = Slots::new(local_queues, wanted);
        Arc::new(Self { queue, slots })
    }

    fn push(&self, task: usize) {
        self.queue.push(task, None);
        self.leave_vacant(thread_for(self.slots.wake_for_push()));
    }

    /// Leaves a slot vacant, as a thread does that cannot start another thread.
    fn leave_vacant(&self, reserved: Option<ReservedSlot>) {
        if let Some(reserved) = reserved {
            let has_tasks = || self.queue.has_tasks();
            self.slots.leave_vacant(reserved, has_tasks);
        }
    }

    fn last_look(&self) -> LastLook {
        match self.queue.has_tasks() {
            true => LastLook::Tasks,
            false => LastLook::Nothing,
        }
    }

    /// F1 to F3.
    fn end_search(&self, searching: Option<Searching>) -> Option<ReservedSlot> {
        thread_for(self.slots.end_search(searching?, || self.queue.has_tasks()))
    }

    /// Takes a slot for a thread that is busy for good, and does not look at the queues.
    fn occupy_busy(&self) -> LocalQueue<usize> {
        let (own, searching) = self.slots.occupy(self.slots.reserve().unwrap());
        let _ = self.slots.end_search(searching.unwrap(), || false);
        own
    }

    /// V3 of a thread that has left its slot.
    fn look_for_tasks(&self) -> Option<ReservedSlot> {
        match self.queue.has_tasks() {
            true => thread_for(self.slots.wake_for_push()),
            false => None,
        }
    }

    /// Takes that many tasks: searching at first and after each wake-up, busy after each task.
    fn take(&self, reserved: ReservedSlot, tasks: usize) -> usize {
        let (own, mut searching) = self.slots.occupy(reserved);
        let (mut taken, mut sum) = (0, 0);
        while taken < tasks {
            if let Some(task) = own.pop().or_else(|| self.queue.find_near(&own)) {
                self.leave_vacant(self.end_search(searching.take()));
                (taken, sum) = (taken + 1, sum + task);
                continue;
            }
            let (index, last_look) = (own.index(), || self.last_look());
            let (_, woken) = self
                .slots
                .sleep(index, searching.take(), Deadline::NEVER, last_look);
            searching = Some(woken);
        }
        sum
    }

    /// Takes a task in a slot that was reserved, as a new thread would, gives the slot up, and goes
    /// on with the next that it finds reserved.
    fn take_and_give_up(&self, mut reserved: Option<ReservedSlot>) -> usize {
        let mut sum = 0;
        while let Some(given) = reserved.take() {
            let (own, mut searching) = self.slots.occupy(given);
            if let Some(task) = self.queue.find_near(&own) {
                sum += task;
                reserved = self.end_search(searching.take());
            }
            self.slots.give_up(own, searching);
            reserved = reserved.or_else(|| self.look_for_tasks());
        }
        sum
    }
}

/// Returns the slot that a thread is wanted for. Nothing is lent there.
fn thread_for(wanted: Option<Wanted>) -> Option<ReservedSlot> {
    wanted.map(|wanted| match wanted {
        Wanted::Thread(reserved) => reserved,
        Wanted::Lender => unreachable!("no slot is lent"),
    })
}

/// Starts a thread that takes that many tasks.
fn start_taker(bare: &Arc<Bare>, tasks: usize) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    let reserved = bare.slots.reserve().unwrap();
    thread::spawn(move || bare.take(reserved, tasks))
}

/// Starts a thread that pushes a task, and is the new thread for it if there has to be one.
fn start_pusher(bare: &Arc<Bare>) -> thread::JoinHandle<usize> {
    let bare = Arc::clone(bare);
    thread::spawn(move || {
        bare.queue.push(7, None);
        bare.take_and_give_up(thread_for(bare.slots.wake_for_push()))
    })
}

/// Unparks this thread for no reason, from another.
fn unpark_this_thread() -> thread::JoinHandle<()> {
    let this = current();
    thread::spawn(move || this.unpark())
}
