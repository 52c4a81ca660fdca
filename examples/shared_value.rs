//! A number that one thread writes and another reads.
//!
//! In Python a `Value('i', 0)`, and a reader that prints the old value if it comes first. Here it
//! waits for an `Event`.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread;

use workmill::Event;

fn main() {
    let (value, written) = (AtomicI32::new(0), Event::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            value.store(1, Relaxed); // visible to a thread that has waited for the event
            written.set();
        });
        scope.spawn(|| {
            written.wait();
            println!("{}", value.load(Relaxed));
        });
    });
}
