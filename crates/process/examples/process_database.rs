//! "Is the database up?": one process finds out, and another waits for the answer, three times at
//! most.
//!
//! In Python `e.wait(1.5)` and `e.is_set()` in a `for` loop with `break` and `else`. Here
//! `wait_timeout` returns what both return. The process that still checks is killed in the end.

use std::error::Error;
use std::thread;
use std::time::Duration;

use workmill_process::hub::Event;
use workmill_process::{Hub, Jobs, serve_if_worker};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn check(up: Event, started: Event, time: Duration) {
    println!("checking the connection to the database");
    started.set();
    thread::sleep(time);
    up.set();
}

fn connect(up: Event) {
    for _ in 0..3 {
        if up.wait_timeout(SECOND * 3 / 2) {
            println!("connected to the database");
            return;
        }
    }
    println!("attempt 3 to connect to the database failed");
}

fn jobs() -> Jobs {
    Jobs::new().with("check", check).with("connect", connect)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    for time in [2 * SECOND, 60 * SECOND] {
        let (up, started) = (hub.event(), hub.event());
        let checking = hub.spawn(check, (up.clone(), started.clone(), time));
        started.wait();
        hub.spawn(connect, up).join()?;
        checking.kill();
    }
    Ok(())
}
