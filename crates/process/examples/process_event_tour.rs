//! All that an event can do, in two processes.
//!
//! In Python `is_set`, `set`, `wait` and `clear` of one `multiprocessing.Event`, and a last
//! `wait()` that never ends. They have the same names here; `wait(timeout=1)` is `wait_timeout`.

use std::error::Error;
use std::time::Duration;

use workmill_process::hub::Event;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn tour(event: Event) {
    println!("{}", event.is_set());
    event.set();
    println!("{}", event.is_set());
    event.wait();
    println!("123456");
    event.clear();
    println!("{}", event.is_set());
    // A tenth of a second, for the second of the original.
    if !event.wait_timeout(Duration::from_millis(100)) {
        println!("nobody has set it for a second");
    }
}

fn jobs() -> Jobs {
    Jobs::new().with("tour", tour)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    hub.spawn(tour, hub.event()).join()?;
    Ok(())
}
