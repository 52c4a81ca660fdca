//! One thread waits for the event that another sets.
//!
//! In Python `event.wait()` in one `threading.Thread` and `event.set()` in another. Here they are
//! tasks of a pool, and the names of the methods are the same.

use std::error::Error;
use std::sync::Arc;

use workmill::{Event, ThreadPoolExecutor};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let event = Arc::new(Event::new());
    let waiting = pool.submit({
        let event = Arc::clone(&event);
        move || {
            println!("waiting for event...");
            event.wait();
            println!("event has been set.");
            event.is_set()
        }
    });
    let setting = pool.submit(move || {
        println!("setting event...");
        event.set();
    });
    setting.join()?;
    assert!(waiting.join()?);
    Ok(())
}
