//! Random programs that finish with a thread for each task finish on pools of every kind, with the
//! same results.

mod program;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use workmill::{
    BoundedSemaphore, Builder, CancelToken, Event, JoinHandle, JoinableQueue, Latch, OwnedPermit,
    Permit, PoolRef, Semaphore, SharedHandle, ThreadPoolExecutor, blocking, current,
};

use crate::support::HANG;

use self::program::{Channel, Flag, How, Lock, Plan, Program, Step, plans, plans_that_set_threads};

/// The time that a program may take which is tried because a larger one has failed.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(10);

/// The largest number of threads that a program sets.
const MOST_THREADS: usize = 8;

/// A program as it runs.
struct World {
    program: Arc<Program>,
    /// The pools that the tasks run in; with none, each task has a thread.
    pools: Vec<ThreadPoolExecutor>,
    tasks: Vec<TaskState>,
    locks: Vec<LockInUse>,
    flags: Vec<FlagInUse>,
    latches: Vec<Latch>,
    channels: Vec<ChannelInUse>,
    /// Tasks send their number here when they end, and the value that they return unless they
    /// panic.
    tell: mpsc::Sender<(usize, Option<u64>)>,
}

/// The state of a task.
#[derive(Default)]
struct TaskState {
    runs: AtomicUsize,
    /// The number of its last step, from 1.
    at: AtomicUsize,
    handle: Mutex<Option<Handle>>,
    /// Set when the handle is there.
    has_handle: Event,
}

enum Handle {
    One(JoinHandle<u64>),
    Shared(SharedHandle<u64>),
    Thread(Arc<Returned>),
}

/// The value that a thread has returned.
#[derive(Default)]
struct Returned(Mutex<Option<u64>>, Condvar);

struct LockInUse {
    lock: AnyLock,
    permits: usize,
    /// The number of permits that are held.
    held: AtomicUsize,
    takings: AtomicUsize,
}

enum AnyLock {
    Mutex(Mutex<()>),
    Semaphore(Arc<Semaphore>),
    Bounded(BoundedSemaphore),
}

/// Keeps others from a lock.
enum Guard<'a> {
    Mutex(#[expect(dead_code, reason = "it is dropped")] MutexGuard<'a, ()>),
    Permit(Permit<'a>),
    Owned(OwnedPermit),
}

impl Guard<'_> {
    fn permits(&self) -> usize {
        match self {
            Self::Mutex(_) => 1,
            Self::Permit(permit) => permit.permits(),
            Self::Owned(permit) => permit.permits(),
        }
    }
}

enum FlagInUse {
    Event(Event),
    Token(CancelToken),
    Condvar(Mutex<bool>, Condvar),
}

enum ChannelInUse {
    Queue {
        queue: Box<JoinableQueue<u64>>,
        got: AtomicUsize,
        /// The sum of the items that were taken out.
        sum: AtomicU64,
    },
    Tokens(Semaphore),
}

/// The outcome of a program, which does not depend on the order in which its tasks run.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// The number of runs of each task.
    runs: Vec<usize>,
    returned: Vec<u64>,
    takings: Vec<usize>,
    /// For each channel the numbers of items taken out and left, and the sum of all.
    items: Vec<(usize, usize, u64)>,
}

impl World {
    fn new(
        program: &Arc<Program>,
        pools: Vec<ThreadPoolExecutor>,
        tell: mpsc::Sender<(usize, Option<u64>)>,
    ) -> Arc<Self> {
        let locks = program.locks.iter().map(|&lock| LockInUse::new(lock));
        let flags = program.flags.iter().map(|&flag| FlagInUse::new(flag));
        let channels = program.channels.iter();
        Arc::new(Self {
            pools,
            tasks: program.tasks.iter().map(|_| TaskState::default()).collect(),
            locks: locks.collect(),
            flags: flags.collect(),
            latches: program.latches.iter().map(|&n| Latch::new(n)).collect(),
            channels: channels.map(|&kind| ChannelInUse::new(kind)).collect(),
            program: Arc::clone(program),
            tell,
        })
    }

    /// Runs a task to its end and reports it.
    fn run(self: &Arc<Self>, task: usize) -> u64 {
        self.tasks[task].runs.fetch_add(1, Ordering::SeqCst);
        let steps = AssertUnwindSafe(|| self.run_steps(task));
        let returned = catch_unwind(steps).ok();
        // Nobody listens if the program has failed.
        let _ = self.tell.send((task, returned));
        returned.unwrap_or(0)
    }

    fn run_steps(self: &Arc<Self>, task: usize) -> u64 {
        let mut held = Vec::new();
        let mut returned = task as u64;
        for (n, step) in self.program.tasks[task].steps.iter().enumerate() {
            self.tasks[task].at.store(n + 1, Ordering::Relaxed);
            match *step {
                Step::Yield => thread::yield_now(),
                Step::SetThreads(threads) => self.set_threads(threads),
                Step::Spawn(child) => self.spawn(task, child),
                Step::Join(other, how) => {
                    // The result depends on the order of the joins.
                    returned = returned
                        .wrapping_mul(31)
                        .wrapping_add(self.join(other, how));
                }
                Step::Take(lock, permits, how) => {
                    held.push((lock, self.locks[lock].take(permits, how)));
                }
                Step::LetGo(lock) => {
                    let index = held.iter().position(|(other, _)| *other == lock);
                    let (_, guard) = held.remove(index.expect("it is held"));
                    self.locks[lock].let_go(guard);
                }
                Step::Set(flag) => self.flags[flag].set(),
                Step::WaitFor(flag, how) => self.flags[flag].wait(how),
                Step::CountDown(latch) => self.latches[latch].count_down(),
                Step::Meet(latch) => self.latches[latch].arrive_and_wait(),
                Step::Await(latch, how) => {
                    let latch = &self.latches[latch];
                    match how {
                        How::Plain => latch.wait(),
                        How::Timed => assert!(latch.wait_timeout(Duration::MAX)),
                        How::Nested => blocking(|| latch.wait()),
                        How::Awaited => blocking(|| block_on(latch.wait_async())),
                    }
                }
                Step::Put(channel, how) => {
                    self.channels[channel].put((task * 1000 + n) as u64, how);
                }
                Step::Get(channel, how) => {
                    self.channels[channel].get(how);
                    returned = returned.wrapping_add(1 << 32);
                }
                Step::Finish(channel, how) => self.channels[channel].finish(how),
            }
        }
        returned
    }

    fn set_threads(&self, threads: usize) {
        let set = |pool: &ThreadPoolExecutor| pool.set_threads(1 + threads % MOST_THREADS).unwrap();
        self.pools.iter().for_each(set);
    }

    fn spawn(self: &Arc<Self>, parent: usize, child: usize) {
        let world = Arc::clone(self);
        let joiners = self.program.tasks[child].joiners;
        let handle = match self.pool_for(parent, child) {
            None => {
                let returned = Arc::<Returned>::default();
                let tell = Arc::clone(&returned);
                thread::spawn(move || tell.set(world.run(child)));
                Some(Handle::Thread(returned))
            }
            Some(pool) if joiners == 0 && child % 2 == 0 => {
                pool.execute(move || _ = world.run(child));
                None
            }
            Some(pool) => {
                let handle = pool.submit(move || world.run(child));
                match joiners {
                    0 => None,
                    1 => Some(Handle::One(handle)),
                    _ => Some(Handle::Shared(handle.shared())),
                }
            }
        };
        let state = &self.tasks[child];
        *state.handle.lock().unwrap() = handle;
        state.has_handle.set();
    }

    /// Returns the pool that a child is to run in. Its parent's pool is the current one.
    fn pool_for(&self, parent: usize, child: usize) -> Option<PoolRef> {
        let index = |task: usize| self.program.tasks[task].pool % self.pools.len();
        if self.pools.is_empty() {
            None
        } else if parent >= self.program.outside && index(parent) == index(child) {
            current()
        } else {
            Some(self.pools[index(child)].handle())
        }
    }

    fn join(&self, other: usize, how: How) -> u64 {
        let TaskState {
            handle, has_handle, ..
        } = &self.tasks[other];
        has_handle.wait();
        let handle = {
            let mut handle = handle.lock().unwrap();
            match &*handle {
                Some(Handle::Thread(returned)) => Handle::Thread(Arc::clone(returned)),
                Some(Handle::Shared(shared)) => Handle::Shared(shared.clone()),
                _ => handle.take().expect("it is joined once"),
            }
        };
        let joined = match (handle, how) {
            (Handle::Thread(returned), _) => Ok(returned.get()),
            (Handle::One(handle), How::Plain) => handle.join(),
            (Handle::One(mut handle), How::Timed) => handle.join_timeout(Duration::MAX).unwrap(),
            (Handle::One(handle), How::Nested) => blocking(|| handle.join()),
            (Handle::One(handle), How::Awaited) => blocking(|| block_on(handle)),
            (Handle::Shared(handle), How::Plain) => handle.join(),
            (Handle::Shared(handle), How::Timed) => handle.join_timeout(Duration::MAX).unwrap(),
            (Handle::Shared(handle), How::Nested) => blocking(|| handle.join()),
            (Handle::Shared(handle), How::Awaited) => blocking(|| block_on(handle)),
        };
        joined.unwrap()
    }

    /// Describes where the tasks are that have not ended.
    fn stuck(&self, ended: &[Option<u64>]) -> String {
        let mut stuck = String::new();
        for (n, task) in self.program.tasks.iter().enumerate() {
            let at = self.tasks[n].at.load(Ordering::Relaxed);
            let step = at.checked_sub(1).map(|step| task.steps[step]);
            if ended[n].is_none() {
                stuck += &format!("task {n} has not ended; its step {at} is {step:?}\n");
            }
        }
        stuck
    }

    /// Returns the outcome of a program all of whose tasks have ended.
    fn outcome(&self, returned: Vec<u64>) -> Outcome {
        let runs = self
            .tasks
            .iter()
            .map(|task| task.runs.load(Ordering::SeqCst));
        Outcome {
            runs: runs.collect(),
            returned,
            takings: self.locks.iter().map(LockInUse::takings).collect(),
            items: self.channels.iter().map(ChannelInUse::items).collect(),
        }
    }
}

impl Returned {
    fn set(&self, value: u64) {
        *self.0.lock().unwrap() = Some(value);
        self.1.notify_all();
    }

    fn get(&self) -> u64 {
        let value = self.0.lock().unwrap();
        let value = self.1.wait_while(value, |value| value.is_none()).unwrap();
        value.expect("it is there")
    }
}

impl LockInUse {
    fn new(lock: Lock) -> Self {
        Self {
            lock: match lock {
                Lock::Mutex => AnyLock::Mutex(Mutex::new(())),
                Lock::Semaphore(permits) => AnyLock::Semaphore(Arc::new(Semaphore::new(permits))),
                Lock::Unfair(permits) => AnyLock::Semaphore(Arc::new(Semaphore::unfair(permits))),
                Lock::Bounded(permits) => AnyLock::Bounded(BoundedSemaphore::new(permits)),
            },
            permits: lock.permits(),
            held: AtomicUsize::new(0),
            takings: AtomicUsize::new(0),
        }
    }

    fn take(&self, permits: usize, how: How) -> Guard<'_> {
        let guard = match (&self.lock, how) {
            (AnyLock::Mutex(mutex), _) => Guard::Mutex(blocking(|| mutex.lock().unwrap())),
            (AnyLock::Semaphore(semaphore), how) => Guard::Permit(match how {
                How::Plain => semaphore.acquire_many(permits).unwrap(),
                How::Timed => semaphore
                    .acquire_many_timeout(permits, Duration::MAX)
                    .unwrap(),
                How::Nested => blocking(|| semaphore.acquire_many(permits)).unwrap(),
                How::Awaited => {
                    blocking(|| block_on(semaphore.acquire_many_async(permits))).unwrap()
                }
            }),
            (AnyLock::Bounded(semaphore), how) => Guard::Owned(match how {
                How::Plain => semaphore.acquire_many_owned(permits).unwrap(),
                How::Timed => semaphore
                    .acquire_many_owned_timeout(permits, Duration::MAX)
                    .unwrap(),
                How::Nested => blocking(|| semaphore.acquire_many_owned(permits)).unwrap(),
                How::Awaited => {
                    blocking(|| block_on(semaphore.acquire_many_owned_async(permits))).unwrap()
                }
            }),
        };
        let held = permits + self.held.fetch_add(permits, Ordering::SeqCst);
        assert!(held <= self.permits, "{held} permits of {}", self.permits);
        self.takings.fetch_add(1, Ordering::SeqCst);
        guard
    }

    fn let_go(&self, guard: Guard<'_>) {
        self.held.fetch_sub(guard.permits(), Ordering::SeqCst);
        drop(guard);
    }

    /// Returns how often the lock was taken. All permits are back by now.
    fn takings(&self) -> usize {
        match &self.lock {
            AnyLock::Mutex(mutex) => assert!(mutex.try_lock().is_ok()),
            AnyLock::Semaphore(semaphore) => {
                assert_eq!(semaphore.available_permits(), self.permits);
            }
            AnyLock::Bounded(semaphore) => {
                assert_eq!(semaphore.available_permits(), self.permits);
            }
        }
        self.takings.load(Ordering::SeqCst)
    }
}

impl FlagInUse {
    fn new(flag: Flag) -> Self {
        match flag {
            Flag::Event => Self::Event(Event::new()),
            Flag::Token => Self::Token(CancelToken::new()),
            Flag::Condvar => Self::Condvar(Mutex::new(false), Condvar::new()),
        }
    }

    fn set(&self) {
        match self {
            Self::Event(event) => event.set(),
            Self::Token(token) => token.cancel(),
            Self::Condvar(is_set, was_set) => {
                *is_set.lock().unwrap() = true;
                was_set.notify_all();
            }
        }
    }

    fn wait(&self, how: How) {
        match (self, how) {
            (Self::Event(event), How::Plain) => event.wait(),
            (Self::Event(event), How::Timed) => assert!(event.wait_timeout(Duration::MAX)),
            (Self::Event(event), How::Nested) => blocking(|| event.wait()),
            (Self::Event(event), How::Awaited) => blocking(|| block_on(event.wait_async())),
            (Self::Token(token), How::Plain) => token.wait(),
            (Self::Token(token), How::Timed) => assert!(token.wait_timeout(Duration::MAX)),
            (Self::Token(token), How::Nested) => blocking(|| token.wait()),
            (Self::Token(token), How::Awaited) => blocking(|| block_on(token.wait_async())),
            (Self::Condvar(is_set, was_set), _) => blocking(|| {
                let is_set = is_set.lock().unwrap();
                drop(was_set.wait_while(is_set, |is_set| !*is_set).unwrap());
            }),
        }
    }
}

impl ChannelInUse {
    fn new(channel: Channel) -> Self {
        let queue = match channel {
            Channel::Tokens => return Self::Tokens(Semaphore::new(0)),
            Channel::Queue(None) => JoinableQueue::unbounded(),
            Channel::Queue(Some(capacity)) => JoinableQueue::bounded(capacity),
        };
        Self::Queue {
            queue: Box::new(queue),
            got: AtomicUsize::new(0),
            sum: AtomicU64::new(0),
        }
    }

    fn put(&self, item: u64, how: How) {
        let queue = match self {
            Self::Tokens(permits) => return permits.add_permits(1).unwrap(),
            Self::Queue { queue, .. } => queue,
        };
        match how {
            How::Plain => queue.put(item).unwrap(),
            How::Timed => queue.put_timeout(item, Duration::MAX).unwrap(),
            How::Nested => blocking(|| queue.put(item)).unwrap(),
            How::Awaited => blocking(|| block_on(queue.put_async(item))).unwrap(),
        }
    }

    fn get(&self, how: How) {
        let (queue, got, sum) = match self {
            Self::Tokens(permits) => {
                let permit = match how {
                    How::Plain => permits.acquire().unwrap(),
                    How::Timed => permits.acquire_timeout(Duration::MAX).unwrap(),
                    How::Nested => blocking(|| permits.acquire()).unwrap(),
                    How::Awaited => blocking(|| block_on(permits.acquire_async())).unwrap(),
                };
                return permit.forget();
            }
            Self::Queue { queue, got, sum } => (queue, got, sum),
        };
        let item = match how {
            How::Plain => queue.get().inspect(|_| queue.task_done().unwrap()),
            How::Timed => Ok(*queue.get_task_timeout(Duration::MAX).unwrap()),
            How::Nested => blocking(|| queue.get_task()).map(|item| *item),
            How::Awaited => blocking(|| block_on(queue.get_task_async())).map(|item| *item),
        };
        got.fetch_add(1, Ordering::SeqCst);
        sum.fetch_add(item.unwrap(), Ordering::SeqCst);
    }

    fn finish(&self, how: How) {
        let Self::Queue { queue, .. } = self else {
            unreachable!("nothing can be done with a token but to have it");
        };
        match how {
            How::Plain => queue.join(),
            How::Timed => assert!(queue.join_timeout(Duration::MAX)),
            How::Nested => blocking(|| queue.join()),
            How::Awaited => blocking(|| block_on(queue.join_async())),
        }
    }

    fn items(&self) -> (usize, usize, u64) {
        match self {
            Self::Tokens(permits) => (0, permits.available_permits(), 0),
            Self::Queue { queue, got, sum } => {
                let got = got.load(Ordering::SeqCst);
                let left: Vec<_> = std::iter::from_fn(|| queue.try_get().ok()).collect();
                let sum = sum.load(Ordering::SeqCst) + left.iter().sum::<u64>();
                assert_eq!(queue.unfinished(), left.len());
                (got, left.len(), sum)
            }
        }
    }
}

/// The kind of pool that a program runs on.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// With none, each task has a thread.
    pools: usize,
    threads: usize,
    queue_capacity: Option<usize>,
    /// Idle threads end at once, and there are no more spare threads than the program needs.
    is_tight: bool,
    /// The pool is shut down as soon as the tasks outside have ended.
    ends_early: bool,
}

const REFERENCE: Kind = Kind {
    pools: 0,
    threads: 0,
    queue_capacity: None,
    is_tight: false,
    ends_early: false,
};

impl Kind {
    fn build(self, program: &Program) -> ThreadPoolExecutor {
        let mut builder = Builder::new()
            .threads(self.threads)
            .max_threads(MOST_THREADS);
        if let Some(tasks) = self.queue_capacity {
            builder = builder.queue_capacity(tasks);
        }
        if self.is_tight {
            builder = builder
                .min_threads(1)
                .keep_alive(Duration::ZERO)
                .max_spare_threads(program.tasks.len());
        }
        builder.build().unwrap()
    }
}

/// Returns each number of threads with each capacity.
fn kinds(pools: usize) -> Vec<Kind> {
    let kind = |threads, queue_capacity| Kind {
        pools,
        threads,
        queue_capacity,
        is_tight: false,
        ends_early: false,
    };
    let capacities = [None, Some(0), Some(1), Some(5)];
    [1, 2, 3, 8]
        .into_iter()
        .flat_map(|threads| capacities.map(|capacity| kind(threads, capacity)))
        .collect()
}

/// Runs a program; an error says why it did not finish.
fn run(program: &Arc<Program>, kind: Kind, limit: Duration) -> Result<Outcome, String> {
    let pools: Vec<_> = (0..kind.pools).map(|_| kind.build(program)).collect();
    let (tell, told) = mpsc::channel();
    let world = World::new(program, pools.clone(), tell);
    let outcome = Run {
        world,
        told,
        kind,
        end: Instant::now() + limit,
        returned: vec![None; program.tasks.len()],
    }
    .watch(&pools);
    if outcome.is_err() {
        // The drop must not wait for a task that hangs.
        pools.iter().for_each(|pool| pool.shutdown_background());
    }
    outcome
}

/// A program on its way.
struct Run {
    world: Arc<World>,
    told: mpsc::Receiver<(usize, Option<u64>)>,
    kind: Kind,
    end: Instant,
    returned: Vec<Option<u64>>,
}

impl Run {
    fn watch(mut self, pools: &[ThreadPoolExecutor]) -> Result<Outcome, String> {
        let outside = 0..self.world.program.outside;
        let threads = outside.map(|task| {
            let world = Arc::clone(&self.world);
            thread::spawn(move || world.run(task))
        });
        let threads: Vec<_> = threads.collect();
        while self.kind.ends_early && self.returned[..threads.len()].contains(&None) {
            self.hear()?;
        }
        if self.kind.ends_early {
            self.shut_down(pools)?;
        }
        while self.returned.contains(&None) {
            self.hear()?;
        }
        for pool in pools {
            let is_idle = pool.wait_idle_timeout(self.remaining());
            self.check(is_idle == Ok(true), || {
                "always has something to do".to_owned()
            })?;
            while self.kind.is_tight && pool.metrics().live_threads > 1 {
                let goes_on = !self.remaining().is_zero();
                self.check(goes_on, || format!("keeps threads: {:?}", pool.metrics()))?;
                thread::yield_now();
            }
        }
        self.shut_down(pools)?;
        for thread in threads {
            drop(thread.join());
        }
        if !pools.is_empty() {
            let others = Arc::strong_count(&self.world) - 1;
            self.check(others == 0, || format!("leaves {others} captures"))?;
        }
        let returned = self.returned.iter().copied().flatten().collect();
        Ok(self.world.outcome(returned))
    }

    fn remaining(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for the end of a task.
    fn hear(&mut self) -> Result<(), String> {
        let told = self.told.recv_timeout(self.remaining());
        self.check(told.is_ok(), || "hangs".to_owned())?;
        let (task, returned) = told.expect("that was checked");
        self.check(returned.is_some(), || format!("panics in task {task}"))?;
        self.check(self.returned[task].is_none(), || {
            format!("runs task {task} twice")
        })?;
        self.returned[task] = returned;
        Ok(())
    }

    fn shut_down(&self, pools: &[ThreadPoolExecutor]) -> Result<(), String> {
        for pool in pools {
            let ended = pool.shutdown_timeout(self.remaining());
            self.check(ended.is_ok(), || format!("does not end: {ended:?}"))?;
            let metrics = pool.metrics();
            let is_well = pool.is_terminated()
                && metrics.live_threads == 0
                && metrics.uncovered_waits == 0
                && metrics.rejected == 0
                && metrics.failed_starts == 0;
            self.check(is_well, || format!("ends with {metrics:?}"))?;
        }
        Ok(())
    }

    fn check(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
        match holds {
            true => Ok(()),
            false => Err(otherwise() + "\n" + &self.world.stuck(&self.returned)),
        }
    }
}

/// Runs programs with a thread for each task, then on pools of these kinds.
///
/// Tries the given percentage of the cases that proptest would try.
fn holds_on(kinds: &[Kind], percent: u32, plans: impl Strategy<Value = Plan>) {
    let config = Config {
        cases: Config::default().cases * percent / 100,
        failure_persistence: None,
        max_shrink_time: 300_000,
        ..Config::default()
    };
    let limit = Cell::new(HANG);
    let finishes = |plan: Plan| {
        let program = Arc::new(plan.weave());
        let run = |kind| {
            run(&program, kind, limit.get())
                .map_err(|why| format!("on {kind:?} {why}\n{program:?}"))
        };
        let expected = run(REFERENCE)?;
        for &kind in kinds {
            let outcome = run(kind)?;
            if outcome != expected {
                return Err(format!(
                    "on {kind:?} {outcome:?}\nnot {expected:?}\n{program:?}"
                ));
            }
        }
        Ok(())
    };
    let fails = |why: String| {
        if limit.replace(LIMIT_OF_SMALLER) == HANG {
            eprintln!("{why}\nNow smaller programs are tried.");
        }
        TestCaseError::fail(why)
    };
    if let Err(error) = TestRunner::new(config).run(&plans, |plan| finishes(plan).map_err(fails)) {
        panic!("{error}");
    }
}

#[test]
fn what_finishes_with_a_thread_for_each_task_finishes_on_every_pool() {
    holds_on(&kinds(1), 16, plans());
}

#[test]
fn what_finishes_with_a_thread_for_each_task_finishes_while_threads_come_and_go() {
    let mut kinds = kinds(1);
    for (n, kind) in kinds.iter_mut().enumerate() {
        kind.is_tight = true;
        kind.ends_early = n % 3 == 0;
    }
    holds_on(&kinds, 10, plans_that_set_threads());
}

#[test]
fn what_finishes_with_a_thread_for_each_task_finishes_on_two_pools_that_need_each_other() {
    holds_on(&kinds(2), 10, plans());
}
