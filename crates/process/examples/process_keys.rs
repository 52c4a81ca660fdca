//! Four keys, and what a fifth caller can do, in a process.
//!
//! In Python five times `acquire()` on `multiprocessing.Semaphore(4)`, the last of which waits
//! forever. `acquire(block=False)` is `try_acquire` here, `release()` the drop of a permit.

use std::error::Error;
use std::time::Duration;

use workmill_process::hub::Semaphore;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn take_keys(keys: Semaphore) {
    let mut taken = Vec::new();
    for number in 1..=4 {
        taken.push(keys.acquire().unwrap());
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
    taken.push(keys.acquire().unwrap());
    println!("got key 5");
}

fn jobs() -> Jobs {
    Jobs::new().with("take_keys", take_keys)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let keys = hub.semaphore(4);
    hub.spawn(take_keys, keys.clone()).join()?;
    println!("{} keys are back", keys.available_permits());
    Ok(())
}
