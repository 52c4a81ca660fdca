//! One thread produces five numbers and an end mark, another consumes them, by way of a file.
//!
//! ```sh
//! cargo run -p workmill-file-queue --example threads
//! cargo run -p workmill-file-queue --example threads -- PATH    # the file stays
//! ```

use std::error::Error;
use std::{env, thread};

use workmill_file_queue::{FileQueue, FileQueueError};

fn producer(queue: &FileQueue<Option<u32>>) -> Result<(), FileQueueError> {
    for i in 0..5 {
        queue.put(&Some(i))?;
        println!("Produced {i}");
    }
    queue.put(&None)
}

fn consumer(queue: &FileQueue<Option<u32>>) -> Result<(), FileQueueError> {
    while let Some(item) = queue.get()? {
        println!("Consumed {item}");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = env::args_os().nth(1).map(Into::into);
    let queue = FileQueue::open(path.unwrap_or_else(|| folder.path().join("queue")))?;
    thread::scope(|scope| {
        let producer = scope.spawn(|| producer(&queue));
        let consumer = scope.spawn(|| consumer(&queue));
        producer.join().expect("it does not panic")?;
        consumer.join().expect("it does not panic")
    })?;
    Ok(())
}
