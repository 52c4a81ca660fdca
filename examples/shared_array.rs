//! Ten numbers that one thread writes and another reads.
//!
//! In Python an `Array('i', range(10))`, and a reader that prints the old numbers if it comes
//! first. Here it waits for an `Event`.

use std::sync::Mutex;
use std::thread;

use workmill::Event;

fn main() {
    let array = Mutex::new([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let written = Event::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            array.lock().unwrap()[0] = 1;
            written.set();
        });
        scope.spawn(|| {
            written.wait();
            println!("{:?}", array.lock().unwrap());
        });
    });
}
