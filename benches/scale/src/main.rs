//! What the lines that all workers write cost on more processors than this machine has: a discrete
//! simulation.
//!
//! ```sh
//! cargo run --release -p workmill-scale
//! ```
//!
//! A worker does one task after the other: it computes, and then writes some lines. A line that the
//! worker has written last costs it a read-modify-write. Any other has to come from the worker that
//! has it, which costs a transfer, and a line that several want is handed to one after the other.
//! That is all that is simulated: neither reads, nor the queues' lengths, nor sleep. So a figure is
//! a lower bound for what a line costs once many want it, and tells which line would be in the way.
//!
//! The first two costs are measured on this machine. The last is from measurements that others have
//! published of processors whose cores are in groups of eight with a cache each (AMD EPYC: 80 ns
//! and more from one group to another).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

/// The nanoseconds that it takes to write a line.
#[derive(Clone, Copy)]
struct Costs {
    /// One that the worker has.
    own: u64,
    /// One that a worker of the same group has.
    near: u64,
    /// One that a worker of another group has.
    far: u64,
}

/// The workers that share a cache.
const GROUP: usize = 8;

/// From one group to another, in nanoseconds.
const FAR: u64 = 80;

impl Costs {
    fn measured() -> Self {
        let line = AtomicU64::new(0);
        let own = time(|| _ = line.fetch_add(1, Ordering::SeqCst));
        let near = thread::scope(|scope| {
            let other = scope.spawn(|| time(|| _ = line.fetch_add(1, Ordering::SeqCst)));
            let here = time(|| _ = line.fetch_add(1, Ordering::SeqCst));
            // Two that take turns: each waits for the other's, too.
            (here + other.join().expect("it counts")) / 4
        });
        let far = FAR.max(near);
        Self { own, near, far }
    }

    fn of(self, from: Option<usize>, to: usize) -> u64 {
        match from {
            Some(from) if from == to => self.own,
            Some(from) if from / GROUP != to / GROUP => self.far,
            _ => self.near,
        }
    }
}

/// Returns the nanoseconds that a call takes.
fn time(call: impl Fn()) -> u64 {
    const CALLS: u32 = 2_000_000;
    let began = Instant::now();
    (0..CALLS).for_each(|_| black_box(&call)());
    (began.elapsed() / CALLS).as_nanos().max(1) as u64
}

/// A step of a task.
#[derive(Clone, Copy)]
enum Step {
    /// Compute for so many nanoseconds.
    Compute(u64),
    /// Write a line that all workers share.
    Shared(usize),
    /// Write the line of another worker, any one.
    Others,
    /// Write the worker's own line, which others write by the step before.
    Own,
    /// Go on with the next task, except every so many tasks.
    SkipUnlessEvery(u64),
}

use Step::{Compute, Others, Own, Shared, SkipUnlessEvery};

/// What a worker does for each task.
struct Path {
    name: &'static str,
    steps: &'static [Step],
}

const SHARED_LINES: usize = 4;

/// Tasks of a microsecond. `ARCHITECTURE.md` has the lines of each path.
const PATHS: &[Path] = &[
    Path {
        name: "a task of the local queue",
        steps: &[Compute(1000)],
    },
    Path {
        name: "a task of a batch of 32 from the injector",
        steps: &[Compute(1000), SkipUnlessEvery(32), Shared(0)],
    },
    Path {
        name: "a submission from outside: the injector's tail, the tally",
        steps: &[Compute(1000), Shared(1), Shared(1), Shared(2)],
    },
    Path {
        name: "a task for which a worker was searching: the idle word",
        steps: &[Compute(1000), Shared(3), Shared(3)],
    },
    Path {
        name: "a half that is made public, and stolen: two places",
        steps: &[Compute(1000), Own, Own, Others, Others],
    },
    Path {
        name: "the same, if all places were one",
        steps: &[Compute(1000), Shared(0), Shared(0), Shared(0), Shared(0)],
    },
];

/// A line: which worker has it, and from when on another may have it.
#[derive(Clone, Copy, Default)]
struct Line {
    has: Option<usize>,
    free: u64,
}

/// Returns the nanoseconds of a task, for each worker, if there are so many.
fn simulate(path: &Path, workers: usize, costs: Costs) -> f64 {
    const END: u64 = 2_000_000;
    let mut lines = vec![Line::default(); SHARED_LINES + workers];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    // Each begins at another moment.
    let begin = |worker| Reverse((worker as u64 * 1000 / workers as u64, worker, 0_usize));
    let mut next: BinaryHeap<_> = (0..workers).map(begin).collect();
    let mut tasks = vec![0_u64; workers];
    while let Some(Reverse((now, worker, step))) = next.pop() {
        if now > END {
            break;
        }
        let Some(&what) = path.steps.get(step) else {
            tasks[worker] += 1;
            next.push(Reverse((now, worker, 0)));
            continue;
        };
        let line = match what {
            Compute(time) => {
                next.push(Reverse((now + time, worker, step + 1)));
                continue;
            }
            SkipUnlessEvery(tasks_between) => {
                let is_due = (tasks[worker] + 1) % tasks_between == 0;
                let step = if is_due { step + 1 } else { path.steps.len() };
                next.push(Reverse((now, worker, step)));
                continue;
            }
            Shared(line) => line,
            Own => SHARED_LINES + worker,
            Others => {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                SHARED_LINES + random as usize % workers
            }
        };
        let line = &mut lines[line];
        let done = now.max(line.free) + costs.of(line.has, worker);
        (line.has, line.free) = (Some(worker), done);
        next.push(Reverse((done, worker, step + 1)));
    }
    let all: u64 = tasks.iter().sum();
    END as f64 * workers as f64 / all as f64
}

fn main() {
    let costs = Costs::measured();
    let Costs { own, near, far } = costs;
    println!(
        "a line that the worker has: {own} ns; from a neighbour: {near} ns; from afar: {far} ns"
    );
    println!("nanoseconds of a task that computes for 1000, with that many workers:");
    println!("{:>8}{:>8}{:>8}{:>8}", 2, 8, 64, 256);
    for path in PATHS {
        for workers in [2, 8, 64, 256] {
            print!("{:>8.0}", simulate(path, workers, costs));
        }
        println!("  {}", path.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COSTS: Costs = Costs {
        own: 5,
        near: 20,
        far: 80,
    };

    fn of(path: usize, workers: usize) -> f64 {
        simulate(&PATHS[path], workers, COSTS)
    }

    #[test]
    fn a_worker_alone_pays_for_its_own_lines_only() {
        assert!((1015.0..1025.0).contains(&of(2, 1)));
    }

    #[test]
    fn a_line_that_all_want_is_handed_from_one_to_the_next() {
        // 256 workers, three lines each, of which the one that is written twice is written at once.
        assert!(of(2, 256) > 256.0 * 80.0);
        assert!((999.0..1010.0).contains(&of(0, 256)));
    }
}
