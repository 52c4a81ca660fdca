//! One process puts a word into a queue, another takes it out.
//!
//! In Python `q.put('hello')` and `print(q.get())` in two processes.

use std::io;

use workmill_process::hub::JoinableQueue;
use workmill_process::{Hub, Jobs, serve_if_worker};

fn produce(queue: JoinableQueue<String>) {
    queue.put("hello".to_owned()).unwrap();
}

fn consume(queue: JoinableQueue<String>) {
    println!("{}", queue.get().unwrap());
}

fn jobs() -> Jobs {
    Jobs::new()
        .with("produce", produce)
        .with("consume", consume)
}

fn main() -> io::Result<()> {
    serve_if_worker(jobs());
    let hub = Hub::new(jobs())?;
    let queue = hub.queue(None);
    hub.spawn(produce, queue.clone());
    hub.spawn(consume, queue);
    Ok(()) // the drop of the hub waits for both
}
