//! All that a queue with room for five can do.
//!
//! | Python's `Queue(5)` | here |
//! |---|---|
//! | `put(x)`, `put_nowait(x)`, `put(x, timeout=1)` | `put`, `try_put`, `put_timeout` |
//! | `get()`, `get_nowait()`, `get(timeout=1)` | `get`, `try_get`, `get_timeout` |
//! | raises `Full` | an error that has the item in it |
//! | raises `Empty` | an error |
//! | `qsize()`, `full()`, `empty()` | `len`, `is_full`, `is_empty` |
//! | `close()`, after which a `get()` waits forever | `close`, after which it ends |
//! | `join_thread()`, `cancel_join_thread()` | nothing: no thread stands behind a queue |

use std::error::Error;

use workmill::{GetError, JoinableQueue, PutError, TryGetError, TryPutError};

use crate::SECOND;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let queue = JoinableQueue::bounded(5);
    for number in 1..=5 {
        queue.put(number)?;
    }
    println!("{}", queue.is_full());
    for expected in 1..=5 {
        let number = queue.get()?;
        assert_eq!(number, expected);
        println!("{number}");
    }
    println!("{}", queue.is_empty());

    assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    println!("the queue is empty");
    assert_eq!(queue.get_timeout(SECOND / 2), Err(TryGetError::Empty));
    println!("the queue is empty");

    for number in 0..5 {
        queue.put(number)?;
    }
    assert_eq!(queue.len(), 5);
    assert_eq!(queue.try_put(5), Err(TryPutError::Full(5)));
    match queue.put_timeout(5, SECOND) {
        Err(TryPutError::Full(number)) => println!("no room for {number}"),
        other => panic!("there is no room for a sixth: {other:?}"),
    }

    queue.close();
    assert_eq!(queue.put(5), Err(PutError(5)));
    assert!(queue.iter().eq(0..5));
    assert_eq!(queue.get(), Err(GetError));
    Ok(())
}
