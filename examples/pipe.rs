//! One task hands a message to another.
//!
//! In Python `send` and `recv` of the ends of a `Pipe()`, in two processes. Within a process a
//! queue without room replaces the pipe: a put ends when the message has been taken.

use std::error::Error;
use std::sync::Arc;

use workmill::{JoinableQueue, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let pipe = Arc::new(JoinableQueue::bounded(0));
    let end = Arc::clone(&pipe);
    let sender = pool.submit(move || end.put("Hello, receiver!"));
    let receiver = pool.submit(move || pipe.get());
    sender.join()??;
    println!("{}", receiver.join()??);
    Ok(())
}
