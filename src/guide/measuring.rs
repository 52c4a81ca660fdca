//! Measuring: what a task costs, whether threads help, and how not to be deceived.
//!
//! # Is it worth a task?
//!
//! A task costs some hundred nanoseconds from submission to result; the race in `benches/` has the
//! figures of one machine, with those of other pools beside them. So a task that computes for less
//! than some microseconds is better done many at a time: [`Map::chunk`](crate::Map::chunk),
//! [`map_slice`](crate::PoolRef::map_slice), or [`join`](crate::join()), whose halves cost some
//! nanoseconds while nobody wants them.
//!
//! # How to measure
//!
//! - **Optimised**: `cargo run --release`. Unoptimised, the pool's own code is most of what you
//!   see.
//! - **In turn**, not one after the other: first one variant, then the other, and again, in one
//!   process. Machines change their speed within seconds; only ratios within one run count.
//! - **Medians**, of ten rounds or so, and the spread beside them. A mean is made by its outliers.
//! - **A warm pool.** Threads start with their first work; run a few tasks before the clock starts.
//! - **Beside one thread.** Time the same work without any pool: it is the floor, and tells what
//!   the pool adds or saves.
//! - **Processor time, too.** A pool may be fast because it spins. On Linux `perf stat` or
//!   `/usr/bin/time` show it.
//!
//! ```
//! use std::hint::black_box;
//! use std::time::{Duration, Instant};
//! use workmill::ThreadPoolExecutor;
//!
//! fn grind(n: u64) -> u64 {
//!     (0..black_box(1_000)).fold(n, |sum, grain| sum.wrapping_mul(31).wrapping_add(grain))
//! }
//!
//! fn time(work: impl FnOnce()) -> Duration {
//!     let start = Instant::now();
//!     work();
//!     start.elapsed()
//! }
//!
//! let pool = ThreadPoolExecutor::new(2)?;
//! let sacks: Vec<u64> = (0..1_000).collect();
//! let _ = pool.map_slice(&sacks, |&sack| grind(sack))?; // warm
//! let mut ratios: Vec<f64> = (0..5)
//!     .map(|_| {
//!         let alone = time(|| {
//!             black_box(sacks.iter().map(|&sack| grind(sack)).collect::<Vec<_>>());
//!         });
//!         let pooled = time(|| {
//!             black_box(pool.map_slice(&sacks, |&sack| grind(sack))).unwrap();
//!         });
//!         pooled.as_secs_f64() / alone.as_secs_f64()
//!     })
//!     .collect();
//! ratios.sort_by(f64::total_cmp);
//! println!("{:.2} of the time of one thread", ratios[ratios.len() / 2]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # In a running program
//!
//! [`metrics`](crate::PoolRef::metrics) are always counted; [seeing](crate::guide::seeing) says
//! which of them answers what. Two looks and their difference tell the rate of anything:
//!
//! ```
//! use std::hint::black_box;
//!
//! let pool = workmill::ThreadPoolExecutor::new(2)?;
//! let before = pool.metrics();
//! for n in 0..100 {
//!     pool.execute(move || { black_box(n * n); });
//! }
//! pool.wait_idle()?;
//! let after = pool.metrics();
//! println!("{} tasks", after.finished - before.finished);
//! println!("busy for {:?}", after.total.busy - before.total.busy);
//! # assert_eq!(after.finished - before.finished, 100);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The race
//!
//! `cargo run --release -p workmill-race`, in the repository, compares this crate with ten other
//! pools, and with other semaphores and queues. `-- --list` shows its rows, `-- --rows pingpong`
//! runs one, `--json FILE` writes all that was measured, and `workmill-charts` draws it.
