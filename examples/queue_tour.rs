//! All that a queue with room for five can do.
//!
//! | Python's `Queue(5)` | here |
//! |---|---|
//! | `put(x)`, `put_nowait(x)`, `put(x, timeout=1)` | `put`, `try_put`, `put_timeout` |
//! | `get()`, `get_nowait()`, `get(timeout=1)` | `get`, `try_get`, `get_timeout` |
//! | raises `Full`, raises `Empty` | an error, which returns the item to `put` |
//! | `qsize()`, `full()`, `empty()` | `len`, `is_full`, `is_empty` |
//! | `close()`, after which a `get()` waits forever | `close`, after which it ends |
//! | `join_thread()`, `cancel_join_thread()` | nothing: no thread stands behind a queue |

use std::error::Error;
use std::time::Duration;

use workmill::{JoinableQueue, TryGetError};

fn main() -> Result<(), Box<dyn Error>> {
    let queue = JoinableQueue::bounded(5);
    for number in 1..=5 {
        queue.put(number)?;
    }
    println!("{}", queue.is_full());
    for _ in 1..=5 {
        println!("{}", queue.get()?);
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
    Ok(())
}
