//! 50,000 futures that sleep for a second, all at the same time, on five threads.
//!
//! The program does little else: it starts them, and they report that they have slept.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use workmill::timer::sleep;
use workmill::{Latch, ThreadPoolExecutor};

use crate::{THREADS, heap};

const TASKS: usize = 50_000;
const NAP: Duration = Duration::from_secs(1);

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(THREADS)?;
    let night = Arc::new(Night {
        in_bed: Latch::new(TASKS),
        awake: AtomicUsize::new(0),
    });
    let (began, before) = (Instant::now(), heap::now());
    for _ in 0..TASKS {
        let night = Arc::clone(&night);
        // The handle is not needed: its drop lets the task go on.
        pool.spawn(async move { night.sleep().await });
    }
    night.in_bed.wait();
    let sleeping = TASKS - night.awake.load(Relaxed);
    let bytes = heap::now() - before;
    let threads = pool.metrics().live_threads;
    pool.wait_idle()?;
    let took = began.elapsed();
    let most = heap::most() - before;

    println!("{sleeping} tasks sleep on {threads} threads");
    println!("each takes {} bytes", bytes / TASKS);
    println!("all take {most} bytes at most");
    println!("they have slept after {:.2} s", took.as_secs_f64());
    assert_eq!(sleeping, TASKS);
    assert_eq!(night.awake.load(Relaxed), TASKS);
    assert!(threads <= THREADS, "{threads} threads");
    assert!((NAP..2 * NAP).contains(&took), "{took:?}");
    Ok(())
}

/// Shared by the sleepers.
struct Night {
    in_bed: Latch,
    awake: AtomicUsize,
}

impl Night {
    async fn sleep(&self) {
        let nap = sleep(NAP);
        self.in_bed.count_down();
        nap.await;
        self.awake.fetch_add(1, Relaxed);
    }
}
