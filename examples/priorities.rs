//! Two messages, of which the urgent one comes out first.
//!
//! In Python a `PriorityQueue` of `(priority, message)`, and a `None` as end mark, which cannot be
//! compared with tuples and raises a `TypeError`. Here `close` is the end.

use std::error::Error;
use std::sync::Arc;

use workmill::{PriorityQueue, PutError, ThreadPoolExecutor};

type Messages = PriorityQueue<(u32, &'static str)>;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(Messages::unbounded());
    let q = Arc::clone(&queue);
    let producer = pool.submit(move || produce(&q));
    let q = Arc::clone(&queue);
    let consumer = pool.submit(move || consume(&q));
    producer.join()??;
    queue.close();
    consumer.join()?;
    Ok(())
}

fn produce(queue: &Messages) -> Result<(), PutError<(u32, &'static str)>> {
    queue.put((1, "high-priority message"))?;
    queue.put((2, "low-priority message"))?;
    println!("Messages sent");
    Ok(())
}

fn consume(queue: &Messages) {
    for (priority, message) in queue {
        println!("Consumed {message} with priority {priority}");
    }
}
