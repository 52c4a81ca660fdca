//! Compares three pools to which closures are submitted: this crate's, by hand and the book's.
//!
//! By default criterion measures each contender alone. With `--in-turn` the contenders take turns,
//! round by round, and the medians and ratios hold on a noisy machine, too:
//!
//! ```sh
//! cargo bench -p workmill-compare -- --in-turn
//! ```

mod contenders;

use std::time::{Duration, Instant};

use contenders::{Book, ByHand, Contender, chain, pingpong, spawn_ext, submit_all};
use criterion::{BenchmarkId, Criterion, Throughput};
use workmill::ThreadPoolExecutor;

/// A workload for one contender: the pool, and the number of tasks.
type Workload<C> = fn(&C, usize);

/// The names and sizes of the workloads.
const WORKLOADS: [(&str, usize); 4] = [
    ("spawn_ext", 200_000),
    ("submit_all", 200_000),
    ("chain", 200_000),
    ("pingpong", 20_000),
];

fn workloads<C: Contender>() -> [Workload<C>; 4] {
    [spawn_ext, submit_all, chain, pingpong]
}

fn main() {
    if std::env::args().any(|argument| argument == "--in-turn") {
        in_turn(21);
    } else {
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_secs(2))
            .sample_size(20)
            .configure_from_args();
        with_criterion::<ThreadPoolExecutor>(&mut criterion);
        with_criterion::<ByHand>(&mut criterion);
        with_criterion::<Book>(&mut criterion);
        criterion.final_summary();
    }
}

fn with_criterion<C: Contender>(criterion: &mut Criterion) {
    let pool = C::start();
    for ((name, tasks), run) in WORKLOADS.into_iter().zip(workloads::<C>()) {
        let tasks = tasks / 10;
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(tasks as u64));
        group.bench_with_input(
            BenchmarkId::from_parameter(C::NAME),
            &tasks,
            |bench, &tasks| {
                bench.iter(|| run(&pool, tasks));
            },
        );
    }
}

/// One contender's times for one workload, in nanoseconds a task.
struct Times(Vec<f64>);

impl Times {
    fn median(&mut self) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[self.0.len() / 2]
    }
}

fn timed<C: Contender>(pool: &C, run: Workload<C>, tasks: usize, times: &mut Times) {
    let start = Instant::now();
    run(pool, tasks);
    times
        .0
        .push(start.elapsed().as_nanos() as f64 / tasks as f64);
}

fn in_turn(rounds: usize) {
    let (ours, hand, book) = (ThreadPoolExecutor::start(), ByHand::start(), Book::start());
    println!("medians of {rounds} rounds, ns a task; ratio = ours / by hand, round by round");
    println!(
        "{:<12}{:>10}{:>10}{:>10}{:>8}",
        "", "ours", "by hand", "book", "ratio"
    );
    for (index, (name, tasks)) in WORKLOADS.into_iter().enumerate() {
        let mut times = [(); 3].map(|()| Times(Vec::new()));
        for round in 0..=rounds {
            timed(&ours, workloads()[index], tasks, &mut times[0]);
            timed(&hand, workloads()[index], tasks, &mut times[1]);
            timed(&book, workloads()[index], tasks, &mut times[2]);
            if round == 0 {
                // The first round warms up.
                times.iter_mut().for_each(|times| times.0.clear());
            }
        }
        let ratios = times[0]
            .0
            .iter()
            .zip(&times[1].0)
            .map(|(ours, hand)| ours / hand);
        let ratio = Times(ratios.collect()).median();
        let [ours, hand, book] = times.each_mut().map(Times::median);
        println!("{name:<12}{ours:>10.1}{hand:>10.1}{book:>10.1}{ratio:>8.2}");
    }
}
