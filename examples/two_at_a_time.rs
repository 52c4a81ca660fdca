//! Five workers that sleep longer and longer, no more than two at a time.
//!
//! In Python five times `Process(target=worker, args=(s, i * 2))` with a `Semaphore(2)`, and the
//! name of `current_process()`. Here the threads get theirs from a `thread::Builder`.

use std::time::Duration;
use std::{io, thread};

use workmill::Semaphore;

fn main() -> io::Result<()> {
    let semaphore = Semaphore::new(2);
    thread::scope(|scope| {
        for index in 0..5 {
            let semaphore = &semaphore;
            let worker = thread::Builder::new().name(format!("worker-{}", index + 1));
            worker.spawn_scoped(scope, move || {
                let current = thread::current();
                let name = current.name().unwrap();
                let _permit = semaphore.acquire().unwrap();
                println!("{name} acquire");
                thread::sleep(Duration::from_millis(100) * 2 * index); // tenths for seconds
                println!("{name} release");
            })?;
        }
        Ok(())
    })
}
