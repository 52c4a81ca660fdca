//! Two closures that sleep for a second take one second, not two, in a pool of one thread.
//!
//! In Python a `time.sleep(1)` in each, which gevent's `monkey.patch_all()` has replaced. Here
//! nothing is patched: `blocking` says that the thread waits, and another runs what is there.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use workmill::{ThreadPoolExecutor, blocking};

/// A second of the original: a fifth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(200);

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let began = Instant::now();
    let (eating, playing) = (
        pool.submit(|| pause("eating")),
        pool.submit(|| pause("playing")),
    );
    eating.join()?;
    playing.join()?;
    println!(
        "seconds: {}",
        began.elapsed().as_millis() / SECOND.as_millis()
    );
    Ok(())
}

fn pause(doing: &str) {
    println!("{doing} 1");
    blocking(|| thread::sleep(SECOND));
    println!("{doing} 2");
}
