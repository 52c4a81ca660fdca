//! One waits for an event without a limit, another for two seconds; it is set after three.
//!
//! In Python `e.wait()` in one `Process` and `e.wait(2)` in another. Here they are tasks of a pool.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use workmill::{Event, ThreadPoolExecutor};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let event = Arc::new(Event::new());
    let e = Arc::clone(&event);
    let patient = pool.submit(move || {
        println!("wait_for_event: starting");
        e.wait();
        println!("wait_for_event: e.is_set()->{}", e.is_set());
    });
    let e = Arc::clone(&event);
    let impatient = pool.submit(move || {
        println!("wait_for_event_timeout: starting");
        let is_set = e.wait_timeout(2 * SECOND);
        println!("wait_for_event_timeout: e.is_set()->{is_set}");
    });
    thread::sleep(3 * SECOND);
    impatient.join()?; // it ended a second ago, unless the machine is very busy
    println!("main: event is set");
    event.set();
    patient.join()?;
    Ok(())
}
