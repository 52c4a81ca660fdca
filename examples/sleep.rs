//! Two futures that sleep for a second take one second, not two, on one thread.
//!
//! In Python `gevent.spawn(eat)` and `gevent.spawn(play)`, with a `gevent.sleep(1)` in each.

use std::error::Error;
use std::time::{Duration, Instant};

use workmill::ThreadPoolExecutor;
use workmill::timer::sleep;

/// A second of the original: a fifth of a second is enough to see the same.
const SECOND: Duration = Duration::from_millis(200);

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let began = Instant::now();
    let (eating, playing) = (pool.spawn(pause("eating")), pool.spawn(pause("playing")));
    eating.join()?;
    playing.join()?;
    println!(
        "seconds: {}",
        began.elapsed().as_millis() / SECOND.as_millis()
    );
    Ok(())
}

async fn pause(doing: &str) {
    println!("{doing} 1");
    sleep(SECOND).await;
    println!("{doing} 2");
}
