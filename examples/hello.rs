//! One task puts a word into a queue, another takes it out.
//!
//! In Python `q.put('hello')` and `print(q.get())` in two processes.

use std::error::Error;
use std::sync::Arc;

use workmill::{JoinableQueue, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(JoinableQueue::unbounded());
    let q = Arc::clone(&queue);
    let producer = pool.submit(move || q.put("hello"));
    let consumer = pool.submit(move || queue.get());
    producer.join()??;
    println!("{}", consumer.join()??);
    Ok(())
}
