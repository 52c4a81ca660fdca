//! A producer makes the numbers from 0 to 999, a consumer takes each of them from its hands.
//!
//! In Python the producer is a generator, `yield i` in a loop, and the consumer's `for num in g`
//! makes it produce one number at a time. Here both are futures on one thread, with a queue without
//! room between them: a put is ready when a get has the number, so neither runs ahead of the other.
//! The end of the generator is the close of the queue.

use std::error::Error;
use std::sync::Arc;

use workmill::{JoinableQueue, PutError, ThreadPoolExecutor};

type Numbers = JoinableQueue<u32>;

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(1)?;
    let numbers = Arc::new(Numbers::bounded(0));
    let consuming = pool.spawn(consume(Arc::clone(&numbers)));
    let producing = pool.spawn(produce(numbers));
    producing.join()??;
    assert!(consuming.join()?.into_iter().eq(0..1000));
    Ok(())
}

async fn produce(numbers: Arc<Numbers>) -> Result<(), PutError<u32>> {
    for number in 0..1000 {
        numbers.put_async(number).await?;
    }
    numbers.close();
    Ok(())
}

async fn consume(numbers: Arc<Numbers>) -> Vec<u32> {
    let mut consumed = Vec::new();
    while let Ok(number) = numbers.get_async().await {
        println!("{number}");
        consumed.push(number);
    }
    consumed
}
