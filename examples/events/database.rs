//! "Is the database up?": one finds out, and another waits for the answer, three times at most.
//!
//! In Python `e.wait(1.5)` and then `e.is_set()`, in a `for` loop with `break` and `else`. Here
//! [`wait_timeout`](Event::wait_timeout) is both, and a `return` ends the loop. Where Python sleeps
//! while the database is asked, a [`CancelToken`] is waited for: a sleep that can be ended early.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use workmill::{CancelToken, Event, ThreadPoolExecutor};

use crate::SECOND;

const ATTEMPTS: u32 = 3;
/// The length of a wait: a second and a half.
const PATIENCE: Duration = Duration::from_millis(150);

/// Waits for a database that is up after two seconds.
pub(crate) fn up() -> Result<(), Box<dyn Error>> {
    assert!(is_up(2 * SECOND)?);
    Ok(())
}

/// Waits for a database that is not up after a minute.
pub(crate) fn down() -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    assert!(!is_up(60 * SECOND)?);
    let (took, waits) = (began.elapsed(), ATTEMPTS * PATIENCE);
    assert!((waits..3 * waits).contains(&took), "{took:?}");
    Ok(())
}

fn is_up(takes: Duration) -> Result<bool, Box<dyn Error>> {
    let database = Arc::new(Database {
        up: Event::new(),
        given_up: CancelToken::new(),
    });
    let pool = ThreadPoolExecutor::new(2)?;
    let connecting = pool.submit({
        let database = Arc::clone(&database);
        move || database.connect()
    });
    let checking = pool.submit(move || database.check(takes));
    checking.join()?;
    Ok(connecting.join()?)
}

/// Shared by both tasks.
struct Database {
    up: Event,
    given_up: CancelToken,
}

impl Database {
    fn check(&self, takes: Duration) {
        println!("checking the connection to the database");
        if !self.given_up.wait_timeout(takes) {
            self.up.set();
        }
    }

    /// Returns `true` if the database was up in time.
    fn connect(&self) -> bool {
        for _attempt in 0..ATTEMPTS {
            if self.up.wait_timeout(PATIENCE) {
                println!("connected to the database");
                return true;
            }
        }
        println!("attempt {ATTEMPTS} to connect to the database failed");
        self.given_up.cancel();
        false
    }
}
