//! Two subsystems share a pool of four threads: thumbnails may use two of them, and answers to
//! users go first.
//!
//! By hand in Python a `PriorityQueue`, four threads that take from it, and a `Semaphore(2)`.

use std::{error::Error, thread, time::Duration};
use workmill::{JoinHandle, Priority, ThreadPoolExecutor};

fn main() -> Result<(), Box<dyn Error>> {
    let pool = ThreadPoolExecutor::new(4)?;
    let thumbnails = pool.limited(2).queue_capacity(8);
    let answers = pool.named("answer").priority(Priority::High);
    let asked: Vec<_> = (0..4)
        .map(|user| answers.submit(move || user * 2))
        .collect();
    let images = (0..20).map(|image| {
        thumbnails.submit(move || {
            thread::sleep(Duration::from_millis(5)); // decodes and scales
            image
        })
    });
    let images: Vec<JoinHandle<u32>> = images.collect(); // waits for room now and then
    for (user, answer) in asked.into_iter().enumerate() {
        println!("user {user} is answered: {}", answer.join()?);
    }
    thumbnails.shutdown(); // the pool goes on
    println!(
        "{} thumbnails",
        images.into_iter().filter_map(|it| it.join().ok()).count()
    );
    Ok(())
}
