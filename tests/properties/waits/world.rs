//! A program as it runs, on pools or with a thread for each task.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::FutureExt;
use workmill::{
    Event, JoinHandle, Latch, PoolRef, SharedHandle, ThreadPoolExecutor, blocking, current,
    yield_now,
};

use super::objects::{
    ChannelInUse, FlagInUse, LockInUse, RETRY, wait, wait_for_event, wait_for_latch,
};
use super::program::{How, Program, Step};

/// The largest number of threads that a program sets.
pub(super) const MOST_THREADS: usize = 8;

/// The number of a task that has ended, and the value that it returns unless it panics.
pub(super) type Ended = (usize, Option<u64>);

/// A program as it runs.
pub(super) struct World {
    pub(super) program: Arc<Program>,
    /// The pools that the tasks run in; with none, each task has a thread.
    pools: Vec<ThreadPoolExecutor>,
    tasks: Vec<TaskState>,
    locks: Vec<LockInUse>,
    flags: Vec<FlagInUse>,
    latches: Vec<Latch>,
    channels: Vec<ChannelInUse>,
    /// Tasks tell their end here.
    tell: mpsc::Sender<Ended>,
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

/// The outcome of a program, which does not depend on the order in which its tasks run.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// The number of runs of each task.
    runs: Vec<usize>,
    returned: Vec<u64>,
    takings: Vec<usize>,
    /// For each channel the numbers of items taken out and left, and the sum of all.
    items: Vec<(usize, usize, u64)>,
}

impl World {
    pub(super) fn new(
        program: &Arc<Program>,
        pools: Vec<ThreadPoolExecutor>,
        tell: mpsc::Sender<Ended>,
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

    /// Runs a task of closures to its end and reports it.
    pub(super) fn run(self: &Arc<Self>, task: usize) -> u64 {
        let mut context = Context::from_waker(Waker::noop());
        match self.as_future(task).as_mut().poll(&mut context) {
            Poll::Ready(returned) => returned,
            Poll::Pending => unreachable!("a closure awaits nothing"),
        }
    }

    /// Returns a task as a future, which reports its end. That of a closure blocks in its steps.
    fn as_future(
        self: &Arc<Self>,
        task: usize,
    ) -> Pin<Box<dyn Future<Output = u64> + Send + 'static>> {
        let world = Arc::clone(self);
        Box::pin(async move {
            world.tasks[task].runs.fetch_add(1, Ordering::SeqCst);
            let steps = AssertUnwindSafe(world.run_steps(task)).catch_unwind();
            let returned = steps.await.ok();
            // Nobody listens if the program has failed.
            let _ = world.tell.send((task, returned));
            returned.unwrap_or(0)
        })
    }

    async fn run_steps(self: &Arc<Self>, task: usize) -> u64 {
        let mut held = Vec::new();
        let mut returned = task as u64;
        let is_future = self.program.tasks[task].is_future;
        for (n, step) in self.program.tasks[task].steps.iter().enumerate() {
            self.tasks[task].at.store(n + 1, Ordering::Relaxed);
            let how = step.how().within(is_future);
            match *step {
                Step::Yield if is_future => yield_now().await,
                Step::Yield => thread::yield_now(),
                Step::SetThreads(threads) => self.set_threads(threads),
                Step::Spawn(child, _) => self.spawn(task, child, how).await,
                Step::Join(other, _) => {
                    // The result depends on the order of the joins.
                    returned = returned
                        .wrapping_mul(31)
                        .wrapping_add(self.join(other, how).await);
                }
                Step::Take(lock, permits, _) => {
                    held.push((lock, self.locks[lock].take(permits, how).await));
                }
                Step::LetGo(lock) => {
                    let index = held.iter().position(|(other, _)| *other == lock);
                    let (_, guard) = held.remove(index.expect("it is held"));
                    self.locks[lock].let_go(guard);
                }
                Step::Set(flag) => self.flags[flag].set(),
                Step::WaitFor(flag, _) => self.flags[flag].wait(how).await,
                Step::CountDown(latch) => self.latches[latch].count_down(),
                Step::Meet(latch) if is_future => {
                    self.latches[latch].count_down();
                    self.latches[latch].wait_async().await;
                }
                Step::Meet(latch) => self.latches[latch].arrive_and_wait(),
                Step::Await(latch, _) => wait_for_latch(&self.latches[latch], how).await,
                Step::Put(channel, _) => {
                    let item = (task * 1000 + n) as u64;
                    self.channels[channel].put(item, how).await;
                }
                Step::Get(channel, _) => {
                    self.channels[channel].get(how).await;
                    returned = returned.wrapping_add(1 << 32);
                }
                Step::Finish(channel, _) => self.channels[channel].finish(how).await,
            }
        }
        returned
    }

    fn set_threads(&self, threads: usize) {
        let set = |pool: &ThreadPoolExecutor| pool.set_threads(1 + threads % MOST_THREADS).unwrap();
        self.pools.iter().for_each(set);
    }

    async fn spawn(self: &Arc<Self>, parent: usize, child: usize, how: How) {
        let handle = match self.pool_for(parent, child) {
            None => Some(self.start_thread(child)),
            Some(pool) => self.submit(&pool, child, how).await,
        };
        let state = &self.tasks[child];
        *state.handle.lock().unwrap() = handle;
        state.has_handle.set();
    }

    fn start_thread(self: &Arc<Self>, child: usize) -> Handle {
        let world = Arc::clone(self);
        let returned = Arc::<Returned>::default();
        let tell = Arc::clone(&returned);
        thread::spawn(move || {
            tell.set(match world.program.tasks[child].is_future {
                true => futures_lite::future::block_on(world.as_future(child)),
                false => world.run(child),
            });
        });
        Handle::Thread(returned)
    }

    async fn submit(self: &Arc<Self>, pool: &PoolRef, child: usize, how: How) -> Option<Handle> {
        let joiners = self.program.tasks[child].joiners;
        let closure = || {
            let world = Arc::clone(self);
            move || world.run(child)
        };
        let handle = if self.program.tasks[child].is_future {
            pool.spawn(self.as_future(child))
        } else if joiners == 0 && child % 2 == 0 {
            let closure = closure();
            pool.execute(move || _ = closure());
            return None;
        } else {
            let handle = wait!(
                how,
                Ok(pool.submit(closure())),
                |limit| pool.submit_timeout(closure(), limit).ok().map(Ok),
                pool.submit_async(closure()),
            );
            handle.expect("the pool is open")
        };
        match joiners {
            0 => None,
            1 => Some(Handle::One(handle)),
            _ => Some(Handle::Shared(handle.shared())),
        }
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

    async fn join(&self, other: usize, how: How) -> u64 {
        let TaskState {
            handle, has_handle, ..
        } = &self.tasks[other];
        wait_for_event(has_handle, how).await;
        let handle = {
            let mut handle = handle.lock().unwrap();
            match &*handle {
                Some(Handle::Thread(returned)) => Handle::Thread(Arc::clone(returned)),
                Some(Handle::Shared(shared)) => Handle::Shared(shared.clone()),
                _ => handle.take().expect("it is joined once"),
            }
        };
        let joined = match handle {
            Handle::Thread(returned) => Ok(returned.get()),
            Handle::One(mut handle) => {
                wait!(
                    how,
                    handle.join(),
                    |limit| handle.join_timeout(limit),
                    handle
                )
            }
            Handle::Shared(handle) => {
                wait!(
                    how,
                    handle.join(),
                    |limit| handle.join_timeout(limit),
                    handle
                )
            }
        };
        joined.unwrap()
    }

    /// Describes where the tasks are that have not ended.
    pub(super) fn stuck(&self, ended: &[Option<u64>]) -> String {
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
    pub(super) fn outcome(&self, returned: Vec<u64>) -> Outcome {
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
