//! 300 tasks wait for an event that the next one sets, on five threads.
//!
//! In a pool of Python's that hangs as soon as all threads wait: the last task never gets one. Here
//! futures that wait have no thread anyway; and closures that wait give their slots in the pool to
//! others, for which it starts more threads.

use std::error::Error;
use std::sync::Arc;

use workmill::{Event, Latch, ThreadPoolExecutor};

use crate::THREADS;

const WAITING: usize = 300;

pub(crate) fn futures() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(THREADS)?;
    let office = Arc::new(Office::new());
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let office = Arc::clone(&office);
            pool.spawn(async move {
                office.arrived.count_down();
                office.open.wait_async().await;
            })
        })
        .collect();
    let last = Arc::clone(&office);
    let threads = pool.spawn(async move {
        last.arrived.wait_async().await;
        last.open()
    });
    let threads = threads.join()?;
    for task in waiting {
        task.join()?;
    }
    println!("{WAITING} futures waited for one, on {threads} threads");
    assert!(threads <= THREADS);
    Ok(())
}

pub(crate) fn closures() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(THREADS)?;
    let office = Arc::new(Office::new());
    let waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let office = Arc::clone(&office);
            pool.submit(move || {
                office.arrived.count_down();
                office.open.wait();
            })
        })
        .collect();
    let last = Arc::clone(&office);
    let threads = pool.submit(move || {
        last.arrived.wait();
        last.open()
    });
    let threads = threads.join()?;
    for task in waiting {
        task.join()?;
    }
    println!("{WAITING} closures waited for one, on {threads} threads");
    assert!(threads > WAITING);
    Ok(())
}

/// An office in front of which tasks wait until it opens.
struct Office {
    arrived: Latch,
    open: Event,
}

impl Office {
    fn new() -> Self {
        Self {
            arrived: Latch::new(WAITING),
            open: Event::new(),
        }
    }

    /// Opens the office; returns the number of threads just before.
    fn open(&self) -> usize {
        let pool = workmill::current().expect("a task has a pool");
        let threads = pool.metrics().live_threads;
        self.open.set();
        threads
    }
}
