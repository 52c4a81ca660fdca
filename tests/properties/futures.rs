//! Random trees of futures and closures that wait for each other end, whatever is cancelled
//! meanwhile and whenever the pool is stopped: every handle resolves, and everything is dropped
//! once.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, any, prop_oneof};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use workmill::timer::timeout;
use workmill::{
    Builder, CancelHandle, JoinError, JoinHandle, Overflow, PoolRef, Semaphore, ThreadPoolExecutor,
    block_on, current, yield_now,
};

use crate::support::{Counted, Drops, HANG, until, within};

/// The length of a short wait.
const MOMENT: Duration = Duration::from_micros(50);

/// The time that a tree may take which is tried because a larger one has failed.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(10);

/// The plan of a task.
#[derive(Debug, Clone)]
struct Node {
    is_future: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Yield,
    /// Holds a permit of one of the semaphores for a while.
    Take(usize),
    /// Gets the given number of items from a future of its own.
    Get(usize),
    Child(Node, How),
    /// Cancels some task, which may be any.
    Cancel(usize),
    Panic,
}

/// The form in which a task waits for a child.
#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    /// A future awaits, a closure joins.
    Plain,
    /// A future joins in its poll, a closure blocks on the handle.
    Other,
    /// For a moment, and if that was not enough, to the end.
    Timed,
    /// For a moment, and if that was not enough, the child is cancelled.
    NotLate,
    Shared,
    /// After all other steps.
    Last,
    Never,
    /// The handle cancels when it is dropped, which is at once.
    Unwanted,
}

#[derive(Debug, Clone)]
struct Plan {
    roots: Vec<Node>,
    threads: usize,
    queue_capacity: Option<usize>,
    overflow: Overflow,
    /// Nothing is cancelled, and nothing panics.
    is_calm: bool,
    /// The pool is stopped when this many tasks have begun; from inside if `true`, else from
    /// outside.
    stop: Option<(usize, bool)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let overflow = prop_oneof![
        3 => Just(Overflow::Block),
        1 => Just(Overflow::CallerRuns),
        1 => Just(Overflow::DropOldest),
        1 => Just(Overflow::Reject),
    ];
    let capacity = option::of(prop_oneof![Just(0), Just(1), Just(5)]);
    let stop = option::of((0..20_usize, any::<bool>()));
    let roots = vec(nodes(), 1..4);
    let plan = (roots, 1..4_usize, capacity, overflow, any::<bool>(), stop);
    plan.prop_map(
        |(roots, threads, queue_capacity, overflow, is_calm, stop)| Plan {
            roots,
            threads,
            queue_capacity,
            overflow,
            is_calm,
            stop: stop.filter(|_| !is_calm),
        },
    )
}

fn nodes() -> impl Strategy<Value = Node> {
    let node = |(is_future, steps)| Node { is_future, steps };
    let leaf = (any::<bool>(), vec(steps(), 0..3)).prop_map(node);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let child = (inner, hows()).prop_map(|(child, how)| Step::Child(child, how));
        let step = prop_oneof![1 => steps(), 2 => child];
        (any::<bool>(), vec(step, 0..5)).prop_map(node)
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Yield),
        4 => (0..2_usize).prop_map(Step::Take),
        4 => (0..4_usize).prop_map(Step::Get),
        4 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::Panic),
    ]
}

fn hows() -> impl Strategy<Value = How> {
    prop_oneof![
        Just(How::Plain),
        Just(How::Other),
        Just(How::Timed),
        Just(How::NotLate),
        Just(How::Shared),
        Just(How::Last),
        Just(How::Never),
        Just(How::Unwanted),
    ]
}

impl Node {
    /// The value that it returns if nothing goes wrong: the number of tasks that it has waited for,
    /// itself included.
    fn expected(&self) -> usize {
        let mut sum = 1;
        for step in &self.steps {
            match step {
                Step::Child(child, how) if how.waits() => sum += child.expected(),
                _ => {}
            }
        }
        sum
    }
}

impl How {
    fn waits(self) -> bool {
        !matches!(self, Self::Never | Self::NotLate | Self::Unwanted)
    }
}

/// A plan as it is carried out.
struct World {
    is_calm: bool,
    stop: Option<(usize, bool)>,
    begun: AtomicUsize,
    pool: ThreadPoolExecutor,
    /// Counts the drops of the values that tasks keep.
    drops: Drops,
    made: AtomicUsize,
    semaphores: [Semaphore; 2],
    tasks: Mutex<Vec<CancelHandle>>,
    /// By the number of a task: whether `cancel` returned `true`.
    said: Mutex<HashMap<usize, bool>>,
    /// By the number of a task: whether it gave a value.
    gave: Mutex<HashMap<usize, bool>>,
}

type Handle = (usize, JoinHandle<usize>);

impl World {
    fn keep(&self) -> Counted {
        self.made.fetch_add(1, Ordering::SeqCst);
        self.drops.value()
    }

    fn launch(self: &Arc<Self>, pool: &PoolRef, node: Node) -> Handle {
        let (world, kept) = (Arc::clone(self), self.keep());
        self.register(match node.is_future {
            true => pool.spawn(world.run_future(node, kept)),
            false => pool.submit(move || world.run_closure(node, kept)),
        })
    }

    fn register(&self, handle: JoinHandle<usize>) -> Handle {
        let mut tasks = self.tasks.lock().unwrap();
        tasks.push(handle.cancel_handle());
        (tasks.len() - 1, handle)
    }

    /// Starts a future that sends the given number of items.
    fn start_sender(&self, items: usize) -> (async_channel::Receiver<usize>, Handle) {
        let (sender, receiver) = async_channel::bounded(1);
        let kept = self.keep();
        let handle = current().unwrap().spawn(async move {
            let _kept = kept;
            for item in 0..items {
                if sender.send(item).await.is_err() {
                    break;
                }
            }
            0
        });
        (receiver, self.register(handle))
    }

    fn begin(&self) {
        let begun = self.begun.fetch_add(1, Ordering::SeqCst);
        if self.stop == Some((begun, true)) {
            self.pool.shutdown_now();
        }
    }

    fn cancel(&self, which: usize) {
        if self.is_calm {
            return;
        }
        let (task, stop) = {
            let tasks = self.tasks.lock().unwrap();
            let Some(task) = which.checked_rem(tasks.len()) else {
                return;
            };
            (task, tasks[task].clone())
        };
        let said = stop.cancel();
        let before = self.said.lock().unwrap().insert(task, said);
        assert!(
            before.is_none_or(|before| before == said),
            "the answer does not change"
        );
    }

    fn panic(&self) {
        if !self.is_calm {
            resume_unwind(Box::new("wanted"));
        }
    }

    fn note(&self, task: usize, outcome: Result<usize, JoinError>) -> usize {
        self.gave.lock().unwrap().insert(task, outcome.is_ok());
        outcome.unwrap_or(0)
    }

    fn run_future(
        self: Arc<Self>,
        node: Node,
        kept: Counted,
    ) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            let _kept = kept;
            self.begin();
            let (mut sum, mut last) = (1, Vec::new());
            for step in node.steps {
                match step {
                    Step::Yield => yield_now().await,
                    Step::Take(which) => {
                        let permit = self.semaphores[which].acquire_async().await;
                        yield_now().await;
                        drop(permit);
                    }
                    Step::Get(items) => {
                        let (receiver, (task, sender)) = self.start_sender(items);
                        let mut got = 0;
                        while receiver.recv().await.is_ok() {
                            got += 1;
                        }
                        self.note(task, sender.await);
                        assert!(got == items || !self.is_calm);
                    }
                    Step::Child(child, how) => {
                        let (task, mut handle) = self.launch(&current().unwrap(), child);
                        let outcome = match how {
                            How::Plain => handle.await,
                            How::Other => handle.join(),
                            How::Timed => match timeout(MOMENT, &mut handle).await {
                                Ok(outcome) => outcome,
                                Err(_) => handle.await,
                            },
                            How::NotLate => {
                                let waited = timeout(MOMENT, handle.cancel_on_drop()).await;
                                if let Ok(outcome) = waited {
                                    self.note(task, outcome);
                                }
                                continue;
                            }
                            How::Shared => {
                                let shared = handle.shared();
                                let other = shared.clone().await;
                                assert_eq!(other.is_ok(), shared.await.is_ok());
                                other
                            }
                            How::Last => {
                                last.push((task, handle));
                                continue;
                            }
                            How::Never => continue,
                            How::Unwanted => {
                                drop(handle.cancel_on_drop());
                                continue;
                            }
                        };
                        sum += self.note(task, outcome);
                    }
                    Step::Cancel(which) => self.cancel(which),
                    Step::Panic => self.panic(),
                }
            }
            for (task, handle) in last {
                sum += self.note(task, handle.await);
            }
            sum
        })
    }

    fn run_closure(self: Arc<Self>, node: Node, kept: Counted) -> usize {
        let _kept = kept;
        self.begin();
        let (mut sum, mut last) = (1, Vec::new());
        for step in node.steps {
            match step {
                Step::Yield => thread::yield_now(),
                Step::Take(which) => {
                    let permit = block_on(self.semaphores[which].acquire_async());
                    thread::yield_now();
                    drop(permit);
                }
                Step::Get(items) => {
                    let (receiver, (task, sender)) = self.start_sender(items);
                    let mut got = 0;
                    while block_on(receiver.recv()).is_ok() {
                        got += 1;
                    }
                    self.note(task, sender.join());
                    assert!(got == items || !self.is_calm);
                }
                Step::Child(child, how) => {
                    let (task, mut handle) = self.launch(&current().unwrap(), child);
                    let outcome = match how {
                        How::Plain => handle.join(),
                        How::Other => block_on(handle),
                        How::Timed => match handle.join_timeout(MOMENT) {
                            Some(outcome) => outcome,
                            None => handle.join(),
                        },
                        How::NotLate => {
                            let waited = block_on(timeout(MOMENT, handle.cancel_on_drop()));
                            if let Ok(outcome) = waited {
                                self.note(task, outcome);
                            }
                            continue;
                        }
                        How::Shared => {
                            let shared = handle.shared();
                            let other = shared.clone().join();
                            assert_eq!(other.is_ok(), block_on(shared).is_ok());
                            other
                        }
                        How::Last => {
                            last.push((task, handle));
                            continue;
                        }
                        How::Never => continue,
                        How::Unwanted => {
                            drop(handle.cancel_on_drop());
                            continue;
                        }
                    };
                    sum += self.note(task, outcome);
                }
                Step::Cancel(which) => self.cancel(which),
                Step::Panic => self.panic(),
            }
        }
        for (task, handle) in last {
            sum += self.note(task, handle.join());
        }
        sum
    }
}

fn carry_out(plan: Plan) {
    let mut builder = Builder::new().threads(plan.threads);
    if let Some(capacity) = plan.queue_capacity {
        builder = builder.queue_capacity(capacity).overflow(plan.overflow);
    }
    let pool = builder.build().unwrap();
    let world = Arc::new(World {
        is_calm: plan.is_calm,
        stop: plan.stop,
        begun: AtomicUsize::new(0),
        pool: pool.clone(),
        drops: Drops::default(),
        made: AtomicUsize::new(0),
        semaphores: [Semaphore::new(1), Semaphore::new(2)],
        tasks: Mutex::default(),
        said: Mutex::default(),
        gave: Mutex::default(),
    });
    let loses_roots = plan.queue_capacity.is_some()
        && matches!(plan.overflow, Overflow::DropOldest | Overflow::Reject);
    let is_sure = plan.is_calm && !loses_roots;
    thread::scope(|scope| {
        let handles: Vec<_> = plan
            .roots
            .iter()
            .map(|root| world.launch(&pool, root.clone()))
            .collect();
        if let Some((tasks, false)) = plan.stop {
            let (world, pool) = (&world, &pool);
            scope.spawn(move || {
                let has_begun = || world.begun.load(Ordering::SeqCst) > tasks;
                until(|| has_begun() || pool.wait_idle_timeout(Duration::ZERO) == Ok(true));
                pool.shutdown_now();
            });
        }
        for (n, (root, (task, mut handle))) in plan.roots.iter().zip(handles).enumerate() {
            let outcome = match n % 3 {
                0 => handle.join(),
                1 => pool.block_on(handle),
                _ => handle.join_timeout(Duration::MAX).unwrap(),
            };
            if is_sure {
                assert_eq!(*outcome.as_ref().unwrap(), root.expected());
            }
            world.note(task, outcome);
        }
    });
    pool.wait_idle().unwrap();
    let tasks = std::mem::take(&mut *world.tasks.lock().unwrap());
    assert!(tasks.iter().all(CancelHandle::is_finished));
    assert_eq!(
        world.drops.count(),
        world.made.load(Ordering::SeqCst),
        "drops"
    );
    for (task, said) in &*world.said.lock().unwrap() {
        let gave = world.gave.lock().unwrap().get(task).copied();
        assert!(!(*said && gave == Some(true)), "task {task} was cancelled");
    }
    let free = world
        .semaphores
        .each_ref()
        .map(Semaphore::available_permits);
    assert_eq!(free, [1, 2]);
    pool.shutdown();
    assert!(pool.is_terminated());
    assert_eq!(Arc::strong_count(&world), 1, "shares of the world");
}

#[test]
fn trees_of_futures_and_closures_end_whatever_is_cancelled() {
    let config = Config {
        cases: Config::default().cases * 2,
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let limit = Cell::new(HANG);
    let ends = |plan: Plan| {
        let ends = || within(limit.get(), move || carry_out(plan));
        let ended = catch_unwind(AssertUnwindSafe(ends));
        ended.or_else(|why| {
            limit.set(LIMIT_OF_SMALLER);
            resume_unwind(why)
        })
    };
    if let Err(error) = TestRunner::new(config).run(&plans(), ends) {
        panic!("{error}");
    }
}
