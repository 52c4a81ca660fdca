//! A producer makes the numbers from 0 to 999, a consumer takes each of them from its hands.
//!
//! In Python the producer is a generator, `yield i` in a loop. Here both are futures on one thread,
//! with a queue without room between them, whose `close` is the end of the generator.

use std::error::Error;
use std::sync::Arc;

use workmill::{JoinableQueue, PutError, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let numbers = Arc::new(JoinableQueue::bounded(0));
    let consumer = pool.spawn(consume(Arc::clone(&numbers)));
    let producer = pool.spawn(produce(numbers));
    producer.join()??;
    consumer.join()?;
    Ok(())
}

async fn produce(numbers: Arc<JoinableQueue<u32>>) -> Result<(), PutError<u32>> {
    for number in 0..1000 {
        numbers.put_async(number).await?;
    }
    numbers.close();
    Ok(())
}

async fn consume(numbers: Arc<JoinableQueue<u32>>) {
    while let Ok(number) = numbers.get_async().await {
        println!("{number}");
    }
}
