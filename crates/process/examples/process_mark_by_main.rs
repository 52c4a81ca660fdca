//! A process puts five numbers, another takes them until it finds the end mark of main.
//!
//! In Python main puts a `None` into a `multiprocessing.Queue` after the `join()` of the producer.
//! Here the items are `Option`s, so that there is a `None` to put.

use std::error::Error;

use workmill_process::hub::JoinableQueue;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn produce(queue: JoinableQueue<Option<u32>>) {
    for number in 0..5 {
        queue.put(Some(number)).unwrap();
        println!("Produced {number}");
    }
}

fn consume(queue: JoinableQueue<Option<u32>>) {
    while let Some(number) = queue.get().unwrap() {
        println!("Consumed {number}");
    }
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("produce", produce)
        .with("consume", consume)
}

fn main() -> Result<(), Box<dyn Error>> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let queue = hub.queue(None);
    let producer = hub.spawn(produce, queue.clone());
    let consumer = hub.spawn(consume, queue.clone());
    producer.join()?;
    queue.put(None)?;
    consumer.join()?;
    Ok(())
}
