//! Ten threads of which five at a time sleep for a second, so that all have slept after two.
//!
//! In Python ten times `Thread(target=func, args=(i, sem)).start()` with a `Semaphore(5)`.

use std::thread;
use std::time::Duration;

use workmill::Semaphore;

fn main() {
    let semaphore = Semaphore::new(5);
    thread::scope(|scope| {
        for index in 0..10 {
            let semaphore = &semaphore;
            scope.spawn(move || {
                let _permit = semaphore.acquire().unwrap();
                println!("{index}");
                thread::sleep(Duration::from_millis(100)); // a second of the original
            });
        }
    });
}
