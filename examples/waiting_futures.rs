//! 300 futures wait for an event that one more sets, on five threads.
//!
//! A pool of Python's hangs as soon as all its threads wait: the last task never gets one. Here
//! a future that waits has no thread.

use std::error::Error;
use std::sync::Arc;

use workmill::{Event, Latch, ThreadPoolExecutor, current};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(5)?;
    let office = Arc::new((Latch::new(300), Event::new()));
    for _ in 0..300 {
        let office = Arc::clone(&office);
        pool.spawn(async move {
            let (all_are_here, open) = &*office;
            all_are_here.count_down();
            open.wait_async().await;
        });
    }
    let last = pool.spawn(async move {
        let (all_are_here, open) = &*office;
        all_are_here.wait_async().await;
        let threads = current().unwrap().metrics().live_threads;
        open.set();
        threads
    });
    let threads = last.join()?;
    pool.wait_idle()?;
    println!("300 futures waited for one, on {threads} threads");
    Ok(())
}
