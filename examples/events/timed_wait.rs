//! One waits for an event without a limit, another for two seconds; it is set after three.
//!
//! In Python `e.wait()` in one `Process` and `e.wait(2)` in another. Here they are tasks of a pool.
//! The task with the timeout is joined before the event is set, so that it is never late and finds
//! the event set, however busy the machine is.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use workmill::{Event, ThreadPoolExecutor};

use crate::SECOND;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let event = Arc::new(Event::new());
    let patient = pool.submit({
        let event = Arc::clone(&event);
        move || wait_for_event(&event)
    });
    let impatient = pool.submit({
        let event = Arc::clone(&event);
        move || wait_for_event_timeout(&event)
    });

    thread::sleep(3 * SECOND);
    let (set_in_time, waited) = impatient.join()?;
    event.set();
    println!("main: event is set");
    let set = patient.join()?;

    assert!(set && !set_in_time);
    assert!((2 * SECOND..6 * SECOND).contains(&waited), "{waited:?}");
    Ok(())
}

/// Returns `true` if the event was set in the end.
fn wait_for_event(event: &Event) -> bool {
    println!("wait_for_event: starting");
    event.wait();
    let set = event.is_set();
    println!("wait_for_event: e.is_set()->{set}");
    set
}

/// Returns whether the event was set in time, and how long that took.
fn wait_for_event_timeout(event: &Event) -> (bool, Duration) {
    println!("wait_for_event_timeout: starting");
    let began = Instant::now();
    let set = event.wait_timeout(2 * SECOND);
    println!("wait_for_event_timeout: e.is_set()->{set}");
    (set, began.elapsed())
}
