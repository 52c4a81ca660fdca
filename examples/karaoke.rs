//! A karaoke box with four keys: of twenty guests no more than four sing at the same time.
//!
//! In Python twenty times `Process(target=ktv, args=(i, sem))` with a `Semaphore(4)`.

use std::sync::Arc;
use std::{io, thread, time::Duration};

use workmill::{Semaphore, ThreadPoolExecutor};

fn main() -> io::Result<()> {
    let pool = ThreadPoolExecutor::new(20)?;
    let keys = Arc::new(Semaphore::new(4));
    for guest in 0..20 {
        let keys = Arc::clone(&keys);
        pool.execute(move || {
            let _key = keys.acquire().unwrap();
            println!("guest {guest} walks into the karaoke box");
            thread::sleep(Duration::from_millis(100 * (1 + guest * 3 % 5)));
            println!("guest {guest} walks out of the karaoke box");
        });
    }
    pool.shutdown(); // waits until all have sung
    Ok(())
}
