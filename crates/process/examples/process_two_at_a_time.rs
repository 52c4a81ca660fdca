//! Five processes that sleep longer and longer, no more than two at a time.
//!
//! In Python five times `Process(target=worker, args=(s, i * 2))` with a `Semaphore(2)`, and the
//! name of `current_process()`, which is `Process-1` and so on.

use std::time::Duration;
use std::{io, thread};

use workmill_process::hub::Semaphore;
use workmill_process::{Hub, Jobs, current_process, serve_if_worker};

fn work(semaphore: Semaphore, seconds: u32) {
    let name = current_process().name();
    let _permit = semaphore.acquire().unwrap();
    println!("{name} acquire");
    thread::sleep(Duration::from_millis(100) * seconds); // tenths for seconds
    println!("{name} release");
}

fn jobs() -> Jobs {
    Jobs::new().with("work", work)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let semaphore = hub.semaphore(2);
    for index in 0..5 {
        hub.spawn(work, (semaphore.clone(), index * 2));
    }
    Ok(()) // the drop of the hub waits for them
}
