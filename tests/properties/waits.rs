//! Random programs that finish with a thread for each task finish on pools of every kind, with the
//! same results.

mod objects;
mod plan;
mod program;
mod weaver;
mod world;

use std::cell::Cell;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use workmill::{Builder, ThreadPoolExecutor};

use crate::support::HANG;

use self::plan::{Plan, plans, plans_that_set_threads};
use self::program::Program;
use self::world::{Ended, MOST_THREADS, Outcome, World};

/// The time that a program may take which is tried because a larger one has failed.
const LIMIT_OF_SMALLER: Duration = Duration::from_secs(10);

/// The time for which the pools are patient with tasks that wait for room.
const PATIENCE: Duration = Duration::from_micros(100);

/// The kind of pool that a program runs on.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// With none, each task has a thread.
    pools: usize,
    threads: usize,
    /// The capacities of the first pool and the second.
    capacities: [Option<usize>; 2],
    /// The number of threads is changed from outside now and then.
    is_resized: bool,
    /// Idle threads end at once, and there are no more spare threads than the program needs.
    is_tight: bool,
    /// The pool is shut down as soon as the tasks outside have ended.
    ends_early: bool,
}

const REFERENCE: Kind = Kind {
    pools: 0,
    threads: 0,
    capacities: [None; 2],
    is_resized: false,
    is_tight: false,
    ends_early: false,
};

impl Kind {
    fn build(self, pool: usize, program: &Program) -> ThreadPoolExecutor {
        let mut builder = Builder::new()
            .threads(self.threads)
            .max_threads(MOST_THREADS)
            .give_way(PATIENCE)
            .on_warning(|_| ());
        if let Some(tasks) = self.capacities[pool] {
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

/// The capacities of two pools. The first are those of a pool that is alone.
const CAPACITIES: [[Option<usize>; 2]; 5] = [
    [None, Some(0)],
    [Some(0), Some(0)],
    [Some(1), None],
    [Some(2), Some(1)],
    [Some(3), Some(2)],
];

/// Returns each number of threads with each capacity.
fn kinds(pools: usize) -> Vec<Kind> {
    let kind = |threads, capacities| Kind {
        pools,
        threads,
        capacities,
        is_resized: false,
        is_tight: false,
        ends_early: false,
    };
    [1, 2, 3, 8]
        .into_iter()
        .flat_map(|threads| CAPACITIES.map(|capacities| kind(threads, capacities)))
        .collect()
}

/// Runs a program; an error says why it did not finish.
fn run(program: &Arc<Program>, kind: Kind, limit: Duration) -> Result<Outcome, String> {
    let pools: Vec<_> = (0..kind.pools).map(|n| kind.build(n, program)).collect();
    let (tell, told) = mpsc::channel();
    let world = World::new(program, pools.clone(), tell);
    let outcome = Run {
        world,
        told,
        kind,
        pools: pools.clone(),
        end: Instant::now() + limit,
        returned: vec![None; program.tasks.len()],
        heard: 0,
    }
    .watch();
    if outcome.is_err() {
        // The drop must not wait for a task that hangs.
        pools.iter().for_each(|pool| pool.shutdown_background());
    }
    outcome
}

/// A program on its way.
struct Run {
    world: Arc<World>,
    told: mpsc::Receiver<Ended>,
    kind: Kind,
    pools: Vec<ThreadPoolExecutor>,
    end: Instant,
    returned: Vec<Option<u64>>,
    /// The number of tasks that have ended.
    heard: usize,
}

impl Run {
    fn watch(mut self) -> Result<Outcome, String> {
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
            self.shut_down()?;
        }
        while self.returned.contains(&None) {
            self.hear()?;
        }
        for pool in &self.pools {
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
        self.shut_down()?;
        for thread in threads {
            drop(thread.join());
        }
        if !self.pools.is_empty() {
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
        self.heard += 1;
        if self.kind.is_resized && self.heard % 4 == 0 {
            let threads = 1 + self.heard / 4 * 5 % MOST_THREADS;
            let set = |pool: &ThreadPoolExecutor| pool.set_threads(threads).unwrap();
            self.pools.iter().for_each(set);
        }
        Ok(())
    }

    fn shut_down(&self) -> Result<(), String> {
        for pool in &self.pools {
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
            false => {
                let mut why = otherwise() + "\n" + &self.world.stuck(&self.returned);
                for pool in &self.pools {
                    why += &format!("{:?}\n", pool.metrics());
                }
                Err(why)
            }
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
        kind.is_resized = n % 2 == 0;
    }
    holds_on(&kinds, 10, plans_that_set_threads());
}

#[test]
fn what_finishes_with_a_thread_for_each_task_finishes_on_two_pools_that_need_each_other() {
    let mut kinds = kinds(2);
    for (n, kind) in kinds.iter_mut().enumerate() {
        kind.is_resized = n % 3 == 0;
    }
    holds_on(&kinds, 10, plans());
}
