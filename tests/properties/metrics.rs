//! The counts of a pool always add up, and in the end they are those of the outcomes that the
//! handles have returned.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, any, prop_oneof};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};
use workmill::{
    Builder, CancelReason, Group, GroupMetrics, JoinError, JoinHandle, Metrics, Overflow,
    ThreadPoolExecutor, yield_now,
};

use crate::support::{HANG, within};

/// The time that a program may take which is tried because a larger one has failed.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
struct Node {
    kind: Kind,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Closure,
    Future,
    /// A closure of the group.
    Grouped,
    /// A future of the group.
    GroupedFuture,
    /// A closure that may expire before it begins.
    Hurried,
    /// A closure that is due a little later, unless the program is stopped early.
    Later,
}

#[derive(Debug, Clone)]
enum Step {
    Yield,
    Child(Node, How),
    /// That many tasks that borrow, of which one may panic and cancel the others.
    Scope(usize, Option<usize>),
    Panic,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Joins,
    Last,
    Cancels,
}

impl How {
    /// A task of the group is not waited for in a task: that may be one of the group, and keeps its
    /// permit.
    fn for_kind(self, kind: Kind) -> Self {
        match (self, kind) {
            (Self::Joins, Kind::Grouped | Kind::GroupedFuture) => Self::Last,
            (how, _) => how,
        }
    }
}

#[derive(Debug, Clone)]
struct Plan {
    threads: usize,
    bound: Option<(usize, Overflow)>,
    limit: usize,
    roots: Vec<Node>,
    /// When that many tasks have begun, the pool is stopped.
    stop: Option<u64>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let overflow = prop_oneof![
        Just(Overflow::Block),
        Just(Overflow::CallerRuns),
        Just(Overflow::DropOldest),
        Just(Overflow::DropNewest),
        Just(Overflow::Reject),
    ];
    let bound = option::of((1..4_usize, overflow));
    let plan = (
        1..4_usize,
        bound,
        1..3_usize,
        vec(nodes(), 1..6),
        option::weighted(0.4, 0..20_u64),
    );
    plan.prop_map(|(threads, bound, limit, roots, stop)| Plan {
        threads,
        bound,
        limit,
        roots,
        stop,
    })
}

fn nodes() -> impl Strategy<Value = Node> {
    let kinds = || {
        prop_oneof![
            4 => Just(Kind::Closure),
            3 => Just(Kind::Future),
            2 => Just(Kind::Grouped),
            2 => Just(Kind::GroupedFuture),
            1 => Just(Kind::Hurried),
            1 => Just(Kind::Later),
        ]
    };
    let node = |(kind, steps)| Node { kind, steps };
    let leaf = (kinds(), vec(steps(), 0..3)).prop_map(node);
    leaf.prop_recursive(4, 48, 5, move |inner| {
        let hows =
            prop_oneof![1 => Just(How::Joins), 2 => Just(How::Last), 1 => Just(How::Cancels)];
        let child = (inner, hows).prop_map(|(child, how)| Step::Child(child, how));
        let step = prop_oneof![1 => steps(), 2 => child];
        (kinds(), vec(step, 0..6)).prop_map(node)
    })
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Yield),
        1 => (1..5_usize, option::of(any::<usize>())).prop_map(|(n, one)| Step::Scope(n, one)),
        1 => Just(Step::Panic),
    ]
}

/// The outcomes that handles have returned.
#[derive(Debug, Default)]
struct Outcomes {
    made: AtomicU64,
    values: AtomicU64,
    panics: AtomicU64,
    requested: AtomicU64,
    expired: AtomicU64,
    scope_failed: AtomicU64,
    /// Refused, dropped in favour of others, or cancelled by the end.
    refused: AtomicU64,
}

impl Outcomes {
    fn add<T>(&self, outcome: &Result<T, JoinError>) {
        let count = match outcome {
            Ok(_) => &self.values,
            Err(error) if error.is_panic() => &self.panics,
            Err(error) => match error.cancel_reason() {
                Some(CancelReason::Cancelled) => &self.requested,
                Some(CancelReason::Expired) => &self.expired,
                Some(CancelReason::ScopeFailed) => &self.scope_failed,
                Some(CancelReason::Rejected | CancelReason::Shutdown) => &self.refused,
                other => panic!("{other:?}"),
            },
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.made.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    pool: ThreadPoolExecutor,
    group: Group,
    stop: Option<u64>,
    begun: AtomicU64,
    all: Outcomes,
    of_group: Outcomes,
    /// Handles that nobody has joined.
    left: Mutex<Vec<(bool, JoinHandle<()>)>>,
}

impl World {
    /// Returns the handle, and whether it is that of a task of the group.
    fn submit(self: &Arc<Self>, node: Node) -> (bool, JoinHandle<()>) {
        let (world, steps) = (Arc::clone(self), node.steps);
        let hurried = self.pool.start_within(Duration::from_micros(50));
        let later = Duration::from_micros(200);
        match node.kind {
            Kind::Closure => (false, self.pool.submit(move || world.run(steps))),
            Kind::Future => (false, self.pool.spawn(world.run_future(steps))),
            Kind::Grouped => (true, self.group.submit(move || world.run(steps))),
            Kind::GroupedFuture => (true, self.group.spawn(world.run_future(steps))),
            Kind::Hurried => (false, hurried.submit(move || world.run(steps))),
            Kind::Later if self.stop.is_none() => (
                false,
                self.pool.submit_after(later, move || world.run(steps)),
            ),
            Kind::Later => (false, self.pool.submit(move || world.run(steps))),
        }
    }

    fn begins(&self) {
        if Some(self.begun.fetch_add(1, Ordering::SeqCst)) == self.stop {
            self.pool.shutdown_now();
        }
    }

    fn add<T>(&self, is_grouped: bool, outcome: &Result<T, JoinError>) {
        self.all.add(outcome);
        if is_grouped {
            self.of_group.add(outcome);
        }
    }

    fn join(&self, (is_grouped, handle): (bool, JoinHandle<()>)) {
        self.add(is_grouped, &handle.join());
    }

    fn run(self: &Arc<Self>, steps: Vec<Step>) {
        self.begins();
        for step in steps {
            match step {
                Step::Yield => std::thread::yield_now(),
                Step::Panic => panic!("on purpose"),
                Step::Scope(tasks, panics) => self.scope(tasks, panics),
                Step::Child(node, how) => self.child(node, how),
            }
        }
    }

    fn child(self: &Arc<Self>, node: Node, how: How) {
        let how = how.for_kind(node.kind);
        let is_later = matches!(node.kind, Kind::Later);
        let (is_grouped, handle) = self.submit(node);
        match how {
            How::Joins => self.join((is_grouped, handle)),
            How::Cancels if !is_later => {
                handle.cancel();
                self.left.lock().unwrap().push((is_grouped, handle));
            }
            How::Last | How::Cancels => self.left.lock().unwrap().push((is_grouped, handle)),
        }
    }

    fn scope(&self, tasks: usize, panics: Option<usize>) {
        let panics = panics.map(|one| one % tasks);
        self.pool.scope(|scope| {
            scope.cancel_on_panic();
            let body = |n| assert_ne!(Some(n), panics, "on purpose");
            let handles: Vec<_> = (0..tasks).map(|n| scope.submit(move || body(n))).collect();
            handles.into_iter().for_each(|it| self.all.add(&it.join()));
        });
    }

    fn run_future(
        self: Arc<Self>,
        steps: Vec<Step>,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            self.begins();
            for step in steps {
                match step {
                    Step::Yield => yield_now().await,
                    Step::Panic => panic!("on purpose"),
                    Step::Scope(tasks, panics) => self.scope(tasks, panics),
                    Step::Child(node, how) if matches!(how.for_kind(node.kind), How::Joins) => {
                        let (is_grouped, handle) = self.submit(node);
                        // Noted also if this future is cancelled meanwhile.
                        let world = Arc::clone(&self);
                        let (done, told) = async_channel::bounded(1);
                        handle.on_done(move |outcome| {
                            world.add(is_grouped, &outcome);
                            let _ = done.try_send(());
                        });
                        let _ = told.recv().await;
                    }
                    Step::Child(node, how) => self.child(node, how),
                }
            }
        })
    }
}

fn adds_up(metrics: &Metrics) {
    let Metrics {
        accepted,
        queued,
        in_progress,
        finished,
        panicked,
        cancelled,
        ..
    } = metrics;
    let sum = queued + in_progress + finished + panicked + cancelled.total();
    assert_eq!(*accepted, sum, "{metrics:?}");
}

fn grows(before: &Metrics, after: &Metrics) {
    let counts = |it: &Metrics| {
        let cancelled = it.cancelled.total();
        [
            it.accepted,
            it.started,
            it.panicked,
            cancelled,
            it.total.polls,
        ]
    };
    let (before, after) = (counts(before), counts(after));
    let grown = before
        .iter()
        .zip(&after)
        .all(|(before, after)| before <= after);
    assert!(grown, "{before:?} {after:?}");
}

/// Calls `body` while another thread looks at the counts.
fn watched<R>(pool: &ThreadPoolExecutor, group: &Group, body: impl FnOnce() -> R) -> R {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut before = pool.metrics();
            while !over.load(Ordering::Relaxed) {
                let after = pool.metrics();
                adds_up(&after);
                grows(&before, &after);
                group_adds_up(&group.metrics());
                before = after;
                std::thread::yield_now();
            }
        });
        let result = catch_unwind(AssertUnwindSafe(body));
        over.store(true, Ordering::Relaxed);
        watcher.join().unwrap();
        result.unwrap_or_else(|why| resume_unwind(why))
    })
}

fn group_adds_up(metrics: &GroupMetrics) {
    let ended = metrics.finished + metrics.panicked + metrics.cancelled.total();
    let sum = metrics.queued + metrics.in_progress + ended;
    assert_eq!(metrics.accepted, sum, "{metrics:?}");
}

fn carry_out(plan: Plan) {
    let builder = Builder::new().threads(plan.threads);
    let builder = match plan.bound {
        None => builder,
        Some((tasks, overflow)) => builder.queue_capacity(tasks).overflow(overflow),
    };
    let pool = builder.build().unwrap();
    let world = Arc::new(World {
        group: pool.limited(plan.limit),
        pool: pool.clone(),
        stop: plan.stop,
        begun: AtomicU64::new(0),
        all: Outcomes::default(),
        of_group: Outcomes::default(),
        left: Mutex::new(Vec::new()),
    });
    watched(&pool, &world.group, || {
        let roots: Vec<_> = plan.roots.into_iter().map(|it| world.submit(it)).collect();
        roots.into_iter().for_each(|root| world.join(root));
        loop {
            let left = world.left.lock().unwrap().pop();
            match left {
                Some(handle) => world.join(handle),
                None if pool.wait_idle_timeout(Duration::MAX).unwrap()
                    && world.left.lock().unwrap().is_empty() =>
                {
                    break;
                }
                None => {}
            }
        }
    });
    pool.shutdown();
    let metrics = pool.metrics();
    adds_up(&metrics);
    assert_eq!((metrics.queued, metrics.in_progress), (0, 0), "{metrics:?}");
    assert_eq!(metrics.live_threads, 0);
    // A future that was cancelled may have begun.
    let returned = metrics.finished + metrics.panicked;
    let begun = returned..=returned + metrics.cancelled.total();
    assert!(begun.contains(&metrics.started), "{metrics:?}");
    let refused = metrics.rejected as u64 - metrics.cancelled.rejected;
    is_told(
        &world.all,
        refused,
        &metrics,
        metrics.accepted,
        metrics.cancelled,
    );
    let group = world.group.metrics();
    group_adds_up(&group);
    assert_eq!((group.queued, group.in_progress), (0, 0), "{group:?}");
    let refused = world.of_group.made.load(Ordering::Relaxed) - group.accepted;
    let mut of_group = metrics;
    (of_group.finished, of_group.panicked) = (group.finished, group.panicked);
    is_told(
        &world.of_group,
        refused,
        &of_group,
        group.accepted,
        group.cancelled,
    );
}

/// The counts are those of the outcomes that the handles have returned.
fn is_told(
    outcomes: &Outcomes,
    refused: u64,
    metrics: &Metrics,
    accepted: u64,
    cancelled: workmill::CancelCounts,
) {
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let why = || format!("{outcomes:?} {metrics:?} {cancelled:?}");
    // A scope that has failed accepts no more tasks.
    let scope_failed = get(&outcomes.scope_failed);
    let by_scope = scope_failed.checked_sub(cancelled.scope_failed);
    let refused_all = refused + by_scope.unwrap_or_else(|| panic!("{}", why()));
    assert_eq!(get(&outcomes.made), accepted + refused_all, "{}", why());
    assert_eq!(get(&outcomes.values), metrics.finished, "{}", why());
    assert_eq!(get(&outcomes.panics), metrics.panicked, "{}", why());
    assert_eq!(get(&outcomes.requested), cancelled.requested, "{}", why());
    assert_eq!(get(&outcomes.expired), cancelled.expired, "{}", why());
    let by_pool = cancelled.rejected + cancelled.shutdown + refused;
    assert_eq!(get(&outcomes.refused), by_pool, "{}", why());
}

#[test]
fn the_counts_add_up_at_all_times_and_are_those_of_the_outcomes_in_the_end() {
    let config = Config {
        cases: Config::default().cases * 2,
        failure_persistence: None,
        max_shrink_time: 60_000,
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
