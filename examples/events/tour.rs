//! All that an event can do.
//!
//! In Python `is_set`, `set`, `wait` and `clear` of one `Event`, and a last `wait()` that never
//! ends. They have the same names here; `wait(timeout=1)` is [`wait_timeout`](Event::wait_timeout),
//! which returns `true` if the event was set in time.

use std::error::Error;

use workmill::Event;

use crate::SECOND;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let event = Event::new();
    println!("{}", event.is_set());
    event.set();
    println!("{}", event.is_set());
    event.wait();
    println!("123456");
    event.clear();
    println!("{}", event.is_set());
    if event.wait_timeout(SECOND) {
        println!("{}", "*".repeat(10));
    } else {
        println!("nobody has set it for a second");
    }
    assert!(!event.is_set());
    Ok(())
}
