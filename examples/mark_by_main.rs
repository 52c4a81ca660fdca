//! A producer puts five numbers, a consumer takes them until it finds the end mark of main.
//!
//! In Python main puts a `None` after the producer's `join()`. Here the items are `Option`s, so
//! that there is a `None` to put.

use std::thread;

use workmill::JoinableQueue;

fn main() {
    let queue = JoinableQueue::unbounded();
    thread::scope(|scope| {
        let producer = scope.spawn(|| {
            for number in 0..5 {
                queue.put(Some(number)).unwrap();
                println!("Produced {number}");
            }
        });
        scope.spawn(|| {
            while let Some(number) = queue.get().unwrap() {
                println!("Consumed {number}");
            }
        });
        producer.join().unwrap();
        queue.put(None).unwrap();
    });
}
