//! One process waits for an event without a limit, another for two seconds; it is set after three.
//!
//! In Python `e.wait()` in a `Process` with the name `block`, and `e.wait(2)` in one with the name
//! `non-block`.

use std::error::Error;
use std::thread;
use std::time::Duration;

use workmill_process::hub::Event;
use workmill_process::{Hub, Jobs, serve_if_worker};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn wait_for_event(event: Event) {
    println!("wait_for_event: starting");
    event.wait();
    println!("wait_for_event: e.is_set()->{}", event.is_set());
}

fn wait_for_event_timeout(event: Event, seconds: u32) {
    println!("wait_for_event_timeout: starting");
    let is_set = event.wait_timeout(seconds * SECOND);
    println!("wait_for_event_timeout: e.is_set()->{is_set}");
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("wait_for_event", wait_for_event)
        .with("wait_for_event_timeout", wait_for_event_timeout)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let event = hub.event();
    let block = hub.named("block");
    let patient = block.spawn(wait_for_event, event.clone());
    let non_block = hub.named("non-block");
    let impatient = non_block.spawn(wait_for_event_timeout, (event.clone(), 2));
    thread::sleep(3 * SECOND);
    impatient.join()?; // it ended a second ago, unless the machine is very busy
    println!("main: event is set");
    event.set();
    patient.join()?;
    Ok(())
}
