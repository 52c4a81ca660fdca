//! Bytes that one thread writes and another reads when a semaphore says that they are there.
//!
//! In Python memory that two processes map, and a `Semaphore(1)`. Here there is no permit until the
//! bytes are written.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use workmill::Semaphore;

fn main() {
    let memory = Mutex::new([0; 16]);
    let written = Semaphore::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(100)); // a second of the original
            *memory.lock().unwrap() = *b"Hello, receiver!";
            written.add_permits(1).unwrap();
        });
        scope.spawn(|| {
            let _permit = written.acquire().unwrap();
            println!("{}", String::from_utf8_lossy(&*memory.lock().unwrap()));
        });
    });
}
