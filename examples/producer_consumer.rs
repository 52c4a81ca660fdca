//! A producer and a consumer that are never at work together, until they are told to leave.
//!
//! In Python `threading.Semaphore(1)` with `release()` in a `finally`, and a flag under a `Lock`.
//! Here the drop of a permit releases it, and the flag is an `Event`, so that a sleep ends early.

use std::thread;
use std::time::Duration;

use workmill::{Event, Semaphore};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() {
    let (turn, exit) = (Semaphore::new(1), Event::new());
    thread::scope(|scope| {
        scope.spawn(|| work("producer", &turn, &exit));
        scope.spawn(|| work("consumer", &turn, &exit));
        thread::sleep(5 * SECOND);
        exit.set();
    });
}

fn work(name: &str, turn: &Semaphore, exit: &Event) {
    loop {
        let permit = turn.acquire().unwrap();
        println!("{name} is working!!!");
        drop(permit);
        if exit.wait_timeout(SECOND) {
            return;
        }
    }
}
