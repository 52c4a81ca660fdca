//! All that an event can do.
//!
//! In Python `is_set`, `set`, `wait` and `clear` of one `Event`, and a last `wait()` that never
//! ends. They have the same names here; `wait(timeout=1)` is `wait_timeout`.

use std::time::Duration;

use workmill::Event;

fn main() {
    let event = Event::new();
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
