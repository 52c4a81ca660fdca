//! A producer puts five numbers and an end mark, a consumer takes them until it finds the mark.
//!
//! In Python the end mark is `None`. Here the items are `Option`s, so that there is a `None` to
//! put.

use std::error::Error;
use std::sync::Arc;

use workmill::{GetError, JoinableQueue, PutError, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(JoinableQueue::unbounded());
    let q = Arc::clone(&queue);
    let producer = pool.submit(move || produce(&q));
    let consumer = pool.submit(move || consume(&queue));
    producer.join()??;
    consumer.join()??;
    Ok(())
}

fn produce(queue: &JoinableQueue<Option<u32>>) -> Result<(), PutError<Option<u32>>> {
    for number in 0..5 {
        queue.put(Some(number))?;
        println!("Produced {number}");
    }
    queue.put(None)
}

fn consume(queue: &JoinableQueue<Option<u32>>) -> Result<(), GetError> {
    while let Some(number) = queue.get()? {
        println!("Consumed {number}");
    }
    Ok(())
}
