//! Two tasks add a million to one number, one by one: under a lock, and without.
//!
//! In Python a global variable, and `lock.acquire()` and `lock.release()` around `count += 1`. Here
//! the lock has the number inside; and an atomic needs no lock.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use workmill::ThreadPoolExecutor;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;

    let count = Arc::new(Mutex::new(0));
    for _ in 0..2 {
        let count = Arc::clone(&count);
        pool.execute(move || (0..1_000_000).for_each(|_| *count.lock().unwrap() += 1));
    }
    pool.wait_idle()?;
    println!("count =  {}", count.lock().unwrap());

    let count = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let count = Arc::clone(&count);
        pool.execute(move || {
            for _ in 0..1_000_000 {
                count.fetch_add(1, Relaxed);
            }
        });
    }
    pool.wait_idle()?;
    println!("count =  {}", count.load(Relaxed));
    Ok(())
}
