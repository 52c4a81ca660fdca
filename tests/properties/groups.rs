//! Of a group no more tasks run than it is limited to, at any nesting, whatever is joined, awaited,
//! cancelled, shut down or over capacity; and each task has one outcome.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, any, prop_oneof};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use workmill::{
    CancelHandle, CancelToken, Group, JoinHandle, Overflow, PoolRef, Priority, ThreadPoolExecutor,
    block_on, yield_now,
};

use crate::support::{Counted, Drops, HANG, within};

/// The time that a program may take which is tried because a larger one has failed.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
struct Node {
    is_future: bool,
    /// How many groups further in than its parent the task is.
    further: usize,
    priority: Option<bool>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Yield,
    Child(Node, How),
    /// Cancels some task, which may be any.
    Cancel(usize),
    Panic,
}

#[derive(Debug, Clone, Copy)]
enum How {
    /// A future awaits, a closure joins.
    Plain,
    /// A closure blocks on the handle.
    Blocks,
    Last,
    Never,
    Unwanted,
    /// It has no handle, no priority and no token.
    Detached,
}

#[derive(Debug, Clone)]
struct Plan {
    threads: usize,
    /// Each group but the first is within the one before.
    groups: Vec<(usize, Option<usize>, Overflow)>,
    /// Whether it has a handle.
    roots: Vec<(Node, bool)>,
    /// When this many tasks have begun, one of the ways to end things early.
    end: Option<(usize, End)>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Pool,
    Group(usize),
    Token,
}

fn plans() -> impl Strategy<Value = Plan> {
    let overflow = prop_oneof![
        3 => Just(Overflow::Block),
        1 => Just(Overflow::CallerRuns),
        1 => Just(Overflow::DropOldest),
        1 => Just(Overflow::Reject),
    ];
    let group = (1..4_usize, option::of(1..4_usize), overflow);
    let end = prop_oneof![
        Just(End::Pool),
        any::<usize>().prop_map(End::Group),
        Just(End::Token)
    ];
    let plan = (
        1..4_usize,
        vec(group, 1..4),
        vec((nodes(), any::<bool>()), 1..5),
        option::of((0..20_usize, end)),
    );
    plan.prop_map(|(threads, groups, roots, end)| Plan {
        threads,
        groups,
        roots,
        end,
    })
}

fn nodes() -> impl Strategy<Value = Node> {
    let heads = || (any::<bool>(), 0..2_usize, option::of(any::<bool>()));
    let node = |((is_future, further, priority), steps)| Node {
        is_future,
        further,
        priority,
        steps,
    };
    let leaf = (heads(), vec(steps(), 0..3)).prop_map(node);
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let hows = prop_oneof![
            3 => Just(How::Plain),
            1 => Just(How::Blocks),
            2 => Just(How::Last),
            1 => Just(How::Never),
            1 => Just(How::Unwanted),
            2 => Just(How::Detached),
        ];
        let child = (inner, hows).prop_map(|(child, how)| Step::Child(child, how));
        let step = prop_oneof![1 => steps(), 2 => child];
        (heads(), vec(step, 0..5)).prop_map(node)
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Yield),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => Just(Step::Panic),
    ]
}

/// All that the tasks share.
struct World {
    groups: Vec<(Group, PoolRef, usize)>,
    running: Vec<AtomicUsize>,
    too_many: AtomicBool,
    begun: AtomicUsize,
    made: AtomicUsize,
    drops: Drops,
    tasks: Mutex<Vec<CancelHandle>>,
    end: Option<(usize, End)>,
    token: CancelToken,
    pool: Mutex<Option<ThreadPoolExecutor>>,
}

/// A task of a group that runs, except while it waits.
struct Running<'a> {
    world: &'a World,
    group: usize,
    counts: bool,
}

impl<'a> Running<'a> {
    fn begin(world: &'a World, group: usize) -> Self {
        let mut running = Self {
            world,
            group,
            counts: false,
        };
        running.go_on();
        running
    }

    /// The task runs on, and counts in its group and in those around it.
    fn go_on(&mut self) {
        self.counts = true;
        for group in 0..=self.group {
            let now = self.world.running[group].fetch_add(1, Ordering::SeqCst) + 1;
            if now > self.world.groups[group].2 {
                self.world.too_many.store(true, Ordering::SeqCst);
            }
        }
    }

    fn wait(&mut self) {
        if std::mem::take(&mut self.counts) {
            for group in 0..=self.group {
                self.world.running[group].fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.wait();
    }
}

impl World {
    fn submit(self: &Arc<Self>, node: Node, outer: usize) -> JoinHandle<()> {
        let group = (outer + node.further).min(self.groups.len() - 1);
        let view = &self.groups[group].1;
        let view = match node.priority {
            None => view.clone(),
            Some(true) => view.priority(Priority::High),
            Some(false) => view.priority(Priority::Low),
        };
        self.made.fetch_add(1, Ordering::SeqCst);
        let (world, value) = (Arc::clone(self), self.drops.value());
        let handle = match node.is_future {
            true => view.spawn(run_future(world, value, node.steps, group)),
            false => view.submit(move || run_closure(&world, &value, node.steps, group)),
        };
        self.tasks.lock().unwrap().push(handle.cancel_handle());
        handle
    }

    fn detach(self: &Arc<Self>, node: Node, outer: usize) {
        let group = (outer + node.further).min(self.groups.len() - 1);
        self.made.fetch_add(1, Ordering::SeqCst);
        let (world, value) = (Arc::clone(self), self.drops.value());
        let closure = move || run_closure(&world, &value, node.steps, group);
        self.groups[group].0.execute(closure);
    }

    fn begins(&self) {
        let begun = self.begun.fetch_add(1, Ordering::SeqCst);
        let Some((_, end)) = self.end.filter(|(at, _)| *at == begun) else {
            return;
        };
        match end {
            End::Token => self.token.cancel(),
            End::Group(group) => {
                self.groups[group % self.groups.len()].0.shutdown_now();
            }
            End::Pool => {
                let pool = self.pool.lock().unwrap().clone();
                pool.iter().for_each(|pool| {
                    pool.shutdown_now();
                });
            }
        }
    }

    fn cancel(&self, some: usize) {
        let task = {
            let tasks = self.tasks.lock().unwrap();
            // There is none if the first task is here before its submitter has its handle.
            tasks.get(some % tasks.len().max(1)).cloned()
        };
        if let Some(task) = task {
            task.cancel();
        }
    }
}

fn run_closure(world: &Arc<World>, _: &Counted, steps: Vec<Step>, group: usize) {
    let mut running = Running::begin(world, group);
    world.begins();
    let mut last = Vec::new();
    for step in steps {
        match step {
            Step::Yield => std::thread::yield_now(),
            Step::Panic => panic!("on purpose"),
            Step::Cancel(some) => world.cancel(some),
            Step::Child(node, How::Detached) => world.detach(node, group),
            Step::Child(node, how) => {
                let child = world.submit(node, group);
                running.wait();
                match how {
                    How::Plain => drop(child.join()),
                    How::Blocks => drop(block_on(child)),
                    How::Last => last.push(child),
                    How::Never | How::Detached => drop(child),
                    How::Unwanted => drop(child.cancel_on_drop()),
                }
                running.go_on();
            }
        }
    }
    running.wait();
    last.into_iter().for_each(|child| drop(child.join()));
    running.go_on();
}

fn run_future(
    world: Arc<World>,
    value: Counted,
    steps: Vec<Step>,
    group: usize,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let _value = value;
        let mut running = Running::begin(&world, group);
        world.begins();
        let mut last = Vec::new();
        for step in steps {
            match step {
                Step::Yield => yield_now().await,
                Step::Panic => panic!("on purpose"),
                Step::Cancel(some) => world.cancel(some),
                Step::Child(node, How::Detached) => world.detach(node, group),
                Step::Child(node, how) => {
                    let child = world.submit(node, group);
                    running.wait();
                    match how {
                        How::Plain | How::Blocks => drop(child.await),
                        How::Last => last.push(child),
                        How::Never | How::Detached => drop(child),
                        How::Unwanted => drop(child.cancel_on_drop()),
                    }
                    running.go_on();
                }
            }
        }
        running.wait();
        for child in last.into_iter().rev() {
            drop(child.await);
        }
        running.go_on();
    })
}

fn carry_out(plan: Plan) {
    let pool = ThreadPoolExecutor::new(plan.threads).unwrap();
    let token = CancelToken::new();
    let mut groups: Vec<(Group, PoolRef, usize)> = Vec::new();
    for (limit, capacity, overflow) in plan.groups {
        let group = match groups.last() {
            None => pool.limited(limit),
            Some((outer, ..)) => outer.limited(limit),
        };
        let group = match capacity {
            None => group,
            Some(capacity) => group.queue_capacity(capacity).overflow(overflow),
        };
        let view = group.cancel_with(&token);
        groups.push((group, view, limit));
    }
    let world = Arc::new(World {
        running: groups.iter().map(|_| AtomicUsize::new(0)).collect(),
        groups,
        too_many: AtomicBool::new(false),
        begun: AtomicUsize::new(0),
        made: AtomicUsize::new(0),
        drops: Drops::default(),
        tasks: Mutex::new(Vec::new()),
        end: plan.end,
        token,
        pool: Mutex::new(Some(pool.clone())),
    });
    let roots = plan.roots.into_iter().map(|(root, has_handle)| {
        if !has_handle {
            world.detach(root, 0);
            return None;
        }
        Some(world.submit(root, 0))
    });
    let roots: Vec<_> = roots.flatten().collect();
    roots.into_iter().for_each(|root| drop(root.join()));
    world.groups[0].0.wait_idle().unwrap();
    world.pool.lock().unwrap().take();
    pool.shutdown();
    assert!(
        !world.too_many.load(Ordering::SeqCst),
        "more than the limit ran"
    );
    let (made, dropped) = (world.made.load(Ordering::SeqCst), world.drops.count());
    assert_eq!(made, dropped, "each task is dropped once");
    let tasks = world.tasks.lock().unwrap();
    assert!(tasks.iter().all(CancelHandle::is_finished));
}

#[test]
fn no_more_of_a_group_run_than_its_limit_and_each_task_has_one_outcome() {
    let config = Config {
        cases: Config::default().cases * 2,
        failure_persistence: None,
        max_shrink_time: 120_000,
        ..Config::default()
    };
    let limit = Cell::new(HANG);
    let holds = |plan: Plan| {
        let holds = || within(limit.get(), move || carry_out(plan));
        let held = catch_unwind(AssertUnwindSafe(holds));
        held.or_else(|why| {
            limit.set(LIMIT_OF_SMALLER);
            resume_unwind(why)
        })
    };
    if let Err(error) = TestRunner::new(config).run(&plans(), holds) {
        panic!("{error}");
    }
}
