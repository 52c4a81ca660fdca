//! "Is the database up?": one finds out, and another waits for the answer, three times at most.
//!
//! In Python `e.wait(1.5)` and `e.is_set()` in a `for` loop with `break` and `else`. Here
//! `wait_timeout` returns what both return, and a `CancelToken` ends the other's work early.

use std::thread;
use std::time::Duration;

use workmill::{CancelToken, Event};

/// A second of the original: a tenth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(100);

fn main() {
    connect_to_a_database_that_takes(2 * SECOND);
    connect_to_a_database_that_takes(60 * SECOND);
}

fn connect_to_a_database_that_takes(time: Duration) {
    let (up, given_up) = (Event::new(), CancelToken::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            println!("checking the connection to the database");
            if !given_up.wait_timeout(time) {
                up.set();
            }
        });
        scope.spawn(|| {
            for _ in 0..3 {
                if up.wait_timeout(SECOND * 3 / 2) {
                    println!("connected to the database");
                    return;
                }
            }
            println!("attempt 3 to connect to the database failed");
            given_up.cancel();
        });
    });
}
