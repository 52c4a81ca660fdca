//! Two tasks add a million to one number, one by one.
//!
//! In Python a global variable, and `lock.acquire()` and `lock.release()` around each `count += 1`.
//! Here the [`Mutex`] has the number inside, so that it cannot be reached without the lock; and an
//! [`AtomicU32`] needs no lock.

use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use workmill::ThreadPoolExecutor;

const EACH: u32 = 1_000_000;

pub(crate) fn with_mutex() -> Result<(), Box<dyn Error>> {
    let count = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&count);
    twice(move || {
        for _ in 0..EACH {
            *shared.lock().expect("adding one does not panic") += 1;
        }
    })?;
    print(*count.lock().expect("adding one does not panic"));
    Ok(())
}

pub(crate) fn with_atomic() -> Result<(), Box<dyn Error>> {
    let count = Arc::new(AtomicU32::new(0));
    let shared = Arc::clone(&count);
    twice(move || {
        for _ in 0..EACH {
            shared.fetch_add(1, Relaxed);
        }
    })?;
    print(count.load(Relaxed));
    Ok(())
}

/// Runs `increment` in two tasks at the same time.
fn twice(increment: impl Fn() + Clone + Send + 'static) -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let tasks = [pool.submit(increment.clone()), pool.submit(increment)];
    for task in tasks {
        task.join()?;
    }
    Ok(())
}

fn print(count: u32) {
    println!("count =  {count}");
    assert_eq!(count, 2 * EACH);
}
