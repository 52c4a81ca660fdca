//! Two messages between processes, of which the urgent one comes out first.
//!
//! The tutorial's program takes a `multiprocessing.PriorityQueue`, and cannot work: Python has
//! none between processes. And its `None`, as end mark, cannot be compared with tuples. Here
//! `close` is the end.

use std::error::Error;

use workmill_process::hub::PriorityQueue;
use workmill_process::{Hub, Jobs, serve_if_worker};

type Messages = PriorityQueue<(u32, String)>;

fn produce(queue: Messages) {
    // The less urgent one first, so that the order is that of the queue.
    queue.put((2, "low-priority message".to_owned())).unwrap();
    queue.put((1, "high-priority message".to_owned())).unwrap();
    println!("Messages sent");
}

fn consume(queue: Messages) {
    for (priority, message) in &queue {
        println!("Consumed {message} with priority {priority}");
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
    let queue = hub.priority_queue(None);
    hub.spawn(produce, queue.clone()).join()?;
    queue.close();
    hub.spawn(consume, queue).join()?;
    Ok(())
}
