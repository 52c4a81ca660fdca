//! All that a queue between processes can do, with room for five.
//!
//! | Python's `multiprocessing.Queue(5)` | here |
//! |---|---|
//! | `put(x)`, `put_nowait(x)`, `put(x, timeout=1)` | `put`, `try_put`, `put_timeout` |
//! | `get()`, `get_nowait()`, `get(timeout=1)` | `get`, `try_get`, `get_timeout` |
//! | raises `Full`, raises `Empty` | an error, which returns the item to `put` |
//! | `qsize()`, `full()`, `empty()` | `len`, `is_full`, `is_empty`, on every system |
//! | `close()`, after which a `get()` waits forever | `close`, after which it ends |
//! | `join_thread()`, `cancel_join_thread()` | nothing: no thread stands behind a queue |

use std::error::Error;
use std::time::Duration;

use workmill_process::hub::JoinableQueue;
use workmill_process::workmill::TryGetError;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn tour(queue: JoinableQueue<u32>) {
    for number in 1..=5 {
        queue.put(number).unwrap();
    }
    println!("{}", queue.is_full());
    for _ in 1..=5 {
        println!("{}", queue.get().unwrap());
    }
    println!("{}", queue.is_empty());
    if queue.try_get() == Err(TryGetError::Empty) {
        println!("the queue is empty");
    }
    if queue.get_timeout(Duration::from_millis(50)) == Err(TryGetError::Empty) {
        println!("the queue is empty");
    }
    for number in 0..6 {
        // In Python the sixth `put` waits forever.
        if let Err(refused) = queue.put_timeout(number, Duration::from_millis(100)) {
            println!("no room for {}", refused.into_inner());
        }
    }
}

fn jobs() -> Jobs {
    Jobs::new().with("tour", tour)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let queue = hub.queue(5);
    hub.spawn(tour, queue.clone()).join()?;
    println!("{} are left", queue.close_and_drain().len());
    Ok(())
}
