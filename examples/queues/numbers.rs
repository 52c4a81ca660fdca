//! A producer puts five numbers, a consumer takes them until it finds an end mark.
//!
//! In Python the end mark is `None`, put by the producer itself or by the main thread after the
//! producer's `join()`. Here the items are [`Option`]s, so that there is a `None` to put.

use std::error::Error;
use std::sync::Arc;
use std::thread;

use workmill::{GetError, JoinableQueue, PutError, ThreadPoolExecutor};

type Numbers = JoinableQueue<Option<u32>>;

pub(crate) fn mark_by_producer() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(2)?;
    let queue = Arc::new(Numbers::unbounded());
    let producing = pool.submit({
        let queue = Arc::clone(&queue);
        move || {
            produce(&queue)?;
            queue.put(None)
        }
    });
    let consuming = pool.submit(move || consume(&queue));
    producing.join()??;
    assert_eq!(consuming.join()??, [0, 1, 2, 3, 4]);
    Ok(())
}

pub(crate) fn mark_by_main() -> Result<(), Box<dyn Error>> {
    let queue = Numbers::unbounded();
    let consumed = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        let producer = scope.spawn(|| produce(&queue));
        let consumer = scope.spawn(|| consume(&queue));
        producer.join().expect("a producer does not panic")?;
        queue.put(None)?;
        Ok(consumer.join().expect("a consumer does not panic")?)
    })?;
    assert_eq!(consumed, [0, 1, 2, 3, 4]);
    Ok(())
}

fn produce(queue: &Numbers) -> Result<(), PutError<Option<u32>>> {
    for number in 0..5 {
        queue.put(Some(number))?;
        println!("Produced {number}");
    }
    Ok(())
}

fn consume(queue: &Numbers) -> Result<Vec<u32>, GetError> {
    let mut consumed = Vec::new();
    while let Some(number) = queue.get()? {
        println!("Consumed {number}");
        consumed.push(number);
    }
    Ok(consumed)
}
