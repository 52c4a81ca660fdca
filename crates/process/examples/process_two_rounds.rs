//! Ten processes of which five at a time sleep for a second, so that all have slept after two.
//!
//! In Python ten times `Thread(target=func, args=(i, sem)).start()` with a `Semaphore(5)`; with
//! `Process` it is the same program.

use std::time::Duration;
use std::{io, thread};

use workmill_process::hub::Semaphore;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn sleep(index: u32, semaphore: Semaphore) {
    let _permit = semaphore.acquire().unwrap();
    println!("{index}");
    thread::sleep(Duration::from_millis(100)); // a second of the original
}

fn jobs() -> Jobs {
    Jobs::new().with("sleep", sleep)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let semaphore = hub.semaphore(5);
    for index in 0..10 {
        hub.spawn(sleep, (index, semaphore.clone()));
    }
    Ok(()) // the drop of the hub waits for them
}
