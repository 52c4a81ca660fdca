//! One process waits for the event that another sets.
//!
//! In Python `event.wait()` in one thread and `event.set()` in another; with `Process` and
//! `multiprocessing.Event` it is the same program.

use std::io;

use workmill_process::hub::Event;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn wait_event(event: Event) {
    println!("waiting for event...");
    event.wait();
    println!("event has been set.");
}

fn set_event(event: Event) {
    println!("setting event...");
    event.set();
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("wait_event", wait_event)
        .with("set_event", set_event)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let event = hub.event();
    hub.spawn(wait_event, event.clone());
    hub.spawn(set_event, event);
    Ok(()) // the drop of the hub waits for both
}
