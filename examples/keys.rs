//! Four keys, and what a fifth caller that asks for one can do.
//!
//! In Python five times `acquire()` on `Semaphore(4)`, the last of which waits forever.
//! `acquire(blocking=False)` is `try_acquire` here, `release()` the drop of a permit.

use std::error::Error;
use std::time::Duration;

use workmill::Semaphore;

fn main() -> Result<(), Box<dyn Error>> {
    let keys = Semaphore::new(4);
    let mut taken = Vec::new();
    for number in 1..=4 {
        taken.push(keys.acquire()?);
        println!("got key {number}");
    }
    if keys.try_acquire().is_err() {
        println!("no fifth key at once");
    }
    // A tenth of a second, for the second of the original.
    if keys.acquire_timeout(Duration::from_millis(100)).is_err() {
        println!("no fifth key within a second");
    }
    taken.pop(); // drops a permit
    taken.push(keys.acquire()?);
    println!("got key 5");
    Ok(())
}
