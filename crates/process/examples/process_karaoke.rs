//! A karaoke box with four keys: of twenty processes no more than four sing at the same time.
//!
//! In Python twenty times `Process(target=ktv, args=(i, sem))` with a `Semaphore(4)`, of which
//! each releases its key by hand. Here the drop of a permit does, and the death of a guest, too.

use std::time::Duration;
use std::{io, thread};

use workmill_process::hub::Semaphore;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn sing(guest: u64, keys: Semaphore) {
    let _key = keys.acquire().unwrap();
    println!("guest {guest} walks into the karaoke box");
    thread::sleep(Duration::from_millis(100 * (1 + guest * 3 % 5)));
    println!("guest {guest} walks out of the karaoke box");
}

fn jobs() -> Jobs {
    Jobs::new().with("sing", sing)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let keys = hub.semaphore(4);
    for guest in 0..20 {
        hub.spawn(sing, (guest, keys.clone()));
    }
    Ok(()) // the drop of the hub waits until all have sung
}
