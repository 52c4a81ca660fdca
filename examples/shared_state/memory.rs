//! Data that one task writes and another reads.
//!
//! In Python `Value('i', 0)`, `Array('i', range(10))`, and memory that two processes map, with a
//! `Semaphore(1)`. Within a process an atomic is enough, or a [`Mutex`] with the data inside. In
//! Python the reader may be first, and prints what was there before; here it waits for an
//! [`Event`], or for a permit of a [`Semaphore`] that has none until the data is there.

use std::error::Error;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;

use workmill::{AcquireError, Event, ReleaseError, Semaphore, ThreadPoolExecutor};

use crate::SECOND;

const UNPOISONED: &str = "no thread panics while it holds the lock";

/// Data, and whether it was written.
struct Shared<T> {
    data: T,
    written: Event,
}

impl<T> Shared<T> {
    fn new(data: T) -> Arc<Self> {
        let written = Event::new();
        Arc::new(Self { data, written })
    }
}

pub(crate) fn value() -> Result<(), Box<dyn Error>> {
    let value = Shared::new(AtomicI32::new(0));
    let pool = ThreadPoolExecutor::new(2)?;
    let sending = pool.submit({
        let value = Arc::clone(&value);
        move || {
            // Relaxed is enough: a write before `set` is visible after `wait`.
            value.data.store(1, Relaxed);
            value.written.set();
        }
    });
    let receiving = pool.submit(move || {
        value.written.wait();
        value.data.load(Relaxed)
    });
    sending.join()?;
    let received = receiving.join()?;
    println!("{received}");
    assert_eq!(received, 1);
    Ok(())
}

pub(crate) fn array() -> Result<(), Box<dyn Error>> {
    let numbers: [i32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let array = Shared::new(Mutex::new(numbers));
    let pool = ThreadPoolExecutor::new(2)?;
    let sending = pool.submit({
        let array = Arc::clone(&array);
        move || {
            array.data.lock().expect(UNPOISONED)[0] = 1;
            array.written.set();
        }
    });
    let receiving = pool.submit(move || {
        array.written.wait();
        *array.data.lock().expect(UNPOISONED)
    });
    sending.join()?;
    let received = receiving.join()?;
    println!("{received:?}");
    assert_eq!(received, [1, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    Ok(())
}

pub(crate) fn bytes() -> Result<(), Box<dyn Error>> {
    let memory = Arc::new(Memory {
        bytes: Mutex::new(vec![0; MESSAGE.len()]),
        written: Semaphore::new(0),
    });
    let pool = ThreadPoolExecutor::new(2)?;
    let sending = pool.submit({
        let memory = Arc::clone(&memory);
        move || memory.send()
    });
    let receiving = pool.submit(move || memory.receive());
    sending.join()??;
    let received = receiving.join()??;
    println!("{}", String::from_utf8_lossy(&received));
    assert_eq!(received, MESSAGE);
    Ok(())
}

const MESSAGE: &[u8] = b"Hello, receiver!";

/// Memory, and a permit to read it as soon as it is written.
struct Memory {
    bytes: Mutex<Vec<u8>>,
    written: Semaphore,
}

impl Memory {
    fn send(&self) -> Result<(), ReleaseError> {
        thread::sleep(SECOND);
        self.bytes
            .lock()
            .expect(UNPOISONED)
            .copy_from_slice(MESSAGE);
        self.written.add_permits(1)
    }

    fn receive(&self) -> Result<Vec<u8>, AcquireError> {
        // Forgotten, not given back: a permit is one signal.
        self.written.acquire()?.forget();
        Ok(self.bytes.lock().expect(UNPOISONED).clone())
    }
}
