//! 300 closures wait for an event that one more sets, in a pool of five threads.
//!
//! A pool of Python's hangs as soon as all its threads wait: the last task never gets one. Here
//! a closure that waits gives its slot to another, for which the pool starts one more thread.

use std::error::Error;
use std::sync::Arc;

use workmill::{Event, Latch, ThreadPoolExecutor, current};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(5)?;
    let office = Arc::new((Latch::new(300), Event::new()));
    for _ in 0..300 {
        let office = Arc::clone(&office);
        pool.execute(move || {
            let (all_are_here, open) = &*office;
            all_are_here.count_down();
            open.wait();
        });
    }
    let last = pool.submit(move || {
        let (all_are_here, open) = &*office;
        all_are_here.wait();
        let threads = current().unwrap().metrics().live_threads;
        open.set();
        threads
    });
    let threads = last.join()?;
    pool.wait_idle()?;
    println!("300 closures waited for one, on {threads} threads");
    Ok(())
}
