//! One waits for the event that another sets.
//!
//! In Python `event.wait()` in one `threading.Thread` and `event.set()` in another. Here they are
//! tasks of a pool.

use std::io;
use std::sync::Arc;

use workmill::{Event, ThreadPoolExecutor};

fn main() -> io::Result<()> {
    let pool = ThreadPoolExecutor::new(2)?;
    let event = Arc::new(Event::new());
    let e = Arc::clone(&event);
    pool.execute(move || {
        println!("waiting for event...");
        e.wait();
        println!("event has been set.");
    });
    pool.execute(move || {
        println!("setting event...");
        event.set();
    });
    pool.shutdown(); // waits for both
    Ok(())
}
